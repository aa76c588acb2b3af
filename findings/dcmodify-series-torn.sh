#!/bin/bash
# dcmodify of DCMTK 3.6.7 takes several files and -gst, -gse ("generate new Study",
# "Series Instance UID"). Each file gets new ones of its own: a series of three images
# given to it at once is three series of three studies afterwards, status 0, and the -nb
# that goes with such runs leaves no way back. A series given a new UID where it was
# delivered twice, or to keep a trial's copy apart, is torn so. Who wants one UID for
# all makes it first, and sets it by -m.
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
dcmodify --version >/dev/null 2>&1 || exit 77

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
for i in "123":
    meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
        element(2, 3, "UI", "2.25.1" + i) + \
        element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + element(2, 0x12, "UI", "2.25.9")
    with open("IM" + i, "wb") as f:
        f.write(bytes(128) + b"DICM" +
                element(2, 0, "UL", struct.pack("<I", len(meta))) + meta +
                element(8, 0x16, "UI", sop_class) +
                element(8, 0x18, "UI", "2.25.1" + i) + element(0x10, 0x20, "LO", "P") +
                element(0x20, 0xd, "UI", "2.25.2") + element(0x20, 0xe, "UI", "2.25.3"))
EOP
python3 make.py || exit 77
told() {		# told WHAT: how many studies and series the files are
	echo "$1: $(dcmdump -q +P 0020,000d IM? | sort -u | grep -c .) studies," \
		"$(dcmdump -q +P 0020,000e IM? | sort -u | grep -c .) series"
}
{
	told made
	dcmodify -nb -gst -gse IM1 IM2 IM3 2>said
	told "dcmodify $?, $(grep -c . said) warnings"
} >seen
cat seen
cmp -s seen - <<'EOT'
made: 1 studies, 1 series
dcmodify 0, 0 warnings: 3 studies, 3 series
EOT
