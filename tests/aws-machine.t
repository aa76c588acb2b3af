#!/bin/bash
# The state machine of AWS Step Functions (L1 to L11, M25, M55, M62): its form, by a
# lint of our own, and asl-validator; its runs, by aws-local-stepfunctions, with
# Lambda's bootstrap and the real tools: rows and objects are those of imgp-run.
. "$(dirname "$0")/lib/lib.sh"
# shellcheck source=tests/lib/npm.sh
. "$ROOT/tests/lib/npm.sh"
aws=$ROOT/scripts/aws
asl=$aws/imgp.asl.json

# --- its form ----------------------------------------------------------------
jq -e . "$asl" >/dev/null
ok $? 'the state machine is JSON'
lint() { jq -r -f "$ROOT/tests/lib/asl-lint.jq" "$@" | jq -r '.[]'; }
is "$(lint "$asl")" '' '... and the lint has nothing to say'
# That it finds something: one fault planted at a time.
planted() {		# planted FILTER WANTED
	is "$(jq "$1" "$asl" | lint)" "$2" "the lint finds: $2"
}
stage=.States.Files.ItemProcessor.States
planted "del($stage.Scan.TimeoutSeconds)" 'Scan: no TimeoutSeconds'
planted "del($stage.Stamp.Retry)" 'Stamp: no Retry'
planted "del($stage.Fetch.Catch)" 'Fetch: no Catch'
planted "$stage.Fetch.Catch[0].ErrorEquals += [\"X\"]" 'Fetch: States.ALL is not alone'
planted "$stage.Fetch.Catch += [{ErrorEquals: [\"X\"], Next: \"Fail\"}]" \
    'Fetch: States.ALL is not last'
planted "$stage.Scan.Retry[1].BackoffRate = 0.5" 'Scan: BackoffRate below 1'
planted "$stage.Scan.Retry[1].IntervalSeconds = 0" 'Scan: IntervalSeconds below 1'
planted "$stage.Scan.Parameters = {}" 'Scan: not the whole record'
planted "$stage.Scan.ResultPath = \"\$.x\"" 'Scan: ResultPath of a Task'
planted "$stage.Scan.QueryLanguage = \"JSONata\"" 'Scan: not JSONPath'
planted ".States.Outcome.Choices += [{Variable: \"\$.x\", IsPresent: false, Next: \"Done\"}]" \
    'Outcome: IsPresent or IsNull: false'
planted 'del(.States.Files.MaxConcurrency)' 'Files: no MaxConcurrency'
planted "$stage.Lookup.Retry[0].MaxAttempts = 3" 'Lookup: not every 30 s for 15 minutes'

# Its functions are the template's, and their tools are built.
/usr/bin/python3 -c 'import yaml' 2>/dev/null || skip_all 'python3-yaml is not there'
/usr/bin/python3 "$ROOT/tests/lib/cfn.py" --functions <"$aws/template.yaml" >functions
is "$(grep -o '\${[A-Za-z]*}' "$asl" | tr -d '${}' | sort -u | xargs)" \
    "$(jq -r keys[] functions | xargs)" 'it calls the functions of the template, and all of them'
jq -r '.[].handler | split(".")[0]' functions | sort -u | while read -r tool; do
	[ -x "$BUILD/bin/$tool" ] || echo "$tool"
done >missing
is "$(cat missing)" '' 'each names a tool that there is'

# --- its runs ----------------------------------------------------------------
why='make check-aws'
if ! is_all || ! npm_tools; then
	skip 'asl-validator, and the runs' "$why"
	done_testing
fi
node22 "$npm/node_modules/.bin/asl-validator" --json-path "$asl" >out 2>&1
ok $? 'asl-validator has nothing to say' || diag <out
jq "del($stage.Clean)" "$asl" >broken.json
! node22 "$npm/node_modules/.bin/asl-validator" --json-path broken.json >out 2>&1
ok $? '... but of a state that is missing'

world
export IMGP_REPLICA=$IMGP_DATABASE
cp "$ROOT/tests/lib/asl-run.mjs" .
ln -s "$npm/node_modules" .
speed=1000
# runs TITLE WANTED INPUT [DEFINITION]: an execution; WANTED is how it ends, Done or an
# error.  Its calls are in `calls`, the record of one that is Done in `record`.
runs() {
	printf '%s\n' "$3" >in
	node22 asl-run.mjs "${4:-$asl}" functions "$aws/bootstrap" $speed <in >out 2>err
	sed -n 's/^state //p' err >calls
	jq .output out >record
	is "$(jq -r '.error // "Done"' out)" "$2" "$1" || head -c 3000 err | diag
}
row() { sql "select status, has_error, coalesce(error_code, '-') from pipeline.edcpipelinefile
    where subjecteventcrffile_id = $1"; }

runs 'an id: Done' Done '[1202]'
is "$(xargs -n2 <calls | cut -d' ' -f1 | xargs)" \
    'Begin Lookup Start Fetch Scan Scans Stamp Extra Stage Deliver Finish Notify End' \
    'the states are called in order, once each'
is "$(row 1202)" 'Completed|f|-' '... and the row is Completed'
is "$(jq -r .summary record)" '1 job: 1 delivered' 'the record tells the counts'
is "$(jq -r '.files[0].edc_pipeline_file.status' record)" Completed 'and holds the job line'
runs 'the same again: Done' Done '[1202]'
is "$(jq -r '.files[0].skip' record)" IMGP-SKIP-DONE 'and nothing is done'

# The replica lags: retried, then found.
sql -c "create table later as select * from edc.subjecteventcrffile where id = 1203" \
    -c "delete from edc.subjecteventcrffile where id = 1203"
printf '[1203]\n' >in
speed=300
node22 asl-run.mjs "$asl" functions "$aws/bootstrap" $speed <in >out 2>err &
node=$!
until [ "$(grep -c '^state Lookup NotFound' err)" -ge 2 ]; do
	kill -0 $node 2>/dev/null || break
	sleep 0.05
done
sql 'insert into edc.subjecteventcrffile select * from later'
wait $node
is "$(jq -r '.output.summary' out)" '1 job: 1 delivered' \
    'what the replica shows late is delivered' || diag <err
[ "$(grep -c '^state Lookup NotFound' err)" -ge 2 ]
ok $? '... after the Retry of Lookup'
unlike err '^state Fail' '... and not by the error path'
speed=1000

# Never found: 31 looks.
runs 'one that is never there: SomeFilesFailed' SomeFilesFailed '[1299]'
is "$(grep -c '^Lookup NotFound' calls)" 31 '... after one look and 30 more (M25)'
is "$(tail -n 5 calls | cut -d' ' -f1 | xargs)" 'Fail Clean Finish Notify End' \
    'the error path ends it'
is "$(sql 'select error_code from pipeline.lookupfailure where subjecteventcrffile_id = 1299')" \
    IMGP-LOOKUP-NOT-FOUND 'the record has it as imgp-run would tell it'

# An upload with errors goes on.
runs 'no DICOM: SomeFilesFailed' SomeFilesFailed '[1204]'
is "$(row 1204)" 'Completed|t|IMGP-DICOM-NONE' 'but it is delivered, with has_error (M42)'
unlike calls '^Fail' '... not by the error path'

# One of three fails; the others are delivered.
lost=$(find source -path '*/5106/*' -type f)
mv "$lost" kept
runs 'one of three without its object: SomeFilesFailed' SomeFilesFailed '[1201,1206,1207]'
is "$(row 1201) $(row 1207)" 'Completed|f|- Completed|f|-' 'the two are delivered'
is "$(row 1206)" 'Failed|t|IMGP-STORE-NOT-FOUND' 'the third is Failed (M43)'
is "$(grep -c ' NotFound' calls)" 1 '... by one call: no Retry of Fetch is for that'
[ -z "$(find temp spool -type f ! -name '.lock')" ]
ok $? 'nothing is left in the spool or the temporary place'
mv kept "$lost"

# A stage that dies is tried twice more, then the job is given up, as by imgp-run.
# tool NAME BODY: in front of the built tools, for the function that is told so.
tool() {
	mkdir -p "$1/bin"
	printf '#!/bin/sh\n%s\n' "$3" >"$1/bin/$2"
	chmod 755 "$1/bin/$2"
}
# broken [FUNCTION DIR...]: these functions have DIR's tools; the others the built ones.
broken() {
	cp functions.all functions
	while [ $# -gt 0 ]; do
		jq --arg f "$1FunctionArn" --arg d "$WORK/$2" \
		    '.[$f].env = {LAMBDA_TASK_ROOT: $d}' functions >functions.new
		mv functions.new functions
		shift 2
	done
}
cp functions functions.all
tool dies imgp-dcmscan "kill -9 \$\$"
broken Scan dies
runs 'a stage that dies: SomeFilesFailed' SomeFilesFailed '[1206]'
is "$(grep -c '^Scan Killed' calls)" 3 '... is called three times'
is "$(row 1206)" 'Failed|t|IMGP-JOB-CRASH' '... and the job given up'
# One whose function cannot be run is left, open.
tool ends imgp-dcmscan 'exit 2'
broken Scan ends
runs 'a stage that cannot be run: SomeFilesLeft' SomeFilesLeft '[1205]'
is "$(grep -c '^Scan ConfigError' calls)" 1 '... is called once'
is "$(row 1205) $(sql 'select failed_for_good from pipeline.edcpipelinefile where
    subjecteventcrffile_id = 1205')" 'Failed|t|IMGP-JOB-DIED f' '... and its row stays open'
# The error path itself fails: the run says so, and the next one takes the file.
tool lost imgp-machine 'exit 2'
broken Scan ends Fail lost
runs 'an error path that fails: SomeFilesLeft' SomeFilesLeft '[1205]'
is "$(tail -n 4 calls | xargs)" 'Scan ConfigError Fail ConfigError Notify ok End ok' \
    '... though the run comes to its end'
broken
is "$(row 1205)" 'Started|f|-' '... and the row stays as it was, for the next run'
# imgp-record finish that fails.
tool unsaid imgp-record 'exit 75'
broken Finish unsaid
runs 'a finish that fails: SomeFilesLeft' SomeFilesLeft '[1208]'
is "$(grep -c '^Finish TempFail' calls)" 6 '... is tried five times more'
is "$(tail -n 3 calls | xargs)" 'Unrecorded ok Notify ok End ok' '... and told'
# A mail that cannot be sent fails no file.
tool dumb imgp-notify 'cat >/dev/null; exit 75'
broken Notify dumb
runs 'a mail that fails: SomeFilesLeft' SomeFilesLeft '[1209]'
is "$(grep -c '^Notify TempFail' calls) $(row 1209)" '6 Completed|f|-' \
    '... is tried five times more, and the file delivered'
broken

# --- the same as imgp-run -----------------------------------------------------
# shellcheck source=tests/lib/places.sh
. "$ROOT/tests/lib/places.sh"
cp -r source source.kept
rm -rf source.kept/image_pipelines
place one
printf '%s\n' 1201 1202 1203 1204 1205 1206 1207 1208 1209 1210 1212 1299 >ids
imgp-run -q -j1 --from ids >one.finished 2>one.err
dump one >one.same
place two
# One at a time, so that the rows get the same ids.
jq ".States.Files.MaxConcurrency = 1 | $stage.Lookup.Retry[0].MaxAttempts = 1" "$asl" >alone.json
runs 'all kinds of upload: SomeFilesFailed' SomeFilesFailed "$(jq -sc . ids)" alone.json
dump two >two.same
diff one.same two.same >differs
ok $? 'rows, objects, logs and mails are those of imgp-run' || head -c 6000 differs | diag
"$ROOT/tests/check-invariants" --mails 1 >faults
ok $? '... and stores, ledger and mail agree' || diag <faults

# --- on S3, by the event of EventBridge ---------------------------------------
place three
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
imgp-s3cp -r "$IMGP_SOURCE/" s3://src/ >s3.out 2>&1
export IMGP_SOURCE=s3://src IMGP_TEMP=s3://tmp IMGP_DESTINATION=s3://dst
jq -nc '{version: "0", id: "1", "detail-type": "Object Created", source: "aws.s3",
    account: "123456789012", detail: {version: "0", bucket: {name: "src"}, object: {size: 1,
    key: "subjecteventcrffile/301/5102/ct_file/v1.dcm", sequencer: "00617F08299329D189"},
    reason: "PutObject"}}' >event
runs 'an event of the bucket: Done' Done "$(cat event)"
is "$(jq -r '.files[0].destination' record | sed 's/_[0-9]*_[0-9]*\.dcm$//')" \
    s3://dst/quarantine/CTct_file/CT_ct_file_TRC-0301_BL_5102_1_1 'it is delivered from S3 to S3'
exits 0 '... whole' imgp-s3cp "$(jq -r '.files[0].destination' record)" "file://$WORK/got.dcm"
is "$(sha256sum <got.dcm | cut -c1-64)" "$(jq -r '.files[0].sha256.local' record)" \
    '... with the sum that it was stamped to'
runs 'the same event again: Done' Done "$(cat event)"
is "$(jq -r '.files[0].skip' record)" IMGP-SKIP-DONE '... and nothing is done'
done_testing
