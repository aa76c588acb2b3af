#!/bin/bash
# Copies of an image under one SOP Instance UID: no word where they hold the same
# pixels, a warning where they do not, whatever holds them.
. "$(dirname "$0")/lib/lib.sh"
PY=/usr/bin/python3
dicom_samples
"$PY" -W ignore - "$samples/CT_small.dcm" "$samples/JPEG2000.dcm" <<'EOF'
import bare, copy, io, pydicom, sys, tarfile, zipfile
from pydicom.encaps import encapsulate
from pydicom.uid import (DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian,
                         JPEGLSLossless)

plain, packed = (pydicom.dcmread(f) for f in sys.argv[1:])

def made(ds, pixels=None, syntax=None, **kw):
    ds = copy.deepcopy(ds)
    if syntax:
        ds.file_meta.TransferSyntaxUID = syntax
        ds.is_implicit_VR = syntax == ImplicitVRLittleEndian
    if pixels:
        ds.PixelData = pixels
    for name, value in kw.items():
        setattr(ds, name, value)
    out = io.BytesIO()
    ds.save_as(out)
    return out.getvalue()

bald = copy.deepcopy(plain)
del bald.PixelData

def flipped(data, at):
    data = bytearray(data)
    data[at] ^= 1
    return bytes(data)

size = len(plain.PixelData)
first, last = flipped(plain.PixelData, 0), flipped(plain.PixelData, size - 1)
fragment = encapsulate([b"\xff\xd8" + b"one " * 9000], has_bot=False)
another = encapsulate([b"\xff\xd8" + b"one " * 8999 + b"two "], has_bot=False)
def split(*frames):		# other fragments, and an offset table
    return encapsulate(list(frames), fragments_per_frame=3, has_bot=True)

one, two = b"\xff\xd8" + b"one " * 9000, b"\xff\xd8" + b"two " + b"one " * 8999
end = b"\xfe\xff\xdd\xe0"	# here and there behind the first chunk's last byte
short = 65536 - made(packed, fragment, ImageComments="").rindex(end)
long = b"x" * 70000	# the pixels begin in another chunk
cases = {
    "same.whole": [made(plain)] * 3,
    "same.header": [made(plain), made(plain, StudyDescription="other"),
                    made(plain, ImageComments=long.decode())],
    "same.behind": [made(plain), made(plain, DataSetTrailingPadding=b"\0" * 10)],
    "same.behind-fragments": [made(packed, fragment),
        made(packed, fragment, DataSetTrailingPadding=b"\0" * 10)],
    "same.split": [made(packed, fragment), made(packed, split(one)),
                   made(packed, encapsulate([one], has_bot=True))],
    "same.no-table": [made(packed, fragment), made(packed, fragment[8:])],
    "same.chunks": [made(packed, fragment, ImageComments="x" * (short - n))
                    for n in range(-2, 12, 2)],
    "same.no-pixels": [made(plain, PixelData=None, StudyDescription=s)
                       for s in ("a", "b")],
    "same.other-uid": [made(plain), made(plain, first, SOPInstanceUID="1.2.3")],
    "same.syntax": [made(plain), made(plain, None, ImplicitVRLittleEndian)],
    # What is the same image when it is decoded is not known.
    "same.encoded": [made(packed, fragment),
                     made(packed, another, JPEGLSLossless)],
    "same.deflated": [made(plain, p, DeflatedExplicitVRLittleEndian)
                      for p in (None, first)],
    "other.first 2 1": [made(plain), made(plain, first)],
    "other.last 2 1": [made(plain), made(plain, last)],
    "other.length 2 1": [made(plain), made(plain, plain.PixelData + b"\0\0")],
    "other.header 3 1": [made(plain), made(plain, ImageComments=long.decode()),
                       made(plain, last, ImageComments=long.decode())],
    "other.fragments 2 1": [made(packed, fragment), made(packed, another)],
    "other.split 2 1": [made(packed, fragment), made(packed, split(two))],
    "other.no-table 2 1": [made(packed, fragment[8:]), made(packed, encapsulate(
        [two], has_bot=False)[8:])],
    "other.series 2 1": [made(plain), made(plain, first, SeriesInstanceUID="1.2.3")],
    "other.syntax 2 1": [made(plain), made(plain, first, ImplicitVRLittleEndian)],
    "other.implicit 3 1": [made(plain)] + [made(plain, p, ImplicitVRLittleEndian)
                                         for p in (None, first)],
    "none.first 1 3": [made(bald), made(bald, Rows=7), made(plain)],
    "none.last 2 1": [made(plain), made(bald)],
    "other.two 2 1": [made(plain), made(plain, first), made(plain, last), made(plain)],
}
for name, files in cases.items():
    name = name.replace(" ", ".")	# the copy told, and the one it is a copy of
    with zipfile.ZipFile(name + ".zip", "w") as z:
        for i, f in enumerate(files):
            z.writestr("IM%d" % i, f, zipfile.ZIP_DEFLATED)
    for suffix, mode in (".tar", "w"), (".tgz", "w:gz"):
        with tarfile.open(name + suffix, mode) as t:
            for i, f in enumerate(files):
                info = tarfile.TarInfo("IM%d" % i)
                info.size = len(f)
                t.addfile(info, io.BytesIO(f))
# Damaged behind its head: nothing can be said of it; imgp-stamp finds it.
with zipfile.ZipFile("same.damaged.zip", "w") as z:
    z.writestr("IM0", cases["other.last 2 1"][0], zipfile.ZIP_DEFLATED)
    z.writestr("IM1", cases["other.last 2 1"][1], zipfile.ZIP_DEFLATED)
    at, packed_size = z.infolist()[1].header_offset, z.infolist()[1].compress_size
data = bytearray(open("same.damaged.zip", "rb").read())
data[at + 33 + packed_size // 2:at + 33 + packed_size // 2 + 64] = b"\xff" * 64
open("same.damaged.zip", "wb").write(data)
EOF

# A sample has some of them.
is_long || for f in same.* other.* none.*; do
	case $f in
	same.header.zip|same.behind-fragments.tgz|same.damaged.zip|other.last.2.1.zip) ;;
	same.split.tar|other.no-table.2.1.zip|other.fragments.2.1.tar|other.two.2.1.tgz) ;;
	other.syntax.2.1.zip|none.first.1.3.tar) ;;
	*)	rm -- "$f" ;;
	esac
done
for f in same.* other.* none.*; do
	imgp-dcmscan "$f" >out 2>err
	is $? 0 "$f is read"
	jq -r '.warnings // [] | map(.error_code + ": " + .error)[]' out >got
	case $f in
	same.*)	is "$(cat got)" '' '... and nothing is said of it' ;;
	*)	IFS=. read -r _ _ n of _ <<<"$f"
		more=
		[[ $f != *.two.* && $f != none.first.* ]] || more='; 1 more'
		what='its pixels are others'
		[[ $f != none.* ]] || what='it has no pixels'
		is "$(cat got)" "IMGP-DICOM-COPY: member $n: its SOP Instance UID is that of member $of, and $what$more" '... and the copy is named' ;;
	esac
	is "$(jq -c .errors out)" null '... nothing is wrong'
	is "$(jq '[.scans[].series[].number_of_instances] | add' out)" \
		"$(case $f in *.series.*|*.other-uid.*) echo 2 ;; *) echo 1 ;; esac)" \
		'... which counts as before'
done

done_testing
