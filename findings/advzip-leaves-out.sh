#!/bin/bash
# advzip -z of advancecomp 2.5 packs a ZIP tighter, in its place, with status 0; its
# manual says "recompress". What else the archive holds it leaves out: the archive's
# comment, members' comments, and extra fields, such as the time in UTC to the second
# (Info-ZIP's UT) and the owner (ux); unzip then goes by the DOS times, which have no zone
# and are even. The data are right, so `unzip -t` finds nothing. Who keeps an archive
# small so does not keep the archive that came; unzip -Z -v shows what is left.
set -u
for i in apt-get dpkg python3; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q advancecomp=2.5-1 >/dev/null 2>&1 || exit 77
dpkg -x advancecomp*.deb root || exit 77
root/usr/bin/advzip --version >/dev/null 2>&1 || exit 77
cat >make.py <<'EOT'
import struct
import zipfile

with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.comment = b"site 7, visit 2"
    i = zipfile.ZipInfo("a.dcm", (2019, 1, 2, 3, 4, 6))
    i.compress_type, i.comment = zipfile.ZIP_DEFLATED, b"first scan"
    i.extra = struct.pack("<HHBI", 0x5455, 5, 1, 1546398247) + \
        struct.pack("<HHBBIBI", 0x7875, 11, 1, 4, 1001, 4, 1001)
    z.writestr(i, bytes(range(200)) * 90)
EOT
python3 make.py || exit 77
said() {
	python3 -c 'import sys, zipfile
with zipfile.ZipFile("a.zip") as z:
    for i in z.infolist():
        print(sys.argv[1] + ":", z.comment, i.comment, len(i.extra), "bytes extra, data",
              z.read(i) == bytes(range(200)) * 90)' "$1"
}
{
	said before
	root/usr/bin/advzip -z -4 a.zip >out 2>&1
	echo "status $?, $(grep -ci 'warn\|comment\|extra' out) lines about it"
	said after
} >seen
cat seen
cmp -s seen - <<'EOT'
before: b'site 7, visit 2' b'first scan' 24 bytes extra, data True
status 0, 0 lines about it
after: b'' b'' 0 bytes extra, data True
EOT
