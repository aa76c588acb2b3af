#!/bin/sh
# The record keeping in the database: tests/sql/*.sql by pgTAP on a cluster of
# its own.  Each file is a transaction that is rolled back.
. "$(dirname "$0")/lib/lib.sh"
command -v psql >/dev/null || skip_all 'no PostgreSQL here'
at_end "'$ROOT/scripts/pg' stop '$WORK/pg'"
eval "$("$ROOT/scripts/pg" start "$WORK/pg")"
"$ROOT/scripts/load-sql" "$IMGP_DATABASE" --sample || exit 1
sql() { psql -X -q -At -v ON_ERROR_STOP=1 -d "$IMGP_DATABASE" "$@"; }
sql -c 'create extension pgtap' 2>err ||
    skip_all 'no pgTAP for this PostgreSQL'

for f in "$ROOT"/tests/sql/*.sql; do
	# One subtest a file: its own TAP, indented, and one line for it.
	{
		echo 'begin; select * from no_plan();'
		cat "$f"
		echo 'select * from finish(); rollback;'
	} | sql -f - >tap 2>err
	rc=$?
	sed 's/^/    /' tap
	[ "$rc" -eq 0 ] && ! grep -q '^not ok\|^# Looks like' tap
	ok $? "$(sed -n '1s/^-- //p' "$f")" || diag <err
done
done_testing
