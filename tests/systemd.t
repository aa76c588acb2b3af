#!/bin/bash
# scripts/systemd: what its units and the crontab start does what it says, the
# units are right as systemd sees them, and close to what they need.
. "$(dirname "$0")/lib/lib.sh"
world
make -s -C "$ROOT" B="$BUILD" PREFIX=/usr/local DESTDIR="$WORK/inst" install \
	>out 2>&1 </dev/null
ok $? 'make install' || diag <out
units=$WORK/inst/usr/local/lib/systemd/system
# The settings as a site has them, secrets apart.
mkdir -p etc/imgpipe
cp /etc/passwd /etc/group /etc/nsswitch.conf etc
cat >etc/imgpipe/imgpipe.conf <<EOT
source = $IMGP_SOURCE
temp = $IMGP_TEMP
destination = $IMGP_DESTINATION
spool = $IMGP_SPOOL
mail = $IMGP_MAIL
admins = admins@example.org
labs = labs@example.org
wait = 0
EOT
mkdir -m 700 credentials
(umask 077; echo "$IMGP_DATABASE" >credentials/database)
# inside COMMAND...: where the installed tree and these settings are the machine's.
inside() {
	unshare -m sh -c 'mount --bind "$1/etc" /etc &&
	    mount --bind "$1/inst/usr/local" /usr/local && shift && exec "$@"' \
	    sh "$WORK" "$@"
}
inside true 2>why || skip_all "no mount namespace here: $(cat why)"
value() {		# value UNIT NAME: what the last NAME= in it says
	sed -n "s/^$2=//p" "$units/$1" | tail -1
}
# start UNIT: its command, as systemd would start it, with its credentials alone.
start() {
	inside env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$WORK" UNIT="$1" \
	    CREDENTIALS_DIRECTORY="$WORK/credentials" \
	    ${MONITOR_INVOCATION_ID+"MONITOR_INVOCATION_ID=$MONITOR_INVOCATION_ID"} \
	    sh -c "exec $(value "${2-$1}" ExecStart)"
}

# --- what they start ----------------------------------------------------------------
exits 1 'the pending service: a run' start imgpipe-pending.service
is "$(sql 'select count(*) > 5 from pipeline.edcpipelinefile')" t '... of what waits'
is "$(value imgpipe-pending.service SuccessExitStatus)" 1 \
    '... whose faults of uploads are told by its own mail'
rm -rf mail/new mail/cur
exits 0 'the digest service' start imgpipe-digest.service
cat mail/new/* >letters
like letters '^To: labs@example.org' '... mails the labs'
# What is paused is not delivered.
sql "update pipeline.edcpipeline set ddfiles = '{}' where code = 'audio'"
exits 0 'the verify service, where all holds' start imgpipe-verify.service
gone=$(find images -type f ! -path '*/manifests/*' | head -1)
rm "$gone"
exits 1 '... and where a file is gone' start imgpipe-verify.service
cp out said
rm -rf mail/new mail/cur

if is_long; then
# What fails is told to the admins, with its last words.
mkdir -p inst/usr/local/bin
cat >inst/usr/local/bin/journalctl <<EOT
#!/bin/sh
echo "\$*" >$WORK/asked
cat $WORK/said
EOT
chmod +x inst/usr/local/bin/journalctl
exits 0 'the service for what failed' \
    start imgpipe-verify.service 'imgpipe-failed@.service'
like asked '-u imgpipe-verify.service' "... asks the journal for the unit's words"
cat mail/new/* >letters
like letters '^To: admins@example.org' '... mails the admins'
like letters '^Subject: .*imgpipe-verify.service failed' '... what failed'
like letters "${gone##*/}|missing" '... and what it said'
rm -rf mail/new mail/cur
MONITOR_INVOCATION_ID=0123ab exits 0 'where systemd says which time it was' \
    start imgpipe-verify.service 'imgpipe-failed@.service'
is "$(cat asked)" '-q --no-pager -o cat -n 60 _SYSTEMD_INVOCATION_ID=0123ab + INVOCATION_ID=0123ab' \
    '... that one is asked for'
printf '' >said
rm -rf mail/new mail/cur
exits 0 'one without words' start imgpipe-digest.service 'imgpipe-failed@.service'
cat mail/new/* >letters
like letters 'no words in the journal' '... says so'
rm -rf mail/new mail/cur
exits 75 'a database that is away' inside env IMGP_DATABASE="host=$WORK/none" \
    IMGP_DB_WAIT=0 sh -c "echo x | /usr/local/libexec/imgpipe/imgp-tell 'x failed'"
is "$(find mail/new -type f | wc -l)" 1 '... keeps no letter back'
fi
for f in "$units"/imgpipe-*.service; do
	case $f in
	*@*)	continue ;;
	esac
	grep -q '^OnFailure=imgpipe-failed@%n.service' "$f" || echo "$f"
done >silent
is "$(cat silent)" '' 'no service fails unseen'
for f in "$units"/*.service; do
	! grep -q '^StandardOutput=' "$f" || grep -q '^StandardError=journal' "$f" || echo "$f"
done >dumb
is "$(cat dumb)" '' 'and none without words: what it says goes to the journal'
for f in "$units"/*.timer; do
	grep -q '^Persistent=true' "$f" && [ -e "${f%.timer}.service" ] || echo "$f"
done >forgetful
is "$(cat forgetful)" '' 'and no timer forgets what it missed'

is_long || done_testing	# a sample ends here
# --- the crontab, as it is pasted -----------------------------------------------------
cron=$WORK/inst/usr/local/share/imgpipe/crontab
sed -n 's/^\([A-Z_]*=\)/\1/p' "$cron" >variables
sed -n 's/^[0-9*][^ ]* [^ ]* [^ ]* [^ ]* [^ ]* //p' "$cron" >commands
is "$(wc -l <commands)" 3 'the crontab has three commands'
! grep -q '[^\\]%' commands
ok $? '... in which no % is a newline'
(umask 077; echo "database = $IMGP_DATABASE" >>etc/imgpipe/imgpipe.conf)
chmod 600 etc/imgpipe/imgpipe.conf
mapfile -t given <variables
at() {			# at N: the N-th command, as cron would start it
	inside env -i HOME="$WORK" LOGNAME=x SHELL=/bin/sh "${given[@]}" \
	    /bin/sh -c "$(sed -n "$1p" commands)"
}
if is_long; then
uploads 1400 1 "$(find source -name v1.zip | head -1)"
exits 0 'the run' at 1
[ ! -s out ]
ok $? '... which cron has nothing to mail of'
is "$(sql "select status from pipeline.edcpipelinefile
	where subjecteventcrffile_id = 1400")" Completed '... delivers'
rm -rf mail/new mail/cur
exits 0 'the digest' at 2
cat mail/new/* >letters
like letters '^To: labs@example.org' '... is mailed'
exits 1 'the proof' at 3
like out missing '... prints what does not hold, for cron to mail'
fi

# --- as systemd sees them --------------------------------------------------------------
if ! command -v systemd-analyze >/dev/null; then
	skip 'systemd-analyze' 'it is not here'
	done_testing
fi
root=$WORK/root
mkdir -p "$root/usr/lib/systemd/system" "$root/usr/bin" "$root/etc"
cp -r "$units/." "$root/usr/lib/systemd/system"
for f in timers network-online time-sync network multi-user sysinit basic shutdown \
    sockets paths slices local-fs swap; do
	cp "/usr/lib/systemd/system/$f.target" "$root/usr/lib/systemd/system" 2>/dev/null
done
for f in imgp-run imgp-digest imgp-verify imgp-queue sh bash; do
	cp /bin/true "$root/usr/bin/$f"
done
for f in "$units"/imgpipe-*.service "$units"/*.timer; do
	u=${f##*/}
	u=${u/@./@x.}
	is_long || [[ $u = imgpipe-pending.* ]] || continue
	systemd-analyze --man=no --root="$root" verify "$u" >out 2>&1 && [ ! -s out ]
	ok $? "$u: systemd-analyze verify has nothing to say" || diag <out
	case $u in
	*.service)
		exits 0 "$u: exposed at most by 2.0" systemd-analyze --root="$root" \
		    security --offline=true --threshold=20 --no-pager "$u" ;;
	*)	exits 0 "$u: its time is one" systemd-analyze calendar "$(value "$u" OnCalendar)" ;;
	esac
done
mkdir -p "$root/etc/systemd/system/imgpipe-.service.d"
cp "$WORK/inst/usr/local/share/imgpipe/sendmail.conf" \
    "$root/etc/systemd/system/imgpipe-.service.d"
systemd-analyze --man=no --root="$root" verify imgpipe-pending.service >out 2>&1 &&
    [ ! -s out ]
ok $? 'with the drop-in for sendmail, too' || diag <out
done_testing
