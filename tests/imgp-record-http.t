#!/bin/sh
# imgp-record by HTTP does what it does by libpq: the same tests (M45-M53).
[ -n "${LONG-}" ] || { echo '1..0 # SKIP long: make check-long'; exit; }
CARRIER=http exec sh "$(dirname "$0")/imgp-record.t"
