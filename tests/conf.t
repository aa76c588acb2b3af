#!/bin/bash
# Where settings come from (imgpipe.conf(5)): options, the environment, systemd's
# credentials, the files, the defaults; and where secrets do.
. "$(dirname "$0")/lib/lib.sh"
show() {		# show NAME COMMAND...: its line of --show-config
	local name=$1
	shift
	"$@" --show-config 2>err | sed -n "s/^$name =\t\?/&/p"
}
tab=$'\t'

# --- one file -------------------------------------------------------------------
unset IMGP_CONFIG
cat >one <<'EOT'
spool = /var/one
wait = 4m

[image]
dicom = required
wait = 9m
EOT
echo 'spool = /var/two' >two
is "$(IMGP_CONFIG=two show spool imgp-run)" "spool = /var/two$tab# two:1" \
    'IMGP_CONFIG names the file'
is "$(IMGP_CONFIG=two show spool imgp-run --config one)" \
    "spool = /var/one$tab# one:1" '--config does, over it'
is "$(IMGP_CONFIG=two show wait imgp-run)" "wait = 15m$tab# default" \
    '... and no other is read'
exits 2 'a file that is not there' imgp-dcmscan --config none
like err 'IMGP-CONFIG: none: ' '... is named'
exits 2 'one without a name' imgp-run --config '' 1201
like err -- '--config: no file' '... is said'

# --- what counts ----------------------------------------------------------------
export IMGP_CONFIG=$WORK/one
is "$(IMGP_SPOOL=/var/env show spool imgp-lookup)" \
    "spool = /var/env$tab# environment, IMGP_SPOOL" 'the environment is over a file'
is "$(IMGP_SPOOL='' show spool imgp-lookup)" "spool = /var/one$tab# $WORK/one:1" \
    'where it is not empty'
is "$(IMGP_WAIT=5m show wait imgp-run --wait 1m | head -1)" \
    "wait = 1m$tab# option --wait" 'an option is over both'
is "$(IMGP_INTERVAL=5m show interval imgp-lookup --interval 7s)" \
    "interval = 7s$tab# option --interval" 'also for the stage alone'
is "$(show stamp_tag imgp-stamp --tag '0010,4000 LT')" \
    "stamp_tag = 0010,4000 LT$tab# option --tag" '... and for the stamp'
imgp-run --show-config | sed -n '/^\[/,$p' >out
holds out 'sections follow' <<EOT
[image]
wait = 9m$tab# $WORK/one:6
dicom = required$tab# $WORK/one:5
EOT
IMGP_DICOM=no imgp-run --show-config | sed -n '/^\[/,$p' >out
like out "^dicom = no$tab# environment, IMGP_DICOM, over the section's\$" \
    'what overrules a section is said'

# Every tool has the same settings and says the same.
export IMGP_LABS=a@example.org
imgp-run --show-config >wanted
for t in "$BUILD"/bin/imgp-*; do
	case ${t##*/} in
	imgp-stages|imgp-supervise)	continue ;;	# its words are imgp-run's
	imgp-engine-*)	continue ;;	# it has none of its own
	esac
	"$t" --show-config >out 2>&1
	cmp -s out wanted || echo "${t##*/}"
done >others
is "$(cat others)" '' 'all tools agree'
is "$(grep -c "$tab# [a-z/]" wanted)" "$(grep -c = wanted)" \
    'each line says where it comes from'
unset IMGP_LABS

# --- typos ----------------------------------------------------------------------
wrong() {		# wrong NAME MEANT
	printf '\n[image]\n%s = x\n' "$1" >typo
	exits 2 "a setting $1" imgp-run --config typo 1201
	like err "IMGP-CONFIG: typo:3: unknown setting \"$1\"; is $2 meant\?" \
	    "... is perhaps $2"
}
wrong spol spool
if is_long; then
wrong desitnation destination
wrong labs_emails labs_mail
wrong databse_file database_file
fi
printf 'quux = x\n' >typo
exits 2 'a setting that is near none' imgp-run --config typo 1201
like err 'unknown setting "quux"$' '... is named alone'
exits 2 'an option' imgp-run --pendign
like err '^imgp-run: is --pending meant' '... is perhaps another'
exits 2 'a word that is no option at all' imgp-run --frobnicate
unlike err 'meant' '... is none'
IMGP_SPOL=x imgp-run --show-config >out
like out '^# IMGP_SPOL in the environment is no setting; is IMGP_SPOOL meant' \
    'and --show-config tells of a variable'

# --- the system's file and the user's ---------------------------------------------
# In a mount namespace with an /etc of the test's own, as nobody and as root.
chmod 755 "$WORK"
mkdir -p etc/imgpipe home/.config/imgpipe xdg/imgpipe bin
cp /etc/passwd /etc/group /etc/nsswitch.conf etc
cp "$BUILD/bin/imgp-stamp" "$BUILD/bin/imgp-api" bin
printf 'spool = /var/etc\nwait = 1m\n[image]\nwait = 2m\ncut = required\n' \
    >etc/imgpipe/imgpipe.conf
printf 'wait = 3m\n[image]\nwait = 4m\n' >home/.config/imgpipe/imgpipe.conf
printf 'wait = 5m\n' >xdg/imgpipe/imgpipe.conf
inside() {		# inside UID [NAME=VALUE...] COMMAND...
	local id=$1
	shift
	unshare -m sh -c 'mount --bind "$1" /etc && id=$2 && shift 2 &&
	    exec setpriv --reuid "$id" --regid "$id" --clear-groups \
	    env -u IMGP_CONFIG "$@"' sh "$WORK/etc" "$id" HOME="$WORK/home" "$@"
}
if inside 65534 true 2>why; then
	inside 65534 bin/imgp-stamp --show-config >out
	etc=/etc/imgpipe/imgpipe.conf own=$WORK/home/.config/imgpipe/imgpipe.conf
	head -2 out >files
	holds files "the system's file is read, then the user's" <<EOT
# read: $etc
# read: $own
EOT
	grep -E '^(spool|wait|cut) |^\[' out >lines
	holds lines "the user's counts as if it stood behind" <<EOT
spool = /var/etc$tab# $etc:1
wait = 3m$tab# $own:1
cut = expected$tab# default
[image]
wait = 4m$tab# $own:3
cut = required$tab# $etc:5
EOT
	is "$(inside 65534 XDG_CONFIG_HOME="$WORK/xdg" bin/imgp-stamp --show-config |
	    sed -n 2p)" "# read: $WORK/xdg/imgpipe/imgpipe.conf" \
	    'XDG_CONFIG_HOME names its directory'
	is "$(inside 65534 IMGP_CONFIG=one bin/imgp-stamp --show-config |
	    grep -c '^# read')" 1 'IMGP_CONFIG names the only one'
	is "$(inside 0 bin/imgp-stamp --show-config | grep '^# read')" \
	    "# read: $etc" "root has the system's alone"
	is "$(inside 65534 bin/imgp-api --show-config | grep '^# read')" \
	    "# read: $etc" 'and so has imgp-api'
	chmod 600 etc/imgpipe/imgpipe.conf
	inside 65534 bin/imgp-stamp --show-config >out 2>err
	is $? 2 "a system's file that may not be read"
	like err 'IMGP-CONFIG: /etc/imgpipe/imgpipe.conf: Permission denied' \
	    '... is no file that is not there'
else
	skip "the system's file" "no mount namespace here: $(cat why)"
fi

# --- secrets ----------------------------------------------------------------------
unset IMGP_CONFIG
world
export IMGP_CONFIG=$WORK/conf
where=$IMGP_DATABASE
unset IMGP_DATABASE
secret() { (umask 077; cat >"$1"); }
no_secret() {		# no_secret TITLE
	cat out err >both
	unlike both 'canary|host=' "$1"
}
echo "$where password=canary" | secret db
cat >conf <<EOT
database_file = $WORK/db
EOT
exits 0 'a run whose database stands in a file' imgp-run 1201
is "$(jq -r .edc_pipeline_file.status out)" Completed '... delivers'
exits 0 '--show-config' imgp-run --show-config
like out "^database = \(secret\)$tab# $WORK/conf:1, database_file\$" \
    '... says where it stands'
no_secret '... and not what it is'
exits 0 'what asks for no database' imgp-s3cp --config conf source local </dev/null
chmod 644 db
exits 0 '... does not look at the file' imgp-s3cp source local </dev/null
exits 2 'a file that others can read' imgp-run 1201
like err 'IMGP-CONFIG: database_file: .*/db: its mode lets others in' '... is named'
no_secret '... without what it holds'
chmod 600 db
: | secret empty
printf 'database_file = %s\n' "$WORK/empty" >conf
exits 2 'an empty one' imgp-record start </dev/null
like err 'IMGP-CONFIG: database_file: nothing in its first line' '... is named'

if is_long; then
cat >give <<EOT
#!/bin/sh
echo started >>"$WORK/starts"
[ "\$1" != fail ] || exit 3
echo "$where password=canary"
EOT
chmod +x give
echo "database_command = $WORK/give it" >conf
exits 0 'a database that a command tells' imgp-run 1202
is "$(jq -r .edc_pipeline_file.status out)" Completed '... delivers'
rm starts
exits 0 '--show-config' imgp-record --show-config
like out "^database = \(secret\)$tab# $WORK/conf:1, database_command\$" '... says so'
no_secret '... shows none'
[ ! -e starts ]
ok $? '... and starts nothing'
imgp-dcmscan </dev/null
[ ! -e starts ]
ok $? 'nor does a stage that needs none'
echo "database_command = $WORK/give fail" >conf
exits 2 'a command that fails' imgp-run 1201
like err 'IMGP-CONFIG: database_command: .*/give ended with status 3' '... is named'
echo "database_command = give it" >conf
exits 2 'one that is no path' imgp-run 1201
like err 'IMGP-CONFIG: database_command: not the absolute path' '... is refused'
fi

# systemd's credentials: over files, under the environment.
mkdir -m 700 credentials
echo "$where password=canary" | secret credentials/database
echo pw | secret credentials/mail_password
: >conf
export CREDENTIALS_DIRECTORY=$WORK/credentials
exits 0 'a database that is a credential' imgp-run 1203
is "$(jq -r .edc_pipeline_file.status out)" Completed '... delivers'
echo "database = service=other" >conf
exits 0 '--show-config' imgp-run --show-config
like out "^database = \(secret\)$tab# credential of systemd\$" \
    'a credential is over a file'
like out "^mail_password = \(secret\)$tab# credential of systemd\$" 'a password, too'
is "$(IMGP_DATABASE_FILE=$WORK/db show database imgp-run)" \
    "database = (secret)$tab# environment, IMGP_DATABASE_FILE" \
    'and under the environment'
exits 2 'two ways in the environment' env IMGP_DATABASE_FILE="$WORK/db" \
    IMGP_DATABASE=service=x imgp-run 1201
like err 'IMGP-CONFIG: both IMGP_DATABASE and IMGP_DATABASE_FILE are set' \
    '... are one too many'
unset CREDENTIALS_DIRECTORY

if is_long; then
# The last line of a file counts, in which way it gives the value.
chmod 600 conf
printf 'database = %s\ndatabase_file = %s\n' service=none "$WORK/db" >conf
exits 0 'a file behind a value' imgp-record start </dev/null
printf 'database_file = %s\ndatabase = %s\n' "$WORK/none" "$where" >conf
exits 0 'a value behind a file' imgp-record start </dev/null

# A pipeline's own password, by command; wrong in a section: that pipeline alone.
printf 'database_file = %s\n[image]\nlabs_mail_password_command = /bin/false\n' \
    "$WORK/db" >conf
exits 2 "a section's secret that cannot be had" imgp-notify </dev/null
like err 'IMGP-CONFIG: \[image\] labs_mail_password_command: /bin/false ended' \
    '... is named with it'
exits 0 'and imgp-status' imgp-status
like err '\[image\] labs_mail_password_command' '... says so'
unlike out '^image' '... and leaves the pipeline out'
# What stands in the file itself keeps others out, as ever.
printf 'mail_password = canary\n' >conf
chmod 644 conf
exits 2 'a password in a file for all' imgp-status
like err 'conf: mail_password is a secret, and the file.s mode' '... is refused'
no_secret '... and not shown'
fi
done_testing
