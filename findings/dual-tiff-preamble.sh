#!/bin/bash
# The preamble of a DICOM file may be a TIFF header (PS3.10 7.1), and whole slide images
# are made so: one file, that viewers of both kinds open. The TIFF's offsets count from
# the file's start, its directory lies in Data Set Trailing Padding (FFFC,FFFC). Four
# tools write such a file again, each with status 0 and the DICOM side right; of three
# the TIFF side is lost. DCMTK 3.6.7: dcmconv, and dcmodify where it changes one
# element, keep the preamble, but put their own name into the meta information, by
# which all behind it moves; dcmodify drops the padding as well. So the file still says
# that it is a TIFF, and its directory is not where it says. GDCM 3.0.21: gdcmanon
# writes a preamble of zeros, by which no reader is misled; gdcmconv keeps both sides
# readable. Who changes such a file must clear the preamble or make the TIFF anew.
set -u
for i in apt-get dpkg python3; do
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
dcmconv --version >/dev/null 2>&1 && gdcmconv --version >/dev/null 2>&1 || exit 77

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


sop_class, instance = "1.2.840.10008.5.1.4.1.1.7", "2.25.1"
meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
    element(2, 3, "UI", instance) + element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + \
    element(2, 0x12, "UI", "2.25.9")
data = element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", instance) + \
    element(8, 0x60, "CS", "OT") + element(0x10, 0x20, "LO", "P") + \
    element(0x12, 0x71, "LO", "12.34") + element(0x20, 0xd, "UI", "2.25.2") + \
    element(0x20, 0xe, "UI", "2.25.3") + element(0x28, 2, "US", 1) + \
    element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 2) + \
    element(0x28, 0x11, "US", 2) + element(0x28, 0x100, "US", 8) + \
    element(0x28, 0x101, "US", 8) + element(0x28, 0x102, "US", 7) + \
    element(0x28, 0x103, "US", 0) + element(0x7fe0, 0x10, "OB", b"\1\2\3\4")
body = b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) + meta + data
pixels = 128 + len(body) - 4
tags = [(256, 3, 2), (257, 3, 2), (258, 3, 8), (259, 3, 1), (262, 3, 1),
        (273, 4, pixels), (277, 3, 1), (278, 3, 2), (279, 4, 4)]
directory = struct.pack("<H", len(tags)) + b"".join(
    struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags) + bytes(4)
header = struct.pack("<2sHI", b"II", 42, 128 + len(body) + 12)
with open("in.dcm", "wb") as f:
    f.write(header + bytes(120) + body + element(0xfffc, 0xfffc, "OB", directory))
EOP
cat >tiff.py <<'EOP'
import struct
import sys

file = open(sys.argv[1], "rb").read()
magic, version, at = struct.unpack_from("<2sHI", file)
if (magic, version) != (b"II", 42):
    sys.exit(print("no TIFF"))
try:
    count = struct.unpack_from("<H", file, at)[0]
    tags = {t[0]: t[3] for t in (struct.unpack_from("<HHII", file, at + 2 + 12 * i)
                                 for i in range(count))}
    print("TIFF, pixels", list(file[tags[273]:tags[273] + tags[279]]))
except (struct.error, KeyError):
    print("says TIFF, no directory there")
EOP
python3 make.py || exit 77
told() {		# told NAME FILE STATUS
	printf '%s: %s, DICOM pixels %s, %s\n' "$1" "$3" \
		"$(dcmdump -q +P 7fe0,0010 "$2" | cut -d' ' -f3)" "$(python3 tiff.py "$2")"
}
{
	told made in.dcm 0
	dcmconv in.dcm a.dcm 2>/dev/null
	told dcmconv a.dcm $?
	cp in.dcm b.dcm
	dcmodify -nb -m 0012,0071=99 b.dcm 2>/dev/null
	told dcmodify b.dcm $?
	gdcmanon --dumb --replace 12,71=99 in.dcm c.dcm >/dev/null 2>&1
	told gdcmanon c.dcm $?
	gdcmconv in.dcm d.dcm >/dev/null 2>&1
	told gdcmconv d.dcm $?
	for i in a b c; do
		printf '%s: trailing padding: %s\n' $i \
			"$(dcmdump -q $i.dcm | grep -c '^(fffc,fffc)')"
	done
} >seen
cat seen
cmp -s seen - <<'EOT'
made: 0, DICOM pixels 01\02\03\04, TIFF, pixels [1, 2, 3, 4]
dcmconv: 0, DICOM pixels 01\02\03\04, says TIFF, no directory there
dcmodify: 0, DICOM pixels 01\02\03\04, says TIFF, no directory there
gdcmanon: 0, DICOM pixels 01\02\03\04, no TIFF
gdcmconv: 0, DICOM pixels 01\02\03\04, TIFF, pixels [1, 2, 3, 4]
a: trailing padding: 1
b: trailing padding: 0
c: trailing padding: 1
EOT
