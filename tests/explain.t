#!/bin/bash
# imgp-run --explain: what a run would do with an upload, and why (F11); an error
# code explained (F23).
. "$(dirname "$0")/lib/lib.sh"

# --- an error code ------------------------------------------------------------
exits 0 'a code is explained, without any setting' imgp-run --explain-error IMGP-DICOM-CUT
holds out 'as the dictionary says' <<'EOT'
IMGP-DICOM-CUT
  means        an image is cut short: its pixels or its last element end too early
  do           ask the site to send the file again
  fault        the upload's
  then         in scan, stamp and extra delivered with has_error, unless it is required; else failed for good
  class        data
EOT
exits 0 'in lower case, without its first part' imgp-run --explain-error dicom-cut
is "$(head -1 out)" IMGP-DICOM-CUT 'it is the same'
imgp-run --explain-error IMGP-DB-UNAVAILABLE >out
like out "^  then +not delivered, not counted as its failure; a later run tries again$" \
    "a service's is tried again"
imgp-run --explain-error IMGP-SKIP-WAIVED >out
like out '^  then +the upload is passed over$' 'a reason to skip is no failure'
grep -v '^#' "$ROOT/libimgpipe/base/errors.tsv" | cut -f1 | few 3 | while read -r c; do
	imgp-run --explain-error "$c" >out 2>&1 && [ "$(head -1 out)" = "$c" ] || echo "$c"
done >not
is "$(cat not)" '' 'every code of the dictionary is'
exits 1 'a code that there is not' imgp-run --explain-error IMGP-NONE
is "$(cat err)" 'imgp-run: no such code: IMGP-NONE' 'is said'
for a in '--explain' '--explain --pending' '--explain --again 1' '--explain-error' \
    '--explain-error IMGP-DICOM-CUT 1' '--json 1' '--explain --from x'; do
	is_long || [ "$a" = '--explain --pending' ] || continue
	# shellcheck disable=SC2086
	exits 2 "wrong usage: $a" imgp-run $a
done

# --- uploads ---------------------------------------------------------------------
world
export IMGP_LOGS="file://$WORK/logs" IMGP_CHECK_MODALITY='required pet_zip=NM'
mkdir logs
imgp-run 1201 1203 1204 1212 >finished 2>err
ids=$(sql "select id from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1203")
sql "insert into pipeline.edcpipelinewaiver (edcpipeline_id, subjecteventcrffile_id,
    reason, waived_by) select id, 1208, 'it is a test', 'somebody'
    from pipeline.edcpipeline where code = 'image'"
env IMGP_DESTINATION="file://$WORK/nowhere" imgp-run 1202 >out 2>err
mv source/subjecteventcrffile/304/5107/pet_zip/v2.zip away
imgp-run 1207 >out 2>err
IMGP_RUN=20190118T220000Z-00000001 imgp-lookup 1206 | imgp-record start >held 2>err

# Nothing can be written: directories, and the database for whoever asks.  Root has to
# do without its right to write everywhere.
as=()
if [ "$(id -u)" = 0 ]; then
	as=(setpriv '--bounding-set=-dac_override,-dac_read_search')
	chmod 755 "$WORK" "$(sed -n 's/.*host=\([^ '"'"']*\).*/\1/p' pg.env | head -1)"
fi
chmod -R a+rX source temp images logs spool
chmod -R a-w source temp images logs spool
"$ROOT/tests/check-invariants" --dump >before
ls -lR --time-style=full-iso source temp images logs spool >>before
explain() {
	"${as[@]}" env PGOPTIONS='-c default_transaction_read_only=on' \
	    imgp-run --explain "$@"
}
exits 0 'what is delivered' explain 1201
name=$(jq -r 'select(.subject_event_crf_file_id == 1201) | .edc_pipeline_file.file_name' \
    finished)
like out '^upload 1201: delivered$' 'says so'
like out "^  file         $name\$" 'with its name'
like out "^  destination  file://$WORK/images/quarantine/MRImri_zip/$name\$" 'its place'
like out "^  source       file://$WORK/source/subjecteventcrffile/301/5101/mri_zip/v1.zip\$" \
    'where it comes from'
like out '^  record       number [0-9]+, Completed, attempt 1, made 20' 'its row'
like out '^  ids          11 instances: [0-9]+\.1 [0-9]+\.2 [0-9]+\.3$' 'its ids'
like out '^  a run does   nothing: IMGP-SKIP-DONE, ' 'and that a run does nothing'
like out "^  run log      file://$WORK/logs/image_pipelines/run_logs/image/.*jsonl\$" \
    'where the log of its run lies'
unlike out '^  error log' 'it has no error log'
[ -e "$(sed -n 's/^  run log *file:[/][/]//p' out)" ]
ok $? 'and there it lies'

exits 0 'what failed for good' explain 1203
like out '^upload 1203: failed$' 'says so'
like out '^  a run does   nothing: IMGP-SKIP-FAILED, ' 'a run passes it over'
like out '^    IMGP-CHECK-MODALITY at scan$' 'its last error'
like out '^      do      ask the site whether' 'what to do'
like out '^  last error   of attempt 1, 20' 'of which attempt'
[ -e "$(sed -n 's/^  error log *file:[/][/]//p' out)" ]
ok $? 'its error log lies where it says'

is_long || done_testing	# a sample ends here
exits 0 'what no run has taken' explain 1205
like out '^upload 1205: waiting, no run has taken it$' 'waits'
like out '^  file to be   MRI_mri_zip_TRC-0303_SCV_5105_1_\{edc_pipeline_file.id\}_\{timestamp\}.zip$' \
    'with the name it will have'
like out '^  a run does   attempt 1, from fetch on' 'and where it starts'
like out '^  record       none yet$' 'it has no row'

if is_long; then
exits 0 'a waived one' explain 1208
like out '^  waived       by somebody, 20.*, until it is taken back: it is a test$' \
    'by whom and why'
like out '^  a run does   nothing: IMGP-SKIP-WAIVED, ' 'a run passes it over'
exits 0 'one of a paused pipeline' explain 1211
like out "^  paused       waits for the lab's agreement\$" 'why it is paused'
like out '^  a run does   nothing: IMGP-SKIP-PAUSED, ' 'a run passes it over'
exits 0 'one that a run holds' explain 1206
like out '^  leased       by run 20190118T220000Z-00000001, until 20' 'which and until when'
like out '^  a run does   nothing: IMGP-SKIP-BUSY, ' 'another passes it over'
exits 0 'one that failed by a fault of ours' explain 1202
like out '^upload 1202: to retry$' 'is to be tried again'
like out '^  a run does   attempt 1, from fetch on' 'at once: it was no attempt'
unlike out '^  waits' 'it does not wait'
exits 0 'one that failed by its own fault' explain 1207
like out '^  waits        --pending takes it from 20.*Z on, its id given at once$' \
    'has its turn later'
like out '^  a run does   attempt 2, from fetch on' 'its second attempt'
exits 0 'one whose field no pipeline lists' explain 1210
like out '^  a run does   nothing: IMGP-SKIP-NO-PIPELINE, ' 'is passed over'
fi
exits 1 'one that nobody knows' explain 4242
like out '^upload 4242: neither the EDC nor the record knows it$' 'is said'
like out '^    IMGP-LOOKUP-NOT-FOUND at lookup$' 'a look-up would end so'
like out '^      do      check the id' 'and what to do'
if is_long; then
exits 1 'what names no upload' explain words
like err '^imgp-run: IMGP-JOB-INPUT: ' 'is refused'
exits 0 'a key' explain subjecteventcrffile/301/5101/mri_zip/v1.zip
like out '^upload 1201: delivered$' 'is as good as an id'
exits 0 'a place' explain "file://$WORK/source/subjecteventcrffile/301/5101/mri_zip/v1.zip"
like out '^upload 1201: delivered$' 'too'
exits 1 'several' explain 1201 4242 1205
is "$(grep -c '^upload ' out)" 3 'one after the other'
fi
exits 0 'as JSON' explain --json 1203 1205
is "$(jq -c '[.subject_event_crf_file_id, .ends_with, .starts_at,
    .last_error.error_code, .row.edc_pipeline_file_id, .edc.participant_code,
    .name_kept]' out)" '[1203,"IMGP-SKIP-FAILED",null,"IMGP-CHECK-MODALITY",'"$ids"',"TRC-0302",true]
[1205,null,"fetch",null,null,"TRC-0303",false]' 'the same, a line each'

"$ROOT/tests/check-invariants" --dump >after
ls -lR --time-style=full-iso source temp images logs spool >>after
cmp -s before after
ok $? 'nothing was written'
! "${as[@]}" touch "$WORK/logs/x" 2>/dev/null
ok $? 'and nothing could be'
chmod -R u+w source temp images logs spool

if is_long; then
# What it says holds.
mv away source/subjecteventcrffile/304/5107/pet_zip/v2.zip
for id in 1205 1207; do
	is_long || [ $id = 1207 ] || continue
	imgp-run --explain --json $id | jq -r .destination >said
	imgp-run $id >out 2>err
	row=$(jq -r .edc_pipeline_file.id out)
	ts=$(jq -r '.edc_pipeline_file.ts_create | gsub("[-:Z]"; "") | sub("T"; "_")' out)
	is "$(jq -r .destination out)" \
	    "$(sed "s/{edc_pipeline_file.id}/$row/; s/{timestamp}/$ts/" said)" \
	    "$id: the place is the one that was said"
done
if is_long; then
exits 75 'a database that is away' env IMGP_DATABASE='host=/nowhere' imgp-run --explain 1201
like err '^imgp-run: IMGP-DB-UNAVAILABLE: ' 'is said'
fi
fi
done_testing
