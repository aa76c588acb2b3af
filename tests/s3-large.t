#!/bin/bash
# Objects above what S3 takes or copies at once (M2, R33): up, copied in the
# service, down, with equal sums; and a larger one to a service that keeps
# nothing.  In flat memory.
#
# MIB and SINK_MIB are the sizes; make check-s3-large has 6 GB and 50 GB, for
# which it wants 26 GB of disk below TMPDIR.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
[ -n "${MIB-}${SINK_MIB-}" ] || skip_all 'long: make check-s3-large'
! is_sanitized "$BUILD/bin/imgp-s3cp" ||
	skip_all 'a sanitizer has its own memory'
unset AWS_PROFILE AWS_CA_BUNDLE AWS_SESSION_TOKEN IMGP_S3_PART_BYTES \
	IMGP_S3_MULTIPART_BYTES IMGP_S3_COPY_BYTES
export HOME=$WORK
url() { printf 'file://%s/%s' "$WORK" "$1"; }
s3() { /usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"; }
sum() { sha256sum <"$1" | cut -c1-64; }

cat >peak.py <<'EOT'
import os, subprocess, sys, time
start = time.monotonic()
child = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(child.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss // 1024,
      "%.0f" % (time.monotonic() - start),
      "%.1f" % (usage.ru_utime + usage.ru_stime))
EOT
moves() {		# moves TITLE FROM TO: in 64 MiB
	read -r status mib wall cpu <<-PEAK
	$(/usr/bin/python3 peak.py imgp-s3cp -v "$2" "$3" 2>err)
	PEAK
	[ "$status" = 0 ] && [ "$mib" -le 64 ]
	ok $? "$1: $mib MiB resident at most" || diag <err
	echo "# $wall s, $cpu s of CPU; $(tail -1 err)"
}

if [ "${MIB:-0}" -gt 0 ]; then
	S3_DISK=1 S3_BYTES=$(((2 * MIB + 2048) << 20)) \
		"$ROOT/scripts/s3-server" start "$WORK/server" rgw \
		>server.env 2>server.err || no_server "no rgw: $(tail -1 server.err)"
	at_end "'$ROOT/scripts/s3-server' stop '$WORK/server'"
	# shellcheck source=/dev/null
	. ./server.env
	for b in src dst; do s3 PUT "imgp-$b"; done
	head -c "${MIB}M" /dev/urandom >large
	wanted=$(sum large)
	moves "$MIB MiB up" "$(url large)" s3://imgp-src/large
	rm large
	moves '... copied in the service' s3://imgp-src/large s3://imgp-dst/large
	s3 HEAD imgp-dst/large -I >shown
	like shown "^content-length: $((MIB << 20))\$" '... whole'
	like shown "^x-amz-meta-sha256: $wanted" '... its sum with it (F17)'
	s3 DELETE imgp-src/large
	moves '... and down' s3://imgp-dst/large "$(url back)"
	is "$(sum back)" "$wanted" '... as it was'
	rm back
	"$ROOT/scripts/s3-server" stop "$WORK/server"
fi
if [ "${SINK_MIB:-0}" -gt 0 ]; then
	"$ROOT/tests/servers/s3-sink" "$WORK/sink" 2>sink.err &
	at_end "kill $!"
	until [ -s sink/port ]; do
		kill -0 $! || { echo 'Bail out! no sink'; exit 1; }
		sleep 0.05
	done
	AWS_ENDPOINT_URL=http://127.0.0.1:$(cat sink/port)
	export AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x \
		AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
	truncate -s "${SINK_MIB}M" sparse
	moves "$SINK_MIB MiB to a service that sums and forgets" \
		"$(url sparse)" s3://imgp-sink/sparse
	is "$(curl -s "$AWS_ENDPOINT_URL/-/state")" \
		"$((SINK_MIB << 20)) bytes in $(((SINK_MIB + 31) / 32)) parts" \
		'... all of it, each part once'
fi
done_testing
