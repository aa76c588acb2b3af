#!/bin/bash
# GDCM 3.0.21's gdcmanon writes "BASIC APPLICATION LEVEL CONFIDENTIALITY PROFILE" into
# De-identification Method and YES into Patient Identity Removed, but means a profile of
# years ago. Private elements, Study and Series Date, Clinical Trial Subject ID and
# Requested Procedure Description stay, at top level as within sequences; today's Basic
# Profile (PS3.15 table E.1-1) removes or replaces them all. A file in which a site has
# filled in De-identification Method (0012,0063) already is refused, status 1. Who takes
# the method's name for what it says today hands out dates and private elements; and an
# id that stands in (0012,0071) or in a private element lives through gdcmanon, though
# not through the profile.
set -u
for i in apt-get dpkg python3 openssl; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q dcmtk=3.6.7-9~deb12u4 libdcmtk17=3.6.7-9~deb12u4 \
	libgdcm-tools=3.0.21-1 libgdcm3.0=3.0.21-1 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
lib=$(dirname "$(find root/usr/lib -name 'libdcmdata.so.*' -print -quit)")
PATH=$dir/root/usr/bin:$PATH
export LD_LIBRARY_PATH=$dir/$lib DCMDICTPATH=$dir/root/usr/share/libdcmtk17/dicom.dic
dcmdump --version >/dev/null 2>&1 && gdcmanon --version >/dev/null 2>&1 || exit 77
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 9 \
	-subj /CN=lab >/dev/null 2>&1 || exit 77

cat >make.py <<'EOP'
import struct


def element(group, number, vr, value):
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    size = struct.pack("<HI", 0, len(value)) if vr in ("OB", "OW", "SQ") else \
        struct.pack("<H", len(value))
    return struct.pack("<HH2s", group, number, vr.encode()) + size + value


def item(*elements):
    return struct.pack("<HHI", 0xfffe, 0xe000, sum(map(len, elements))) + \
        b"".join(elements)


sop_class = "1.2.840.10008.5.1.4.1.1.2"
meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
    element(2, 3, "UI", "2.25.1") + element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + \
    element(2, 0x12, "UI", "2.25.9")
for name, method in (("in.dcm", b""), ("site.dcm", element(0x12, 0x63, "LO", "our own"))):
    with open(name, "wb") as f:
        f.write(bytes(128) + b"DICM" +
                element(2, 0, "UL", struct.pack("<I", len(meta))) + meta +
                element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", "2.25.1") +
                element(8, 0x20, "DA", "20260102") + element(8, 0x21, "DA", "20260102") +
                element(8, 0x30, "TM", "120000") + element(8, 0x50, "SH", "A1") +
                element(8, 0x60, "CS", "CT") + element(8, 0x80, "LO", "Hospital") +
                element(8, 0x90, "PN", "Refers^Dr") + element(8, 0x1050, "PN", "Does^Dr") +
                element(0x10, 0x10, "PN", "Doe^Jane") + element(0x10, 0x20, "LO", "P") +
                element(0x10, 0x30, "DA", "19700101") + element(0x11, 0x10, "LO", "ACME") +
                element(0x11, 0x1001, "LO", "Doe, Jane") +
                element(0x12, 0x40, "LO", "S-007") + method +
                element(0x12, 0x71, "LO", "12.34") + element(0x20, 0xd, "UI", "2.25.2") +
                element(0x20, 0xe, "UI", "2.25.3") + element(0x28, 2, "US", 1) +
                element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 1) +
                element(0x28, 0x11, "US", 2) + element(0x28, 0x100, "US", 8) +
                element(0x28, 0x101, "US", 8) + element(0x28, 0x102, "US", 7) +
                element(0x28, 0x103, "US", 0) + element(0x32, 0x1060, "LO", "CT of Doe") +
                element(0x54, 0x16, "SQ", item(
                    element(8, 0x20, "DA", "20260102"),
                    element(0x32, 0x1060, "LO", "Doe's tracer"))) +
                element(0x7fe0, 0x10, "OB", b"\1\2"))
EOP
python3 make.py || exit 77
told() {		# told TAG: what stands there
	printf '%s %s\n' "$1" "$(dcmdump -q +P "$1" out.dcm |
		sed 's/^[^[]*\[\(.*\)\].*/\1/; s/.*(no value.*/empty/' | paste -sd'|')"
}
{
	gdcmanon -c cert.pem -e in.dcm out.dcm >/dev/null 2>&1
	echo "gdcmanon: $?"
	for i in 0012,0062 0012,0063 0008,0050 0008,0080 0008,0090 0008,1050 0010,0010 \
		0010,0020 0008,0020 0008,0021 0011,1001 0012,0040 0012,0071 0032,1060; do
		told $i
	done
	gdcmanon -c cert.pem -e site.dcm none.dcm >/dev/null 2>&1
	echo "gdcmanon, method filled in: $?"
} >seen
cat seen
cmp -s seen - <<'EOT'
gdcmanon: 0
0012,0062 YES
0012,0063 BASIC APPLICATION LEVEL CONFIDENTIALITY PROFILE
0008,0050 empty
0008,0080 empty
0008,0090 empty
0008,1050 empty
0010,0010 empty
0010,0020 empty
0008,0020 20260102|20260102
0008,0021 20260102
0011,1001 Doe, Jane
0012,0040 S-007
0012,0071 12.34
0032,1060 CT of Doe|Doe's tracer
gdcmanon, method filled in: 1
EOT
