#!/bin/sh
# The database's faults behind imgp-api: the same ends as by libpq (M53).
[ -n "${LONG-}" ] || { echo '1..0 # SKIP long: make check-long'; exit; }
CARRIER=http exec sh "$(dirname "$0")/db-faults.t"
