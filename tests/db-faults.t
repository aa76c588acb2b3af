#!/bin/sh
# The database goes away, refuses, hangs, and answers no more (R13-R17), over the
# carrier that CARRIER names (M53).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/db.sh"
CARRIER=${CARRIER-libpq}
# shellcheck source=/dev/null
[ "$CARRIER" = libpq ] || . "$ROOT/tests/lib/carrier-$CARRIER.sh"
export IMGP_DB_WAIT=60s IMGP_WAIT=0 IMGP_RUN=20260102T030405Z-0000000a
code() { jq -r '.skip // .errors[-1].error_code // .edc_pipeline_file.status' "$@"; }
# The next upload nobody has touched, looked up.
next=2000
sql -c "insert into edc.subjecteventcrffile
    select id, 5101, 21, 1, 'v1', '.zip' from generate_series(2001, 2300) id"
fresh() { next=$((next + 1)); imgp-lookup $next; }
# What the stages between would have added.
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
# What one file's record must be after it went through, whatever happened.
is_right() {		# is_right TITLE
	is "$(sql -c "select f.status, f.attempt, f.has_error,
	    f.file_name is not null,
	    (select count(*) from pipeline.edcpipelinefiledicom d
		where d.edcpipelinefile_id = f.id),
	    (select count(*) from pipeline.edcpipelinefileerrorlog l
		where l.edcpipelinefile_id = f.id),
	    (select count(*) from pipeline.outcome o
		where o.edcpipelinefile_id = f.id)
	    from pipeline.edcpipelinefile f
	    where subjecteventcrffile_id = $next")" 'Completed|1|t|t|1|1|1' "$1"
}

# SQLSTATEs, raised by the database itself: a number of times, for one upload or
# for all.
sql <<'EOT'
create sequence public.fault;
create table public.faulty (state text, times int, victim bigint);
create function public.fault() returns trigger language plpgsql
security definer as $$
declare
	f record;
begin
	for f in select * from public.faulty loop
		if coalesce(f.victim, new.subjecteventcrffile_id) =
		    new.subjecteventcrffile_id and
		    nextval('public.fault') <= f.times then
			raise exception 'staged' using errcode = f.state;
		end if;
	end loop;
	return new;
end $$;
create trigger fault before update on pipeline.edcpipelinefile
    for each row execute function public.fault();
EOT
stage() {		# stage STATE TIMES [VICTIM]
	sql -c "truncate public.faulty" -c "alter sequence public.fault restart" \
	    -c "insert into public.faulty values ('$1', $2, ${3:-null})"
}
redone='40001 40P01 57P01 57P02 57P03 08006 53300 53100 25006 25P03 55P03 57014
    58030'
refused='22012:REQUEST 23514:REQUEST 28000:DENIED 42501:DENIED 42P01:SCHEMA
    42883:SCHEMA 42601:QUERY XX000:QUERY'
# By HTTP they come to the same code, behind imgp-api: some of each kind, unless
# ALL is set (make check-db).  A sample has fewer.
if ! is_long; then
	redone=57P01
	refused=XX000:QUERY
elif [ "$CARRIER" = http ] && [ -z "${ALL-}" ]; then
	redone='40001 57P01 53300 25006'
	refused='22012:REQUEST 42501:DENIED 42P01:SCHEMA XX000:QUERY'
fi
for state in $redone; do
	fresh >in
	stage "$state" 2
	imgp-record start <in >out 2>err
	is "$? $(code out) $(jq .edc_pipeline_file.attempt out)" '0 Started 1' \
	    "SQLSTATE $state twice: the whole transaction is redone (R13)"
done
for pair in $refused; do
	fresh >in
	stage "${pair%:*}" 1000
	imgp-record start <in >out 2>err
	is "$? $(code out) $(sql -c "select last_value from public.fault")" \
	    "75 IMGP-DB-${pair#*:} 1" "SQLSTATE ${pair%:*} is not asked again (R14)"
	{ fresh; fresh; fresh; } >in
	stage "${pair%:*}" 1000 $((next - 1))
	imgp-record start <in >out 2>err
	is "$(code out | tr '\n' ' ')" "Started IMGP-DB-${pair#*:} Started " \
	    'and fails its own job alone'
done
unlike err '2[0-9][0-9][0-9].*2[0-9][0-9][0-9]' 'no value stands in a message'
sql -c "truncate public.faulty"

if [ "$CARRIER" = libpq ]; then
# Sessions that are ended: idle between two jobs, and in the middle of one.
mkfifo fifo
: >out
imgp-record start <fifo >out 2>err &
pid=$!
exec 9>fifo
fresh >&9
until [ -s out ]; do kill -0 $pid || break; sleep 0.05; done
sql -c "select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where usename = 'record'" >killed
fresh >&9
exec 9>&-
wait $pid
is "$? $(cat killed) $(code out | tr '\n' ' ')" '0 t Started Started ' \
    'an idle session is ended: the next job gets another (R13)'
imgp-record scans <out >in
jq -c '.sha256.destination = ("0" * 64)' in >finish.in
fresh >/dev/null; next=$((next - 1))
mkfifo hold
psql -X -q -At -d "$OWNER" <hold >held 2>&1 &
exec 8>hold
echo "begin; select 1 from pipeline.edcpipelinefile where
    subjecteventcrffile_id = $next for update;" >&8
until [ -s held ]; do sleep 0.05; done
: >out
imgp-record finish <finish.in >out 2>err &
pid=$!
until [ "$(sql -c "select count(*) from pg_stat_activity where
    usename = 'record' and wait_event_type = 'Lock'")" = 1 ]; do
	kill -0 $pid || break
	sleep 0.05
done
sql -c "select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where usename = 'record'" >killed
echo 'rollback;' >&8
exec 8>&-
wait $pid
is "$? $(code out | tr '\n' ' ')" '0 Completed Completed ' \
    'one in the middle of its transaction: redone (R13)'
fi

# The outcome of a commit is unknown (R15): the connection is cut at every
# answer of the server, and at every request before it.
mkdir -m 711 proxy
host=$(echo "$OWNER" | sed 's/host=\([^ ]*\).*/\1/')
echo none >proxy/cut
: >proxy/log
"$ROOT/tests/servers/pg-proxy.py" "$host/.s.PGSQL.5432" "$WORK/proxy" >proxy/log 2>&1 &
at_end "kill $!"
until grep -q ready proxy/log; do sleep 0.05; done
through="host=$WORK/proxy dbname=imgpipe user=record"
if [ "$CARRIER" = http ]; then
	serve proxied "db=$through" || exit 1
	through=$API
fi
for kind in reply request; do
	is_long || [ $kind = reply ] || continue
	n=1 cuts=1 all=0
	is_long || n=3
	while [ $cuts -gt 0 ] && [ $n -le 20 ]; do
		fresh >out
		cuts=0
		for verb in start scans finish; do
			for_$verb <out >in
			echo "$kind $n" >proxy/cut
			IMGP_DATABASE=$through imgp-record $verb <in >out 2>err
			! grep -q over proxy/cut || cuts=$((cuts + 1))
			echo none >proxy/cut
		done
		is_right "connections cut at $kind $n: one row, one attempt, nothing twice (R15)"
		n=$((n + 1)) all=$((all + cuts))
		is_long || continue 2
	done
	[ $all -ge 9 ] && [ $cuts -eq 0 ]
	ok $? "all were cut: $all at a $kind"
done

if [ "$CARRIER" = libpq ] && is_long; then
# A server that hangs (R17): its process is stopped while a request is in it.
session() { sql -c "select pid from pg_stat_activity where usename = 'record'"; }
export IMGP_DB_TIMEOUT=2s
for verb in start scans finish; do
	{ fresh; fresh; } >out
	[ $verb = start ] || imgp-record start <out >in
	[ $verb = start ] && cp out in
	[ $verb != finish ] || { for_scans <in | imgp-record scans >out; cp out in; }
	for_$verb <in >two
	rm -f fifo
	mkfifo fifo
	: >out
	until [ -z "$(session)" ]; do sleep 0.05; done
	imgp-record $verb <fifo >out 2>err &
	pid=$!
	exec 9>fifo
	head -1 two >&9
	until [ -s out ]; do kill -0 $pid || break; sleep 0.05; done
	# On a busy machine there may be one more, of a request given up.
	stopped=$(session)
	# shellcheck disable=SC2086
	kill -STOP $stopped
	tail -1 two >&9
	exec 9>&-
	wait $pid
	rc=$?
	# shellcheck disable=SC2086
	kill -CONT $stopped
	until [ -z "$(session)" ]; do sleep 0.05; done
	is "$rc $(jq -r '.edc_pipeline_file.attempt' out | tr '\n' ' ')" \
	    "$([ $verb = finish ] && echo 1 || echo 0) 1 1 " \
	    "a server that hangs during $verb is left for another session (R17)"
	[ $verb = start ] || continue
	is "$(sql -c "select lease_until is not null, attempt from
	    pipeline.edcpipelinefile where subjecteventcrffile_id = $next")" 't|1' \
	    'and what it does when it wakes does not count'
done
is_right 'one end, one outcome, though two sessions were asked'
unset IMGP_DB_TIMEOUT
fi

# The server dies, and comes again.
rm -f fifo
mkfifo fifo
fresh >out
: >started
imgp-record start <fifo >started 2>err &
pid=$!
exec 9>fifo
cat out >&9
until [ -s started ]; do kill -0 $pid || break; sleep 0.05; done
"$ROOT/scripts/pg" crash "$WORK/pg"
fresh_again=$((next + 1))
sed "s/\"subject_event_crf_file_id\":$next/\"subject_event_crf_file_id\":$fresh_again/" \
    out >&9
exec 9>&-
"$ROOT/scripts/pg" up "$WORK/pg"
wait $pid
is "$? $(code started | tr '\n' ' ')" '0 Started Started ' \
    'a server that died is waited for (R17)'
"$ROOT/scripts/pg" crash "$WORK/pg"
for_finish <started >in
exits 75 'one that stays away' env IMGP_DB_WAIT=1s imgp-record finish <in
is "$(jq -r '.errors[-1].error_code' out | uniq -c | tr -s ' ')" \
    ' 2 IMGP-DB-UNAVAILABLE' 'every line comes out (R17)'
"$ROOT/scripts/pg" up "$WORK/pg"
for_scans <started | imgp-record scans | for_finish | imgp-record finish >out 2>err
is "$(code out | uniq -c | tr -s ' ')" ' 2 IMGP-STAMP-SIGNED' \
    'and the rerun ends right'
is "$(sql -c "select status, count(*) from pipeline.edcpipelinefile where
    subjecteventcrffile_id in ($next, $fresh_again) group by 1")" 'Completed|2' \
    'with both files Completed'
done_testing
