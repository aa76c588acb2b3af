#!/bin/bash
# Each call of a tool that reads or writes, opens or renames, fails with EIO: the tool
# says so and ends non-zero, or does all the same what it should.  POINTS=N: at N calls
# of each command; by default a sample (make check-cut-short: at all).
. "$(dirname "$0")/lib/lib.sh"
is_sanitized "$BUILD/bin/imgp-stamp" && skip_all 'sanitizers make calls of their own'
strace -o /dev/null -e inject=getpid:error=EIO true 2>/dev/null || skip_all 'strace cannot trace here'
world
POINTS=${POINTS:-$(is_long && echo 5 || echo 2)}
export IMGP_RUN=20261129T090000Z-0000abcd
imgp-lookup 1201 | imgp-record start | imgp-s3cp source local | imgp-dcmscan >scanned
imgp-record scans <scanned >with-ids
imgp-stamp <with-ids >stamped
dirs='spool images temp mail'
for d in $dirs; do cp -r $d $d.0; done
fresh() { for d in $dirs there; do rm -rf $d; done; for d in $dirs; do cp -r $d.0 $d; done; }
# Not close(2): strace leaves the file open, as the kernel never does.
calls=openat,read,pread64,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlinkat,mkdirat,ftruncate,lseek,flock,sendfile,copy_file_range
# Not ours: libraries as they are loaded, and what they read for themselves.
theirs='/lib/|ld\.so|/etc/(ssl|gnutls|localtime|nsswitch|passwd|hosts|resolv|host\.conf|gai)|zoneinfo|/proc/|locale|pgpass'
said='^write\(2<'
# each [-t] NAME INPUT COMMAND...: -t, its output is other each time.
each() {
	local other=0 name in call n status
	[ "$1" != -t ] || { other=1; shift; }
	name=$1 in=$2
	shift 2
	fresh
	strace -qq -y -o trace -e trace=$calls -e signal=none "$@" <"$in" >wanted 2>err
	is "$?" 0 "$name" || diag <err
	awk -v theirs="$theirs" -v said="$said" '{ call = $1; sub(/\(.*/, "", call); n[call]++ }
	    $0 !~ theirs && $0 !~ said { print call, n[call] }' trace >points
	: >bad
	while read -r call n; do
		fresh
		timeout -k 5 60 strace -qq -o /dev/null -e trace="$call" \
		    -e inject="$call":error=EIO:when="$n" "$@" <"$in" >out 2>err
		status=$?
		if [ $status -ge 124 ]; then
			echo "$call $n: status $status"
		elif [ $status != 0 ] && [ ! -s err ]; then
			echo "$call $n: status $status without a word"
		elif [ $status = 0 ] && [ ! -s err ] && [ $other = 0 ] && ! cmp -s wanted out; then
			echo "$call $n: status 0, and other output"
		fi >>bad
	done < <(awk -v want="$POINTS" '{ p[NR] = $0 } END {
	    if (want > NR) want = NR
	    for (i = 0; i < want; i++) print p[1 + int(i * (NR - 1) / (want > 1 ? want - 1 : 1))]
	}' points)
	[ ! -s bad ]
	ok $? "... a call of $(wc -l <points) fails" || diag <bad
}
file=source/subjecteventcrffile/301/5102/ct_file/v1.dcm
each 'imgp-stamp by hand' /dev/null imgp-stamp --id 77.1 -o there $file
each 'imgp-dcmscan by hand' /dev/null imgp-dcmscan $file
each 'imgp-s3cp by hand' /dev/null imgp-s3cp "file://$WORK/stamped" "file://$WORK/there"
each 'imgp-dcmscan' with-ids imgp-dcmscan
each 'imgp-stamp' with-ids imgp-stamp
each 'imgp-s3cp local temp' stamped imgp-s3cp local temp
fresh
imgp-s3cp local temp <stamped >staged
for d in $dirs; do rm -rf $d.0; cp -r $d $d.0; done
each 'imgp-s3cp temp destination' staged imgp-s3cp temp destination
each 'imgp-record' scanned imgp-record scans
each 'imgp-tally' staged imgp-tally pass
each 'imgp-notify' staged imgp-notify
each -t 'imgp-lookup' /dev/null imgp-lookup 1201
each -t 'imgp-status' /dev/null imgp-status
each -t 'imgp-digest' /dev/null imgp-digest -n
done_testing
