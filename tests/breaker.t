#!/bin/bash
# A stage that meets the same fault of ours in job after job stops: the thing itself
# is asked once, what is left is nobody's failure, and the next --pending takes it.
. "$(dirname "$0")/lib/lib.sh"
world
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
# Enough for three jobs in a row to be few; the long run has as many as a night.
all=${LONG:+300}
readonly all=${all:-9} given=source/subjecteventcrffile/301/5102/ct_file/v1.dcm
uploads 2001 $all $given
sql 'delete from edc.subjecteventcrffile where id < 2001'
requests() { grep -c . server/log; }
rows() { sql "select count(*) from pipeline.edcpipelinefile where $1"; }
# stops TITLE CODE REQUESTS COMMAND...: a run over all uploads, one at a time, ends
# early by CODE, with no more than so many requests.
stops() {
	_of=$1 _code=$2 _most=$3
	shift 3
	rm -rf mail/new/* mail/cur/*
	exits 75 "$_of" "$@" imgp-run -j1 --pending
	like err "$_code" '... is named'
	like err '^imgp-.*: 3 jobs in a row failed by .*: no more are taken' '... stops the stage'
	like err "^imgp-run: .* 3 jobs: .*, $((all - 3)) left: run again" \
	    '... and the run says how many are left'
	is "$(grep -c '"fatal":true' out)" 3 '... three lines have failed'
	is "$(rows "failed_for_good or status = 'Completed'")" 0 '... no row is closed'
	is "$(rows 'lease_until is not null')" 0 '... none is held'
	is "$(rows 'attempt > 1')" 0 '... and no attempt is counted'
	is "$(ls mail/new | wc -l)" 1 '... one mail'
	is "$(find spool -mindepth 1 ! -name .lock)" '' '... the spool is empty'
	ok $(($(requests) > _most)) "... $(requests) requests for $all uploads"
	is "$(state | grep -v ' /src/')" '' '... nothing is delivered, nothing lies open'
}
IMGP_DESTINATION=s3://img
faults
stops 'a wrong secret' 'IMGP-STORE-DENIED: .*SignatureDoesNotMatch' 15 \
    env AWS_SECRET_ACCESS_KEY=other
if is_long; then
faults '9999 * /img/ status 400 ExpiredToken'
stops 'an expired token' 'IMGP-STORE-CREDENTIALS: .*ExpiredToken' 25 env
faults '9999 PUT /img/ status 403 AccessDenied'
stops 'a policy that denies PUT' 'IMGP-STORE-DENIED: .*AccessDenied' 15 env
faults
IMGP_LOGS=s3://logs IMGP_SOURCE=s3://src \
    stops 'a wrong secret for every place' 'IMGP-STORE-DENIED: .*SignatureDoesNotMatch' 25 \
    env AWS_SECRET_ACCESS_KEY=other
fi
faults
IMGP_DESTINATION=file://$WORK/none stops 'a directory that is not there' \
    'IMGP-PLACE-MISSING: .*none' 0 env
# in_hand TITLE OPTION...: the same with several jobs at once.
in_hand() {
	exits 75 "$1" env AWS_SECRET_ACCESS_KEY=other imgp-run "${@:2}" --pending
	like err "no more are taken" '... it stops as well'
	is "$(grep -c '^imgp-s3cp: .*no more are taken' err)" 1 '... once'
	_failed=$(grep -c '"fatal":true' out)
	ok $((_failed > 30)) "... with what was in hand: $_failed"
	like err ", $((all - _failed)) left: run again" '... and counts the others'
	is "$(rows 'attempt > 1 or failed_for_good or lease_until is not null')" 0 \
	    '... no attempt is counted, no row closed, none held'
}
if is_long; then
in_hand 'with eight jobs at once' -j 8
in_hand 'with as many as it likes'
faults
fi
exits 0 'mended, --pending' imgp-run --pending
is "$(rows "status = 'Completed' and not has_error")" $all '... delivers all'
is "$(state | grep -c ' /img/quarantine/')" $all '... once'

if is_long; then
# What one object has of its own stops nobody.
uploads 3001 12 $given
imgp-s3cp -r "file://$WORK/source/" s3://src/
IMGP_SOURCE=s3://src
faults '9999 GET /u300[3-7].zip status 403 AccessDenied' \
    '9999 * /u30(09|10|11|12).zip status 403 InvalidObjectState'
exits 75 'five objects with a key of their own, four in the archive' imgp-run --pending
is "$(rows "status = 'Completed'")" $((all + 3)) '... the others are delivered'
is "$(rows "error_code = 'IMGP-STORE-DENIED' and not failed_for_good")
$(rows "error_code = 'IMGP-STORE-ARCHIVED' and not failed_for_good")" '5
4' '... those are open'
unlike err 'no more are taken' '... no stage stopped'
unlike err ' left' '... and nothing is left'
uploads 4001 1 $given
imgp-s3cp "file://$WORK/source/subjecteventcrffile/301/5101/mri_zip/u4001.zip" \
    s3://src/subjecteventcrffile/301/5101/mri_zip/u4001.zip
exits 75 'the next time' imgp-run -j1 --pending
is "$(jq -r .subject_event_crf_file_id out | head -1)" 4001 '... they go last'
faults
exits 0 'mended' imgp-run --pending
is "$(rows "status = 'Completed'")" $((all + 13)) '... all are delivered'
fi

# The other stages.
export IMGP_SOURCE="file://$WORK/source" IMGP_DESTINATION="file://$WORK/images"
cp "$WORK/$given" spool/upload
imgp-dcmscan spool/upload | jq -c ".run = \"20190118T220000Z-00000001\" |
    .local = \"file://$WORK/spool/upload\" | .scans[].series[].atri_uid = \"77.1\"" >line
mkdir spool/20190118T220000Z-00000001
for i in $(seq 7); do jq -c ".subject_event_crf_file_id = $i" line; done >todo
# stopped TITLE CODE: the tool has stopped after three of seven.
stopped() {
	is "$_rc" 75 "$1"
	like err "^imgp-[a-z]*: $2: " '... is named when asked'
	like err "3 jobs in a row failed by $2: no more are taken" '... stops it'
	is "$(grep -c . out)" 3 '... after three jobs'
}
jq -c 'del(.scans) | .local |= sub("/spool/"; "/none/")' todo >unscanned
IMGP_SPOOL=$WORK/none imgp-dcmscan <unscanned >out 2>err
_rc=$?
stopped 'imgp-dcmscan without a spool' IMGP-STORE-IO
no_disk() { (trap '' XFSZ; ulimit -f 0; exec "$@"); }
{ { no_disk imgp-stamp <todo 2>&1 >&3; echo "$?" >&2; } 2>rc | cat >err; } 3>&1 | cat >out
_rc=$(cat rc)
stopped 'imgp-stamp on a disk that takes nothing' IMGP-STORE-FULL
ok "$(test -e spool/20190118T220000Z-00000001/stopped; echo $?)" 'its run is told'
imgp-stamp -n <todo >out 2>err
is "$(grep -c . out)" 7 'a disk that takes all'

if is_long; then
# A database that goes away behind imgp-record start.
mkdir -m 711 proxy
echo none >proxy/cut
_host=$(echo "$OWNER" | sed 's/host=\([^ ]*\).*/\1/')
"$ROOT/tests/servers/pg-proxy.py" "$_host/.s.PGSQL.5432" "$WORK/proxy" >proxy/log 2>&1 &
proxy=$!
at_end "kill $proxy 2>/dev/null"
until grep -q ready proxy/log; do sleep 0.05; done
uploads 5001 7 $given
seq 5001 5007 | imgp-lookup >todo
mkfifo go ready
IMGP_DB_WAIT=0 IMGP_DATABASE="${OWNER/"$_host"/"$WORK/proxy"}" IMGP_READY_FD=7 \
    imgp-record start <go >out 2>err 7>ready &
_record=$!
exec 8>go
read -r -n 1 _ <ready
kill $proxy
wait $proxy 2>/dev/null
cat todo >&8
exec 8>&-
wait $_record
is $? 75 'imgp-record start without its database'
like err '^imgp-record: IMGP-DB-UNAVAILABLE: ' '... names it when asked'
like err '3 jobs in a row failed by IMGP-DB-UNAVAILABLE: no more are taken' '... stops'
is "$(rows 'subjecteventcrffile_id > 5000')" 0 '... and has claimed none'
fi
done_testing
