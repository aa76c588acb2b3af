# shellcheck shell=sh
# Sourced after lib.sh by tests that want a database: a cluster of the test's
# own with sql/ and the sample EDC.  The tools log in as users that have no more
# than their roles.
command -v psql >/dev/null || skip_all 'no PostgreSQL here'
edc
sql -c "create role lookup login in role imgp_lookup" \
    -c "create role record login in role imgp_record" \
    -c "create role digest login in role imgp_digest"
IMGP_DATABASE=$(echo "$OWNER" | sed 's/user=postgres/user=record/')
IMGP_REPLICA=$(echo "$OWNER" | sed 's/user=postgres/user=lookup/')
IMGP_LEDGER=$(echo "$OWNER" | sed 's/user=postgres/user=digest/')
if [ -n "${POOLER-}" ]; then	# all of it behind a pooler, in that mode
	. "$ROOT/tests/lib/pooler.sh"
	pooler "$POOLER"
	IMGP_DATABASE=$(pooled "$IMGP_DATABASE")
	IMGP_REPLICA=$(pooled "$IMGP_REPLICA")
	IMGP_LEDGER=$(pooled "$IMGP_LEDGER")
fi
IMGP_SOURCE=file://$WORK/source IMGP_TEMP=file://$WORK/temp
IMGP_DESTINATION=file://$WORK/destination
export IMGP_DATABASE IMGP_REPLICA IMGP_LEDGER IMGP_SOURCE IMGP_TEMP \
    IMGP_DESTINATION
