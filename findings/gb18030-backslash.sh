#!/bin/bash
# In GB18030 and GBK the second byte of a character may be 5C, the backslash by which
# values are parted; the byte is part of the character there, and parts nothing. So it
# is in the given name 誠 (D5 5C). DCMTK 3.6.7 and dcmjs 0.51.1 read it; pydicom 2.3.1,
# dicom-parser 1.8.21 and daikon 1.2.46 part the value first: one name becomes two, and
# the character is lost. pydicom keeps the bytes of a name, but of other texts not: who
# merely looks at an element (or at all, as `for e in dataset` does) and saves the file
# has written other bytes into it, and the text is gone for everybody. Who must do that
# converts the file to UTF-8 before, as `dcmconv +U8` does rightly.
set -u
for i in apt-get dpkg python3 node npm; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q dcmtk=3.6.7-9~deb12u4 libdcmtk17=3.6.7-9~deb12u4 \
	python3-pydicom=2.3.1-1 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
npm init -y >/dev/null 2>&1
npm install --no-audit --no-fund --ignore-scripts dcmjs@0.51.1 dicom-parser@1.8.21 \
	daikon@1.2.46 >/dev/null 2>&1 || exit 77
lib=$(dirname "$(find root/usr/lib -name 'libdcmdata.so.*' -print -quit)")
PATH=$dir/root/usr/bin:$PATH
export LD_LIBRARY_PATH=$dir/$lib DCMDICTPATH=$dir/root/usr/share/libdcmtk17/dicom.dic \
	PYTHONPATH=$dir/root/usr/lib/python3/dist-packages PYTHONIOENCODING=utf-8
dcmdump --version >/dev/null 2>&1 || exit 77

cat >make.py <<'EOP'
import struct


def element(group, number, vr, value):
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode("gb18030")
    value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    size = struct.pack("<HI", 0, len(value)) if vr in ("OB", "OW") else \
        struct.pack("<H", len(value))
    return struct.pack("<HH2s", group, number, vr.encode()) + size + value


sop_class = "1.2.840.10008.5.1.4.1.1.7"
meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
    element(2, 3, "UI", "2.25.1") + element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + \
    element(2, 0x12, "UI", "2.25.9")
with open("in.dcm", "wb") as f:
    f.write(bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) +
            meta + element(8, 5, "CS", "GB18030") + element(8, 0x16, "UI", sop_class) +
            element(8, 0x18, "UI", "2.25.1") + element(8, 0x60, "CS", "OT") +
            element(8, 0x1030, "LO", "誠信") + element(0x10, 0x10, "PN", "陳^誠") +
            element(0x10, 0x20, "LO", "P") + element(0x20, 0xd, "UI", "2.25.2") +
            element(0x20, 0xe, "UI", "2.25.3") + element(0x28, 2, "US", 1) +
            element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 1) +
            element(0x28, 0x11, "US", 2) + element(0x28, 0x100, "US", 8) +
            element(0x28, 0x101, "US", 8) + element(0x28, 0x102, "US", 7) +
            element(0x28, 0x103, "US", 0) + element(0x7fe0, 0x10, "OB", b"\1\2"))
EOP
cat >read.py <<'EOP'
import pydicom

d = pydicom.dcmread("in.dcm")
print("pydicom: name", [str(v) for v in d.PatientName], "study",
      list(d.StudyDescription))
text = "誠信".encode("gb18030")


def saved(what, look):
    d = pydicom.dcmread("in.dcm")
    look(d)
    d.PatientID = "Q"
    d.save_as("out.dcm")
    print("pydicom, saved after", what + ": the study's text is there:",
          text in open("out.dcm", "rb").read())


saved("no look", lambda d: None)
saved("a look at the name", lambda d: d.PatientName)
saved("a look at the text", lambda d: d.StudyDescription)
saved("a look at all", lambda d: list(d))
EOP
cat >read.cjs <<'EOP'
const fs = require("fs");
console.error = () => {};
const dcmjs = require("dcmjs");
const parser = require("dicom-parser");
const daikon = require("daikon");

dcmjs.log.setLevel("silent");
const file = fs.readFileSync("in.dcm");
const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
const { dict } = dcmjs.data.DicomMessage.readFile(bytes);
console.log("dcmjs: name", JSON.stringify(dict["00100010"].Value.map((v) => v.Alphabetic)),
  "study", JSON.stringify(dict["00081030"].Value));
const parsed = parser.parseDicom(new Uint8Array(bytes));
console.log("dicom-parser: names", parsed.numStringValues("x00100010"), "study",
  parsed.numStringValues("x00081030"));
const image = daikon.Series.parseImage(new DataView(bytes));
console.log("daikon: names", image.getTag(0x10, 0x10).value.length, "study",
  image.getTag(8, 0x1030).value.length);
EOP
python3 make.py || exit 77
{
	dcmdump -q +U8 +P 0010,0010 +P 0008,1030 in.dcm | sed 's/.*\[\(.*\)\].*/dcmdump: \1/'
	python3 -W ignore read.py
	dcmdump -q +U8 +P 0008,1030 out.dcm | sed 's/.*\[\(.*\)\].*/dcmdump of that: \1/'
	dcmconv +U8 in.dcm utf8.dcm
	dcmdump -q +P 0010,0010 utf8.dcm | sed 's/.*\[\(.*\)\].*/dcmconv +U8: \1/'
	node read.cjs 2>/dev/null
} >seen
cat seen
cmp -s seen - <<'EOT'
dcmdump: 陳^誠
dcmdump: 誠信
pydicom: name ['陳^�', ''] study ['�', '信']
pydicom, saved after no look: the study's text is there: True
pydicom, saved after a look at the name: the study's text is there: True
pydicom, saved after a look at the text: the study's text is there: False
pydicom, saved after a look at all: the study's text is there: False
dcmdump of that: �\信
dcmconv +U8: 陳^誠
dcmjs: name ["陳^誠"] study ["誠信"]
dicom-parser: names 2 study 2
daikon: names 2 study 2
EOT
