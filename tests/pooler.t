#!/bin/sh
# Behind pgbouncer: no transaction leaves anything in the session, and what
# cannot work there is said.
. "$(dirname "$0")/lib/lib.sh"
[ -x /usr/sbin/pgbouncer ] || skip_all 'no pgbouncer here'
. "$ROOT/tests/lib/db.sh"
. "$ROOT/tests/lib/pooler.sh"
export IMGP_WAIT=0 IMGP_DB_WAIT=0
direct=$IMGP_DATABASE replica=$IMGP_REPLICA
# Waiting holds no connection.
mkfifo ids
imgp-lookup --wait 600s --interval 600s <ids >out 2>err &
pid=$!
exec 9>ids
printf '1201\n1299\n' >&9
until [ -s out ]; do kill -0 $pid || break; sleep 0.05; done
until [ "$(sql -c "select count(*) from pg_stat_activity
    where usename = 'lookup'")" = 0 ]; do kill -0 $pid || break; sleep 0.05; done
kill -0 $pid
ok $? 'imgp-lookup gives its connection back while it waits'
kill $pid
exec 9>&-
wait $pid 2>/dev/null

pooler transaction
IMGP_DATABASE=$(pooled "$direct") IMGP_REPLICA=$(pooled "$replica")
next() { psql -X -q -At -d "$(pooled "$1")" -c "select string_agg(setting, ' '
    order by name) from pg_settings where name in ('search_path',
    'statement_timeout', 'lock_timeout', 'default_transaction_read_only',
    'synchronous_commit', 'client_min_messages',
    'idle_in_transaction_session_timeout')" -c 'select pg_backend_pid()'; }
next "$replica" >before
exits 0 'imgp-lookup behind a pooler in transaction mode' imgp-lookup 1201
next "$replica" >after
cmp -s before after
ok $? 'leaves the session as it found it' || diff before after | diag
cp out in
next "$direct" >before
exits 0 'imgp-record start' imgp-record start <in
next "$direct" >after
cmp -s before after
ok $? 'too' || diff before after | diag
# A session that another client left read-only, with a path of its own.
psql -X -q -d "$IMGP_DATABASE" -c 'set default_transaction_read_only = on' \
    -c "set search_path = nowhere"
mv out in
exits 0 'what others leave there does no harm' imgp-record release <in

# Statement mode.
pooler statement
for t in 'imgp-lookup 1201' 'imgp-record start'; do
	# shellcheck disable=SC2086
	exits 2 "$t in statement mode" env IMGP_DATABASE="$(pooled "$direct")" \
	    IMGP_REPLICA="$(pooled "$replica")" $t </dev/null
	like err 'IMGP-CONFIG: transaction blocks not allowed in statement pooling mode' \
	    'ends with the words of the pooler'
done

# All claims of whole tests; the default run has one.
for t in imgp-record ${LONG:+imgp-digest imgp-run}; do
	POOLER=transaction "$ROOT/tests/$t.t" >claims 2>why
	ok $? "$t.t holds behind the pooler" ||
	    { grep '^not ok' claims; tail -20 why; } | diag
done
done_testing
