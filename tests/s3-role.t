#!/bin/bash
# S3 by TLS under a role's session token: a gateway that verifies STS's
# signature, the token and ours (R26, R35).
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
long_only

S3_TLS=1 S3_STS=1 "$ROOT/scripts/s3-server" start "$WORK/server" rgw \
	>server.env 2>server.err ||
	no_server "no rgw: $(tail -1 server.err)"
at_end "'$ROOT/scripts/s3-server' stop '$WORK/server'"
# shellcheck source=/dev/null
. ./server.env
admin() { CEPH_CONF=$WORK/server/ceph.conf radosgw-admin "$@" >admin.out 2>&1; }
url() { printf 'file://%s/%s' "$WORK" "$1"; }
empty=$(printf '' | sha256sum | cut -c1-64)
for b in src dst; do
	curl -sS --cacert "$AWS_CA_BUNDLE" -X PUT --aws-sigv4 aws:amz:us-east-1:s3 \
		-u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
		-H "x-amz-content-sha256: $empty" "$AWS_ENDPOINT_URL/imgp-$b"
done
admin role create --role-name=lab --path=/ --assume-role-policy-doc='{
	"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":
	{"AWS":["arn:aws:iam:::user/imgp"]},"Action":["sts:AssumeRole"]}]}' &&
	admin role-policy put --role-name=lab --policy-name=all --policy-doc='{
	"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],
	"Resource":"arn:aws:s3:::*"}]}'
ok $? 'the gateway has a role' || diag <admin.out

mkdir .aws
umask 077
cat >.aws/config <<'CONFIG'
[profile base]
aws_access_key_id = imgptest
aws_secret_access_key = imgptestsecret
[profile wrong]
aws_access_key_id = imgptest
aws_secret_access_key = canary-secret
[profile lab]
role_arn = arn:aws:iam:::role/lab
source_profile = base
[profile stranger]
role_arn = arn:aws:iam:::role/lab
source_profile = wrong
[profile nobody]
role_arn = arn:aws:iam:::role/nobody
source_profile = base
CONFIG
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
export HOME=$WORK AWS_PROFILE=lab IMGP_S3_PATIENCE=1 \
	IMGP_S3_PART_BYTES=5242880 IMGP_S3_MULTIPART_BYTES=5242880
head -c 100000 /dev/urandom >small
head -c 6000000 /dev/urandom >large
for f in small large; do
	exits 0 "$f up, under a role and by TLS (R26)" \
		imgp-s3cp "$(url $f)" "s3://imgp-src/$f"
	exits 0 '... copied in the server' \
		imgp-s3cp "s3://imgp-src/$f" "s3://imgp-dst/$f"
	exits 0 '... and down' imgp-s3cp "s3://imgp-dst/$f" "$(url back)"
	cmp -s $f back
	ok $? '... unchanged'
	rm -f back
done

mkdir proxy
/usr/bin/python3 "$ROOT/tests/servers/connect" "$WORK/proxy" 2>proxy/err &
at_end "kill $!; wait $! 2>/dev/null"
until [ -s proxy/port ]; do kill -0 $! || break; sleep 0.02; done
exits 0 'by the proxy of https_proxy' env \
	https_proxy=http://127.0.0.1:"$(cat proxy/port)" NO_PROXY='' no_proxy='' \
	imgp-s3cp s3://imgp-src/large "$(url back)"
cmp -s large back
ok $? '... unchanged'
like proxy/log "^CONNECT ${AWS_ENDPOINT_URL#https://}\$" '... which was asked'
rm -f back
for status in 403 407; do
	echo $status >proxy/refuse
	: >proxy/log
	exits 1 "by one that answers $status" env AWS_PROFILE=base \
		https_proxy=http://127.0.0.1:"$(cat proxy/port)" NO_PROXY='' no_proxy='' \
		imgp-s3cp s3://imgp-src/large "$(url back)"
	is "$(grep -c . proxy/log) $(grep -c '^imgp-s3cp: IMGP-STORE-DENIED: .*the proxy' err)" \
		'1 1' '... is asked once, and named'
done

fails() {		# fails STATUS CODE TITLE VARIABLE=VALUE...
	local status=$1 code=$2 title=$3
	shift 3
	exits "$status" "$title" env "$@" \
		imgp-s3cp s3://imgp-src/small "$(url back)"
	is "$(grep -c . err) $(grep -o 'IMGP-[A-Z-]*' err | head -1)" "1 $code" \
		'... one line'
}
fails 1 IMGP-STORE-CREDENTIALS 'a role asked for with a wrong secret' \
	AWS_PROFILE=stranger
fails 1 IMGP-STORE-CREDENTIALS 'a role that is not there' AWS_PROFILE=nobody
fails 1 IMGP-STORE-DENIED 'a token that is not the role'\''s' \
	AWS_ACCESS_KEY_ID=imgptest AWS_SECRET_ACCESS_KEY=imgptestsecret \
	AWS_SESSION_TOKEN=AAAA
fails 1 IMGP-STORE-DENIED 'a certificate that nobody vouches for' \
	AWS_PROFILE=base AWS_CA_BUNDLE=
cat server/start.log err >said 2>/dev/null
unlike said 'canary' 'no secret is said (R66)'
[ ! -e back ]
ok $? 'and no file was made'
done_testing
