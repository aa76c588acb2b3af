#!/bin/bash
# The manual of DCMTK 3.6.7's dump2dcm: "it is possible to capture the output of dcmdump
# into a file, modify some attributes and create a new DICOM file". dcmdump shortens long
# values, and ends them with "..."; dump2dcm takes what is left for the value, prints
# nothing, and its status is 0. Of an image of 64 by 64 pixels of 8 bits, changed in its
# Patient ID alone, the new file has 22 bytes of 4096, and Rows and Columns as before; a
# private element of 100 bytes is cut likewise. With dcmdump +L all values are
# there, but a line longer than 4096 characters, as that of any image is, is an error,
# nothing is written, and the status is 0 again; +l of dump2dcm makes room. dcmodify
# changes one element and keeps the others.
set -u
for i in apt-get dpkg python3; do
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
dump2dcm --version >/dev/null 2>&1 || exit 77

python3 - <<'EOP' || exit 77
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
    element(2, 3, "UI", "1.2.3.6") + element(2, 16, "UI", "1.2.840.10008.1.2.1") + \
    element(2, 18, "UI", "1.2.3")
body = b"".join(element(*e) for e in (
    (8, 0x16, "UI", sop_class), (8, 0x18, "UI", "1.2.3.6"), (8, 0x60, "CS", "OT"),
    (9, 0x10, "LO", "ACME"), (9, 0x1001, "OB", bytes(range(100))),
    (0x10, 0x20, "LO", "S-0007"), (0x20, 0xd, "UI", "1.2.3.4"),
    (0x20, 0xe, "UI", "1.2.3.5"), (0x28, 2, "US", 1), (0x28, 4, "CS", "MONOCHROME2"),
    (0x28, 0x10, "US", 64), (0x28, 0x11, "US", 64), (0x28, 0x100, "US", 8),
    (0x28, 0x101, "US", 8), (0x28, 0x102, "US", 7), (0x28, 0x103, "US", 0),
    (0x7fe0, 0x10, "OB", bytes(range(256)) * 16)))
with open("a.dcm", "wb") as f:
    f.write(bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(meta)) +
            meta + body)
EOP
tried() {		# tried DCMDUMP-OPTION [DUMP2DCM-OPTION...]
	# shellcheck disable=SC2086
	dcmdump $1 a.dcm | sed 's/S-0007/S-0008/' >dump
	rm -f new.dcm
	dump2dcm "${@:2}" dump new.dcm >out 2>&1 && rc=0 || rc='not 0'
	echo "dcmdump $1, dump2dcm${2:+ $2 $3}: status $rc, $(wc -l <out) lines"
	[ ! -e new.dcm ] || dcmdump +P PatientID +P Rows +P 0009,1001 +P PixelData \
		new.dcm 2>&1 | sed 's/^[^#]*#  *\([0-9]*\), 1 \(.*\)/	\2: \1 bytes/; s/  *$//'
}
{
	tried -q
	tried +L
	tried +L +l 1000000
} >seen
cat seen
cmp -s seen - <<'EOT'
dcmdump -q, dump2dcm: status 0, 0 lines
	PatientID: 6 bytes
	Rows: 2 bytes
	Unknown Tag & Data: 22 bytes
	PixelData: 22 bytes
dcmdump +L, dump2dcm: status 0, 3 lines
dcmdump +L, dump2dcm +l 1000000: status 0, 0 lines
	PatientID: 6 bytes
	Rows: 2 bytes
	Unknown Tag & Data: 100 bytes
	PixelData: 4096 bytes
EOT
