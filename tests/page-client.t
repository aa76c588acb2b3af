#!/bin/bash
# imgp-api for a client that knows the design page and nothing else: its own bodies, no
# lease, no sum (M41-M51); the labs hear of what it delivered once imgp-verify has
# seen it (M43).
. "$(dirname "$0")/lib/lib.sh"
world
. "$ROOT/tests/lib/api.sh"
RECORD=$IMGP_DATABASE
(umask 077; printf '%s page\na-token-for-audio-alone page audio\na-token-that-knows-leases\n' "$TOKEN" >token)
serve web || exit 1
FILE=/pipeline/edcpipeline/file
# page CALL [TOKEN] <body: the answer in ./body, its status in ./status.
page() {
	cat >request
	printf 'header = "Authorization: Bearer %s"\n' "${2-$TOKEN}" |
	    curl -s -S -K - -o body -w '%{http_code}' -H 'Content-Type: application/json' \
	    --data-binary @request "$API$FILE${1#file}" >status
}
told() { echo "$(cat status) $(jq -c "$1" body)"; }
refused() { is "$(told .error_code)" "$1 \"$2\"" "$3" || diag <body; }

# --- the page's bodies ------------------------------------------------------------
echo '{ "pipeline_code": "image", "subject_event_crf_file_id": 1201 }' | page file
is "$(told '[.success, has("error_code"), has("error"), (.data | keys)]')" \
    '200 [true,false,false,["edc_pipeline_file"]]' 'create: the page'"'"'s envelope (M45, M47)'
is "$(jq -c '.data.edc_pipeline_file | [.subject_event_crf_file_id, .pipeline_code, .status, .has_error, has("lease")]' body)" \
    '[1201,"image","Started",false,false]' 'the row of its table'
id=$(jq .data.edc_pipeline_file.id body)
name=$(jq -r .data.edc_pipeline_file.file_name body)
like body '"file_name":"MRI_mri_zip_TRC-0301_SCV_5101_1_'"$id"'_[0-9]{8}_[0-9]{6}.zip"' 'with the name that the page has for it (M12)'
cp body first
echo '{ "pipeline_code": "image", "subject_event_crf_file_id": 1201 }' | page file
cmp -s body first
ok $? 'create once more: the same row, the same answer (M51)'
update="\"pipeline_code\": \"image\", \"subject_event_crf_file_id\": 1201, \"edc_pipieline_file_id\": $id"
echo "{ $update }" | page file
cmp -s body first
ok $? 'the update as the page writes it: the row (M45)'
echo "{ $update, \"status\": \"in progress\" }" | page file
is "$(told '.data.edc_pipeline_file | [.status, .file_name]')" "200 [\"In Progress\",\"$name\"]" \
    'L6: in progress (M41)'
cat >scans <<EOT
{ $update, "scans": [ { "study_uid": "1.2", "series":
  [ { "series_uid": "1.2.3", "series_number": "3", "number_of_instance": 123 },
    { "series_uid": "1.2.4", "series_number": 4, "number_of_instance": 123 } ] },
  { "studyuid": "1.9", "series": [ { "series_uid": "1.9.1", "number_of_instance": "7" } ] } ] }
EOT
page file/dicom/add_scan_info <scans
is "$(told '[.success, .data.edc_pipeline_file_id, .data.pipeline_code, .data.subject_event_crf_file_id, (.data | keys | length)]')" \
    "200 [true,$id,\"image\",1201,4]" 'add_scan_info (M48-M50)'
is "$(jq -c '[.data.scans[] | .study_uid, .series[].atri_uid]' body)" \
    "[\"1.2\",\"$id.1\",\"$id.2\",\"1.9\",\"$id.3\"]" 'gives the ATRIUIDs, numbers as text or not'
cp body first
page file/dicom/add_scan_info <scans
cmp -s body first
ok $? 'twice the same'
echo "{ $update, \"status\": \"done\" }" | page file
is "$(told '.data.edc_pipeline_file | [.status, .has_error]')" '200 ["Completed",false]' 'L10: done, without a sum (M41)'
cp body first
echo "{ $update, \"status\": \"done\" }" | page file
cmp -s body first
ok $? 'twice the same'
is "$(sql "select sha256_destination is null, o.unseen from pipeline.edcpipelinefile f
    join pipeline.outcome o on o.edcpipelinefile_id = f.id where f.id = $id")" 't|t' 'which is recorded so'
echo "{ $update, \"status\": \"error\" }" | page file
refused 409 IMGP-DB-STATE 'Completed is final'
echo '{ "pipeline_code": "image", "subject_event_crf_file_id": 1201 }' | page file
is "$(told '.data.edc_pipeline_file | [.id, .status]')" "200 [$id,\"Completed\"]" 'create of it: its row'

# --- told to the labs once it was seen --------------------------------------------
imgp-digest >out 2>err
grep -rq "$name" mail
is $? 1 'the digest says nothing of it'
exits 1 'imgp-verify finds no object' imgp-verify --level exists
like out missing 'and says that it is missing'
is "$(sql 'select count(*) from pipeline.outcome where unseen')" 1 'it stays unseen'
path=$(sql "select file_path || file_name from pipeline.edcpipelinefile where id = $id")
mkdir -p "images/${path%/*}"
echo x >"images/$path"
imgp-verify --level row >out 2>&1
is "$(sql 'select count(*) from pipeline.outcome where unseen')" 1 'imgp-verify that does not look sees nothing'
imgp-verify -n --level size >out 2>&1
is "$(sql 'select count(*) from pipeline.outcome where unseen')" 1 '... nor does a dry one note it'
imgp-verify --level size >out 2>&1
unlike out "$name" 'with the object there is nothing to find'
is "$(sql 'select count(*) from pipeline.outcome where unseen')" 0 'and it is seen'
imgp-digest >out 2>err
grep -rq "$name" mail
ok $? 'the next digest tells the labs'

is_long || done_testing	# a sample ends here
# --- what others hold --------------------------------------------------------------
A=20260102T030405Z-0000000a
imgp-lookup 1203 | jq -c --arg run $A '.run = $run' | imgp-record start >held
id=$(jq .edc_pipeline_file.id held)
update="\"pipeline_code\": \"image\", \"subject_event_crf_file_id\": \"1203\", \"edc_pipieline_file_id\": \"$id\""
echo '{"pipeline_code":"image","subject_event_crf_file_id":1203}' | page file
is "$(told '.data.edc_pipeline_file | [.id, .status]')" "200 [$id,\"Started\"]" 'create of what a run has: its row'
if is_long; then
for s in '' ', "status": "in progress"' ', "status": "done"' ', "status": "error"' ', "file_name": "mine"'; do
	echo "{ $update$s }" | page file
	[ "$(told .error_code)" = '409 "IMGP-SKIP-BUSY"' ] || break
done
refused 409 IMGP-SKIP-BUSY 'but no update'
echo "{ $update, \"scans\": [] }" | page file/dicom/add_scan_info
refused 409 IMGP-SKIP-BUSY 'and no scans'
fi
imgp-record renew <held >out
is "$(jq '.edc_pipeline_file.lease' out)" "$(jq .edc_pipeline_file.lease held)" 'the run'"'"'s lease is unharmed'
imgp-record release <held >out
echo "{ $update, \"status\": \"in_progress\" }" | page file
is "$(told .data.edc_pipeline_file.status)" '200 "In Progress"' 'what it gave back is free'
jq -c '.sha256.destination = ("b" * 64)' held | imgp-record finish >out
is "$(jq -r .skip out)" IMGP-SKIP-BUSY 'and the run'"'"'s no more'
imgp-lookup 1203 | jq -c --arg run $A '.run = $run' | imgp-record start | jq -r .skip >out
is "$(cat out)" IMGP-SKIP-BUSY 'nor another'"'"'s while the client has it'

if is_long; then
# --- errors, and again ----------------------------------------------------------------
echo "{ $update, \"status\": \"error\", \"error_code\": \"EDC-7\", \"error\": \"no disk\" }" | page file
is "$(told '.data.edc_pipeline_file | [.status, .has_error]')" '200 ["Failed",true]' 'L11: error'
is "$(sql "select error_code, error from pipeline.edcpipelinefileerrorlog where edcpipelinefile_id = $id")" \
    'EDC-7|no disk' 'with its code and text in the log'
echo "{ $update, \"status\": \"done\" }" | page file
refused 409 IMGP-DB-STATE 'a failed row is not done without having been begun'
echo "{ $update, \"status\": \"in progress\" }" | page file
is "$(told .data.edc_pipeline_file.status)" '200 "In Progress"' 'begun again'
sql "update pipeline.edcpipelinefile set lease_until = now() - interval '1 hour' where id = $id"
echo "{ $update, \"status\": \"done\", \"has_error\": true }" | page file
is "$(told '.data.edc_pipeline_file | [.status, .has_error]')" '200 ["Completed",true]' 'late, and nobody took it: done'
printf '{"pipeline_code":"image","subject_event_crf_file_id":1204,"status":"in progress","file_name":"own name.zip"}' | page file
is "$(told '.data.edc_pipeline_file | [.status, .file_name]')" '200 ["In Progress","own name.zip"]' \
    'create with a status and a name of its own'
id=$(jq .data.edc_pipeline_file.id body)
printf '{"pipeline_code":"image","subject_event_crf_file_id":1204,"edc_pipieline_file_id":%s,"file_name":"other.zip"}' "$id" | page file
refused 409 IMGP-DB-STATE 'which stays'
fi

# --- who -----------------------------------------------------------------------------
echo '{"pipeline_code":"image","subject_event_crf_file_id":1205,"status":"done"}' | page file
refused 400 IMGP-API-REQUEST 'done without a row'
echo '{"pipeline_code":"image","subject_event_crf_file_id":1205}' | page file a-token-for-audio-alone
refused 403 IMGP-API-DENIED 'a page token for another pipeline'
echo '{"pipeline_code":"image","subject_event_crf_file_id":4242}' | page file
refused 404 IMGP-LOOKUP-NOT-FOUND 'an upload that the EDC does not know'
echo '{"run":"x","others":true}' | page file/../notice
echo "{\"pipeline_code\":\"image\",\"subject_event_crf_file_id\":1204,\"edc_pipieline_file_id\":$id,\"status\":\"done\"}" |
    page file a-token-that-knows-leases
refused 409 IMGP-DB-FENCED 'another token still needs the lease'
echo '{"pipeline_code":"audio","subject_event_crf_file_id":1211}' | page file
refused 409 IMGP-SKIP-PAUSED 'a pipeline that is paused'
echo "{\"scans\":[]}" | page file/dicom/add_scan_info
refused 400 IMGP-API-REQUEST 'scans without a row'
rows=$(sql 'select count(*) from pipeline.edcpipelinefile')
for b in '{"pipeline_code":"image","subject_event_crf_file_id":"12x"}' '{}' '{"pipeline_code":7}' \
    "{\"pipeline_code\":\"image\",\"subject_event_crf_file_id\":1204,\"edc_pipieline_file_id\":$id,\"scans\":{}}"; do
	echo "$b" | page file/dicom/add_scan_info
	echo "$b" | page file
	[ "$(cat status)" -ge 400 ] || [ "$(jq .data.edc_pipeline_file.id body)" = "$id" ] || break
done
is "$(sql 'select count(*) from pipeline.edcpipelinefile')" "$rows" 'no hostile body makes a row'

# --- imgpipe itself as a client of the page ------------------------------------------
serve own || exit 1
export IMGP_DATABASE=$API IMGP_REPLICA=$RECORD IMGP_API_REVISIONS=no IMGP_LEDGER="$WORK/account" \
    IMGP_API_TOKEN_FILE="$WORK/mine"
(umask 077; echo "$TOKEN" >mine)
exits 0 'imgp-run by the page'"'"'s calls alone' imgp-run 1206
is "$(sql "select status, has_error, sha256_destination is null from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1206")" 'Completed|f|t' 'its file is Completed'
exits 0 'again' imgp-run 1206
is "$(jq -r .skip out)" IMGP-SKIP-DONE 'which is done'
done_testing
