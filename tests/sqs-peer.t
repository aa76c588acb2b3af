#!/bin/bash
# imgp-queue at npm's fauxqs, with AWS's own SDK for JavaScript as the one who sends and
# counts (M6): whole runs.  NPM_SQS names a directory in which
#	npm install fauxqs@2.4.1 node@22 @aws-sdk/client-sqs
# was run.  fauxqs listens on all addresses, so all of this is in a network of its own.
. "$(dirname "$0")/lib/lib.sh"
[ -n "${NPM_SQS-}" ] || skip_all 'NPM_SQS names no directory with fauxqs'
NODE=$NPM_SQS/node_modules/.bin/node
{ [ -x "$NODE" ] && [ -d "$NPM_SQS/node_modules/fauxqs" ]; } || skip_all 'no fauxqs or node 22 there'
if [ -z "${SQS_NET-}" ]; then
	[ "$(id -u)" -eq 0 ] && new=-n || new=-rn
	unshare $new true 2>/dev/null || skip_all 'no network of its own can be made here'
	SQS_NET=1 exec unshare $new bash -c 'ip link set lo up && exec bash "$0"' "$ROOT/tests/sqs-peer.t"
fi
world
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
imgp-s3cp -r "file://$WORK/source/" s3://src/ >/dev/null 2>&1
S=http://127.0.0.1:4566
FAUXQS_PORT=4566 "$NODE" "$NPM_SQS/node_modules/fauxqs/dist/cli.js" >fauxqs.log 2>&1 &
at_end "kill $! 2>/dev/null; wait $! 2>/dev/null"
tries=200
while [ $((tries -= 1)) -gt 0 ]; do
	(exec 3<>/dev/tcp/127.0.0.1/4566) 2>/dev/null && break
	sleep 0.1
done
cat >ask.cjs <<'EOT'
const { createRequire } = require("node:module");
const sdk = createRequire(process.env.NPM_SQS + "/")("@aws-sdk/client-sqs");
const sqs = new sdk.SQSClient({ endpoint: process.argv[2], region: "us-east-1",
    credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID,
	secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY } });
const [what, url] = process.argv.slice(3);
(async () => {
	if (what === "make") {
		const a = await sqs.send(new sdk.CreateQueueCommand({ QueueName: "uploads" }));
		console.log(a.QueueUrl);
	} else if (what === "put") {
		const lines = require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean);
		for (const MessageBody of lines)
			await sqs.send(new sdk.SendMessageCommand({ QueueUrl: url, MessageBody }));
	} else {
		const a = await sqs.send(new sdk.GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["All"] }));
		console.log(a.Attributes.ApproximateNumberOfMessages, a.Attributes.ApproximateNumberOfMessagesNotVisible);
	}
})();
EOT
ask() { NPM_SQS=$NPM_SQS "$NODE" ask.cjs $S "$@"; }
Q=$(ask make)
export AWS_ENDPOINT_URL_SQS=$S IMGP_SOURCE=s3://src XDG_RUNTIME_DIR="$WORK"
like <(echo "$Q") '/uploads$' 'a queue is made by the SDK'
event() {
	jq -nc --arg k "$1" '{Records: [{eventVersion: "2.1", eventSource: "aws:s3",
	    eventName: "ObjectCreated:Put", s3: {bucket: {name: "src"}, object: {key: $k, size: 1}}}]}'
}
keys=$(psql -X -q -At -d "$IMGP_DATABASE" -c "select source_key from pipeline.upload
    where subject_event_crf_file_id in (1201, 1203, 1206)")
for key in $keys $keys; do event "$key"; done | ask put "$Q"
imgp-queue receive -v "$Q" 2>err | imgp-run -q 2>run.err | imgp-queue 'done' >finished
is "${PIPESTATUS[*]}" '0 0 0' 'six messages about three uploads: a whole run' || diag <run.err
like err '6 received, 6 deleted, 0 left' 'all are deleted'
is "$(ask count "$Q")" '0 0' 'says the SDK'
is "$(jq -r 'select(.skip == null) | .edc_pipeline_file.status' finished | sort | uniq -c |
    awk '{ print $1, $2 }')" '3 Completed' \
    'each upload is delivered once'
event "$(echo "$keys" | head -1)" | ask put "$Q"
imgp-queue receive --keep 1h "$Q" 2>err | jq -c --unbuffered '.skip = "IMGP-SKIP-BUSY"' | imgp-queue 'done' >finished
is "$(ask count "$Q")" '0 1' 'one that is busy is left to its time-out'
done_testing
