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
    '0009,xxF7 SH GEMS_IDEN_01' '0008,0012 ST'; do
	for f in CT_small MR_small_implicit MR_small_bigendian image_dfl \
	    JPEG2000 693_J2KI rtdose_rle ExplVR_LitEndNoMeta; do
		[ "$tag" != '0008,0012 ST' ] || [ $f = image_dfl ] || continue
		imgp-stamp --replace --tag "$tag" --id 77.1 -o new.dcm \
			"$samples/$f.dcm" 2>err &&
			"$PY" look.py "$samples/$f.dcm" new.dcm "$tag" 77.1 2>>err &&
			imgp-stamp --tag "$tag" --id 77.1 -o again.dcm new.dcm 2>>err &&
			cmp -s new.dcm again.dcm
		ok $? "$tag in $f: there, nothing else changed, again a no-op" ||
			diag <err
	done
done
export IMGP_STAMP_TAG='0013,xx10 LO ATRI'
imgp-stamp --id 77.1 -o new.dcm "$samples/CT_small.dcm" &&
	"$PY" look.py "$samples/CT_small.dcm" new.dcm "$IMGP_STAMP_TAG" 77.1
ok $? 'the setting stamp_tag says the same'
unset IMGP_STAMP_TAG
for tag in 0008,0018 '0010,0010 PN' xx 0013,1010 0013,xx10 '0012,xx10 LO A' \
    '0012,0060' '0012,0000' '0020,4000LT' '7FE0,0010' '0013,xx10 LO a\b' ''; do
	imgp-stamp --tag "$tag" --id 77.1 -o x "$samples/CT_small.dcm" 2>err
	is "$? $(cut -d: -f2 err)" '2  IMGP-CONFIG' "\"$tag\" is refused"
done
exits 2 'an id too long for its VR' imgp-stamp --tag '0012,0042 SH' \
	--id 12345678901234567 -o x "$samples/CT_small.dcm"
IMGP_COORDINATING_CENTER=$(printf '%065d' 1) imgp-stamp --id 1.1 -o x \
	"$samples/CT_small.dcm" 2>err
is $? 2 'a text too long for (0012,0060)'
[ ! -e x ]
ok $? 'nothing was written by all these'
done_testing
