#!/bin/bash
# The whole run with four S3 places: the same ends as with directories.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
world
"$ROOT/scripts/s3-server" start "$WORK/server" rgw >server.env 2>server.err ||
	no_server "no rgw: $(tail -1 server.err)"
at_end "'$ROOT/scripts/s3-server' stop '$WORK/server'"
# shellcheck source=/dev/null
. ./server.env
unset AWS_PROFILE AWS_CA_BUNDLE AWS_SESSION_TOKEN
export HOME=$WORK LC_ALL=C.UTF-8
s3() { /usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"; }
# What lies in a bucket: keys, sizes, times, one object a line.
objects() { s3 GET "$1?list-type=2" | grep -o '<Contents>.*' | sed 's/<Contents>/\n&/g' |
	grep -o '<Key>.*</ETag>'; }
count() { objects "$1" | grep -c "<Key>${2-}" || :; }
sql() { psql -X -q -At -d "$IMGP_DATABASE" -c "$1"; }

for b in source tmp img log; do s3 PUT "imgp-$b"; done
imgp-s3cp -r -j 4 "file://$WORK/source" s3://imgp-source/ || exit 1
export IMGP_SOURCE=s3://imgp-source IMGP_TEMP=s3://imgp-tmp \
	IMGP_DESTINATION=s3://imgp-img IMGP_LOGS=s3://imgp-log
ids='1201 1202 1203 1204 1205 1299'
# shellcheck disable=SC2086
exits 1 'a run on S3, one id of it unknown' imgp-run -j 4 $ids
cp out finished
is "$(wc -l <finished)" 6 'a line for each (I1)'
is "$(sql "select string_agg(subjecteventcrffile_id || ' ' || status || ' ' ||
    has_error, ';' order by subjecteventcrffile_id) from pipeline.edcpipelinefile")" \
	'1201 Completed false;1202 Completed false;1203 Completed false;1204 Completed true;1205 Completed true' \
	'the rows as with directories'
is "$(count imgp-img quarantine/) $(count imgp-img) $(count imgp-tmp)" '5 5 0' \
	'five objects in quarantine, none in temp (M17)'
mkdir got
imgp-s3cp -r -j 4 s3://imgp-img "file://$WORK/got"
jq -r 'select(.sha256.destination) |
    .sha256.destination + "  " + (.destination | ltrimstr("s3://imgp-img/"))' \
	finished >sums
(cd got && sha256sum --quiet -c ../sums) >sums.out 2>&1
ok $? 'each with the bytes that its line and row name (I2)' || diag <sums.out
is "$(wc -l <sums)" 5 '... all five'
is "$(jq -r 'select(.sha256.destination and .sha256.source == .sha256.destination) |
    .subject_event_crf_file_id' finished | sort | xargs)" '1204 1205' \
	'what was not stamped is as it was uploaded (M28)'
first=$(jq -r 'select(.subject_event_crf_file_id == 1202) | .destination |
    ltrimstr("s3://imgp-img/")' finished)
/usr/bin/python3 -c 'import sys, bare, pydicom
print(pydicom.dcmread(sys.argv[1], force=True)[0x00120071].value)' "got/$first" >id
is "$(cat id)" "$(jq -r 'select(.subject_event_crf_file_id == 1202) |
    .scans[0].series[0].atri_uid' finished)" 'the ATRIUID is in the header (M32)'
is "$(objects imgp-log | grep -c error_log.txt)" 3 \
	'error logs of two files and the unknown id (M64, M66)'
is "$(find spool -type f ! -name .lock)" '' 'nothing is left in the spool'

# --- again: nothing changes (I8) ------------------------------------------------
objects imgp-img >before
exits 0 'again, without the unknown one' imgp-run -j 4 1201 1202 1203 1204 1205
is "$(jq -r .skip out | sort -u)" IMGP-SKIP-DONE 'all are done'
objects imgp-img >after
cmp -s before after; ok $? 'no object is touched'

# --- killed in the middle, run again (R1) ----------------------------------------
for at in 0.3 0.8; do
	setsid imgp-run -j 2 1206 1207 1209 >killed 2>&1 &
	p=$!
	sleep $at
	kill -KILL -- -$p 2>/dev/null
	wait $p 2>/dev/null
done
exits 0 'after two kills' imgp-run -j 2 1206 1207 1209
is "$(sql "select count(*) from pipeline.edcpipelinefile where status = 'Completed'")" 8 \
	'all end Completed'
is "$(count imgp-img) $(count imgp-tmp)" '8 0' \
	'one object each, nothing left in temp (I3, I7)'
done_testing
