#!/bin/bash
# imgp-queue: messages of an SQS queue as jobs, deleted when these are over, left when
# another try is of use (M6), at a stand-in with faults.  A server of somebody else:
# sqs-peer.t.
. "$(dirname "$0")/lib/lib.sh"
PYTHON=/usr/bin/python3
[ -x $PYTHON ] && command -v curl >/dev/null || skip_all 'no python3 or curl here'
world
mkfifo life port
exec 9<>life
$PYTHON "$ROOT/tests/servers/sqs.py" "$WORK" <life >port 2>server.log 9>&- &
at_end "kill $! 2>/dev/null; wait $! 2>/dev/null"
read -r port <port
S=http://127.0.0.1:$port
Q=https://sqs.eu-west-1.amazonaws.com/123456789012/uploads
export AWS_ENDPOINT_URL_SQS=$S AWS_ACCESS_KEY_ID=AKIAQUEUE AWS_SECRET_ACCESS_KEY=queue/secret+1 \
    AWS_EC2_METADATA_DISABLED=true XDG_RUNTIME_DIR="$WORK"
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_REGION AWS_DEFAULT_REGION
put() { curl -s -o got -X POST --data-binary @- "$S/put"; }
state() { curl -s "$S/state" | jq -c '[(.waiting, .hidden, .deleted) | length]'; }
event() {		# event NAME KEY...: a message with a record for each key
	_name=$1
	shift
	jq -nc --arg n "$_name" '{Records: [$ARGS.positional[] | {eventVersion: "2.1", eventSource: "aws:s3",
	    eventName: $n, s3: {bucket: {name: "src"}, object: {key: ., size: 1}}}]}' --args "$@"
}
k=subjecteventcrffile/301/5101/mri_zip/v1.zip
# over WORD... <lines: as imgp-run would end them, one word for each line: ok, or a code.
over() {
	while read -r line && [ $# -gt 0 ]; do
		case $1 in
		ok)	printf '%s\n' "$line" ;;
		IMGP-SKIP-*) printf '%s\n' "$line" | jq -c --arg c "$1" '.skip = $c' ;;
		*)	printf '%s\n' "$line" | imgp-tally fail "$1" 2>/dev/null ;;
		esac
		shift
	done
}

# --- one message ---------------------------------------------------------------
exits 0 'an empty queue: nothing' imgp-queue receive $Q
[ ! -s out ]
ok $? 'not a line'
event ObjectCreated:Put $k | put
imgp-queue receive $Q 2>err | tee lines | over ok | imgp-queue 'done' >finished
is "${PIPESTATUS[*]}" '0 0 0 0' 'a message, a job, and its end'
is "$(jq -c '[.source, .queue.message, .queue.part]' lines)" "[\"s3://src/$k\",0,0]" 'its line is a job of the object'
cmp -s lines finished
ok $? 'imgp-queue done writes it on'
is "$(state)" '[0,0,1]' 'the message is deleted'
is "$(cut -d' ' -f3,4 log | sort -u)" "127.0.0.1 $Q" \
    'all requests go to the endpoint, whatever host the URL has'
is "$(find "$WORK" -type s | wc -l)" 0 'no socket is left'
event ObjectRemoved:Delete $k | put
echo '{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"src"}' | put
exits 0 'a removal and a test' imgp-queue receive $Q
is "$(state) $(grep -c 'passed over' err)" '[0,0,3] 2' 'are passed over with a word and deleted'
echo hello | put
imgp-queue receive $Q 2>err | tee lines | over ok | imgp-queue 'done' >finished
is "$(jq -r '.errors[].error_code' lines) $(state)" 'IMGP-LOOKUP-EVENT [0,0,4]' \
    'no event: a failed job, and no message that comes for ever'

if is_long; then
# --- what is worth another try ------------------------------------------------------
while IFS='|' read -r word want title; do
	event ObjectCreated:Put $k | put
	imgp-queue receive --keep 1h $Q 2>err | over "$word" | imgp-queue 'done' >finished
	is "${PIPESTATUS[*]} $(state)" "$want" "$word: $title"
done <<'EOT'
ok|0 0 0 [0,0,5]|delivered
IMGP-SKIP-DONE|0 0 0 [0,0,6]|was delivered before
IMGP-SKIP-DUPLICATE|0 0 0 [0,0,7]|the same file twice in a run
IMGP-LOOKUP-DATA|0 0 0 [0,0,8]|failed for good
IMGP-SOURCE-STALE|0 0 0 [0,0,9]|the newer object has its own event
IMGP-SKIP-BUSY|75 0 75 [0,1,9]|another run has it
EOT
for word in IMGP-SKIP-PAUSED IMGP-STORE-UNAVAILABLE IMGP-LOOKUP-NOT-FOUND IMGP-DB-DENIED; do
	event ObjectCreated:Put $k | put
	imgp-queue receive --keep 1h $Q 2>err | over $word | imgp-queue 'done' >finished
	is "${PIPESTATUS[*]}" '75 0 75' "$word: left for another try"
done
is "$(state)" '[0,5,9]' 'all of these stay'
event ObjectCreated:Put $k "${k%1.zip}2.zip" | put
imgp-queue receive --keep 1h $Q 2>err | over ok IMGP-STORE-UNAVAILABLE | imgp-queue 'done' >finished
is "$(state)" '[0,6,9]' 'a message of two objects stays for one of them'
event ObjectCreated:Put $k "${k%1.zip}2.zip" | put
imgp-queue receive --keep 1h $Q 2>err | over ok ok | imgp-queue 'done' >finished
is "$(state)" '[0,6,10]' 'and goes when both are over'
# --- who dies -------------------------------------------------------------------------
event ObjectCreated:Put $k | put
imgp-queue receive --keep 1h $Q 2>err | head -0 | imgp-queue 'done' >finished
is "${PIPESTATUS[0]}" 75 'a run that dies without a line: receive ends, nobody waits for ever'
n=$(state)
event ObjectCreated:Put $k | put
: >lines	# what an earlier one wrote is none of this one's
imgp-queue receive --keep 2s $Q >lines 2>err &
receiver=$!
until [ -s lines ]; do sleep 0.05; done
# It keeps it: three times its time nobody else gets it.
until [ "$(grep -c '^ChangeMessageVisibilityBatch 200' log)" -ge 3 ]; do sleep 0.1; done
is "$(curl -s "$S/state" | jq .waiting)" '[]' 'it is kept from others while its job runs'
over ok <lines | imgp-queue 'done' >finished
wait $receiver
is "$? $(jq -nc --argjson a "$n" --argjson b "$(state)" '[$b[1] - $a[1], $b[2] - $a[2]]')" '0 [0,1]' \
    'and deleted at its end'
event ObjectCreated:Put $k | put
: >lines
imgp-queue receive --keep 2s $Q >lines 2>err &
receiver=$!
until [ -s lines ]; do sleep 0.05; done
kill -9 $receiver
wait $receiver 2>/dev/null
exits 75 'done without a receiver' imgp-queue 'done' <lines
like err 'comes again' 'says that the message comes again'
imgp-queue receive --wait --keep 1h $Q 2>err | over ok | imgp-queue 'done' >finished
is "$(wc -l <finished)" 1 'which it does, when its time is over'
imgp-queue receive $Q --wait >lines 2>err &
receiver=$!
until [ "$(tail -1 log | cut -d' ' -f1)" = ReceiveMessage ] && kill -0 $receiver; do sleep 0.05; done
kill -TERM $receiver
event ObjectCreated:Put $k | put
wait $receiver
is $? 143 'SIGTERM ends a receiver that waits'
rm -f imgp-queue-*/*
fi

# --- faults -----------------------------------------------------------------------------
if is_long; then
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23; do
	event ObjectCreated:Put "${k%1.zip}$i.zip" | put
done
echo 'DeleteMessageBatch 503 ServiceUnavailable 2' >fault
n=$(state | jq '.[2]')
imgp-queue receive --keep 1h $Q 2>err | over ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok ok | imgp-queue 'done' >finished
is "${PIPESTATUS[0]} $(wc -l <finished) $(($(state | jq '.[2]') - n))" "0 $(wc -l <finished) $(wc -l <finished)" \
    'deleting is tried again; many messages go in batches'
is "$(($(wc -l <finished) >= 23))" 1 'all of them came'
fi
event ObjectCreated:Put $k | put
echo 'DeleteMessageBatch 403 AccessDenied 1' >fault
imgp-queue receive --keep 1h $Q 2>err | over ok | imgp-queue 'done' >finished
is "${PIPESTATUS[0]}" 75 'without the right to delete: 75'
like err 'comes again.*AccessDenied' 'with the word of SQS'
if is_long; then
echo 'ReceiveMessage 500 InternalFailure 1' >fault
exits 75 'a queue that is away' imgp-queue receive $Q
exits 75 'no such queue' imgp-queue receive ${Q}x
like err 'IMGP-PLACE-MISSING' 'is told'
fi
exits 2 'a wrong secret' env AWS_SECRET_ACCESS_KEY=x imgp-queue receive $Q
if is_long; then
exits 2 'no URL of a queue' imgp-queue receive uploads
exits 2 'a queue of another server without its endpoint' env -u AWS_ENDPOINT_URL_SQS imgp-queue receive http://localhost:1/1/q
exits 2 'no subcommand' imgp-queue
exits 2 'no queue' imgp-queue receive
exits 2 'a time that is none' imgp-queue receive --keep soon $Q
fi
unlike err 'queue/secret' 'no secret in what it says'

# --- a whole run --------------------------------------------------------------------------
jq -nc '{queue: {socket: "/etc/passwd", message: 0, part: 0}, v: 1}' | imgp-queue 'done' >out
is "$?" 0 'a line that names a file of somebody else is no message'
unlike server.log . 'nothing broke the stand-in'
done_testing
