# For tests of sharded runs, after world: uploads, a gate at which a run can be held, and
# what must hold afterwards.
small=source/subjecteventcrffile/301/5112/mri_zip/v1.zip
next=5000
# given N: N uploads that were not there before; their ids are in the file ids.
given() {
	uploads $next "$1" "$small"
	seq $next $((next + $1 - 1)) >ids
	next=$((next + $1))
}
check() {		# check TITLE: of ids and lines
	"$ROOT/tests/check-invariants" --inputs ids --finished lines >faults
	ok $? "$1" || { diag <faults; diag <err; }
}
until_there() {		# until_there FILE: two minutes at most
	local end=$((SECONDS + 120))
	until [ -s "$1" ]; do
		[ $SECONDS -lt $end ] || return
		sleep 0.05
	done
}
# An extra program (--with $WORK/gate) that waits while this shell holds the lock.
printf '#!/bin/sh\necho x >>"%s/reached"\nexec flock -s "%s/gate.lock" cat\n' \
    "$WORK" "$WORK" >gate
chmod +x gate
shut() { rm -f reached; exec 8>gate.lock; flock -x 8; }
open() { exec 8>&-; }
start() {		# start ARG...: the driver in the background, $run
	env --default-signal=INT,HUP setsid "$BUILD/bin/imgp-run" "$@" >lines 2>err 8>&- &
	run=$!
}
