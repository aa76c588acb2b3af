#!/bin/sh
# imgp-record (M37-M44, M51, R6, R7, R9, R12-R18), over the carrier that CARRIER
# names: libpq, or http, by imgp-api behind a web server (M53).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/db.sh"
DENIED=$IMGP_LEDGER AWAY="host=$WORK user=x" MANY=40
is_long || MANY=8
# shellcheck source=/dev/null
[ "${CARRIER-libpq}" = libpq ] || . "$ROOT/tests/lib/carrier-$CARRIER.sh"
A=20260102T030405Z-0000000a B=20260102T030405Z-0000000b
export IMGP_DB_WAIT=5s IMGP_WAIT=0
code() { jq -r '.skip // .errors[-1].error_code // .edc_pipeline_file.status' "$@"; }
rows() {
	sql -c "select subjecteventcrffile_id, status, has_error, attempt,
	    coalesce(error_code, '-') from pipeline.edcpipelinefile order by 1"
}
# As if the stages between had done their work: scans, and sums of the places.
scanned() {
	jq -c '.sha256 = {"source": ("a" * 64)} | .bytes = {"source": 10} |
	    .scans = [{"study_uid": "1.2", "series": [
	    {"series_uid": "1.2.4", "series_number": null, "number_of_instances": 1},
	    {"series_uid": "1.2.3", "series_number": 3, "number_of_instances": 2}]}]'
}
delivered() {
	jq -c 'if .skip or .errors then . else
	    .sha256.destination = ("b" * 64) | .bytes.destination = 12 end'
}

IMGP_RUN=$A imgp-lookup 1201 1202 1203 1204 1205 1211 1212 >looked
exits 75 'start' imgp-record start <looked
cp out started
is "$(code started | tr '\n' ' ')" 'Started Started Started Started Started IMGP-SKIP-PAUSED IMGP-SKIP-WAIVED ' \
    'makes rows; paused and waived ones are skipped (F25, F26)'
jq -c 'select(.subject_event_crf_file_id == 1201) | [.edc_pipeline_file |
    .status, .has_error, .revision_number, .attempt, (.lease > 0)]' started >got
holds got 'the row is in the job line' <<'EOT'
["Started",false,1,1,true]
EOT
jq -r 'select(.subject_event_crf_file_id == 1201) | .edc_pipeline_file |
    "file_name MRI_mri_zip_TRC-0301_SCV_5101_1_\(.id)_\(.ts_create |
	gsub("[-:Z]"; "") | sub("T"; "_")).zip"' started >want
sql -c "select 'file_name ' || file_name from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1201" >got
holds got 'the name is in the row before the line goes on (M12-M15)' <want
name=$(cut -d' ' -f2 got)
id=$(jq -r 'select(.subject_event_crf_file_id == 1201).edc_pipeline_file.id' started)
is "$(jq -r 'select(.subject_event_crf_file_id == 1201) | .temp, .destination' started)" \
    "file://$WORK/temp/$id/$name
file://$WORK/destination/quarantine/MRImri_zip/$name" \
    'temp and destination are computed from it (M10, M11, M17)'
exits 75 'start again, while it is in hand' imgp-record start <looked
is "$(code out | sort | uniq -c | tr -s ' \n' ' ')" \
    ' 5 IMGP-SKIP-BUSY 1 IMGP-SKIP-PAUSED 1 IMGP-SKIP-WAIVED ' \
    'is busy; 75 (R6)'

scanned <started >in
exits 75 'scans' imgp-record scans <in
cp out scans
is "$(jq -c 'select(.subject_event_crf_file_id == 1201) | .scans' scans)" \
    "[{\"study_uid\":\"1.2\",\"series\":[{\"series_uid\":\"1.2.4\",\
\"series_number\":null,\"number_of_instances\":1,\"atri_uid\":\"$id.2\"},\
{\"series_uid\":\"1.2.3\",\"series_number\":3,\"number_of_instances\":2,\
\"atri_uid\":\"$id.1\"}]}]" 'adds the ATRIUIDs (M29-M31)'
is "$(rows | cut -d'|' -f2 | uniq)" 'In Progress' 'and the rows are In Progress'
imgp-record scans <in >out
cmp -s out scans
ok $? 'scans twice: the same lines, no new rows (M51)'
is "$(sql -c 'select count(*) from pipeline.edcpipelinefiledicom')" 10 'ten scans'

# The ends: well; with an error; for good; for now; and one that is not given.
jq -c 'def e(code; f; r): .errors = [{"stage": "stamp", "error_code": code,
	"class": "data", "error": "why", "fatal": f, "retryable": r}];
    if .skip then . elif .subject_event_crf_file_id == 1202 then
	e("IMGP-STAMP-SIGNED"; false; false) |
	.sha256.destination = ("b" * 64)
    elif .subject_event_crf_file_id == 1203 then
	e("IMGP-STAMP-FOREIGN"; true; false)
    elif .subject_event_crf_file_id == 1204 then
	e("IMGP-STORE-UNAVAILABLE"; true; true)
    elif .subject_event_crf_file_id == 1201 then
	.sha256.destination = ("b" * 64) else . end' scans >in
exits 75 'finish' imgp-record finish <in
cp out finished
rows >got
holds got 'writes each end: contract, M42, M43' <<'EOT'
1201|Completed|f|1|-
1202|Completed|t|1|IMGP-STAMP-SIGNED
1203|Failed|t|1|IMGP-STAMP-FOREIGN
1204|Failed|t|1|IMGP-STORE-UNAVAILABLE
1205|In Progress|f|1|-
EOT
like err '^imgp-record: 1205: IMGP-JOB-TYPE: sha256.destination is missing' \
    'what was not delivered is not Completed'
is "$(jq -c 'select(.subject_event_crf_file_id == 1205).errors[0] |
    [.stage, .fatal]' out)" '["finish",false]' \
    'an error of finish is not the file'"'"'s: the row stays, 75'
exits 75 'finish again' imgp-record finish <in
cmp -s out finished
ok $? 'the same lines (M51)' || diff out finished | diag
is "$(sql -c 'select count(*) from pipeline.edcpipelinefileerrorlog')" 3 \
    'three errors in the log, no double'
grep -v '"subject_event_crf_file_id":1205' finished >in
exits 75 'the lines that came out of it' imgp-record finish <in
cmp -s out in
ok $? 'pass it untouched'

# A later run.
IMGP_RUN=$B imgp-lookup 1201 1202 1203 1204 1205 >looked
exits 75 'a later run' imgp-record start <looked
is "$(code out | tr '\n' ' ')" \
    'IMGP-SKIP-DONE IMGP-SKIP-DONE IMGP-SKIP-FAILED Started IMGP-SKIP-BUSY ' \
    'done is done, failed for good stays, failed for now is open (R8)'
is "$(jq -r 'select(.edc_pipeline_file.status == "Started" and .skip == null) |
    .edc_pipeline_file | "\(.attempt) \(.sha256_source)"' out)" \
    "2 $(printf '%064d' 0 | tr 0 a)" \
    'its attempt is counted, the upload'"'"'s sum is told (R9, M44)'
exits 75 'start --again' imgp-record start --again <looked
is "$(code out | tr '\n' ' ')" \
    'IMGP-SKIP-DONE IMGP-SKIP-DONE Started IMGP-SKIP-BUSY IMGP-SKIP-BUSY ' \
    'opens what failed for good, and nothing else'
exits 0 'release --run' imgp-record release --run $B </dev/null
exits 0 'release --run, uncounted' imgp-record release --run $A --uncounted </dev/null
rows >got
holds got 'gives up what a run holds; statuses stay, uncounted takes one back' <<'EOT'
1201|Completed|f|1|-
1202|Completed|t|1|IMGP-STAMP-SIGNED
1203|Started|f|2|-
1204|Started|f|2|-
1205|In Progress|f|0|-
EOT
exits 0 'the next run need not wait' imgp-record start <looked
is "$(code out | tr '\n' ' ')" \
    'IMGP-SKIP-DONE IMGP-SKIP-DONE Started Started Started ' 'for what is open'
cp out mine

# Fenced (R7): stopped past its lease, then awake.
exits 0 'renew' imgp-record renew <mine
sql -c "update pipeline.edcpipelinefile set lease_until = now() - interval '1 s'
    where lease_until is not null"
IMGP_RUN=$A imgp-lookup 1203 1204 1205 | imgp-record start >theirs
is "$(code theirs | uniq)" Started 'another run takes over when the lease is over'
rows >before
for verb in renew scans finish release; do
	scanned <mine | delivered >in
	exits 75 "the one that slept: $verb" imgp-record $verb <in
	is "$(code out | tail -3 | uniq)" IMGP-SKIP-BUSY 'is fenced (R7)'
done
rows >after
cmp -s before after
ok $? 'and changed nothing'
scanned <theirs | delivered | imgp-record scans | imgp-record finish >out
is "$(code out | uniq)" Completed 'the other finishes'

if is_long; then
# A new revision (M44, R12).
sql -c "update edc.subjecteventcrffile set revisionnumber = 2 where id = 1201"
head -1 looked >old
exits 75 'a revision that the primary database knows better' imgp-record start <old
is "$(code out)" IMGP-LOOKUP-STALE 'is to be looked up again (R12)'
imgp-lookup 1201 | imgp-record start >out
is "$(jq -c '[.edc_pipeline_file.revision_number, .edc_pipeline_file.attempt]' out)" \
    '[2,1]' 'a new revision is a new row (M44)'
is "$(sql -c "select status, file_name from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1201 and revision_number = 1")" \
    "Completed|$name" 'the old row is untouched'
sql -c "delete from edc.subjecteventcrffile where id = 1206"
jq -c '.subject_event_crf_file_id = 1206' old >in
exits 1 'an upload that is gone' imgp-record start <in
is "$(code out)" IMGP-LOOKUP-NOT-FOUND 'is not started'

# Names that must not be (M13): the row is there to tell of it.
sql -c "update edc.event set code = 'B/../L' where id = 3"
imgp-lookup 1208 >in
exits 1 'a hostile name' imgp-record start <in
is "$(code out)" IMGP-NAME-INVALID 'is refused (R18)'
cp out in
exits 1 'and finished' imgp-record finish <in
is "$(rows | grep 1208)" '1208|Failed|t|1|IMGP-NAME-INVALID' 'for good'
sql -c "select pipeline.error_log(jsonb_build_object('edc_pipeline_file_id',
    max(id))) from pipeline.edcpipelinefile" >out
like out IMGP-NAME-INVALID 'the error log says so'
unlike out 'B/' 'its value is in no log (R67)'

# Lines that are no job, ids (R19, R64).
cat >in <<'EOT'
no job
{"v":1,"subject_event_crf_file_id":1209}
{"v":1,"subject_event_crf_file_id":9223372036854775808,"pipeline_code":"image"}
{"v":1,"subject_event_crf_file_id":9223372036854775807,"pipeline_code":"image","run":"x","revision_number":1}
{"v":1,"subject_event_crf_file_id":-1,"pipeline_code":"image","run":"x","revision_number":1}
EOT
exits 1 'lines that are no jobs' imgp-record start <in
is "$(code out | tr '\n' ' ')" 'IMGP-JOB-SYNTAX IMGP-JOB-TYPE IMGP-JOB-TYPE IMGP-LOOKUP-NOT-FOUND IMGP-JOB-TYPE ' \
    'come out failed, each for its reason (R19)'
is "$(rows | wc -l)" 7 'and make no row'
sql -c "select setval('pipeline.edcpipelinefile_id_seq', 2147483646)" \
    -c "insert into edc.subjecteventcrffile select id, 5101, 21, 1, 'v1', '.zip'
	from unnest(array[9007199254740993, 9223372036854775807, 1301]) id" >sqlout
imgp-lookup 9007199254740993 9223372036854775807 1301 | imgp-record start >in
# jq rounds ids above 2^53: by sed.
sed 's/}$/,"scans":[{"study_uid":"1","series":[{"series_uid":"2","number_of_instances":1}]}]}/' \
    in | imgp-record scans >out
# Which gets which depends on how many lines came at once.
is "$(jq -r '.scans[0].series[0].atri_uid' out | sort | tr '\n' ' ')" \
    '2147483647.1 2147483648.1 2147483649.1 ' 'row ids pass 2^31 (R19)'
fi

# Four at once (R6): each of MANY jobs is claimed by exactly one of four.
sql -c "insert into edc.subjecteventcrffile
    select id, 5101, 21, 1, 'v1', '.zip'
    from generate_series(2001, 2000 + $MANY) id"
seq 2001 $((2000 + MANY)) | IMGP_RUN=$A imgp-lookup >looked
# Each of the four reads a line of what is held open here until it is there.
mkfifo go
exec 9<>go
for i in 1 2 3 4; do
	# One by one, or all together, and in either order.
	case $i in 1) cat ;; 2) tac ;; *) shuf --random-source="$ROOT/Makefile" ;;
	esac <looked >in.$i
	{ read -r _ <&9; imgp-record start <in.$i >out.$i 2>err.$i 9<&-; } &
done
echo '1
2
3
4' >&9
wait
exec 9<&-
cat out.1 out.2 out.3 out.4 >all
is "$(code all | sort | uniq -c | tr -s ' \n' ' ')" \
    " $((3 * MANY)) IMGP-SKIP-BUSY $MANY Started " \
    'four runs at once: each file is claimed once (R6)'
is "$(sql -c "select count(*), count(distinct subjecteventcrffile_id),
    count(distinct file_name), max(attempt) from pipeline.edcpipelinefile
    where subjecteventcrffile_id between 2001 and 2999")" "$MANY|$MANY|$MANY|1" \
    'one row, one name, one attempt each'

# Usage, dry run, what ends a stream.
imgp-lookup 1209 >in
rows >before
exits 0 'a dry run' imgp-record -n start <in
is "$(jq -c .planned out)" true 'says so in the line'
is "$(jq -r .temp,.destination out)" "file://$WORK/temp/{edc_pipeline_file.id}/DAT_datscan_zip_TRC-0305_SCV_5109_1_{edc_pipeline_file.id}_{timestamp}.zip
file://$WORK/destination/quarantine/DATdatscan_zip/DAT_datscan_zip_TRC-0305_SCV_5109_1_{edc_pipeline_file.id}_{timestamp}.zip" \
    'with the names to be (F11)'
rows >after
cmp -s before after
ok $? 'and changes nothing'
for args in '' 'begin' 'start x' 'scans --again' 'finish --uncounted' \
    'start --run x' 'release --run x'; do
	is_long || [ "$args" = 'scans --again' ] || continue
	# shellcheck disable=SC2086
	exits 2 "wrong usage: $args" imgp-record $args </dev/null
done
exits 2 'a connection string that is none' env IMGP_DATABASE='a b' \
    imgp-record start </dev/null
exits 75 'a user without the right' env IMGP_DATABASE="$DENIED" \
    imgp-record start <in
like out IMGP-DB-DENIED 'says so (R14)'
exits 2 'places that are not set' env -u IMGP_TEMP imgp-record start <in
like out 'IMGP-CONFIG.*IMGP_TEMP' 'are named, before a row is made'
rows >after
cmp -s before after
ok $? 'and none is'
exits 75 'a full disk' sh -c 'imgp-record start <in >/dev/full'
exits 0 'the line of a job that was claimed and lost' imgp-record release --run \
    "$(jq -r .run in)" </dev/null
exits 75 'a database that is away' env IMGP_DATABASE="$AWAY" \
    IMGP_DB_WAIT=0 imgp-record start <in
is "$(code out)" IMGP-DB-UNAVAILABLE 'the line comes out all the same (R17)'
done_testing
