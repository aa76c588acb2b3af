#!/bin/sh
# imgp-record and pipeline APIs that are not ours, and servers whose answers must not
# be believed (M45-M47, M50, R13, R15, R22, R35).  That of the first design:
# page-server.t.
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/other-api.sh"
export IMGP_TEMP="file://$WORK/temp" IMGP_DESTINATION="file://$WORK/destination"
export IMGP_DB_WAIT=0 IMGP_API_TOKEN_FILE="$WORK/token"
(umask 077; echo canary-of-a-token-0123456789 >token)
other_api other-api.py
record() { IMGP_DATABASE=$U/$base imgp-record "$@"; }

# --- a whole life ---------------------------------------------------------------
life() {
	job 1201 1 | record start >started && jq -c "$scans" started |
	    record scans >scanned && jq -c '.sha256.destination = ("b" * 64)' \
	    scanned | record finish >finished
}
base=full
life
ok $? 'start, scans, finish at another API (M53)'
is "$(jq -r '.edc_pipeline_file | .status, .file_name' finished)" \
    'Completed
MRI_zip_P_E_51_1_100_20260102_030405.zip' 'its "done" is Completed (M41)'
is "$(jq -r '.scans[].series[].atri_uid' finished)" 100.1 \
    'its "studyuid" is the study (M50)'
jq -r 'select(.method == "POST") | "\(.path | sub(".*/file"; "file")) \(.body |
    fromjson | del(.claim, .scans) | tojson)"' asked >got
holds got 'what was asked: the page'"'"'s requests with M46'"'"'s members' <<EOT
file {"pipeline_code":"image","subject_event_crf_file_id":1201,"revision_number":1,"run":"$A"}
file {"pipeline_code":"image","subject_event_crf_file_id":1201,"edc_pipeline_file_id":100,"lease":1,"file_path":"quarantine/MRIzip/","file_name":"MRI_zip_P_E_51_1_100_20260102_030405.zip"}
file/dicom/add_scan_info {"pipeline_code":"image","subject_event_crf_file_id":1201,"edc_pipeline_file_id":100,"lease":1}
file {"pipeline_code":"image","subject_event_crf_file_id":1201,"edc_pipeline_file_id":100,"lease":1,"status":"Completed","has_error":false,"participant_code":"P","event_code":"E","destination":"file://$WORK/destination/quarantine/MRIzip/MRI_zip_P_E_51_1_100_20260102_030405.zip","sha256":{"destination":"$(printf '%064d' 0 | tr 0 b)"}}
EOT
is "$(jq -c 'select(.body).body | fromjson.scans // empty' asked)" \
    '[{"study_uid":"1.2","series":[{"series_uid":"1.2.3","series_number":1,"number_of_instance":2}]}]' \
    'and "number_of_instance" (M49)'
is "$(jq -c .headers asked | sort -u | grep -c cookie)" 0 'a cookie is not kept'
job 1201 1 | record start | code >got
is "$(cat got)" IMGP-SKIP-DONE 'what is done is done'

# --- trouble that passes (R13, R15) -------------------------------------------
base=moody
export IMGP_DB_WAIT=30s
life
ok $? 'a 503, then a connection that breaks: each request is asked again'
is "$(jq -r '.edc_pipeline_file.status' finished)" Completed 'until it is done'
job 1203 1 >in
record start <in >out
is "$(jq -r 'select(.body).body | fromjson |
    select(.subject_event_crf_file_id == 1203).claim // empty' asked |
    uniq -c | awk '{ print ($1 >= 3) }')" 1 \
    'the same claim each time (R15)'
export IMGP_DB_WAIT=0

# --- answers that must not be believed ------------------------------------------
while read -r b want_status want_code why; do
	base=$b
	exits "$want_status" "/$b: $why" record start <in
	is "$(code out)" "$want_code" "/$b: $want_code"
done <<'EOT'
html 75 IMGP-DB-UNAVAILABLE no JSON: cut off, or from something between
array 75 IMGP-DB-QUERY no envelope
nodata 75 IMGP-DB-QUERY no data
norow 75 IMGP-DB-QUERY no row
twice 75 IMGP-DB-UNAVAILABLE not strict JSON
text 75 IMGP-DB-QUERY an id that is text
noid 75 IMGP-DB-QUERY no id
status 75 IMGP-DB-QUERY a status that nobody knows
revision 75 IMGP-DB-QUERY another revision
upload 75 IMGP-DB-QUERY another upload
norevision 2 IMGP-CONFIG no revision
notfound 2 IMGP-CONFIG a base that is none
redirect 2 IMGP-CONFIG a redirect is not followed
broken 75 IMGP-DB-UNAVAILABLE status 500
own500 75 IMGP-DB-SCHEMA status 500 with a reason that stays
refused 75 IMGP-DB-REQUEST a code of its own
teapot 75 IMGP-DB-QUERY a status of its own
cut 75 IMGP-DB-UNAVAILABLE cut off where only the connection's end says so (R22)
short 75 IMGP-DB-UNAVAILABLE shorter than it says
huge 75 IMGP-DB-UNAVAILABLE longer than 16 MiB
EOT
base=refused
record start <in >out 2>err
unlike err "$(printf '\033')" 'what it says is printed safely (R65)'
for base in unauthorized forbidden; do
	exits 2 "/$base: is seen at once" record start <in
	like err 'IMGP-DB-DENIED' 'and told'
done
base=silent
exits 75 '/silent: does not hold us for ever (R17)' \
    env IMGP_API_TIMEOUT=1s IMGP_DATABASE="$U/silent" imgp-record start <in
for op in scans finish renew release; do
	jq -c "$scans | .sha256.destination = (\"b\" * 64)" started |
	    jq -c '.edc_pipeline_file.id = 8' >row
	IMGP_DATABASE=$U/html imgp-record $op <row >out 2>err
	is "$?" 75 "$op: no JSON is no answer"
	IMGP_DATABASE=$U/row7 imgp-record $op <row >out 2>err
	is "$(code out)" IMGP-DB-QUERY "$op: an answer about another row"
done

# --- nothing from the surroundings, nothing to the wrong place ------------------
unlike asked canary 'the token is in no body and no address (R66)'
printf 'machine 127.0.0.1 login netrcuser password netrcpass\n' >.netrc
base=full
job 1209 1 >in
exits 0 'no proxy, no .netrc (R69)' env HOME="$WORK" http_proxy=http://127.0.0.1:1 \
    ALL_PROXY=http://127.0.0.1:1 IMGP_DATABASE="$U/full" imgp-record start <in
n=$(wc -l <asked)
while read -r url why; do
	exits 2 "$why: refused" env IMGP_DATABASE="$url" imgp-record start <in
done <<EOT
http://192.0.2.1/api http to another machine
http://example.org:$port/api http to a name
http://127.0.0.1.example.org/api http to a name that begins like loopback
http://user:secret@127.0.0.1:$port/full a password in the address
http://127.0.0.1:$port/full?token=secret a query
ftp://127.0.0.1:$port/full another protocol
EOT
exits 2 'a token file that others can read' sh -c "chmod 644 token
    IMGP_DATABASE=$U/full imgp-record start <in; s=\$?; chmod 600 token; exit \$s"
unlike err canary 'is not quoted'
for s in 'SPELLING maybe' 'REVISIONS 1' 'TIMEOUT soon'; do
	exits 2 "IMGP_API_$s" env "IMGP_API_${s% *}=${s#* }" \
	    IMGP_DATABASE="$U/full" imgp-record start <in
done
is "$(wc -l <asked)" "$n" 'none of them reached a server'
unlike server.log . 'nor did a request break one'
done_testing
