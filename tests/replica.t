#!/bin/sh
# A real streaming standby: lag, waiting, revisions, failover (M20, M21, R11,
# R12, R16).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/db.sh"
at_end "'$ROOT/scripts/pg' stop '$WORK/standby'"
"$ROOT/scripts/pg" standby "$WORK/standby" "$WORK/pg" >address || exit 1
STANDBY=$(sed -n "s/^IMGP_DATABASE='\(.*\)'/\1/p" address)
IMGP_REPLICA=$(echo "$STANDBY" | sed 's/user=postgres/user=lookup/')
on_standby() { psql -X -q -At -v ON_ERROR_STOP=1 -d "$STANDBY" "$@"; }
export IMGP_WAIT=0
code() { jq -r '.skip // .errors[-1].error_code // .edc_pipeline_file.status' "$@"; }
add() { sql -c "insert into edc.subjecteventcrffile values ($1, 5101, 21, 1, 'v1', '.zip')"; }
# Until the standby has replayed what the primary has written.
caught_up() {
	lsn=$(sql -c 'select pg_current_wal_lsn()')
	until [ "$(on_standby -c "select pg_last_wal_replay_lsn() >= '$lsn'")" = t ]
	do sleep 0.05; done
}
# Replay is paused when the standby says so, not when it was asked to.
pause() {
	on_standby -c 'select pg_wal_replay_pause()' >/dev/null
	until [ "$(on_standby -c 'select pg_get_wal_replay_pause_state()')" = paused ]
	do sleep 0.05; done
}
received() {
	lsn=$(sql -c 'select pg_current_wal_lsn()')
	until [ "$(on_standby -c "select pg_last_wal_receive_lsn() >= '$lsn'")" = t ]
	do sleep 0.05; done
}

caught_up
exits 0 'lookup on a standby' imgp-lookup 1201
is "$(jq .replica_lag_s out)" 0 'that has replayed all is not behind (M21)'
mv out in
exits 75 'a record keeping on a standby' env IMGP_DB_WAIT=0 \
    IMGP_DATABASE="$(echo "$STANDBY" | sed 's/user=postgres/user=record/')" \
    imgp-record start <in
is "$(code out)" IMGP-DB-UNAVAILABLE 'writes nothing (25006)'

# --pending has the full difference noted on the primary; the standby goes by it once
# it has it (M6).
all='1201 1202 1203 1204 1205 1206 1207 1208 1209 '
pending() { imgp-lookup --pending | jq -r .subject_event_crf_file_id | sort -n | tr '\n' ' '; }
is "$(pending)" "$all" '--pending on a standby'
caught_up
is "$(on_standby -c 'select count(*), bool_and(pipeline.is_swept(72000)) from pipeline.sweep')" '1|t' \
    'notes its full difference on the primary'
is "$(pending) $(sql -c 'select count(*) from pipeline.sweep')" "$all 1" 'and goes by it'

if is_long; then
# After a clean restart the receiver begins at its segment, behind what was
# replayed before: nothing is missing all the same (M21).
streams() {
	until [ "$(on_standby -c "select count(*) from pg_stat_wal_receiver
	    where status = 'streaming'")" = 1 ]; do sleep 0.05; done
}
"$ROOT/scripts/pg" restart "$WORK/standby"
streams
is "$(on_standby -c 'select pg_last_wal_receive_lsn() <
    pg_last_wal_replay_lsn()')" t 'a restarted standby has replayed more than it received since'
exits 0 'lookup on it, the primary being idle' imgp-lookup 1201
is "$(jq .replica_lag_s out)" 0 'it is not behind'
add 1298
caught_up
imgp-lookup 1298 >out
is "$(jq .replica_lag_s out)" 0 'nor once the primary has written'
add 1299
caught_up
"$ROOT/scripts/pg" restart "$WORK/standby"
streams
imgp-lookup 1299 >out
is "$(jq .replica_lag_s out)" 0 'nor after another restart then'
fi

# A standby can tell its age once it has replayed a commit.
add 1300
caught_up

# Paused: the new upload is waited for, the known ones are not.
pause
add 1301
received
mkfifo ids
: >out
imgp-lookup --wait 120s --interval 1s <ids >out 2>err &
pid=$!
exec 9>ids
printf '1301\n1201\n' >&9
until [ -s out ]; do kill -0 $pid || break; sleep 0.05; done
is "$(jq -r .subject_event_crf_file_id out)" 1201 \
    'with replay paused the known upload does not wait (R11)'
is "$(jq '.replica_lag_s > 0' out)" true 'and its line says how far behind (M21)'
printf '1301\n1202\n' >&9
exec 9>&-
until [ "$(wc -l <out)" -ge 2 ]; do kill -0 $pid || break; sleep 0.05; done
on_standby -c 'select pg_wal_replay_resume()' >/dev/null
wait $pid
is "$?" 0 'replay resumed: the new one is found'
is "$(jq -r '[.subject_event_crf_file_id, .skip, .retries.lookup > 0] | @csv' out)" \
    '1201,,false
1202,,false
1301,,true
1301,"IMGP-SKIP-DUPLICATE",true' 'after waiting, once (R11)'
pause
add 1302
received
exits 1 'what does not come in time' imgp-lookup --wait 2s --interval 1s 1302
is "$(jq -c '[.errors[0] | .error_code, .class, .retryable]' out)" \
    '["IMGP-LOOKUP-NOT-FOUND","notfound",true]' 'is not found, for now (M24)'

is "$(pending | grep -c ' 1302 ')" 0 'nor pending there'

# The standby shows an old revision.
sql -c "update edc.subjecteventcrffile set revisionnumber = 2, version_code = 'v2'
    where id = 1201"
received
imgp-lookup 1201 >in
is "$(jq .revision_number in)" 1 'a paused standby shows the old revision'
exits 75 'start' imgp-record start <in
is "$(code out)" IMGP-LOOKUP-STALE 'knows better, and makes no row (R12)'
is "$(sql -c 'select count(*) from pipeline.edcpipelinefile')" 0 'none at all'
on_standby -c 'select pg_wal_replay_resume()' >/dev/null
caught_up
imgp-lookup 1201 | imgp-record start >out
is "$(jq -r '.edc_pipeline_file.revision_number' out)" 2 'looked up again it starts'
is "$(pending | grep -c ' 1302 ')" 1 'and what the standby lacked is pending'

if is_long; then
# A query that is in the way of replay is cancelled by the standby: asked again.
on_standby -c "alter system set max_standby_streaming_delay = 0" \
    -c 'select pg_reload_conf()' >/dev/null
sql -c 'create table public.gone (n int)'
caught_up
upload_view "select 1203::bigint as subject_event_crf_file_id, 'image' as pipeline_code,
    1::bigint as subject_id, 'P' as participant_code, 'E' as event_code,
    'F' as ddcrf_name, 'U' as ddfile_name, 1::bigint as subject_event_crf_id,
    1::bigint as revision_number, 'v' as file_version_code, '' as extension,
    'k' as source_key from (select pg_sleep(case when exists
    (select from public.gone) then 0 else 600 end)) s"
caught_up
: >out
imgp-lookup --wait 10s --interval 1s 1203 >out 2>err &
pid=$!
until [ "$(on_standby -c "select count(*) from pg_stat_activity
    where usename = 'lookup' and wait_event = 'PgSleep'")" = 1 ]; do
	kill -0 $pid || break
	sleep 0.05
done
# It reads public.gone: an exclusive lock, replayed, conflicts with it.
sql -c 'begin; lock table public.gone in access exclusive mode;
    insert into public.gone values (1); commit'
wait $pid
is "$? $(jq -r .ddcrf_name out)" '0 F' \
    'a query that the standby cancels is asked again (R13)'
"$ROOT/scripts/load-sql" "$OWNER"
sql -c "comment on view pipeline.upload is 'imgpipe: sample'"
"$ROOT/scripts/load-sql" "$OWNER" --sample
caught_up
fi

is_long || done_testing	# a sample ends here
# Failover with a lost commit (R16): what the standby never had is gone, and the
# run that believes in it is fenced.
imgp-lookup 1204 1205 >looked
imgp-record start <looked >before
caught_up
# The standby hears no more; the primary goes on alone.
on_standby -c "alter system set primary_conninfo = ''" \
    -c 'select pg_reload_conf()' >/dev/null
until [ -z "$(sql -c 'select pid from pg_stat_replication')" ]; do sleep 0.05; done
jq -c '.subject_event_crf_file_id = 1206 | .revision_number = 1' before |
    head -1 | jq -c 'del(.edc_pipeline_file)' >in
exits 0 'a commit that only the primary has' imgp-record start <in
cp out lost
"$ROOT/scripts/pg" crash "$WORK/pg"
"$ROOT/scripts/pg" promote "$WORK/standby"
IMGP_DATABASE=$(echo "$STANDBY" | sed 's/user=postgres/user=record/')
is "$(on_standby -c "select count(*) from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1206")" 0 'is gone after the failover'
jq -c '.scans = []' lost >in
exits 75 'its run' imgp-record scans <in
is "$(code out)" IMGP-SKIP-BUSY 'is fenced (R16)'
jq -c '.scans = []' before >in
exits 0 'a run whose commit was there' imgp-record scans <in
is "$(code out | uniq)" 'In Progress' 'goes on'
imgp-lookup 1203 >in
exits 0 'a new file' imgp-record start <in
is "$(jq -s '.[0].edc_pipeline_file as $l | .[1].edc_pipeline_file |
    .id > $l.id and .lease != $l.lease' lost out)" true \
    'gets neither the lost row'"'"'s id nor its lease (R16)'
imgp-lookup 1206 | imgp-record start >out
is "$(code out)" Started 'and the lost one starts anew'

if is_long; then
# Several hosts: the one that takes writes is found.
"$ROOT/scripts/pg" stop "$WORK/pg"
exits 0 'a connection string with two hosts' env IMGP_DATABASE="host=$WORK/nothing,$(
    echo "$STANDBY" | sed 's/host=\([^ ]*\).*/\1/') dbname=imgpipe user=record" \
    imgp-record release --run "$(jq -r .run out)" </dev/null
fi
done_testing
