#!/bin/bash
# OpenStack Swift 2.30's s3api and what an object has beside its bytes. Tags are
# refused with 501 where they are sent, but GetObjectTagging answers 200 with an empty
# TagSet, of an object that is not there, too (S3: 404 NoSuchKey): it tells neither
# that there are no tags nor that there is an object. `Content-Encoding:
# aws-chunked,gzip` in front of a plain body is refused with 501, where radosgw keeps
# the token and gives it to each reader. CopyObject with `If-None-Match: *` is 501,
# though CompleteMultipartUpload obeys it. A user metadata header without a value is
# kept as S3 keeps it, though Swift's own API removes metadata by an empty value.
set -u
/usr/bin/python3 -c 'import swift, sys
sys.exit(swift.__version__[:5] != "2.30.")' 2>/dev/null || exit 77
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d) || exit 77
trap '"$top/scripts/s3-server" stop "$dir/swift" >/dev/null 2>&1; rm -rf "$dir"' EXIT
cd "$dir" || exit 77
"$top/scripts/s3-server" start "$dir/swift" swift >server 2>/dev/null || exit 77
# shellcheck source=/dev/null
. ./server
ask() { /usr/bin/python3 "$top/tests/lib/s3-ask.py" "$@"; }
status() {		# status WHAT REQUEST...
	printf '%s: %s\n' "$1" "$(ask "${@:2}" -I 2>/dev/null | head -1)"
}
printf one >one
ask PUT images
{
	status 'put, a value that is empty' PUT images/a -d one \
		-h 'x-amz-meta-lab: 7' -h 'x-amz-meta-site:'
	echo "then it has: $(ask HEAD images/a -I | grep '^x-amz-meta' |
		sed 's/ *$//' | paste -sd' ')"
	status 'put, tags' PUT images/b -d one -h 'x-amz-tagging: lab=7'
	status 'get tags' GET 'images/a?tagging'
	status 'get tags of nothing' GET 'images/none?tagging'
	status 'put, aws-chunked,gzip' PUT images/c -d one \
		-h 'Content-Encoding: aws-chunked,gzip'
	status 'put, gzip' PUT images/c -d one -h 'Content-Encoding: gzip'
	status 'copy, If-None-Match: *' PUT images/d \
		-h 'x-amz-copy-source: /images/a' -h 'If-None-Match: *'
} >seen
cat seen
cmp -s seen - <<'EOT'
put, a value that is empty: 200
then it has: x-amz-meta-lab: 7 x-amz-meta-site:
put, tags: 501
get tags: 200
get tags of nothing: 200
put, aws-chunked,gzip: 501
put, gzip: 200
copy, If-None-Match: *: 501
EOT
