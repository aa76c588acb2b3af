#!/bin/bash
# DCMTK 3.6.7's dcmodify and a private element that its dictionary does not know, as a
# trial's or a lab's own are. With -i, and with -m in a file of implicit VR, it takes
# the element for UN and the text for bytes in hexadecimal: of the id 12.34 the byte 12
# is left with its padding, of 1234.7 the byte 34, without a warning, and the status is
# 0. Only a text that begins with no such digit is refused. In a file of explicit VR -m
# of an element that is there takes the VR from there, and is right; so a try on one
# such file shows nothing. Who writes an id into a private element must give dcmodify a
# dictionary that has it (DCMDICTPATH), and read back.
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
meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
    element(2, 3, "UI", "2.25.1") + element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + \
    element(2, 0x12, "UI", "2.25.9")
for name, private in (("without", b""), ("with", element(0x13, 0x10, "LO", "ACME") +
                                         element(0x13, 0x1001, "LO", "none"))):
    with open(name, "wb") as f:
        f.write(bytes(128) + b"DICM" +
                element(2, 0, "UL", struct.pack("<I", len(meta))) + meta +
                element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", "2.25.1") +
                element(0x10, 0x20, "LO", "P") + private +
                element(0x20, 0xd, "UI", "2.25.2") + element(0x20, 0xe, "UI", "2.25.3"))
EOP
python3 make.py && dcmconv +ti with implicit || exit 77
printf '(0013,"ACME",01)\tLO\tTrialID\t1\tacme\n' >acme.dic
told() {		# told WHAT FILE DCMODIFY-OPTION...
	local what=$1 status
	cp "$2" file
	shift 2
	dcmodify -nb "$@" file 2>said
	status=$?
	echo "$what: $status, $(grep -c . said) warnings, $(dcmdump -q +P 0013,1001 file |
		sed 's/^([^)]*) \(..\) \([^ ]*\|([a-z ]*)\)  *#.*/\1 \2/')"
}
{
	told 'inserted, 12.34' without -i 0013,0010=ACME -i 0013,1001=12.34
	told 'inserted, 1234.7' without -i 0013,0010=ACME -i 0013,1001=1234.7
	told 'inserted, T-12' without -i 0013,0010=ACME -i 0013,1001=T-12
	told 'modified, explicit' with -m 0013,1001=12.34
	told 'modified, implicit' implicit -m 0013,1001=12.34
	export DCMDICTPATH=$DCMDICTPATH:acme.dic
	told 'inserted, in the dictionary' without -i 0013,0010=ACME -i 0013,1001=12.34
	told 'modified, implicit, in the dictionary' implicit -m 0013,1001=12.34
} >seen
cat seen
cmp -s seen - <<'EOT'
inserted, 12.34: 0, 0 warnings, UN 12\00
inserted, 1234.7: 0, 0 warnings, UN 34\00
inserted, T-12: 1, 2 warnings, 
modified, explicit: 0, 0 warnings, LO [12.34]
modified, implicit: 0, 0 warnings, ?? 12\00
inserted, in the dictionary: 0, 0 warnings, LO [12.34]
modified, implicit, in the dictionary: 0, 0 warnings, LO [12.34]
EOT
