#!/bin/sh
# imgp-lookup (M20-M26, R11, R18, R19).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/db.sh"
export IMGP_WAIT=0 IMGP_RUN=20260102T030405Z-0123abcd
# What came out of each line: its id or input, then skip, error code or source.
brief() {
	jq -r '[(.subject_event_crf_file_id // .input), (.skip //
	    .errors[0].error_code // .source // "?")] | join(" ")' "$@"
}

exits 0 'an id as operand' imgp-lookup 1201
# Not what a site's view may add.
jq --arg more "$("$BUILD/tests/members" | awk '/optional/ { print $1 }')" \
    'del(.replica_lag_s, .[$more | splits("\n") | select(. != "")])' out >got
jq . >want <<EOT
{"v":1,"subject_event_crf_file_id":1201,"run":"20260102T030405Z-0123abcd",
"pipeline_code":"image","subject_id":301,"participant_code":"TRC-0301",
"event_code":"SCV","ddcrf_name":"MRI","ddfile_name":"mri_zip",
"subject_event_crf_id":5101,"revision_number":1,"file_version_code":"v1",
"extension":".zip",
"source":"file://$WORK/source/subjecteventcrffile/301/5101/mri_zip/v1.zip",
"job":"301_5101_mri_zip_v1_20260102_030405","ok":true}
EOT
holds got 'gives what the EDC knows of it, and its job name (M23, M54)' <want
is "$(jq .replica_lag_s out)" 0 'on a primary the lag is 0 (M21)'
printf '{"subject_event_crf_file_id":1203,"x":{"y":1.50},"v":1}' >in
exits 0 'a job line' imgp-lookup <in
like out '^\{"subject_event_crf_file_id":1203,"x":\{"y":1.50\},"v":1,' \
    'keeps its other members'
k=subjecteventcrffile/305/5109
exits 0 'keys and places' imgp-lookup "$k/dat scan_zip/v1 a.zip" \
    "file://$WORK/source/subjecteventcrffile/301/5102/ct_file/v1.dcm"
is "$(brief out | cut -d' ' -f1 | tr '\n' ' ')" '1209 1202 ' \
    'find their uploads (M22)'
is "$(jq -r .source out | head -1)" "file://$WORK/source/$k/dat scan_zip/v1 a.zip" \
    'the key is taken byte for byte (M13)'
exits 1 'a place that is not the source'"'"'s' imgp-lookup file:///etc/passwd
is "$(jq -r '.errors[0].error_code' out)" IMGP-PLACE-OUTSIDE 'is refused'

# Order, lines out = lines in, one thing wrong with each.
cat >in <<'EOT'
1202
1210
no such thing
1201
{"v":1,"subject_event_crf_file_id":1203,"errors":[{"stage":"lookup","error_code":"IMGP-JOB-DIED","class":"internal","error":"x","fatal":true,"retryable":true}]}
1201
{"v":1,"subject_event_crf_file_id":1204,"skip":"IMGP-SKIP-DONE"}
1299
subjecteventcrffile/301/5101/mri_zip/v1.zip
{broken
1204
EOT
exits 75 'a mixed list, one job of which failed by a stage that died' imgp-lookup <in
brief out >got
holds got 'each line has its answer, in order (M24, M26)' <<EOT
1202 file://$WORK/source/subjecteventcrffile/301/5102/ct_file/v1.dcm
1210 IMGP-SKIP-NO-PIPELINE
no such thing IMGP-JOB-INPUT
1201 file://$WORK/source/subjecteventcrffile/301/5101/mri_zip/v1.zip
1203 IMGP-JOB-DIED
1201 IMGP-SKIP-DUPLICATE
1204 IMGP-SKIP-DONE
1299 IMGP-LOOKUP-NOT-FOUND
1201 IMGP-SKIP-DUPLICATE
{broken IMGP-JOB-SYNTAX
1204 file://$WORK/source/subjecteventcrffile/302/5104/mri_zip/v1.pdf
EOT
holds err 'the failures are named on standard error' <<'EOT'
imgp-lookup: line 3: IMGP-JOB-INPUT: neither a positive integer, a source key, a place nor a job line
imgp-lookup: line 10: IMGP-JOB-SYNTAX: not strict JSON: no key at byte 1
imgp-lookup: 1299: IMGP-LOOKUP-NOT-FOUND: the EDC does not know this upload (yet)
EOT
exits 0 'skips alone are no failure' imgp-lookup 1210
exits 0 'an empty input' imgp-lookup </dev/null
printf '1201\r\n1202' >in
exits 0 'CR LF, and no newline at the end' imgp-lookup <in
is "$(wc -l <out)" 2 'are two lines'

# Ids (R19).
sql -c "insert into edc.subjecteventcrffile select id, 5101, 21, 1, 'v1', ''
    from unnest(array[2147483648, 9007199254740993, 9223372036854775807]) id"
exits 0 'ids above 2^31 and 2^53' imgp-lookup 2147483648 9007199254740993 \
    9223372036854775807
is "$(grep -o '"subject_event_crf_file_id":[0-9]*' out | cut -d: -f2 |
    tr '\n' ' ')" '2147483648 9007199254740993 9223372036854775807 ' 'are exact'
for id in 0 -1 +1 007 1e3 1.0 9223372036854775808 99999999999999999999 \
    0x10 '１２' '1 2' ' 1' 'x'; do
	printf '%s\n' "$id" >in
	imgp-lookup <in >out 2>err
	is "$? $(jq -r '.errors[0].error_code' out)" '1 IMGP-JOB-INPUT' \
	    "\"$id\" is refused (R19)"
done
exits 1 'an empty operand' imgp-lookup ''
is "$(jq -r '.errors[0].error_code' out)" IMGP-JOB-INPUT 'is refused'
printf '\n \t\r\n' >in
exits 0 'blank lines' imgp-lookup <in
holds out 'are no jobs' </dev/null
for id in 0 -1 9223372036854775808 1e3 '"1201"' null; do
	printf '{"subject_event_crf_file_id":%s}\n' "$id" >in
	imgp-lookup <in >out 2>err
	is "$? $(jq -r '.errors[0].error_code' out)" '1 IMGP-JOB-TYPE' \
	    "{\"subject_event_crf_file_id\":$id} is refused (R19)"
done

# Text that wants to be something else (R18).
sql <<'EOT'
update edc.subjecteventcrffile set version_code = s.s, extension = ''
from (values (1206, ''' or ''1''=''1'), (1207, '"},{"x":"'), (1208, '\')) s(id, s)
where subjecteventcrffile.id = s.id;
EOT
p=subjecteventcrffile
printf '%s\n' "$p/303/5106/mri_zip/' or '1'='1" "$p/304/5107/pet_zip/\"},{\"x\":\"" \
    "$p/304/5108/mri_zip/\\" "$p/%' --" '/\' "'/;drop schema pipeline" >in
exits 1 'hostile keys' imgp-lookup <in
brief out | cut -d' ' -f1 >got
is "$(jq -c '[.subject_event_crf_file_id, .source, .file_version_code]' out |
    head -2)" "[1206,\"file://$WORK/source/$p/303/5106/mri_zip/' or '1'='1\",\
\"' or '1'='1\"]
[1207,\"file://$WORK/source/$p/304/5107/pet_zip/\\\"},{\\\"x\\\":\\\"\",\
\"\\\"},{\\\"x\\\":\\\"\"]" 'are found as they are, and nothing else is (R18)' ||
    diag <out
is "$(jq -r '.errors[0].error_code // "-"' out | sort | uniq -c | tr -s ' \n' ' ')" \
    ' 2 - 3 IMGP-LOOKUP-NOT-FOUND 1 IMGP-NAME-INVALID ' \
    'a backslash is refused in the job name, the rest not found' ||
    diag <out
printf 'a/\0b\n1201\n' >in
exits 1 'a NUL' imgp-lookup <in
is "$(brief out | cut -c1-25 | tail -1)" "$(printf '1201 file://%s' "$WORK" |
    cut -c1-25)" 'does not harm the next line'
printf 'a/\377\n' >in
exits 1 'a key that is not UTF-8' imgp-lookup <in
like out 'IMGP-JOB-INPUT' 'is refused'
sql -c "update edc.subject set participant_code = '' where id = 302"
exits 1 'a row that cannot be used' imgp-lookup 1203
like out 'IMGP-LOOKUP-DATA.*participant_code is empty' 'is an error of the view'

# Several pipelines for one field (M26).
sql -c "insert into pipeline.edcpipeline (code, ddfiles) values ('second', '{22}')"
exits 75 'a field of two pipelines' imgp-lookup 1202
like out IMGP-LOOKUP-PIPELINES 'is an error'
exits 0 '--pipeline chooses' imgp-lookup --pipeline second 1202
is "$(jq -r .pipeline_code out)" second 'the one that is named'
echo '{"v":1,"subject_event_crf_file_id":1202,"pipeline_code":"image"}' >in
exits 0 'a job line that names its pipeline' imgp-lookup <in
is "$(jq -r .pipeline_code out)" image 'gets that one'
exits 0 'a pipeline that does not list the field' imgp-lookup --pipeline audio 1202
like out IMGP-SKIP-NO-PIPELINE 'is none for it'

# --pending (M6).
sql -c "update edc.subject set participant_code = 'P' where id = 302" \
    -c "delete from edc.subjecteventcrffile where id > 1206"
exits 0 '--pending' imgp-lookup --pending
is "$(jq -r '"\(.subject_event_crf_file_id)\(.pipeline_code)"' out | tr '\n' ' ')" \
    '1201image 1202image 1202second 1203image 1204image 1205image 1206image ' \
    'lists all that is to be delivered, once a pipeline'
exits 0 '--pending --pipeline' imgp-lookup --pending --pipeline second
is "$(wc -l <out)" 1 'only that one'"'"'s'
exits 2 '--pending takes no ids' imgp-lookup --pending 1201

# Waiting (M25): found ones leave at once, late ones when they come.
mkfifo ids
: >out
imgp-lookup --wait 60s --interval 1s <ids >out 2>err &
pid=$!
exec 9>ids
printf '1301\n1201\n1302\n' >&9
until [ "$(wc -l <out)" -ge 1 ]; do
	kill -0 $pid || break
	sleep 0.05
done
is "$(brief out | cut -d' ' -f1)" 1201 'the found one does not wait (M25)'
echo 1202 >&9
until [ "$(wc -l <out)" -ge 2 ]; do
	kill -0 $pid || break
	sleep 0.05
done
is "$(brief out | cut -d' ' -f1 | tr '\n' ' ')" '1201 1202 ' \
    'nor one that comes while others wait'
exec 9>&-
sql -c "insert into edc.subjecteventcrffile values (1302, 5101, 21, 1, 'v1', ''),
    (1301, 5101, 21, 1, 'v1', '')"
wait $pid
# 75, as 1202 is in two pipelines.
is "$?" 75 'the late ones are waited for after the end of input'
is "$(jq -r 'select(.retries.lookup > 0 and .errors == null) |
    .subject_event_crf_file_id' out | sort | tr '\n' ' ')" '1301 1302 ' \
    'and found, their retries counted (R11)'
exits 1 'what never comes' imgp-lookup --wait 2s --interval 1s 1299
is "$(jq -c '[.retries.lookup, .errors[0].error_code, .errors[0].retryable]' out)" \
    '[2,"IMGP-LOOKUP-NOT-FOUND",true]' 'is looked for 1 + wait/interval times (M24)'

# The database is away, or refuses.
exits 75 'a database that is away' env IMGP_REPLICA="host=$WORK user=x" \
    imgp-lookup 1201
is "$(jq -r '.errors[0].error_code' out)" IMGP-DB-UNAVAILABLE 'gives 75 (R17)'
unlike err 'it is tried for' 'without a wait it is not said that there is one'
exits 75 'one that is waited for' env IMGP_REPLICA="host=$WORK user=x" \
    imgp-lookup --wait 1s --interval 1s 1201
like err '^imgp-lookup: IMGP-DB-UNAVAILABLE: .*; it is tried for 1 s$' 'is named at once'
env IMGP_REPLICA="host=$WORK user=x" imgp-lookup -q --wait 1s --interval 1s 1201 2>err >out
unlike err 'it is tried for' 'but not with -q'
exits 2 'a user without the right' env IMGP_REPLICA="$IMGP_LEDGER" imgp-lookup 1201
like err IMGP-DB-DENIED 'says so (R14)'
exits 2 'a connection string that is none' env IMGP_REPLICA='a b password=secret' \
    imgp-lookup 1201
unlike err secret 'is not repeated (R66)'
sql -c 'create table t (n int)' -c 'grant all on t to lookup'
exits 0 'lookup'"'"'s sessions' imgp-lookup 1201
# The server sees the end a moment later.
until [ "$(sql -c "select count(*) from pg_stat_activity
    where usename = 'lookup'")" = 0 ]; do
	sleep 0.05
done
ok $? 'are closed at the end'
exits 2 'IMGP_RUN that is no run' env IMGP_RUN=x imgp-lookup 1201
exits 2 'an interval of 0' imgp-lookup --interval 0 1201
env -u IMGP_RUN imgp-lookup 1201 | jq -r .run >run
like run '^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$' 'a run is made where none is given'
exits 75 'a full disk' sh -c 'imgp-lookup 1201 >/dev/full'

# A site whose keys are made in its own way: found all the same (M9).
upload_view "select
    i as subject_event_crf_file_id, 'image' as pipeline_code,
    1::bigint as subject_id, 'P' as participant_code, 'E' as event_code,
    'F' as ddcrf_name, 'U' as ddfile_name, 5101::bigint as subject_event_crf_id,
    1::bigint as revision_number, 'v' as file_version_code, '' as extension,
    k as source_key from (values (1::bigint, 'flat/1'), (2, 'a/b/77/c'),
    (3, 'a/b/5101/c'), (4, 'a/b/99999999999999999999/c')) v(i, k)"
exits 0 'keys of another form' imgp-lookup flat/1 a/b/77/c a/b/5101/c \
    a/b/99999999999999999999/c 3
is "$(jq -r '[.subject_event_crf_file_id, .skip // .source[-9:]] | join(" ")' out)" \
    "1 $(printf %s "/source/flat/1" | tail -c 9)
2 /a/b/77/c
3 /b/5101/c
4 9999999/c
3 IMGP-SKIP-DUPLICATE" 'are found as well as those of the usual one'
done_testing
