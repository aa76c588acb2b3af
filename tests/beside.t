#!/bin/sh
# What lies beside a delivery: the error log under the name that it was given, the
# time in names, a manifest beside each file (M15, M65, F30).
. "$(dirname "$0")/lib/lib.sh"
world
export IMGP_LOGS="file://$WORK/logs"
mkdir logs
logs() { find logs -name '*error_log.txt' | sed 's,.*/,,' | sort; }

# The first design's name of an error log: without the extension.
export IMGP_ERROR_LOG_KEY='image_pipelines/error_logs/{pipeline_code}/{file_stem}_error_log.txt'
export IMGP_FILE_MANIFEST=yes IMGP_TIMESTAMP_ZONE=Asia/Kolkata
exits 1 'a run' imgp-run 1201 1205
name=$(jq -r 'select(.subject_event_crf_file_id == 1201) | .edc_pipeline_file.file_name' out)
made=$(jq -r 'select(.subject_event_crf_file_id == 1201) | .edc_pipeline_file.ts_create' out)
place=$(jq -r 'select(.subject_event_crf_file_id == 1201) | .destination' out)
cut=$(jq -r 'select(.subject_event_crf_file_id == 1205) | .edc_pipeline_file.file_name' out)
is "$(TZ=Asia/Kolkata date -d "$made" +%Y%m%d_%H%M%S)" \
    "$(echo "$name" | sed 's/.*_\([0-9]*_[0-9]*\)\.zip$/\1/')" 'the time in a name is of timestamp_zone (M15)'
is "$(logs)" "${cut%.zip}_error_log.txt" 'a log is named by its setting (M65)'

# The manifest.
file=${place#file://}
is "$(jq -r '.sha256, .bytes, .participant_code, .place, .file_name' "$file.manifest.json" | tr '\n' ' ')" \
    "$(sha256sum <"$file" | cut -c1-64) $(wc -c <"$file") TRC-0301 $place $name " \
    'a manifest lies beside each file (F30)'
is "$(jq -c '[.scans, .instances, .atri_uids, .has_error]' "$file.manifest.json")" \
    '[3,11,"1.1 1.2 1.3",false]' '... with its scans'
is "$(find images -name '*.manifest.json' | wc -l)" 2 '... one a file'
exits 1 'imgp-verify' imgp-verify --pipeline image
unlike out manifest.json '... finds nothing in a manifest'
cp "$file.manifest.json" first
rm "$file.manifest.json"
exits 0 'a digest' imgp-digest
jq -cS 'del(.warnings)' first >a; jq -cS . "$file.manifest.json" >b
cmp -s a b
ok $? 'writes one that a killed run did not' || diff a b | diag

# A log keeps the name that it was given first.
fails() {
	imgp-lookup 1208 | imgp-record start | jq -c '.errors = [{stage: "fetch",
	    error_code: "IMGP-STORE-IO", class: "temporary", error: "no", fatal: true,
	    retryable: true}]' | imgp-record finish 2>/dev/null | imgp-notify >/dev/null 2>&1
}
rm -rf logs/* mail/new
fails
was=$(logs)
export IMGP_ERROR_LOG_KEY='other/{file_name}_{run_timestamp}_error_log.txt'
fails
is "$(logs)" "$was" 'a log is written again under its first name'
is "$(grep -c '^attempt' "$(find logs -name "$was")")" 2 '... with both attempts'
sql "update pipeline.edcpipeline set paused = false"
imgp-run --explain 1208 >explained
like explained "error log.*image_pipelines/error_logs/image/$was\$" '... where --explain finds it'
unset IMGP_ERROR_LOG_KEY

for zone in Nowhere/Land ../etc/passwd /etc/localtime; do
	is_long || [ $zone = ../etc/passwd ] || continue
	IMGP_TIMESTAMP_ZONE=$zone exits 2 "timestamp_zone = $zone" imgp-record start </dev/null
	like err 'IMGP-CONFIG: timestamp_zone: ' '... is named'
done
printf '[image]\ntimestamp_zone = Europe/Berlin\n' >conf
env -u IMGP_TIMESTAMP_ZONE IMGP_CONFIG="$WORK/conf" imgp-record start </dev/null >out 2>err
is "$?" 2 'a zone of one pipeline'
like err 'IMGP-CONFIG: \[image\] timestamp_zone: one for all' '... is named'
done_testing
