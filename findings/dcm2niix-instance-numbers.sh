#!/bin/bash
# Instance Number (0020,0013) need not be unique within a series (PS3.3 C.7.6.1: type 2,
# "a number that identifies this image"): a CT scans one range twice and counts from 1
# again, Acquisition Number (0020,0012) and Acquisition Time tell the two apart.
# dcm2niix 1.0.20220720 makes one file of two volumes of it, with status 0, but goes by
# the instance number and no other: each volume holds slices of both scans, one of
# before the contrast agent beside one of after it, as the folder happens to give them.
# No warning says so; in some orders of the folder one says that the times "suggest a
# different order". MRtrix 3.0.3 keeps the scans apart. Who has such a series must part
# it by Acquisition Number before.
set -u
for i in apt-get dpkg python3; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q mrtrix3=3.0.3-3+b1 libgomp1=12.2.0-14+deb12u1 \
	dcm2niix=1.0.20220720-1+deb12u1 libturbojpeg0=1:2.1.5-2 \
	libopenjp2-7=2.5.0-2+deb12u3 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
PATH=$dir/root/usr/bin:$PATH
lib=$(dirname "$(find root/usr/lib -name 'libopenjp2.so.*' -print -quit)")
export LD_LIBRARY_PATH=$dir/$lib
mrconvert -version >/dev/null 2>&1 && command -v dcm2niix >/dev/null || exit 77

cat >make.py <<'EOP'
import os
import struct


def element(group, number, vr, value):
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    size = struct.pack("<HI", 0, len(value)) if vr in ("OB", "OW") else \
        struct.pack("<H", len(value))
    return struct.pack("<HH2s", group, number, vr.encode()) + size + value


def image(acquisition, number):
    sop_class = "1.2.840.10008.5.1.4.1.1.2"
    instance = "2.25.3.%d.%d" % (acquisition, number)
    meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
        element(2, 3, "UI", instance) + \
        element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + element(2, 0x12, "UI", "2.25.9")
    return bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) + \
        meta + element(8, 8, "CS", "ORIGINAL\\PRIMARY\\AXIAL") + \
        element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", instance) + \
        element(8, 0x20, "DA", "20260101") + element(8, 0x21, "DA", "20260101") + \
        element(8, 0x22, "DA", "20260101") + element(8, 0x30, "TM", "120000") + \
        element(8, 0x31, "TM", "120000") + \
        element(8, 0x32, "TM", "120%d00" % (5 * acquisition)) + \
        element(8, 0x60, "CS", "CT") + element(8, 0x103e, "LO", "Liver") + \
        element(0x10, 0x10, "PN", "Doe^Jane") + element(0x10, 0x20, "LO", "P") + \
        element(0x18, 0x50, "DS", "1") + element(0x20, 0xd, "UI", "2.25.2") + \
        element(0x20, 0xe, "UI", "2.25.3") + element(0x20, 0x11, "IS", "1") + \
        element(0x20, 0x12, "IS", str(acquisition)) + \
        element(0x20, 0x13, "IS", str(number)) + \
        element(0x20, 0x32, "DS", "0\\0\\%d" % number) + \
        element(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0") + element(0x28, 2, "US", 1) + \
        element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 2) + \
        element(0x28, 0x11, "US", 2) + element(0x28, 0x30, "DS", "1\\1") + \
        element(0x28, 0x100, "US", 16) + element(0x28, 0x101, "US", 16) + \
        element(0x28, 0x102, "US", 15) + element(0x28, 0x103, "US", 0) + \
        element(0x28, 0x1052, "DS", "0") + element(0x28, 0x1053, "DS", "1") + \
        element(0x7fe0, 0x10, "OW", struct.pack("<4H", *[acquisition] * 4))


# Written in no order, for what goes by the order of the folder.
os.mkdir("in")
for i in range(48):
    i = i * 29 % 48
    with open("in/IM%d" % i, "wb") as f:
        f.write(image(i // 24 + 1, i % 24 + 1))
EOP
cat >volumes.py <<'EOP'
import struct
import sys

file = open(sys.argv[1], "rb").read()
_, x, y, z, t = struct.unpack_from("<5h", file, 40)
kind = {4: "h", 512: "H", 16: "f"}[struct.unpack_from("<h", file, 70)[0]]
at = int(struct.unpack_from("<f", file, 108)[0])
values = struct.unpack_from("<%d%s" % (x * y * z * t, kind), file, at)
print("; ".join("volume of %d slices of %s" % (z, "one scan" if len(set(
    values[x * y * z * i:x * y * z * (i + 1)])) == 1 else "both scans mixed")
    for i in range(t)))
EOP
python3 make.py || exit 77
{
	dcm2niix -b n -f d2n -o . in >/dev/null 2>&1
	echo "dcm2niix: $?, $(python3 volumes.py d2n.nii)"
	mrconvert -config NIfTIAutoSaveJSON 0 in mr.nii >/dev/null 2>&1
	echo "mrconvert: $?, $(python3 volumes.py mr.nii)"
} >seen
cat seen
cmp -s seen - <<'EOT'
dcm2niix: 0, volume of 24 slices of both scans mixed; volume of 24 slices of both scans mixed
mrconvert: 0, volume of 24 slices of one scan; volume of 24 slices of one scan
EOT
