#!/bin/bash
# imgp-record and imgp-run towards an API that knows the design page and nothing else
# (M41, M44-M50, R15): our own account of its ids keeps an upload from being
# delivered twice.
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/other-api.sh"
command -v curl >/dev/null || skip_all 'no curl here'
world
B=20260102T030405Z-0000000b C=20260102T030405Z-0000000c
export IMGP_DB_WAIT=0 IMGP_REPLICA="$IMGP_DATABASE"
export IMGP_API_REVISIONS=no IMGP_LEDGER="$WORK/account"
other_api page-server.py
rows() { curl -s "$U/$base/rows"; }
on() {			# on BASE: from here on; an account of its own
	base=$1
	export IMGP_DATABASE="$U/$base" IMGP_LEDGER="$WORK/account-$base"
}
life() {		# life UPLOAD REVISION [RUN]: start, scans, finish
	job "$@" | imgp-record start >started 2>err && jq -c "$scans" started |
	    imgp-record scans >scanned && jq -c '.sha256.destination = ("b" * 64)' \
	    scanned | imgp-record finish >finished
}

# --- a whole life ---------------------------------------------------------------
on page
job 1201 1 >in
exits 2 'no account of ids: status 2' env -u IMGP_LEDGER imgp-record start <in
is "$(grep -c . err) $(grep -c 'IMGP-CONFIG: .*IMGP_LEDGER' err)" '1 1' \
    'with a line that names the setting'
: >file
exits 2 'a file as the account' env IMGP_LEDGER="$WORK/file" imgp-record start <in
exits 2 'a connection string is none' env IMGP_LEDGER="host=$WORK" imgp-record start <in
exits 2 'without api_revisions = no' env -u IMGP_API_REVISIONS imgp-record start <in
like out IMGP-CONFIG 'the line says so (M46)'
like err 'api_revisions = no.*IMGP_LEDGER' 'and names both settings'
rows >got
is "$(jq length got)" 1 'of these the last alone asked for anything'
on started
life 1201 1
ok $? 'start, scans, finish'
like err 'begins a new account' 'the first run says that it begins an account'
is "$(jq -r '.edc_pipeline_file | .status, .file_name, .revision_number' finished |
    sed -E 's/_[0-9]{8}_[0-9]{6}//')" 'Completed
MRI_zip_P_E_51_1_100.zip
1' 'the row has what the page lacks'
name=$(jq -r .edc_pipeline_file.file_name finished)
sed 's/^[^ ]* //' asked | tail -4 >got
holds got 'asked: the page'"'"'s bodies and its words for a status (M41, M45, M49)' <<EOT
file {"pipeline_code":"image","subject_event_crf_file_id":1201}
file {"pipeline_code":"image","subject_event_crf_file_id":1201,"file_name":"$name","status":"in progress","edc_pipieline_file_id":100}
file/dicom/add_scan_info {"pipeline_code":"image","subject_event_crf_file_id":1201,"scans":[{"study_uid":"1.2","series":[{"series_uid":"1.2.3","series_number":1,"number_of_instance":2}]}],"edc_pipieline_file_id":100}
file {"pipeline_code":"image","subject_event_crf_file_id":1201,"file_name":"$name","status":"done","has_error":false,"edc_pipieline_file_id":100}
EOT
is "$(jq -c '.scans[].series[].atri_uid' finished)" '"100.1"' 'the ATRIUIDs are the API'"'"'s (M50)'
n=$(wc -l <asked)
job 1201 1 $B | imgp-record start >out
is "$(code out) $(wc -l <asked)" "IMGP-SKIP-DONE $n" 'what is done is done, and nothing is asked'
life 1201 2 $B
ok $? 'a re-upload'
rows >got
is "$(jq -c '[.[] | [.id, .status]]' got)" '[[100,"done"],[101,"done"]]' \
    'is another row, and the old one stays (M44)'
job 1201 1 $C | imgp-record start >out 2>err
is "$(code out)" IMGP-LOOKUP-STALE 'an older revision than the newest is not begun again'

# --- failed, and again --------------------------------------------------------------
on page
job 1202 1 | imgp-record start 2>/dev/null | jq -c "$scans" | imgp-record scans >scanned
fail='.errors = [{stage: "temp", error_code: "IMGP-STORE-UNAVAILABLE", error: "away",
    fatal: true, retryable: true, class: "temporary"}]'
jq -c "$fail" scanned | imgp-record finish >out 2>err
is "$(rows | jq -c '.[-1] | [.id, .status, .has_error]')" '[101,"error",true]' 'a failure is told'
cp asked before
life 1202 1 $B
ok $? 'the next run'
is "$(rows | jq -c '[.[] | select(.subject_event_crf_file_id == 1202) | [.id, .status, .has_error]]')" \
    '[[101,"done",false]]' 'updates the same row'
is "$(jq -r .edc_pipeline_file.file_name finished scanned | sort -u | wc -l)" 1 'keeps its name'
is "$(jq -r '.edc_pipeline_file.attempt' finished)" 2 'counts the attempt'
is "$(tail -n +$(($(wc -l <before) + 1)) asked | grep -c add_scan)" 0 \
    'and does not have its scans numbered once more'
if is_long; then
job 1203 1 | imgp-record start 2>/dev/null |
    jq -c "$fail | .errors[0] |= (.error_code = \"IMGP-DICOM-NONE\" | .retryable = false)" |
    imgp-record finish >out 2>err
job 1203 1 $B | imgp-record start >out
is "$(code out)" IMGP-SKIP-FAILED 'what failed by its own fault for good stays so'
job 1203 1 $B | imgp-record start --again >out
is "$(code out)" Started 'unless it is opened again'
jq -c "$scans | .subject_event_crf_file_id = 1202 | .edc_pipeline_file = $(jq -c .edc_pipeline_file scanned)
    | .sha256.destination = (\"b\" * 64)" finished >row
imgp-record finish <row >out 2>&1
is "$(jq -r '.edc_pipeline_file | .status, .ended' out)" "Completed
$(jq .edc_pipeline_file.lease row)" 'a finish that is asked again is answered'
jq -c '.errors[0] = {fatal: true, error_code: "IMGP-STORE-UNAVAILABLE", stage: "temp",
    class: "temporary", error: "x", retryable: true}' row | imgp-record finish >out 2>err
is "$(code out)" IMGP-DB-STATE 'but Completed is final'
is "$(rows | jq -c '.[1].status')" '"done"' 'at the API as well'
fi

is_long || done_testing	# a sample ends here
# --- two at once ------------------------------------------------------------------
for run in $A $B $C; do
	job 1204 1 "$run" | imgp-record start >"one-$run" 2>/dev/null &
	pids="${pids-} $!"
done
for p in $pids; do wait "$p"; done
is "$(code one-* | sort | uniq -c | awk '{ print $1, $2 }' | paste -sd,)" \
    '2 IMGP-SKIP-BUSY,1 Started' 'of three runs at once one has the upload'
is "$(rows | jq '[.[] | select(.subject_event_crf_file_id == 1204)] | length')" 1 'and makes one row'
who=$(jq -r 'select(.skip == null).run' one-*)
jq -c 'select(.skip == null)' one-* >mine
jq -c '.edc_pipeline_file.lease += 2' mine | imgp-record scans >out
is "$(code out)" IMGP-SKIP-BUSY 'who has not the lease does not write'
imgp-record renew <mine >out
is "$(jq -c .edc_pipeline_file.lease out)" "$(jq -c .edc_pipeline_file.lease mine)" 'renew'
if is_long; then
imgp-record release --uncounted <mine >out
is "$(jq -c '.edc_pipeline_file | [.lease, .attempt]' out)" '[null,0]' 'release'
imgp-record scans <mine >out
is "$(code out)" IMGP-SKIP-BUSY 'after which it is not held'
job 1204 1 $C | imgp-record start >mine
is "$(code mine)" Started 'and free for the next'
exits 0 'a run is renewed' imgp-record renew --run $C
exits 0 'and released' imgp-record release --run $C
job 1204 1 "$who" | imgp-record start >out
is "$(code out)" Started 'with all it held'
is "$(rows | jq '[.[] | select(.subject_event_crf_file_id == 1204)] | length')" 1 'all in one row'
fi

# --- killed between the API's row and our note of it --------------------------------
on lost
job 1205 1 | imgp-record start >out 2>/dev/null &
victim=$!
until grep -q '^/lost file ' asked; do sleep 0.05; done
job 1205 1 $B | imgp-record start >out 2>err
is "$(code out)" IMGP-SKIP-BUSY 'while the API has not answered, another run keeps off'
kill -9 $victim
wait $victim 2>/dev/null
imgp-record release --run $A
job 1205 1 $B >in
exits 75 'after a SIGKILL before the answer' imgp-record start <in
is "$(code out) $(rows | jq length)" 'IMGP-API-LOST 1' \
    'the upload fails by a code of its own, and no second row is made'
exits 75 'in each run' imgp-record start <in
is "$(rows | jq length)" 1 'however often'
IMGP_DATABASE=$U/page imgp-record start --again <in >out
is "$(code out)" Started 'until somebody says --again'
if is_long; then
for b in cut gateway; do
	on $b
	exits 75 "/$b: the row is made, and its answer lost" imgp-record start <in
	is "$(code out) $(rows | jq length)" 'IMGP-API-LOST 1' 'is told at once'
	IMGP_DB_WAIT=5s imgp-record start <in >out 2>err
	is "$(code out) $(rows | jq length)" 'IMGP-API-LOST 1' 'and not tried again within the run'
done
on kept
{ job 1205 1 && job 1206 1; } | IMGP_DB_WAIT=5s imgp-record start >out 2>err
is "$(rows | jq '[.[].subject_event_crf_file_id] | group_by(.) | map(length)' -c)" '[1,1]' \
    'a connection that ends is not used twice for one row'

# --- not made: no note is left ---------------------------------------------------------
on busy
job 1205 1 | IMGP_DB_WAIT=5s imgp-record start >out 2>err
is "$(code out) $(rows | jq length)" 'Started 1' 'a 503: asked again, one row'
on refuse
exits 75 'refused' imgp-record start <in
is "$(code out)" IMGP-DB-REQUEST 'with a code of its own'
IMGP_DATABASE=$U/page imgp-record start <in >out 2>err
is "$(code out)" Started 'what was refused can be asked again'
on page
job 1207 1 >in
exits 75 'not reached' env IMGP_DATABASE=http://127.0.0.1:1 imgp-record start <in
imgp-record start <in >out
is "$(code out)" Started 'nor does an API that is away leave a note'

# --- an API that gives the row it made before --------------------------------------------
on same
job 1208 1 | IMGP_DATABASE=$U/lost IMGP_API_TIMEOUT=1s imgp-record start >out 2>err
is "$(code out)" IMGP-API-LOST 'a lost answer'
job 1208 1 | IMGP_API_CREATE=same imgp-record start >out 2>err
is "$(code out)" Started 'with api_create = same the row is asked for again'
job 1208 2 $B | IMGP_API_CREATE=same imgp-record start >out 2>err
is "$(code out)" IMGP-API-REVISION 'and a re-upload that would get the old row is refused'
exits 2 'api_create is new or same' env IMGP_API_CREATE=maybe imgp-record start <in
fi

# --- the account itself ---------------------------------------------------------------
on page
find account-page -type f -path '*rows*' -name '*.1202.json' >got
is "$(wc -l <got)" 1 'a file for each upload'
cut=$(cat got)
printf '{"1":{"id":' >"$cut"
job 1202 1 >in
exits 75 'damaged' imgp-record start <in
is "$(code out)" IMGP-API-ACCOUNT 'it is not taken for an empty one'
rm account-page/rows/*/*.1202.json
is "$(find account-page ! -perm -go=r | wc -l)" "$(find account-page | wc -l)" 'nobody else reads it'

if is_long; then
# --- whole runs --------------------------------------------------------------------
on page
export IMGP_LEDGER="$WORK/account-runs"
printf '%s\n' 1201 1203 1205 >ids
before=$(rows | jq length)
imgp-run --from ids >one.out 2>one.err &
first=$!
imgp-run --from ids >two.out 2>two.err
wait $first
imgp-run --from ids >three.out 2>three.err
ok $? 'two runs at once, then a third'
is "$(find images -name '*.zip*' -o -name '*.tar*' -o -name '*.dcm' | wc -l) $(rows | jq length)" \
    "3 $((before + 3))" 'three uploads: three objects, three rows' || {
	find images -type f
	cat one.err two.err three.err
} | diag
is "$(rows | jq -r '.[-3:] | .[].status' | sort -u)" 'done' 'all done'
is "$(jq -r .skip three.out | sort -u)" IMGP-SKIP-DONE 'the third has nothing to do'
unlike server.log . 'no request broke the server'
fi
done_testing
