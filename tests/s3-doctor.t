#!/bin/bash
# imgp-run --doctor and buckets: what they let, and what they say of themselves (F37).
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
world
"$ROOT/scripts/s3-server" start "$WORK/server" rgw >server.env 2>server.err ||
	no_server "no rgw: $(tail -1 server.err)"
at_end "'$ROOT/scripts/s3-server' stop '$WORK/server'"
# shellcheck source=/dev/null
. ./server.env
s3() { /usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"; }
keys() { s3 GET "$1?list-type=2" | grep -o '<Key>[^<]*' | sed 's/<Key>//' | sort; }
for b in source tmp img log; do s3 PUT "imgp-$b"; done
export IMGP_SOURCE=s3://imgp-source IMGP_TEMP=s3://imgp-tmp IMGP_DESTINATION=s3://imgp-img/area \
    IMGP_LOGS=s3://imgp-log IMGP_S3_PATIENCE=2s
# said PART: what is said of it, health and words.
said() { jq -r --arg p "$1" '.findings[] | select(.part == $p) | "\(.health) \(.what)"' out; }

exits 0 'buckets that are there' imgp-run --doctor --json
is "$(said temp | grep -c '^ok s3://imgp-tmp: listed; an object was written, read and removed again$')" 1 \
    'temp is written, read and cleared up'
is "$(said temp | grep -c 'create-only writes are obeyed')" 1 'create-only writes are tried'
is "$(said destination | grep -c '^ok s3://imgp-img/area: listed; it can be read and written$')" 1 \
    'destination is written to'
is "$(keys imgp-tmp; keys imgp-img; keys imgp-log; keys imgp-source)" '' '... and nothing stays'
said destination | grep -q '^warning .*keeps no versions'
ok $? 'a bucket that keeps no versions is a warning'
said source | grep -q '^warning source_owner is not set'
ok $? 'and a bucket whose owner is not set'
said clock | grep -q '^ok this machine and the S3 service agree'
ok $? 'the service'"'"'s clock is compared'
exits 1 'a service that is away' env AWS_ENDPOINT_URL=http://127.0.0.1:1 imgp-run --doctor -q
like out '^broken  temp: IMGP-STORE-UNAVAILABLE' '... is broken'
unlike out "$AWS_SECRET_ACCESS_KEY" '... and no secret is shown'
is_long || done_testing	# a sample ends here

cat >versioning <<'EOT'
<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>
EOT
cat >policy <<'EOT'
{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],
"Resource":["arn:aws:s3:::imgp-img/*"]}]}
EOT
s3 PUT 'imgp-img?versioning=' -d versioning
s3 PUT 'imgp-img?policy=' -d policy
exits 1 'a bucket that everybody may read' imgp-run --doctor --json
said destination | grep -q '^broken .*lets everybody in'
ok $? '... is broken' || said destination | diag
said destination | grep -q '^ok .*keeps versions'
ok $? '... and keeps versions'
s3 DELETE 'imgp-img?policy='
exits 1 'a bucket that is not there' env IMGP_DESTINATION=s3://imgp-none imgp-run --doctor -q
like out '^broken  destination: IMGP-PLACE-MISSING' '... is broken'
exits 1 'a secret that is wrong' env AWS_SECRET_ACCESS_KEY=canary imgp-run --doctor -q
is "$(grep -cE '^broken  (source|temp|destination|logs): IMGP-STORE-(DENIED|CREDENTIALS)' out)" 4 \
    '... is named at each place'
unlike out canary '... and not shown'
done_testing
