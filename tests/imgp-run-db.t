#!/bin/bash
# Whole runs over a database that dies, and many of the same uploads at once.
. "$(dirname "$0")/lib/lib.sh"
world
export IMGP_DB_WAIT=60s
small=source/subjecteventcrffile/301/5112/mri_zip/v1.zip
judge() {		# judge FIRST LAST TITLE
	is "$(sql "select count(*), count(distinct file_name), count(*) filter
	    (where status = 'Completed' and not has_error and lease_until is null),
	    (select count(*) from pipeline.outcome o where o.edcpipelinefile_id
		in (select id from pipeline.edcpipelinefile
		where subjecteventcrffile_id between $1 and $2)
		and o.status = 'Completed')
	    from pipeline.edcpipelinefile
	    where subjecteventcrffile_id between $1 and $2")" \
	    "$(($2 - $1 + 1))|$(($2 - $1 + 1))|$(($2 - $1 + 1))|$(($2 - $1 + 1))" "$3"
	"$ROOT/tests/check-invariants" >faults
	ok $? 'rows, objects and mails agree (I1-I7)' || diag <faults
}

# --- the server dies in the middle of a run, three times ------------------------
last=4059 crashes='4014 4029 4044'
is_long || last=4014 crashes=4007
uploads 4000 $((last - 3999)) "$small"
mkfifo feed
: >lines
IMGP_WAIT=60s IMGP_INTERVAL=1s imgp-run -q <feed >lines 2>err &
run=$!
exec 7>feed
n=0
for id in $(seq 4000 $last); do
	echo "$id" >&7
	case " $crashes " in *" $id "*)
		n=$((n + 4))
		until [ "$(wc -l <lines)" -ge $n ]; do
			kill -0 $run 2>/dev/null || break
			sleep 0.05
		done
		"$ROOT/scripts/pg" crash "$WORK/pg"
		"$ROOT/scripts/pg" up "$WORK/pg" ;;
	esac
done
exec 7>&-
wait $run
rc=$?
[ $rc -eq 0 ] || [ $rc -eq 75 ]
ok $? "a run whose database crashed in the middle ends with 0 or 75: $rc (R13, R17)" ||
    diag <err
is "$(wc -l <lines)" $((last - 3999)) 'every line came out'
exits 0 'the run again' imgp-run -q --from <(seq 4000 $last)
judge 4000 $last 'each file is delivered once, under one name'

if is_long; then
# --- it stays away ---------------------------------------------------------------
uploads 4100 3 "$small"
seq 4100 4102 >ids
"$ROOT/scripts/pg" crash "$WORK/pg"
exits 75 'a database that stays away' env IMGP_DB_WAIT=0 imgp-run -q --from ids
is "$(wc -l <out)" 3 'gives every line, and 75 (R17)'
"$ROOT/scripts/pg" up "$WORK/pg"
exits 0 'and is right the next time' imgp-run -q --from ids
judge 4100 4102 'each file is delivered once'

# --- two runs of the same uploads -------------------------------------------------
many=200
is_long || many=12
last=$((4200 + many - 1))
uploads 4200 $many "$small"
seq 4200 $last >ids
tac ids >sdi
imgp-run -q --from ids >one 2>one.err &
a=$!
imgp-run -q --from sdi >two 2>two.err &
b=$!
wait $a; rc=$?
wait $b; rc="$rc $?"
case $rc in '0 0'|'0 75'|'75 0'|'75 75') true ;; *) false ;; esac
ok $? "two runs of the same $many uploads at once end with 0 or 75: $rc (R6)"
judge 4200 $last "$many rows, $many names, $many deliveries, one in each digest (M73)"
is "$(find images -name '*.zip' -newer ids | wc -l)" $many "$many objects"
exits 0 'a digest' imgp-digest
exits 0 'and another' imgp-digest
is "$(sql "select count(*), count(distinct e ->> 'subject_event_crf_file_id')
    from pipeline.digest d, jsonb_array_elements(d.content -> 'files') e
    where d.ts_sent is not null and
    (e ->> 'subject_event_crf_file_id')::bigint between 4200 and $last")" \
    "$many|$many" 'each file stands in exactly one digest (M73)'
fi
done_testing
