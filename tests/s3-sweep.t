#!/bin/bash
# Every fault at every request of every operation, kills at random moments
# (R1, R20-R24, R29, R30): long, so only make check-long runs it.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
long_only

# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
export IMGP_S3_COPY_BYTES=5242880 IMGP_S3_PATIENCE=60
state() { curl -sS "$AWS_ENDPOINT_URL/-/state" >state && cat state; }
head -c 300000 /dev/urandom >small
head -c 17000000 /dev/urandom >large
for f in small large; do
	imgp-s3cp "$(url $f)" "s3://src/$f"
done

# An operation makes what it makes where nothing lies, and is looked at with
# no fault in the way.
# shellcheck disable=SC2317	# they are called by a name in a variable
{
down() { rm -f back; imgp-s3cp "s3://src/$1" "$(url back)"; }
up() { imgp-s3cp "$(url "$1")" "s3://dst/$n"; }
copy() { imgp-s3cp "s3://src/$1" "s3://dst/$n"; }
}
right() {		# right OPERATION FILE
	if [ "$1" != down ]; then
		rm -f back
		imgp-s3cp "s3://dst/$n" "$(url back)" || return 1
	fi
	cmp -s "$2" back
}

n=0
for op in down up copy; do
	for file in small large; do
		n=$((n + 1))
		faults
		: >server/log
		$op $file
		requests=$(grep -vc ' /-/' server/log)
		bad=
		for what in 'status 500 InternalError' 'status 503 SlowDown' reset \
		    'short 0.5' swallow 'cut-upload 0.5'; do
			for k in $(seq 0 $((requests - 1))); do
				n=$((n + 1))
				faults "$k+1 * . $what"
				$op $file 2>err || bad="$bad [$what at $k: $(cat err)]"
				faults
				right $op $file 2>err ||
					bad="$bad [$what at $k: wrong]"
			done
		done
		is "$bad" '' "$op $file: 6 faults at each of its $requests requests"
		is "$(state | grep -c ^upload)" 0 '... no upload is left open (R29)'
	done
done
is "$(find . -name '.imgp-*')" '' 'no file is left half written'

# Killed at a random moment: what is seen is whole or is not there, and the same
# again ends it.
seed=${SEED:-$RANDOM}
RANDOM=$seed
for op in down up copy; do
	n=$((n + 1))
	start=$(date +%s%N)
	$op large
	whole=$((($(date +%s%N) - start) / 1000000))
	bad='' cut=0
	for i in $(seq "${KILLS:-25}"); do
		n=$((n + 1))
		rm -f back
		$op large 2>/dev/null &
		pid=$!
		ms=$((RANDOM % (whole + 20)))
		sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
		# The function's shell is the parent of the tool.
		pkill -KILL -P $pid 2>/dev/null && cut=$((cut + 1))
		wait $pid 2>/dev/null
		if [ $op = down ]; then
			[ ! -e back ] || cmp -s large back || bad="$bad [$i: torn]"
		elif state >/dev/null && grep -q "^object /dst/$n " state; then
			right $op large || bad="$bad [$i: torn]"
		fi
		$op large 2>err || bad="$bad [$i again: $(cat err)]"
		right $op large || bad="$bad [$i again: wrong]"
	done
	is "$bad" '' "$op: killed $cut times of ${KILLS:-25}, seed $seed (R1, R30)"
	is "$(state | grep -c ^upload)" 0 '... the next attempt clears up (R29)'
done
is "$(find . -name '.imgp-*')" '' '... files too'
done_testing
