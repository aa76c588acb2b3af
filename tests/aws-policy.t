#!/bin/bash
# What may be done on AWS: each permission that a whole run's requests need stands in
# the policies, by stage, and no other (M19, F33).
. "$(dirname "$0")/lib/lib.sh"
aws=$ROOT/scripts/aws
for f in "$aws"/*.json; do
	jq -e . "$f" >/dev/null
	ok $? "${f##*/} is JSON"
done
/usr/bin/python3 -c 'import yaml' 2>/dev/null || skip_all 'python3-yaml is not there'
/usr/bin/python3 "$ROOT/tests/lib/cfn.py" <"$aws/template.yaml" >template
world
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
# One upload goes and is copied in parts.
big=$(find source -path '*/5108/*' -type f)
head -c 12000000 /dev/urandom >"$big"
imgp-s3cp -r "file://$WORK/source/" s3://src/ >out 2>&1
export IMGP_SOURCE=s3://src IMGP_TEMP=s3://tmp IMGP_DESTINATION=s3://dst \
    IMGP_REPLICA=$IMGP_DATABASE IMGP_S3_COPY_BYTES=5242880 IMGP_S3_PATIENCE=1

# --- the requests of a whole run ---------------------------------------------
# stage NAME COMMAND...: over the job lines in `job`; its requests go to requests.NAME.
stage() {
	: >server/log
	"${@:2}" <job >job.new 2>>err
	mv job.new job
	cat server/log >>"requests.$1"
}
# killed NAME REGEX COMMAND...: the same, but killed once such a request has come.
killed() {
	: >server/log
	"${@:3}" <job >job.lost 2>>err &
	until grep -Eq "$2" server/log; do
		kill -0 $! 2>/dev/null || break
		sleep 0.02
	done
	kill -9 $!
	wait $! 2>/dev/null
	cat server/log >>"requests.$1"
}
printf '%s\n' 1201 1202 1208 >job
stage Lookup imgp-lookup
stage Start imgp-record start
stage Fetch imgp-s3cp source local
stage Scan imgp-dcmscan
stage Scans imgp-record scans
stage Stamp imgp-stamp
stage Extra "$BUILD/bin/imgp-extra"
# A part that fails for good; a process that dies, and the next goes on.
cp job job.stamped
cp -a spool spool.stamped
again() {
	rm -rf spool
	cp -a spool.stamped spool
	cp job.stamped job
}
faults '9 PUT partNumber=2 status 503'
stage Stage imgp-s3cp local temp
again
faults '9 PUT partNumber=2 stall'
killed Stage 'partNumber=2' imgp-s3cp local temp
again
faults ''
stage Stage imgp-s3cp local temp
faults '9 PUT partNumber=2 status 503'
cp job job.staged
stage Deliver imgp-s3cp --keep temp destination
cp job.staged job
faults '9 PUT partNumber=2 stall'
killed Deliver '/dst/.*partNumber=2' imgp-s3cp --keep temp destination
faults ''
stage Deliver imgp-s3cp temp destination
stage Finish imgp-record finish
is "$(jq -r .edc_pipeline_file.status job | sort | uniq -c | xargs)" '3 Completed' \
    'three uploads are delivered, one of them in parts' || diag <err
# A mail by SNS.
mkdir topic
/usr/bin/python3 "$ROOT/tests/servers/topic" topic >topic/port &
at_end "kill $!"
while [ ! -s topic/port ]; do sleep 0.02; done
topic=arn:aws:sns:eu-west-1:123456789012:topic
AWS_ENDPOINT_URL_SNS=http://127.0.0.1:$(cat topic/port) AWS_ACCESS_KEY_ID=AKIATOPIC \
    AWS_SECRET_ACCESS_KEY=topic/secret+1 IMGP_MAIL=sns:$topic IMGP_LOGS="file://$WORK/logs" \
    sh -c 'mkdir logs; imgp-notify <job >/dev/null' 2>>err
IMGP_MAIL="file://$WORK/mail" stage Notify imgp-notify
jq -r '.form | "action sns:\(.Action) \(.TopicArn)"' topic/*.json >>requests.Notify
for s in Lookup Start Scan Scans Stamp Extra Finish; do
	[ ! -s requests.$s ] || echo $s
done >asked
is "$(cat asked)" '' 'what asks databases or the work copy alone asks nothing of S3'

# --- the policies -------------------------------------------------------------
names="walk(if type == \"object\" and has(\"Fn::Sub\") then .[\"Fn::Sub\"] elif . == {Ref: \"TopicArn\"}
    then \"$topic\" else . end) | tostring | gsub(\"\\\\\$\\\\{AWS::Partition}\"; \"aws\") |
    gsub(\"\\\\\$\\\\{SourceBucket}\"; \"src\") | gsub(\"\\\\\$\\\\{TempBucket}\"; \"tmp\") |
    gsub(\"\\\\\$\\\\{DestinationBucket}\"; \"dst\") | fromjson"
# role NAME: what it may do on S3 and SNS.
role() {
	jq "$names | .Resources.$1Role.Properties.Policies[0].PolicyDocument | .Statement |=
	    map(select([.Action[] | startswith(\"s3:\") or startswith(\"sns:\")] | any))" template
}
for s in Fetch Stage Deliver Notify; do
	role $s >policy
	"$ROOT/tests/lib/iam.py" policy <requests.$s >differs
	is "$(cat differs)" '' "the role of $s has what its requests need, and no more"
done
for r in Plain Lookup Record Spool; do
	is "$(role $r | jq '.Statement | length')" 0 "the role $r may do nothing on S3"
done
sed "s/SOURCE_BUCKET/src/; s/TEMP_BUCKET/tmp/; s/DESTINATION_BUCKET/dst/; s/TOPIC_ARN/$topic/" \
    "$aws/policy-tools.json" >policy
cat requests.* | "$ROOT/tests/lib/iam.py" policy >differs
is "$(cat differs)" '' 'so does the policy for all tools together'
# That the comparison finds something.
jq 'del(.Statement[] | select(.Sid == "Deliver"))' policy >less
cat requests.* | "$ROOT/tests/lib/iam.py" less >differs
like differs '^missing s3:PutObject arn:aws:s3:::dst/quarantine/' 'a missing permission is found'
jq '.Statement[0].Action = ["s3:GetObject", "s3:DeleteObject"]' policy >wider
cat requests.* | "$ROOT/tests/lib/iam.py" wider >differs
is "$(cat differs)" 'unused s3:DeleteObject arn:aws:s3:::src/subjecteventcrffile/*' \
    '... and one too many'

# What a function is given and what its role may do go together.
jq -r '.Resources as $r | $r | to_entries[] | select(.value.Type == "AWS::Lambda::Function") |
    .key as $f | .value.Properties as $p | $p.Role["Fn::GetAtt"][0] as $role |
    $r[$role].Properties.Policies[0].PolicyDocument.Statement as $s |
    ($s | map(select(.Effect == "Allow")) | map(.Action[]) ) as $may |
    (select(($p.FileSystemConfigs != null) != ($may | any(startswith("elasticfilesystem:")))) | "\($f): EFS"),
    (select(($p.VpcConfig != null) != ($may | any(startswith("ec2:")))) | "\($f): VPC"),
    (select(($p.Environment.Variables.IMGP_PGPASS_SECRET) !=
      ([$s[] | select(.Action[0] == "secretsmanager:GetSecretValue") | .Resource[0]] | first)) | "\($f): secret"),
    (select($p.LoggingConfig.LogGroup.Ref != ($role | sub("Role$"; "Logs"))) | "\($f): logs"),
    (select(($p.FileSystemConfigs != null) and $p.VpcConfig == null) | "\($f): EFS without VPC"),
    (select($r[$role].Properties.PermissionsBoundary == null) | "\($f): no boundary")' template >faults
is "$(cat faults)" '' 'disk, network, secret and log of each function are those of its role'
is "$(jq -r '[.Resources[] | select(.Type == "AWS::IAM::Role") | .Properties.Policies[].PolicyDocument.Statement[] |
    select(.Effect == "Allow" and .Resource == "*") | .Action[]] | map(split(":")[0]) | unique | join(" ")' template)" \
    'ec2 ecr logs' 'only network interfaces, log delivery and a registry'\''s token are not narrowed to a resource'
is "$(jq -r '.Resources.MachineRole.Properties.Policies[0].PolicyDocument.Statement[0].Resource[]["Fn::GetAtt"][0]' \
    template | sort | xargs)" "$(jq -r '.Resources | to_entries[] | select(.value.Type == "AWS::Lambda::Function").key' \
    template | sort | xargs)" 'the state machine may call its functions, and nothing else'

is "$(jq -r '.Resources | to_entries[] | select(.value.Type == "AWS::IAM::Role") | .key as $k |
    .value.Properties.AssumeRolePolicyDocument.Statement[] | select(.Principal.Service != "lambda.amazonaws.com" and
    .Condition.StringEquals["aws:SourceAccount"].Ref != "AWS::AccountId") | $k' template | xargs)" '' \
    'a role that a service takes by its name alone is for this account'
is "$(jq -c '[.Resources[] | select(.Type == "AWS::IAM::Role") | .Properties.Policies[].PolicyDocument.Statement[] |
    [.Action[] | select(startswith("ec2:")) | .[4:]] | select(. != []) | sort] | unique' template)" \
    '[["AssignPrivateIpAddresses","CreateNetworkInterface","DeleteNetworkInterface","DescribeNetworkInterfaces","DescribeSubnets","UnassignPrivateIpAddresses"]]' \
    'of network interfaces Lambda may do what it asks for, and what a function runs none of it'
is "$(jq -r '.Parameters as $p | ($p | keys[]) as $k | select([.Resources | .. | strings |
    select(. == $k or contains("${" + $k + "}"))] == []) | $k' template | xargs)" '' 'each parameter is used'
is "$(jq -c '.Parameters.ShardDisk | [.MinValue, .MaxValue]' template)" '[21,200]' \
    'a disk that Fargate has not is refused'

# The labs read; nobody but the pipeline writes.
bucket=$aws/bucket-policy.json
is "$(jq -r '.Statement[] | select(.Effect == "Allow") | "\(.Principal.AWS) \(.Action) \(.Resource)"' "$bucket")" \
    'LAB_ROLE_ARN s3:GetObject arn:aws:s3:::DESTINATION_BUCKET/quarantine/*
LAB_ROLE_ARN s3:ListBucket arn:aws:s3:::DESTINATION_BUCKET' 'the labs read and list quarantine/, no more (M19)'
is "$(jq -r '[.Statement[] | select(.Effect == "Deny" and .Sid != "OnlyByTls") | .Action[]] | sort | join(" ")' "$bucket")" \
    's3:AbortMultipartUpload s3:DeleteObject s3:DeleteObjectTagging s3:DeleteObjectVersion s3:DeleteObjectVersionTagging s3:PutObject s3:PutObjectAcl s3:PutObjectTagging s3:PutObjectVersionAcl s3:PutObjectVersionTagging s3:ReplicateDelete s3:ReplicateObject s3:ReplicateTags' \
    'whoever else may write elsewhere may not here'
# Whom that policy must let: all that the template lets write there.
jq -r "$names | .Resources | to_entries[] | select(.value.Type == \"AWS::IAM::Role\") |
    select([.value.Properties.Policies[].PolicyDocument.Statement[] | select(.Action | index(\"s3:PutObject\")) |
    .Resource[] | strings | startswith(\"arn:aws:s3:::dst/quarantine/\")] | any) | \"\(.key)Arn\"" template | sort >writers
is "$(jq -r '.Outputs | to_entries[] | select(.value.Value["Fn::GetAtt"][1]? == "Arn") | .key' template | sort |
    xargs)" "$(xargs <writers)" 'the stack tells the roles that deliver, all of them'
while read -r w; do grep -qw "$w" "$ROOT/man/imgpipe-aws.7" || echo "$w"; done <writers >untold
is "$(cat untold)" '' '... and the page names them for PIPELINE_ROLE_ARN'

# Their form, by AWS's own model.
if ! PATH=/usr/bin:/bin aws --version >/dev/null 2>&1; then
	skip 'the form of what buckets are given' 'awscli is not there'
	done_testing
fi
cli() { PATH=/usr/bin:/bin aws "$@" --bucket b --generate-cli-skeleton output; }
if is_long; then
exits 0 'the lifecycle has the form of S3' cli s3api put-bucket-lifecycle-configuration \
    --lifecycle-configuration "file://$aws/lifecycle-temp.json"
exits 0 'so has the notification' cli s3api put-bucket-notification-configuration \
    --notification-configuration "file://$aws/notification.json"
jq '.Rules[0].Expiry = 1' "$aws/lifecycle-temp.json" >wrong.json
cli s3api put-bucket-lifecycle-configuration --lifecycle-configuration file://wrong.json >out 2>err
[ $? -ne 0 ]
ok $? '... by which a wrong one is found'
fi
done_testing
