#!/bin/bash
# CTN 3.2.0 is what the first DICOM networks were tested with, and Debian has it still.
# dcm_strip_odd_groups takes the private elements out of an object, and its status is 0;
# those within the items of a sequence stay, of which its usage says nothing. So what a
# site cleans by it has a maker's own text left wherever a sequence holds some.
# dcm_modify_elements -t, "Files are processed in DICOM Part 10 format", reads such a file
# and writes none: there is neither preamble nor DICM, the meta information follows in
# Implicit VR within the data set, which is in that form, too, and says of itself that it
# is in Explicit VR. The status is 0. DCMTK 3.6.7's dcmdump does not read it.
# dcm_rm_element -t writes a Part 10 file.
set -u
for i in apt-get dpkg python3 dcmdump; do
	command -v $i >/dev/null || exit 77
done
dcmdump --version | grep -q 'v3\.6\.7 ' || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q ctn=3.2.0~dfsg-7 >/dev/null 2>&1 || exit 77
dpkg -x ctn*.deb root || exit 77
PATH=$dir/root/usr/bin:$PATH
dcm_strip_odd_groups -h 2>&1 | grep -q 'Write output in Part 10' || exit 77

cat >make.py <<'EOP'
import struct


def element(group, number, vr, value):
    value = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2) \
        if isinstance(value, str) else value
    size = struct.pack("<HI", 0, len(value)) if vr in ("OB", "SQ") else \
        struct.pack("<H", len(value))
    return struct.pack("<HH2s", group, number, vr.encode()) + size + value


item = element(8, 0x100, "SH", "CODE") + element(0x29, 0x10, "LO", "INNER") + \
    element(0x29, 0x1002, "LO", "inner text")
body = element(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.7") + \
    element(8, 0x18, "UI", "2.25.1") + element(0x10, 0x20, "LO", "P1") + \
    element(0x10, 0x40, "CS", "O") + element(0x29, 0x10, "LO", "OUTER") + \
    element(0x29, 0x1002, "LO", "outer text") + element(0x40, 0x260, "SQ", struct.pack(
        "<HHI", 0xfffe, 0xe000, len(item)) + item)
meta = element(2, 1, "OB", b"\0\1") + \
    element(2, 2, "UI", "1.2.840.10008.5.1.4.1.1.7") + \
    element(2, 3, "UI", "2.25.1") + element(2, 16, "UI", "1.2.840.10008.1.2.1") + \
    element(2, 18, "UI", "2.25.9")
with open("in.dcm", "wb") as f:
    f.write(bytes(128) + b"DICM" + element(
        2, 0, "UL", struct.pack("<I", len(meta))) + meta + body)
EOP
cat >look.py <<'EOP'
import sys

b = open(sys.argv[1], "rb").read()
print("%s: DICM %s, implicit meta information in front %s, says explicit %s, %s" % (
    sys.argv[1], b[128:132] == b"DICM", b[:8] == b"\2\0\0\0\4\0\0\0",
    b"1.2.840.10008.1.2.1\0" in b,
    " ".join(t for t in ("outer text", "inner text", "P1", "P2") if t.encode() in b)))
EOP
python3 make.py || exit 77
{
	dcm_strip_odd_groups -t -T in.dcm stripped >/dev/null 2>&1
	echo "dcm_strip_odd_groups: $?"
	echo '0010 0020 P2' | dcm_modify_elements -t in.dcm modified >/dev/null 2>&1
	echo "dcm_modify_elements: $?"
	dcm_rm_element -t 0010 0040 in.dcm removed >/dev/null 2>&1
	echo "dcm_rm_element: $?"
	for i in in.dcm stripped modified removed; do
		python3 look.py $i
		dcmdump $i >/dev/null 2>&1
		echo "$i, dcmdump: $?"
	done
} >seen
cat seen
cmp -s seen - <<'EOT'
dcm_strip_odd_groups: 0
dcm_modify_elements: 0
dcm_rm_element: 0
in.dcm: DICM True, implicit meta information in front False, says explicit True, outer text inner text P1
in.dcm, dcmdump: 0
stripped: DICM True, implicit meta information in front False, says explicit True, inner text P1
stripped, dcmdump: 0
modified: DICM False, implicit meta information in front True, says explicit True, outer text inner text P2
modified, dcmdump: 1
removed: DICM True, implicit meta information in front False, says explicit True, outer text inner text P1
removed, dcmdump: 0
EOT
