#!/bin/bash
# MRtrix 3.0.3 does not look at Pixel Representation (0028,0103): stored values of 16
# bits are unsigned to it. Of a CT whose values are signed, as several makers write all
# their CTs, air of -1000 becomes 64536 in what mrconvert writes, and where there is a
# Rescale Intercept this is added to 64536. Neither a warning nor a status tells, and
# soft tissue, above 0, comes out right, so a look at the picture with a usual window
# does not tell either. dcm2niix 1.0.20220720 gives -1000. Who converts by mrconvert
# must see to signed series before: `gdcmdump` or `dcmdump +P 0028,0103`.
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


def image(series, number, signed, intercept, values):
    sop_class = "1.2.840.10008.5.1.4.1.1.2"
    instance = "%s.%d" % (series, number)
    meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
        element(2, 3, "UI", instance) + \
        element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + element(2, 0x12, "UI", "2.25.9")
    return bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) + \
        meta + element(8, 8, "CS", "ORIGINAL\\PRIMARY\\AXIAL") + \
        element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", instance) + \
        element(8, 0x20, "DA", "20260101") + element(8, 0x21, "DA", "20260101") + \
        element(8, 0x30, "TM", "120000") + element(8, 0x31, "TM", "120000") + \
        element(8, 0x60, "CS", "CT") + element(8, 0x103e, "LO", "Chest") + \
        element(0x10, 0x10, "PN", "Doe^Jane") + element(0x10, 0x20, "LO", "P") + \
        element(0x18, 0x50, "DS", "1") + element(0x20, 0xd, "UI", "2.25.2") + \
        element(0x20, 0xe, "UI", series) + element(0x20, 0x11, "IS", "1") + \
        element(0x20, 0x13, "IS", str(number)) + \
        element(0x20, 0x32, "DS", "0\\0\\%d" % number) + \
        element(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0") + element(0x28, 2, "US", 1) + \
        element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 2) + \
        element(0x28, 0x11, "US", 2) + element(0x28, 0x30, "DS", "1\\1") + \
        element(0x28, 0x100, "US", 16) + element(0x28, 0x101, "US", 16) + \
        element(0x28, 0x102, "US", 15) + element(0x28, 0x103, "US", signed) + \
        element(0x28, 0x1052, "DS", intercept) + element(0x28, 0x1053, "DS", "1") + \
        element(0x7fe0, 0x10, "OW", struct.pack("<4h", *values))


for name, signed, intercept, values in (
        ("signed", 1, "0", (-1000, -5, 3, 1000)),
        ("intercept", 1, "-100", (-900, 95, 103, 1100)),
        ("unsigned", 0, "-1024", (24, 1019, 1027, 2024))):
    os.mkdir(name)
    for i in (1, 2):
        with open("%s/%d" % (name, i), "wb") as f:
            f.write(image("2.25.3", i, signed, intercept, values))
EOP
cat >values.py <<'EOP'
import struct
import sys

file = open(sys.argv[1], "rb").read()
kind = {4: "h", 512: "H", 16: "f"}[struct.unpack_from("<h", file, 70)[0]]
slope, add = struct.unpack_from("<ff", file, 112)
at = int(struct.unpack_from("<f", file, 108)[0])
print(*sorted(int(v * (slope or 1) + add) for v in
              struct.unpack_from("<4" + kind, file, at)))
EOP
python3 make.py || exit 77
for i in signed intercept unsigned; do
	mrconvert -config NIfTIAutoSaveJSON 0 $i $i.nii >said 2>&1
	echo "mrconvert, $i: $?, $(grep -ci warning said) warnings, $(python3 values.py $i.nii)"
	dcm2niix -b n -f "d2n.$i" -o . $i >/dev/null 2>&1
	echo "dcm2niix, $i: $?, $(python3 values.py "d2n.$i.nii")"
done >seen
cat seen
cmp -s seen - <<'EOT'
mrconvert, signed: 0, 0 warnings, 3 1000 64536 65531
dcm2niix, signed: 0, -1000 -5 3 1000
mrconvert, intercept: 0, 0 warnings, -5 3 1000 64536
dcm2niix, intercept: 0, -1000 -5 3 1000
mrconvert, unsigned: 0, 0 warnings, -1000 -5 3 1000
dcm2niix, unsigned: 0, -1000 -5 3 1000
EOT
