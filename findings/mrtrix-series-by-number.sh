#!/bin/bash
# What a series is says its Series Instance UID (0020,000E). MRtrix 3.0.3 goes by Series
# Number, description and the like instead: two series of a study that agree in these,
# though their times differ, two reconstructions of one scan, or any two where number
# and description are empty, as they may be (types 2 and 3), become one. mrconvert asks
# which series is meant where there are several; here it does not ask, writes one file
# of two volumes with status 0 and no warning, and the slices of both series are mixed
# in each. dcm2niix 1.0.20220720 writes one file for each series. Who gives MRtrix a
# folder must part it by UID before.
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


def image(which, series, number):
    sop_class = "1.2.840.10008.5.1.4.1.1.2"
    instance = "2.25.%d.%d" % (which, number)
    meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
        element(2, 3, "UI", instance) + \
        element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + element(2, 0x12, "UI", "2.25.9")
    return bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) + \
        meta + element(8, 8, "CS", "ORIGINAL\\PRIMARY\\AXIAL") + \
        element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", instance) + \
        element(8, 0x20, "DA", "20260101") + element(8, 0x21, "DA", "20260101") + \
        element(8, 0x30, "TM", "120000") + element(8, 0x31, "TM", "12000%d" % which) + \
        element(8, 0x60, "CS", "CT") + element(8, 0x103e, "LO", series) + \
        element(0x10, 0x10, "PN", "Doe^Jane") + element(0x10, 0x20, "LO", "P") + \
        element(0x18, 0x50, "DS", "1") + element(0x20, 0xd, "UI", "2.25.2") + \
        element(0x20, 0xe, "UI", "2.25.3.%d" % which) + \
        element(0x20, 0x11, "IS", "4" if series else "") + \
        element(0x20, 0x13, "IS", str(number)) + \
        element(0x20, 0x32, "DS", "0\\0\\%d" % number) + \
        element(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0") + element(0x28, 2, "US", 1) + \
        element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 2) + \
        element(0x28, 0x11, "US", 2) + element(0x28, 0x30, "DS", "1\\1") + \
        element(0x28, 0x100, "US", 16) + element(0x28, 0x101, "US", 16) + \
        element(0x28, 0x102, "US", 15) + element(0x28, 0x103, "US", 0) + \
        element(0x28, 0x1052, "DS", "0") + element(0x28, 0x1053, "DS", "1") + \
        element(0x7fe0, 0x10, "OW", struct.pack("<4H", *[which] * 4))


# Written in no order, for what goes by the order of the folder.
for folder, series in (("same", "Chest"), ("empty", "")):
    os.mkdir(folder)
    for i in range(48):
        i = i * 29 % 48
        with open("%s/IM%d" % (folder, i), "wb") as f:
            f.write(image(i // 24 + 1, series, i % 24 + 1))
EOP
cat >volumes.py <<'EOP'
import struct
import sys

file = open(sys.argv[1], "rb").read()
_, x, y, z, t = struct.unpack_from("<5h", file, 40)
kind = {4: "h", 512: "H", 16: "f"}[struct.unpack_from("<h", file, 70)[0]]
at = int(struct.unpack_from("<f", file, 108)[0])
values = struct.unpack_from("<%d%s" % (x * y * z * t, kind), file, at)
print("; ".join("%d slices of %s" % (z, "one series" if len(set(
    values[x * y * z * i:x * y * z * (i + 1)])) == 1 else "both series mixed")
    for i in range(t)))
EOP
python3 make.py || exit 77
for i in same empty; do
	mrconvert -config NIfTIAutoSaveJSON 0 "$i" "$i.nii" >said 2>&1 </dev/null
	echo "mrconvert, $i: $?, $(grep -ci warning said) warnings," \
		"$(python3 volumes.py "$i.nii")"
	mkdir "out.$i"
	dcm2niix -b n -o "out.$i" "$i" >/dev/null 2>&1
	echo "dcm2niix, $i: $?, $(for f in "out.$i"/*; do
		python3 volumes.py "$f"
	done | paste -sd'|')"
done >seen
cat seen
cmp -s seen - <<'EOT'
mrconvert, same: 0, 0 warnings, 24 slices of both series mixed; 24 slices of both series mixed
dcm2niix, same: 0, 24 slices of one series|24 slices of one series
mrconvert, empty: 0, 0 warnings, 24 slices of both series mixed; 24 slices of both series mixed
dcm2niix, empty: 0, 24 slices of one series|24 slices of one series
EOT
