#!/bin/bash
# A Decimal String has at most 16 characters (PS3.5 6.2). odil 0.12.2 keeps it as a
# double, and when it writes the file again spells each one anew, those of elements that
# nobody touched, too: 0.7 is written as .6999999999999999, which has 17 characters and is
# another number. 11 of the 99 numbers 0.1, 0.2 to 9.9 become too long so, and three of
# them others. No error is raised. Values that fit are spelt shorter, 5.000000 as 5, an Instance Number 007 as 7. So a file that
# went through odil, for a new Patient ID, say, is not the file that came but for that
# element, and a reader that holds to 16 characters refuses it or cuts the number.
set -u
for i in apt-get dpkg /usr/bin/python3; do
	command -v $i >/dev/null || exit 77
done
/usr/bin/python3 --version | grep -q ' 3\.11\.' || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q python3-odil=0.12.2-2+b5 libodil0=0.12.2-2+b5 \
	libboost-log1.74.0=1.74.0+ds1-21 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
LD_LIBRARY_PATH=$dir/$(dirname "$(find root/usr/lib -name 'libodil.so.*' -print -quit)")
PYTHONPATH=$dir/root/usr/lib/python3/dist-packages
export LD_LIBRARY_PATH PYTHONPATH
/usr/bin/python3 -c 'import odil' 2>/dev/null || exit 77

cat >again.py <<'EOT'
import struct

import odil


def element(group, number, vr, value):
    value = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, vr.encode(), len(value)) + value


def again(weight, number="1"):
    """The two values as they stand in the file that is written again."""
    meta = element(2, 2, "UI", "1.2.840.10008.5.1.4.1.1.7") + \
        element(2, 3, "UI", "1.2.3") + element(2, 16, "UI", "1.2.840.10008.1.2.1")
    body = element(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.7") + \
        element(8, 0x18, "UI", "1.2.3") + element(0x10, 0x1030, "DS", weight) + \
        element(0x20, 0x13, "IS", number)
    with open("in.dcm", "wb") as f:
        f.write(bytes(128) + b"DICM" + struct.pack(
            "<HH2sHI", 2, 0, b"UL", 4, len(meta)) + meta + body)
    with odil.open("in.dcm") as f:
        header, data = odil.Reader.read_file(f)
    with odil.open("out.dcm", "wb") as f:
        odil.Writer.write_file(data, f, header, odil.registry.ExplicitVRLittleEndian)
    with open("out.dcm", "rb") as f:
        out = f.read()
    said = []
    for tag in b"\x10\0\x30\x10DS", b"\x20\0\x13\0IS":
        at = out.index(tag) + 8
        said.append(out[at:at + out[at - 2]].decode().strip())
    return said


for value in "0.7", "5.000000", "0.70710678118655":
    print(value, "becomes", again(value)[0])
print("007 becomes", again("1", "007")[1])
tenths = ["%.1f" % (i / 10) for i in range(1, 100)]
spelt = {v: again(v)[0] for v in tenths}
print(sum(len(s) > 16 for s in spelt.values()), "of", len(tenths),
      "have more than 16 characters,", sum(float(v) != float(s) for v, s in spelt.items()),
      "are other numbers")
EOT
/usr/bin/python3 again.py >seen 2>&1
cat seen
cmp -s seen - <<'EOT'
0.7 becomes .6999999999999999
5.000000 becomes 5
0.70710678118655 becomes .70710678118655
007 becomes 7
11 of 99 have more than 16 characters, 3 are other numbers
EOT
