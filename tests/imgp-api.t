#!/bin/sh
# imgp-api: the pipeline API as a CGI program, by hand and behind a web server
# (M41, M45-M53, R18, R19, R64, R66).  Each answer is held against
# sql/openapi.json.
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/db.sh"
. "$ROOT/tests/lib/api.sh"
FILE=/pipeline/edcpipeline/file
SCANS=$FILE/dicom/add_scan_info
mkdir file scans		# all answers that came
export IMGP_API_TOKEN_FILE="$WORK/token"

# cgi PATH [VAR=VALUE...] <body: run it as a web server does; the whole answer in
# ./answer, its body in ./body, its log in ./err, the status in ./status.
cgi() {
	_path=$1
	shift
	cat >request
	env -u IMGP_LEDGER -u IMGP_REPLICA GATEWAY_INTERFACE=CGI/1.1 \
	    REQUEST_METHOD=POST SCRIPT_NAME=/api PATH_INFO="$_path" \
	    QUERY_STRING= CONTENT_TYPE=application/json \
	    CONTENT_LENGTH="$(wc -c <request)" REMOTE_ADDR=127.0.0.1 \
	    HTTP_AUTHORIZATION="Bearer $TOKEN" "$@" \
	    imgp-api <request >answer 2>err
	_answered "$_path" $?
}
# web PATH CURL-ARGUMENTS...: the same behind the web server.
web() {
	_path=$1
	shift
	printf 'header = "Authorization: Bearer %s"\n' "$TOKEN" |
	    curl -s -S -i -K - -o answer -H Expect: \
	    -H "Content-Type: ${TYPE-application/json}" "$@" "$API$_path" 2>err
	_answered "$_path" $?
}
valid() { $PYTHON "$ROOT/tests/lib/openapi.py" "$ROOT/sql/openapi.json" "$@"; }
_answered() {
	sed -n '1s,^HTTP/1.1 \([0-9]*\).*,\1,w status
	    s,^Status: \([0-9]*\) .*,\1,w status
	    1,/^\r\{0,1\}$/!w body' answer
	[ "$2" -eq 0 ] || echo "exit $2" >status
	read -r _name </proc/sys/kernel/random/uuid
	case $1 in
	"$SCANS")
		cp answer "scans/$_name" ;;
	*)
		cp answer "file/$_name" ;;
	esac
}
code() { jq -r '.error_code // "success"' body; }
# refused STATUS CODE TITLE: the last answer was so.
refused() { is "$(cat status) $(code)" "$1 $2" "$3" || diag <answer; }
rows() { sql -c "select * from pipeline.edcpipelinefile order by id"; }

# --- by hand ----------------------------------------------------------------
start='{"pipeline_code":"image","subject_event_crf_file_id":1201,"run":"20260102T030405Z-0000000a","claim":"c1"}'
echo "$start" | cgi $FILE
refused 200 success 'a file is claimed (M45, M47)'
is "$(jq -c '.data.edc_pipeline_file | [.status, .revision_number, .attempt, .has_error]' body)" \
    '["Started",1,1,false]' 'its row comes back'
cp body first
id=$(jq .data.edc_pipeline_file.id body) lease=$(jq .data.edc_pipeline_file.lease body)
echo "$start" | cgi $FILE
cmp -s body first
ok $? 'the same request, the same answer (M51)'
is "$(sql -c 'select count(*), max(attempt) from pipeline.edcpipelinefile')" '1|1' \
    'and no new row'
echo "$start" | sed s/c1/c2/ | cgi $FILE
is "$(cat status) $(jq .data.edc_pipeline_file.lease body)" '200 null' \
    'another claim does not get the lease'

row="\"pipeline_code\":\"image\",\"subject_event_crf_file_id\":1201,\"edc_pipeline_file_id\":$id,\"lease\":$lease"
typo="\"pipeline_code\":\"image\",\"subject_event_crf_file_id\":1201,\"edc_pipieline_file_id\":$id,\"lease\":$lease"
echo "{$typo,\"file_name\":\"a.zip\",\"file_path\":\"quarantine/x/\"}" | cgi $FILE
is "$(cat status) $(jq -r '.data.edc_pipeline_file.file_name' body)" '200 a.zip' \
    'names are stored, by the page'"'"'s spelling of the id (M45)'
echo "{$row,\"status\":\"in progress\"}" | cgi $FILE
is "$(cat status) $(jq -r .data.edc_pipeline_file.status body)" '200 In Progress' \
    'a lambda'"'"'s "in progress" (M41, M58)'
cat >scans.json <<-EOT
{$row,
 "scans":[{"studyuid":"1.2","series":[{"series_uid":"1.2.4","series_number":null,"number_of_instance":1},
 {"series_uid":"1.2.3","series_number":3,"number_of_instances":2}]}]}
EOT
cgi $SCANS <scans.json
is "$(cat status) $(jq -c '.data | [.edc_pipeline_file_id, .pipeline_code,
    .subject_event_crf_file_id, (.scans[] | .study_uid, (.series[] |
    .series_uid, .atri_uid))]' body)" \
    "200 [$id,\"image\",1201,\"1.2\",\"1.2.4\",\"$id.2\",\"1.2.3\",\"$id.1\"]" \
    'add_scan_info gives the ATRIUIDs (M48-M50)'
cp body first
cgi $SCANS <scans.json
cmp -s body first
ok $? 'twice the same (M51)'
echo "{$row}" | cgi $FILE
is "$(cat status) $(jq -c '.data | [.count, .edc_pipeline_file.lease]' body)" \
    "200 [1,$lease]" 'id and lease alone: the lease is renewed'
echo '{"run":"20260102T030405Z-0000000a"}' | cgi $FILE
is "$(cat status) $(jq -c .data body)" '200 {"count":1}' 'a run alone: all of its leases'
echo "{$row,\"release\":true}" | cgi $FILE
is "$(cat status) $(jq -c '.data | [.count, .edc_pipeline_file.lease]' body)" \
    '200 [1,null]' 'and release'
echo '{"run":"20260102T030405Z-0000000a","release":true}' | cgi $FILE
is "$(cat status) $(jq -c .data body)" '200 {"count":0}' 'of a run that has none'
echo "{$row,\"status\":\"done\"}" | cgi $FILE
refused 409 IMGP-DB-FENCED 'without a lease nothing is written (R7)'
echo "$start" | sed s/c1/c3/ | cgi $FILE
lease=$(jq .data.edc_pipeline_file.lease body)
row="\"pipeline_code\":\"image\",\"subject_event_crf_file_id\":1201,\"edc_pipeline_file_id\":$id,\"lease\":$lease"
sed "s/\"lease\":[0-9]*/\"lease\":$lease/" scans.json | cgi $SCANS
echo "{$row,\"status\":\"done\",\"sha256\":{\"destination\":\"$(printf %064d 7)\"},\"has_error\":true,\"errors\":[{\"stage\":\"stamp\",\"error_code\":\"IMGP-STAMP-SIGNED\",\"error\":\"why\",\"fatal\":false}]}" >finish
cgi $FILE <finish
is "$(cat status) $(jq -c '.data.edc_pipeline_file | [.status, .has_error, .lease]' body)" \
    '200 ["Completed",true,null]' '"done" is Completed, with an error (M41, M42)'
cp body first
cgi $FILE <finish
cmp -s body first
ok $? 'twice the same (M51)'
is "$(sql -c 'select count(*) from pipeline.edcpipelinefileerrorlog')" 1 \
    'and one error in the log'
echo "{$row,\"status\":\"error\"}" | cgi $FILE
refused 409 IMGP-DB-STATE 'Completed is final'

echo '{"pipeline_code":"image","subject_event_crf_file_id":4242}' | cgi $FILE
refused 404 IMGP-LOOKUP-NOT-FOUND 'an upload that the EDC does not know'
echo '{"pipeline_code":"image","subject_event_crf_file_id":1202,"revision_number":7}' | cgi $FILE
refused 409 IMGP-LOOKUP-STALE 'another revision than the EDC has (R12)'
echo '{"pipeline_code":"audio","subject_event_crf_file_id":1211}' | cgi $FILE
refused 409 IMGP-SKIP-PAUSED 'a pipeline that is paused'
echo '{"pipeline_code":"image","subject_event_crf_file_id":1202,"status":"done"}' | cgi $FILE
refused 400 IMGP-API-REQUEST 'an update without id (M45)'
missed='{"subject_event_crf_file_id":4242,"run":"20260102T030405Z-0000000a","status":"Failed","errors":[{"error_code":"IMGP-LOOKUP-NOT-FOUND"}]}'
echo "$missed" | cgi $FILE
is "$(cat status) $(jq -c .data body)" \
    '200 {"notice":{"id":2,"known":false},"failures":1,"subject_event_crf_file_id":4242}' 'a look-up that failed'
echo '{"scans":[]}' | cgi $SCANS
refused 400 IMGP-API-REQUEST 'scans without id'
echo "{$row,\"edc_pipieline_file_id\":99}" | cgi $FILE
refused 400 IMGP-API-REQUEST 'two ids that differ'
echo "{$row,\"status\":\"finished\"}" | cgi $FILE
refused 400 IMGP-DB-REQUEST 'a status that is none'

# --- hostile bodies (R18, R19, R64) -------------------------------------------
rows >before
few 4 >bodies <<'EOT'
400	a name twice	{"run":"a","run":"b"}
400	U+0000	{"pipeline_code":"im\u0000age","subject_event_crf_file_id":1202}
400	id 2^63	{"pipeline_code":"image","subject_event_crf_file_id":9223372036854775808}
409	a lease of another	{"pipeline_code":"image","subject_event_crf_file_id":1201,"edc_pipeline_file_id":1,"lease":9007199254740993,"status":"error"}
400	empty	
400	no JSON	hello
400	a string	"x"
400	an array	[]
400	null	null
400	cut short	{"pipeline_code":"image"
400	two objects	{}{}
400	a name twice, escaped	{"run":"a","r\u0075n":"b"}
400	a lone surrogate	{"pipeline_code":"\ud800","subject_event_crf_file_id":1202}
400	nothing in it	{}
400	an id of text	{"pipeline_code":"image","subject_event_crf_file_id":"1202"}
400	an id of text, to update	{"edc_pipeline_file_id":"1","lease":1}
400	an id with a fraction	{"pipeline_code":"image","subject_event_crf_file_id":1202.5}
400	id 0	{"pipeline_code":"image","subject_event_crf_file_id":0}
400	id -1	{"pipeline_code":"image","subject_event_crf_file_id":-1}
404	id 2^63-1	{"pipeline_code":"image","subject_event_crf_file_id":9223372036854775807}
404	id 2^53+1	{"pipeline_code":"image","subject_event_crf_file_id":9007199254740993}
400	an id beyond any number	{"pipeline_code":"image","subject_event_crf_file_id":1e999999}
400	an id that is an object	{"pipeline_code":"image","subject_event_crf_file_id":{"a":1}}
400	a pipeline that is none	{"pipeline_code":"x'; drop schema pipeline cascade; --","subject_event_crf_file_id":1202}
400	a pipeline of the wrong type	{"pipeline_code":true,"subject_event_crf_file_id":1202}
400	release of the wrong type	{"run":"a","release":"yes"}
400	status of the wrong type	{"edc_pipeline_file_id":1,"status":["done"]}
409	a row that is not there	{"pipeline_code":"image","subject_event_crf_file_id":1201,"edc_pipeline_file_id":77777,"lease":1}
409	no lease	{"pipeline_code":"image","subject_event_crf_file_id":1201,"edc_pipeline_file_id":1,"status":"done"}
400	a row without its upload	{"pipeline_code":"image","edc_pipeline_file_id":1,"lease":1}
400	a row without its pipeline	{"subject_event_crf_file_id":1201,"edc_pipeline_file_id":1,"lease":1}
409	another pipeline's row	{"pipeline_code":"audio","subject_event_crf_file_id":1201,"edc_pipeline_file_id":1,"lease":1}
409	another upload's row	{"pipeline_code":"image","edc_pipeline_file_id":1,"lease":1,"subject_event_crf_file_id":1202,"status":"error"}
EOT
while IFS='	' read -r want title body; do
	printf '%s' "$body" | cgi $FILE
	is "$(cat status)" "$want" "a body: $title" || diag <answer
done <bodies
printf '{"pipeline_code":"\377","subject_event_crf_file_id":1202}' | cgi $FILE
refused 400 IMGP-API-REQUEST 'bytes that are not UTF-8'
printf '{"run":"a"\0}' | cgi $FILE
refused 400 IMGP-API-REQUEST 'a NUL byte'
$PYTHON -c 'print("{\"run\":%s%s}" % ("[" * 32, "]" * 32))' | cgi $FILE
refused 400 IMGP-API-REQUEST '33 values in one another'
rows >after
cmp -s before after
ok $? 'none of them made or changed a row'
sql -c "insert into edc.subjecteventcrffile values (9007199254740993, 5101, 21, 1, 'v1', '.zip')"
echo '{"pipeline_code":"image","subject_event_crf_file_id":9007199254740993}' | cgi $FILE
is "$(cat status) $(sql -c 'select max(subjecteventcrffile_id) from pipeline.edcpipelinefile')" \
    '200 9007199254740993' 'an id above 2^53 is exact (R19)'
echo '{"pipeline_code":"image","subject_event_crf_file_id":1203}' | cgi $FILE
cat >hostile <<'EOT'
x'); drop table pipeline.edcpipelinefile; -- $$ \ \" %s %n <b> é \u202e $(id) `id`
EOT
jq -c --rawfile h hostile '.data.edc_pipeline_file | {edc_pipeline_file_id: .id, lease,
    pipeline_code: "image", subject_event_crf_file_id: 1203, file_path: "p/", file_name: $h}' body | cgi $FILE
sql -c "select file_name from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1203" >got
echo >>hostile			# psql ends the line that it ends itself
cmp -s got hostile
ok $? 'hostile text is text (R18)'
unlike err . 'a request that is served leaves nothing in the log'

# --- who, what and how much ---------------------------------------------------
cgi $FILE HTTP_AUTHORIZATION= </dev/null
refused 401 IMGP-API-DENIED 'no token: 401 (M52)'
for t in "Bearer x$TOKEN" "Bearer ${TOKEN}x" "Bearer $(echo "$TOKEN" | tr a-z b-za)" \
    "Basic $TOKEN" 'Bearer ' Bearer 'Bearer # the only one'; do
	is_long || [ "$t" = "Bearer ${TOKEN}x" ] || continue
	cgi $FILE HTTP_AUTHORIZATION="$t" </dev/null
	[ "$(cat status)" = 401 ] || break
done
refused 401 IMGP-API-DENIED 'tokens that are not ours: 401'
unlike err "$TOKEN" 'and the token is not logged (R66)'
echo '{"run":"x"}' | cgi $FILE HTTP_AUTHORIZATION="bearer  $TOKEN"
refused 200 success 'the scheme is of either case (RFC 9110, 11.1)'
if is_long; then
(umask 077; printf 'another-token-of-today\n%s\n' "$TOKEN" >two)
echo '{"run":"x"}' | cgi $FILE IMGP_API_TOKEN_FILE=two HTTP_AUTHORIZATION="Bearer another-token-of-today"
a=$(cat status)
echo '{"run":"x"}' | cgi $FILE IMGP_API_TOKEN_FILE=two
is "$a $(cat status)" '200 200' 'a new token beside the old one'
# A token that names its pipelines.
(umask 077; printf '# all\n%s\na-token-for-some-of-them  audio image \na-token-for-audio\taudio\n' "$TOKEN" >some)
as() {			# as TOKEN: the body on standard input
	cgi $FILE IMGP_API_TOKEN_FILE=some HTTP_AUTHORIZATION="Bearer $1"
}
claim="{\"pipeline_code\":\"image\",\"subject_event_crf_file_id\":1205,\"run\":\"20260102T030405Z-0000000b\"}"
echo "$claim" | as a-token-for-audio
refused 403 IMGP-API-DENIED 'a token for another pipeline: 403'
is "$(sql -c 'select count(*) from pipeline.edcpipelinefile where subjecteventcrffile_id = 1205')" \
    0 'which makes no row'
echo "$claim" | as a-token-for-some-of-them
refused 200 success 'a token that names the pipeline'
echo "$claim" | as "$TOKEN"
refused 200 success 'one that names none is for all'
mine=$(jq -c '.data.edc_pipeline_file | {edc_pipeline_file_id: .id, lease}' body)
echo "$mine" | as a-token-for-audio
refused 403 IMGP-API-DENIED 'a row without its pipeline: 403'
echo "$mine" | jq -c '.pipeline_code = "audio" | .subject_event_crf_file_id = 1205' | as a-token-for-audio
refused 409 IMGP-DB-FENCED 'a row under the name of another pipeline: 409'
echo '{"run":"20260102T030405Z-0000000b","release":true,"pipelines":["image"]}' | as a-token-for-audio
is "$(cat status) $(jq -c .data body)" '200 {"count":0}' 'a run is released in the pipelines of the token alone'
echo '{"run":"20260102T030405Z-0000000b","release":true}' | as a-token-for-some-of-them
is "$(cat status) $(jq -c .data body)" '200 {"count":1}' 'which may be several'
fi
cgi /nowhere HTTP_AUTHORIZATION= </dev/null
refused 401 IMGP-API-DENIED 'without a token nobody learns what there is'

for p in / '' /pipeline "$FILE/" "$FILE/dicom" "/../api$FILE" "/$FILE" \
    "$(echo $FILE | tr f F)" "$FILE?x"; do
	is_long || [ "$p" = "$FILE?x" ] || continue
	echo '{}' | cgi "$p"
	[ "$(cat status)" = 404 ] || break
done
refused 404 IMGP-API-REQUEST 'other paths: 404'
for m in GET HEAD PUT DELETE PATCH OPTIONS TRACE post ''; do
	is_long || [ "$m" = DELETE ] || continue
	cgi $FILE REQUEST_METHOD="$m" </dev/null
	[ "$(cat status)" = 405 ] || break
done
refused 405 IMGP-API-REQUEST 'other methods: 405, and Allow'
unlike err . 'which is no news for the log'
if is_long; then
for t in '' text/plain application/jsonx application/x-www-form-urlencoded \
    'text/plain; application/json'; do
	echo '{"run":"x"}' | cgi $FILE CONTENT_TYPE="$t"
	[ "$(cat status)" = 415 ] || break
done
refused 415 IMGP-API-REQUEST 'other types: 415'
echo '{"run":"x"}' | cgi $FILE HTTP_CONTENT_ENCODING=gzip
refused 415 IMGP-API-REQUEST 'an encoding: 415'
echo '{"run":"x"}' | cgi $FILE CONTENT_TYPE='Application/JSON; charset=utf-8'
refused 200 success 'the type'"'"'s case and parameters do not matter'
echo '{"run":"x"}' | cgi $FILE CONTENT_LENGTH=
refused 411 IMGP-API-REQUEST 'no length: 411'
for l in -1 +5 0x5 5x ' 5' 1e3; do
	echo '{"run":"x"}' | cgi $FILE CONTENT_LENGTH="$l"
	[ "$(cat status)" = 400 ] || break
done
refused 400 IMGP-API-REQUEST 'a length that is none: 400'
for l in 16777217 9223372036854775808 99999999999999999999999999; do
	echo '{"run":"x"}' | cgi $FILE CONTENT_LENGTH="$l"
	[ "$(cat status)" = 413 ] || break
done
refused 413 IMGP-API-REQUEST 'more than 16 MiB: 413, unread'
echo '{"run":"x"}' | cgi $FILE CONTENT_LENGTH=16777216
refused 400 IMGP-API-REQUEST 'a body shorter than it says'
echo '{"run":"x"} and more' | cgi $FILE CONTENT_LENGTH=11
refused 200 success 'of a longer one no more is read than it says (RFC 3875, 4.2)'
fi

cgi $FILE REMOTE_ADDR=192.0.2.7 </dev/null
refused 403 IMGP-API-DENIED 'from elsewhere without TLS: 403'
echo '{"run":"x"}' | cgi $FILE REMOTE_ADDR=192.0.2.7 HTTPS=on
refused 200 success 'with TLS'
if is_long; then
echo '{"run":"x"}' | cgi $FILE REMOTE_ADDR=192.0.2.7 IMGP_API_TLS=elsewhere
refused 200 success 'or where TLS ends before this web server'
echo '{"run":"x"}' | cgi $FILE IMGP_API_AUTH=loopback IMGP_API_TOKEN_FILE= HTTP_AUTHORIZATION=
refused 200 success 'api_auth = loopback: this machine without a token'
for a in 192.0.2.7 2001:db8::1 127.0.0.1.example.org ''; do
	echo '{"run":"x"}' | cgi $FILE IMGP_API_AUTH=loopback HTTPS=on REMOTE_ADDR=$a
	[ "$(cat status)" = 403 ] || break
done
refused 403 IMGP-API-DENIED 'and nobody else'
echo '{"run":"x"}' | cgi $FILE IMGP_API_AUTH=certificate HTTP_SSL_CLIENT_VERIFY=SUCCESS
refused 403 IMGP-API-DENIED 'api_auth = certificate: not by a header'
echo '{"run":"x"}' | cgi $FILE IMGP_API_AUTH=certificate SSL_CLIENT_VERIFY=SUCCESS HTTP_AUTHORIZATION=
refused 200 success 'but by the web server'"'"'s word'
fi

is_long || done_testing	# a sample ends here
# --- what is wrong on this side: 500 and 503, told to the log alone ---------------
cgi $FILE IMGP_API_TOKEN_FILE= </dev/null
refused 500 IMGP-CONFIG 'no token file: nobody is served'
like err '^imgp-api: IMGP-CONFIG: IMGP_API_TOKEN is not set, nor api_token in /dev/null$' 'the log says why'
unlike body API_TOKEN_FILE 'the answer does not'
if is_long; then
echo short >short && chmod 600 short
cp token loose && chmod 644 loose
: >none && chmod 600 none
(umask 077; printf '%s\n%s image\n' "$TOKEN" "$TOKEN" >twice; echo "$TOKEN im;age" >code)
for f in short loose none twice code nowhere .; do
	cgi $FILE IMGP_API_TOKEN_FILE=$f </dev/null
	[ "$(cat status)" = 500 ] || break
done
refused 500 IMGP-CONFIG 'a token too short, a mode too loose, no token, one twice, no code, no file'
echo '{"run":"x"}' | cgi $FILE IMGP_DATABASE="host=$WORK user=secretuser"
refused 503 IMGP-DB-UNAVAILABLE 'a database that is away: 503, Retry-After'
unlike body "$WORK" 'which says nothing of where it is'
echo "$start" | cgi $FILE IMGP_DATABASE="$IMGP_LEDGER"
refused 500 IMGP-DB-DENIED 'a database user without the right'
echo "$start" | cgi $FILE IMGP_DATABASE=http://127.0.0.1:1/
refused 500 IMGP-CONFIG 'an API behind an API'
printf 'nonsense\n' >conf
cgi $FILE IMGP_CONFIG=conf </dev/null
refused 500 IMGP-CONFIG 'a configuration that is none'
exits 0 'imgp-api -n: all is set up' imgp-api -n
exits 2 'no token file' env -u IMGP_API_TOKEN_FILE imgp-api -n
exits 75 'no database' env IMGP_DATABASE="host=$WORK" imgp-api -n
exits 2 'started by hand' imgp-api
like err 'started by a web server' 'says what it is'
exits 75 'a full disk' sh -c 'echo "{}" | REQUEST_METHOD=POST imgp-api >/dev/full'
echo '{"run":"x"}' >request
exits 0 'a query is not taken for options (RFC 3875, 4.4)' env REQUEST_METHOD=POST \
    QUERY_STRING=--help imgp-api --help <request
like out '^Status: 401' 'but answered'
fi

# --- behind a web server ----------------------------------------------------------
serve web || exit 1
if is_long; then
web $FILE -d '{"pipeline_code":"image","subject_event_crf_file_id":1204}'
refused 200 success 'behind lighttpd: a file is claimed'
id=$(jq .data.edc_pipeline_file.id body) lease=$(jq .data.edc_pipeline_file.lease body)
web $SCANS -d "{\"pipeline_code\":\"image\",\"subject_event_crf_file_id\":1204,\"edc_pipeline_file_id\":$id,\"lease\":$lease,\"scans\":[{\"study_uid\":\"1\",\"series\":[{\"series_uid\":\"2\",\"number_of_instance\":1}]}]}"
is "$(cat status) $(jq -r '.data.scans[0].series[0].atri_uid' body)" "200 $id.1" 'add_scan_info'
web $FILE
refused 405 IMGP-API-REQUEST 'GET'
web $SCANS/x -d '{}'
refused 404 IMGP-API-REQUEST 'another path'
TYPE=text/plain
web $FILE -d '{"run":"x"}'
unset TYPE
refused 415 IMGP-API-REQUEST 'another type'
web $FILE -d '{"run":"x"}' -H 'Transfer-Encoding: chunked'
refused 200 success 'chunks, which the web server puts together'
head -c 16777300 /dev/zero | tr '\0' ' ' >big
web $FILE --data-binary @big
refused 413 IMGP-API-REQUEST 'more than 16 MiB'
{ printf '{"run":"x","a":"'; head -c 16000000 big; printf '"}'; } >large
web $FILE --data-binary @large
refused 200 success '16 MB are fine'
right=$TOKEN TOKEN=0123456789abcdef0123456789abcdef
web $FILE -d '{"run":"x"}'
refused 401 IMGP-API-DENIED 'another token'
TOKEN=$right
unlike web.log "$TOKEN|1204" 'neither token nor body in the web server'"'"'s log (R66)'
serve open open || exit 1
TOKEN=none
web $FILE -d '{"run":"x"}'
refused 200 success 'api_auth = loopback needs no token'

# --- the manual's examples ----------------------------------------------------------
block() { sed -n '/^\.Sh EXAMPLES/,/^\.Sh DIAG/p' "$ROOT/man/imgp-api.8" |
    awk -v want="$1" '/^\.Ed/ { on = 0 } on; /^\.Bd/ { on = ++n == want }' |
    sed 's/\\e/\\/g'; }
{ printf 'server.document-root = "%s"\n' "$WORK"; block 1; } >example.conf
exits 0 'the web server takes the one of its configuration' "$LIGHTTPD" -tt -f example.conf
TOKEN=$right
printf '%s\n' "$TOKEN" >token
block 2 >example
exits 0 'the one by hand runs' sh ./example
like out '^Status: 200 OK$' 'and is served'
fi

# --- the description ----------------------------------------------------------------
echo "$start" | valid request $FILE && valid request $SCANS <scans.json &&
    valid request $FILE <finish && echo "$missed" | valid request $FILE && echo '{"run":"20260102T030405Z-0000000a"}' | valid request $FILE
ok $? 'the requests above fit the description'
valid answer $FILE file/* && valid answer $SCANS scans/*
ok $? "so do all $(ls file scans | grep -c .) answers (M47, M50)"
n=0
for r in '{}' '[]' '{"edc_pipeline_file_id":1}' \
    '{"pipeline_code":"image","subject_event_crf_file_id":"1"}' \
    '{"edc_pipeline_file_id":1,"lease":1,"status":"gone"}'; do
	echo "$r" | valid request $FILE 2>/dev/null && n=$((n + 1))
done
is $n 0 'wrong ones do not'
printf 'Content-Type: application/json\nContent-Length: 27\n\n{"success":true,"data":{}}\n' >wrong
valid answer $FILE wrong 2>/dev/null
ok $((! $?)) 'nor does an answer without what it must have'
done_testing
