#!/bin/bash
# imgp-stamp --tag: another element, or one of a private block (M32).
. "$(dirname "$0")/lib.sh"
PY=/usr/bin/python3
samples=$($PY -c 'import pydicom.data, os
print(os.path.dirname(pydicom.data.__file__) + "/test_files")') ||
	skip_all 'python3-pydicom is not there'
export TMPDIR=$WORK

cat >look.py <<'EOT'
"""look.py OLD NEW TAG VALUE: NEW holds the value, and is OLD without it."""
import sys, warnings, zlib, pydicom
warnings.simplefilter("ignore")
old, new, tag, value = sys.argv[1:]
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
assert ds == old
EOT
for tag in '0020,4000 LT' '0013,xx10 LO ATRI' '0040,2017' \
    '0009,xxF7 SH GEMS_IDEN_01' '0008,0010 SH'; do
	for f in CT_small MR_small_implicit MR_small_bigendian image_dfl \
	    JPEG2000 693_J2KI rtdose_rle ExplVR_LitEndNoMeta; do
		[ "$tag" != '0008,0010 SH' ] || [ $f = image_dfl ] || continue
		imgp-stamp --replace --tag "$tag" --id 77.1 -o new.dcm \
			"$samples/$f.dcm" 2>err &&
			"$PY" look.py "$samples/$f.dcm" new.dcm "$tag" 77.1 2>>err &&
			imgp-stamp --tag "$tag" --id 77.1 -o again.dcm new.dcm 2>>err &&
			cmp -s new.dcm again.dcm
		ok $? "$tag in $f: there, nothing else changed, again a no-op" ||
			diag <err
	done
done
# --- which private block: the first that is free (PS3.5 7.8.1) ----------------------
cat >blocks.py <<'EOT'
"""blocks.py SAMPLE: objects b-BLOCK.CODING whose free block is BLOCK, or none."""
import sys, pydicom
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
for f in b-*.*; do
	block=${f#b-} block=${block%.*}
	imgp-stamp --tag '0013,xx10 LO ATRI' --id 77.1 --provenance prov \
		-o new.dcm $f 2>err
	rc=$?
	if [ $block = none ]; then
		is "$rc" 1 "$f: every block is in use"
		like err 'IMGP-DICOM-INVALID: no private block is free' \
			'is said'
		continue
	fi
	"$PY" look.py $f new.dcm '0013,xx10 LO ATRI' 77.1 2>>err &&
		"$PY" -W ignore - $block <<'EOT' 2>>err &&
import sys, pydicom
b = int(sys.argv[1], 16)
ds = pydicom.dcmread("new.dcm")
assert ds[0x13, b].value == "ATRI" and (0x13, b << 8 | 0x10) in ds
tags = [int(t) for t in ds._dict]	# in the order of the file
assert tags == sorted(tags)
EOT
		imgp-stamp --tag '0013,xx10 LO ATRI' --id 77.1 -o again.dcm \
			new.dcm 2>>err && cmp -s new.dcm again.dcm &&
		imgp-stamp --unstamp --provenance prov -o back.dcm new.dcm 2>>err &&
		{ case $f in *.dfl) :;; *) cmp -s $f back.dcm;; esac; }
	ok $((rc || $?)) "$f: the first free block, again a no-op, and back" ||
		diag <err
done

export IMGP_STAMP_TAG='0013,xx10 LO ATRI'
imgp-stamp --id 77.1 -o new.dcm "$samples/CT_small.dcm" &&
	"$PY" look.py "$samples/CT_small.dcm" new.dcm "$IMGP_STAMP_TAG" 77.1
ok $? 'the setting stamp_tag says the same'
unset IMGP_STAMP_TAG
for tag in 0008,0018 '0010,0010 PN' xx 0013,1010 0013,xx10 '0012,xx10 LO A' \
    '0020,4000 LO' '0010,0010' '0010,0010 LO' '0008,2111 SH' '0040,A160' \
    '0012,0060' '0012,0000' '0020,4000LT' '7FE0,0010' '0013,xx10 LO a\b' ''; do
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
"$PY" - "$ROOT/libimgpipe/stamp_tag.c" >bad <<'EOT'
import re, sys, pydicom.datadict as d
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
done_testing
