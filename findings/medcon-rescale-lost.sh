#!/bin/bash
# (X)MedCon 0.23.0 converts DICOM, to DICOM too, and by default leaves out how stored
# values are to be read: of a CT with Rescale Intercept -1024 the file it writes has the
# stored values and an intercept of 0, so air is 24 and water 1024, in DICOM as in
# NIfTI. The status is 0. Only with -qc are the values those of the scanner. What is
# written as DICOM says further, without being asked, that it is nuclear medicine
# (Modality and SOP Class), that the Accession Number is 1, and that the patient's whole
# name is the family name; (0012,0071) and private elements are gone. Who converts by it
# gives -qc, and takes the header from the source.
set -u
for i in apt-get dpkg python3; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q medcon=0.23.0-gtk3+dfsg-1+deb12u2 libmdc3=0.23.0-gtk3+dfsg-1+deb12u2 \
	libniftiio2=3.0.1-9 libznz3=3.0.1-9 dcmtk=3.6.7-9~deb12u4 \
	libdcmtk17=3.6.7-9~deb12u4 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
lib=$(dirname "$(find root/usr/lib -name 'libdcmdata.so.*' -print -quit)")
PATH=$dir/root/usr/bin:$PATH
export LD_LIBRARY_PATH=$dir/$lib DCMDICTPATH=$dir/root/usr/share/libdcmtk17/dicom.dic
dcmdump --version >/dev/null 2>&1 && ldd root/usr/bin/medcon | grep -vq 'not found' ||
	exit 77

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


sop_class = "1.2.840.10008.5.1.4.1.1.2"
meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
    element(2, 3, "UI", "2.25.1") + element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + \
    element(2, 0x12, "UI", "2.25.9")
with open("in.dcm", "wb") as f:
    f.write(bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) +
            meta + element(8, 8, "CS", "ORIGINAL\\PRIMARY\\AXIAL") +
            element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", "2.25.1") +
            element(8, 0x20, "DA", "20260101") + element(8, 0x21, "DA", "20260101") +
            element(8, 0x30, "TM", "120000") + element(8, 0x50, "SH", "A-4711") +
            element(8, 0x60, "CS", "CT") + element(0x10, 0x10, "PN", "Doe^Jane") +
            element(0x10, 0x20, "LO", "P") + element(0x12, 0x71, "LO", "12.34") +
            element(0x18, 0x50, "DS", "1") + element(0x20, 0xd, "UI", "2.25.2") +
            element(0x20, 0xe, "UI", "2.25.3") + element(0x20, 0x11, "IS", "1") +
            element(0x20, 0x13, "IS", "1") + element(0x20, 0x32, "DS", "0\\0\\1") +
            element(0x20, 0x37, "DS", "1\\0\\0\\0\\1\\0") + element(0x28, 2, "US", 1) +
            element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 4) +
            element(0x28, 0x11, "US", 4) + element(0x28, 0x30, "DS", "1\\1") +
            element(0x28, 0x100, "US", 16) + element(0x28, 0x101, "US", 16) +
            element(0x28, 0x102, "US", 15) + element(0x28, 0x103, "US", 1) +
            element(0x28, 0x1052, "DS", "-1024") + element(0x28, 0x1053, "DS", "1") +
            element(0x7fe0, 0x10, "OW", struct.pack("<16h", *[24, 1024, 1100, 2024] * 4)))
EOP
cat >values.py <<'EOP'
import struct
import sys

file = open(sys.argv[1], "rb").read()
if sys.argv[1].endswith(".nii"):
    kind = {4: "h", 512: "H", 16: "f"}[struct.unpack_from("<h", file, 70)[0]]
    slope, add = struct.unpack_from("<ff", file, 112)
    stored = struct.unpack_from("<4" + kind, file,
                                int(struct.unpack_from("<f", file, 108)[0]))
else:
    add, slope = map(float, sys.argv[2:])
    stored = struct.unpack("<4h", file[-32:-24])
print(*[round(v * (slope or 1) + add) for v in stored])
EOP
python3 make.py || exit 77
value() {		# value TAG FILE
	dcmdump -q +P "$1" "$2" | head -1 | sed 's/^[^=[]*[=[]\([^]#]*\).*/\1/; s/ *$//'
}
told() {		# told WHAT FILE
	echo "$1: $(python3 values.py "$2" "$(value 0028,1052 "$2")" "$(value 0028,1053 "$2")")"
}
{
	told 'in' in.dcm
	medcon -f in.dcm -c dicom -o plain >/dev/null 2>&1
	told "to DICOM, $?" plain.dcm
	medcon -f in.dcm -c nifti -o plain >/dev/null 2>&1
	echo "to NIfTI, $?: $(python3 values.py plain.nii)"
	medcon -qc -f in.dcm -c dicom -o qc >/dev/null 2>&1
	told "to DICOM with -qc, $?" qc.dcm
	for i in in plain; do
		echo "$i: $(for tag in 0008,0060 0008,0016 0008,0050 0010,0010 0010,0020 \
			0012,0071; do
			value $tag $i.dcm
		done | paste -sd'|')"
	done
} >seen
cat seen
cmp -s seen - <<'EOT'
in: -1000 0 76 1000
to DICOM, 0: 24 1024 1100 2024
to NIfTI, 0: 24 1024 1100 2024
to DICOM with -qc, 0: -1000 0 76 1000
in: CT|CTImageStorage|A-4711|Doe^Jane|P|12.34
plain: NM|NuclearMedicineImageStorage|1|Doe Jane^^^^|P
EOT
