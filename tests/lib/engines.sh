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
	env --default-signal=INT,HUP setsid "$BUILD/bin/imgp-run" "$@" >lines 2>err 5>&- 6>&- 8>&- &
	run=$!
}
# disaster ENGINE NAME COMMAND: COMMAND at a random moment of the ${took} seconds of a
# run of ${many} uploads (24); it goes on by ENGINE, or by local where ${i} is odd.
disaster() {
	local engine=$1 rc tries=0 how
	given "${many:-24}"
	start --engine "$1" --run "$2" -j "${jobs:-8}" --per-shard 3 --shard-jobs 2 \
	    --retry-every 1s --from ids
	sleep "$(awk -v r=$RANDOM -v t="$took" 'BEGIN { print r / 32768 * t }')"
	eval "$3"
	wait $run
	rc=$?
	[ $((i % 2)) = 0 ] || engine=local
	while [ $rc != 0 ] && [ $tries -lt 5 ]; do
		# It may have been killed before it had a run that can be resumed.
		how=(--resume)
		[ -e "$2/ids" ] || how=(--from ids)
		imgp-run --engine $engine --run "$2" "${how[@]}" --retry-every 1s >lines 2>>err
		rc=$? tries=$((tries + 1))
	done
	is $rc 0 "$2: all is delivered in the end" || diag <err
	# Where a worker dies behind its last line there is no other that clears its
	# spool: the next run does, whatever it is of.
	imgp-run -q </dev/null >/dev/null 2>>err
	check "$2: each once, and all agrees (I1-I7)"
}
# lacks PROGRAM...: which of these, or the rights to use them, is not there, in ${why}?
lacks() {
	[ "$(id -u)" = 0 ] || { why='a host name of its own needs root'; return; }
	for _program; do
		PATH=$PATH:/usr/sbin command -v "$_program" >/dev/null ||
			{ why="$_program is not there"; return; }
	done
	return 1
}
