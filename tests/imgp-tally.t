#!/bin/sh
# The driver's helper: counts, the summary, the exit status, what is missing.
. "$(dirname "$0")/lib/lib.sh"
export IMGP_SOURCE=file:///src

cat >lines <<'EOF'
{"v":1,"subject_event_crf_file_id":1,"edc_pipeline_file":{"id":7,"status":"Completed"},"source":"file:///src/a/1.zip"}
{"v":1,"subject_event_crf_file_id":2,"edc_pipeline_file":{"id":8,"status":"Completed"},"errors":[{"stage":"scan","error_code":"IMGP-DICOM-NONE","class":"data","error":"none","fatal":false,"retryable":false}]}
{"v":1,"subject_event_crf_file_id":3,"errors":[{"stage":"lookup","error_code":"IMGP-LOOKUP-NOT-FOUND","class":"notfound","error":"no","fatal":true,"retryable":true}]}
{"v":1,"subject_event_crf_file_id":1,"skip":"IMGP-SKIP-DUPLICATE"}
{"v":1,"subject_event_crf_file_id":4,"skip":"IMGP-SKIP-NO-PIPELINE"}
EOF
exits 1 'errors and a failure give status 1' imgp-tally pass <lines
cmp -s lines out
ok $? 'the lines pass byte for byte'
holds err 'the summary counts by kind' <<'EOF'
5 jobs: 1 delivered, 1 delivered with errors, 1 failed (1 to be tried again), 2 skipped (1 duplicate, 1 no pipeline)
EOF
sed -n 1p lines >one
exits 0 'a delivered job gives 0' imgp-tally pass <one
echo '{"v":1,"subject_event_crf_file_id":1,"skip":"IMGP-SKIP-BUSY"}' >busy
exits 75 'a busy one gives 75' imgp-tally pass <busy
echo 'no job' >none
exits 1 'a line that is no job counts as failed' imgp-tally pass <none
like err '^1 job: 0 delivered, 1 failed$' 'and in the summary'
exits 0 'no line at all' imgp-tally pass </dev/null
like err '^0 jobs: 0 delivered$' 'is a summary of nothing'

# What an earlier tally wrote is counted, not written again.
exits 1 'a tally that takes over after all lines' \
	imgp-tally --skip 5 --summary s pass <lines
holds out 'writes none again' </dev/null
like s '^5 jobs: 1 delivered,' 'but counts all'
exits 1 'one that takes over after three' imgp-tally --skip 3 --summary s \
	pass <lines
sed -n '4,5p' lines >rest
cmp -s rest out
ok $? 'writes the rest'
exits 2 'a number of lines that is none is wrong usage' imgp-tally --skip x pass

# R39: a broken standard output is an error, but the input is read to its end.
(imgp-tally --summary s pass <lines; echo $? >rc) | :
like rc '^(1|141)$' 'a reader that went away is an error (R39)'
like s '^5 jobs:' 'and all jobs are counted'
exits 75 'a full disk is an error (R39)' \
	sh -c 'imgp-tally --summary s pass <lines >/dev/full'
like err 'standard output: No space left' 'and is named'
like s '^5 jobs:' 'and all jobs are counted'

# Which inputs have no finished line: a multiset.
printf '%s\n' 1 1 1 2 5 s3://bucket/k a/1.zip 007 >in
exits 0 'missing' imgp-tally missing in lines
printf '%s\n' 1 5 s3://bucket/k a/1.zip 007 >want
cmp -s want out
ok $? 'each finished line answers one input' || diff want out | diag
cat >done2 <<'EOF'
{"v":1,"input":"007","errors":[]}
{"v":1,"source":"file:///src/a/1.zip","errors":[]}
{"v":1,"source":"s3://bucket/k"}
{"v":1,"subject_event_crf_file_id":5
EOF
printf '%s\n' 007 a/1.zip s3://bucket/k 5 >in
exits 0 'missing, by input, key and place' imgp-tally missing in done2
holds out 'a line cut short answers nothing' <<'EOF'
5
EOF
printf '%s\n' '{"v":1,"source":"../../etc"}' '{"v":1,"source":"s3://x/y"}' \
    '{"v":1,"source":"/a b/"}' >done3
printf '%s\r\n' ../../etc s3://x/y '/a b/' >in
exits 0 'missing, of keys that are no place' imgp-tally missing in done3
holds out 'what lookup repeats as it stood is answered' </dev/null
printf '%s\n' '{"subject_event_crf_file_id":1,"x":2}' '{"x":2}' >in
exits 0 'missing, of job lines' imgp-tally missing in lines
holds out 'a job line is answered by its id' <<'EOF'
{"x":2}
EOF
printf '\377\0\n' >in
exits 0 'missing, of bytes' imgp-tally missing in lines
printf '\377\0\n' | cmp -s - out
ok $? 'a line of any bytes comes out as it is'

printf '1\n\n \t\r\n7\n' >in
exits 0 'missing, with blank lines' imgp-tally missing in lines
holds out 'a blank line is no input' <<'EOF'
7
EOF

# Failed jobs for what has none.
printf '%s\n' 12 a/b.zip rubbish '{"subject_event_crf_file_id":9}' >in
exits 1 'fail' imgp-tally fail IMGP-JOB-CRASH <in
is "$(jq -rc '[.subject_event_crf_file_id, .source, .input,
	.errors[0].error_code, .errors[0].fatal] | map(tostring) |
	join(" ")' out | tr '\n' ';')" \
	"12 null null IMGP-JOB-CRASH true;null file:///src/a/b.zip null IMGP-JOB-CRASH true;null null rubbish IMGP-JOB-CRASH true;9 null null IMGP-JOB-CRASH true;" \
	'makes failed jobs of whatever names one'
exits 2 'an unknown code is wrong usage' imgp-tally fail IMGP-NO-SUCH <in
exits 2 'no operand is wrong usage' imgp-tally

done_testing
