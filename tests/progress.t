#!/bin/bash
# How far a run is, for people, programs and scrapers; and when it halts (F39).
. "$(dirname "$0")/lib/lib.sh"
world
columns='Seq	Host	Starttime	JobRuntime	Send	Receive	Exitval	Signal	Command'

exits 1 'a run with all of it' imgp-run --progress json --joblog jobs --metrics run.prom \
    1201 1202 1204 1299
grep '^{' err >said
[ -s said ] && jq -es 'all(.[]; .jobs == 4 and (.stages | has("fetch")))' said >/dev/null
ok $? 'JSON lines on standard error' || diag <err
is "$(tail -1 said | jq -c '[.jobs, .done, .failed, .left_s, .stages.lookup.finished, .stages.fetch.finished, .stages.finish.finished]')" \
    '[4,4,1,0,4,3,4]' 'the last one has all counts'
is "$(tail -1 said | jq -c .bytes)" \
    "$(jq -s '[.[] | (.bytes.source // 0), (.bytes.destination // 0)] | add' out)" 'and all bytes'
# Stage times: of the stages that each job was in.
is "$(jq -c 'select(.subject_event_crf_file_id == 1201) | .stage_ms | keys' out)" \
    '["deliver","fetch","finish","lookup","scan","scans","stage","stamp","start"]' \
    'each stage notes how long a job took'
is "$(jq -c 'select(.subject_event_crf_file_id == 1299) | .stage_ms | has("fetch")' out)" false \
    '... not one that passed it on'
is "$(jq -e 'select(.subject_event_crf_file_id == 1201) | .stage_ms' source/image_pipelines/run_logs/image/*.jsonl | jq -c 'length, (map(numbers) | length)')" \
    "$(printf '9\n9')" '... and the run log has it'
# GNU parallel's job log.
is "$(head -1 jobs)" "$columns" 'the job log has the columns of GNU parallel'
is "$(tail -n +2 jobs | awk -F'\t' '{ print $2, $5, $6, $7, $8, $9 }' | sort -k6)" \
    "$(jq -r '": \(.bytes.source // 0) \(.bytes.destination // 0) \(if .subject_event_crf_file_id > 1203 then 1 else 0 end) 0 imgp-run \(.subject_event_crf_file_id)"' out | sort -k6)" \
    'and of each job size, status and name'
is "$(tail -n +2 jobs | grep -cE "^[1-4]	:	1[0-9]{9}\.[0-9]{3}	[0-9]+\.[0-9]{3}	")" 4 '... number, start and time'
# Metrics.
is "$(grep -cvE '^(# (HELP|TYPE) imgpipe_run_[a-z_]+ .*|imgpipe_run_[a-z_]+(\{stage="[a-z]+"\})? [0-9.e+]+)$' run.prom)" 0 \
    'metrics in the form of Prometheus'
is "$(awk '$1 == "imgpipe_run_status" || $1 == "imgpipe_run_jobs" || $1 == "imgpipe_run_failed" { print $2 }' run.prom | xargs)" \
    '1 4 1' 'with status and counts'
is "$(find . -name "run.prom*") $(stat -c %a run.prom)" './run.prom 644' 'one file, which others may read'
exits 75 'metrics that cannot be written' imgp-run --metrics nowhere/run.prom 1201
like err '^imgp-run: nowhere/run.prom: ' 'are named'
exits 2 'so is a job log' imgp-run --joblog nowhere/jobs 1201
like err 'nowhere/jobs' 'by its name'

# At a terminal.
exits 0 'no terminal' imgp-run 1201
unlike err "$(printf '\r')" '... no status line'
if command -v script >/dev/null; then
	mkfifo ids
	TERM=xterm script -qec 'imgp-run <ids >finished' /dev/null </dev/null >screen 2>&1 &
	pid=$!
	exec 8>ids
	echo 1203 >&8
	until grep -q '1/1 done' screen; do kill -0 $pid 2>/dev/null || break; sleep 0.1; done
	like screen '1/1 done, 0 failed' 'a terminal has a status line'
	like screen 'MB/s' '... with the rate'
	exec 8>&-
	wait $pid
	is "$(jq -r .edc_pipeline_file.status finished)" Completed '... and the run is as ever'
	if is_long; then
	TERM=xterm script -qec 'imgp-run --progress never 1203 >finished' /dev/null </dev/null >screen 2>&1
	unlike screen 'MB/s' '... unless it is not wanted'
	fi
else
	skip 'a terminal has a status line' 'no script(1)'
fi

is_long || done_testing	# a sample ends here
# halts WHEN ID...: the status of a run whose input stays open, and that halts.
mkfifo feed
halts() {
	local when=$1
	shift
	imgp-run --halt "$when" <feed >out 2>err &
	local pid=$!
	exec 8>feed
	printf '%s\n' "$@" >&8
	wait $pid
	local rc=$?
	exec 8>&-
	return $rc
}
halts soon,fail=2 1298 1299
is $? 75 'soon,fail=2: two failed, and the run ends though its input is open'
like err '^imgp-run: halts soon: ' '... and says why'
unlike err 'died of signal' '... nothing else died'
if is_long; then
halts now,fail=1 1299
is $? 75 'now,fail=1'
like err '^imgp-run: halts now: ' '... too'
exits 1 'fail=3 of two' imgp-run --halt now,fail=3 1298 1299
exits 1 'a percentage counts from three on' imgp-run --halt now,fail=50% 1298 1299
halts soon,fail=50% 1297 1298 1299
is $? 75 'three of three are more than half'
exits 1 'one of four is not' imgp-run --halt now,fail=50% 1201 1202 1203 1299
exits 1 'never' imgp-run --halt never 1297 1298 1299
fi
is "$(sql "select count(*) from pipeline.edcpipelinefile where lease_until is not null")" 0 'no lease is left'
is "$(ls spool)" '' 'no spool is left'
for h in soon,fail=0 soon fail=1 now,fail=101% later,fail=1 soon,fail=1x now,done=1; do
	is_long || [ $h = soon,fail=0 ] || continue
	imgp-run --halt "$h" 1201 >out 2>err
	echo "$h $?"
done >got
is "$(grep -vc ' 2$' got)" 0 'what is no such time is refused' || diag <got
exits 2 'a progress that is none' imgp-run --progress=yes 1201
exits 2 'a dry run has no job log' imgp-run -n --joblog jobs 1201
if is_long; then
exits 0 'a delivered run goes on after it' imgp-run -q 1201 1202 1203
fi
done_testing
