#!/bin/bash
# A process that reads an upload killed at each of its system calls, and every
# allocation of imgp-stamp and imgp-s3cp refused: no upload goes on without its id, no
# file is other than it should be, nothing hangs, and no tool dies.  POINTS=N: at N
# points of each kind; by default a sample (make check-cut-short: at all).
. "$(dirname "$0")/lib/lib.sh"
is_sanitized "$BUILD/bin/imgp-stamp" && skip_all 'sanitizers have an allocator of their own'
cut=$BUILD/tests/cut
"$cut" 0 true 3>/dev/null || skip_all 'ptrace(2) is not allowed'
cc -shared -fPIC -O1 -o no-memory.so "$ROOT/tests/lib/no-memory.c" || exit 1
dicom_samples
POINTS=${POINTS:-$(is_long && echo 5 || echo 2)}
cp "$samples/CT_small.dcm" one.dcm
for i in 1 2 3; do cp one.dcm $i.dcm; done
/usr/bin/python3 -m zipfile -c zip.zip [123].dcm
mkdir -p spool/r/1
export IMGP_SPOOL="$WORK/spool" IMGP_STALL=5s
imgp-stamp --id 77.1 -o stamped.zip zip.zip
imgp-dcmscan zip.zip | jq -c ".subject_event_crf_file_id = 7 |
    .local = \"file://$WORK/spool/r/1/upload\" | .scans[].series[].atri_uid = \"77.1\"" >job

# spread MOST: POINTS of 1 to MOST, the same at each run, all where there are so many.
spread() {
	awk -v most="$1" -v n="$POINTS" 'BEGIN {
	    if (n > most) n = most
	    for (i = 0; i < n; i++) printf "%d\n", 1 + int(i * (most - 1) / (n > 1 ? n - 1 : 1))
	}'
}
# fresh: the work copy as it was before.
fresh() {
	rm -rf spool/r/1
	mkdir spool/r/1
	cp zip.zip spool/r/1/upload
}
# judge_job STATUS: ${verdict} is empty where the job that imgp-stamp wrote to out is
# failed or its work copy is stamped, and nothing else is there.
judge_job() {
	verdict=
	if [ "$1" -ge 124 ]; then
		verdict="status $1"
	elif [ ! -s out ]; then
		[ "$1" -ne 0 ] && [ -s err ] || verdict="no line, status $1"
	elif [ "$(jq -r '[.errors // [] | .[] | select(.fatal)] | length' out)" = 0 ]; then
		cmp -s spool/r/1/upload stamped.zip || verdict='goes on without its id'
	elif [ "$1" = 0 ]; then
		verdict='failed, and status 0'
	fi
	# What a tool that died leaves the next one takes away.
	if [ ! -s out ] && [ "$1" = 75 ]; then
		imgp-stamp <job >again 2>>err
		cmp -s spool/r/1/upload stamped.zip || verdict="$verdict not stamped by the next one"
	fi
	[ -z "$(find spool/r/1 -type f ! -name upload ! -name upload.prov)" ] ||
		verdict="$verdict something is left"
	cmp -s spool/r/1/upload zip.zip || cmp -s spool/r/1/upload stamped.zip ||
		verdict="$verdict a work copy that is neither"
}
# judge_file STATUS OUT WANTED: OUT is not there, or is WANTED; nothing else is there.
judge_file() {
	verdict=$(find . there -maxdepth 1 -name "${2##*/}.??????" 2>/dev/null)
	[ "$1" -lt 124 ] || verdict="status $1"
	if [ -e "$2" ]; then
		cmp -s "$2" "$3" || verdict="$verdict other bytes"
	elif [ "$1" = 0 ] || [ ! -s err ]; then
		verdict="$verdict no file, status $1, $(wc -c <err) bytes of reason"
	fi
}
none() {		# none FILE TITLE
	[ ! -s "$1" ]
	ok $? "$2" || diag <"$1"
}

# --- killed ------------------------------------------------------------------
for tool in imgp-stamp imgp-dcmscan; do
	fresh
	"$cut" 0 $tool <job >out 2>err 3>calls
	is "$? $(($(cat calls) > 20))" '0 1' "$tool: its process makes more than 20 calls"
	: >bad
	for n in $(spread "$(cat calls)"); do
		fresh
		"$cut" "$n" $tool <job >out 2>err 3>/dev/null
		status=$?
		judge_job $status
		# The scan changes nothing: it has failed, or has its scans.
		if [ $tool = imgp-dcmscan ]; then
			[ "$verdict" != 'goes on without its id' ] || [ "$(jq '.scans | length' out)" = 0 ] ||
				verdict=
		fi
		[ -z "$verdict" ] || echo "call $n: $verdict" >>bad
	done
	none bad "$tool: its process killed at $(spread "$(cat calls)" | wc -l) of $(cat calls) calls"
done
: >bad
"$cut" 0 imgp-stamp --id 77.1 -o new.zip zip.zip 3>calls
for n in $(spread "$(cat calls)"); do
	rm -f new.zip
	"$cut" "$n" imgp-stamp --id 77.1 -o new.zip zip.zip 2>err 3>/dev/null
	judge_file $? new.zip stamped.zip
	[ -z "$verdict" ] || echo "call $n: $verdict" >>bad
done
none bad 'imgp-stamp by hand, likewise'

# --- no memory ---------------------------------------------------------------
# refused N [NO_MEMORY_ON=1] COMMAND...: its Nth allocation fails, or all from it on.
refused() {
	timeout 60 env NO_MEMORY="$1" LD_PRELOAD="$WORK/no-memory.so" "${@:2}"
}
# allocations COMMAND...: how many it makes.
allocations() {
	rm -f log
	NO_MEMORY_LOG=$WORK/log LD_PRELOAD=$WORK/no-memory.so "$@" >/dev/null 2>&1
	sort -n log | tail -1
}
fresh
most=$(allocations imgp-stamp <job)
ok $((! (most > 100))) "imgp-stamp allocates ($most)"
for on in '' NO_MEMORY_ON=1; do
	: >bad
	for n in $(spread "$most"); do
		fresh
		refused "$n" $on imgp-stamp <job >out 2>err
		judge_job $?
		[ -z "$verdict" ] || echo "allocation $n $on: $verdict" >>bad
	done
	none bad "imgp-stamp: an allocation ${on:+and all after it }refused"
done
# The process that reads makes some of its own after the fork.
: >bad
most=$(allocations imgp-stamp --id 77.1 -o new.zip zip.zip)
for n in $(spread $((most + 400))); do
	rm -f new.zip
	refused "$n" imgp-stamp --id 77.1 -o new.zip zip.zip 2>err
	judge_file $? new.zip stamped.zip
	[ -z "$verdict" ] || echo "allocation $n: $verdict" >>bad
done
none bad 'imgp-stamp by hand, likewise'

mkdir there
most=$(allocations imgp-s3cp "file://$WORK/zip.zip" "file://$WORK/there/a")
ok $((! (most > 100))) "imgp-s3cp allocates ($most)"
for on in '' NO_MEMORY_ON=1; do
	: >bad
	for n in $(spread "$most"); do
		rm -rf there
		mkdir there
		refused "$n" $on imgp-s3cp "file://$WORK/zip.zip" "file://$WORK/there/a" 2>err
		judge_file $? there/a zip.zip
		[ -z "$verdict" ] || echo "allocation $n $on: $verdict" >>bad
	done
	none bad "imgp-s3cp: an allocation ${on:+and all after it }refused"
done
done_testing
