#!/bin/bash
# imgp-stamp --tag: another element, or one of a private block (M32).
. "$(dirname "$0")/lib/lib.sh"
# The sandbox keeps the leak checker from its work.
is_sanitized "$BUILD/bin/imgp-stamp" && export ASAN_OPTIONS=detect_leaks=0
PY=/usr/bin/python3
dicom_samples
export TMPDIR=$WORK

cat >look.py <<'EOT'
"""look.py VALUE <WORK: of each line OLD NEW TAG [BLOCK], with tabs between, whether
NEW holds the value, in that block of group 0013, its elements are in order, and it
is OLD without the value: "right", or what is wrong."""
import sys, warnings, zlib, bare, pydicom
warnings.simplefilter("ignore")

def in_block(new, b):
    ds = pydicom.dcmread(new)
    assert ds[0x13, b].value == "ATRI" and (0x13, b << 8 | 0x10) in ds, "block"
    tags = [int(t) for t in ds._dict]	# in the order of the file
    assert tags == sorted(tags), "order"

def look(value, old, new, tag, block=""):
    if block:
        in_block(new, int(block, 16))
    g, e = int(tag[:4], 16), tag[5:9]
    ds, old = pydicom.dcmread(new, force=True), pydicom.dcmread(old, force=True)
    if e.startswith("xx"):
        creator = tag.split(" ", 2)[2]
        block = ds.private_block(g, creator)
        elem = block[int(e[2:], 16)]
        made = (creator not in old.private_creators(g))
    else:
        elem, made = ds[g, int(e, 16)], False
    v = elem.value
    v = v.decode().strip() if isinstance(v, bytes) else v
    assert v == value, v
    del ds[elem.tag]
    if elem.tag in old:
        del old[elem.tag]
    if made:
        del ds[g, block.block_start >> 8]
    if (g, 0) in ds:
        ds[g, 0].value = old[g, 0].value
    assert ds == old, "more has changed"

for line in sys.stdin:
    try:
        look(sys.argv[1], *line.rstrip("\n").split("\t"))
        print("right")
    except Exception as e:
        print(repr(e).replace("\n", " "))
EOT
n=0
for tag in '0020,4000 LT' '0013,xx10 LO ATRI' '0040,2017' \
    '0009,xxF7 SH GEMS_IDEN_01' '0008,0010 SH'; do
	for f in CT_small MR_small_implicit MR_small_bigendian image_dfl \
	    JPEG2000 693_J2KI rtdose_rle ExplVR_LitEndNoMeta; do
		[ "$tag" != '0008,0010 SH' ] || [ $f = image_dfl ] || continue
		is_long || case $tag,$f in
		'0020,4000 LT,CT_small'|'0013,xx10 LO ATRI,image_dfl'|'0008,0010 SH,'*) ;;
		*)	continue ;;
		esac
		n=$((n + 1))
		imgp-stamp --replace --tag "$tag" --id 77.1 -o $n.dcm \
			"$samples/$f.dcm" 2>$n.err &&
			imgp-stamp --tag "$tag" --id 77.1 -o again.dcm $n.dcm 2>>$n.err &&
			cmp -s $n.dcm again.dcm
		printf '%s %s\n' $? "$tag in $f" >>stamped
		printf '%s\t%s\t%s\n' "$samples/$f.dcm" $n.dcm "$tag" >>work
	done
done
# --- which private block: the first that is free (PS3.5 7.8.1) ----------------------
cat >blocks.py <<'EOT'
"""blocks.py SAMPLE: objects b-BLOCK.CODING whose free block is BLOCK, or none."""
import sys, bare, pydicom
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian,
    ExplicitVRLittleEndian, ImplicitVRLittleEndian)
from pydicom.dataelem import DataElement
used = {        # creators, and elements of blocks
    "10": ([], []), "11": ([0x10, 0x12], [0x1001, 0x1201]),
    "12": ([0x10, 0x13, 0xff], [0x1110, 0x1310, 0xff10]),
    "14": ([0x10, 0x11, 0x12, 0x13, 0x15], [0x1001, 0x13ff, 0x1500]),
    "ff": (range(0x10, 0xff), [0xfe7f]),
    "fe": ([x for x in range(0x10, 0x100) if x != 0xfe], [0xfd01, 0xff01]),
    "none": (range(0x10, 0xff), [0xff01]),
}
for block, (creators, elements) in used.items():
    for name, uid in (("exp", ExplicitVRLittleEndian),
            ("imp", ImplicitVRLittleEndian), ("big", ExplicitVRBigEndian),
            ("dfl", DeflatedExplicitVRLittleEndian)):
        ds = pydicom.dcmread(sys.argv[1])
        for x in creators:
            ds[0x13, x] = DataElement((0x13, x), "LO", "CREATOR %d" % x)
        for x in elements:
            ds[0x13, x] = DataElement((0x13, x), "UN", b"ab")
        ds.file_meta.TransferSyntaxUID = uid
        ds.is_little_endian = name != "big"
        ds.is_implicit_VR = name == "imp"
        if name == "big":
            ds.PixelData = bytes(len(ds.PixelData))
        ds.save_as("b-%s.%s" % (block, name))
EOT
"$PY" -W ignore blocks.py "$samples/MR_small.dcm" || exit 1
is_long || rm b-1[024].* b-f*.* b-11.[!i]* b-none.[!d]*
for f in b-*.*; do
	block=${f#b-} block=${block%.*}
	n=$((n + 1))
	imgp-stamp --tag '0013,xx10 LO ATRI' --id 77.1 --provenance prov \
		-o $n.dcm $f 2>$n.err
	rc=$?
	if [ $block = none ]; then
		is "$rc" 1 "$f: every block is in use"
		like $n.err 'IMGP-DICOM-INVALID: no private block is free' \
			'is said'
		n=$((n - 1))
		continue
	fi
	imgp-stamp --tag '0013,xx10 LO ATRI' --id 77.1 -o again.dcm \
		$n.dcm 2>>$n.err && cmp -s $n.dcm again.dcm &&
		imgp-stamp --unstamp --provenance prov -o back.dcm $n.dcm 2>>$n.err &&
		{ case $f in *.dfl) :;; *) cmp -s $f back.dcm;; esac; }
	printf '%s %s\n' $((rc || $?)) "$f, the first free block, and back" >>stamped
	printf '%s\t%s\t%s\t%s\n' $f $n.dcm '0013,xx10 LO ATRI' $block >>work
done

export IMGP_STAMP_TAG='0013,xx10 LO ATRI'
imgp-stamp --id 77.1 -o new.dcm "$samples/CT_small.dcm"
setting=$?
printf '%s\t%s\t%s\n' "$samples/CT_small.dcm" new.dcm "$IMGP_STAMP_TAG" >>work
unset IMGP_STAMP_TAG

# One pydicom for all of them: it takes longer to start than to look.
"$PY" look.py 77.1 <work >looked
n=0
while read -r rc what <&3 && read -r said <&4; do
	n=$((n + 1))
	[ "$rc $said" = '0 right' ]
	ok $? "$what: there, nothing else changed, again a no-op" ||
		{ echo "$said"; cat $n.err; } | diag
done 3<stamped 4<looked
is "$setting $(tail -1 looked)" '0 right' 'the setting stamp_tag says the same'
is "$n $(wc -l <looked)" "$(is_long && echo 57 58 || echo 4 5)" 'each was looked at'
for tag in 0008,0018 '0010,0010 PN' xx 0013,1010 0013,xx10 '0012,xx10 LO A' \
    '0020,4000 LO' '0010,0010' '0010,0010 LO' '0008,2111 SH' '0040,A160' \
    '0012,0060' '0012,0000' '0020,4000LT' '7FE0,0010' '0013,xx10 LO a\b' ''; do
	is_long || [ "$tag" = 0008,0018 ] || [ "$tag" = '0013,xx10 LO a\b' ] || continue
	imgp-stamp --tag "$tag" --id 77.1 -o x "$samples/CT_small.dcm" 2>err
	is "$? $(cut -d: -f2 err)" '2  IMGP-CONFIG' "\"$tag\" is refused"
done
imgp-stamp --tag 0010,0010 --id 77.1 -o x "$samples/CT_small.dcm" 2>err
like err "the stamp's tag: its VR is none of LO SH ST LT UC UT" \
	'the VR of a standard element is known'
imgp-stamp --tag '0020,4000 LO' --id 77.1 -o x "$samples/CT_small.dcm" 2>err
like err "the stamp's tag: its VR is LT in the standard" 'another is refused'
imgp-stamp --tag 0040,A160 --id 77.1 -o x "$samples/CT_small.dcm" 2>err
like err "the stamp's tag: its VR is not known here, and must be stated" \
	'or asked for'
"$PY" - "$ROOT/libimgpipe/stamp/stamp_tag.c" >bad <<'EOT'
import re, sys, bare, pydicom.datadict as d
rows = re.findall(r'IMGP_TAG\(0x(\w{4}), 0x(\w{4})\), "(\w\w)"',
                  open(sys.argv[1]).read())
assert len(rows) > 40
for g, e, vr in rows:
    if d.dictionary_VR((int(g, 16), int(e, 16))) != vr:
        print(g, e, vr)
EOT
[ $? -eq 0 ] && [ ! -s bad ]
ok $? 'what is known is what pydicom says, too' || diag <bad
exits 2 'an id too long for its VR' imgp-stamp --tag '0012,0042 SH' \
	--id 12345678901234567 -o x "$samples/CT_small.dcm"
IMGP_COORDINATING_CENTER=$(printf '%065d' 1) imgp-stamp --id 1.1 -o x \
	"$samples/CT_small.dcm" 2>err
is $? 2 'a text too long for (0012,0060)'
[ ! -e x ]
ok $? 'nothing was written by all these'
# By keyword: each one of our table is the standard's.
sed -n 's/^	{ IMGP_TAG(0x\(....\), 0x\(....\)), "..",$/\1\2 /p; s/^	{ IMGP_TAG(0x\(....\), 0x\(....\)), "..", "\(.*\)" },$/\1\2 \3/p;
    s/^	    "\([A-Za-z]*\)" },$/\1/p' "$ROOT/libimgpipe/stamp/stamp_tag.c" |
    awk '/ $/ { printf "%s", $0; next } { print }' >keywords
$PY - keywords >said <<'EOT'
import sys, pydicom.datadict as d
rows = [line.split() for line in open(sys.argv[1])]
print(len(rows), [r for r in rows if d.keyword_for_tag(int(r[0], 16)) != r[1]])
EOT
is "$(cat said)" "$(grep -c '^	{ IMGP_TAG.*"' "$ROOT/libimgpipe/stamp/stamp_tag.c") []" \
    'the keywords are those of the standard'
exits 0 'an element by its keyword' imgp-stamp --tag ClinicalTrialSubjectID --id 77.1 \
    -o by-keyword.dcm "$samples/CT_small.dcm"
exits 0 'the same by its tag' imgp-stamp --tag 0012,0040 --id 77.1 \
    -o by-tag.dcm "$samples/CT_small.dcm"
cmp -s by-keyword.dcm by-tag.dcm
ok $? '... gives the same bytes'
exits 2 'an unknown keyword' imgp-stamp --tag SubjectOfTrial --id 77.1 -o x "$samples/CT_small.dcm"
like err 'neither GGGG,EEEE' '... is named'
done_testing
