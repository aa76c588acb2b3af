#!/bin/bash
# Objects whose metadata says what their bytes are not (R23), or how they were encoded.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
ask() { /usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"; }
head -c 300000 /dev/urandom >small
head -c 12000000 /dev/urandom >large
: >empty
other=$(printf other | sha256sum | cut -c1-64)
down() { rm -f back; exits "$1" "$2" imgp-s3cp "s3://src/$3" "$(url back)"; }

# --- borne out by the ETag ---------------------------------------------------------
for f in small large empty; do
	ask PUT "src/$f" -d $f -h "x-amz-meta-sha256: $other"
	is_long || [ $f = large ] || continue
	faults
	down 0 "a sum of something else at an object of $f bytes" $f
	like err "IMGP-STORE-METADATA: s3://src/$f: x-amz-meta-sha256 says ${other:0:12}.*ETag bears out" \
		'... is told, by its name'
	is "$(grep -c . err) $(asked 'GET /src/.*range=bytes=0-')" '1 1' '... once, and asked once'
	cmp -s $f back; ok $? '... the bytes are right'
done
imgp-s3cp "$(url large)" s3://src/parts
ask PUT src/x -d small
server_sets() { printf '%s\n' "$2" >server/meta; ask PUT "src/$1?meta" -d server/meta; }
server_sets parts "x-amz-meta-sha256: $other"
down 0 'one that came in parts, whose size the service tells' parts
like err 'IMGP-STORE-METADATA: .*ETag bears out' '... is borne out'
cmp -s large back; ok $? '... the bytes are right'
server_sets parts 'x-hidden-parts: 1'
down 1 '... whose size it does not tell' parts
like err 'IMGP-STORE-INTEGRITY: s3://src/parts: .*x-amz-meta-sha256 says' '... is not, and names the metadata'
[ ! -e back ]; ok $? '... and leaves nothing'

# --- by x-amz-checksum-* -----------------------------------------------------------------
/usr/bin/python3 - small >sums <<'EOT'
import base64, hashlib, sys, zlib
data = open(sys.argv[1], "rb").read()
def crc(poly, bits):
    now = ones = (1 << bits) - 1
    for byte in data:
        now ^= byte
        for _ in range(8):
            now = now >> 1 ^ (poly if now & 1 else 0)
    return (now ^ ones).to_bytes(bits // 8, "big")
assert crc(0xedb88320, 32) == zlib.crc32(data).to_bytes(4, "big")
for name, raw in (("sha256", hashlib.sha256(data).digest()),
                  ("sha1", hashlib.sha1(data).digest()),
                  ("crc32", crc(0xedb88320, 32)), ("crc32c", crc(0x82f63b78, 32)),
                  ("crc64nvme", crc(0x9a6c9329ac4bc9b5, 64))):
    print(name, base64.b64encode(raw).decode())
EOT
while read -r name sum; do
	is_long || [ "$name" = crc64nvme ] || continue
	ask PUT src/summed -d small -h "x-amz-meta-sha256: $other"
	server_sets summed 'ETag: "opaque"'
	server_sets summed "x-amz-checksum-$name: $sum"
	down 0 "by $name" summed
	like err "IMGP-STORE-METADATA: .*x-amz-checksum-$name bears out" '... which is named'
	server_sets summed "x-amz-checksum-$name: A${sum:1}"
	[ "${sum:0:1}" != A ] || server_sets summed "x-amz-checksum-$name: B${sum:1}"
	down 1 "another $name" summed
	like err 'IMGP-STORE-INTEGRITY: .*x-amz-meta-sha256' '... bears nothing out'
	server_sets summed "x-amz-checksum-$name: $sum-2"
	down 1 "a $name of parts" summed
done <sums
# The check value that RFC 3720 and NVMe give for CRCs: "123456789".
printf 123456789 >nine
for sum in crc32c=4waSgw== crc64nvme=rosUhgp5mIg= crc32=y/Q5Jg==; do
	is_long || [ "${sum%%=*}" = crc32c ] || continue
	ask PUT src/nine -d nine -h "x-amz-meta-sha256: $other"
	server_sets nine 'ETag: "opaque"'
	server_sets nine "x-amz-checksum-${sum%%=*}: ${sum#*=}"
	down 0 "the check value of ${sum%%=*}" nine
done

# --- damaged on the way --------------------------------------------------------------------
imgp-s3cp "$(url small)" s3://src/good
faults '1 GET /src/good flip'
down 0 'a byte that is flipped on the way' good
is "$(cat err)" '' '... is fetched anew, and nothing is said'
faults '9 GET /src/good flip'
down 1 '... each time' good
like err 'IMGP-STORE-INTEGRITY: .*x-amz-meta-sha256' '... is never delivered'

# --- copies within S3 --------------------------------------------------------------------------
export IMGP_S3_COPY_BYTES=5242880
faults
for f in small large; do
	is_long || [ $f = large ] || continue
	exits 0 "a copy of an object with another's sum, $f" \
		imgp-s3cp --readback "s3://src/$f" "s3://dst/$f"
	like err "IMGP-STORE-METADATA: s3://src/$f: x-amz-meta-sha256 says" '... is told'
	ask GET "dst/$f" >back
	cmp -s $f back; ok $? '... and is right'
	exits 0 '... again' imgp-s3cp "s3://src/$f" "s3://dst/$f"
	like err 'same bytes lay there before' '... finds it there'
done
faults '9 PUT /dst/wrong copy-wrong'
exits 1 'a copy with other bytes' imgp-s3cp --readback s3://src/small s3://dst/wrong
like err 'IMGP-STORE-INTEGRITY' '... is found out all the same'

is_long || done_testing	# a sample ends here
# --- in jobs -------------------------------------------------------------------------------------
export IMGP_SOURCE=s3://src IMGP_TEMP=s3://tmp IMGP_DESTINATION=s3://dst \
	IMGP_SPOOL=$WORK/spool
line() { jq -nc --arg s "s3://src/$1" '{v: 1, run: "20190118T150405Z-0a1b2c3d",
    subject_event_crf_file_id: 7, edc_pipeline_file: {id: 8, lease: 1},
    source: $s, temp: "s3://tmp/8/n", destination: "s3://dst/q/n"}'; }
faults
line small | imgp-s3cp source local >out 2>err
is "$? $(jq -c '[.errors, (.warnings | map(.stage, .error_code))]' out)" \
	'0 [null,["fetch","IMGP-STORE-METADATA"]]' 'a job has it as a warning'
is "$(jq -r '.sha256.source' out)" "$(sha256sum <small | cut -c1-64)" '... and the sum of the bytes'
gzip -nc small >small.gz
for e in gzip 'br,gzip' identity aws-chunked ''; do
	is_long || [ "$e" = 'br,gzip' ] || continue
	ask PUT src/encoded -d small.gz -h "Content-Encoding: $e"
	line encoded | imgp-s3cp source local >out 2>err
	case $e in
	*gzip) want="0 1 IMGP-STORE-METADATA s3://src/encoded: stored with Content-Encoding: $e; its bytes are taken as they lie there" ;;
	*) want='0 0 ' ;;
	esac
	is "$? $(jq -r '(.warnings // [] | length | tostring) + " " +
	    (.warnings // [] | map(.error_code + " " + .error) | join(""))' out)" "$want" \
		"Content-Encoding: $e"
	cmp -s small.gz spool/*/8/upload; ok $? '... the bytes as they lie there'
done
done_testing
