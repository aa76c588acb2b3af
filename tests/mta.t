#!/bin/bash
# A real mail server between us and the reader: Debian's postfix, with a
# configuration, queue and port of its own, delivering into Maildirs.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/smtp.sh"
PATH=$BUILD/tests:$PATH:/usr/sbin
command -v postfix >/dev/null || skip_all 'no postfix'
[ "$(id -u)" -eq 0 ] || skip_all 'postfix is started by root alone'
command -v setpriv >/dev/null || skip_all 'no setpriv'

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout key -out cert -days 2 -subj /CN=mta \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
chmod 755 "$WORK"
mkdir mta mta/etc mta/queue mta/data box
chown postfix mta/data
chown nobody box
port=$($PYTHON -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >mta/etc/main.cf <<EOT
compatibility_level = 3.6
queue_directory = $WORK/mta/queue
data_directory = $WORK/mta/data
command_directory = /usr/sbin
daemon_directory = $(postconf -d -h daemon_directory)
maillog_file = /dev/stdout
maillog_file_prefixes = /dev, $WORK
myhostname = mta.example.org
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
default_transport = error:no way out of a test
relay_transport = error:no way out of a test
virtual_mailbox_domains = example.org
virtual_mailbox_base = $WORK/box
virtual_mailbox_maps = inline:{labs@example.org=labs/, admins@example.org=admins/}
virtual_uid_maps = static:$(id -u nobody)
virtual_gid_maps = static:$(id -g nobody)
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_reject_unlisted_recipient = yes
smtpd_tls_cert_file = $WORK/cert
smtpd_tls_key_file = $WORK/key
smtpd_tls_security_level = encrypt
EOT
cat >mta/etc/master.cf <<EOT
127.0.0.1:$port inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
EOT
export MAIL_CONFIG="$WORK/mta/etc"
postfix check >mta/log 2>&1 || { cat mta/log | diag; skip_all 'postfix does not like it here'; }
# What it logs is what happens: the test waits for lines of it.
mkfifo mta/says
postfix start-fg >mta/says 2>&1 &
at_end "postfix stop >/dev/null 2>&1; wait $! 2>/dev/null"
exec 8<mta/says
says() {		# says REGEX: within a minute
	while IFS= read -r -t 60 line <&8; do
		printf '%s\n' "$line" >>mta/log
		[[ $line =~ $1 ]] && return 0
	done
	return 1
}
says 'daemon started' || { diag <mta/log; skip_all 'postfix did not start'; }
# arrived BOX: a mail comes to BOX, if it is not there already; it is moved to
# ./BOX.eml.
arrived() {
	[ -n "$(find "box/$1/new" -type f 2>/dev/null)" ] ||
		says "to=<$1@.*status=sent"
	mv box/"$1"/new/* "$1.eml"
}

export IMGP_MAIL="smtp://127.0.0.1:$port" IMGP_MAIL_CA_FILE="$WORK/cert" \
    IMGP_MAIL_TLS=required
{
	printf '.\nfünf\n.leading\nFrom here\n'
	printf '%01200d\n' 7
} >text
printf '<p>fünf</p>\n' >html
printf 'file,bytes\nx,1\n' >new.csv
exits 0 'postfix takes a mail by STARTTLS' mail send 'imgpipe <p@trial.example>' \
    labs@example.org,admins@example.org 'grün' id.1 1547769600
arrived labs && arrived admins
ok $? 'and delivers it to each reader'
is "$(mail_get labs.eml text | cmp - text && echo same)" same 'the text as it was: dots, From, long lines'
is "$(mail_get labs.eml html) $(mail_get labs.eml csv | cmp - new.csv && echo same)" '<p>fünf</p> same' \
    'HTML and CSV as they were'
is "$(mail_get labs.eml subject) $(mail_get labs.eml message-id) $(mail_get labs.eml defects)" \
    'grün <id.1@trial.example> ' 'subject, id; a strict parser finds no fault'
grep -v '^Return-Path\|^X-Original-To\|^Delivered-To\|^Received\|^	' labs.eml | tr -d '\r' >one
mail build 'imgpipe <p@trial.example>' labs@example.org,admins@example.org 'grün' id.1 1547769600 |
    tr -d '\r' >two
is "$(cmp one two && echo same)" same 'postfix had nothing to change in it'
exits 1 'a reader that it does not know' mail send p@trial.example \
    nobody@example.org,labs@example.org S id.2 1547769600
holds out 'is refused, the other served (R45)' <<'EOT'
nobody@example.org IMGP-MAIL-REFUSED: the mail server refused with reply 550
labs@example.org done
EOT
arrived labs
ok $? 'which arrives'

# By its sendmail(1); who is not root may not choose a configuration.
cat >sendmail <<EOT
#!/bin/sh
MAIL_CONFIG=$MAIL_CONFIG exec /usr/sbin/sendmail "\$@"
EOT
chmod +x sendmail
postfix_drop=$WORK/mta/queue/maildrop
[ -d "$postfix_drop" ] && IMGP_MAIL="sendmail:$WORK/sendmail" \
    exits 0 'its sendmail -i -t takes a mail' mail send p@trial.example \
    admins@example.org S id.3 1547769600 && arrived admins &&
    is "$(mail_get admins.eml text | cmp - text && echo same)" same 'and delivers the text as it was'
done_testing
