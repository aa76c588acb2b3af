#!/bin/bash
# imgp-s3cp and a server that does wrong (R20-R36).
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
export IMGP_S3_COPY_BYTES=5242880

head -c 300000 /dev/urandom >small
head -c 12000000 /dev/urandom >large
imgp-s3cp "$(url small)" s3://src/small && imgp-s3cp "$(url large)" s3://src/large
ok $? 'without faults'

exits 1 'a wrong secret' env AWS_SECRET_ACCESS_KEY=other \
	imgp-s3cp s3://src/small "$(url back)"
like err 'IMGP-STORE-DENIED: .*SignatureDoesNotMatch' \
	'... is found out: this server verifies what it is sent'

# Each operation, under one fault that passes: it succeeds, and is right.
# shellcheck disable=SC2317	# called by passes
down() { rm -f back; imgp-s3cp "s3://src/$1" "$(url back)" && cmp -s "$1" back; }
# shellcheck disable=SC2317
up() { imgp-s3cp --replace "$(url "$1")" "s3://src/up-$1" &&
	rm -f back && imgp-s3cp "s3://src/up-$1" "$(url back)" && cmp -s "$1" back; }
# shellcheck disable=SC2317
copy() { imgp-s3cp --replace "s3://src/$1" "s3://dst/copy-$1" &&
	rm -f back && imgp-s3cp "s3://dst/copy-$1" "$(url back)" && cmp -s "$1" back; }
passes() {		# passes ROW FAULT OPERATION...
	local row=$1 fault=$2
	shift 2
	faults "$fault"
	"$@" >out 2>err
	ok $? "$* in spite of \"$fault\" ($row)" || head -c 500 err | diag
}
for f in 'status 500 InternalError' 'status 502 x' 'status 503 SlowDown' \
    'status 504 x' 'status 429 TooManyRequests' 'status 400 RequestTimeout' \
    'status 503 ServiceUnavailable' reset; do
	is_long || [ "$f" = 'status 503 SlowDown' ] || continue
	passes R20 "1 GET /small $f" down small
	passes R20 "1 PUT /up-small $f" up small
	passes R20 "1 PUT /copy-small $f" copy small
done
for f in '1 POST uploads status 503 SlowDown' '1 PUT partNumber=2 reset' \
    '2 PUT partNumber status 500 InternalError' \
    '1 POST uploadId status 503 SlowDown' '1 HEAD . status 503 x'; do
	is_long || [ "$f" = '1 PUT partNumber=2 reset' ] || continue
	passes R20 "$f" up large
	passes R20 "$f" copy large
done
for at in 0 0.5 0.999; do
	is_long || [ $at = 0.5 ] || continue
	passes R21 "1 GET /small short $at" down small
	passes R21 "2 GET /large short $at" down large
	passes R21 "2 PUT partNumber cut-upload $at" up large
	! is_long || passes R21 "1 PUT /up-small cut-upload $at" up small
done
passes R22 '1 GET /small chunked' down small
if is_long; then
passes R22 '1 GET /large chunked' down large
passes R22 '1 GET /small wrong-range' down small
passes R23 '1 GET /small flip' down small
fi
passes R23 '1 GET /large flip' down large
passes R24 '1 PUT /copy-small 200-error' copy small
if is_long; then
passes R24 '1 PUT partNumber=2 200-error' copy large
passes R24 '1 POST uploadId 200-error' up large
fi
passes R24 '1 POST uploadId 200-error' copy large
for f in 200-late 200-cut; do
	is_long || [ $f = 200-cut ] || continue
	passes R24 "1 PUT /copy-small $f" copy small
	passes R24 "1 POST uploads $f" up large
	passes R24 "1 POST uploadId $f" up large
	passes R24 "1 PUT partNumber=1& $f" copy large
done
passes R27 '1 GET /small region eu-west-1' down small
is "$(grep -o 'eu-west-1/s3' server/log | wc -l)" 1 '... signed for the region that was named'
if is_long; then
passes R30 '1 PUT /up-small swallow' up small
fi
passes R30 '1 POST uploadId swallow' up large
if is_long; then
passes R30 '1 PUT /copy-small swallow' copy small
passes R30 '1 POST uploadId swallow' copy large
passes R28 '1 PUT /copy-small opaque "x-1"' copy small
is "$(asked 'GET /dst/copy-small')" 2 '... and the copy is read where its ETag proves nothing'
passes R36 '1 GET /small entities' down small
passes R36 '1 GET /small big' down small
faults '1 PUT /up-new swallow'
exits 0 'a create-only PUT whose answer is lost (R30)' \
	imgp-s3cp "$(url small)" s3://src/up-new
faults '1 PUT /copy-new swallow'
exits 0 'a create-only copy whose answer is lost (R30)' \
	imgp-s3cp s3://src/small s3://dst/copy-new
faults '1 GET /small after 1'
exits 0 'Retry-After' down small
fi
is "$(state | grep -c upload)" 0 'no upload is left open (R29)'

# The clock (R25): the server is three hours ahead.
echo 3 >server/hours
passes R25 '1 GET /small skewed' down small
rm server/hours

# Faults that stay: one error, and nothing to be seen.
stays() {		# stays ROW STATUS CODE FAULT FROM TO
	faults "$4"
	exits "$2" "\"$4\" for good ($1)" imgp-s3cp --replace "$5" "$6"
	is "$(grep -o 'IMGP-[A-Z-]*' err | head -1)" "$3" "... is $3"
}
rm -f back
export IMGP_S3_PATIENCE=1
stays R20 75 IMGP-STORE-UNAVAILABLE '99 GET /small status 500 InternalError' \
	s3://src/small "$(url back)"
if is_long; then
stays R20 75 IMGP-STORE-UNAVAILABLE '99 PUT /never status 503 SlowDown' \
	"$(url small)" s3://src/never
stays R21 75 IMGP-STORE-UNAVAILABLE '99 PUT partNumber=3 reset' "$(url large)" s3://src/never
is "$(state | grep -c 'upload\|never')" 0 '... and the upload is aborted (R29)'
stays R24 75 IMGP-STORE-UNAVAILABLE '99 PUT /never 200-error' s3://src/small s3://dst/never
fi
stays R22 1 IMGP-STORE-INTEGRITY '99 GET /small flip' s3://src/small "$(url back)"
is "$(asked GET)" 3 '... after three tries (R23)'
if is_long; then
stays R32 1 IMGP-STORE-INTEGRITY '9 PUT /never copy-wrong' s3://src/small s3://dst/never
is "$(state | grep -c never)" 0 '... and what was made wrong is gone again'
stays R26 1 IMGP-STORE-DENIED '9 GET /small status 403 AccessDenied' \
	s3://src/small "$(url back)"
is "$(asked GET)" 1 '... and is asked once only'
stays R27 2 IMGP-CONFIG "9 GET /small redirect http://127.0.0.1:1/" \
	s3://src/small "$(url back)"
is "$(asked GET)" 1 '... and not followed'
fi
[ ! -e back ]; ok $? 'no file was made'
[ -z "$(find . -name '.imgp-*')" ]; ok $? '... nor left half written'
export IMGP_S3_PATIENCE=20

# What is wrong with the one who asks: a line that says it, and no second try
# where that is useless, whether GET is asked first or HEAD, whose answer says
# nothing.
for fault in '1 IMGP-STORE-DENIED 2 SignatureDoesNotMatch=403' \
    '1 IMGP-STORE-DENIED 2 AccessDenied=403' \
    '1 IMGP-STORE-CREDENTIALS 2 ExpiredToken=400' \
    '1 IMGP-STORE-DENIED 2 RequestTimeTooSkewed=403' \
    '1 IMGP-STORE-DENIED 2 InvalidAccessKeyId=403'; do
	read -r status code most what <<-FAULT
	$fault
	FAULT
	is_long || [ "$code" = IMGP-STORE-CREDENTIALS ] || continue
	for way in down up; do
		faults "99 * /src/ status ${what#*=} ${what%=*}"
		case $way in
		down) set -- s3://src/small "$(url back)" ;;
		up) set -- "$(url small)" s3://src/refused ;;
		esac
		exits "$status" "${what%=*}, $way" imgp-s3cp "$@"
		is "$(grep -c . err) $(grep -c "$code: .*${what%=*}" err)" '1 1' '... one line'
		[ "$(asked ' /src/')" -le "$most" ]
		ok $? "... and no more than $most requests" ||
			cut -c1-60 server/log | diag
	done
done
if is_long; then
faults '99 * /src/ status 404 NoSuchBucket'
exits 1 'no such bucket' imgp-s3cp "$(url small)" s3://src/refused
is "$(grep -c 'IMGP-PLACE-MISSING: .*NoSuchBucket' err) $(asked ' /src/')" '1 2' \
	'... is said, by HEAD and PUT once'
faults '99 * /src/ region eu-west-1'
exits 2 'a region that stays wrong (R27)' imgp-s3cp "$(url small)" s3://src/refused
is "$(grep -c 'IMGP-CONFIG: .*AuthorizationHeaderMalformed' err)" 1 '... is said'
faults '1 GET /src/refused region eu-west-1' '1 HEAD /src/refused status 400 x'
exits 0 'a region that HEAD is not told of (R27)' \
	imgp-s3cp "$(url small)" s3://src/refused
: >server/log
exits 0 'each body with its SHA-256' imgp-s3cp --replace "$(url large)" s3://src/summed
is "$(asked 'PUT .*partNumber=.*x-amz-checksum-sha256=')" 3 '... each part'
imgp-s3cp --replace "$(url small)" s3://src/summed
is "$(asked 'PUT /src/summed .*x-amz-checksum-sha256=')" 1 '... or the whole'
fi

# The object is another in the middle of a download (R32).
faults '1 GET /large swap x'
imgp-s3cp --replace s3://src/large "$(url back)" 2>err
is "$? $(tr -d x <back | wc -c) $(stat -c %s back)" '0 0 12000000' \
	'an object that is replaced while it is read is read anew (R32)'
imgp-s3cp --replace "$(url large)" s3://src/large

# A token that ends on the way (R26): credential_process gives a new one.
mkdir .aws
cat >give <<'GIVE'
#!/bin/sh
echo x >>"$HOME/called"
printf '{"Version":1,"AccessKeyId":"KEY%d","SecretAccessKey":"canary-secret","SessionToken":"canary-token"}' \
	"$(wc -l <"$HOME/called")"
GIVE
chmod +x give
printf '[profile p]\ncredential_process = %s/give\n' "$WORK" >.aws/config
faults '1 GET /small status 400 ExpiredToken'
exits 0 'an expired token is renewed (R26)' env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY \
	AWS_PROFILE=p imgp-s3cp --replace s3://src/small "$(url back)"
is "$(grep -o 'Credential=[^/]*' server/log | tr '\n' ' ')" \
	'Credential=KEY1 Credential=KEY2 ' '... once'
is "$(asked 'x-amz-security-token=canary-token')" 2 '... and the token is sent'

if is_long; then
: >called
faults '2+1 PUT partNumber status 400 ExpiredToken'
exits 0 '... in the midst of an upload in parts too (R26)' \
	env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY AWS_PROFILE=p \
	imgp-s3cp --replace "$(url large)" s3://src/renewed
is "$(grep -o 'Credential=[^/]*' server/log | sort -u | tr '\n' ' ')" \
	'Credential=KEY1 Credential=KEY2 ' '... once'
rm -f back
imgp-s3cp s3://src/renewed "$(url back)" && cmp -s large back
ok $? '... and what lies there is right'
fi

# Clocks (R25): an hour is made good, a year is a fault of this machine.
if command -v faketime >/dev/null && ! is_sanitized "$BUILD/bin/imgp-s3cp"; then
	faults
	for off in -1h +1h; do
		is_long || [ $off = -1h ] || continue
		exits 0 "a clock off by $off (R25)" faketime -f "$off" \
			imgp-s3cp --replace s3://src/small "$(url back)"
	done
	for off in -365d +365d; do
		is_long || [ $off = +365d ] || continue
		: >server/log
		exits 1 "a clock off by $off (R25)" faketime -f "$off" \
			imgp-s3cp --replace s3://src/small "$(url back)"
		like err 'IMGP-STORE-DENIED: .*RequestTimeTooSkewed' '... is said'
		is "$(asked GET)" 1 '... and asked once'
	done
else
	skip 'clocks that are off (R25)' 'needs faketime, unsanitized'
fi

# TERM in the middle of an upload in parts (R29, R40).
for sig in TERM INT; do
	is_long || [ $sig = TERM ] || continue
	faults '99 PUT partNumber=2 stall 20'
	# A job in the background has INT ignored; the tool gets its default back.
	env --default-signal=INT imgp-s3cp "$(url large)" s3://src/stopped >out 2>err &
	p=$!
	until grep -q partNumber=2 server/log; do kill -0 $p || break; sleep 0.02; done
	kill -$sig $p
	wait $p
	is "$? $(state | grep -c 'upload\|stopped')" \
		"$((128 + $(kill -l $sig))) 0" "$sig: the upload is aborted first (R29)"
done

if is_long; then
# ... and while every part waits for the time that the server named.
faults '99 PUT partNumber after 60'
env IMGP_S3_PATIENCE=300 imgp-s3cp "$(url large)" s3://src/waiting >out 2>err &
p=$!
until [ "$(asked 'PUT .*partNumber')" -ge 3 ]; do kill -0 $p || break; sleep 0.02; done
kill -TERM $p
timeout 30 tail --pid=$p -f /dev/null
ok $? 'TERM: nobody waits for what the server asked for (R40)'
wait $p
is "$? $(state | grep -c 'upload\|waiting')" '143 0' '... the upload is aborted'
fi

# Killed in the middle of an upload in parts: the next attempt sends what is
# missing (R1, R29); it goes on with nothing that is not its own.
left_open() {		# left_open FILE KEY: parts 1 and 3 to 6 lie there
	faults '99 PUT partNumber=2 stall 20'
	imgp-s3cp "$(url "$1")" "s3://dst/$2" >/dev/null 2>&1 &
	p=$!
	until [ "$(asked 'PUT .*partNumber=')" -ge 6 ]; do
		kill -0 $p || break
		sleep 0.02
	done
	sleep 0.2
	kill -KILL $p
	{ wait $p; } 2>/dev/null
	faults
}
there() { rm -f back; imgp-s3cp "s3://dst/$1" "$(url back)" && cmp -s "$2" back; }
head -c 30000000 /dev/urandom >huge
left_open huge resumed
is "$(state | grep -c upload) $(state | grep -c resumed)" '1 1' \
	'killed: the upload lies open, no object is seen (I4)'
exits 0 '... the next attempt goes on with it (R1)' \
	imgp-s3cp -v "$(url huge)" s3://dst/resumed
like err ': 30000000 bytes, .*, 24757120 of them sent before' '... which -v says'
is "$(asked 'PUT .*partNumber=') $(asked 'PUT .*partNumber=2')" '1 1' \
	'... and sends what is missing alone'
there resumed huge; ok $? '... and it is right'
if is_long; then
cp huge other
printf x | dd of=other bs=1 seek=5242879 conv=notrunc 2>/dev/null
left_open other not-ours
exits 0 'one of other bytes' imgp-s3cp -v "$(url huge)" s3://dst/not-ours
unlike err 'sent before' '... is not gone on with'
there not-ours huge; ok $? '... and what lies there is right'
cp huge other
printf x | dd of=other bs=1 seek=6000000 conv=notrunc 2>/dev/null
left_open other alike
exits 0 'one that differs only in what was not sent yet' \
	imgp-s3cp "$(url huge)" s3://dst/alike
is "$(asked 'PUT .*partNumber=')" 7 '... is found out by its metadata, and all is sent anew'
is "$(asked 'DELETE /dst/alike ')" 0 '... over it: somebody may have found it there'
there alike huge; ok $? '... and what lies there is right'
left_open huge cut-otherwise
exits 0 'one with parts of another size' env IMGP_S3_PART_BYTES=6000000 \
	imgp-s3cp "$(url huge)" s3://dst/cut-otherwise
is "$(asked 'PUT .*partNumber=')" 5 '... is not gone on with'
left_open huge opaque
faults '9 GET uploadId opaque'
exits 0 'ETags that are no MD5 (R28)' imgp-s3cp "$(url huge)" s3://dst/opaque
is "$(asked 'PUT .*partNumber=')" 6 '... nothing is gone on with'
left_open huge gone
faults '1 PUT partNumber=2 status 404 NoSuchUpload'
exits 0 'one that somebody aborts meanwhile' imgp-s3cp "$(url huge)" s3://dst/gone
there gone huge; ok $? '... is begun anew'
is "$(state | grep -c upload)" 0 '... and nothing is left open (R29)'
faults '1 POST uploadId status 412 PreconditionFailed'
exits 1 'a Complete that is told of another object (R31)' \
	imgp-s3cp "$(url huge)" s3://dst/taken
fi

# Pages of two keys (the server's), and one page that fails first.
for i in 1 2 3 4 5; do imgp-s3cp "$(url small)" "s3://tree/p/ü $i"; done
mkdir tree
faults '1 GET continuation-token status 503 SlowDown'
exits 0 'a prefix of three pages' imgp-s3cp -r -j 2 s3://tree/p/ "$(url tree)"
is "$(cd tree && find . -type f | sort | tr '\n' ' ')" './ü 1 ./ü 2 ./ü 3 ./ü 4 ./ü 5 ' \
	'... all of it'
if is_long; then
rm -r tree && mkdir tree
faults '1 GET list-type no-token' '1 GET list-type 200-cut'
exits 0 'a page that does not say how to go on, one cut short (R22)' \
	imgp-s3cp -r s3://tree/p/ "$(url tree)"
is "$(find tree -type f | wc -l)" 5 '... all of it'
export IMGP_S3_PATIENCE=1
faults '99 GET list-type no-token'
exits 75 '... for good' imgp-s3cp -r s3://tree/p/ "$(url tree)"
like err 'IMGP-STORE-IO' '... is an error, not half a tree'
export IMGP_S3_PATIENCE=20
fi

# Whose bucket it is (M18, R34).
export IMGP_SOURCE=s3://src IMGP_TEMP=s3://tmp IMGP_DESTINATION=s3://dst \
	IMGP_SPOOL=$WORK/spool IMGP_SOURCE_OWNER=111122223333 \
	IMGP_TEMP_OWNER=222233334444 IMGP_DESTINATION_OWNER=333344445555
printf '{"v":1,"run":"20190118T150405Z-0a1b2c3d","subject_event_crf_file_id":7,"source":"s3://src/small","edc_pipeline_file":{"id":8,"lease":1},"temp":"s3://tmp/8/n","destination":"s3://dst/q/n"}\n' >line
faults '99 * /src/ owner 111122223333' '99 * /tmp/ owner 222233334444' \
	'99 * /dst/ owner 333344445555'
imgp-s3cp source local <line | imgp-s3cp local temp | imgp-s3cp temp destination >out 2>err
is "$? $(jq -r .errors out)" '0 null' 'each bucket with its owner (R34)'
is "$(grep 'PUT /dst/q/n' server/log | grep -c 'x-amz-source-expected-bucket-owner=222233334444')" \
	1 '... the source of a copy too'
if is_long; then
faults '99 * /src/ owner 999999999999'
exits 75 'a bucket of somebody else (R34)' imgp-s3cp source local <line
is "$(jq -r '.errors[0].error_code' out)" IMGP-STORE-DENIED '... is refused'
fi

is_long || done_testing	# a sample ends here
# Create-only, probed once in a run (R31): from the fifth copy on nobody asks
# what lies there, where the service obeys; nor looks at the source, where it
# copies only the one that is meant.
unset IMGP_SOURCE_OWNER IMGP_TEMP_OWNER IMGP_DESTINATION_OWNER
deliver() {		# deliver FIRST LAST OPTIONS...: stage and deliver those jobs
	seq "$1" "$2" | jq -c '{v:1, run:"20190118T150405Z-0a1b2c3d",
	    subject_event_crf_file_id:., edc_pipeline_file:{id:., lease:1},
	    source:"s3://src/small", temp:"s3://tmp/\(.)/n",
	    destination:"s3://dst/probe/\(.)"}' >lines
	shift 2
	imgp-s3cp source local <lines | imgp-s3cp local temp >staged
	: >server/log
	imgp-s3cp "$@" temp destination <staged >out 2>err
}
heads() { asked "HEAD /dst/probe/"; }
if is_long; then
# What a signal stops is not finished: no line says that it failed (R40).
jq -c -n '(1, 2) | {v:1, run:"20190118T150405Z-0a1b2c3d",
    subject_event_crf_file_id:., edc_pipeline_file:{id:., lease:1},
    source:"s3://src/\(["large", "small"][. - 1])", temp:"s3://tmp/stopped/\(.)"}' >lines
faults
imgp-s3cp source local <lines >fetched
stopped() {		# stopped PATH N: TERM once a part and N of PATH are under way
	until [ "$(asked 'partNumber=2')" -ge 1 ] && [ "$(asked "PUT $1")" -ge "$2" ]; do
		kill -0 $! || break
		sleep 0.02
	done
	kill -TERM $!
	wait $!
}
faults '99 PUT partNumber=2 stall 20' '99 PUT /tmp/stopped/2 stall 20'
imgp-s3cp -j 2 --keep local temp <fetched >out 2>err &
stopped /tmp/stopped/2 1
is "$? $(wc -c <out) $(wc -c <err)" '143 0 0' 'TERM: jobs that are stopped are no failures (R40)'
mkdir flood
for i in 1 2 3 4 5 6; do cp small "flood/$i"; done
cp large flood
faults '99 PUT partNumber=2 stall 20' '99 PUT /src/flood/[1-6] stall 20'
imgp-s3cp -r -j 8 "$(url flood)/" s3://src/flood/ >out 2>err &
stopped '/src/flood/[1-6] ' 6
is "$? $(wc -c <err)" '143 0' '... nor those of a tree'
fi
faults
deliver 1 4
is "$? $(asked imgp-probe) $(heads)" '0 0 8' 'four copies: HEAD before and after each'
deliver 5 16
is "$? $(asked imgp-probe) $(heads)" '0 8 16' \
	'twelve: once a server obeys, HEAD after alone'
is "$(state | grep -c imgp-probe)" 0 '... and the probe is gone'
if is_long; then
deliver 17 28 -j 4
is "$? $(asked 'PUT /tmp/.imgp-probe')" '0 4' '... four at once probe once'
deliver 5 16
is "$? $(jq -r 'select(.errors) | .job' out)" '0 ' 'the same again are fine (R8)'
printf other >other
imgp-s3cp --replace "$(url other)" s3://dst/probe/40
deliver 29 40
is "$? $(jq -r 'select(.errors) | .errors[0].error_code' out)" '1 IMGP-STORE-EXISTS' \
	'other bytes are found by the 412 too (R31)'
fi
faults '99 PUT . replace'
deliver 41 52
is "$? $(asked 'PUT /tmp/.imgp-probe') $(heads)" '0 4 24' \
	'a server that ignores it: HEAD before and after each'
if is_long; then
faults '2 PUT imgp-probe status 403 AccessDenied'
deliver 61 72
is "$? $(heads) $(cat err)" '0 24 ' 'a probe that is denied: the same, silently'
faults '1 PUT imgp-probe status 403 AccessDenied'
deliver 81 92 -v
like err '^imgp-s3cp: whether the service creates only .*AccessDenied' '... which -v says'
faults '99 PUT /dst/ status 501 NotImplemented'
deliver 101 101
faults '1 PUT /dst/ status 501 NotImplemented'
deliver 102 104
is "$? $(asked 'PUT /dst/.*if-none-match') $(asked 'PUT /dst/')" '0 1 4' \
	'a server that refuses it is not told again'
imgp-s3cp "$(url small)" s3://tmp/.imgp-probe-0123456789abcdef
deliver 111 116
is "$? $(state | grep -c imgp-probe)" '0 0' "a killed process's probe goes with the next (R29)"
for sig in TERM KILL; do
	faults '0+1 GET /tmp.list-type status 404 x' '1+1 PUT imgp-probe stall 20'
	{ deliver 121 126; } 2>/dev/null &
	p=$!
	until [ "$(grep -c 'PUT /tmp/.imgp-probe' server/log)" = 2 ]; do
		kill -0 $p || break
		sleep 0.02
	done
	pkill -$sig -P $p imgp-s3cp
	{ wait $p; } 2>/dev/null
	is "$(state | grep -c imgp-probe)" "$([ $sig = TERM ]; echo $?)" \
		"$sig: a probe is removed before the end"
done
faults
deliver 131 136
is "$(state | grep -c imgp-probe)" 0 '... or by the next'

# ... by PUT, where a temporary place is known.
mkdir many
for i in $(seq 12); do head -c $((i * 1000)) small >"many/$i"; done
: >server/log
exits 0 'twelve files up (R31)' imgp-s3cp -r "$(url many/)" s3://dst/many/
is "$(asked 'HEAD /dst/') $(asked 'PUT /tmp/.imgp-probe')" '8 2' \
	'... probed once, and from then on PUT alone'
: >server/log
exits 0 '... again' imgp-s3cp -r -v "$(url many/)" s3://dst/many/
is "$(grep -c 'lay there before' err)" 12 '... all lay there, which is said'
: >server/log
exits 0 '... without a temporary place' env -u IMGP_TEMP \
	imgp-s3cp -r "$(url many/)" s3://dst/many2/
is "$(asked 'HEAD /dst/') $(asked imgp-probe)" '24 0' '... HEAD before and after each'
fi
export IMGP_SOURCE_OWNER=111122223333

# Retries are counted in the job line.
faults '2 GET /small status 503 SlowDown' '99 * x owner x'
imgp-s3cp source local <line >out 2>err
is "$? $(jq -c .retries out)" '0 {"fetch":2}' 'two repetitions are counted (R20)'
faults '1 GET /small flip'
imgp-s3cp source local <line >out 2>err
is "$? $(jq -c .retries out)" '0 {"fetch":1}' '... a second download too (R23)'

cat out err server/out 2>/dev/null >said
unlike said canary 'no secret is said (R66)'
done_testing
