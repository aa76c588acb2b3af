#!/bin/bash
# Events of a bucket as input (M6, M22): S3's notifications as AWS, MinIO and Ceph
# write them, EventBridge, and all of them within SQS and SNS.
. "$(dirname "$0")/lib/lib.sh"
world
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
imgp-s3cp -r "file://$WORK/source/" s3://src/ >/dev/null 2>&1
export IMGP_SOURCE=s3://src IMGP_RUN=20260102T030405Z-0123abcd

k1=subjecteventcrffile/301/5101/mri_zip/v1.zip
k2=subjecteventcrffile/301/5102/ct_file/v1.dcm
k9='subjecteventcrffile/305/5109/dat scan_zip/v1 a.zip'
# s3 SOURCE NAME KEY [ETAG [SEQUENCER [VERSION [BUCKET]]]]: a message with one record,
# its members as the service of that source has them.
s3() {
	jq -nc --arg s "$1" --arg n "$2" --arg k "$3" --arg e "${4-}" --arg q "${5-}" --arg v "${6-}" \
	    --arg b "${7-src}" '{Records: [{eventVersion: "2.1", eventSource: $s, awsRegion: "us-east-1",
	    eventTime: "2026-11-29T02:30:36.889Z", eventName: $n, s3: {s3SchemaVersion: "1.0",
	    bucket: {name: $b, arn: "arn:aws:s3:::\($b)"}, object: ({key: $k, size: 1} +
	    (if $e == "" then {} else {eTag: $e} end) + (if $q == "" then {} else {sequencer: $q} end) +
	    (if $v == "" then {} else {versionId: $v} end))}}]}'
}
bridge() {		# bridge SOURCE TYPE KEY
	jq -nc --arg s "$1" --arg t "$2" --arg k "$3" '{version: "0", id: "1", "detail-type": $t,
	    source: $s, account: "123456789012", detail: {version: "0", bucket: {name: "src"},
	    object: {key: $k, size: 1, etag: "0123456789abcdef0123456789abcdef",
	    "version-id": "v7", sequencer: "00617F08299329D189"}, reason: "PutObject"}}'
}
# Within: the API's and Lambda's forms.
sqs() { jq -Rc '{Messages: [{MessageId: "m", ReceiptHandle: "r", Body: .}]}'; }
sqs_one() { jq -Rc '{MessageId: "m", ReceiptHandle: "r", Body: .}'; }
sqs_lambda() { jq -Rc '{Records: [{messageId: "m", body: ., eventSource: "aws:sqs"}]}'; }
sns() { jq -Rc '{Type: "Notification", MessageId: "m", TopicArn: "arn:aws:sns:x:1:t", Message: .}'; }
sns_lambda() { jq -Rc '{Records: [{EventVersion: "1.0", EventSource: "aws:sns", Sns: {Message: .}}]}'; }
brief() {
	jq -r '[(.subject_event_crf_file_id // "-"), (.skip // .errors[0].error_code //
	    (.source | ltrimstr("s3://src/")))] | join(" ")' "$@"
}
says() {		# says TITLE WANTED <messages
	imgp-lookup --wait 0 >out 2>err
	is "$(brief out)" "$2" "$1"
}

s3 aws:s3 ObjectCreated:Put "$k1" >in
says "AWS's event" "1201 $k1" <in
s3 aws:s3 ObjectCreated:CompleteMultipartUpload 'subjecteventcrffile/305/5109/dat+scan_zip/v1%20a.zip' >in
says '... with an encoded key' "1209 $k9" <in
s3 minio:s3 s3:ObjectCreated:Put 'subjecteventcrffile%2F305%2F5109%2Fdat+scan_zip%2Fv1+a.zip' >in
says "MinIO's" "1209 $k9" <in
s3 ceph:s3 ObjectCreated:Copy "$k9" >in
says "Ceph's, whose keys are as they are" "1209 $k9" <in
bridge aws.s3 'Object Created' "$k9" >in
says "EventBridge's, whose keys are as they are, too" "1209 $k9" <in
is "$(jq -c '[.etag.source, .version_id.source]' out)" \
    '["\"0123456789abcdef0123456789abcdef\"","v7"]' '... with ETag and version'
for in in 'sns | sqs' sqs sqs_one sqs_lambda sns sns_lambda 'sns | sqs_lambda'; do
	is_long || [ "$in" = 'sns | sqs' ] || continue
	s3 aws:s3 ObjectCreated:Put "$k2" | eval "$in" >in
	says "within ${in//_/ }" "1202 $k2" <in
done
if is_long; then
bridge aws.s3 'Object Created' "$k1" | sqs >in
says "EventBridge's within sqs" "1201 $k1" <in
{ s3 aws:s3 ObjectCreated:Put "$k1"; s3 ceph:s3 ObjectCreated:Put "$k2"; } |
    jq -sc '{Records: map(.Records[])}' >in
says 'several in one message' "1201 $k1
1202 $k2" <in
{ echo 1203; s3 aws:s3 ObjectCreated:Put "$k1"; echo "$k2"; } >in
says 'among ids and keys' "1203 subjecteventcrffile/302/5103/pet_zip/v1.zip
1201 $k1
1202 $k2" <in
fi

# What is nothing to be done for is passed over with a word.
{
	echo '{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-29T02:30:36Z","Bucket":"src","RequestId":"1","HostId":"2"}'
	s3 aws:s3 ObjectRemoved:Delete "$k1"
	s3 ceph:s3 ObjectRemoved:DeleteMarkerCreated "$k1"
	s3 aws:s3 ObjectTagging:Put "$k1"
	bridge aws.s3 'Object Deleted' "$k1"
	echo '{"Type":"SubscriptionConfirmation","TopicArn":"arn:aws:sns:x:1:t","Message":"m","Token":"t"}'
	echo 1201
} >in
says 'tests and removals' "1201 $k1" <in
is "$(sed -n 's/^imgp-lookup: passed over: //p' err | tr '\n' ';')" \
    's3:TestEvent;ObjectRemoved:Delete;ObjectRemoved:DeleteMarkerCreated;ObjectTagging:Put;Object Deleted;SubscriptionConfirmation;' \
    '... with a word each'
exits 0 'all of them are no error' imgp-lookup -q <in
is "$(cat err)" '' '... and no word with -q'

# What cannot be taken is a failed job, and the others go on.
{
	s3 gcs:s3 ObjectCreated:Put "$k1"
	bridge my.app 'Object Created' "$k1"
	s3 aws:s3 ObjectCreated:Put 'a%zz'
	s3 aws:s3 ObjectCreated:Put 'a%00b'
	s3 aws:s3 ObjectCreated:Put 'a%ffb'
	s3 aws:s3 ObjectCreated:Put ''
	s3 aws:s3 ObjectCreated:Put 'a/../b'
	echo '{"Records":[{"x":1}]}'
	echo 'not json' | sqs
	echo '{"a":1}' | sns
	s3 aws:s3 ObjectCreated:Put "$k2"
} >in
exits 1 'events that are none' imgp-lookup --wait 0 <in
is "$(brief out)" "$(printf -- '- IMGP-LOOKUP-EVENT\n%.0s' 1 2 3 4 5 6 7 8 9 10)
1202 $k2" '... each says so'
is "$(grep -c '^imgp-lookup: .*IMGP-LOOKUP-EVENT: ' err)" 10 '... on standard error, too'
like err 'unknown source "gcs:s3"' '... with the reason'
if is_long; then
s3 aws:s3 ObjectCreated:Put "$k1" '' '' '' other >in
says 'an event of another bucket' '- IMGP-PLACE-OUTSIDE' <in
s3 aws:s3 ObjectCreated:Put "$k1" | sqs | sqs | sqs | sqs | sqs | sqs >in
says 'one deeper than we look' '- IMGP-LOOKUP-EVENT' <in
echo '{"Records":[]}' >in
says 'no records' '' <in
echo '{"v":1,"subject_event_crf_file_id":1201,"Records":"x"}' >in
says 'a job line with such a member' "1201 $k1" <in
fi

# As tools print it: over several lines.
for tool in 'jq .' '/usr/bin/python3 -m json.tool' 'jq --tab .' "sed 's/\$/\\r/'"; do
	is_long || [ "$tool" = 'jq .' ] || continue
	{ s3 aws:s3 ObjectCreated:Put "$k1" | jq . | eval "$tool"; echo 1202; } >in
	says "printed by $tool" "1201 $k1
1202 $k2" <in
done
if is_long; then
{ printf '{\n  "v": 1,\n  "subject_event_crf_file_id": 1201\n}\n'; echo 1202; } >in
says 'a job over several lines' "1201 $k1
1202 $k2" <in
{ printf '{\n  "Records": [\n'; echo 1202; } >in
exits 1 'one that is cut' imgp-lookup --wait 0 <in
is "$(brief out)" "- IMGP-JOB-SYNTAX
1202 $k2" '... takes nobody with it'
printf '{\n  "Records": [\n' >in
exits 1 'one that is cut at the end of input' imgp-lookup --wait 0 <in
is "$(brief out)" '- IMGP-JOB-SYNTAX' '... is a failed job'
if [ -e "$SHARED/events" ]; then
	IMGP_SOURCE=s3://bucket imgp-lookup --wait 0 <"$SHARED/events/radosgw-16.2-created-multipart.json" >out 2>err
	is "$(jq -r '[.source, .etag.source, .errors[0].error_code] | join(" ")' out)" \
	    's3://bucket/dir a+b %41 ü.zip "bc5f178fb6962b4d70fed5f92238e433-3" IMGP-LOOKUP-NOT-FOUND' \
	    'what radosgw sends'
	IMGP_SOURCE=s3://bucket imgp-lookup --wait 0 <"$SHARED/events/radosgw-16.2-removed-marker.json" >out 2>err
	is "$(wc -c <out) $(cat err)" '0 imgp-lookup: passed over: ObjectRemoved:DeleteMarkerCreated' \
	    '... and of a delete marker'
else
	skip 'what radosgw sends' 'the samples are not there'
	skip '... and of a delete marker' 'the samples are not there'
fi
fi

# Of several for one object the latest counts, in whatever order they come.
ceph1=4C8E0B6B0D3A0135 ceph2=4D8E0B6BB97D6A2A ceph3=00000000FFFFFFFF
order() {		# order SOURCE SEQUENCER...: the ETag taken, of e1 e2 ...
	local source=$1 n=0
	shift
	for _q; do
		n=$((n + 1))
		s3 "$source" ObjectCreated:Put "$k1" "e$n" "$_q"
	done >in
	imgp-lookup --wait 0 <in | jq -r 'select(.skip == null).etag.source'
}
is "$(order aws:s3 0055AED6DCD90281E5 0055AED6DCD90281E6)" '"e2"' 'the later of two'
is "$(order aws:s3 0055AED6DCD90281E6 0055AED6DCD90281E5)" '"e1"' '... that come the other way round'
if is_long; then
is "$(order aws:s3 9 10)" '"e2"' 'shorter numbers are smaller'
is "$(order ceph:s3 $ceph1 $ceph2)" '"e2"' "Ceph's, by its own order"
is "$(order ceph:s3 $ceph2 $ceph1 $ceph3)" '"e1"' '... the other way round'
fi
is "$(order ceph:s3 00000001FF000000 0000000200000000)" '"e2"' \
    '... which is not that of the text: the last byte counts first'
if is_long; then
is "$(order ceph:s3 0100000000000000 0001000000000000)" '"e2"' '... in the seconds'
is "$(order ceph:s3 0100000000010000 01000000FF000000)" '"e1"' '... and in the nanoseconds'
is "$(order aws:s3 9 9)" '"e1"' 'of the same event twice one is taken'
fi

# One that comes when the upload was passed on: the later is to come again.
mkfifo to from
imgp-lookup --wait 0 <to >from 2>err &
lookup=$!
exec 8>to 9<from
answers() {		# answers SEQUENCER TITLE WANTED
	s3 aws:s3 ObjectCreated:Put "$k1" e1 "$1" >&8 || :
	IFS= read -t 60 -r line <&9
	is "$(jq -r '.skip // .etag.source' <<<"$line")" "$3" "$2"
}
answers 0055AED6DCD90281E5 'an event' '"e1"'
answers 0055AED6DCD90281E5 'the same again, after it' IMGP-SKIP-DUPLICATE
answers 0055AED6DCD90281E4 'one before it' IMGP-SKIP-DUPLICATE
answers 0055AED6DCD90281E6 'one after it, whose bytes the first may not find' IMGP-SKIP-BUSY
exec 8>&- 9<&-
wait $lookup

# A whole run.
unset IMGP_RUN
{ s3 aws:s3 ObjectCreated:Put "$k1"; s3 aws:s3 ObjectCreated:Put "$k1"; } >in
exits 0 'a run of events, one of them twice' imgp-run <in
is "$(sql "select count(*) || ' ' || min(status) from pipeline.edcpipelinefile")" '1 Completed' \
    '... delivers it once'
if is_long; then
exits 0 '... and again' imgp-run <in
is "$(sql "select count(*) from pipeline.outcome")" 1 '... does nothing'
s3 aws:s3 ObjectCreated:Put "$k2" 00000000000000000000000000000000 | imgp-run >out 2>err
is "$? $(jq -r '.errors[0].error_code' out)" '1 IMGP-SOURCE-STALE' \
    'an object that was replaced since its event'
is "$(sql "select status || ' ' || failed_for_good from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1202")" 'Failed false' '... is not delivered, and not given up'
s3 aws:s3 ObjectCreated:Put "$k2" \
    "$(md5sum <"$WORK/source/$k2" | cut -d' ' -f1)" | imgp-run >out 2>err
is "$?" 0 'its own event delivers it'
fi

# A thousand events, one in five repeated, shuffled: each upload once.
sql "insert into edc.subjecteventcrffile select 5000 + i, 5101, 21, 1, 'w' || i, '.zip'
    from generate_series(1, 1000) i"
for i in $(seq 1 1000); do
	echo "subjecteventcrffile/301/5101/mri_zip/w$i.zip"
	[ $((i % 5)) -ne 0 ] || echo "subjecteventcrffile/301/5101/mri_zip/w$i.zip"
done | shuf --random-source="$ROOT/tests/events.t" |
    jq -Rc '{Records: [{eventSource: "aws:s3", eventName: "ObjectCreated:Put",
	s3: {bucket: {name: "src"}, object: {key: ., sequencer: "0055AED6DCD90281E5"}}}]}' >in
imgp-lookup --wait 0 <in >out 2>err
is "$? $(wc -l <out) $(jq -r 'select(.skip == null).subject_event_crf_file_id' out | sort -u | wc -l) \
$(jq -r 'select(.skip == null).subject_event_crf_file_id' out | wc -l)" '0 1200 1000 1000' \
    'a thousand events, one in five repeated: each upload once'
done_testing
