#!/bin/bash
# The fuzz targets that have seeds, on their seeds and on changed ones, without
# libFuzzer; make fuzz-TARGET looks further (R50-R58, R62, R64, F4,
# F40).
. "$(dirname "$0")/lib/lib.sh"
dicom_samples
seed=${SEED:-20240229}
echo "# seed $seed"
n=${RUNS:-${LONG:+1500}}
n=${n:-200}
is_sanitized "$BUILD/bin/imgp-stamp" && n=$((n / 5))
for t in ini json names dicom zip tar gunzip prov stamp respell; do
	# LeakSanitizer cannot look at a process in a sandbox.
	ASAN_OPTIONS=detect_leaks=0 "$ROOT/tests/fuzz/seeds" $t $t || exit 1
	k=$n
	case $t in stamp|respell) k=$((n / 5)) ;; esac	# they read all they write again
	timeout -k 5 200 "$BUILD/tests/fuzz-$t" "$k" "$seed" $t/* >out 2>err
	ok $? "$t: $(cat out) keep its promises" ||
		{ cat err; od -An -tx1 -v failed; } | head -50 | diag
done
done_testing
