#!/bin/sh
# What --pending and imgp-status read of many uploads: what is done is not read, and
# nothing is missed (M6, F15).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/db.sh"
N=100000
export IMGP_WAIT=0
ids() { jq -r .subject_event_crf_file_id "$@" | sort -n | tr '\n' ' '; }
pending() { imgp-lookup --pending "$@" 2>err | ids; }
sweeps() { sql 'select count(*) from pipeline.sweep'; }
aged() { sql "update pipeline.sweep set ts = ts - interval '$1'"; }
upload() { sql "insert into edc.subjecteventcrffile values ($1, 5101, 21, 1, 'v1', '.zip')"; }
# delivered WHERE: the uploads for which that holds, as if a run had been there.
delivered() {
	psql -X -q -v ON_ERROR_STOP=1 -d "$OWNER" <<-SQL
	alter table pipeline.edcpipelinefile disable trigger user;
	insert into pipeline.edcpipelinefile (edcpipeline_id, subjecteventcrffile_id,
	    revision_number, file_name, file_path, status, has_error, attempt, lease,
	    ts_finish)
	select p.id, u.id, u.revisionnumber, u.id || '_' || u.revisionnumber, 'q/',
	    'Completed', u.id % 1000 = 7, 1, u.id, now() - interval '1 day'
	from edc.subjecteventcrffile u, pipeline.edcpipeline p
	where p.code = 'image' and $1;
	alter table pipeline.edcpipelinefile enable trigger user;
	insert into pipeline.outcome (edcpipelinefile_id, attempt, lease, status, has_error)
	select f.id, 1, f.lease, f.status, f.has_error from pipeline.edcpipelinefile f
	where f.status = 'Completed' and not exists (select from pipeline.outcome o
	    where o.edcpipelinefile_id = f.id);
	SQL
}

# A load of 10^5.
sql "insert into edc.subjecteventcrffile select i, 5101, 21, 1, 'v' || i, '.zip'
    from generate_series(10001, 10000 + $N) i where i not in (50000, 60000, 100000)"
delivered 'u.id > 10000'
sql 'vacuum analyze'
sample='1201 1202 1203 1204 1205 1206 1207 1208 1209 '
is "$(pending)" "$sample" 'what is pending among 100,000'
is "$(sql 'select count(*), bool_and(whole) from pipeline.sweep')" '1|t' \
    'one full difference was made and noted'
is "$(pending)" "$sample" 'the same again'
is "$(sweeps)" 1 'without one'

# What is read then: no statement goes through a table of uploads or rows.
plans() {		# plans QUERY: of all statements that it leads to
	{
		echo "load 'auto_explain'; set auto_explain.log_min_duration = 0;
		    set auto_explain.log_nested_statements = on;
		    set auto_explain.log_level = log; set client_min_messages = log;"
		echo "$1;"
	} | psql -X -q -At -v ON_ERROR_STOP=1 -d "$OWNER" 2>&1
}
large='Seq Scan on \(edcpipelinefile\|subjecteventcrffile\|outcome\) '
plans "select count(*) from pipeline.due_now(false, 72000)" >plan
like plan 'Query Text: select d\.\* from pipeline\.due d' 'EXPLAIN shows what --pending asks'
is "$(grep -c "$large" plan)" 0 'and no table that grows is read whole'
plans "select pipeline.status('{\"every\": 72000}')" >plan
like plan 'pipeline\.standing' 'EXPLAIN shows what imgp-status asks'
is "$(grep -c "$large" plan)" 0 'nor there'
plans "select count(*) from pipeline.due_now(false, 0)" >plan
is "$(grep -q "$large" plan && echo whole)" whole 'without a difference it is: that finds it'
plans "select count(*) from pipeline.due_now(true, 72000)" >plan
is "$(grep -c "$large" plan)" 0 'nor with --again'

# A digest takes its part of what is new by an index, and reads nothing that was told.
whole() { plans "$1" >plan; grep -c "$large" plan; }
for without in '' ', "without": ["audio"]'; do
	plans "begin; select pipeline.digest_open('{\"every\": 72000$without}'); rollback" >plan
	is "$(grep -c 'using outcome_undigested on outcome' plan)" 2 \
	    "a first digest, of 100,000${without:+, without a pipeline}: by an index, and whether there are more"
done
apart -c "with d as (
    insert into pipeline.digest (until, ts_sent) values (now(), now()) returning id)
    update pipeline.outcome set digest_id = d.id from d where outcome.lease <> 10500"
apart -c 'vacuum analyze pipeline.outcome'
for ask in digest_open digest_preview; do
	is "$(whole "begin; select pipeline.$ask('{\"every\": 72000}'); rollback")" 0 "$ask, one new of 100,000: no table is read whole"
done
is "$(whole "begin; select pipeline.digest_preview('{\"every\": 72000, \"since\": \"$(date -u -d '+1 hour' +%FT%TZ)\"}'); rollback")" 0 \
    'digest_preview of a time without news'
is "$(whole "begin; select pipeline.digest_days('{\"until\": \"2019-01-18T22:00Z\"}'); rollback")" 0 \
    'nor does the chart of other days'
is "$(apart -c "select pipeline.untaken(72000) = pipeline.untaken(0)")" t \
    'what no run has taken is counted as by a full difference'

# What shows up is found: at once, or by the next difference.
upload 200001
is "$(pending)" "${sample}200001 " 'a new upload is there at once'
sql "update edc.subjecteventcrffile set revisionnumber = 2 where id = 20000"
is "$(pending)" "${sample}20000 200001 " 'so is a new revision of an old one, by ts_change'
upload 50000
is "$(pending | grep -c ' 50000 ')" 0 'one that shows up late under an old id is not'
IMGP_SWEEP_EVERY=0 pending >all
is "$(cat all) $(sweeps)" "${sample}20000 50000 200001  1" 'unless all are compared, which notes nothing'
aged '19 hours'
is "$(pending | grep -c ' 50000 ')" 0 '19 hours later nothing is compared'
aged '1 hour'
is "$(pending)" "${sample}20000 50000 200001 " '20 hours later all is, and it is found (M6, F15)'
is "$(sql 'select count(*), count(*) filter (where whole) from pipeline.sweep')" '2|1' \
    'by a difference that used the one before'
upload 100000
is "$(IMGP_SWEEP_EVERY=10m pending | grep -c ' 100000 ')" 0 'another one late'
aged '10 minutes'
is "$(IMGP_SWEEP_EVERY=10m pending | grep -c ' 100000 ')" 1 '... by the setting sweep_every'
exits 2 'more than a day is refused' env IMGP_SWEEP_EVERY=25h imgp-lookup --pending

# What is known and not done is there each time.
sql "insert into pipeline.edcpipelinewaiver (edcpipeline_id, subjecteventcrffile_id, reason)
    select id, 1201, 'x' from pipeline.edcpipeline where code = 'image'"
is "$(pending | grep -c '^1201 ')" 0 'one that is waived'
sql 'delete from pipeline.edcpipelinewaiver where subjecteventcrffile_id = 1201'
is "$(pending | grep -c '^1201 ')" 1 'is back when the waiver is'
claim() (
	export IMGP_RUN=20260102T030405Z-0000000$2
	imgp-lookup "$1" | imgp-record start >started
)
claim 1202 1
is "$(pending | grep -c ' 1202 ') $(pending --now | grep -c ' 1202 ')" '0 1' \
    'one that a run has in hand waits'
imgp-record release --run 20260102T030405Z-00000001
is "$(pending | grep -c ' 1202 ')" 1 'until it has left it'
error() { printf '[{"stage":"fetch","error_code":"%s","class":"x","error":"why","fatal":true,"retryable":%s}]' "$@"; }
fails() { claim "$1" "$2"; jq -c --argjson e "$(error "$3" "$4")" '.errors = $e' started | imgp-record finish >finished 2>/dev/null; }
fails 1203 2 IMGP-STORE-NOT-FOUND true
is "$(pending | grep -c ' 1203 ') $(pending --now | grep -c ' 1203 ')" '0 1' 'one that backs off'
fails 1204 3 IMGP-ARCHIVE-DAMAGED false
is "$(pending --now --again | grep -c ' 1204 ')" 0 'one that failed for good is not there'
claim 1205 4
sql -c "alter table pipeline.edcpipelinefile disable trigger user" \
    -c "update pipeline.edcpipelinefile set status = 'Failed', has_error = true,
	failed_for_good = true, error_code = 'IMGP-STORE-DENIED', lease_until = null,
	ts_finish = now() where subjecteventcrffile_id = 1205" \
    -c "insert into pipeline.edcpipelinefileerrorlog (edcpipelinefile_id, attempt, stage,
	error_code, error, fatal, retryable, run) select id, attempt, 'fetch',
	'IMGP-STORE-DENIED', 'x', true, true, run from pipeline.edcpipelinefile
	where subjecteventcrffile_id = 1205" \
    -c "alter table pipeline.edcpipelinefile enable trigger user"
is "$(pending --now | grep -c ' 1205 ') $(pending --again | grep -c ' 1205 ')" '0 1' \
    'one that failed so by ours is, by --again'
pending >/dev/null
sql "insert into pipeline.repair (edcpipelinefile_id, lease, reason) select id, lease, 'x'
    from pipeline.edcpipelinefile where subjecteventcrffile_id = 30001"
sql "update pipeline.edcpipelinefile set status = 'Failed', has_error = true
    where subjecteventcrffile_id = 30001"
is "$(pending | grep -c ' 30001 ')" 1 'one that was delivered and is opened to be repaired'
is "$(imgp-status --json | jq '.states[] | select(.state == "delivered") | .files')" \
    "$(sql "select count(*) from pipeline.edcpipelinefile where status = 'Completed'
	and not has_error and not has_warning")" 'which imgp-status counts as delivered no more'

# What a difference rests on.
n=$(sweeps)
sql "insert into pipeline.edcpipeline (code, ddfiles) values ('forms', '{25}')"
is "$(pending | grep -c ' 1210 ') $(($(sweeps) - n))" '1 1' \
    'a new pipeline: all is compared, and its old uploads are there'
sql "update pipeline.edcpipeline set ddfiles = '{21}' where code = 'forms'"
is "$(pending --pipeline forms | wc -w)" "$(sql 'select count(*) from edc.subjecteventcrffile where ddfile_id = 21')" \
    'so are 100,000, when it takes their field'
sql "delete from pipeline.edcpipeline where code = 'forms'"
pending >before
delivered 'u.id = 200001 and 200001 > 0'
is "$(imgp-status --json | jq '[.states[] | select(.state == "delivered" or .state == "with errors") | .files] | add')" \
    "$(sql "select count(*) from pipeline.edcpipelinefile where status = 'Completed'")" \
    'rows that were written past the triggers: all is counted anew'
sql -c "alter table pipeline.outcome disable trigger user" -c "delete from pipeline.outcome
	where lease = 40001" -c "alter table pipeline.outcome enable trigger user" \
    -c "alter table pipeline.edcpipelinefile disable trigger user" \
    -c "delete from pipeline.edcpipelinefile where subjecteventcrffile_id = 40001" \
    -c "alter table pipeline.edcpipelinefile enable trigger user"
is "$(pending | grep -c ' 40001 ')" 1 'a row that somebody took away: it is pending again'
sql 'alter table pipeline.edcpipelinefile disable trigger tally_update'
n=$(sweeps)
is "$(pending | grep -c ' 40001 ') $(($(sweeps) - n)) $(sql 'select pipeline.is_swept(72000)')" '1 0 f' \
    'while one of its triggers is off, no difference holds, and none is made'
sql 'alter table pipeline.edcpipelinefile enable always trigger tally_update'
text=$(sql "select pg_get_viewdef('pipeline.upload'::regclass)")
n=$(sweeps)
sql -c "create or replace view pipeline.upload as select * from (${text%;}) v where v.subject_event_crf_file_id <> 1206"
is "$(pending | grep -c ' 1206 ')" 0 'another view'
sql -c "create or replace view pipeline.upload as ${text%;}"
is "$(pending | grep -c ' 1206 ') $(($(sweeps) - n))" '1 2' 'and back: each is compared with anew'

# One that dies half way leaves what was there.
aged '20 hours'
upload 60000
n=$(sweeps)
mkfifo hold
psql -X -q -At -d "$OWNER" <hold >held &
holder=$!
exec 8>hold
echo "begin; lock table pipeline.sweepblock in exclusive mode; select 'has it';" >&8
until [ -s held ]; do kill -0 $holder || break; sleep 0.05; done
imgp-lookup --pending >out 2>err &
pid=$!
waits() { apart -c "select count(*) from pg_stat_activity where wait_event_type = 'Lock'
    and query like '%sweep_make%'"; }
until [ "$(waits)" = 1 ]; do kill -0 $pid || break; sleep 0.05; done
is "$(apart -c "select pipeline.sweep_make('{\"every\": 72000}') #>> '{data,swept}'")" false \
    'while a difference is being made nobody waits for it'
is "$(IMGP_DB_WAIT=0 pending | grep -c ' 60000 ')" 1 'another run reads all, and finds what is late'
kill -9 $pid
wait $pid 2>/dev/null
apart -c "select pg_terminate_backend(pid) from pg_stat_activity
    where query like '%sweep_make%' and pid <> pg_backend_pid()" >/dev/null
until [ "$(waits)" = 0 ]; do sleep 0.05; done
echo 'commit;' >&8
exec 8>&-
wait $holder
is "$(sweeps)" "$n" 'a difference that was killed is none'
is "$(pending | grep -c ' 60000 ') $(($(sweeps) - n))" '1 1' 'the next run makes it, and finds what it would have'

# All the while others work: what is counted and listed is what a full count and a full
# difference say, in the same snapshot.
work() {		# work SEED: uploads come and end, for as long as the file is there
	_i=0
	while [ -e working ]; do
		_i=$((_i + 1))
		_id=$((300000 + $1 * 10000 + _i))
		echo "insert into edc.subjecteventcrffile values ($_id, 5101, 21, 1, 'v1', '.zip');
		select a ->> 'id' as id, a ->> 'lease' as lease from (select pipeline.file_start(
		    '{\"pipeline_code\": \"image\", \"subject_event_crf_file_id\": $_id, \"run\": \"R\"}')
		    #> '{data,edc_pipeline_file}' as a) x \\gset
		select pipeline.file_start(jsonb_build_object('edc_pipeline_file_id', :id, 'lease', :lease,
		    'pipeline_code', 'image', 'subject_event_crf_file_id', $_id, 'file_name', 'w$_id', 'file_path', 'q/'));
		select pipeline.file_scans(jsonb_build_object('edc_pipeline_file_id', :id, 'lease', :lease,
		    'pipeline_code', 'image', 'subject_event_crf_file_id', $_id, 'scans', '[]'::jsonb));
		begin;
		select pipeline.file_finish(jsonb_build_object('edc_pipeline_file_id', :id, 'lease', :lease,
		    'pipeline_code', 'image', 'subject_event_crf_file_id', $_id, 'sha256',
		    jsonb_build_object('destination', repeat('a', 64)), 'has_error', $_id % 3 = 0, 'status',
		    case when $_id % 4 = 0 then 'Failed' else 'Completed' end));
		select pg_sleep(0.05);
		$([ $((_i % 5)) = 0 ] && echo rollback || echo commit);" || break
	done 2>/dev/null | PGAPPNAME=worker psql -X -q -At -d "$OWNER" >/dev/null 2>&1
}
: >working
work 1 & w1=$!
work 2 & w2=$!
cat >compare.sql <<'EOT'
begin isolation level repeatable read;
set local jit = off;
with a as (select pipeline.status('{"every": 72000, "limit": 1000}') -> 'data' as s,
    pipeline.status('{"every": 0, "limit": 1000}') -> 'data' as t),
k as materialized (select d from pipeline.due_now(true, 72000) d),
w as materialized (select d from pipeline.due_now(true, 0) d),
v as materialized (select d from pipeline.due d)
select pipeline.is_swept(72000), s - 'swept' = t - 'swept', s ->> 'swept' is not null,
    not exists (select from k where d not in (select d from v)),
    not exists (select from v where d not in (select d from k)),
    not exists (select from w where d not in (select d from v)),
    (select count(*) from v) = (select count(*) from k)
from a;
commit;
EOT
i=0 moments=3
! is_long || moments=12
while [ $i -lt $moments ]; do
	i=$((i + 1))
	# Every other time all is compared before, and each third their sessions die.
	[ $((i % 2)) = 1 ] || { aged '20 hours'; apart -c "select pipeline.sweep_make('{\"every\": 72000}')" >/dev/null; }
	[ $((i % 3)) != 0 ] || {
		apart -c "select pg_terminate_backend(pid) from pg_stat_activity
		    where application_name = 'worker'" >/dev/null
		wait $w1 $w2
		work $((i + 1)) & w1=$!
		work $((i + 2)) & w2=$!
	}
	apart <compare.sql
done >compared 2>&1
rm working
wait $w1 $w2 2>/dev/null
is "$(sort compared | uniq -c | awk '{ print $1, $2 }')" "$moments t|t|t|t|t|t|t" \
    "counts and lists equal the full ones, at each of $moments moments"
is "$(sql "select count(*) > 5 from pipeline.edcpipelinefile where subjecteventcrffile_id > 300000
    and status = 'Completed'")" t 'while files were delivered'
apart -c 'analyze'
apart <compare.sql >compared
is "$(cat compared)" 't|t|t|t|t|t|t' 'and at rest'

# Where there are few uploads all are compared each time.
sql "create or replace function pipeline.many_uploads() returns bigint language sql immutable
    as 'select 1000000::bigint'"
pending >before
n=$(sweeps)
printf '%s\n' 9999 20002 >late
upload 9999
sql 'update edc.subjecteventcrffile set revisionnumber = 3 where id = 20002'
is "$(pending | tr ' ' '\n' | sort)" "$(tr ' ' '\n' <before | cat - late | sort)" \
    'one late under an old id, and a new revision, are found at once where there are few'
is "$(($(sweeps) - n)) $(sql 'select pipeline.is_swept(72000), pipeline.is_partial(72000)')" '0 t|f' \
    'by no new difference'
is "$(imgp-status --json | jq -c '[.swept, ([.states[] | select(.state == "delivered") | .files] | add)]')" \
    "[null,$(sql "select count(*) from pipeline.edcpipelinefile where status = 'Completed'
	and not has_error and not has_warning")]" 'and imgp-status counts all of them'
# Where one address is both, one session does it all.
aged '20 hours'
before=$(sweeps)
sql 'alter role lookup connection limit 1'
IMGP_DATABASE=$IMGP_REPLICA pending >/dev/null
is "$(sweeps)" $((before + 1)) 'a full difference takes no second connection'
sql 'alter role lookup connection limit -1'
done_testing
