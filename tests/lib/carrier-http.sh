# Sourced by imgp-record.t: the record keeping by HTTP, with the same database
# behind it.  DENIED is an API whose own user has not the right; AWAY, none.
. "$ROOT/tests/lib/api.sh"
serve denied "db=$IMGP_LEDGER" || exit 1
DENIED=$API
serve web || exit 1
# Each request is a process and a login of its own: fewer will do, unless ALL is
# set (make check-db).
[ -n "${ALL-}" ] || MANY=6
IMGP_DATABASE=$API AWAY=http://127.0.0.1:1/api
export IMGP_API_TOKEN_FILE="$WORK/token"
