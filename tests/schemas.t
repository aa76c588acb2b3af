#!/bin/sh
# The JSON Schemas (2020-12) of job lines and of what --json prints: checked against
# the table of members, and real output of every stage and tool against them.
. "$(dirname "$0")/lib/lib.sh"
PYTHON=/usr/bin/python3
schemas=$ROOT/sql/schemas
$PYTHON -c 'import jsonschema' 2>/dev/null || skip_all 'python3-jsonschema is not there'
# valid SCHEMA FILE TITLE: every value in the file is as the schema says.
valid() {
	$PYTHON "$ROOT/tests/lib/schema.py" "$schemas/$1.schema.json" <"$2" >faults 2>&1
	[ ! -s faults ]
	ok $? "$3" || sort faults | uniq -c | head -10 | diag
}
# The job line's members are those of the table, with its types.
"$BUILD/tests/members" >table
jq -r '.properties | to_entries[] | .key + " " + ([.value.type] | flatten |
    map(select(. != "null")) | sort | join(","))' "$schemas/job.schema.json" >said
while read -r name types _; do
	echo "$name $(echo "$types" | tr ',' '\n' | sed 's/^str$/string/; s/^int$/integer/
	    s/^num$/number/; s/^bool$/boolean/; s/^obj$/object/; s/^arr$/array/' |
	    sort | paste -sd,)"
done <table | sed 's/integer,number/number/' >wanted
[ -s wanted ] && cmp -s said wanted
ok $? 'the schema of the job line has the members of the table, with their types' ||
    diff said wanted | diag

# Those of a line of the run log are the ones that may be told.
awk '$3 ~ /told/ { print $1 }' table | sort >wanted
jq -r '.properties | keys[]' "$schemas/runlog.schema.json" | sort >said
[ -s wanted ] && cmp -s said wanted
ok $? 'the schema of the run log has the members that may be told' ||
    diff said wanted | diag

world
export IMGP_FILE_MANIFEST=yes
export IMGP_RUN=20261122T131500Z-5bd1c09e
printf '%s\n' 1201 1202 1203 1204 1205 1206 1210 1211 1212 1299 x '{"v":1' |
    imgp-lookup >jobs1 2>err
imgp-record start <jobs1 >jobs2 2>err
imgp-s3cp source local <jobs2 >jobs3 2>err
imgp-dcmscan <jobs3 >jobs4 2>err
imgp-record scans <jobs4 >jobs5 2>err
imgp-stamp <jobs5 >jobs6 2>err
imgp-s3cp local temp <jobs6 >jobs7 2>err
imgp-s3cp temp destination <jobs7 >jobs8 2>err
imgp-record finish <jobs8 >jobs9 2>err
n=0
for stage in lookup start 's3cp source local' dcmscan scans stamp 's3cp local temp' \
    's3cp temp destination' finish; do
	n=$((n + 1))
	is_long || [ $n = 9 ] || continue
	valid job jobs$n "job lines after $stage"
done
is "$(jq -s 'map(select(.edc_pipeline_file.status == "Completed")) | length' jobs9)" 6 \
    '... of uploads that were delivered'
is "$(jq -s 'map(select(.errors)) | length' jobs1)" 3 '... and of some that failed'
is "$(cat jobs[1-9] | jq -c '.ok == (if .skip then .skip != "IMGP-SKIP-PAUSED"
    else all(.errors[]?; .fatal | not) end)' | sort -u)" \
    true 'each stage says in each line whether it goes well (M60)'
is "$(cat jobs1 jobs9 | jq .ok | sort | uniq -c | tr -s ' ' | paste -sd,)" ' 7 false, 17 true' \
    '... of some that it does, of some that it does not'
imgp-lookup -n 1201 | imgp-record -n start >dry 2>err
valid job dry '... of a dry run'
imgp-notify <jobs9 >jobs10 2>err
valid job jobs10 '... after notify'
unset IMGP_RUN
imgp-run -q --progress json 1207 1208 >run 2>progress
valid job run 'what imgp-run prints'
grep '^{' progress >lines
valid progress lines '--progress json'

# What lies in the place of logs, and beside the delivered files.
cat source/image_pipelines/run_logs/*/*.jsonl >lines
valid runlog lines 'run logs'
is "$(jq -s 'map(select(.errors)) | length > 1' lines) $(jq -s \
    'map(select(.edc_pipeline_file.status == "Completed")) | length > 6' lines)" 'true true' \
    '... of uploads that failed, and of delivered ones'
cat images/quarantine/*/*.manifest.json >lines
valid manifest lines 'manifests beside files'
is "$(jq -s 'length' lines) $(jq -s 'map(select(.error_code)) | length > 0' lines)" \
    "$(find images/quarantine -type f ! -name '*.json' | wc -l) true" \
    '... one for each, some with an error'
head -1 lines | jq -c '.ts = "x" | .sha256 = "y" | .participant = 1' |
    $PYTHON "$ROOT/tests/lib/schema.py" "$schemas/manifest.schema.json" | cut -d: -f1 | sort -u >found
is "$(xargs <found)" sha256 'what is wrong with one is found'
grep -q . found && jq -c '.input = "a secret"' <run |
    $PYTHON "$ROOT/tests/lib/schema.py" "$schemas/runlog.schema.json" >found
like found "'input'" 'what a run log must not tell is found'

is_long || done_testing	# a sample ends here
imgp-status --json >json
valid status json 'imgp-status --json'
ids=1204
! is_long || ids='1201 1204 1205 1210 1211 1212 1299'
for id in $ids; do
	imgp-status --json $id
done >json
valid status-upload json 'imgp-status --json ID'
if is_long; then
imgp-digest --print --format json >json
valid digest json 'imgp-digest --format json'
imgp-digest
rm -f images/quarantine/*/*TRC-0301*
imgp-verify --json >json 2>err
valid verify json 'imgp-verify --json'
imgp-verify --level row --json >json 2>err
valid verify json 'imgp-verify --level row --json'
imgp-verify --level ids --json >json 2>err
valid verify json 'imgp-verify --level ids --json'
imgp-pipeline pause image --until 3d --reason 'a test' >/dev/null 2>&1
imgp-pipeline list --json >json
valid pipeline json 'imgp-pipeline list --json'
imgp-pipeline list image --json >json
valid pipeline json '... of one'
imgp-status --json >json
valid status json 'imgp-status --json while a pipeline is paused'
imgp-run --doctor --json >json 2>err
valid doctor json 'imgp-run --doctor --json'
imgp-run --explain --json 1201 1204 1209 1210 1211 1212 1299 >json 2>err
valid explain json 'imgp-run --explain --json'
imgp-run --explain --json --pretty 1201 >json 2>err
valid explain json '... --pretty, too'
fi

# That a schema finds something.
if is_long; then
for bad in '{"v":"1"}' '{"errors":[{"stage":"fetch"}]}' '{"sha256":{"source":"ABC"}}' \
    '{"source":"/etc"}' '[]'; do
	echo "$bad" | $PYTHON "$ROOT/tests/lib/schema.py" "$schemas/job.schema.json" | sed -n 1p
done | cut -d: -f1 >found
holds found 'what is wrong with a job line is found' <<'EOT'
v
errors/0
sha256/source
source

EOT
fi
imgp-status --json | jq -c '.surplus = 1' |
    $PYTHON "$ROOT/tests/lib/schema.py" "$schemas/status.schema.json" >found
like found surplus 'a member that the schema does not name is found'
done_testing
