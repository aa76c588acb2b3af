#!/bin/bash
# The job line and the one line loop: R19, R39, R64, R65.
. "$(dirname "$0")/lib/lib.sh"
F=$BUILD/tests/filter

cat >in <<'EOT'
{"v":1,"subject_event_crf_file_id":1,"x":{"b":[1,2.50,1e400,12345678901234567890],"a":"\u00e9\/\ud83d\ude00"},"é":null}
 { "subject_event_crf_file_id" : 9223372036854775807 , "y" : 007e }
{"subject_event_crf_file_id":9223372036854775807,"y":9007199254740993}
EOT
exits 1 'a bad line among good ones gives status 1' "$F" pass <in
holds out 'unknown members, their order and big numbers come out as they went in (R19)' <<'EOT'
{"v":1,"subject_event_crf_file_id":1,"x":{"b":[1,2.50,1e400,12345678901234567890],"a":"\u00e9\/\ud83d\ude00"},"é":null,"seen":1,"ok":true}
{"v":1,"input":" { \"subject_event_crf_file_id\" : 9223372036854775807 , \"y\" : 007e }","errors":[{"stage":"stamp","error_code":"IMGP-JOB-SYNTAX","class":"data","error":"not strict JSON: number with a leading zero at byte 61","fatal":true,"retryable":false}],"ok":false}
{"subject_event_crf_file_id":9223372036854775807,"y":9007199254740993,"seen":1,"ok":true}
EOT
holds err 'one line on standard error names the fault' <<'EOT'
filter: line 2: IMGP-JOB-SYNTAX: not strict JSON: number with a leading zero at byte 61
EOT

# R19: ids that are no positive int64
for id in 0 -1 9223372036854775808 -9223372036854775809 007 1e3 1.0 +1 '"1"' \
    true '[1]' 18446744073709551617 １２; do
	is_long || [ "$id" = 9223372036854775808 ] || [ "$id" = 1e3 ] || continue
	printf '{"subject_event_crf_file_id":%s}\n' "$id" >in
	"$F" pass <in >out 2>/dev/null
	[ $? -eq 1 ] && grep -q '"fatal":true' out && ! grep -q seen out
	ok $? "the id $id is refused (R19)"
done
for id in 1 2147483647 2147483648 9007199254740991 9007199254740993 \
    9223372036854775807; do
	is_long || [ $id = 9007199254740993 ] || continue
	printf '{"subject_event_crf_file_id":%s}\n' "$id" >in
	is "$("$F" pass <in)" "{\"subject_event_crf_file_id\":$id,\"seen\":1,\"ok\":true}" \
	    "the id $id is exact (R19)"
done

# R64: each of these lines is one failed job, and the last line is unharmed.
{
	printf 'not json\n'
	printf '\xef\xbb\xbf{"a":1}\n'
	printf '{"a":1}{"a":2}\n'
	printf '{"a":1,"a":2}\n'
	printf '{"a":1,"\\u0061":2}\n'
	printf '{"o":{"k":[],"k":1}}\n'
	printf '{"a":"\\u0000"}\n'
	printf '{"a":"\0"}\n'
	printf '{"a":"\\ud800"}\n'
	printf '{"a":"\\udc00\\ud800"}\n'
	printf '{"a":"\xc3\x28"}\n'
	printf '{"a":"\xc0\xaf"}\n'
	printf '{"a":"\xed\xa0\x80"}\n'
	printf '{"a":"\xf4\x90\x80\x80"}\n'
	printf '{"a":"\t"}\n'
	printf '{"a":1,}\n'
	printf '{"a"}\n'
	printf '{"a":[1,]}\n'
	printf '{"a":.5}\n'
	printf '{"a":1.}\n'
	printf '{"a":NaN}\n'
	printf '{"a":tru}\n'
	printf '[]\n'
	printf '"a"\n'
	printf '\n'
	printf '{\n'
	printf '{"a":"\n'
	printf '{"a":"\\x"}\n'
	printf "{'a':1}\n"
	printf '{"v":2}\n'
	printf '{"source":7}\n'
	printf '{"errors":{}}\n'
	printf '{"errors":[{"error_code":"X"}]}\n'
	printf '%s\n' "$(printf '{"a":%033d}' 0 | tr 0 '[')"
	printf '{"a":%s1%s}\n' "$(printf '%032d' 0 | tr 0 '[')" "$(printf '%032d' 0 | tr 0 ']')"
} >bad
n=$(tr -cd '\n' <bad | wc -c)
{ cat bad; printf '{"subject_event_crf_file_id":5}'; } >in
exits 1 'hostile lines give status 1' "$F" pass <in
is "$(wc -l <out)" $((n + 1)) 'as many lines come out as went in (R64)'
is "$(grep -c '"input":.*"errors":' out)" "$n" 'each hostile line is a failed job (R64)'
is "$(tail -n 1 out)" '{"subject_event_crf_file_id":5,"seen":1,"ok":true}' \
    'the line after them is unharmed, newline or not (R64)'
is "$(wc -l <err)" "$n" 'each is named in one line'
LC_ALL=C grep -q '[^ -~]' err
is $? 1 'standard error is printable (R65)'
is "$(printf '{"a":%s1%s}\n' "$(printf '%031d' 0 | tr 0 '[')" "$(printf '%031d' 0 | tr 0 ']')" |
    "$F" pass | grep -c '"seen":1')" 1 'a depth of 32 is allowed'
is "$(printf '{"a":1}\r\n' | "$F" pass)" '{"a":1,"seen":1,"ok":true}' 'CRLF is white space'
is "$(head -c 300 /dev/zero | tr '\0' '\001' | "$F" pass 2>/dev/null |
    grep -o '\\\\x01' | wc -l)" 200 'input holds 200 bytes, escaped'

# R64: long lines, with bounded memory
len=$((16 * 1048576))
pad() { printf '{"a":"'; head -c "$1" /dev/zero | tr '\0' x; printf '"}\n'; }
pad $((len - 8)) | "$F" pass | grep -c seen >n
is "$(cat n)" 1 'a line of 16 MiB passes'
{ pad $((len - 7)); echo '{"b":1}'; } | "$F" pass >out 2>err
is "$(cut -c1-20 out | head -1)|$(tail -1 out)" \
    '{"v":1,"input":"{\"a|{"b":1,"seen":1,"ok":true}' 'a byte more does not'
if is_long; then
{ head -c 300000000 /dev/zero; echo; echo '{"b":1}'; } | {
	is_sanitized "$F" || ulimit -v 150000
	exec "$F" pass
} >out 2>err
is "$(wc -l <out)|$(tail -1 out)" '2|{"b":1,"seen":1,"ok":true}' \
    'a line of 300 MB costs one job and little memory (R64)'
like err '^filter: line 1: IMGP-JOB-TOO-LONG: ' 'and is named'
{ printf '{"a":['; head -c 4000000 /dev/zero | sed 's/\x0/0,/g'; echo '0]}'; } >in
exits 1 'too many values are refused' "$F" pass <in
like err 'IMGP-JOB-TOO-LONG: more than 1000000 values' 'by name'
fi

# standing
cat >in <<'EOT'
{"subject_event_crf_file_id":1,  "errors":[{"stage":"fetch","error_code":"IMGP-STORE-IO","class":"temporary","fatal":true}]}
{"subject_event_crf_file_id":2,"skip":"IMGP-SKIP-DONE"}
{"subject_event_crf_file_id":5,"errors":[{"stage":"scan","error_code":"IMGP-DICOM-NONE","class":"data","fatal":false}]}
EOT
exits 75 'a fatal temporary error gives status 75' "$F" pass <in
sed '3s/}$/,"seen":1,"ok":true}/' in >wanted
holds out 'failed and skipped jobs pass untouched, others do not' <wanted
exits 75 'a stage may see them' "$F" sees <in
is "$(grep -c seen out)" 3 'all of them'
echo '{"skip":"IMGP-SKIP-DONE"}' >in; exits 0 'skip DONE is status 0' "$F" pass <in
echo '{"skip":"IMGP-SKIP-BUSY"}' >in; exits 75 'skip BUSY is status 75' "$F" pass <in
echo '{"skip":"IMGP-SKIP-FAILED"}' >in; exits 1 'skip FAILED is status 1' "$F" pass <in
echo '{"errors":[{"stage":"finish","error_code":"X","fatal":true}]}' >in
exits 75 'an error of finish is status 75' "$F" pass <in
while read -r wanted line; do
	printf '%s\n' "$line" | "$F" sees 2>/dev/null | jq .ok
	echo "$wanted" >&3
done >said 3>wanted <<'EOT'
true {"ok":false}
true {"ok":true,"errors":[{"stage":"scan","error_code":"IMGP-DICOM-NONE","class":"data","fatal":false}]}
true {"errors":[{"stage":"notify","error_code":"IMGP-MAIL-UNAVAILABLE","class":"temporary","fatal":false}]}
false {"ok":true,"errors":[{"stage":"scan","error_code":"IMGP-DICOM-NONE","class":"data","fatal":true}]}
false {"errors":[{"stage":"fetch","error_code":"IMGP-STORE-IO","class":"temporary","fatal":true}]}
false {"errors":[{"stage":"finish","error_code":"IMGP-DB-UNAVAILABLE","class":"temporary","fatal":false}]}
true {"skip":"IMGP-SKIP-DONE"}
true {"skip":"IMGP-SKIP-WAIVED"}
false {"skip":"IMGP-SKIP-FAILED"}
false {"skip":"IMGP-SKIP-BUSY"}
false {"skip":"IMGP-SKIP-AWAITED"}
false {"skip":"IMGP-SKIP-PAUSED"}
EOT
cmp -s wanted said
ok $? '"ok" says whether it goes well (M60)' || diff wanted said | diag
echo '{"subject_event_crf_file_id":1,"ok":"yes"}' >in
exits 1 '... true or false alone' "$F" pass <in
like out 'IMGP-JOB-TYPE.*\\"ok\\" is of the wrong type' '... else the line is refused'
exits 1 'a step may fail a job' "$F" pass '{"subject_event_crf_file_id":3}'
like err '^filter: 3: IMGP-STORE-NOT-FOUND: not there\\x1b\[1m$' 'its error is named, made printable (R65)'
exits 0 'operands are lines' "$F" pass '{"a":1}' '{"a":2}'
is "$(wc -l <out)" 2 'one each'

# jobs that are held
seq 1 9 | sed 's/.*/{"subject_event_crf_file_id":&}/' >in
exits 1 'held jobs come out at the end' "$F" hold <in
is "$(head -5 out | grep -o '_id":[0-9]*' | tr -dc '0-9')" 13579 'the others are not held up (M25)'
is "$(wc -l <out)" 9 'none is lost'
mkfifo pipe
"$F" pass <pipe >first &
pid=$!
exec 7>pipe
echo '{"a":1}' >&7
i=0; while [ ! -s first ] && [ $i -lt 500 ]; do sleep 0.01; i=$((i + 1)); done
is "$(cat first)" '{"a":1,"seen":1,"ok":true}' 'a line comes out before the next one came in'
exec 7>&-
wait $pid

# isolation
for i in 1 13 14 15 16 18 3 4 2; do
	echo "{\"subject_event_crf_file_id\":$i}"
done >in
exits 75 'a step that dies costs its job alone (R59)' "$F" -j 3 alone <in
is "$(wc -l <out)" 9 'every job has its line'
is "$(grep -c 'IMGP-DICOM-CRASH.*"fatal":true,"retryable":true' out)" 5 \
    'crash, endless loop, wrong status, another id or place: named'
is "$(grep -c '"bytes":{"local":7}' out)" 2 'the others are done'
like err '13: IMGP-DICOM-CRASH: the process died of signal 11' 'by signal'
like err '14: IMGP-DICOM-CRASH: the process neither read nor wrote for 1 s' 'by time'
like err '16: IMGP-DICOM-CRASH: the process answered for another job' 'by identity (R61)'

echo '{"subject_event_crf_file_id":23}' >in
exits 0 'a step alone' "$F" alone <in 9</dev/null
is "$(jq .bytes.local out)" 1 'has no descriptor of its parent but the pipe to it'
echo '{"subject_event_crf_file_id":19}' >in
exits 0 'a step that dies once is tried once more' "$F" alone <in
is "$(grep -c 'begin 19' log) $(grep -c '"bytes":{"local":7}' out)" '2 1' 'and done'
for i in 13 16; do
	echo "{\"subject_event_crf_file_id\":$i,\"edc_pipeline_file\":{\"id\":1,\"crashes\":1}}"
done >in
"$F" -j 2 alone <in >out 2>err
is "$(jq -r '.errors[0] | .error_code + " \(.fatal) \(.retryable)"' out | sort -u)" \
    'IMGP-JOB-CRASH true false' 'what died in an earlier run, too, is given up'
for i in 19 20 21 22; do echo "{\"subject_event_crf_file_id\":$i}"; done >in
rm -f log died
exits 0 'and it is tried alone' "$F" -j 3 alone <in
is "$(sed -n '/begin 19/,$p' log | sed 1d | sed -n '/begin 19/,/end/p' | tr '\n' ' ')" \
    'begin 19 other end ' 'with no other beside it'

# streams
echo '{"a":1}' >in
exits 75 'a full disk behind standard output is an error (R39)' sh -c '"$1" pass <in >/dev/full' - "$F"
like err 'filter: standard output: No space left on device' 'and is named'
yes '{"a":1}' | "$F" pass | head -n 1 >out
is "${PIPESTATUS[1]}" 141 'a reader that leaves ends it by SIGPIPE (R39)'
exits 2 'a directory as standard input is wrong usage' "$F" pass <.
exits 2 'wrong options are status 2' "$F" --nonsense
exits 0 '--help is status 0' "$F" --help
like out '^usage: filter MODE' 'and prints the usage'
# The same fault of ours in three jobs: the thing itself is asked, once.
jobs() { for i; do printf '{"v":1,"subject_event_crf_file_id":%d}\n' "$i"; done; }
jobs 1 2 3 4 5 >in
ASK=bad exits 75 'a place that refuses three jobs, and refuses when asked' $F breaks <in
is "$(grep -c . out)" 3 '... takes no more'
is "$(grep -c '^asked' err)" 1 '... is asked once'
like err '^asked for 3: IMGP-STORE-DENIED' '... after the third'
like err '^filter: IMGP-STORE-DENIED: the place refuses' '... says what it says'
like err '^filter: 3 jobs in a row failed by IMGP-STORE-DENIED: no more are taken' '... and what follows'
exits 75 'a place that works when asked' $F breaks <in
is "$(grep -c . out)" 5 '... goes on: it was the objects'
jobs 1 2 10 3 4 20 5 6 >in
ASK=bad exits 75 'a success between' $F breaks <in
is "$(grep -c . out) $(grep -c '^asked' err)" '8 0' '... and nobody asks'
jobs 1 2 201 3 4 >in
ASK=bad exits 75 'a fault of the upload between' $F breaks <in
is "$(grep -c . out) $(grep -c '^asked' err)" '5 0' '... is as good'
jobs 101 102 103 104 >in
ASK=bad exits 75 'archived objects' $F breaks <in
is "$(grep -c . out) $(grep -c '^asked' err)" '4 0' '... stop nothing: each is one object'"'"'s'
jobs $(seq 1 9) $(seq 11 19) >in
exits 75 'a place that works' $F breaks <in
is "$(grep '^asked' err | cut -d: -f1 | paste -sd' ')" 'asked for 3 asked for 9' \
    '... is asked ever less often'
jobs 1 2 3 10 4 5 6 >in
exits 75 'after a success' $F breaks <in
is "$(grep '^asked' err | cut -d: -f1 | paste -sd' ')" 'asked for 3 asked for 6' \
    '... three suffice again'
(jobs 1 2 3; seq 100000 2>/dev/null; echo $? >writer) | ASK=bad $F breaks >out 2>err
is "$(cat writer)" 141 'whoever writes the jobs is told by a broken pipe'
done_testing
