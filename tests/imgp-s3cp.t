#!/bin/bash
# imgp-s3cp between directories: the three hops of a job, and two URLs.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"

export IMGP_SOURCE="file://$WORK/src" IMGP_TEMP="file://$WORK/tmp" \
	IMGP_DESTINATION="file://$WORK/dst" IMGP_SPOOL="$WORK/spool"
RUN=20190118T150405Z-0a1b2c3d
NAME=MRI_zip_1001_bl_5_1_812_20190118_150405.zip
KEY=quarantine/MRIzip/$NAME
mkdir src tmp dst
mkdir -p src/subjecteventcrffile/7/5/zip
UP=src/subjecteventcrffile/7/5/zip/abc.zip
head -c 3000001 /dev/urandom >"$UP"
SUM=$(sha256sum <"$UP" | cut -c1-64)

# A job as it stands after imgp-record start; $1 is put before the last brace.
job() {
	printf '{"v":1,"run":"%s","subject_event_crf_file_id":1201,' "$RUN"
	printf '"source":"%s/subjecteventcrffile/7/5/zip/abc.zip",' "$IMGP_SOURCE"
	printf '"edc_pipeline_file":{"id":812,"lease":3},"x":1e400,'
	printf '"temp":"%s/812/%s","destination":"%s/%s"%s}\n' "$IMGP_TEMP" \
		"$NAME" "$IMGP_DESTINATION" "$KEY" "${1-}"
}
code() { jq -r '.errors[0].error_code' "$1"; }
tree() { (cd "$1" && find . -type f | sort); }
hops() {		# the three of them, on the line in $1
	imgp-s3cp source local <"$1" | imgp-s3cp local temp |
		imgp-s3cp temp destination
}

# --- the way through --------------------------------------------------------
job >line1
exits 0 'source to local (M2, M61)' imgp-s3cp source local <line1
cp out fetched
is "$(jq -r '.local' out)" "file://$WORK/spool/$RUN/812/upload" \
	'... notes where the copy is'
is "$(jq -r '.sha256.source + " " + .sha256.local' out)" "$SUM $SUM" \
	'... and its SHA-256 at both places (F17)'
is "$(jq -c '.bytes' out)" '{"source":3000001,"local":3000001}' '... and sizes'
like out '"x":1e400,' '... and leaves other members as they are'
cmp -s "$UP" "spool/$RUN/812/upload"; ok $? '... byte for byte'
is "$(stat -c %a spool spool/$RUN "spool/$RUN/812/upload" | tr '\n' ' ')" \
	'700 700 600 ' '... in a spool that is ours alone (R43)'
exits 0 'local to temp (M56)' imgp-s3cp local temp <fetched
cp out staged
cmp -s "$UP" "tmp/812/$NAME"; ok $? '... byte for byte'
is "$(jq -r '.sha256.temp' out)" "$SUM" '... with its sum'
[ ! -e "spool/$RUN/812/upload" ]; ok $? '... and the local copy is gone'
exits 0 'temp to destination (M57)' imgp-s3cp temp destination <staged
cp out delivered
cmp -s "$UP" "dst/$KEY"; ok $? '... byte for byte'
is "$(jq -r '.sha256.destination' out)" "$SUM" '... with its sum'
is "$(tree tmp)" '' '... and the temporary object is gone (M17)'
is "$(cat err)" '' '... without a word (cron stays silent)'
exits 0 'delivered again: nothing to do (R8)' imgp-s3cp temp destination <staged
cmp -s out delivered; ok $? '... and the same line'
hops line1 >out 2>err
is "$? $(cat err)" '0 ' 'the whole way again (R31: same bytes are fine)'
is "$(tree dst)" "./$KEY" '... makes no second object'
is "$(jq -r '.errors' out)" null '... and no error'

# --- what may not happen ------------------------------------------------------
echo other >"dst/$KEY"
hops line1 >out 2>err
is "$?" 1 'other bytes at the destination (R31)'
is "$(code out) $(cat "dst/$KEY")" 'IMGP-STORE-EXISTS other' '... are never replaced'
is "$(jq -r '.errors[0].stage + " " + .errors[0].class' out)" \
	'deliver conflict' '... and named as a conflict of deliver'
is "$(tree tmp)$(tree spool)" '' '... and no copy is left: nobody will fetch it'
if is_long; then
imgp-s3cp source local <line1 | imgp-s3cp --keep local temp >staged
exits 1 '... with --keep' imgp-s3cp --keep temp destination <staged
is "$(tree tmp) $(tree spool)" "./812/$NAME ./$RUN/812/upload" '... the copies are'
mv "tmp/812/$NAME" moved
ln -s ../outside "tmp/812/$NAME"
exits 75 '... and after a failure that may pass' imgp-s3cp temp destination <staged
is "$(ls tmp/812) $(tree spool)" "$NAME ./$RUN/812/upload" '... they stay'
fi
rm -rf tmp/812 spool
rm "dst/$KEY"
job ',"sha256":{"source":"'"${SUM//[0-9]/0}"'"}' >changed
exits 1 'a changed upload (M44)' imgp-s3cp source local <changed
is "$(code out)" IMGP-SOURCE-CHANGED '... has its own code'
[ ! -e "spool/$RUN/812/upload" ]; ok $? '... and leaves no copy'
if is_long; then
job | jq -c '.edc_pipeline_file.sha256_source="'"${SUM//[0-9]/0}"'"' >changed
exits 1 'changed since the row recorded it (M44)' imgp-s3cp source local <changed
is "$(code out)" IMGP-SOURCE-CHANGED '... too'
fi
imgp-s3cp source local <line1 >fetched
echo more >>"spool/$RUN/812/upload"
rm -rf tmp/812
if is_long; then
for wrong in '.bytes.local = 4.5' '.bytes.local = -5' '.bytes.local = "4"' \
    '.sha256.local = 4' '.sha256.local |= ascii_upcase' '.sha256.local |= .[1:]'; do
	jq -c "$wrong" fetched >line
	exits 1 "a promise that cannot be read: $wrong" imgp-s3cp local temp <line
	is "$(code out)" IMGP-JOB-TYPE '... is not passed over (R23)'
done
fi
exits 75 'a local copy that is not what was promised (R23)' \
	imgp-s3cp local temp <fetched
is "$(code out)" IMGP-STORE-INTEGRITY '... is an integrity error'
is "$(tree tmp)" '' '... and is not staged'
rm "$UP"
exits 1 'an upload that is not there' imgp-s3cp source local <line1
is "$(code out)" IMGP-STORE-NOT-FOUND '... is not found'
like err '^imgp-s3cp: 1201: IMGP-STORE-NOT-FOUND: .*/abc.zip: No such file' \
	'... and said in one line'
head -c 3000001 /dev/zero >"$UP"

# --- hostile job lines (R35) ---------------------------------------------------
echo secret >outside
ln -s "$WORK" src/way
mkfifo src/fifo
ln -s ../outside src/link
refused() {		# refused TITLE CODE HOP... <line
	_t=$1 _c=$2 _s=1
	shift 2
	[ "$_c" != IMGP-STORE-DENIED ] || _s=75
	imgp-s3cp "$@" >out 2>err
	is "$? $(code out)" "$_s $_c" "R35: $_t"
}
with() { job | jq -c ".$1 = \"$2\"" >line; }
with source "file://$WORK/outside"
refused 'a source elsewhere' IMGP-PLACE-OUTSIDE source local <line
if is_long; then
with source "$IMGP_SOURCE/../outside"
refused 'a source with ..' IMGP-PLACE-INVALID source local <line
with source "s3://bucket/key"
refused 'a source in another kind of store' IMGP-PLACE-OUTSIDE source local <line
with source "http://127.0.0.1:9/x"
refused 'a source by http' IMGP-PLACE-INVALID source local <line
with source "$IMGP_SOURCE/way/outside"
refused 'a source through a link' IMGP-STORE-NOT-FOUND source local <line
fi
with source "$IMGP_SOURCE/link"
refused 'a source that is a link (R41)' IMGP-STORE-DENIED source local <line
if is_long; then
with source "$IMGP_SOURCE/fifo"
refused 'a source that is a FIFO (R41)' IMGP-STORE-DENIED source local <line
with source "$IMGP_SOURCE/subjecteventcrffile"
refused 'a source that is a directory' IMGP-STORE-DENIED source local <line
job | jq -c '.run = "../../x"' >line
refused 'a run that leads out' IMGP-JOB-TYPE source local <line
imgp-s3cp source local <line1 >fetched
jq -c ".local = \"file://$WORK/outside\"" fetched >line
refused 'a local copy elsewhere' IMGP-PLACE-OUTSIDE local temp <line
jq -c ".temp = \"file://$WORK/dst/x\"" fetched >line
refused 'a temp elsewhere' IMGP-PLACE-OUTSIDE local temp <line
imgp-s3cp local temp <fetched >staged
jq -c ".destination = \"file://$WORK/src/x\"" staged >line
refused 'a destination elsewhere' IMGP-PLACE-OUTSIDE temp destination <line
jq -c ".destination = \"$IMGP_DESTINATION/q/.imgp-x\"" staged >line
refused 'a destination named as a temporary' IMGP-PLACE-INVALID \
	temp destination <line
is "$(cat outside)" secret 'R35: nothing outside was touched'
jq -c ".local = \"file://$WORK/outside\" | .temp = \"file://$WORK/outside\" |
	.errors = [{\"stage\":\"stamp\",\"error_code\":\"IMGP-DICOM-INVALID\",
	\"class\":\"data\",\"error\":\"x\",\"fatal\":true,
	\"retryable\":false}]" staged >line
exits 1 'R35: a failed job that names other places' \
	imgp-s3cp temp destination <line
is "$(cat outside) $(jq -r '.warnings[].error_code' out | tr '\n' ' ')" \
	'secret IMGP-PLACE-OUTSIDE IMGP-PLACE-OUTSIDE ' '... removes nothing'
is "$(tree tmp)" "./812/$NAME" '... and the temporary object is still there'
fi

# --- failed and skipped jobs ----------------------------------------------------
imgp-s3cp --keep source local <line1 | imgp-s3cp --keep local temp >kept
is "$(tree tmp) $(tree spool)" "./812/$NAME ./$RUN/812/upload" \
	'--keep leaves the copies'
jq -c '.errors = [{"stage":"stamp","error_code":"IMGP-DICOM-INVALID",
	"class":"data","error":"x","fatal":true,"retryable":false}] | .ok = false' kept >line
exits 1 'a failed job passes' imgp-s3cp local temp <line
cmp -s line out; ok $? '... untouched'
exits 1 'deliver clears up after it' imgp-s3cp temp destination <line
cmp -s line out; ok $? '... passes it on untouched'
is "$(tree tmp)$(tree spool)$(tree dst)" '' '... and nothing is left or delivered (M43)'
jq -c '.skip = "IMGP-SKIP-DONE"' kept >line
for hop in 'source local' 'local temp' 'temp destination'; do
	# shellcheck disable=SC2086
	imgp-s3cp $hop <line >out 2>err
	is "$? $(cmp line out)$(cat err)" '0 ' "a skipped job passes $hop"
done

# --- faults of the machine -------------------------------------------------------
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=1m imgp small \
	2>mount.err; then
	at_end "umount '$WORK/small' 2>/dev/null"
	IMGP_DESTINATION=file://$WORK/small
	job | imgp-s3cp source local | imgp-s3cp local temp >staged
	exits 75 'a full disk (R37)' imgp-s3cp temp destination <staged
	is "$(code out) $(find small -type f)" 'IMGP-STORE-FULL ' \
		'... leaves nothing'
	like err 'only [0-9]+ are free' '... and was seen before a byte was moved'
	if is_long; then
	# Room that goes away meanwhile: a quota of inodes has the same effect.
	mount -o remount,size=100m,nr_inodes=4 small
	exits 75 'no inodes (R37)' imgp-s3cp temp destination <staged
	is "$(code out) $(find small -type f)" 'IMGP-STORE-FULL ' '... either'
	mount -o remount,ro small
	exits 75 'a read-only disk (R37)' imgp-s3cp temp destination <staged
	is "$(code out)" IMGP-STORE-IO '... is temporary'
	fi
	mount -o remount,rw,size=100m,nr_inodes=100 small
	exits 0 'once there is room it goes on' imgp-s3cp temp destination <staged
	umount small
	IMGP_DESTINATION=file://$WORK/dst
else
	skip 'a full disk (R37)' 'needs root and mount'
fi
if [ "$(id -u)" -ne 0 ]; then
	job | imgp-s3cp source local | imgp-s3cp local temp >staged
	rm -rf dst/quarantine
	chmod 555 dst
	exits 1 'a directory that may not be written to' \
		imgp-s3cp temp destination <staged
	is "$(code out)" IMGP-STORE-DENIED '... is denied'
	chmod 755 dst
	imgp-s3cp temp destination <staged >out
	rm -r dst/quarantine
fi
mkdir -m 777 open
IMGP_SPOOL=$WORK/open exits 75 'a spool that others can write to (R41)' \
	imgp-s3cp source local <line1
is "$(code out)" IMGP-STORE-DENIED '... is refused'
imgp-s3cp source local <line1 >/dev/full 2>err
is "$?" 75 'a full disk behind standard output (R39)'

# Killed at each call that matters, and run again (R1, I4, I8).
if strace -o /dev/null -e inject=getpid:signal=KILL true 2>/dev/null; then
	wrong=0 points=0
	job >line1
	if is_long; then
		cat <<-'POINTS'
		source local mkdirat:1 flock:1 write:1 write:3 renameat:1 write:4
		local temp mkdirat:1 flock:1 write:2 fsync:1 fsync:2 fsync:3 renameat:1 unlinkat:1 unlinkat:2 write:4
		temp destination mkdirat:2 fsync:2 flock:1 write:2 fsync:3 linkat:1 unlinkat:1 fsync:4 unlinkat:2 unlinkat:3
		POINTS
	else
		cat <<-'POINTS'
		source local renameat:1
		local temp fsync:3
		temp destination unlinkat:1
		POINTS
	fi >points
	while read -r from to points_of; do
		for point in $points_of; do
			rm -rf dst/quarantine tmp/812 spool
			imgp-s3cp --keep source local <line1 >fetched
			imgp-s3cp --keep local temp <fetched >staged
			case $from in
			source) in=line1; rm -r spool ;;
			local) in=fetched; rm -r tmp/812 ;;
			*) in=staged ;;
			esac
			{ strace -o trace -e \
			    "inject=${point%:*}:signal=KILL:when=${point#*:}" \
			    imgp-s3cp "$from" "$to" <$in >out; } 2>/dev/null
			[ $? -eq 137 ] || { echo "$from $to: no $point" | diag; continue; }
			points=$((points + 1))
			for f in "dst/$KEY" "tmp/812/$NAME" "spool/$RUN/812/upload"; do
				[ ! -e "$f" ] || cmp -s "$UP" "$f" || wrong=$((wrong + 1))
			done
			hops line1 >out 2>err || wrong=$((wrong + 1))
			cmp -s "$UP" "dst/$KEY" || wrong=$((wrong + 1))
			[ -z "$(find dst tmp spool -name '.imgp-*')" ] ||
				wrong=$((wrong + 1))
		done
	done <points
	is "$wrong" 0 "killed at $points calls: no part is seen, the next run ends right (R1)"
	[ "$points" -ge "$(is_long && echo 20 || echo 3)" ]; ok $? '... at as many points or more'
else
	skip 'killed at each call (R1)' 'needs strace'
fi

# Eight at once (R6, R31).
rm -rf dst/quarantine tmp/812
imgp-s3cp source local <line1 | imgp-s3cp local temp >staged
for i in 1 2 3 4 5 6 7 8; do
	imgp-s3cp --keep temp destination <staged >race.$i 2>&1 &
	pids="${pids-} $!"
done
bad=0
for p in $pids; do wait "$p" || bad=1; done
is "$bad $(tree dst)" "0 ./$KEY" 'eight deliver the same at once (R6)'
cmp -s "$UP" "dst/$KEY"; ok $? '... and it is whole'

# Many jobs, four at once, a broken line among them (R64, R70).
many=40
is_long || many=21
for i in $(seq $many); do
	job | jq -c ".edc_pipeline_file.id = $i | .subject_event_crf_file_id = $i |
		.temp = \"$IMGP_TEMP/$i/x\" | .destination = \"$IMGP_DESTINATION/many/$i\""
	[ "$i" != 20 ] || echo 'not json'
done >many
imgp-s3cp -j 4 source local <many 2>err1 | imgp-s3cp -j 4 local temp 2>err2 |
	imgp-s3cp -j 4 temp destination >out 2>err
is "$? $(wc -l <out) $(cat err1 err2 err | wc -l)" "1 $((many + 1)) 1" \
	'-j 4: as many lines come out as went in'
is "$(jq -r 'select(.errors == null and .sha256.destination != .sha256.source) | 1' out)$(find dst/many -type f | wc -l)" $many \
	'... and all is where it should be'
is "$(jq -r '.input // empty' out)" 'not json' '... the broken line too'
for i in 1 2 3 4 5 6; do job | jq -c 'del(.subject_event_crf_file_id)
    | .source += "/none"'; done >nameless
imgp-s3cp -j 4 source local <nameless >out 2>err
is "$? $(grep -o 'line [0-9]' err | sort | tr '\n' ' ')" \
	'1 line 1 line 2 line 3 line 4 line 5 line 6 ' '... what is wrong with which is said'

# --- usage -------------------------------------------------------------------------
exits 2 'no operands' imgp-s3cp
exits 2 'one operand' imgp-s3cp source
exits 2 'no such way' imgp-s3cp source destination
(unset IMGP_TEMP; imgp-s3cp local temp </dev/null 2>err)
is "$?" 2 'no IMGP_TEMP'
like err IMGP_TEMP '... is said'
imgp-s3cp -n source local <line1 >out 2>err
is "$? $(jq -r '.planned' out) $(find spool -type f)" '0 true ' '-n moves nothing (F10)'

# --- two URLs -----------------------------------------------------------------------
exits 0 'from one URL to another' imgp-s3cp "file://$WORK/$UP" "file://$WORK/copy"
cmp -s "$UP" copy; ok $? '... byte for byte'
is "$(cat out err)" '' '... silently where there is no terminal'
exits 0 'again' imgp-s3cp "file://$WORK/$UP" "file://$WORK/copy"
like err 'the same bytes lay there before' '... says what it found'
exits 1 'other bytes' imgp-s3cp "file://$WORK/outside" "file://$WORK/copy"
like err '^imgp-s3cp: IMGP-STORE-EXISTS: ' '... are not replaced'
exits 0 '... unless asked for' imgp-s3cp --replace "file://$WORK/outside" \
	"file://$WORK/copy"
mkdir "$WORK/isdir"
exits 1 'onto a directory' imgp-s3cp --replace "file://$WORK/outside" "file://$WORK/isdir"
like err '^imgp-s3cp: IMGP-STORE-EXISTS: .*Is a directory' '... is not for another try'
mkdir into
exits 0 'into a directory' imgp-s3cp "file://$WORK/outside" "file://$WORK/into/"
is "$(cat into/outside)" secret '... under its own name'
exits 1 'from what is not there' imgp-s3cp "file://$WORK/no" "file://$WORK/x"
exits 2 'a relative path' imgp-s3cp file://x "file://$WORK/x"
: >empty
exits 0 'an empty file' imgp-s3cp "file://$WORK/empty" "file://$WORK/copied"
is "$(stat -c %s copied)" 0 '... stays empty'

# --- whole trees ------------------------------------------------------------------------
mkdir -p tree/a/b tree/c copied2 copied3
for f in 1.zip a/2.zip a/b/3.dcm 'c/ü 4.zip' c/.imgp-left; do head -c 999 "$UP" >"tree/$f"; done
ln -s /etc/passwd tree/way
exits 0 'all that lies below (-r)' imgp-s3cp -r -j 3 "file://$WORK/tree" "file://$WORK/copied2"
is "$(tree copied2)" "$(cd tree && find . -type f ! -name '.imgp-*' | sort)" \
	'... to the same names, and no link (R41)'
exits 0 '-r again' imgp-s3cp -r "file://$WORK/tree/" "file://$WORK/copied2/"
is "$(cat err)" "imgp-s3cp: file://$WORK/tree/way: passed over, not a regular file
imgp-s3cp: the same bytes lay there before for 4 of 4 objects" '... says what it found'
exits 0 '-r by patterns' imgp-s3cp -r --include '*.zip' --exclude 'a/*' \
	"file://$WORK/tree/" "file://$WORK/copied3/"
is "$(tree copied3 | tr '\n' ' ')" './1.zip ./c/ü 4.zip ' '... takes those alone'
exits 0 '-r -n lists' imgp-s3cp -rn "file://$WORK/tree/a/" "file://$WORK/copied3/"
is "$(sort out | cut -f2 | tr '\n' ' ')" \
	"file://$WORK/copied3/2.zip file://$WORK/copied3/b/3.dcm " '... and copies nothing'
[ ! -e copied3/2.zip ]; ok $? '... (F10)'
echo other >copied2/1.zip
exits 1 '-r and other bytes' imgp-s3cp -r "file://$WORK/tree/" "file://$WORK/copied2/"
like err '^imgp-s3cp: IMGP-STORE-EXISTS: .*/1.zip' '... are named'
exits 1 '-r below nothing' imgp-s3cp -r "file://$WORK/none/" "file://$WORK/copied2/"
exits 2 '-r wants URLs' imgp-s3cp -r source local
# Operands that are paths; bare words.
mkdir -p copied4 copied5 deep/new
exits 0 'a path with a slash is a place' imgp-s3cp ./tree/1.zip "$WORK/copied4/one.zip"
cmp -s tree/1.zip copied4/one.zip
ok $? '... copied there'
(cd deep && exits 0 'so is one that goes up' imgp-s3cp ../tree/1.zip ./new/two.zip) >sub 2>&1
is "$(cut -d' ' -f1 sub)$(cmp tree/1.zip deep/new/two.zip)" 'ok' '... and lies where it says'
exits 0 '-r by paths' imgp-s3cp -r --include '*.zip' ./tree/ ./copied5/
is "$(tree copied5)" "$(cd tree && find . -type f -name '*.zip' | sort)" '... to the same names'
exits 2 'two words that are no stages' imgp-s3cp a b
like err 'places begin with file:// or s3://' '... are told what a place is'
exits 2 'a place and a word' imgp-s3cp ./tree/1.zip b
like err '^imgp-s3cp: b: a place begins with file:// or s3://, a path has a slash: ./b$' '... too'

# --- libcurl, which copies between directories do not open ------------------------------
mkdir no-curl
echo 'no library' >no-curl/libcurl.so.4
exits 0 'a copy between directories, without libcurl' env LD_LIBRARY_PATH="$WORK/no-curl" \
	imgp-s3cp ./tree/1.zip "$WORK/copied4/three.zip"
exits 2 'an object, without libcurl' env LD_LIBRARY_PATH="$WORK/no-curl" \
	imgp-s3cp s3://bucket/a.zip "$WORK/copied4/four.zip"
like err '^imgp-s3cp: IMGP-CONFIG: .*libcurl\.so\.4' '... is a line that names it'
is "$(wc -l <err) $(ls copied4 | tr '\n' ' ')" '1 one.zip three.zip ' '... and nothing else'
done_testing
