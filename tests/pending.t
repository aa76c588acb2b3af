#!/bin/sh
# What --pending takes, and when again (M6, M41).
. "$(dirname "$0")/lib/lib.sh"
world
export IMGP_DB_WAIT=5s
# Uploads 1203 and 1204 are there, the source of 1202 is not, and what the EDC says
# of 1205 makes no name.
sql -c "delete from edc.subjecteventcrffile where id > 1205 or id = 1201" \
    -c "update edc.subject set participant_code = '' where id = 303"
rm source/subjecteventcrffile/*/*/*/* 2>/dev/null
ids() { jq -r .subject_event_crf_file_id "$@" | sort -n | tr '\n' ' '; }
run() { IMGP_RUN=20260102T030405Z-0000000$1; export IMGP_RUN; }
# fails CODE RETRYABLE ID...: a run takes them, and they fail of that.
fails() {
	_e="[{\"stage\":\"fetch\",\"class\":\"x\",\"error_code\":\"$1\",\"error\":\"why\",\"fatal\":true,\"retryable\":$2}]"
	shift 2
	imgp-lookup "$@" 2>/dev/null | imgp-record start | jq -c --argjson e "$_e" \
	    '.errors = (.errors // $e)' | imgp-record finish >finished 2>/dev/null
}
earlier() {		# earlier INTERVAL: all failed so much earlier
	sql -c "update pipeline.edcpipelinefile set ts_finish = ts_finish -
	    interval '$1' where status = 'Failed'" \
	    -c "update pipeline.lookupfailure set ts = ts - interval '$1'"
}
pending() { imgp-lookup --pending "$@" 2>err | ids; }

is "$(pending)" '1202 1203 1204 1205 ' 'all wait for their first run'
run 1
fails IMGP-STORE-NOT-FOUND true 1202
fails IMGP-STORE-DENIED true 1203
fails IMGP-STORE-UNAVAILABLE true 1204
fails IMGP-CONFIG true 1205
is "$(pending)" '1203 1204 ' \
    'what failed by ours or a service is taken at once, its own later'
is "$(pending --now)" '1202 1203 1204 1205 ' '--now takes all'
# What no run would start now: each for its own reason.
imgp-lookup 1203 2>/dev/null | imgp-record start >busy
is "$(pending)" '1204 ' 'what a run has in hand is left out'
is "$(pending --now)" '1202 1203 1204 1205 ' '... but with --now'
sql "update pipeline.edcpipelinefile set lease_until = now() where lease_until is not null"
is "$(pending)" '1203 1204 ' '... and when it has lost it'
imgp-record -q release --uncounted --run "$IMGP_RUN"
sql "update pipeline.edcpipeline set paused = true, paused_until = now() + interval '1 h'
    where code = 'image'"
is "$(pending)" '' 'nothing of a paused pipeline is taken'
is "$(pending --now)" '1202 1203 1204 1205 ' '... but with --now'
sql "update pipeline.edcpipeline set paused_until = now() where code = 'image'"
is "$(pending)" '1203 1204 ' '... and when the pause is over'
is "$(IMGP_BACKOFF=0 pending)" '1202 1203 1204 1205 ' 'so does no backoff'
earlier '10 min'
is "$(pending)" '1202 1203 1204 1205 ' 'after ten minutes they come again'
run 2
fails IMGP-STORE-NOT-FOUND true 1202
fails IMGP-CONFIG true 1205
earlier '59 min'
is "$(pending)" '1203 1204 ' 'then not for an hour'
earlier '1 min'
is "$(pending)" '1202 1203 1204 1205 ' 'when it is over they do'
if is_long; then
run 3; fails IMGP-STORE-NOT-FOUND true 1202
earlier '5 h'
is "$(pending | grep -c 1202)" 0 'then not for six'
earlier '1 h'
is "$(pending | grep -c 1202)" 1 'which end'
for i in 4 5 6; do
	run $i
	fails IMGP-STORE-NOT-FOUND true 1202
	earlier '23 h'
	a=$(pending | grep -c 1202)
	earlier '1 h'
	is "$a $(pending | grep -c 1202)" '0 1' 'then once a day'
done
run 7; fails IMGP-MEMORY true 1202
is "$(pending | grep -c 1202)" 1 'a fault of ours between does not make it wait'
run b; fails IMGP-STORE-INTEGRITY true 1203
is "$(pending | grep -c 1203)" 0 'bytes that are not what their metadata says wait, too'
earlier '10 min'
is "$(pending | grep -c 1203)" 1 'ten minutes at first'
run c; fails IMGP-STORE-DENIED true 1203
sql -c "update edc.subjecteventcrffile set revisionnumber = 2 where id = 1202"
run 8; fails IMGP-STORE-NOT-FOUND true 1202
earlier '10 min'
is "$(pending | grep -c 1202)" 1 'a new revision begins anew'
fi

is_long || done_testing	# a sample ends here
# imgp-status.
exits 0 'the upload that cannot be looked up' imgp-status 1205
like out '^upload 1205: could not be looked up$' 'is said to be one'
like out '  look-up   IMGP-LOOKUP-DATA: ' 'with the error'
like out '^            in 2 runs since 20..-..-..T..:..:..Z, last ' 'and how often'
exits 0 'all' imgp-status
like out '^ *1205 +image +IMGP-LOOKUP-DATA +2 ' 'lists it'
exits 0 'a fault of ours' imgp-status 1203
like out 'IMGP-STORE-DENIED: why' 'is in the history, though not counted'
run 9; fails IMGP-CONFIG true 4242
imgp-status 4242 >out
like out '^  look-up   IMGP-LOOKUP-NOT-FOUND' 'an id that the EDC does not know'

# All that failed, or of a code.
failed() { imgp-lookup --failed "$@" 2>err | ids; }
is "$(failed)" '1202 1203 1204 ' '--failed takes what has a row that failed'
is "$(failed IMGP-STORE-DENIED)" '1203 ' 'of a code'
is "$(failed store-denied STORE-UNAVAILABLE)" '1203 1204 ' 'of two, written as people do'
is "$(failed archive-damaged)" '' 'of one that none failed of'
is "$(failed --pipeline audio)" '' 'of another pipeline'
exits 0 'a dry run' imgp-run -n --again --failed store-denied
is "$(ids out)" '1203 ' 'shows which they are'
exits 2 'a code that is none' imgp-run --again --failed nonsense
like err '^imgp-run: nonsense: no such code' 'is named'
exits 2 '... by imgp-lookup, too' imgp-lookup --failed nonsense
exits 2 '--failed without --again' imgp-run --failed
exits 2 '--failed of what is piped' imgp-run --again --failed --from /dev/null

if is_long; then
# For good; --again.
run a; fails IMGP-ARCHIVE-DAMAGED false 1204
is "$(pending --now --again | grep -c 1204)" 0 'its own and final: not by --again'
is "$(failed archive-damaged)" '1204 ' '--failed has it'
sql -c "insert into pipeline.edcpipelinewaiver (edcpipeline_id, subjecteventcrffile_id, reason)
    select id, 1204, 'x' from pipeline.edcpipeline where code = 'image'"
is "$(failed archive-damaged)" '' 'unless it is waived'
sql 'delete from pipeline.edcpipelinewaiver where subjecteventcrffile_id = 1204'
exits 1 'a run of what failed of a code' env -u IMGP_RUN imgp-run --again --failed archive-damaged
is "$(ids out) $(jq -r '.errors[0].error_code' out)" '1204  IMGP-STORE-NOT-FOUND' 'opens it'
run d; fails IMGP-ARCHIVE-DAMAGED false 1204
sql -c "alter table pipeline.edcpipelinefile disable trigger user" \
    -c "update pipeline.edcpipelinefile set failed_for_good = true, attempt = 1
	where subjecteventcrffile_id = 1203" \
    -c "alter table pipeline.edcpipelinefile enable trigger user"
is "$(pending --now | grep -c 1203)" 0 'what an older release failed for good'
is "$(pending --again | grep -c 1203)" 1 '--again finds, where it was ours'
unset IMGP_RUN
exits 1 'a run of that' imgp-run --pending --again
is "$(jq -r 'select(.subject_event_crf_file_id == 1203) |
    .errors[0].error_code' out)" IMGP-STORE-NOT-FOUND 'opens it'
exits 0 'the next' imgp-run --pending
is "$(wc -l <out)" 0 'has nothing to do'
exits 1 'unless told' imgp-run --pending --now
is "$(ids out)" '1202 1203 1205 ' 'to take them now'

exits 2 '--now without --pending' imgp-run --now 1205
exits 2 'and by itself' imgp-lookup --again 1205
for b in '' x '10m,1h' '1h x' 400d 100000000000000000s; do
	IMGP_BACKOFF=$b imgp-lookup --pending >out 2>err
	echo "${b:-none}: $?"
done >got
holds got 'a setting that is no list of durations is refused' <<'EOT'
none: 0
x: 2
10m,1h: 2
1h x: 2
400d: 2
100000000000000000s: 2
EOT
like err 'IMGP-CONFIG: backoff: not a list of durations' 'by its name'
fi
done_testing
