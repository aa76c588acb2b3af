# Sourced, after lib.sh, by tests that speak to tests/servers/faulty-s3.py: it runs for
# this test alone, on a port of its own, and the AWS_ variables name it.
# shellcheck shell=bash
mkdir server
/usr/bin/python3 "$ROOT/tests/servers/faulty-s3.py" "$WORK/server" >server/out 2>&1 &
at_end "kill $!"
while [ ! -s server/port ]; do
	kill -0 $! 2>/dev/null || { echo 'Bail out! no server'; exit 1; }
	sleep 0.05
done
AWS_ENDPOINT_URL=http://127.0.0.1:$(cat server/port)
export AWS_ENDPOINT_URL \
	AWS_ACCESS_KEY_ID=AKIDTEST AWS_SECRET_ACCESS_KEY=canary-secret \
	AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true HOME=$WORK \
	IMGP_S3_PART_BYTES=5242880 IMGP_S3_MULTIPART_BYTES=5242880 \
	IMGP_S3_PATIENCE=20
unset AWS_PROFILE AWS_SESSION_TOKEN AWS_CA_BUNDLE

# faults LINE...: from its next request on it does this wrong, and its log is empty.
faults() {
	: >server/log
	printf '%s\n' "$@" >server/faults
}
state() {
	local line
	exec 3<>"/dev/tcp/127.0.0.1/${AWS_ENDPOINT_URL##*:}"
	printf 'GET /-/state HTTP/1.0\r\n\r\n' >&3
	while read -r line <&3 && [ "$line" != $'\r' ]; do :; done
	while read -r line <&3; do printf '%s\n' "$line"; done
	exec 3>&-
}
asked() { grep -c "$1" server/log; }	# how many requests were like this
url() { printf 'file://%s/%s' "$WORK" "$1"; }
