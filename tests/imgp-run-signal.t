#!/bin/bash
# How a run starts and ends: descriptors, signals and a caller of any kind.  With
# RUNS (make check-driver: 10000) so many dry runs are judged, a tenth of them under
# SIGTERM; else a sample.
. "$(dirname "$0")/lib/lib.sh"
world
# with CODE: a shell whose words are run on the tools, its status in the pipe's.
with() { bash -o pipefail -c "$1"; }
starts() {		# starts COMMAND...: how many programs it starts
	strace -f -qq -e trace=execve -o trace "$@" >out 2>err
	grep -c ' = 0$' trace
}

# --- descriptors ------------------------------------------------------------------
exits 2 'a closed standard input is wrong usage' with 'imgp-run <&-'
like err '^imgp-run: standard input: ' 'and is named'
if is_long; then
exits 0 'where nothing is read from it, it may be' with 'imgp-run 1201 <&-'
exits 0 'a closed standard error' with 'imgp-run 1202 2>&-'
is "$(jq -r .edc_pipeline_file.status out)" Completed 'keeps nothing from its work'
fi
for c in 'imgp-run 1206' 'imgp-run -n 1206' 'imgp-lookup 1206'; do
	is_long || [ "$c" = 'imgp-run 1206' ] || continue
	exits 75 "$c >&-: lines that nobody gets are an error" with "$c >&-"
	like err 'standard output: ' 'which is said'
done
exits 141 'a dry run whose reader goes away' with 'imgp-run -n 1201 | head -0'
like err '^imgp-run: ' 'says so'
exits 75 'too few descriptors' with 'ulimit -n 30; imgp-run 1201'
like err '^imgp-run: too few descriptors' 'are named'
if command -v strace >/dev/null; then
	# Its sixth fork is a stage's; bash tries again when its own are refused.
	exits 75 'no room for a process' strace -f -qq -o trace \
		-e inject=clone,clone3,fork,vfork:error=EAGAIN:when=6 \
		imgp-run 1204
	like err 'imgp-stamp: cannot be started: ' 'is said'
	[ ! -s out ] && [ "$(sql "select count(*) from pipeline.edcpipelinefile
	    where subjecteventcrffile_id = 1204")" = 0 ]
	ok $? 'and no job is taken in hand'
else
	skip 'no room for a process' 'no strace'

# --- input --------------------------------------------------------------------------
exits 0 'blank lines' with "printf '\n1203\n \t\r\n' | imgp-run"
is "$(jq -r .subject_event_crf_file_id out)" 1203 'are no jobs'
exits 2 'a blank operand is wrong usage' imgp-run 1203 ' '
fi

# --- what is said -------------------------------------------------------------------
exits 1 'a failed job with -q' with 'imgp-run -q --wait 0 1299'
like err '^imgp-run: .* 1 failed' 'ends with a word on standard error'
if is_long; then
exits 75 'what is paused, with -q' imgp-run -q 1211
like err '^imgp-run: .*paused' 'does, too'
exits 0 '-v' imgp-run -v 1207
for w in 'imgp-lookup -v' 'imgp-record -v finish' 'imgp-notify -v' \
    'imgp-tally --skip 0'; do
	like err "^imgp-run: starts [0-9]+: .*/$w" "names $w"
done
fi

# --- the caller ---------------------------------------------------------------------
if is_long; then
exits 0 'SIGCHLD and SIGPIPE ignored' with "trap '' CHLD PIPE; imgp-run 1209"
exits 0 'signals blocked' env --block-signal imgp-run 1209
exits 0 'no terminal, no environment, the root directory' setsid env -i -C / \
	IMGP_DATABASE="$IMGP_DATABASE" IMGP_SPOOL="$IMGP_SPOOL" \
	IMGP_SOURCE="$IMGP_SOURCE" IMGP_TEMP="$IMGP_TEMP" \
	IMGP_DESTINATION="$IMGP_DESTINATION" IMGP_MAIL="$IMGP_MAIL" "$BUILD/bin/imgp-run" 1209
fi
if command -v strace >/dev/null; then
	uploads 2000 1 source/subjecteventcrffile/301/5112/mri_zip/v1.zip
	n=$(starts imgp-run 2000)
	[ "$n" -le 20 ] && jq -e '.edc_pipeline_file.status == "Completed"' out >d
	ok $? 'a run of one job starts 20 programs at most' ||
		echo "it starts $n" | diag
else
	skip 'a run of one job starts 20 programs at most' 'no strace'
fi

is_long || done_testing	# a sample ends here
# --- stopped, and gone on with ------------------------------------------------------
# in_pass: wait until the stages of ${run} are there.  A copy of imgp-stages has its
# stage's name a moment after it has started: stages are there when eight are named.
named() {
	ps -o args= --ppid "$run" | sed 's,^[^ ]*/,,; s/ *$//' |
	    grep -cxE 'imgp-(notify|record (start|scans|finish)|s3cp .*|lookup)'
}
in_pass() {
	local end=$((SECONDS + 60))
	until pgrep -P "$run" -x imgp-stamp >/dev/null && [ "$(named)" = 8 ]; do
		[ $SECONDS -lt $end ] || return
	done
}
# In a group of its own in this session: SIGTSTP does nothing in an orphaned one.
mkfifo feed
set -m
"$BUILD/bin/imgp-run" <feed >lines 2>err &
run=$!
set +m
exec 7>feed
in_pass
kill -TSTP -- -$run
until [ "$(ps -o stat= -p $run | cut -c1)" = T ]; do :; done
kill -CONT -- -$run
echo 1209 >&7
exec 7>&-
wait $run
is $? 0 'a run that was stopped from the terminal goes on'
is "$(wc -l <lines)" 1 'and does its work'

if is_long; then
# --- the lock -----------------------------------------------------------------------
setsid "$BUILD/bin/imgp-run" <feed >lines 2>err &
run=$!
exec 7>feed
in_pass
lock=$(ls "$WORK"/spool/2*/lock)
held=0
for p in $(pgrep -P $run); do
	case $(ps -o args= -p "$p") in
	*/imgp-run*)	continue ;;	# its script
	esac
	find "/proc/$p/fd" -lname "$lock" | grep -q . || held=1
done
is $held 0 'each stage holds the lock of its run'
exec 7>&-
wait $run

# --- what the stages are copies of -----------------------------------------------------
setsid "$BUILD/bin/imgp-run" <feed >lines 2>err &
run=$!
exec 7>feed
in_pass
is "$(named)" 8 'each stage is there under its own name'
kill -KILL "$(pgrep -P "$run" -x imgp-stages)"
uploads 2001 1 source/subjecteventcrffile/301/5112/mri_zip/v1.zip
echo 2001 >&7
exec 7>&-
wait $run
is $? 0 'a run whose stages have lost what they are copies of goes on'
is "$(jq -r .edc_pipeline_file.status lines)" Completed '... and does its work'
fi

# --- many dry runs ------------------------------------------------------------------
RUNS=${RUNS:-${LONG:+40}}
RUNS=${RUNS:-5}
if ! "$ROOT/tests/lib/dry-runs.py" "$RUNS" 1201 1202 1203 >faults 2>ends; then
	head -20 faults | diag
fi
[ ! -s faults ]
ok $? "$RUNS dry runs, a tenth under SIGTERM: each ends as it says"
diag <ends
[ "$(ls -A spool)" = .lock ]
ok $? 'and leaves nothing behind'
done_testing
