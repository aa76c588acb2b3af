#!/bin/bash
# DCMTK 3.6.7's dcm2json ends with status 0 and no warning, and what it writes is no
# JSON, for two values that DICOM allows: a Decimal String whose point is the last
# character, as "1." (PS3.5 6.2 says digits and an optional point), is written as 1. and
# a double that is not a number or infinite, as maps of fits hold where there is no fit,
# as nan and inf. Parsers refuse the whole document, so of such a file the reader gets
# not one element, the patient and the ids included; "+1.0", ".5" and "007" are
# rewritten rightly. Who reads by dcm2json must be ready for that, and take dcm2xml for
# such files, where both come out as they should.
set -u
for i in apt-get dpkg python3 node; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q dcmtk=3.6.7-9~deb12u4 libdcmtk17=3.6.7-9~deb12u4 \
	>/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
lib=$(dirname "$(find root/usr/lib -name 'libdcmdata.so.*' -print -quit)")
PATH=$dir/root/usr/bin:$PATH
export LD_LIBRARY_PATH=$dir/$lib DCMDICTPATH=$dir/root/usr/share/libdcmtk17/dicom.dic
dcm2json --version >/dev/null 2>&1 || exit 77

cat >make.py <<'EOP'
import struct


def element(group, number, vr, value):
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    size = struct.pack("<HI", 0, len(value)) if vr in ("OB", "OW") else \
        struct.pack("<H", len(value))
    return struct.pack("<HH2s", group, number, vr.encode()) + size + value


sop_class = "1.2.840.10008.5.1.4.1.1.4.1"
meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
    element(2, 3, "UI", "2.25.1") + element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + \
    element(2, 0x12, "UI", "2.25.9")
for name, thickness, value in (("plus", "+1.0", 0.5), ("bare", ".5", 0.5),
                               ("zeros", "007", 0.5), ("point", "1.", 0.5),
                               ("nan", "1", float("nan")), ("inf", "1", float("inf"))):
    with open(name, "wb") as f:
        f.write(bytes(128) + b"DICM" +
                element(2, 0, "UL", struct.pack("<I", len(meta))) + meta +
                element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", "2.25.1") +
                element(0x10, 0x20, "LO", "P") + element(0x12, 0x71, "LO", "12.34") +
                element(0x18, 0x50, "DS", thickness) +
                element(0x18, 0x9087, "FD", struct.pack("<d", value)) +
                element(0x20, 0xd, "UI", "2.25.2") + element(0x20, 0xe, "UI", "2.25.3"))
EOP
cat >read.cjs <<'EOP'
const text = require("fs").readFileSync(0, "utf8");
try {
  const d = JSON.parse(text);
  console.log(d["00120071"].Value[0], d["00180050"].Value[0], d["00189087"].Value[0]);
} catch (e) {
  console.log("no JSON");
}
EOP
python3 make.py || exit 77
for i in plus bare zeros point nan inf; do
	dcm2json $i >json 2>said
	echo "dcm2json, $i: $?, $(grep -c . said) warnings, $(node read.cjs <json)"
	dcm2xml $i xml 2>/dev/null
	echo "dcm2xml, $i: $(sed -n 's/.*tag="0018,.0.*">\(.*\)<.*/\1/p' xml | paste -sd' ')"
done >seen
cat seen
cmp -s seen - <<'EOT'
dcm2json, plus: 0, 0 warnings, 12.34 1 0.5
dcm2xml, plus: +1.0 0.5
dcm2json, bare: 0, 0 warnings, 12.34 0.5 0.5
dcm2xml, bare: .5 0.5
dcm2json, zeros: 0, 0 warnings, 12.34 7 0.5
dcm2xml, zeros: 007 0.5
dcm2json, point: 0, 0 warnings, no JSON
dcm2xml, point: 1. 0.5
dcm2json, nan: 0, 0 warnings, no JSON
dcm2xml, nan: 1 nan
dcm2json, inf: 0, 0 warnings, no JSON
dcm2xml, inf: 1 inf
EOT
