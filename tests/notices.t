#!/bin/bash
# The admins are told of each failure once, whatever is killed when (M74).  With
# POINTS (make check-notices: 100 for each way to the record) runs are killed in
# their last third, and with RUNS as many runs of --pending fail; else a sample.
. "$(dirname "$0")/lib/lib.sh"
world
. "$ROOT/tests/lib/api.sh"
export IMGP_DB_WAIT=5s
small=source/subjecteventcrffile/301/5112/mri_zip/v1.zip
cp $small small.zip
head -c 300 small.zip >cut.zip
logs=source/image_pipelines/error_logs
# letters ID: how many letters, by their Message-IDs, tell of the upload.
letters() {
	grep -rlE "^[0-9]+\. upload $1: " mail |
	    while read -r f; do grep -m1 -i '^Message-ID:' "$f"; done | sort -u | wc -l
}
mails() { find mail -type f | wc -l; }

# --- the same fault again is not mailed again ----------------------------------------
# Two objects that are not there, and an upload of which the EDC's data make no name.
uploads 1301 2 small.zip
sql -c 'delete from edc.subjecteventcrffile where id not in (1205, 1301, 1302)' \
    -c "update edc.subject set participant_code = '' where id = 303"
u=source/subjecteventcrffile/301/5101/mri_zip
rm $u/u1301.zip $u/u1302.zip
for ((i = 0; i < ${RUNS:-3}; i++)); do
	imgp-run -q --pending --now >lines 2>err
done
is "$(jq -r .subject_event_crf_file_id lines | sort | tr '\n' ' ')" \
    '1205 1301 1302 ' 'three uploads that fail in each run'
is "$(letters 1205) $(letters 1301) $(letters 1302) $(mails)" '1 1 1 1' \
    "are mailed once in ${RUNS:-3} runs"
imgp-digest 2>err
f=$(grep -l '^Subject: .*failed' mail/new/* | xargs grep -l '^To: admins')
grep -q '^Still failing: [0-9]* files of image, since 20' "$f"
ok $? 'the digest says that they still fail, and since when' ||
    grep -i failing "$f" | diag
log=$(grep -rlE '^upload +1301$' $logs)
like "$log" '^status +Failed' 'the error log says how it stands'
cp small.zip $u/u1301.zip
before=$(mails)
imgp-run -q 1301 >lines 2>err
is "$(jq -r .edc_pipeline_file.status lines) $(mails)" "Completed $before" \
    'delivered at last, it is not mailed'
like "$log" '^status +Completed' 'but its error log says it'
is "$(sql 'select count(*) from pipeline.notice where ts_log is null')" 0 \
    'no log is left to be written'

# More than the record gives at once.
sql "select count(pipeline.lookup_failed(jsonb_build_object('run',
    '20260102T030405Z-00000001', 'subject_event_crf_file_id', i, 'errors',
    '[{\"error_code\":\"IMGP-LOOKUP-NOT-FOUND\",\"error\":\"none\"}]'::jsonb)))
    from generate_series(500001, 502500) i" >made
before=$(mails)
env -u IMGP_SOURCE imgp-notify </dev/null 2>err
is "$(($(mails) - before)) $(grep -l '^Subject: imgpipe: errors with 2500 files$' mail/new/* |
    wc -l)" '1 1' 'a run has one mail, however much failed'

# --- killed -----------------------------------------------------------------------------
serve web || exit 1
export IMGP_API_TOKEN_FILE="$WORK/token"
ms() { echo $(($(date +%s%N) / 1000000)); }
nap() { sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"; }
# fresh: an upload to be delivered, one with errors, one whose object is missing, one
# that the EDC does not know: their ids in the file ids.
id=200000
fresh() {
	id=$((id + 4))
	uploads $id 3 small.zip
	cp cut.zip $u/u$((id + 1)).zip
	rm $u/u$((id + 2)).zip
	seq $id $((id + 3)) >ids
}
# once ID: one letter tells of it, and an error log.
once() {
	[ "$(letters "$1")" -eq 1 ] || echo "$1: $(letters "$1") letters"
	grep -qrE "^upload +$1\$" $logs || echo "$1: no error log"
}
sweep() {		# sweep TITLE: runs by IMGP_DATABASE, killed in their last third
	fresh
	a=$(ms)
	imgp-run -q --from ids >lines 2>err
	took=$(($(ms) - a))
	: >faults
	for ((i = 0; i < points; i++)); do
		fresh
		setsid "$BUILD/bin/imgp-run" -q --from ids >lines 2>err &
		nap $((took * (2 * points + i) / points / 3))
		kill -KILL -- -$! 2>/dev/null
		wait $! 2>/dev/null
		# Its jobs once more: what was told is not told again.
		imgp-run -q --from ids >lines 2>err
		for n in 1 2 3; do
			once $((id + n))
		done >>faults
		[ "$(letters $id)" -eq 0 ] || echo "$id: mailed" >>faults
	done
	[ ! -s faults ]
	ok $? "$1: each failure is told once after $points kills (R2)" || diag <faults
}
points=${POINTS:-$(is_long && echo 3 || echo 1)}
sweep 'by libpq'
DIRECT=$IMGP_DATABASE
export IMGP_REPLICA=$DIRECT IMGP_DATABASE=$API
sweep 'by the pipeline API'
imgp-run --from ids >lines 2>err
unlike err 'are not mailed' 'an API that notes failures needs no ledger'
IMGP_API_REVISIONS=no imgp-notify </dev/null 2>err
like err 'notes no failures, and no ledger is set' 'else imgp-notify says so'
done_testing
