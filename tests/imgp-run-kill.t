#!/bin/bash
# Kills and signals: whatever dies, the next run or this one makes it right.  With
# KILLS (make check-kill: 30) each process of a run is killed, and so many whole
# runs; with LONG six of the processes and five runs; else a sample.  With SERVER=rgw
# source, temp and destination are buckets of that server (scripts/s3-server), and the
# directories of the same names hold what is in them.  EACH: so many uploads has each
# run that is killed, and so many at once (4, and as many at once as it likes).
. "$(dirname "$0")/lib/lib.sh"
world
small=source/subjecteventcrffile/301/5112/mri_zip/v1.zip
oracle=$ROOT/tests/check-invariants
if [ -z "${SERVER-}" ]; then
	given() { uploads "$@"; }
	check-invariants() { "$oracle" "$@"; }
else
	"$ROOT/scripts/s3-server" start "$WORK/server" "$SERVER" >server.env \
		2>server.err || no_server "no $SERVER: $(tail -1 server.err)"
	at_end "'$ROOT/scripts/s3-server' stop '$WORK/server'"
	unset AWS_PROFILE AWS_CA_BUNDLE AWS_SESSION_TOKEN
	# shellcheck source=/dev/null
	. ./server.env
	s3() { /usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"; }
	for b in source temp images; do s3 PUT "imgp-$b"; done
	export HOME=$WORK IMGP_SOURCE=s3://imgp-source IMGP_TEMP=s3://imgp-temp \
		IMGP_DESTINATION=s3://imgp-images
	given() {
		uploads "$@"
		imgp-s3cp -qr -j 8 "file://$WORK/source/" s3://imgp-source/ 2>err ||
			{ cat err; exit 1; }
	}
	given 2999 1 "$small"
	# objects BUCKET: key, time and ETag of each, one a line.
	objects() {
		local behind='' page
		while page=$(s3 GET "imgp-$1?list-type=2&start-after=$behind" |
		    grep -o '<Contents>.*' | sed 's/<Contents>/\n&/g' |
		    sed -n 's,.*<Key>\([^<]*\).*<LastModified>\([^<]*\).*<ETag>\([^<]*\).*,\1 \2 \3,p')
		    [ -n "$page" ]; do
			printf '%s\n' "$page"
			behind=$(printf '%s\n' "$page" | tail -1 | sed 's/ .*//; s,/,%2F,g')
		done
	}
	# A probe that a killed process left, .imgp-probe-*, is no object, and goes with a
	# probe an hour later (s3-faults.t).
	look() {
		local b rc=0
		for b in temp images; do
			rm -rf "$b"
			mkdir "$b"
			objects $b | grep -v '^\.imgp-probe-' >$b.objects
			[ ! -s $b.objects ] || imgp-s3cp -qr -j 8 --exclude '.imgp-probe-*' \
				"s3://imgp-$b/" "file://$WORK/$b/" 2>&1 || rc=1
			! s3 GET "imgp-$b?uploads=" | grep '<UploadId>' || rc=1
		done
		return $rc
	}
	check-invariants() {
		local rc=0
		look || rc=1
		if [ "${1-}" = --dump ]; then
			find temp images -exec touch -d @0 {} +
			cat temp.objects images.objects
		fi
		IMGP_SOURCE=file://$WORK/source IMGP_TEMP=file://$WORK/temp \
			IMGP_DESTINATION=file://$WORK/images "$oracle" "$@" && return $rc
	}
fi
delivered() {		# delivered FIRST LAST
	sql "select count(*) from pipeline.edcpipelinefile where status =
	    'Completed' and not has_error
	    and subjecteventcrffile_id between $1 and $2"
}
mails() { find mail -type f | wc -l; }

# start ID...: a run in a process group of its own that is fed through a pipe and
# has finished its first job, an id ${missing} that the EDC does not know, another
# each time: of one that was mailed before nobody is told again.  $run is its process.
missing=9001299
start() {
	missing=$((missing + 1))
	rm -f feed lines
	mkfifo feed
	: >lines
	# A background command of this shell would ignore INT, under nohup(1) HUP, too.
	env --default-signal=INT,HUP setsid "${driver:-$BUILD/bin/imgp-run}" <feed >lines 2>err &
	run=$!
	exec 7>feed
	echo $missing >&7
	tail -n +1 -f --pid=$run lines 2>/dev/null | head -1 >/dev/null
}
# The rest of its input, and its end: the status in $rc.  A run that was killed may
# be gone before it reads this.
finish() {
	[ $# -eq 0 ] || (trap '' PIPE; printf '%s\n' "$@" >&7) 2>/dev/null
	exec 7>&-
	wait $run
	rc=$?
}
# stages: the children of the run, as "PID words of its command".
stages() {
	ps -o pid=,args= --ppid "$run" | sed 's,[^ ]*/,,g; s/^ *//'
}

# until_sql QUERY WANTED: wait, a minute at most, until it answers so.
until_sql() {
	local end=$((SECONDS + 60))
	until [ "$(sql "$1")" = "$2" ]; do
		[ $SECONDS -lt $end ] || return
		sleep 0.05
	done
}

# --- a stage is killed -----------------------------------------------------------
id=3000
given 3000 50 "$small"
stages=(imgp-stamp)
! is_long || stages+=(imgp-lookup 'imgp-record start' 'imgp-s3cp .*temp destination' 'tee -p -a'
    imgp-tally)
[ -z "${KILLS-}" ] || stages+=('imgp-s3cp .*source local' imgp-dcmscan
    'imgp-record scans' 'imgp-s3cp .*local temp' 'imgp-record finish' imgp-notify)
for stage in "${stages[@]}"; do
	before=$(mails)
	start
	pid=$(stages | grep " $stage" | head -1 | cut -d' ' -f1)
	[ -n "$pid" ] && kill -KILL "$pid"
	ok $? "$stage: is there to be killed"
	finish $id $((id + 1))
	is "$rc" 1 "$stage: killed, the run ends as if it had not been (R1)"
	printf '%s\n' $missing $id $((id + 1)) >ids
	check-invariants --inputs ids --finished lines \
	    --mails $((before + 1)) >faults
	ok $? "$stage: one line an id, one mail, nothing left (I1-I7)" || {
		diag <faults
		diag <err
	}
	is "$(delivered $id $((id + 1)))" 2 "$stage: all is delivered"
	id=$((id + 3))
done

# --- one job that kills its stage, whenever it is its turn ------------------------
# The real tools, but the scan of one upload ends its process (R9).
mkdir crash
cp "$BUILD"/bin/imgp-* crash/
cat >crash/imgp-dcmscan <<EOF
#!/bin/bash
while IFS= read -r line; do
	case \$line in
	*'"subject_event_crf_file_id":$id,'*)
		echo x >>"$WORK/crashes"
		kill -KILL \$\$ ;;
	esac
	printf '%s\n' "\$line" | "$BUILD/bin/imgp-dcmscan" "\$@"
done
EOF
printf '%s\n' $((id + 1)) $id $((id + 2)) >ids
before=$(mails)
exits 1 'a job that kills its stage each time' crash/imgp-run --from ids
cp out lines
is "$(wc -l <crashes)" 4 'is tried with the others, then three times alone (R9)'
is "$(jq -r "select(.subject_event_crf_file_id == $id) |
    .errors[0].error_code + \" \" + .edc_pipeline_file.status" lines)" \
	'IMGP-JOB-CRASH Failed' 'and given up (R9)'
is "$(sql "select status, failed_for_good from pipeline.edcpipelinefile
    where subjecteventcrffile_id = $id")" 'Failed|t' 'for good'
is "$(delivered $((id + 1)) $((id + 2)))" 2 'the others are delivered (R9)'
if is_long; then
check-invariants --inputs ids --finished lines --mails $((before + 1)) >faults
ok $? 'with one mail, and all agrees (I1-I7)' || diag <faults
exits 1 'it is not tried again' imgp-run $id
is "$(jq -r .skip out)" IMGP-SKIP-FAILED 'unless asked'
exits 0 'with --again' imgp-run --again $id
is "$(delivered $id $id)" 1 'it is'
fi
id=$((id + 3))

# --- signals (R40) ------------------------------------------------------------------
signals=TERM:143
! is_long || signals='TERM:143 INT:130 HUP:129'
for s in $signals; do
	before=$(mails)
	start
	# A job in the middle of the pipe: the stamp is stopped on it.
	stamp=$(stages | grep ' imgp-stamp' | cut -d' ' -f1)
	kill -STOP "$stamp"
	echo $id >&7
	until_sql "select status from pipeline.edcpipelinefile
	    where subjecteventcrffile_id = $id" 'In Progress'
	kill -${s%:*} $run
	# Handed on by a worker, it is the same signal.
	/bin/kill -q 1 -${s%:*} $run
	kill -CONT "$stamp"
	finish
	is "$rc" "${s#*:}" "${s%:*}: the status says so (R40)"
	is "$(sql "select count(*) from pipeline.edcpipelinefile
	    where lease_until is not null")" 0 "${s%:*}: no lease is held (R40)"
	is "$(ls -A spool)" .lock "${s%:*}: the spool is empty"
	is $(($(mails) - before)) 1 "${s%:*}: what failed is mailed"
	exits 0 "${s%:*}: run again" imgp-run $id
	is "$(delivered $id $id)" 1 "${s%:*}: it is delivered"
	id=$((id + 1))
done
start
stamp=$(stages | grep ' imgp-stamp' | cut -d' ' -f1)
kill -STOP "$stamp"
kill -INT $run
# It was heeded when another stage is gone; the one that is stopped stays.
while stages | grep -q ' imgp-lookup'; do :; done
kill -INT $run
finish
is "$rc" 130 'a second INT ends all at once (R40)'
if is_long; then
exits 0 'and the next run clears up' imgp-run -q $id
check-invariants >faults
ok $? 'wholly (I1-I7)' || diag <faults
id=$((id + 1))
fi

# --- leases are renewed ---------------------------------------------------------------
# The real driver, but with one second for five minutes.
mkdir quick
cp "$BUILD"/bin/imgp-* quick/
sed -i 's/^readonly renew_seconds=300/readonly renew_seconds=1/' quick/imgp-run
grep -q '^readonly renew_seconds=1' quick/imgp-run
ok $? 'a driver with a quick clock'
driver=$WORK/quick/imgp-run
start
driver=
stamp=$(stages | grep ' imgp-stamp' | cut -d' ' -f1)
kill -STOP "$stamp"
echo $id >&7
until_sql "select status from pipeline.edcpipelinefile
    where subjecteventcrffile_id = $id" 'In Progress'
until=$(sql "select lease_until from pipeline.edcpipelinefile
    where subjecteventcrffile_id = $id")
until_sql "select lease_until > '$until' from pipeline.edcpipelinefile
    where subjecteventcrffile_id = $id" t
ok $? 'a lease is renewed while its run goes on'
kill -CONT "$stamp"
finish
is "$rc" 1 'and the run ends as ever'
id=$((id + 1))

# --- the whole run is killed, at any moment (R2) ------------------------------------------
kills=${KILLS:-${LONG:+5}}
kills=${kills:-1}
each=${EACH:-4}
at_once=(${EACH:+-j "$EACH"})
given 4000 $((each * (3 * kills + 1))) "$small"
# Half of them are to be killed before their end and half to end, so that none of what
# they do is out of reach: by that the time within which they are killed is found.
seq 4000 $((3999 + each)) >ids
ms=$(date +%s%3N)
exits 0 "a run of $each" imgp-run -q "${at_once[@]}" --from ids
ms=$(($(date +%s%3N) - ms)) cut=0
for ((i = 1; cut < kills && i <= 3 * kills; i++)); do
	seq $((4000 + each * i)) $((3999 + each * (i + 1))) >>ids
	setsid "$BUILD/bin/imgp-run" -q "${at_once[@]}" --from ids >lines 2>err &
	run=$!
	sleep "$(awk -v r=$RANDOM -v ms=$ms 'BEGIN { print r / 32768 * ms / 1000 }')"
	kill -KILL -- -$run 2>/dev/null
	if wait $run; [ $? -eq 137 ]; then
		ms=$((ms * 5 / 4)) cut=$((cut + 1))
	else
		ms=$((ms * 4 / 5))
	fi
done 2>/dev/null
last=$((3999 + each * i))
[ -z "${KILLS-}" ] || echo "$cut of $((i - 1)) runs were killed before their end, and" \
    "$(delivered $((4000 + each)) $last) of $((each * (i - 1))) files delivered by them" | diag
exits 0 "after $cut runs were killed with all their processes" \
	imgp-run --from ids
cp out lines
check-invariants --inputs ids --finished lines >faults
ok $? 'one more makes all right: no loss, no double (I1-I7, R2)' || diag <faults
is "$(delivered 4000 $last)" $((each * i)) 'every id is delivered'
is "$(find images -name '*_5101_1_*' | wc -l)" \
	"$(sql "select count(*) from pipeline.edcpipelinefile f
	where file_name like '%\_5101\_1\_%' and status = 'Completed'")" \
	'once'
if is_long; then
check-invariants --dump >before
exits 0 'and another' imgp-run -q --from ids
check-invariants --dump >after
cmp -s before after
ok $? 'changes nothing (I8)' || diff before after | head -5 | diag

# The driver alone is killed: its stages end by themselves (R2).
given 90000 1 "$small"
start
kill -KILL $run
finish 90000
timeout 60 flock "$WORK"/spool/2*/lock true
ok $? 'the driver is killed: the last process of the run lets the lock go (R2)'
exits 0 'and the next run' imgp-run -q 90000
is "$(delivered 90000 90000)" 1 'makes it right'
check-invariants >faults
ok $? 'wholly (I1-I7)' || diag <faults
fi
done_testing
