#!/bin/bash
# fauxqs 1.9.2 stands in for S3 in tests, and takes a request's conditions and sums
# seriously in some places alone: GET with If-Match of another ETag is 412, as S3 has
# it, but PUT with `If-None-Match: *` writes over the object that is there and
# answers 200; a Content-MD5 and an x-amz-checksum-sha256 of other bytes are taken
# with 200 (S3: 400 BadDigest); a copy with x-amz-copy-source-if-match of another ETag
# is made (S3: 412). A program that relies on create-only writes or on the server's
# check of its bytes passes all tests against it and has proved nothing.
set -u
command -v node >/dev/null && command -v npm >/dev/null &&
	command -v curl >/dev/null || exit 77
dir=$(mktemp -d) || exit 77
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT
cd "$dir" || exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts fauxqs@1.9.2 >/dev/null 2>&1 ||
	exit 77
mkfifo log
# A port of the kernel's choice that is free at this moment.
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1",
	() => { console.log(s.address().port); s.close(); })')
FAUXQS_PORT=$port FAUXQS_HOST=127.0.0.1 node node_modules/fauxqs/dist/server.js \
	>log 2>&1 &
server=$!
exec 3<log
while read -r -t 60 line <&3; do
	case $line in *listening*) break ;; esac
done
cat <&3 >/dev/null &

at=http://127.0.0.1:$port/images
ask() {		# ask WHAT CURL-OPTION...
	_what=$1
	shift
	printf '%s: %s\n' "$_what" \
		"$(curl -s -m 20 -o /dev/null -w '%{http_code}' "$@")"
}
printf one >one
printf two >two
curl -s -o /dev/null -X PUT "$at"
{
	ask 'put' -T one "$at/a"
	ask 'get, If-Match of another' -H 'If-Match: "other"' "$at/a"
	ask 'put, If-None-Match: *' -T two -H 'If-None-Match: *' "$at/a"
	echo "then it holds: $(curl -s "$at/a")"
	ask 'put, another Content-MD5' -T two \
		-H "Content-MD5: $(printf x | openssl md5 -binary | base64)" "$at/b"
	ask 'put, another SHA-256' -T two -H "x-amz-checksum-sha256: $(printf x |
		openssl sha256 -binary | base64)" "$at/c"
	ask 'copy, source-if-match of another' -X PUT "$at/d" \
		-H 'x-amz-copy-source: /images/a' \
		-H 'x-amz-copy-source-if-match: "other"'
} >seen
cat seen
cmp -s seen - <<'EOT'
put: 200
get, If-Match of another: 412
put, If-None-Match: *: 200
then it holds: two
put, another Content-MD5: 200
put, another SHA-256: 200
copy, source-if-match of another: 200
EOT
