#!/bin/bash
# Whose fault is it: what the machine, the settings or the account did is never the
# upload's.  Nothing is delivered by it, the rows stay open, the run ends with 75, and
# when it is mended --pending delivers all.
. "$(dirname "$0")/lib/lib.sh"
world
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
uploads 2001 3 source/subjecteventcrffile/301/5102/ct_file/v1.dcm
sql 'delete from edc.subjecteventcrffile where id < 2001'
ids='2001 2002 2003'
rows() {		# rows: of the uploads ${ids}
	sql "select string_agg(status || case when failed_for_good
	    then ' for good' else '' end || ' ' || coalesce(error_code, '-'), ';'
	    order by subjecteventcrffile_id)
	    from pipeline.edcpipelinefile
	    where subjecteventcrffile_id in (${ids// /, })"
}
# How much lies at the destination.
delivered() {
	case $IMGP_DESTINATION in
	s3:*)	state | grep -c /img/ ;;
	*)	find images -type f | wc -l ;;
	esac
}
mended() {
	exits 0 '... mended, --pending' imgp-run --pending
	is "$(rows)" 'Completed -;Completed -;Completed -' \
	    '... delivers all'
}
# ours TITLE CODE WORD COMMAND...: a run fails by a fault of ours, named by WORD.
ours() {
	_of=$1 _code=$2 _word=$3
	shift 3
	# shellcheck disable=SC2086
	exits 75 "$_of" "$@" imgp-run $ids
	like err "$_code: .*$_word" '... is named'
	is "$(rows)" "Failed $_code;Failed $_code;Failed $_code" '... no row is closed'
	is "$(delivered)" 0 '... nothing is delivered'
}

IMGP_DESTINATION=s3://img
ours 'a wrong secret' IMGP-STORE-DENIED SignatureDoesNotMatch \
    env AWS_SECRET_ACCESS_KEY=other
if is_long; then
faults '999 HEAD /img/ status 400 ExpiredToken' '999 PUT /img/ status 400 ExpiredToken'
ours 'an expired token' IMGP-STORE-CREDENTIALS ExpiredToken env
faults '999 PUT /img/ status 403 AccessDenied'
ours 'a policy that denies PUT' IMGP-STORE-DENIED AccessDenied env
faults
# shellcheck disable=SC2086
exits 2 'no credentials' env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY imgp-run $ids
like err 'IMGP-STORE-CREDENTIALS: .*credentials' '... is said before the first claim'
fi
mended

IMGP_DESTINATION=file://$WORK/images
if is_long; then
ids='2004 2005 2006'
uploads 2004 3 source/subjecteventcrffile/301/5102/ct_file/v1.dcm
IMGP_LOGS=file://$WORK/pg.env ours 'a place of logs that is a file' \
    IMGP-PLACE-MISSING pg.env env
mended

# One object in the archive: it alone waits to be restored.
unset IMGP_LOGS
IMGP_SOURCE=s3://src
ids='2007 2008 2009'
uploads 2007 3 source/subjecteventcrffile/301/5102/ct_file/v1.dcm
imgp-s3cp -r "file://$WORK/source/" s3://src/
faults '99 GET /u2008.zip status 403 InvalidObjectState'
# shellcheck disable=SC2086
exits 75 'an object in Glacier' imgp-run $ids
like err '2008: IMGP-STORE-ARCHIVED: .*InvalidObjectState' '... is named'
is "$(rows)" 'Completed -;Failed IMGP-STORE-ARCHIVED;Completed -' '... it alone waits'
faults
mended

# A key that the bucket does not have is the upload's own fault, and may come yet.
faults '99 * /u2010.zip status 404 NoSuchKey'
uploads 2010 1 source/subjecteventcrffile/301/5102/ct_file/v1.dcm
ids=2010
exits 1 'an object that is not there' imgp-run 2010
is "$(rows)" 'Failed IMGP-STORE-NOT-FOUND' '... is the upload'"'"'s, and not for good'
faults '99 GET /u2010.zip status 404 NoSuchBucket'
exits 75 'a bucket that is not there' imgp-run 2010
is "$(rows)" 'Failed IMGP-PLACE-MISSING' '... is ours'
faults
IMGP_SOURCE=file://$WORK/source
fi

is_long || done_testing	# a sample ends here
# What the stamping process meets: never delivered unstamped.
export IMGP_RUN=20261129T090000Z-0000abcd
ids=2012
uploads 2012 1 source/subjecteventcrffile/301/5101/mri_zip/v1.zip
imgp-lookup 2012 | imgp-record start | imgp-s3cp source local | imgp-dcmscan |
	imgp-record scans >line 2>err
# strikes TITLE CODE COMMAND...: COMMAND stamps ${line}.
strikes() {
	_of=$1 _code=$2
	shift 2
	exits 75 "$_of" "$@" <line
	is "$(jq -c '[.errors[0].error_code, .errors[0].fatal]' out)" "[\"$_code\",true]" \
	    '... fails the job'
	imgp-s3cp local temp <out 2>/dev/null | imgp-s3cp --keep temp destination >passed 2>/dev/null
	cmp -s passed out
	ok $? '... and nothing is delivered'
}
before=$(find images -type f | wc -l)
if is_long; then
exits 2 'a typo in stamp_tag' env IMGP_STAMP_TAG='0012;0071 LO' imgp-stamp <line
like err 'IMGP-CONFIG: stamp_tag: ' '... is named'
is "$(wc -c <out)" 0 '... and no job is taken'
fi
# injected CALL FAULT COMMAND...
injected() { strace -f -o /dev/null -e trace="$1" -e inject="$1:$2" "${@:3}"; }
if injected getpid error=EPERM true 2>/dev/null; then
	if is_long; then
	exits 2 'a kernel that refuses the sandbox' \
	    injected prctl error=EPERM imgp-stamp <line
	like err IMGP-SANDBOX '... is found before the first job'
	is "$(cat out)" '' '... which is not taken'
	# The first to be refused is the process that only tries it out; one that
	# works makes one call more.
	strace -f -o calls -e trace=prctl imgp-stamp </dev/null
	strikes 'a sandbox that one process cannot close' IMGP-SANDBOX \
	    injected prctl error=EPERM:when=$(($(grep -c 'prctl(' calls) + 1)) imgp-stamp
	fi
	strikes 'a stamping process that is killed' IMGP-DICOM-CRASH \
	    injected close_range signal=KILL imgp-stamp
	if is_long; then
	# The loader of libraries reads by the same call, in the parent alone.
	strace -o loader -e trace=pread64 imgp-stamp </dev/null
	strikes 'a read error of the disk' IMGP-STORE-IO \
	    injected pread64 error=EIO:when="$(wc -l <loader)"+ imgp-stamp
	exits 75 'a scanning process that is killed' \
	    injected close_range signal=KILL imgp-dcmscan <line
	is "$(jq -c '[.errors[0].error_code, .errors[0].fatal]' out)" \
	    '["IMGP-DICOM-CRASH",true]' '... fails the job'
	fi
else
	for t in 'the sandbox' 'a kill' 'a read error' 'a scan'; do
		skip "$t" 'strace cannot trace here'
	done
# Refused to the stamping process, DCMTK among it, and not to its parent before.
if is_sanitized "$BUILD/bin/imgp-stamp"; then
	skip 'no memory' 'sanitizers have an allocator of their own'
else
	cc -shared -fPIC -O1 -o no-memory.so "$ROOT/tests/lib/no-memory.c" || exit 1
	cp -r spool kept
	NO_MEMORY_LOG=$WORK/log LD_PRELOAD=$WORK/no-memory.so imgp-stamp <line >/dev/null 2>&1
	most=$(cat log)
	for n in $(seq $((most - 400)) 20 "$most"); do
		rm -rf spool
		cp -r kept spool
		NO_MEMORY=$n NO_MEMORY_ON=1 LD_PRELOAD=$WORK/no-memory.so \
		    imgp-stamp <line >out 2>err
		[ ! -s out ] || break
	done
	rm -rf spool
	cp -r kept spool
	strikes 'no memory for the stamping process' IMGP-MEMORY \
	    env NO_MEMORY="$n" NO_MEMORY_ON=1 LD_PRELOAD="$WORK/no-memory.so" imgp-stamp
fi
fi
local=$(jq -r .local line)
mv "${local#file://}" gone
strikes 'a work copy that is gone' IMGP-STORE-IO imgp-stamp
imgp-record finish <out >/dev/null 2>&1
is "$(rows)" 'Failed IMGP-STORE-IO' 'the row stays open'
is "$(find images -type f | wc -l)" "$before" 'nothing was delivered'
unset IMGP_RUN
exits 0 '... mended, --pending' imgp-run --pending
is "$(rows)" 'Completed -' '... delivers it'

if is_long; then
# Other bytes under the same revision: final, until it is opened by hand.
uploads 2011 1 source/subjecteventcrffile/301/5102/ct_file/v1.dcm
ids=2011
faults
exits 75 'an upload that fails on its way' env IMGP_DESTINATION="file://$WORK/nowhere" \
    imgp-run 2011
is "$(rows)" 'Failed IMGP-PLACE-MISSING' '... for want of its destination'
# By a line's end, which no reader takes for a cut element.
echo >>source/subjecteventcrffile/301/5101/mri_zip/u2011.zip
exits 1 'then its bytes change' imgp-run 2011
is "$(rows)" 'Failed for good IMGP-SOURCE-CHANGED' '... which is final'
exits 1 '... and stays so' imgp-run 2011
exits 0 '--again takes it as it is now' imgp-run --again 2011
is "$(rows)" 'Completed -' '... and delivers it'
exits 0 'and is not asked again' imgp-run 2011
fi
done_testing
