#!/bin/sh
# The message and its carriers: libimgpipe/mail, carrier, carrier_smtp.
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/smtp.sh"
PATH=$BUILD/tests:$PATH
FROM='imgpipe <pipe@trial.example>'
DATE=1547769600

# --- the message ---
printf 'plain text\nsecond line\n' >text
exits 0 'a plain message is built' mail build "$FROM" a@x.example S id.1 $DATE
tr -d '\r' <out >lf
holds lf 'and is this (R47)' <<'EOT'
From: imgpipe <pipe@trial.example>
To: a@x.example
Subject: S
Date: Fri, 18 Jan 2019 00:00:00 +0000
Message-ID: <id.1@trial.example>
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

plain text
second line
EOT
is "$(tr -cd '\r' <out | wc -c)" "$(tr -cd '\n' <out | wc -c)" \
    'every line ends by CRLF (R47)'

{
	printf '.\nFrom here\nfünf, %s\n\ttab \n' "$(printf '%090d' 7)"
	printf '.leading dot after '
	printf '%0200d.\n' 3 | tr 0 '='
} >text
cp text wanted
exits 0 'odd text is built' mail build "$FROM" a@x.example 'grün' i $DATE
is "$(mail_get out text | cmp - wanted && echo same)" same \
    'and read back the same: dots, From, tabs, long lines, umlauts (R47)'
unlike out '^[.F]r*o*m*([[:space:]]|$)' 'no line can be taken for another thing'
is "$(LC_ALL=C awk 'length > 78' out | wc -l)" 0 'no line is long'
is "$(mail_get out subject)" grün 'the subject comes back'
long=$(printf 'studie-é-%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
mail build "$FROM" a@x.example "$long" i $DATE >out
is "$(mail_get out subject)" "$long" 'a long subject of encoded words too'
mail build 'Bü, "x" <p@t.example>' a@x.example S i $DATE >out
is "$(mail_get out from)" '"Bü, \"x\"" <p@t.example>' 'a sender'\''s name too'
mail build '"A, B" <p@t.example>' a@x.example '=?x' i $DATE >out
is "$(mail_get out from | tr -d '\\')" '""A, B"" <p@t.example>' \
    'quotes in a name are kept as such'

if is_long; then
printf '<p>fünf &amp; <b>=_a.i</b></p>\n' >html
printf 'file,bytes\nx,1\n' >new.csv
mail build "$FROM" a@x.example,b@x.example S i $DATE >out
is "$(mail_get out parts)" 'multipart/mixed multipart/alternative text/plain text/html text/csv' \
    'text, HTML and CSV go in one message'
is "$(mail_get out html)" '<p>fünf &amp; <b>=_a.i</b></p>' 'the HTML comes back'
is "$(mail_get out csv | cmp - new.csv && echo same)" same 'the CSV comes back'
is "$(mail_get out defects)" '' 'a strict parser finds no fault'
mail build "$FROM" a@x.example,b@x.example S i $DATE >out2
is "$(cmp out out2 && echo same)" same 'equal input gives equal bytes'
rm html new.csv
fi

nl='
'
cr=$(printf '\r')
for a in 'a@x.example>' "a@x.example${nl}RCPT" 'a b@x.example' a 'a@' '@x' \
    'a@x..y' 'a@-x@' '"a"@x.example' 'a@[127.0.0.1]' 'ä@x.example' '-t@x.example' \
    "a@x.example${cr}" 'a@x_y.example' "$(printf '%0300d' 1)@x.example"; do
	mail send "$FROM" "x@y.example,$a" S i $DATE >out
	grep -q '^IMGP-MAIL-ADDRESS: ' out || printf '%s\n' "$a" >>let-through
done
is "$(cat let-through 2>/dev/null)" '' 'no address can end or begin a command (R47)'
mail build "$FROM" a@x.example "S${nl}Bcc: b@x.example" i $DATE >out
like out '^IMGP-MAIL-ADDRESS: ' 'a line feed in the subject is refused (R47)'
mail build "p${cr}q <p@t.example>" a@x.example S i $DATE >out
like out '^IMGP-MAIL-ADDRESS: ' 'a carriage return in a name is refused (R47)'

# --- SMTP ---
printf '.\nbody\n' >text
sink plain
export IMGP_MAIL="smtp://127.0.0.1:$port"
exits 0 'SMTP on loopback takes a mail' mail send "$FROM" a@x.example S i.1 $DATE
is "$(mail_get plain/1.eml text)" ".${nl}body" 'a lone dot arrives as one (R47)'
is "$(cat plain/1.env)" 'pipe@trial.example a@x.example clear -' 'its envelope'
exits 1 'a bad recipient is an error' \
    mail send "$FROM" gone@x.example,b@x.example,later@x.example,c@x.example S i.2 $DATE
holds out 'told apart by recipient, the others served (R45)' <<'EOT'
gone@x.example IMGP-MAIL-REFUSED: the mail server refused with reply 550
b@x.example done
later@x.example IMGP-MAIL-UNAVAILABLE: the mail server put it off with reply 451
c@x.example done
EOT
is "$(cat plain/2.env plain/3.env)" \
    "pipe@trial.example b@x.example clear -${nl}pipe@trial.example c@x.example clear -" \
    'who got it'
for m in greet421:UNAVAILABLE data452:UNAVAILABLE data554:REFUSED \
    lose:UNAVAILABLE drop:UNAVAILABLE hang:UNAVAILABLE; do
	echo "${m%:*}" >plain/mode
	IMGP_MAIL_TIMEOUT=1s mail send "$FROM" a@x.example S i.3 $DATE >out
	like out "^a@x.example IMGP-MAIL-${m#*:}" "server says ${m%:*}: ${m#*:} (R44)"
done
is "$(mail_get plain/4.eml message-id)" '<i.3@trial.example>' \
    'a mail taken before the connection broke bears the id of the next try (R46)'
echo ok >plain/mode
kill "$sink_pid"; wait "$sink_pid" 2>/dev/null
mail send "$FROM" a@x.example S i.4 $DATE >out
like out '^a@x.example IMGP-MAIL-UNAVAILABLE' 'a server away is no lost mail (R44)'

# --- TLS and login ---
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout key -out cert -days 2 -subj /CN=sink \
    -addext subjectAltName=IP:127.0.0.1 2>/dev/null
cat key cert >pem
sink clear
IMGP_MAIL=smtp://127.0.0.1:$port IMGP_MAIL_TLS=required \
    mail send "$FROM" a@x.example S i $DATE >out
like out '^a@x.example IMGP-MAIL-TLS' 'STARTTLS stripped: refused (R48)'
if is_long; then
sink tls --tls pem --login trial s3cret-canary
export IMGP_MAIL="smtp://127.0.0.1:$port"
IMGP_MAIL_TLS=required mail send "$FROM" a@x.example S i $DATE >out
like out '^a@x.example IMGP-MAIL-TLS' 'an unknown certificate: refused (R48)'
export IMGP_MAIL_CA_FILE="$PWD/cert" IMGP_MAIL_TLS=required
IMGP_MAIL="smtp://localhost:$port" mail send "$FROM" a@x.example S i $DATE >out
like out '^a@x.example IMGP-MAIL-TLS' 'a certificate for another host: refused (R48)'
mail send "$FROM" a@x.example S i $DATE >out
like out '^a@x.example IMGP-MAIL-REFUSED' 'a server that wants a login refuses'
(umask 077; printf 's3cret-canary\n' >password)
export IMGP_MAIL="smtp://trial@127.0.0.1:$port" IMGP_MAIL_PASSWORD_FILE="$PWD/password"
chmod 644 password
mail send "$FROM" a@x.example S i $DATE >out 2>err
like out 'IMGP-CONFIG: .*password: its mode lets others in' 'a password that others can read is not used'
chmod 600 password
exits 0 'login by a password from a file' mail send "$FROM" a@x.example S i $DATE
is "$(cat tls/1.env)" 'pipe@trial.example a@x.example tls auth' 'over TLS'
IMGP_MAIL_TLS=no mail send "$FROM" a@x.example S i $DATE >out
like out '^a@x.example IMGP-CONFIG' 'no password without TLS (R48)'
echo wrong >password
mail send "$FROM" a@x.example S i $DATE >out
like out '^a@x.example IMGP-MAIL-REFUSED: .*login' 'a wrong password is refused'
IMGP_MAIL="smtp://trial:s3cret-canary@127.0.0.1:$port" \
    mail send "$FROM" a@x.example S i $DATE >out
like out '^IMGP-CONFIG' 'a password in the URL is refused (R66)'
unlike out 's3cret' 'and not repeated'
unset IMGP_MAIL_CA_FILE IMGP_MAIL_TLS IMGP_MAIL_PASSWORD_FILE
fi

# --- Maildir ---
unset IMGP_MAIL
export XDG_STATE_HOME="$WORK/state"
exits 0 'without a setting mail goes to a Maildir' \
    mail send "$FROM" a@x.example,b@x.example S i $DATE
mail send "$FROM" a@x.example S i $DATE >/dev/null
dir=state/imgpipe/mail
is "$(ls $dir/new | wc -l) $(ls $dir/tmp $dir/cur | grep -c M)" '2 0' \
    'one file a message in new, none left in tmp'
is "$(stat -c %a state/imgpipe/mail/new) $(stat -c %a $dir/new/* | uniq)" '700 600' \
    'readable by its owner alone'
is "$(cat $dir/new/* | tr -cd '\r' | wc -c)" 0 'lines end as local files do'
export IMGP_MAIL="file://$WORK/text"
exits 1 'no Maildir can be made there' mail send "$FROM" a@x.example S i $DATE
like out 'IMGP-MAIL-UNAVAILABLE: .*text' 'which is said'

# --- sendmail ---
cat >fake <<'EOT'
#!/bin/sh
printf '%s\n' "$0 $*" >>"${0%/*}/argv"
env >"${0%/*}/env"
cat >"${0%/*}/stdin"
. "${0%/*}/then"
EOT
chmod +x fake
echo 'exit 0' >then
export IMGP_MAIL="sendmail:$WORK/fake" AWS_SECRET_ACCESS_KEY=canary-key
exits 0 'sendmail takes a mail' mail send "$FROM" a@x.example,b@x.example S i $DATE
is "$(cat argv)" "$WORK/fake -i -t" 'started once, as sendmail -i -t'
unlike env 'canary|IMGP' 'without our environment (R66)'
is "$(mail_get stdin to) $(mail_get stdin text)" \
    "a@x.example, b@x.example .${nl}body" 'the message is its input'
for s in 75:UNAVAILABLE 67:REFUSED 70:UNAVAILABLE 65:REFUSED; do
	echo "echo why >&2; exit ${s%:*}" >then
	mail send "$FROM" a@x.example S i $DATE >out
	like out "IMGP-MAIL-${s#*:}: sendmail ended with ${s%:*}, saying: why" \
	    "sendmail's status ${s%:*}: ${s#*:}"
done
echo 'kill -9 $$' >then
mail send "$FROM" a@x.example S i $DATE >out
like out 'IMGP-MAIL-UNAVAILABLE: sendmail died of signal 9' 'sendmail killed'
mkfifo never
echo 'read x <"${0%/*}/never"' >then
IMGP_MAIL_TIMEOUT=1s mail send "$FROM" a@x.example S i $DATE >out
like out 'IMGP-MAIL-UNAVAILABLE: sendmail took longer' 'sendmail hanging'
IMGP_MAIL=sendmail:/nowhere/sendmail mail send "$FROM" a@x.example S i $DATE >out
like out 'IMGP-CONFIG: .*/nowhere/sendmail' 'no sendmail there'
for u in ftp://x/ sendmail:relative file:relative '' smtp; do
	IMGP_MAIL=$u XDG_STATE_HOME='' HOME='' mail send "$FROM" a@x.example S i $DATE |
	    grep -q ^IMGP-CONFIG || echo "$u"
done >taken
is "$(cat taken)" '' 'what is no carrier is refused'
done_testing
