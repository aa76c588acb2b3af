#!/bin/bash
# MRtrix 3.0.3's dcmedit writes a new value over the old one and never changes its
# length, which its manual says; what it does not say: the status is 0 and nothing is
# printed where a value does not fit, so S-0041 and S-0042 in place of Patient IDs of
# four characters are both S-00, one patient of two. A number is written as its digits:
# `-tag 0028 0010 32` gives an image 12851 rows, for the text "32" is the bytes 33 32. A
# shorter UID is filled up with spaces, where a UID has one zero byte at most, and who
# compares it as it stands has another UID. An element that is not there is not made,
# status 0. Who edits by it must read back.
set -u
for i in apt-get dpkg python3; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q mrtrix3=3.0.3-3+b1 libgomp1=12.2.0-14+deb12u1 \
	dcmtk=3.6.7-9~deb12u4 libdcmtk17=3.6.7-9~deb12u4 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
lib=$(dirname "$(find root/usr/lib -name 'libdcmdata.so.*' -print -quit)")
PATH=$dir/root/usr/bin:$PATH
export LD_LIBRARY_PATH=$dir/$lib DCMDICTPATH=$dir/root/usr/share/libdcmtk17/dicom.dic
dcmdump --version >/dev/null 2>&1 && dcmedit -version >/dev/null 2>&1 || exit 77

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


sop_class = "1.2.840.10008.5.1.4.1.1.7"
meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
    element(2, 3, "UI", "2.25.1") + element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + \
    element(2, 0x12, "UI", "2.25.9")
for name in ("one", "two"):
    with open(name, "wb") as f:
        f.write(bytes(128) + b"DICM" +
                element(2, 0, "UL", struct.pack("<I", len(meta))) + meta +
                element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", "2.25.1") +
                element(0x10, 0x20, "LO", "P" + name) +
                element(0x20, 0xd, "UI", "2.25.123456") +
                element(0x20, 0xe, "UI", "2.25.3") + element(0x28, 2, "US", 1) +
                element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 32) +
                element(0x28, 0x11, "US", 1) + element(0x28, 0x100, "US", 8) +
                element(0x28, 0x101, "US", 8) + element(0x28, 0x102, "US", 7) +
                element(0x28, 0x103, "US", 0) + element(0x7fe0, 0x10, "OB", bytes(32)))
EOP
python3 make.py || exit 77
edited() {		# edited FILE TAG OPTION...
	local file=$1 tag=$2 status
	shift 2
	cp "$file" out
	dcmedit "$@" out >said 2>&1
	status=$?
	echo "dcmedit $*: $status, $(grep -c . said) words, $(dcmdump -q +P "$tag" out |
		sed 's/^([^)]*) //; s/  *#.*//')"
}
{
	edited one 0010,0020 -id S-0041
	edited two 0010,0020 -id S-0042
	edited one 0028,0010 -tag 0028 0010 32
	edited one 0012,0071 -tag 0012 0071 12.34
	edited one 0020,000d -tag 0020 000d 2.25.7
	python3 -c 'file = open("out", "rb").read()
at = file.index(b"\x20\0\x0d\0UI")
print("its bytes:", file[at + 8:at + 8 + file[at + 6]])'
} >seen
cat seen
cmp -s seen - <<'EOT'
dcmedit -id S-0041: 0, 0 words, LO [S-00]
dcmedit -id S-0042: 0, 0 words, LO [S-00]
dcmedit -tag 0028 0010 32: 0, 0 words, US 12851
dcmedit -tag 0012 0071 12.34: 0, 0 words, 
dcmedit -tag 0020 000d 2.25.7: 0, 0 words, UI [2.25.7]
its bytes: b'2.25.7      '
EOT
