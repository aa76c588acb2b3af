#!/bin/bash
# The spool's budget: work copies of all runs that share a spool take no more of it
# than they may, and nothing fails for it (R70).
. "$(dirname "$0")/lib/lib.sh"
world
check-invariants() { "$ROOT/tests/check-invariants" "$@"; }
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
readonly r1=20261129T090000Z-00000001 r2=20261129T090000Z-00000002
mkdir up
for i in 1 2 3 4 5 6 7; do
	head -c 100000 /dev/urandom >up/f$i
done
head -c 1000000 /dev/urandom >up/f8
export IMGP_SOURCE="file://$WORK/up"
# job RUN N: a line for the upload N, as imgp-record start leaves it.
job() {
	printf '{"v":1,"run":"%s","subject_event_crf_file_id":%d,"source":"%s/f%d","edc_pipeline_file":{"id":%d,"lease":1},"temp":"%s/%d/n"}\n' \
	    "$1" "$2" "$IMGP_SOURCE" "$2" "$2" "$IMGP_TEMP" "$2"
}
# begin RUN: its directory as imgp-run makes it; it is alive while somebody has locked.
begin() { mkdir -m 700 "spool/$1" && touch "spool/$1/lock"; }
# What else there is in the spool.
others() { find spool -mindepth 1 ! -name .lock ! -name lock ! -name .rooms ! -name "2*"; }
copies() { find spool -name upload | wc -l; }
# goes_on N TITLE OPTION...: seven uploads and a large one between them come one by
# one, each once an earlier copy is moved on, never more than N at once.
mkfifo lines
begin $r1
goes_on() {
	local n=$1 title=$2 most=0 line
	shift 2
	for i in 1 2 3 8 4 5 6 7; do job $r1 $i; done >todo
	env "$@" imgp-s3cp -j 4 source local <todo >lines 2>err &
	fetch=$!
	: >moved
	while IFS= read -r line; do
		[ "$(copies)" -le "$most" ] || most=$(copies)
		printf '%s\n' "$line" | imgp-s3cp local temp >>moved
	done <lines
	wait $fetch
	is $? 0 "$title: all come"
	is "$(jq -r 'select(.errors == null).subject_event_crf_file_id' moved |
	    sort | xargs)" '1 2 3 4 5 6 7 8' '... without an error'
	ok $((most > n || most < 1)) "... $n at once at most: $most"
	is "$(others)" '' '... and nothing is left'
	rm -rf temp/*
}
goes_on 2 'a budget of two jobs' IMGP_SPOOL_JOBS=2
if is_long; then
goes_on 2 'a budget of bytes for two' IMGP_SPOOL_BYTES=450000
goes_on 1 'a budget below each upload' IMGP_SPOOL_BYTES=1

imgp-s3cp -r "$IMGP_SOURCE/" s3://src/
IMGP_SOURCE=s3://src
goes_on 2 'from a bucket' IMGP_SPOOL_JOBS=2
goes_on 1 'from a bucket, a budget below each' IMGP_SPOOL_BYTES=1
IMGP_SOURCE=file://$WORK/up
fi

# --- two runs ---------------------------------------------------------------------
export IMGP_SPOOL_JOBS=1
job $r1 1 >one
job $r2 2 >two
begin $r2
imgp-s3cp source local <one >fetched
exits 0 'what a dead run left' imgp-s3cp source local <two
is "$(jq -r .errors out)" null '... keeps nobody out'
rm -rf spool/$r2
begin $r2
if command -v strace >/dev/null; then
	# looked N: the second run has looked for room so often.
	looked() { [ "$(cat trace 2>/dev/null | grep -c LOCK_EX)" -ge "$1" ]; }
	# A run is alive as long as its lock is held.
	exec 9>>spool/$r1/lock
	flock 9
	strace -f -qq -e trace=flock -o trace imgp-s3cp source local <two >out 2>err &
	second=$!
	until looked 4; do sleep 0.02; done
	[ ! -s out ] && [ "$(copies)" = 1 ]
	ok $? 'the copy of a run that is alive does: it waits'
	imgp-s3cp local temp <fetched >/dev/null
	exec 9>&-
	wait $second
	is $? 0 '... until that is gone'
	is "$(jq -r .errors out)" null '... and then comes'
	rm -rf spool/$r1 spool/$r2
	begin $r1
	begin $r2
	imgp-s3cp source local <one >fetched
	exec 9>>spool/$r1/lock
	flock 9
	rm trace
	strace -f -qq -e trace=flock -o trace imgp-s3cp -j 2 source local <two >out 2>err &
	second=$!
	until looked 4; do sleep 0.02; done
	pkill -TERM -P $second
	wait $second
	ok $(($? == 0)) 'SIGTERM ends one that waits'
	[ ! -s out ] && [ "$(copies)" = 1 ]
	ok $? '... without a line or a copy'
	exec 9>&-
else
	skip 'one run waits for another' 'no strace'
fi
rm -rf spool/$r1 spool/$r2 temp/*

imgp-s3cp source local <one >fetched
exits 0 'outside of a run' imgp-s3cp source local <two
is "$(find spool -name '.rooms')" '' '... there is no budget'
rm -rf spool/$r1 spool/$r2 temp/*

# What is reserved is in one file: a look costs no more when there is much.
begin $r1
for i in 1 2 3 4 5 6 7 8; do job $r1 $i; done >todo
if strace -o /dev/null true 2>/dev/null; then
	exec 9>spool/$r1/lock
	flock 9
	IMGP_SPOOL_JOBS=9 strace -f -e trace=openat,ftruncate -o trace imgp-s3cp -j 1 source local \
	    <todo >fetched 2>err
	exec 9>&-
	is "$(copies)" 8 'eight uploads are fetched'
	n=$(grep -c '"\.rooms"' trace)
	is "$n" 8 '... and each look opens one file'
	ok "$(grep -c ftruncate trace)" '... which is not written anew'
else
	IMGP_SPOOL_JOBS=9 imgp-s3cp -j 1 source local <todo >fetched 2>err
	skip 'the cost of a look' 'no strace'
fi
# What is reserved: for which rows, in the order of their places.
rooms() { od -An -v -w16 -td8 spool/$r1/.rooms | awk 'NF == 2 && $1 { printf "%s%s", s, $1; s = " " }'; }
is "$(rooms)" '1 2 3 4 5 6 7 8' 'each has its place'
head -n 3 fetched | imgp-s3cp local temp >moved
is "$(rooms)" '4 5 6 7 8' '... until its copy is moved on'
# A process died before all of a place was written.
printf 'x' >>spool/$r1/.rooms
IMGP_SPOOL_JOBS=6 timeout 20 imgp-s3cp source local < <(job $r1 1) >fetched 2>err
is $? 0 'five are reserved, and there is room for a sixth'
is "$(rooms)" '1 4 5 6 7 8' '... in a place that was free'
IMGP_SPOOL_JOBS=6 timeout 20 imgp-s3cp source local < <(job $r1 5) >fetched 2>err
is $? 0 'one that is fetched again'
is "$(rooms)" '1 4 5 6 7 8' '... keeps its place'
rm -rf spool/$r1 temp/*

# --- whole runs -------------------------------------------------------------------
export IMGP_SOURCE="file://$WORK/source" IMGP_SPOOL_BYTES=1
uploads 3000 10 source/subjecteventcrffile/301/5112/mri_zip/v1.zip
seq 3000 3004 >ids
seq 3005 3009 >ids2
imgp-run -q --from ids2 >lines2 2>err2 &
second=$!
exits 0 'two runs in a spool with room for one upload' imgp-run --from ids
wait $second
is $? 0 '... both end'
cat ids ids2 >both
cat out lines2 >finished
check-invariants --inputs both --finished finished --mails 0 >faults
ok $? '... with everything delivered (I1-I7)' || diag <faults
is "$(ls -A spool)" .lock '... and nothing left'

# A run that ends removes its lock, then its directory; another one that begins between
# the two would have to give its jobs back first.
if command -v strace >/dev/null; then
	mkfifo hold
	psql -X -q -At -d "$OWNER" <hold >/dev/null &
	exec 8>hold
	strace -f -qq -o trace -e trace=unlinkat -e inject=unlinkat:delay_exit=500000 \
	    imgp-run -q </dev/null 2>err 8>&- &
	first=$!
	until ls spool/2*/lock >/dev/null 2>&1; do sleep 0.02; done
	while ls spool/2*/lock >/dev/null 2>&1; do sleep 0.02; done
	echo "begin; lock table pipeline.edcpipelinefile;" >&8
	imgp-run -q </dev/null 2>err2 8>&- &
	second=$!
	wait $first
	is "$(cat err)" '' 'a run clears up while another begins'
	exec 8>&-
	wait $second
	is "$? $(cat err2)" '0 ' '... which does not do so, too'
	is "$(ls -A spool)" .lock '... and nothing is left'
else
	skip 'a run clears up while another begins' 'no strace'
fi

if is_long; then
# What was to make room is gone: nobody waits for it.
uploads 3200 30 source/subjecteventcrffile/301/5112/mri_zip/v1.zip
seq 3200 3229 >ids
export IMGP_SPOOL_JOBS=3
exits 75 'a stage that stops while another waits for room' \
    env IMGP_DESTINATION="file://$WORK/none" timeout 300 imgp-run -q --from ids
like err 'no more are taken' '... ends the run'
timeout 300 imgp-run -q --from ids >out 2>err &
run=$!
until [ -s out ]; do sleep 0.02; done
pkill -KILL -x imgp-stamp -P "$(pgrep -P $run)"
wait $run
is $? 0 'a stage is killed while another waits for room: the run ends'
check-invariants --inputs ids --finished out --mails 1 >faults
ok $? '... with everything delivered (I1-I7)' || diag <faults

# A disk that holds four of the uploads, of which the run has thirty.
unset IMGP_SPOOL_BYTES IMGP_SPOOL_JOBS
if unshare -m true 2>/dev/null; then
	mkdir big
	head -c 2000000 /dev/urandom >big/noise
	(cd big && cp ../source/subjecteventcrffile/301/5102/ct_file/v1.dcm . && zip -q ../big.zip -- *)
	uploads 3100 30 big.zip
	seq 3100 3129 >ids
	exits 0 'thirty uploads of 2 MB in a spool of 9 MiB' unshare -m sh -c '
	    mount -t tmpfs -o size=9m,mode=700 none spool && exec imgp-run -q --from ids'
	is "$(jq -r 'select(.sha256.destination).subject_event_crf_file_id' out | wc -l)" \
	    30 '... all are delivered'
else
	skip 'thirty uploads of 2 MB in a spool of 9 MiB' 'no right to mount'
fi
fi
done_testing
