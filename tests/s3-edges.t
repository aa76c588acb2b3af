#!/bin/bash
# imgp-s3cp where names, settings, disks and servers are not as one would like
# them (M18, R20-R36).
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
export IMGP_S3_COPY_BYTES=5242880
no=
command -v setpriv >/dev/null && [ "$(id -u)" -eq 0 ] && no=65534
nobody() {		# as somebody whom permissions bind
	if [ "$no" ]; then
		setpriv --reuid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}
# put KEY FILE HEADER...: as another program does, with nothing of ours.
put() {
	local key=$1 file=$2 h=()
	shift 2
	for _h; do h+=(-h "$_h"); done
	/usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" PUT "$key" -d "$file" "${h[@]}"
}
fails() {		# fails STATUS REGEX TITLE COMMAND...
	_s=$1 _r=$2
	exits "$_s" "${@:3}"
	is "$(grep -c . err)" 1 '... one line'
	like err "$_r" '... that says it'
}
head -c 300000 /dev/urandom >small
head -c 12000000 /dev/urandom >large

# --- what is no object -----------------------------------------------------------
mkdir dir
ln -s small link
mkfifo fifo
fails 2 'IMGP-PLACE-INVALID: s3://src: names no object' 'a bucket alone' \
	imgp-s3cp "$(url small)" s3://src
fails 2 'IMGP-PLACE-INVALID: .*/dir/: names no object' 'a directory as FROM' \
	imgp-s3cp "$(url dir/)" s3://src/x
for f in dir link fifo; do
	fails 1 "IMGP-STORE-DENIED: .*/$f: not a regular file" "a $f as FROM" \
		imgp-s3cp "$(url $f)" s3://src/x
done
fails 2 'IMGP-CONFIG: s3_part_bytes: not a number from 5242880' \
	'a size that is no number' env IMGP_S3_PART_BYTES=64M \
	imgp-s3cp "$(url small)" s3://src/x
fails 2 'IMGP-CONFIG: s3_part_bytes' 'parts that S3 would refuse (R33)' \
	env IMGP_S3_PART_BYTES=1048576 imgp-s3cp "$(url small)" s3://src/x
fails 2 'IMGP-CONFIG: AWS_CA_BUNDLE: .*/none: No such file' 'no CA file (R68)' \
	env AWS_CA_BUNDLE="$WORK/none" imgp-s3cp "$(url small)" s3://src/x
fails 75 'x: 127.0.0.1:1: ' 'nobody listens: where is said' \
	env AWS_ENDPOINT_URL=http://127.0.0.1:1 IMGP_S3_PATIENCE=1 \
	imgp-s3cp s3://src/x "$(url back)"
exits 2 '--exclude without -r' imgp-s3cp --exclude x "$(url small)" s3://src/x
exits 2 '--keep with URLs' imgp-s3cp --keep "$(url small)" s3://src/x
is "$(cat server/log 2>/dev/null)" '' 'nothing of that was asked of the server'

# --- whole prefixes and directories ----------------------------------------------------
mkdir -p tree/shut tree/sub
echo 1 >tree/sub/1
echo 2 >tree/2
echo 3 >tree/shut/3
ln -s 2 tree/link
chmod 755 "$WORK"
[ "$no" ] && chown -R 65534 tree
if [ "$no" ] || [ "$(id -u)" -ne 0 ]; then
	# The build may lie where only its owner can go.
	cp "$BUILD/bin/imgp-s3cp" s3cp
	for mode in 000 444; do
		chmod $mode tree/shut
		exits 1 "a directory of mode $mode below FROM/" nobody \
			"$WORK/s3cp" -r "$(url tree)" "s3://upl/$mode/"
		like err 'IMGP-STORE-DENIED: .*/tree/shut.*: Permission denied' '... is named'
		like err 's3cp: .*/tree/link: passed over, not a regular file$' \
			'... a link is passed over, which is said'
		is "$(state | grep -c "object /upl/$mode/")" 2 '... the others are copied'
	done
	chmod 755 tree/shut
else
	skip 'a directory that cannot be read' 'needs setpriv'
fi
for k in fine d/e d//e /rooted d/ $'line\nbreak' ../out; do
	put "odd/$k" small
done
put odd/folder/ /dev/null
is "$(state | grep -c 'object /odd/')" 8 'keys that are no names of files'
mkdir odd
exits 1 '... are each told' imgp-s3cp -r --replace s3://odd "$(url odd)"
is "$(grep -c 'IMGP-PLACE-INVALID' err) $(cd odd && find . -type f | sort | tr '\n' ' ')" \
	'5 ./d/e ./fine ' '... none hides another, nor leads elsewhere'
cmp -s small odd/d/e; ok $? '... and the rest is right'
exits 1 '... with -n as well' imgp-s3cp -rn s3://odd "$(url odd)"
is "$(wc -l <out) $(grep -c 'IMGP-PLACE-INVALID' err)" '2 5' '... one line each'
faults '1 GET list-type foreign f'
fails 75 'IMGP-STORE-IO: .*the server lists f' \
	'a listing of what was not asked for (R36)' \
	imgp-s3cp -r s3://odd/a-longer-prefix/ "$(url odd)"
faults '9 GET list-type html'
fails 75 IMGP-STORE-IO 'a web page in place of a listing' env IMGP_S3_PATIENCE=1 \
	imgp-s3cp -r s3://odd/d/ "$(url odd)"
faults

# --- a disk that takes no more ------------------------------------------------------------
imgp-s3cp "$(url large)" s3://src/large
limited() { ( ulimit -f 2000; exec "$@" ); }
fails 75 'IMGP-STORE-FULL: .*File too large' 'a limit of the file size (R42)' \
	limited imgp-s3cp s3://src/large "$(url back)"
fails 75 'IMGP-STORE-FULL: .*File too large' '... from another directory too' \
	limited imgp-s3cp "$(url large)" "$(url dir/large)"
is "$(find . -name '.imgp-*' -o -name back)" '' '... and nothing is left'

# --- a source that is another meanwhile (R32) -------------------------------------------
for bytes in 5242880 5368709120; do
	cp large moves
	faults "99 PUT /src/moves change $WORK/moves"
	exits 75 "it changes while it is sent, in parts above $bytes" \
		env IMGP_S3_MULTIPART_BYTES=$bytes IMGP_S3_PATIENCE=1 \
		imgp-s3cp "$(url moves)" s3://src/moves
	like err 'IMGP-STORE-IO: moves: the source changed while it was read' '... is said'
	is "$(state | grep -c 'moves')" 0 '... and nothing is there'
done
faults '1 GET /large long'
rm -f back
exits 0 'a range with a byte too many (R22)' imgp-s3cp s3://src/large "$(url back)"
cmp -s large back; ok $? '... is asked for again'
faults
rm -f back

# --- what others wrote -------------------------------------------------------------------
put src/theirs large 'Content-Type: application/dicom' 'x-amz-meta-lab: seven' \
	'Cache-Control: no-cache'
exits 0 'an object without a sum of ours comes down' \
	imgp-s3cp s3://src/theirs "$(url back)"
like err 'theirs: has no SHA-256 with it, only its length was compared' \
	'... which is said'
rm -f back
exits 0 '... but not under -q' imgp-s3cp -q s3://src/theirs "$(url back)"
is "$(cat err)" '' '... at all'
cmp -s large back; ok $? '... unchanged'
for way in 5242880 5368709120; do
	is_long || [ $way = 5242880 ] || continue
	export IMGP_S3_COPY_BYTES=$way
	exits 0 "copied in parts of 5 MiB above $way (R33)" \
		imgp-s3cp s3://src/theirs "s3://dst/$way"
	/usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" HEAD "dst/$way" -I | sort >shown
	is "$(grep -E '^(content-type|cache-control|x-amz-meta-lab):' shown | tr '\n' ' ')" \
		'cache-control: no-cache content-type: application/dicom x-amz-meta-lab: seven ' \
		'... with its metadata'
	exits 0 '... again' imgp-s3cp s3://src/theirs "s3://dst/$way"
	like err 'same bytes lay there before' '... finds the same bytes (R31)'
done
put src/theirs2 small 'x-amz-meta-sha256: '"$(sha256sum <small | cut -c1-64)" \
	'x-amz-meta-lab: eight'
imgp-s3cp s3://src/theirs2 s3://dst/theirs2
like server/log 'PUT /dst/theirs2 .*x-amz-meta-lab=eight' \
	'what else an object with a sum has goes along'
tail -c 12000000 large | tr 'a' 'b' >other
put src/theirs3 other
fails 1 IMGP-STORE-EXISTS 'other bytes of that length are not replaced' \
	imgp-s3cp s3://src/theirs3 s3://dst/5242880

if is_long; then
# --- how long a server wants us to wait ---------------------------------------------------
for ask in 'after 9999999999999' 'after-ms 9223372036854775807'; do
	faults "9 GET /small $ask"
	fails 75 'IMGP-STORE-UNAVAILABLE: .*SlowDown' "\"$ask\" is more than we have (R20)" \
		timeout 10 env IMGP_S3_PATIENCE=5 imgp-s3cp s3://src/small "$(url b)"
	is "$(asked GET)" 1 '... and no request is made before'
done
faults '1 GET /theirs2 after-ms 10'
rm -f back
exits 0 'x-amz-retry-after' imgp-s3cp s3://src/theirs2 "$(url back)"
faults '9 * /src/page html'
fails 1 IMGP-STORE-EXISTS 'a web page where an object is to go' \
	imgp-s3cp "$(url small)" s3://src/page

export IMGP_S3_PATIENCE=1
rm -f back
faults '9 GET /src/large html'
fails 75 'IMGP-STORE-IO: .*no ETag' '... or in place of an object' \
	imgp-s3cp s3://src/large "$(url back)"
faults '99 GET /src/large noetag'
fails 75 'IMGP-STORE-IO: .*no ETag' 'a range that cannot be pinned (R32)' \
	imgp-s3cp s3://src/large "$(url back)"
[ ! -e back ]; ok $? '... and no file is made'
export IMGP_S3_PATIENCE=20
fi

# --- whose bucket it is -----------------------------------------------------------------
faults
IMGP_DESTINATION=s3://dst/q IMGP_DESTINATION_OWNER=333344445555 \
	imgp-s3cp "$(url small)" s3://dst/owned
is "$(asked ' /dst/owned .*x-amz-expected-bucket-owner=333344445555') $(asked .)" '4 4' \
	'URLs in a bucket of a place say its owner (M18)'

# --- clocks -----------------------------------------------------------------------------------
echo 3 >server/hours
faults '1 GET /theirs2 skewed'
rm -f back
exits 0 'the server is three hours ahead (R25)' imgp-s3cp s3://src/theirs2 "$(url back)"
like err 'the clock of this machine is 1(079|080)[0-9] s behind that of the S3 service' \
	'... which is made good and said'
rm server/hours
# --- options in place of the environment --------------------------------------------
mkdir -p .aws
printf '[lab]\naws_access_key_id = AKIDTEST\naws_secret_access_key = canary-secret\n' >.aws/credentials
chmod 600 .aws/credentials
env AWS_ENDPOINT_URL=http://127.0.0.1:1 AWS_ACCESS_KEY_ID=AKIDOTHER AWS_REGION=eu-west-9 \
    imgp-s3cp --endpoint-url "$AWS_ENDPOINT_URL" --region us-east-1 --profile lab \
    "$(url small)" s3://src/by-options 2>err
ok $? '--endpoint-url, --region and --profile go before the environment' || diag <err
imgp-s3cp s3://src/by-options "$(url by-options.back)" && cmp -s small by-options.back
ok $? '... and the object is there'

done_testing
