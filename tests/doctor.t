#!/bin/bash
# imgp-run --doctor: is everything that a run needs there (F37, M11)?
. "$(dirname "$0")/lib/lib.sh"
world
. "$ROOT/tests/lib/smtp.sh"
sql -c 'create role lookup login in role imgp_lookup' \
    -c 'create role record login in role imgp_record' \
    -c 'create role digest login in role imgp_digest' \
    -c 'create role stranger login'
as() { echo "$OWNER" | sed "s/user=postgres/user=$1/"; }
IMGP_DATABASE=$(as record) IMGP_REPLICA=$(as lookup) IMGP_LEDGER=$(as digest)
export IMGP_DATABASE IMGP_REPLICA IMGP_LEDGER
mkdir logs
sink in
export IMGP_LOGS="file://$WORK/logs" IMGP_MAIL="smtp://127.0.0.1:$port" \
    IMGP_PING=http://127.0.0.1:1/ IMGP_CHECK_PATIENT='warn PatientID equal'
doctor() { imgp-run --doctor "$@"; }
health() { jq -r --arg p "$1" '[.findings[] | select(.part == $p) | .health] | unique | join(" ")' out; }
before() { find source temp images logs spool mail | sort; }

before >was
exits 0 'a site where all is well' doctor --json
before | diff was - >changed
ok $? '... and nothing stays that was not there before' || diag <changed
for p in versions settings sandbox spool database ledger view names pipelines source temp \
    destination logs identity mail readers ping clock; do
	[ "$p" != sandbox ] || [ "$(health sandbox)" != warning ] || {
		skip 'sandbox' 'no Landlock here'
		continue
	}
	is "$(health $p)" ok "... $p"
done
is "$(health replica)" 'ok warning' 'a replica that is none is a warning'
is "$(jq -c '[.broken, .warning >= 1, .ok > 15]' out)" '[0,true,true]' 'how many of each'
is "$(find in -name '*.eml' | wc -l)" 0 'no letter was sent'
if is_long; then
exits 0 'as text' doctor
like out '^ok      database: PostgreSQL [0-9]+\.' 'a line each'
like out '^[0-9]+ ok, [0-9]+ warnings?, 0 broken$' 'and how many'
exits 0 'only what is not well' doctor -q
unlike out '^ok|broken$' '... with -q'
unlike out 'user=|host=|password' 'no connection string is shown'
fi

# finds HEALTH PART REGEX TITLE [NAME=VALUE...]: with these settings.
finds() {
	local health=$1 part=$2 re=$3 title=$4 rc=0
	shift 4
	[ "$health" != broken ] || rc=1
	exits $rc "$title" env "$@" imgp-run --doctor -q
	like out "^$health +$part( \[[a-z]*\])?: .*$re.*; do: ." '... with what to do'
}
finds broken spool 'IMGP-' 'a spool that cannot be made' IMGP_SPOOL=/proc/nowhere
if is_long; then
finds broken extra 'extra program /nowhere/x' 'an extra program that is not there' IMGP_EXTRA_COMMAND=/nowhere/x
fi
finds broken source 'IMGP-PLACE-MISSING' 'a source that is not there' IMGP_SOURCE="file://$WORK/nowhere"
if is_long; then
finds broken temp 'IMGP-PLACE-MISSING' 'a temp that is not there' IMGP_TEMP="file://$WORK/nowhere"
finds broken destination 'is not set' 'a destination that is not set' IMGP_DESTINATION=
if [ "$(id -u)" != 0 ]; then
	chmod 500 images
	finds broken destination 'IMGP-STORE-DENIED' 'a destination that cannot be written'
	chmod 700 images
fi
finds broken settings 'spool is not set|IMGP_SPOOL is not set' 'no spool' IMGP_SPOOL=
finds broken settings 'wait: "x"' 'a setting that is wrong' IMGP_WAIT=x
fi
finds broken database 'IMGP-DB-UNAVAILABLE' 'a database that is away' \
    IMGP_DATABASE="host=127.0.0.1 port=1 dbname=x"
if is_long; then
finds broken database 'no right to: file_start, .*lookup_failed' 'a user without the role' \
    IMGP_DATABASE="$(as digest)"
finds broken ledger 'IMGP-DB-DENIED' 'a user without any' IMGP_LEDGER="$(as stranger)"
finds broken replica 'no right to: upload, pending' 'a replica without its views' IMGP_REPLICA="$(as digest)"
finds warning database 'may change the tables themselves' 'a user with more rights than needed' \
    IMGP_DATABASE="$OWNER"
finds broken mail 'IMGP-MAIL-UNAVAILABLE' 'a mail server that is away' IMGP_MAIL=smtp://127.0.0.1:1
fi
finds broken mail 'IMGP-MAIL-TLS' 'a mail server that has no TLS' IMGP_MAIL_TLS=required
if is_long; then
finds broken mail 'mail: none of' 'a carrier that is none' IMGP_MAIL=pigeon:coop
finds broken mail 'no-such-program' 'a sendmail that is not there' IMGP_MAIL=sendmail:/no-such-program
finds broken mail 'the webhook could not be reached' 'a webhook that is away' IMGP_MAIL=http://127.0.0.1:1/secret
unlike out 'secret' '... whose address is not shown'
finds warning mail 'mail is not set' 'no mail' IMGP_MAIL= HOME="$WORK"
finds warning readers 'admins is not set' 'no admins' IMGP_ADMINS=
finds warning ping 'nobody notices' 'no ping' IMGP_PING=
finds warning identity 'nothing holds PatientID' 'no identity check (F29)' IMGP_CHECK_PATIENT=off
printf '[image]\ncheck_patient = required\n[imgae]\ndicom = no\n' >conf
finds warning pipelines 'no pipeline has this code' 'a section of no pipeline' IMGP_CONFIG="$WORK/conf"
printf '[image]\ndicom = maybe\n' >conf
finds broken settings '\[image\] dicom: "maybe"' 'a section that is wrong' IMGP_CONFIG="$WORK/conf"
finds warning clock 'the database server is [0-9]+ seconds ahead' 'a clock that is off' \
    LD_PRELOAD="$(find /usr/lib -name libfaketime.so.1 | head -1)" FAKETIME=-10m
fi

# Forms and fields whose files would lie in one directory: MRI + mri_zip, MRIm + ri_zip.
sql -c "insert into edc.ddcrf values (91, 'MRIm', 'x')" \
    -c "insert into edc.ddfile values (92, 91, 'ri_zip', 'x')" \
    -c "insert into edc.subjecteventcrf values (93, 901, 91)" \
    -c "insert into edc.subjecteventcrffile values (1390, 93, 92, 1, 'v1', '.zip')" \
    -c "update pipeline.edcpipeline set ddfiles = ddfiles || 92::bigint where code = 'image'"
finds warning names 'form MRI, field mri_zip and form MRIm, field ri_zip share quarantine/MRImri_zip/' \
    'two forms and fields that collide (M11)'
exits 0 'with a template that tells them apart' \
    env IMGP_DESTINATION_PATH='quarantine/{ddcrf_name}/{ddfile_name}/' imgp-run --doctor
like out '^ok      names: 6 forms and fields' '... they do not'
sql -c 'set client_min_messages = warning' -c "update pipeline.edcpipelinewaiver set reason = reason" \
    -c "comment on view pipeline.upload is 'imgpipe: placeholder'"
if is_long; then
finds broken view 'placeholder' 'a view that nobody has laid'
sql "comment on view pipeline.upload is 'ours'"
# The view need not tell of changes where all is compared each time.
sql 'alter view pipeline.upload rename column ts_change to ts_changed'
sql "create or replace function pipeline.many_uploads() returns bigint language sql immutable
    as 'select 1::bigint'"
is "$(sql "select pipeline.sweep_make('{\"every\": 1}') #>> '{data,swept}'")" true 'a full difference'
finds warning view 'no column ts_change: .* \(20h\)' 'a view that does not tell of changes'
exits 0 'one that need not' env IMGP_SWEEP_EVERY=0 imgp-run --doctor
like out '^ok +view( \[[a-z]*\])?: pipeline.upload has its columns' '... by a setting'
sql "create or replace function pipeline.many_uploads() returns bigint language sql immutable
    as 'select 50000::bigint'"
exits 0 'few uploads' imgp-run --doctor
like out '^ok +view( \[[a-z]*\])?: pipeline.upload has its columns' '... need it not'
sql 'alter view pipeline.upload rename column ts_changed to ts_change'

# A letter.
exits 0 'with --send' doctor --send
like out '^ok      letter: a test letter went to the admins$' '... a letter goes out'
m=$(find in -type f -name '*.eml' | head -1)
[ -n "$m" ] || m=$(find in -type f ! -name log ! -name out | head -1)
like "$m" '^Subject: .*a test letter' '... and arrives'

# A pooler.
if [ -x /usr/sbin/pgbouncer ]; then
	. "$ROOT/tests/lib/pooler.sh"
	pooler transaction
	exits 0 'behind a pooler' env IMGP_DATABASE="$(pooled "$(as record)")" imgp-run --doctor
	like out '^ok      database: PostgreSQL .*behind a pooler' '... which it sees'
	is "$(grep -c 'behind a pooler' out)" 1 '... and no other connection'
fi
fi
exits 2 '--doctor takes no ids' imgp-run --doctor 1201
exits 2 '--send goes with it' imgp-run --send
exits 2 'and nothing of a run does' imgp-run --doctor --pending
is "$(wc -l <"$ROOT/scripts/imgp-run" | awk '{ print ($1 <= 400) }')" 1 \
    'imgp-run itself is no longer than it was to be'
done_testing
