#!/bin/bash
# Lambda's bootstrap, against a stand-in for the Runtime API: exit status and entries of
# "errors" to the error's name; nothing of a record in an error (M62).
. "$(dirname "$0")/lib/lib.sh"
bootstrap=$ROOT/scripts/aws/bootstrap
command -v curl >/dev/null || skip_all 'curl is not there'
unset AWS_SESSION_TOKEN IMGP_PGPASS_SECRET LAMBDA_TASK_ROOT _HANDLER
mkdir -p task/bin
export TMPDIR=$WORK/scratch LAMBDA_TASK_ROOT=$WORK/task
mkdir scratch
# tool NAME <script: one of the function's tools.
tool() {
	{ echo '#!/bin/sh'; cat; } >"task/bin/$1"
	chmod 755 "task/bin/$1"
}
n=0
# calls HANDLER EVENT...: a runtime gets these events; what it answers is in the
# directory ${api}, its log in log, its status in ${status}.
calls() {
	local handler=$1 i=0 server
	shift
	n=$((n + 1)) api=$WORK/api$n
	mkdir -p "$api/events"
	for event; do
		i=$((i + 1))
		printf '%s' "$event" >"$api/events/$i"
	done
	[ $# -gt 0 ] || cp big "$api/events/1"
	/usr/bin/python3 "$ROOT/tests/servers/lambda-runtime.py" "$api" &
	server=$!
	at_end "kill $server 2>/dev/null"
	while [ ! -s "$api/port" ]; do sleep 0.02; done
	AWS_LAMBDA_RUNTIME_API=127.0.0.1:$(cat "$api/port") timeout 60 "$bootstrap" \
	    ${handler:+"$handler"} >out 2>log
	status=$?
	kill $server
	wait $server 2>/dev/null
}
# error N: its name, in the header and in the body, and its message.
error() {
	[ "$(cat "$api/$1.type")" = "$(jq -r .errorType "$api/$1.error")" ] || echo 'two names: '
	jq -r '"\(.errorType): \(.errorMessage)"' "$api/$1.error"
}
entry() {		# entry STAGE CODE CLASS FATAL RETRYABLE [TEXT]
	jq -nc '$ARGS.positional | {stage: .[0], error_code: .[1], class: .[2], error: (.[5] // "words"),
	    fatal: (.[3] == "true"), retryable: (.[4] == "true")}' --args "$@"
}

# --- answers -----------------------------------------------------------------
tool imgp-echo <<'EOT'
[ $# = 0 ] || { printf '{"operands":"%s"}\n' "$*"; exit; }
exec sed 's/}$/,"more":1}/'
EOT
calls imgp-echo '{"a":1}' '{"b":"q\"\t\\ é"}'
is "$(cat "$api"/1.response "$api"/2.response)" '{"a":1,"more":1}
{"b":"q\"\t\\ é","more":1}' 'the line that the tool writes is the answer, event by event'
[ "$status" -ne 0 ]
ok $? '... until the API says no more'
is "$(ls "$TMPDIR")" '' '... and nothing of them stays behind'
calls '' '{"a":1}'
is "$(cat "$api/init.type")" Runtime.NoSuchHandler 'no handler is said at the start'
_HANDLER=imgp-echo calls '' '{"a":1}'
is "$(cat "$api/1.response")" '{"a":1,"more":1}' 'the handler may stand in _HANDLER'
calls imgp-echo.source.local '{"a":1}'
is "$(cat "$api/1.response")" '{"operands":"source local"}' 'dots part its operands'
if is_long; then
for h in imgp-none ../imgp-echo 'imgp-echo;x' 'imgp-echo x' /bin/sh 'imgp-$x'; do
	calls "$h" '{}'
	is "$(cat "$api/init.type") $status $(find "$api" -maxdepth 1 -name '1*' | wc -l)" 'Runtime.NoSuchHandler 1 0' \
	    "no tool: $h"
done
calls imgp-echo '{
  "a": 1
}'
is "$(jq -c . "$api/1.response")" '{"a":1,"more":1}' 'an event over several lines is one line to the tool'
/usr/bin/python3 -c 'print("{\"a\":\"" + "x" * 5000000 + "\"}", end="")' >big
calls imgp-echo
is "$(wc -c <"$api/1.response")" $((5000008 + 9 + 1)) 'five megabytes in, and out'
tool imgp-deaf <<'EOT'
echo '{"deaf":1}'
EOT
calls imgp-deaf
is "$(cat "$api/1.response")" '{"deaf":1}' 'a tool need not read its event'
fi
tool imgp-run-id <<'EOT'
printf '{"run":"%s"}\n' "${IMGP_RUN-none}"
EOT
calls imgp-run-id '{"run":"20261129T000000Z-0123abcd","x":{"run":"20261129T000000Z-ffffffff"}}' \
    '{"run":"../x"}' '{}'
is "$(cat "$api"/[123].response)" '{"run":"20261129T000000Z-0123abcd"}
{"run":"none"}
{"run":"none"}' 'the run of the record is the IMGP_RUN of its call alone'

# --- errors ------------------------------------------------------------------
# One that says what its event has: status, line, and words for standard error.
tool imgp-says <<'EOT'
IFS= read -r line
get() { printf '%s' "$line" | jq -r ".$1 // empty"; }
get said >&2
answer=$(get answer)
[ -z "$answer" ] || printf '%s\n' "$answer"
[ -z "$(get signal)" ] || kill -"$(get signal)" $$
exit "$(get status)"
EOT
command -v jq >/dev/null || skip_all 'jq is not there'
says() {		# says STATUS ANSWER [SAID [SIGNAL [HAD]]]: an event for it
	jq -nc '$ARGS.positional | {participant_code: "TRC-0301", status: .[0], answer: .[1],
	    said: .[2], signal: .[3], errors: ((.[4] // "[]") | fromjson)}' --args "$@"
}
with() { printf '{"participant_code":"TRC-0301","errors":[%s]}' "$(IFS=,; echo "$*")"; }
i=0
for c in notfound:NotFound denied:Denied temporary:TempFail integrity:Integrity data:DataError \
    conflict:Conflict config:ConfigError internal:Internal; do
	is_long || [ "$c" = temporary:TempFail ] || [ "$c" = data:DataError ] || continue
	i=$((i + 1))
	events[i]=$(says 1 "$(with "$(entry lookup IMGP-X-Y "${c%:*}" true true)")")
	wanted[i]=${c#*:}
done
calls imgp-says "${events[@]}"
is "$(cat "$api"/?.type)" "$(printf %s "${wanted[@]}")" 'a class makes the name of an error'
if is_long; then
calls imgp-says "$(says 2 '')" "$(says 75 '')" "$(says 1 '')" "$(says 3 '')" "$(says 0 '' '' 9)" \
    "$(says 0 '' '' SEGV)" "$(says 0 '')" "$(says 0 '{}
{}')"
is "$(for i in 1 2 3 4 5 6 7 8; do error $i; done)" 'ConfigError: status 2, and 0 lines instead of one
TempFail: status 75, and 0 lines instead of one
Exit.1: status 1, and 0 lines instead of one
Exit.3: status 3, and 0 lines instead of one
Killed: signal 9
Killed: signal 11
TempFail: status 75, and 0 lines instead of one
TempFail: status 75, and 2 lines instead of one' 'without one line the exit status does'
fi
one=$(entry fetch IMGP-STORE-IO temporary true true 'quotes " and \ and	tabs, é')
old=$(entry scan IMGP-DICOM-NONE data false false)
calls imgp-says "$(says 75 "$(with "$old" "$one")" '' '' "[$old]")"
is "$(error 1)" "TempFail: [$one]" 'the message has the new entries, quotes, tabs and all'
is "$(jq -r .errorMessage "$api/1.error" | jq -r '.[0].error')" 'quotes " and \ and	tabs, é' \
    '... as JSON within JSON'
if is_long; then
calls imgp-says "$(says 1 "$(with "$old")")" "$(says 75 "$(with "$old" "$one")" '' '' "[$old,$one]")" \
    "$(says 75 '{"skip":"IMGP-SKIP-BUSY"}')" \
    "$(says 1 '{"warnings":[{"stage":"scan","error_code":"IMGP-X-Y","class":"data","error":"w","retryable":true}]}')"
is "$(find "$api" -name '*.response' | wc -l) $(find "$api" -name '*.error' | wc -l)" '4 0' \
    'errors that do not fail the job, those it had, skips and warnings are answers'
finish=$(entry finish IMGP-DB-UNAVAILABLE temporary false true)
calls imgp-says "$(says 75 "$(with "$finish")")"
is "$(error 1)" "TempFail: [$finish]" 'an error of finish that may be tried again is an error'
fi

is_long || done_testing	# a sample ends here
# --- what must not get out ------------------------------------------------------
calls imgp-says "$(says 75 "$(with "$one")" 'TRC-0301 Doe^Jane')" "$(says 2 '' 'TRC-0301 Doe^Jane')" \
    "$(says 0 '' 'TRC-0301 Doe^Jane' 9)" "$(says 1 'TRC-0301 Doe^Jane, and no JSON
TRC-0301')"
cat "$api"/*.error >all
unlike all 'TRC-0301|Doe' 'no error has what the record or standard error has'
is "$(grep -c 'Doe^Jane' log)" 3 '... standard error is in the log'

if is_long; then
# --- imgp-notify -----------------------------------------------------------------
ln -s "$BUILD/bin/imgp-machine" "$BUILD/bin/imgp-tally" task/bin
tool imgp-notify <<'EOT'
tee "$LAMBDA_TASK_ROOT/notified"
exit "$(cat "$LAMBDA_TASK_ROOT/status")"
EOT
echo 1 >task/status
run='{"run":"20261129T000000Z-0123abcd","files":[{"skip":"IMGP-SKIP-FAILED"},{"skip":"IMGP-SKIP-DONE"}]}'
calls imgp-notify "$run"
is "$(cat task/notified)" '{"skip":"IMGP-SKIP-FAILED"}
{"skip":"IMGP-SKIP-DONE"}' 'imgp-notify gets the jobs of the run'
is "$(cat "$api/1.response")" '{}' '... whose status is no failure of its own'
echo 75 >task/status
calls imgp-notify "$run"
is "$(cat "$api/1.type")" TempFail '... another one is'
fi

# --- the secret --------------------------------------------------------------------
tool imgp-pass <<'EOT'
jq -Rsc '{file: .}' <"$PGPASSFILE"
stat -c %a "$PGPASSFILE" >&2
exit "$(cat "$LAMBDA_TASK_ROOT/status")"
EOT
mkdir aws
/usr/bin/python3 "$ROOT/tests/servers/aws-json.py" aws &
at_end "kill $!"
while [ ! -s aws/port ]; do sleep 0.02; done
AWS_ENDPOINT_URL_SECRETS_MANAGER=http://127.0.0.1:$(cat aws/port)
export AWS_ENDPOINT_URL_SECRETS_MANAGER AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=AKIDTEST \
    AWS_SECRET_ACCESS_KEY=canary/secret+1 AWS_SESSION_TOKEN=canary/token+1= \
    IMGP_PGPASS_SECRET=arn:aws:secretsmanager:eu-west-1:123456789012:secret:edc-AbCdEf
jq -nc '{ARN: "arn:x", Name: "edc", SecretString: "db.example.org:5432:edc:lookup:p\"a\\\\ns/\\:s"}' \
    >aws/GetSecretValue
echo 0 >task/status
calls imgp-pass '{}' '{}'
is "$(jq -c .file "$api/1.response")" "$(jq -c '.SecretString + "\n"' aws/GetSecretValue)" \
    'the secret is the .pgpass file of the tool' || cat "$api/1.response" log | diag
is "$(grep -c '' aws/log)" 1 '... asked for once'
like log '^600$' '... that nobody else reads'
if is_long; then
echo 2 >task/status
calls imgp-pass '{}' '{}'
is "$(grep -c '' aws/log)" 4 '... and again after a tool said that settings are wrong'
rm aws/GetSecretValue
calls imgp-pass '{}'
is "$(cat "$api/init.type") $status" 'Runtime.NoSecret 1' 'one that cannot be read is said at the start'
fi
unlike log 'canary' 'and no credential is in the log'
done_testing
