#!/bin/bash
# Headers as some writers make them against PS3.5 and PS3.10: what DCMTK, GDCM and
# pydicom take for an image is counted and stamped, or an error says why not.
. "$(dirname "$0")/lib/lib.sh"
# The sandbox keeps the leak checker from its work.
is_sanitized "$BUILD/bin/imgp-stamp" && export ASAN_OPTIONS=detect_leaks=0
PY=/usr/bin/python3
command -v dcmdump >/dev/null && command -v gdcmdump >/dev/null ||
	skip_all 'dcmdump or gdcmdump is not there'
dicom_samples
"$PY" "$ROOT/tests/lib/odd.py" || exit 1
# A sample has two of a kind.
is_long || for kind in read two some seen told dir group foreign value order; do
	set -- "$kind".*
	[ $# -le 2 ] || { shift 2; rm -- "$@"; }
done

zip -q all.zip read.* two.* some.* seen.*
imgp-dcmscan all.zip >out 2>err
ok $? 'what two readers take for an image is read' || diag <err
is "$(jq -c .listing out)" "{\"dicom\":$(find . -name '[rs]e[ae][dn].*' -o -name 'two.*' \
	-o -name 'some.*' | wc -l)}" 'all of it as instances'

# Each with an id of its own, so that one call of a reader does for all.
mkdir stamped
n=1000
for f in read.* two.* some.*; do
	n=$((n + 1))
	exits 0 "$f is stamped" imgp-stamp --id $n.1 -o "stamped/$f" "$f"
	echo "$n $f" >>wanted
done
ids() { grep -o '[0-9]\{4\}\.1\b' | sed 's/\.1$//' | sort -u; }
dcmdump -q +P 0012,0071 stamped/* 2>&1 | ids >dcmtk
mkdir gdcm.d
cp stamped/read.* stamped/two.* gdcm.d
gdcmdump -r gdcm.d 2>&1 | grep '^(0012,0071)' | ids >gdcm
"$PY" - stamped/* <<'EOT' | ids >pydicom
import sys
import bare
from pydicom.filereader import dcmread
for f in sys.argv[1:]:
    try:
        print(dcmread(f, force=True).get((0x12, 0x71)).value)
    except Exception:
        pass
EOT
cat dcmtk gdcm pydicom | sort | uniq -c | awk '{ print $2, $1 }' >finders
join -a 1 wanted finders >found
grep ' read' found | grep -v ' 3$' >missed
[ ! -s missed ]
ok $? 'DCMTK, GDCM and pydicom find the id in each' || diag <missed
grep ' two' found | grep -v ' [23]$' >missed
[ ! -s missed ]
ok $? 'two of them at least where one does not read such files' || diag <missed

join -v 1 <(grep ' some' wanted) dcmtk >missed
[ ! -s missed ]
ok $? 'DCMTK does where the VR is none' || diag <missed

for f in seen.*; do
	exits 1 "$f is not stamped" imgp-stamp --id 77.1 -o new "$f"
	like err 'IMGP-DICOM-(INVALID|LIMIT): DCMTK ' '... for DCMTK does not read it'
	cmp -s "$f" new
	ok $? '... and is as it was'
done
for f in told.*; do
	exits 1 "$f is no instance" imgp-dcmscan "$f"
	case $f in
	*alone-cut*|*alone-value*) code=TRUNCATED ;;
	*)	code='(INVALID|NO-UID)' ;;
	esac
	like err "IMGP-DICOM-$code: " '... and this is said'
	cp err scanned
	exits 1 '... by imgp-stamp' imgp-stamp --id 77.1 -o new "$f"
	is "$(sed 's/.*IMGP/IMGP/' err)" "$(sed 's/.*IMGP/IMGP/' scanned | head -1)" \
		'... in the same words'
	case $f in
	*long)	like err 'Series Instance UID has 66 characters, and a UID at most 64' \
			'... a long UID is not missing' ;;
	*uid-empty) like err 'Series Instance UID is empty' '... nor is an empty one' ;;
	*shift*) like err '"DICM" stands at byte [0-9]+ instead of 128' \
			'... and where it is' ;;
	*dicm-twice|*preamble-twice*) like err '"DICM" stands a second time' '... and where it is' ;;
	*mixed-*) like err 'explicit and implicit VRs are mixed in \(0008,0016\)' \
			'... it is not cut short' ;;
	*unbounded) like err 'has an element without a length in \(0002,0102\)' \
			'... it is not too long' ;;
	*ZZ-*)	like err 'a VR that does not exist in \(0009,1001\), at byte [0-9]+ of' \
			'... the element is named' ;;
	esac
done
for f in dir.*; do
	exits 1 "$f has no instance" imgp-dcmscan "$f"
	is "$(jq -c .listing out)" '{"dicomdir":1}' '... it is a DICOMDIR'
done
for f in number.*; do
	imgp-dcmscan "$f" >out 2>err
	printf '%s %s\n' "$f" "$(jq -c '.scans[].series[].series_number,
		(.warnings // [] | map(.error_code)[])' out | tr '\n' ' ' |
		sed 's/ $//')" >>numbers
done
holds numbers 'a Series Number is a whole number, however it is spelt; else a warning' <<'EOT'
number.1.0 1
number.1.5 null "IMGP-DICOM-NUMBER"
number.1e1 10
number.3. 3
number.AT null "IMGP-DICOM-NUMBER"
number.FL null "IMGP-DICOM-NUMBER"
number.LO 5
number.OB null "IMGP-DICOM-NUMBER"
number.SL -2
number.SS -1
number.UL 5
number.UL-big null "IMGP-DICOM-NUMBER"
number.UN 5
number.US 5
number.US-none null
number.US-two null "IMGP-DICOM-NUMBER"
number.big null "IMGP-DICOM-NUMBER"
number.text null "IMGP-DICOM-NUMBER"
EOT
imgp-dcmscan number.FL >out 2>&1
like out 'its Series Number has the VR FL and is not read' '... which names the VR'

for f in group.*; do
	tag=0012,0071
	case $f in group.4001.*) tag='4001,xx20 LO ACME' ;; esac
	exits 0 "$f is stamped" imgp-stamp --id 5.5 --tag "$tag" \
		--provenance prov -o new "$f"
	want=${f#group.*.}
	is "$(dcmdump -q new | awk '/^\((0012|4001),0000\)/ { print $3 }')" \
		"${want%%.*}" '... and its group has the length that it says'
	imgp-stamp --unstamp --provenance prov -o back new && cmp -s "$f" back
	ok $? '... and comes back (F4)'
done
for f in length.*; do
	exits 1 "$f is not stamped" imgp-stamp --id 5.5 -o new "$f"
	like err 'IMGP-DICOM-INVALID: \(0012,0000\) has [028] bytes in place of 4' \
		'... and the element is named'
done
for f in foreign.* value.*; do
	exits 1 "$f is not stamped" imgp-stamp --id 5.5 -o new "$f"
	case $f in
	foreign.*) like err 'IMGP-STAMP-FOREIGN: it carries (99\.9|78\.1), ' \
		'... for it has the id of another' ;;
	value.*) like err 'IMGP-STAMP-VALUE: \(0012,0071\) holds another value' '... for it has another value' ;;
	esac
done
for f in order.*; do
	cp "$f" before
	exits 1 "$f is not stamped" imgp-stamp --id 5.5 -o new "$f"
	like err 'IMGP-DICOM-INVALID: \(0012,0071\) stands (twice, or not in its place|out of order)' \
		'... for its id is out of order, and is named'
	cmp -s "$f" new
	ok $? '... and it is as it was'
done
done_testing
