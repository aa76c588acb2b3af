#!/bin/bash
# Killed at random moments on real services: an upload in parts, a copy, a copy
# in parts (R1, R29, R30).  At each moment the object is whole or not there; the
# same again ends it, and nothing is left.
#
# KILLS (1, of a copy in parts; in check-long 6) of each of OPERATIONS on each of SERVERS; SEED repeats a
# run, MB is the size of the object.  make check-s3-kill: a hundred.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"

KILLS=${KILLS:-${LONG:+6}}
KILLS=${KILLS:-1} SEED=${SEED:-$RANDOM}
RANDOM=$SEED
unset AWS_PROFILE AWS_CA_BUNDLE AWS_SESSION_TOKEN
export HOME=$WORK IMGP_S3_PART_BYTES=5242880
s3() { /usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"; }
url() { printf 'file://%s/%s' "$WORK" "$1"; }
keys() { s3 GET 'imgp-dst?list-type=2' | grep -o '<Key>[^<]*' | wc -l; }
uploads() { s3 GET 'imgp-dst?uploads=' | grep -o '<UploadId>' | wc -l; }
head -c "${MB:-24}000000" /dev/urandom >large

# The three of them, each to a key of its own.
operation() {
	case $1 in
	upload) from=$(url large) multipart=5242880 copy=5242880 ;;
	copy) from=s3://imgp-src/large multipart=5242880 copy=5368709120 ;;
	copy-in-parts) from=s3://imgp-src/large multipart=5242880 copy=5242880 ;;
	esac
	export IMGP_S3_MULTIPART_BYTES=$multipart IMGP_S3_COPY_BYTES=$copy
}
whole() { s3 GET "imgp-dst/$1" >seen 2>/dev/null && cmp -s large seen; }
killed() {		# killed OPERATION
	operation "$1"
	start=$(date +%s%N)
	imgp-s3cp "$from" s3://imgp-dst/timed
	span=$((($(date +%s%N) - start) / 1000000))
	s3 DELETE imgp-dst/timed
	bad='' cut=0 seen=0 open=0 resumed=0
	for ((i = 1; cut < KILLS && i <= 5 * KILLS; i++)); do
		key="$i-$RANDOM"
		imgp-s3cp "$from" "s3://imgp-dst/$key" 2>/dev/null &
		pid=$!
		ms=$((RANDOM % (span + 10)))
		sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
		kill -KILL $pid 2>/dev/null
		{ wait $pid; } 2>/dev/null
		[ $? -ne 137 ] || cut=$((cut + 1))
		if whole "$key"; then
			seen=$((seen + 1))
		elif ! grep -q NoSuchKey seen; then
			bad="$bad [$i at $ms: torn]"
		fi
		[ "$(uploads)" = 0 ] || open=$((open + 1))
		imgp-s3cp -v "$from" "s3://imgp-dst/$key" 2>err ||
			bad="$bad [$i at $ms, again: $(cat err)]"
		! grep -q 'sent before' err || resumed=$((resumed + 1))
		whole "$key" || bad="$bad [$i at $ms, again: wrong]"
		[ "$(keys) $(uploads)" = '1 0' ] ||
			bad="$bad [$i at $ms: $(keys) keys, $(uploads) uploads]"
		s3 DELETE "imgp-dst/$key"
	done
	is "$bad" '' "$server, $1: killed $cut times, seed $SEED (R1)"
	echo "# of $((i - 1)) attempts; seen whole $seen times, an upload open $open times, gone on" \
		"with $resumed times"
}

for server in ${SERVERS:-rgw ${LONG:+swift}}; do
	"$ROOT/scripts/s3-server" start "$WORK/$server" "$server" >server.env \
		2>server.err || no_server "no $server: $(tail -1 server.err)"
	at_end "'$ROOT/scripts/s3-server' stop '$WORK/$server'"
	# shellcheck source=/dev/null
	. ./server.env
	for b in src dst; do s3 PUT "imgp-$b"; done
	IMGP_S3_MULTIPART_BYTES=5242880 imgp-s3cp "$(url large)" s3://imgp-src/large
	for op in ${OPERATIONS:-${LONG:+upload copy} copy-in-parts}; do killed "$op"; done
	"$ROOT/scripts/s3-server" stop "$WORK/$server"
done
done_testing
