#!/bin/bash
# ZIPs that the stamp takes past 4 GiB, whole: they are stamped, readable, and
# come back with the same SHA-256 (F4, F40); a member that would grow over 4 GiB
# itself costs itself alone (R53).  tests/zip.t has each kind of record.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
[ -n "${ALL-}" ] || skip_all 'long, 9 GB of disk: make check-dicom'
PY=/usr/bin/python3
samples=$($PY -c 'import pydicom.data, os
print(os.path.dirname(pydicom.data.__file__) + "/test_files")') ||
	skip_all 'python3-pydicom is not there'
export TMPDIR=$WORK

cat >make.py <<'EOT'
"""make.py KIND SAMPLE: KIND.zip of that object, with holes.

near: two objects around a hole, the directory at 2^32 - 3.
offset: the same with an empty file behind them, whose header passes 4 GiB, too.
wrapped: two holes that pass 4 GiB, and no zip64 records, as macOS writes them.
big: a stored object that a hole makes 2^32 - 3 bytes long, one behind it.
stream: the same with a descriptor behind its data.
"""
import struct, sys, zlib
P, M32, END = struct.pack, 0xffffffff, (1 << 32) - 3
kind = sys.argv[1]
d = open(sys.argv[2], "rb").read()
f = open(kind + ".zip", "wb")
records = []
def zeros(crc, n):
    part = bytes(1 << 20)
    for _ in range(n >> 20):
        crc = zlib.crc32(part, crc)
    return zlib.crc32(bytes(n & 0xfffff), crc)
def member(name, data, hole=0, stream=False):
    at, size, flags = f.tell(), len(data) + hole, 8 * stream
    crc = zeros(zlib.crc32(data), hole)
    f.write(P("<IHHHHHIIIHH", 0x04034b50, 20, flags, 0, 0x6000, 0x5777,
              *((0, 0, 0) if stream else (crc, size, size)), len(name), 0))
    f.write(name + data)
    f.seek(hole, 1)
    if stream:
        f.write(P("<IIII", 0x08074b50, crc, size, size))
    far = P("<HHQ", 1, 8, at) if at >= M32 and kind != "wrapped" else b""
    if kind == "wrapped":
        at &= M32
    records.append(P("<IHHHHHHIIIHHHHHII", 0x02014b50, 0x031e, 45 if far else
        20, flags, 0, 0x6000, 0x5777, crc, size, size, len(name), len(far), 0,
        0, 0, 0o100644 << 16, min(at, M32)) + name + far)
if kind in ("near", "offset"):
    member(b"a.dcm", d)
    member(b"hole", b"", END - f.tell() - 34 - len(d) - 35 -
           (31 if kind == "offset" else 0))
    member(b"b.dcm", d)
    if kind == "offset":
        member(b"t", b"")
elif kind == "wrapped":
    member(b"a.dcm", d)
    member(b"hole", b"", 9 << 28)
    member(b"hole", b"", 9 << 28)
    member(b"b.dcm", d)
else:
    # Behind the pixels: an element that is all zeros.
    pad = END - len(d) - 12
    pad -= pad & 1
    member(b"big.dcm", d + P("<HH2sHI", 0xfffc, 0xfffc, b"OB", 0, pad), pad,
           kind == "stream")
    member(b"b.dcm", d)
cd = f.tell()
f.write(b"".join(records))
n, size, end = len(records), f.tell() - cd, f.tell()
if kind == "wrapped":
    cd &= M32
if cd >= M32:
    f.write(P("<IQHHIIQQQQ", 0x06064b50, 44, 45, 45, 0, 0, n, n, size, cd))
    f.write(P("<IIQI", 0x07064b50, 0, end, 1))
f.write(P("<IHHHHIIH", 0x06054b50, 0, 0, n, n, size, min(cd, M32), 0))
EOT
CT=$samples/CT_small.dcm
sum() { sha256sum <"$1" | cut -c1-64; }

for f in near offset wrapped; do
	"$PY" make.py $f "$CT" || exit 1
	imgp-stamp --id 7.7 --provenance prov -o new $f.zip 2>err
	is $? 0 "$f: stamped" || diag <err
	"$PY" - new <<'EOT' 2>err
import io, pydicom, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
assert z.start_dir >= 1 << 32
for n in ("a.dcm", "b.dcm"):
    assert pydicom.dcmread(io.BytesIO(z.read(n)))[0x12, 0x71].value == "7.7"
EOT
	ok $? "$f: python and pydicom read the ids" || diag <err
	want=$(sum $f.zip)
	rm $f.zip
	imgp-stamp --unstamp --provenance prov -o back new 2>err
	is "$? $(sum back)" "0 $want" "$f: the same SHA-256 (F4)" || diag <err
	[ $f = near ] || continue
	head -n -2 prov >short
	rm back
	imgp-stamp --unstamp --provenance short -o back new 2>err
	is "$? $(ls)" "2 $(ls -I back)" \
		'a provenance that is cut short gives nothing'
	grep -v zip64 prov >without
	imgp-stamp --unstamp --provenance without -o back new 2>err
	is "$? $(ls)" "1 $(ls -I back)" \
		'nor does one from before growth was noted'
	rm -f new back
done
for f in big stream; do
	"$PY" make.py $f "$CT" || exit 1
	imgp-stamp -v --id 7.7 --provenance prov -o new $f.zip 2>err
	is $? 1 "$f: a member that would pass 4 GiB"
	like err 'IMGP-ARCHIVE-LIMIT: member 1: it would grow over 4 GiB' \
		'is not stamped'
	like err ' 1 stamped .* 1 declined' 'the other one is (R53)'
	if [ $f = big ]; then
		want=$(sum $f.zip)
		imgp-stamp --unstamp --provenance prov -o back new 2>err
		is "$? $(sum back)" "0 $want" "$f: the same SHA-256 (F4)" ||
			diag <err
	fi
	rm -f $f.zip new back
done
done_testing
