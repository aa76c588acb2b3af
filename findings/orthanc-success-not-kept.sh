#!/bin/bash
# Orthanc 1.10.1 and what it says "success" to without keeping it. A file whose UIDs and
# Patient ID it has already, with other bytes: the answer to the upload is 200
# (AlreadyStored), that to C-STORE is Success (0000), and what is kept is the first
# file, for OverwriteInstances is false unless set. So images that were sent once and
# are sent again after a correction, or with an id in their headers, stay as they were,
# and the sender's log says that all went well. A ZIP uploaded whole is 200 with a list
# of what was taken; a member that is cut off, a ZIP within, a file compressed by gzip
# are not named in it, though each alone is refused with 400. Who sends must set
# OverwriteInstances, or read back, and must count what the answer names.
set -u
for i in apt-get dpkg python3 curl; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
server=
trap '[ -z "$server" ] || { kill "$server"; wait "$server"; } 2>/dev/null
	rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q orthanc=1.10.1+dfsg-2+deb12u1 libcivetweb1=1.15+dfsg-4 \
	libpugixml1v5=1.13-0.2 libjsoncpp25=1.9.5-4 liblua5.3-0=5.3.6-2 \
	libboost-locale1.74.0=1.74.0+ds1-21 libboost-filesystem1.74.0=1.74.0+ds1-21 \
	libboost-thread1.74.0=1.74.0+ds1-21 libboost-regex1.74.0=1.74.0+ds1-21 \
	libboost-iostreams1.74.0=1.74.0+ds1-21 dcmtk=3.6.7-9~deb12u4 \
	libdcmtk17=3.6.7-9~deb12u4 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
lib=$dir/$(dirname "$(find root/usr/lib -name 'libdcmdata.so.*' -print -quit)")
PATH=$dir/root/usr/sbin:$dir/root/usr/bin:$PATH
DCMDICTPATH=$dir/root/usr/share/libdcmtk17/dicom.dic
export LD_LIBRARY_PATH=$lib DCMDICTPATH
Orthanc --version >/dev/null 2>&1 && dcmdump --version >/dev/null 2>&1 || exit 77

cat >make.py <<'EOP'
import gzip
import zipfile
import struct


def element(group, number, vr, value):
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode() + (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
    size = struct.pack("<HI", 0, len(value)) if vr in ("OB", "OW") else \
        struct.pack("<H", len(value))
    return struct.pack("<HH2s", group, number, vr.encode()) + size + value


def image(number, trial):
    sop_class = "1.2.840.10008.5.1.4.1.1.7"
    instance = "2.25.1%d" % number
    meta = element(2, 1, "OB", b"\0\1") + element(2, 2, "UI", sop_class) + \
        element(2, 3, "UI", instance) + \
        element(2, 0x10, "UI", "1.2.840.10008.1.2.1") + element(2, 0x12, "UI", "2.25.9")
    return bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))) + \
        meta + element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", instance) + \
        element(8, 0x60, "CS", "OT") + element(0x10, 0x10, "PN", "Doe") + \
        element(0x10, 0x20, "LO", "P") + trial + element(0x20, 0xd, "UI", "2.25.2") + \
        element(0x20, 0xe, "UI", "2.25.3") + element(0x28, 2, "US", 1) + \
        element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 1) + \
        element(0x28, 0x11, "US", 2) + element(0x28, 0x100, "US", 8) + \
        element(0x28, 0x101, "US", 8) + element(0x28, 0x102, "US", 7) + \
        element(0x28, 0x103, "US", 0) + element(0x7fe0, 0x10, "OB", b"\1\2")


files = {"before": image(1, b""), "after": image(1, element(0x12, 0x71, "LO", "12.34")),
         "two": image(2, b""), "cut": image(3, b"")[:-1],
         "four.gz": gzip.compress(image(4, b""))}
for name, data in files.items():
    with open(name, "wb") as f:
        f.write(data)
with zipfile.ZipFile("inner.zip", "w") as z:
    z.writestr("five", image(5, b""))
with zipfile.ZipFile("all.zip", "w") as z:
    for name in ("two", "cut", "four.gz", "inner.zip"):
        z.write(name)
EOP
python3 -W ignore make.py || exit 77
# Ports of the kernel's choice that are free at this moment.
ports=$(python3 -c 'import socket
s = [socket.create_server(("127.0.0.1", 0)) for i in range(2)]
print(*[i.getsockname()[1] for i in s])')
cat >orthanc.json <<EOT
{ "StorageDirectory": "$dir/store", "IndexDirectory": "$dir/store",
  "HttpPort": ${ports% *}, "DicomPort": ${ports#* }, "RemoteAccessAllowed": false,
  "AuthenticationEnabled": false, "Plugins": [] }
EOT
Orthanc orthanc.json >log 2>&1 &
server=$!
at=http://127.0.0.1:${ports% *}
curl -s -m 60 -o /dev/null --retry 60 --retry-delay 1 --retry-connrefused \
	"$at/system" || exit 77
post() {		# post FILE
	printf '%s: %s, %s\n' "$1" "$(curl -s -o out -w '%{http_code}' -X POST \
		--data-binary "@$1" "$at/instances")" "$(grep -o '"Status" : "[^"]*"' out |
		cut -d'"' -f4 | paste -sd' ')"
}
kept() {		# the id in the instance that before and after share
	local id
	id=$(curl -s "$at/tools/find" -d '{ "Level": "Instance",
		"Query": { "SOPInstanceUID": "2.25.11" } }' | grep -o '[0-9a-f]*-[-0-9a-f]*')
	curl -s -o one "$at/instances/$id/file"
	echo "kept: $(dcmdump -q +P 0012,0071 one | grep -c 12.34) ids," \
		"the first file byte for byte: $(cmp -s one before && echo yes)"
}
{
	post before
	post after
	kept
	storescu -v 127.0.0.1 "${ports#* }" after >said 2>&1
	echo "storescu: $?, $(grep -o 'Received Store Response.*' said)"
	kept
	post all.zip
	post cut
	post four.gz
	echo "images there: $(curl -s "$at/instances" | grep -c '"')"
} >seen
cat seen
cmp -s seen - <<'EOT'
before: 200, Success
after: 200, AlreadyStored
kept: 0 ids, the first file byte for byte: yes
storescu: 0, Received Store Response (Success)
kept: 0 ids, the first file byte for byte: yes
all.zip: 200, Success
cut: 400, 
four.gz: 400, 
images there: 2
EOT
