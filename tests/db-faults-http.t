#!/bin/sh
# The database's faults behind imgp-api: the same ends as by libpq (M53).
CARRIER=http exec sh "$(dirname "$0")/db-faults.t"
