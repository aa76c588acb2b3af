#!/bin/sh
# Answers of the API that are lost on the way, each after the database has done
# its part: asked again, nothing is done twice (R15, M51, M53).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/db.sh"
. "$ROOT/tests/lib/api.sh"
serve web || exit 1
port=${API#http://127.0.0.1:}
port=${port%/api}
export IMGP_API_TOKEN_FILE="$WORK/token" IMGP_DB_WAIT=30s IMGP_WAIT=0 \
    IMGP_RUN=20260102T030405Z-0000000a
echo over >control
mkfifo ports
"$ROOT/tests/servers/http-cut.py" "$port" control >ports 2>cut.log &
at_end "kill $! 2>/dev/null; wait $! 2>/dev/null"
read -r cut <ports
IMGP_DATABASE=http://127.0.0.1:$cut/api
for_start() { cat; }
for_scans() {
	jq -c '.scans = [{"study_uid": "1", "series": [{"series_uid": "2",
	    "series_number": 1, "number_of_instances": 1}]}]'
}
for_finish() {
	jq -c '.sha256.destination = ("7" * 64) | .errors = [{"stage": "stamp",
	    "error_code": "IMGP-STAMP-SIGNED", "class": "data", "error": "x",
	    "fatal": false, "retryable": false}]'
}
next=2000
sql -c "insert into edc.subjecteventcrffile
    select id, 5101, 21, 1, 'v1', '.zip' from generate_series(2001, 2020) id"
for kind in none half; do
	is_long || [ $kind = half ] || continue
	n=1 cuts=1 all=0
	is_long || n=2
	while [ $cuts -gt 0 ] && [ $n -le 5 ]; do
		next=$((next + 1)) cuts=0
		imgp-lookup $next >out
		for verb in start scans finish; do
			for_$verb <out >in
			echo "$kind $n" >control
			imgp-record $verb <in >out 2>err
			! grep -q over control || cuts=$((cuts + 1))
		done
		echo over >control
		is "$(sql -c "select f.status, f.attempt, f.has_error,
		    f.file_name is not null,
		    (select count(*) from pipeline.edcpipelinefiledicom d
			where d.edcpipelinefile_id = f.id),
		    (select count(*) from pipeline.edcpipelinefileerrorlog l
			where l.edcpipelinefile_id = f.id),
		    (select count(*) from pipeline.outcome o
			where o.edcpipelinefile_id = f.id)
		    from pipeline.edcpipelinefile f
		    where subjecteventcrffile_id = $next")" 'Completed|1|t|t|1|1|1' \
		    "answer $n lost ($kind of it comes): one row, one attempt, nothing twice"
		n=$((n + 1)) all=$((all + cuts))
		is_long || continue 2
	done
	[ $all -ge 7 ] && [ $cuts -eq 0 ]
	ok $? "all were lost: $all"
done
next=$((next + 1))
imgp-lookup $next | imgp-record start >in
echo 'none 2' >control
exits 0 'an answer to release --uncounted is lost' imgp-record release --uncounted <in
is "$(cat control) $(sql -c "select attempt from pipeline.edcpipelinefile
    where subjecteventcrffile_id = $next")" 'over 0' 'one attempt is taken back, not two'
unlike cut.log . 'the proxy had no trouble of its own'
done_testing
