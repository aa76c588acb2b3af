#!/bin/bash
# The processes of a run share as many connections as db_connections says.
. "$(dirname "$0")/lib/lib.sh"
world
small=source/subjecteventcrffile/301/5112/mri_zip/v1.zip
sql -c 'create table public.ends ()'
sql -c "create function public.most() returns int language plpgsql as \$\$
	declare n int; most int := 0;
	begin
		loop
			perform pg_stat_clear_snapshot();
			select count(*) into n from pg_stat_activity
			    where backend_type = 'client backend'
			    and application_name <> 'psql';
			most := greatest(most, n);
			exit when exists (select from public.ends);
			perform pg_sleep(0.003);
		end loop;
		return most;
	end \$\$"

# watch; watched MOST TITLE: no more than so many connections at once between them.
watch() {
	sql 'delete from public.ends'
	psql -X -q -At -d "$OWNER" -c 'select public.most()' >most &
	watcher=$!
}
watched() {
	sql 'insert into public.ends default values'
	wait $watcher
	[ "$(<most)" -ge 1 ] && [ "$(<most)" -le "$1" ]
	ok $? "$2: $(<most)"
}
# reaches N: until so many lines are out, or the run is over.
reaches() {
	until [ "$(wc -l <lines)" -ge "$1" ] || ! kill -0 $run 2>/dev/null; do
		sleep 0.02
	done
}
delivered() {		# delivered FIRST LAST
	sql "select count(*) from pipeline.edcpipelinefile where status = 'Completed'
	    and subjecteventcrffile_id between $1 and $2"
}

# All stages are there, and each has asked something: of the last two uploads one is
# not in the bucket, so that its error log is asked for as well.
mkfifo feed
fed() {			# fed CONNECTIONS FIRST N
	uploads "$2" "$3" "$small"
	rm "source/subjecteventcrffile/301/5101/mri_zip/u$(($2 + 1)).zip"
	: >lines
	watch
	IMGP_DB_CONNECTIONS=$1 imgp-run -q <feed >lines 2>err &
	run=$!
	exec 7>feed
	echo "$2" >&7
	reaches 1
	echo $(($2 + 1)) >&7
	reaches 2
	until [ -n "$(find source/image_pipelines -name '*_error_log.txt' -newer feed \
	    2>/dev/null)" ] || ! kill -0 $run 2>/dev/null; do
		sleep 0.02
	done
	seq $(($2 + 2)) $(($2 + $3 - 1)) >&7
	reaches "$3"
	spool=$(echo spool/2*)
	[ -z "${4-}" ] || exits 0 '... and of one beside them, as that which renews' env \
	    IMGP_DB_CONNECTIONS="$1" IMGP_SEATS="$WORK/$spool/seats" \
	    imgp-record -q renew --run "${spool#*/}"
	exec 7>&-
	wait $run
	rc=$?
	is "$rc $(wc -l <lines) $(delivered "$2" $(($2 + $3 - 1)))" "1 $3 $(($3 - 1))" \
	    "a run of $3 uploads with $1 connections delivers them, but for one"
	watched "$1" 'it had no more at once'
	touch feed
}
fed 4 4000 50
fed 1 4100 4 renew
if is_long; then
fed 2 4200 50 renew
fed 3 4300 50
fi

# Who waits for the reader of its lines keeps none from the others.
many=40
is_long && many=200
uploads 4500 $many "$small"
seq 4500 $((4499 + many)) >ids
mkfifo out.fifo
watch
IMGP_DB_CONNECTIONS=1 imgp-run -q --from ids >out.fifo 2>err &
run=$!
exec 8<out.fifo
until [ "$(delivered 4500 $((4499 + many)))" -ge $((many / 4)) ] ||
    ! kill -0 $run 2>/dev/null; do
	sleep 0.1
done
spool=$(echo spool/2*)
exits 0 'while nobody reads the lines, one beside the run has its turn' env \
    IMGP_DB_CONNECTIONS=1 IMGP_SEATS="$WORK/$spool/seats" \
    imgp-record -q renew --run "${spool#*/}"
cat <&8 >lines
wait $run
rc=$?
is "$rc $(wc -l <lines) $(delivered 4500 $((4499 + many)))" "0 $many $many" \
    '... and the run ends as ever'
watched 1 'with one connection'

# A killed process has none; the file goes with the run.
is "$(find spool -name seats)" '' 'nothing is left of it in the spool'
for n in 0 1025 four; do
	exits 2 "db_connections = $n is none" env IMGP_DB_CONNECTIONS=$n imgp-run -q 4000
done
done_testing
