#!/bin/bash
# What stands at the end of an object, behind its pixels: a signature that the stamp
# does not keep, or nothing where its length says that there is more (M34).
. "$(dirname "$0")/lib/lib.sh"
# The sandbox keeps the leak checker from its work.
is_sanitized "$BUILD/bin/imgp-stamp" && export ASAN_OPTIONS=detect_leaks=0
/usr/bin/python3 "$ROOT/tests/lib/odd.py" || exit 1

for f in end.*; do
	case $f in
	end.sound*) want=0 say='^$' ;;
	end.cut*) want=1 say='IMGP-DICOM-CUT: it ends within its last element' ;;
	end.signed*) want=0 say='IMGP-STAMP-SIGNED' ;;
	end.late) want=1 say='IMGP-DICOM-INVALID: \(0012,0071\) stands twice' ;;
	esac
	exits $want "$f" imgp-stamp --id 77.1 -o new "$f"
	case $want$say in
	0^$)	[ ! -s err ]; ok $? '... without a word' ;;
	*)	like err "$say" '... which is said' ;;
	esac
	case $f in
	end.late) cmp -s "$f" new; ok $? '... and it is as it was' ;;
	*)	! cmp -s "$f" new; ok $? '... and it is stamped'
		exits $((want)) '... once' imgp-stamp --id 77.1 -o again new
		cmp -s new again; ok $? '... only' ;;
	esac
done

# In archives: each is found by what passes by for the check of its CRC, or, where
# there is none, by reading from element to element.
zip -q packed.zip end.cut* end.signed*
zip -q0 stored.zip end.cut* end.signed*
tar -cf plain.tar end.cut* end.signed*
gzip -c plain.tar >packed.tgz
set -- end.cut*
for f in packed.zip stored.zip plain.tar packed.tgz; do
	exits 1 "all of them in $f" imgp-stamp --id 77.1 -o new $f
	like err "IMGP-DICOM-CUT: member 1: .*; $(($# - 1)) more" '... the cut ones'
	like err "IMGP-STAMP-SIGNED: member $(($# + 1)): .*; 3 more" '... and the signed ones'
done
exits 1 'with --trust' imgp-stamp --trust --id 77.1 -o new packed.zip
like err 'IMGP-DICOM-CUT: member 1: ' '... the lengths tell what they can'

# Is it delivered?
line() {
	printf '{"v":1,"pipeline_code":"p","local":"file://%s","scans":%s}\n' \
		"$WORK/spool/$1" "$(jq -c '[.scans[] | .series[].atri_uid = "77.1"]' scan)"
}
mkdir spool
cut() {			# cut SETTINGS: "fatal" of the error on it
	cp end.cut spool/one
	imgp-dcmscan end.cut >scan
	printf '%s\n' '[p]' "$@" >conf
	chmod 600 conf
	line one | IMGP_CONFIG=$PWD/conf IMGP_SPOOL=$WORK/spool imgp-stamp 2>err |
		jq '.errors[] | select(.error_code == "IMGP-DICOM-CUT").fatal'
}
is "$(cut)" false 'a cut image is an error that is not fatal'
is "$(cut 'dicom = required')" false '... nor with dicom = required'
is "$(cut 'cut = required')" true '... but with cut = required'
done_testing
