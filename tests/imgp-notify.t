#!/bin/sh
# imgp-notify: the run's end for the admins.
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/smtp.sh"

RUN=20261122T131500Z-5bd1c09e
mkdir source logs
export IMGP_SOURCE="file://$WORK/source" IMGP_LOGS="file://$WORK/logs" \
    IMGP_MAIL="file://$WORK/mail" IMGP_ADMINS=admins@example.org
ERRORS=logs/image_pipelines/error_logs
RUNS=logs/image_pipelines/run_logs

# job ID STATUS [ERRORS]: a finished job line.
job() {
	jq -nc --arg run "${JOB_RUN:-$RUN}" --argjson id "$1" --arg status "$2" \
	    --argjson errors "${3:-null}" '{v: 1, run: $run,
	    subject_event_crf_file_id: $id, job: "301_5101_mri_zip_v\($id)_x",
	    pipeline_code: "img", participant_code: "PERSON-CANARY",
	    edc_pipeline_file: {id: ($id + 10), status: $status, attempt: 1,
	    has_error: ($errors != null), file_name: "MRI_zip_P1_\($id).zip",
	    lease: 9}, scans: [{study_uid: "1.2.3", series: [{series_uid:
	    "1.2.3.4", series_number: 2, number_of_instances: 7}]}],
	    unknown: "MEMBER-CANARY", listing: {dicom: 7, "Name CANARY.dcm": 1},
	    extension: ".zip"} + if $errors then {errors: $errors} else {} end |
	    .ok = all(.errors[]?; .fatal | not)'
}
error() {	# error STAGE CODE CLASS FATAL RETRYABLE [TEXT]
	jq -nc --arg s "$1" --arg c "$2" --arg l "$3" --argjson f "$4" \
	    --argjson r "$5" --arg t "${6:-what was said}" '[{stage: $s,
	    error_code: $c, class: $l, error: $t, fatal: $f, retryable: $r}]'
}
mails() { find mail/new -type f 2>/dev/null | wc -l; }
the_mail() { cat mail/new/*; }
clear_out() { rm -rf mail logs/*; }

# --- a good run ---
{ job 1201 Completed; job 1202 Completed; echo '{"v":1,"subject_event_crf_file_id":3,"skip":"IMGP-SKIP-DONE","ok":true}'; } >in
exits 0 'a run without errors' imgp-notify <in
is "$(cmp in out && echo same)" same 'lines pass untouched'
is "$(mails)" 0 'and nobody is mailed (M74)'
is "$(find "$ERRORS" -type f 2>/dev/null | wc -l)" 0 'no error log is written'
is "$(jq -r .subject_event_crf_file_id "$RUNS/img/$RUN.jsonl" | tr '\n' ' ')" \
    '1201 1202 ' 'the run log has the jobs, not the skipped one (M67)'
unlike "$RUNS/img/$RUN.jsonl" 'CANARY|1\.2\.3' \
    'and only what is on the list of fields (R67)'
is "$(jq -c .ok "$RUNS/img/$RUN.jsonl" | sort -u)" true 'which says of each that it went well (M60)'
is "$(jq -c 'select(.subject_event_crf_file_id == 1201) | .scans' \
    "$RUNS/img/$RUN.jsonl")" '{"studies":1,"series":1,"instances":7}' \
    'scans are counts there'
rm -rf logs/*
exits 0 'skipped jobs alone' sh -c 'grep skip in | imgp-notify'
is "$(find logs -type f | wc -l) $(mails)" '0 0' 'no log, no mail'
IMGP_SUCCESS=immediate imgp-notify <in >out 2>err
the_mail >m
is "$(mail_get m subject)" 'imgpipe: 3 files, no errors' \
    'success = immediate mails at once (M75)'
clear_out

# --- a run with errors ---
{
	job 1201 Completed
	job 1202 Completed "$(error scan IMGP-ARCHIVE-DAMAGED data false false)"
	job 1203 Failed "$(error fetch IMGP-STORE-IO temporary true true)"
	job 1204 Failed "$(error fetch IMGP-SOURCE-CHANGED integrity true false)"
	job 1205 'In Progress' "$(error finish IMGP-DB-UNAVAILABLE temporary true true)"
	job 1206 Failed "$(error fetch HOMEMADE-CODE data true false TEXT-CANARY)"
	printf '%s\n' '{"v":1,"run":"'$RUN'","subject_event_crf_file_id":1299,"errors":[{"stage":"lookup","error_code":"IMGP-LOOKUP-NOT-FOUND","class":"notfound","error":"no such upload","fatal":true,"retryable":true}]}'
	echo 'this is INPUT-CANARY'
} >in
exits 75 'a run with errors: the worst status of its jobs' imgp-notify <in
is "$(wc -l <out)" 8 'as many lines out as in'
is "$(mails)" 1 'one mail (M74)'
the_mail >m
is "$(mail_get m subject)" 'imgpipe: errors with 7 of 8 files' 'its subject'
is "$(mail_get m to) $(mail_get m auto-submitted)" \
    'admins@example.org auto-generated' 'to the admins, not to be answered'
mail_get m text >text
grep -E '^ +[0-9]+  [a-z]' text >counts
holds counts 'it counts' <<'EOT'
         1  delivered
         1  delivered with errors
         2  failed, to be tried again
         3  failed for good
         1  unfinished
         1  of an unknown code
EOT
sed -n '/^1\. /,/^2\. /p' text | sed '$d' >one
holds one 'and says of each failure what it means, what to do, where its log is (F23)' <<EOT
1. upload 1202: delivered with errors

   IMGP-ARCHIVE-DAMAGED at scan, not fatal
     means   the archive is damaged or cut short
     do      ask the site to upload it again
     said    what was said
   record    1212
   file      MRI_zip_P1_1202.zip
   job       301_5101_mri_zip_v1202_x
   log       file://$WORK/$ERRORS/img/MRI_zip_P1_1202.zip_error_log.txt

EOT
is "$(mail_get m parts)" 'multipart/mixed multipart/alternative text/plain text/html text/csv' \
    'as text, as a page and as CSV'
mail_get m csv >csv
is "$($PYTHON -c 'import csv
r = list(csv.DictReader(open("csv", newline="")))
print(len(r), r[0]["subject_event_crf_file_id"], r[0]["error_code"], r[0]["outcome"])')" \
    '7 1202 IMGP-ARCHIVE-DAMAGED delivered with errors' 'the CSV has a row an error'
mail_get m html >html
unlike html '<script|<link|<img|(src|href)=' 'the page refers to nothing'
cat m html csv logs/image_pipelines/*/*/* >everything
unlike everything 'CANARY|1\.2\.3' 'nothing that is not on the list gets out (R67)'
like text 'an error without a known code at fetch' 'a code nobody knows is told without its text'
is "$(find "$ERRORS" -type f | sed 's,.*error_logs/,,; s,/[0-9a-f]*_,/HASH_,' | sort | uniq -c | sed 's/^ *//')" \
    "1 _unmatched/HASH_20261122_131500_error_log.txt
1 _unmatched/$(find "$ERRORS/_unmatched" -name '*_error_log.txt' | grep -v 20261122_131500 | sed 's,.*/[0-9a-f]*_,HASH_,')
1 img/MRI_zip_P1_1202.zip_error_log.txt
1 img/MRI_zip_P1_1203.zip_error_log.txt
1 img/MRI_zip_P1_1204.zip_error_log.txt
1 img/MRI_zip_P1_1205.zip_error_log.txt
1 img/MRI_zip_P1_1206.zip_error_log.txt" \
    'an error log for each of them, below _unmatched where there is no row (M64-M66)'
holds "$ERRORS/img/MRI_zip_P1_1203.zip_error_log.txt" 'its content' <<EOT
imgpipe error log

upload       1203
record       1213
pipeline     img
file         MRI_zip_P1_1203.zip
status       Failed
job          301_5101_mri_zip_v1203_x

run $RUN
    IMGP-STORE-IO at fetch
      means   reading or writing failed
      do      check the disk or the network, then run again
      said    what was said
EOT
cat "$ERRORS"/*/* "$RUNS"/*/* m >all
is "$(tr -d '[:print:]\n' <all | wc -c)" 0 'all of it is printable (R65)'
clear_out
job 1207 Completed "$(error stamp IMGP-STAMP-FOREIGN conflict true false)" |
    jq -c '.replaced = [{series_uid: "1.2.3.4", old: "812.2"}, {old: "DOE^JOHN"}]' |
    imgp-notify >out 2>err
like "$ERRORS/img/MRI_zip_P1_1207.zip_error_log.txt" \
    '^stamps that were there before: 812\.2 \(and 2 of another form\)$' \
    'a stamp of another series is told, other old values are not (M34, R67)'
clear_out

{ job 1208 Failed "$(error scan IMGP-DICOM-CRASH internal true false "$(printf 'x\033[31m\303\244\342\200\256y\nz')")"; } >in
imgp-notify <in >out 2>err
cat "$ERRORS"/*/* mail/new/* >all
like all 'x\\x1b\[31mä\\xe2\\x80\\xaey\\x0az|=C3=A4' 'control characters are escaped in what was said (R65)'
clear_out

if is_long; then
# --- many ---
jq -nc --arg run $RUN 'range(10000) | {v: 1, run: $run,
    subject_event_crf_file_id: (. + 1), pipeline_code: "img",
    edc_pipeline_file: {id: (. + 1), status: "Failed", attempt: 1,
    file_name: "f\(.).zip"}, errors: [{stage: "fetch",
    error_code: "IMGP-SOURCE-CHANGED", class: "integrity", error: "x",
    fatal: true, retryable: false}]}' >in
exits 1 '10,000 failures' env IMGP_LOGS= IMGP_SOURCE= imgp-notify <in
the_mail >m
is "$(mails) $(mail_get m subject)" '1 imgpipe: errors with 10000 of 10000 files' \
    'are one mail (R49)'
is "$(($(wc -c <m) <= 36864)) $(mail_get m text | grep -c '^[0-9]*\. upload')" '1 100' \
    'no larger than a list takes'
clear_out
IMGP_MAIL_BYTES=12000 IMGP_LOGS='' IMGP_SOURCE='' imgp-notify <in >out 2>err
the_mail >m
is "$(($(wc -c <m) <= 12000)) $(mail_get m text |
    grep -c '^[0-9]*\. upload [0-9]*: failed for good, IMGP-SOURCE-CHANGED$')" '1 100' \
    'of a smaller one each has a line'
mail_get m text | grep -q 'imgp-status ID says all'
ok $? 'and it says where all is'
clear_out
export IMGP_MAIL_BYTES=0
exits 1 'letters of any size' env IMGP_LOGS= IMGP_SOURCE= imgp-notify <in
unset IMGP_MAIL_BYTES
the_mail >m
mail_get m text >text
is "$(grep -c '^[0-9]*\. upload' text) $(tail -1 text)" \
    '100 and 9900 more, in the record and in the logs' 'that tells of 100 (R49)'
is "$(($(wc -c <m) < 262144))" 1 'and is small'
clear_out
fi

# --- the mail does not go ---
job 1202 Completed "$(error scan IMGP-ARCHIVE-DAMAGED data false false)" >in
sink smtp
echo data452 >smtp/mode
IMGP_MAIL=smtp://127.0.0.1:$port exits 75 'a mail that is put off is status 75' imgp-notify <in
is "$(cmp in out && echo same)" same 'and no fault of the job (R44)'
like err '^imgp-notify: IMGP-MAIL-UNAVAILABLE: to admins@example.org: .*452' 'stderr says so'
is "$(find "$ERRORS/img" -type f | wc -l)" 1 'the error log is there all the same'
echo ok >smtp/mode
IMGP_ADMINS=gone@example.org,b@example.org IMGP_MAIL=smtp://127.0.0.1:$port \
    exits 1 'a refused recipient is status 1' imgp-notify <in
like err '^imgp-notify: IMGP-MAIL-REFUSED: to gone@example.org: .*550' 'stderr says who'
is "$(cut -d' ' -f2 smtp/1.env)" b@example.org 'the other one got it (R45)'
IMGP_ADMINS='a@b@c' exits 2 'a wrong address is found before the first line' imgp-notify <in
like err '^imgp-notify: IMGP-MAIL-ADDRESS' 'and named'
is "$(wc -c <out)" 0 'nothing was read'
IMGP_MAIL=ftp://x exits 2 'so is a wrong carrier' imgp-notify <in
IMGP_LOGS=file:///nowhere/at/all exits 75 'logs that cannot be written do not stop the mail' imgp-notify <in
is "$(mails)" 1 'it is sent'
clear_out
exits 1 'a dry run' imgp-notify -n <in
is "$(mails) $(find logs -type f | wc -l)" '0 0' 'sends and writes nothing'
like err 'IMGP-ARCHIVE-DAMAGED' 'but shows the mail'

if is_long; then
# --- two studies ---
cat >conf <<'EOT'
[img]
admins = img-admins@example.org
[pet]
admins = pet-admins@example.org
EOT
{ cat in; sed 's/"pipeline_code":"img"/"pipeline_code":"pet"/; s/MRI/PET/' in; } |
    IMGP_CONFIG=$PWD/conf IMGP_ADMINS='' imgp-notify >out 2>err
is "$(mails)" 2 'each study'\''s admins have a mail of their own (M70)'
img=$(grep -l '^To: img-admins' mail/new/*)
unlike "$img" PET 'which tells of their files alone'
clear_out

# --- the labs at once ---
{
	job 1201 Completed
	job 1202 Completed "$(error scan IMGP-ARCHIVE-DAMAGED data false false)"
	job 1203 Failed "$(error fetch IMGP-SOURCE-CHANGED integrity true false)"
} | jq -c '.destination = "file:///images/" + .edc_pipeline_file.file_name |
    .sha256.destination = "ab" * 32 | .bytes.destination = 5000' >in
IMGP_LABS=labs@example.org imgp-notify <in >out 2>err
is "$(grep -l '^To: labs' mail/new/* | wc -l)" 0 'labs are told by the digest alone'
clear_out
IMGP_LABS=labs@example.org IMGP_LABS_AT_ONCE=yes imgp-notify <in >out 2>err
m=$(grep -l '^To: labs' mail/new/*)
is "$(mail_get "$m" subject)" 'imgpipe: 2 new files, 1 failed' 'unless labs_at_once = yes (M76)'
mail_get "$m" text | sed '1d' >text
holds text 'which tells of what is new alone' <<EOT

         2  new files in quarantine, the labs' delivery area
         1  of them with errors
         1  failed to be transferred or processed

NEW FILES

1. MRI_zip_P1_1201.zip
   place        file:///images/MRI_zip_P1_1201.zip
   participant  PERSON-CANARY
   size         5000 bytes (5.0 kB)
   SHA-256      $(printf 'ab%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
   scans        1, 7 instances

2. MRI_zip_P1_1202.zip
   place        file:///images/MRI_zip_P1_1202.zip
   participant  PERSON-CANARY
   size         5000 bytes (5.0 kB)
   SHA-256      $(printf 'ab%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
   scans        1, 7 instances
   with error   IMGP-ARCHIVE-DAMAGED
                the archive is damaged or cut short
EOT
clear_out

grep -v '"Completed"' in | IMGP_LABS=labs@example.org IMGP_LABS_AT_ONCE=yes \
    imgp-notify >out 2>err
is "$(grep -l '^To: labs' mail/new/* | wc -l)" 0 'and says nothing where nothing is new'
clear_out
fi

is_long || done_testing	# a sample ends here
# --- with the record ---
world
export IMGP_LOGS="file://$WORK/logs"
clear_out
# A job that failed twice by what the record keeps, and once by what it does not.
start() { echo 1201 | imgp-lookup | imgp-record start; }
for try in 1 2; do
	start | jq -c --argjson e "$(error fetch IMGP-STORE-NOT-FOUND notfound true true "try $try")" \
	    '.errors = $e' | imgp-record finish >finished 2>err
done
jq -c --argjson e "$(error finish IMGP-DB-QUERY internal false false 'said here alone')" \
    '.errors += $e' finished | imgp-notify >out 2>err
log=$(find "$ERRORS" -name '*_error_log.txt')
is "$(stat -c %a "$log")" 600 'an error log is for its owner alone'
is "$(grep -c '^attempt' "$log") $(grep -c 'said    try' "$log") $(grep -c 'said here alone' "$log")" \
    '2 2 1' 'an error log is made of all the record'\''s rows and what the run knows (M65)'
is "$(basename "$log")" "$(jq -r .edc_pipeline_file.file_name finished)_error_log.txt" \
    'and is named after the file (M65)'
cp "$log" before
JOB_RUN=$RUN imgp-notify <out >out2 2>err
grep -v 'said here alone' "$log" | grep -c '^attempt' >n
is "$(cat n)" 2 'written again it has the same attempts'
if is_long; then
# The mail server is away for two runs: images go on, mails follow.
rm -rf mail
sink day
export IMGP_MAIL=smtp://127.0.0.1:1
for id in 1205 1208; do
	exits 75 "run of $id while the mail server is away: status 75 (R44)" \
	    sh -c "imgp-run -q $id >>away.jsonl"
done
is "$(jq -r .edc_pipeline_file.status away.jsonl | tr '\n' ' ')" 'Completed Completed ' \
    'the images are delivered'
export IMGP_MAIL="smtp://127.0.0.1:$port"
exits 0 'the next run, with nothing to do' sh -c 'imgp-run -q 1205 >/dev/null'
is "$(for f in day/*.eml; do mail_get "$f" subject; done | sort | uniq -c | sed 's/^ *//')" \
    '2 imgpipe: errors with 1 of 1 file' 'sends what waits, each once (R44)' ||
    sql "select ts_create, subject, message_id from pipeline.outbox" | diag
fi
sed -i 's/host=[^ ]*/host=\/nowhere/' pg.env
. ./pg.env
exits 75 'a record that is away is status 75' imgp-notify <finished
is "$(grep -c IMGP-DB-UNAVAILABLE err)" 1 '... said once, by whatever needs it'
like "$log" 'The record could not be asked' 'and the log says so'
done_testing
