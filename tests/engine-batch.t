#!/bin/bash
# Sharded runs by imgp-engine-batch, against a stand-in for AWS Batch that verifies our
# signatures and holds requests against AWS's model of them, and an S3 server: containers
# are processes that share nothing with the driver but these two.
. "$(dirname "$0")/lib/lib.sh"
world
# shellcheck source=tests/lib/engines.sh
. "$ROOT/tests/lib/engines.sh"
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
mkdir -p batch/jobs containers home
for name in submitjob describejobs listjobs terminatejob; do
	ln -s "$ROOT/tests/servers/batch" "batch/$name"
done
export AWS_REGION=eu-west-1
/usr/bin/python3 "$ROOT/tests/servers/aws-json.py" batch "$AWS_SECRET_ACCESS_KEY" &
at_end "kill $! 2>/dev/null"
# Whatever runs in a container ends with the test.
at_end 'cat batch/jobs/*/*.pid 2>/dev/null | xargs -r -n1 pkill -KILL -s'
while [ ! -s batch/port ]; do sleep 0.02; done
AWS_ENDPOINT_URL_BATCH=http://127.0.0.1:$(cat batch/port)
export AWS_ENDPOINT_URL_BATCH IMGP_BATCH='images shard:3 s3://shards/runs'
# What a definition gives its containers; the session ends as a login would.
jq -n --arg entry "$ROOT/scripts/aws/bootstrap" --arg root "$WORK/task" --arg tmp "$WORK/containers" \
    --arg home "$WORK/home" --arg secret "$AWS_SECRET_ACCESS_KEY" --arg s3 "$AWS_ENDPOINT_URL" '{ENTRY: $entry,
    LAMBDA_TASK_ROOT: $root, TMPDIR: $tmp, HOME: $home, PATH: "/usr/bin:/bin",
    AWS_ACCESS_KEY_ID: "AKIDTEST", AWS_SECRET_ACCESS_KEY: $secret,
    AWS_EC2_METADATA_DISABLED: "true", AWS_ENDPOINT_URL: $s3, IMGP_CONFIG: "/dev/null",
    IMGP_PGPASS_DATABASE: "db.example.org:5432:edc:imgp:canary-password"}' >batch/env.json
mkdir task
ln -s "$BUILD/bin" task/bin
runs() { "$BUILD/bin/imgp-run" --engine batch --retry-every 1s --retry-for 1m "$@"; }
jobs() { ls batch/jobs | wc -l; }
left() { state | grep -c ' /shards/'; }		# objects that S3 still has
batch() { "batch/$1"; }
job() { ls batch/jobs | sort -t- -k2n | tail -n 1; }	# the latest
# container INDEX: its process, once it is there.
container() {
	until [ -s "batch/jobs/$(job)/$1.pid" ]; do sleep 0.05; done
	cat "batch/jobs/$(job)/$1.pid"
}
# held NAME N SHARD: a run of N uploads that waits in its containers.
held() {
	given "$2"
	shut
	start --engine batch --retry-every 1s --retry-for 1m --run "$1" -j 2 --per-shard "$3" --with "$WORK/gate" \
	    --from ids
	until_there reached
}
delivered() {		# what must hold in the end
	cp out lines
	check '... all is delivered, each once, and all agrees (I1-I7)'
	is "$(left) $(find "$1/runs" -type f | wc -l) $(find containers -mindepth 1 | wc -l)" '0 0 0' \
	    '... and nothing is left in S3, of leases, or in a container'
}

for wrong in 'images shard file:///x' 'images shard' '' 'a b s3://c d'; do
	is_long || [ "$wrong" = 'a b s3://c d' ] || continue
	IMGP_BATCH=$wrong exits 2 "no IMGP_BATCH: '$wrong'" runs --run none 90001
done
like err 'IMGP_BATCH must be a job queue' '... the engine says what it needs'
if is_long; then
IMGP_DATABASE="$IMGP_DATABASE password=canary-word" exits 2 'a password in a connection string' \
	runs --run secret 90001
like err 'the environment: database holds a secret' '... does not go to S3'
unlike err canary '... nor is it told'
fi
printf '[image]\nmail_password = canary-word\n' >secret.conf
chmod 600 secret.conf
IMGP_CONFIG=$WORK/secret.conf exits 2 'a password in the file of settings' \
	runs --run secret2 90001
like err 'the file of settings: .*mail_password holds a secret' '... neither'
unlike err canary '... nor is it told'

# --- a run -------------------------------------------------------------------------------
shards=3
! is_long || shards=6
given $((2 * shards))
exits 0 "$shards shards of two uploads, three containers at once" \
	runs --run one -j 3 --per-shard 2 --from ids
delivered one
is "$(jq -c '[.name[:5], .size]' batch/jobs/job-1/job) $(jobs)" '["imgp-",3] 1' '... by one array of three'
is "$(ls one/out | grep -c 'jsonl$') $(find one/err -type f | wc -l)" "$shards 0" \
	'... whose results are in the directory'
if is_long; then
given 2
exits 0 'a single shard' runs --run single -j 3 --per-shard 2 --from ids
delivered single
is "$(jq .size "batch/jobs/$(job)/job")" 1 '... is no array'
fi
cp server/log requests

# --- what S3 and the containers get ----------------------------------------------------------
IMGP_MAIL_PASSWORD=canary-mail PGPASSWORD=canary-pg PGPASSFILE=$WORK/none held secrets 4 2
where=s3://$(state | sed -n 's,.* /\(shards/runs/.*\)/conf .*,\1,p')
exits 0 'the settings of a run lie in S3' imgp-s3cp "$where/conf" "file://$WORK/conf.sent"
like conf.sent "^IMGP_SOURCE=$IMGP_SOURCE$" '... those of imgpipe'
unlike conf.sent "canary|AKID|IMGP_SPOOL|IMGP_BATCH|PGPASS|IMGP_MAIL" '... without secrets and what is the machine'\''s own'
is "$(cat containers/*/pgpass | sort -u)" db.example.org:5432:edc:imgp:canary-password \
	'the definition'\''s secrets are a .pgpass file'
is "$(stat -c %a containers/*/pgpass | sort -u)" 600 '... that nobody else reads'
told_runs() { state | grep -c '/shards/runs/.*/runs/'; }
for _ in $(seq 1200); do [ "$(told_runs)" -lt 2 ] || break; sleep 0.05; done
is "$(told_runs)" 2 'S3 knows of the runs whose leases are held'

# --- ended -----------------------------------------------------------------------------------
kill -TERM $run
wait $run
is $? 143 'the driver is ended by SIGTERM'
is "$(batch describejobs <<<"{\"jobs\":[\"$(job)\"]}" | jq -c '.jobs[0] | [.status, .isTerminated]')" \
	'["FAILED",true]' '... and has the job terminated'
open
is_long || done_testing	# a sample ends here
exits 0 '... resumed by local' imgp-run --engine local --run secrets --resume --retry-every 1s
delivered secrets

if is_all; then		# make check-engines
held cancelled 4 2
batch terminatejob <<<"{\"jobId\":\"$(job)\",\"reason\":\"by hand\"}" >out
wait $run
is $? 75 'the job is terminated by hand'
like err 'was cancelled' '... which is said'
open
n=$(jobs)
exits 0 '... resumed by Batch' runs --run cancelled --resume
is "$(jobs)" $((n + 1)) '... by one job'
delivered cancelled

# --- killed ------------------------------------------------------------------------------------
held killed 4 2
before=$(job)
kill -KILL $(pgrep -f "imgp-engine-batch $WORK/killed ") $run
wait $run 2>/dev/null
start --engine batch --retry-every 1s --retry-for 1m --run killed --resume
until_there "batch/jobs/$before/terminated"
ok $? 'driver and engine are killed: the next has their job terminated'
open
wait $run
is $? 0 '... and goes on'
cp lines out
delivered killed
fi

if is_all; then
held died 4 2
kill -KILL "-$(container 0)"
pkill -KILL -f "^[^ ]*/imgp-[a-z0-9]* .*$(basename "$(ls -d containers/* | head -n 1)")"
open
wait $run
is $? 0 'a container dies: the driver has its shards done again'
like err 'containers failed: status 137' '... which is said'
cp lines out
rm -rf containers/*		# its disk went with it
delivered died

# --- errors of Batch -----------------------------------------------------------------------------
given 2
echo 3 >batch/submitjob.later
echo 2 >batch/describejobs.later
n=$(jobs)
exits 0 'requests that are throttled' runs --run throttled --from ids
is "$(cat batch/*.later | xargs) $(jobs)" "0 0 $((n + 1))" '... are put again'
like err 'Batch answered with status 429' '... which is said'
delivered throttled
fi

if is_all; then
given 1
echo 'CannotPullContainerError: no such image' >batch/nostart
exits 75 'containers that cannot be started' runs --run image --from ids
like err 'CannotPullContainerError' '... why'
is "$(ls image/in | grep -c '^[0-9]*$')" 1 '... and no second round'
rm batch/nostart
exits 0 '... resumed' runs --run image --resume
delivered image
fi

AWS_SECRET_ACCESS_KEY=wrong AWS_ENDPOINT_URL=$AWS_ENDPOINT_URL exits 2 'a driver whose signature is wrong' \
	runs --run wrong 99999
like err 'SignatureDoesNotMatch' '... is refused by Batch'

if is_all; then		# make check-engines
held host 8 2
touch "batch/jobs/$(job)/0.host"
before=$(container 0)
kill -KILL "-$before"
open
wait $run
is $? 0 'a container loses its host: Batch starts it again'
unlike err 'failed' '... which needs no word'
cp lines out
rm -rf containers/*
delivered host

held lost 2 1
touch "batch/jobs/$(job)/forgotten"
cat "batch/jobs/$(job)"/*.pid | xargs kill -TERM
open
wait $run
is $? 0 'Batch forgets a job: the driver has its shards done again'
like err 'is not known any more' '... which is said'
cp lines out
delivered lost

jq --arg d "$IMGP_DATABASE dbname=nowhere" '.IMGP_DATABASE = $d' batch/env.json >env.new
cp batch/env.json env.kept
mv env.new batch/env.json
given 1
runs --run refused --from ids >out 2>err
is $? 2 'settings of the definition count before the run'\''s'
like err nowhere '... and a shard that refuses them says why'
jq '.AWS_SECRET_ACCESS_KEY = "wrong"' env.kept >batch/env.json
exits 2 'a container that S3 refuses' runs --run refused --resume
like err 'status 2' '... says so'
cp env.kept batch/env.json
exits 0 '... resumed' runs --run refused --resume
delivered refused
fi

# --- the form of requests, and the rights for them --------------------------------------------------
if [ -s batch/checked ]; then
	is "$(cat batch/wrong)" '' 'all requests have the form of AWS'\''s own model'
	cp batch/wrong wrong
	echo '{"jobName":"x","jobQueue":"q","arrayProperties":{"size":"2"},"more":1}' | batch submitjob >out 2>&1
	is "$(tail -n 3 batch/wrong | xargs)" \
	    'submitjob.jobDefinition: missing submitjob.arrayProperties.size: no integer submitjob.more: no such member' \
	    '... by which a wrong one is found'
else
	skip 'the form of requests' 'awscli is not there'
fi
! is_long || is "$(cut -d' ' -f1 batch/log | sort -u | xargs)" 'describejobs listjobs submitjob terminatejob' 'four requests are known'
aws=$ROOT/scripts/aws
account=arn:aws:batch:eu-west-1:123456789012
sed "s,QUEUE_ARN,$account:job-queue/q,; s,DEFINITION_ARN,$account:job-definition/d:*,; s,JOBS_ARN,$account:job/*,
    s,RUNS_BUCKET,shards," "$aws/policy-batch.json" >policy
{
	cat <<EOT
action batch:SubmitJob $account:job-queue/q
action batch:SubmitJob $account:job-definition/d:3
action batch:DescribeJobs *
action batch:ListJobs *
action batch:TerminateJob $account:job/job-1
EOT
	cat requests
} | "$ROOT/tests/lib/iam.py" policy >differs
is "$(cat differs)" '' 'the driver'\''s policy has what it needs, and no more'
if /usr/bin/python3 -c 'import yaml' 2>/dev/null; then
	/usr/bin/python3 "$ROOT/tests/lib/cfn.py" <"$aws/template.yaml" >template
	jq '.Resources.ShardRole.Properties.Policies[0].PolicyDocument | .Statement |=
	    map(select(.Sid // "" | test("Results")))' template |
	    sed 's/${AWS::Partition}/aws/; s/${RunsBucket}/shards/' |
	    jq 'walk(if type == "object" and has("Fn::Sub") then .["Fn::Sub"] else . end)' >policy
	"$ROOT/tests/lib/iam.py" policy <requests >differs
	is "$(cat differs)" '' 'so has the role of a container'
	shape='walk(if type == "object" and has("Fn::Sub") then .["Fn::Sub"] else . end) | .Statement |
	    map(select(.Sid // "" | test("Results") | not) | (.Action | if type == "array" then . else [.] end)[] as $a |
	    (.Resource | if type == "array" then . else [.] end)[] | "\($a) \(.)") | sort | .[]'
	jq -r ".Resources.ShardRole.Properties.Policies[0].PolicyDocument | $shape" template |
	    sed 's/${AWS::Partition}/aws/; s/${SourceBucket}/SOURCE_BUCKET/; s/${TempBucket}/TEMP_BUCKET/
	    s/${DestinationBucket}/DESTINATION_BUCKET/' >role
	jq -r "$shape" "$aws/policy-tools.json" | grep -v '^sns:' >tools
	diff tools role >differs
	ok $? '... and for the tools what their policy says, but for mails' || diag <differs
else
	skip 'the role of a container' 'python3-yaml is not there'
fi
done_testing
