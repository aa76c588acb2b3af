#!/bin/sh
# imgp-record by HTTP does what it does by libpq: the same tests (M45-M53).
CARRIER=http exec sh "$(dirname "$0")/imgp-record.t"
