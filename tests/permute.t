#!/bin/sh
# Every order of the record keeping's steps: the program tests/c/permute.c, which
# reads LONG and ALL.
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/db.sh"
# Without statistics a plan made for empty tables would read them whole.
sql -c 'alter database imgpipe set enable_seqscan = off'
sql -c "insert into edc.subjecteventcrffile select id, 5101, 21, 1, 'v1', '.zip'
    from generate_series(100000, 110000) id"
IMGP_DATABASE=$OWNER "$BUILD/tests/permute"
