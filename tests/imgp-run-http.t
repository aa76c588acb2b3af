#!/bin/bash
# The same run by libpq and by HTTP: equal lines, rows and files, times, runs and
# leases aside (M53).
. "$(dirname "$0")/lib/lib.sh"
world
. "$ROOT/tests/lib/api.sh"
sql 'select 1' >/dev/null || exit 1
other=${DIRECT/dbname=imgpipe/dbname=other}
end_session
psql -X -q -d "${DIRECT/dbname=imgpipe/dbname=template1}" \
    -c 'create database other template imgpipe' || exit 1
serve web "db=$other" || exit 1
export IMGP_API_TOKEN_FILE="$WORK/token"

# What is in a database, and lines and places after a run.
rows() {
	psql -X -q -At -d "$1" <<-'SQL'
	select 'file', id, edcpipeline_id, subjecteventcrffile_id, revision_number,
	    status, has_error, failed_for_good, error_code, attempt, reopened,
	    file_path, regexp_replace(file_name, '_\d{8}_\d{6}', ''),
	    to_char(ts_create at time zone 'UTC', 'YYYYMMDD_HH24MISS') =
	        substring(file_name from '_(\d{8}_\d{6})'),
	    lease_until, bytes_source, bytes_destination, sha256_source,
	    sha256_destination, source_etag
	from pipeline.edcpipelinefile order by id;
	select 'scan', edcpipelinefile_id, scan_no, atriuid, studyuid, serieuid,
	    serienum, number_of_instances
	from pipeline.edcpipelinefiledicom order by 2, 3;
	select 'error', edcpipelinefile_id, attempt, stage, error_code, error,
	    fatal, retryable
	from pipeline.edcpipelinefileerrorlog order by id;
	select 'outcome', edcpipelinefile_id, attempt, status, has_error, error_code,
	    error from pipeline.outcome order by id;
	SQL
}
lines() {
	jq -cS 'del(.run, .job, .replica_lag_s, .started_ms, .stage_ms, .edc_pipeline_file.lease, .edc_pipeline_file.ended,
	    .edc_pipeline_file.ts_create)' "$1" |
	    sed -E 's/_[0-9]{8}_[0-9]{6}//g; s,spool/[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8},spool,g'
}
files() { (cd images && find . -type f -exec sha256sum {} +) |
    sed -E 's/_[0-9]{8}_[0-9]{6}//' | sort -k 2; }
printf '%s\n' 1201 1202 1203 1204 1205 1206 1207 1208 1209 1210 1211 1212 1299 >ids

imgp-run -j1 --from ids >libpq.out 2>libpq.err
echo "status $?" >libpq
{ lines libpq.out; rows "$DIRECT"; files; } >>libpq
rm -rf images mail spool
mkdir images mail spool
# No IMGP_LEDGER: the admins get their mail all the same.
IMGP_DATABASE=$API IMGP_REPLICA=$other \
    imgp-run -j1 --from ids >http.out 2>http.err
echo "status $?" >http
{ lines http.out; rows "$other"; files; } >>http
is "$(grep -c ^file http) $(grep -c '^outcome' http)" '9 9' \
    'a run by HTTP makes its rows'
diff libpq http >d
ok $? 'and those that a run by libpq makes, and its lines and files (M53)' || {
	diag <d
	diag <http.err
}
is "$(find mail -type f | wc -l)" 1 'one mail to the admins, without an outbox'
exits 2 'a digest wants a database' env IMGP_DATABASE="$API" imgp-digest
like err 'IMGP-CONFIG: .*PostgreSQL' 'and says so'
(umask 077; echo another-token-of-some-length >wrong)
rows "$other" >before
exits 2 'a wrong token' env IMGP_DATABASE="$API" IMGP_REPLICA="$other" \
    IMGP_API_TOKEN_FILE="$WORK/wrong" imgp-run --again 1299
rows "$other" >after
[ ! -s out ] && cmp -s before after
ok $? 'is known before a job is taken in hand'
like err 'IMGP-DB-DENIED' 'with its code'
is "$(grep -cv -e ': IMGP-DB-DENIED: ' -e '^imgp-run: ends' err)" 0 'and nothing else is said'
unlike http.err "$TOKEN" 'the token is not in what it says (R66)'
done_testing
