#!/bin/bash
# Orthanc 1.10.1 takes the new values of /instances/ID/modify as UTF-8, and writes them
# in the character set that the file has. What that set does not have is left out,
# letter by letter, and the answer is 200 with a file: of Latin-1 (ISO_IR 100) Łukasz
# becomes "ukasz", and Παπάς, as name and as Patient ID, becomes empty. In a file
# without Specific Character Set, which is ASCII, Jörg is written as Latin-1 with
# (0008,0005) still missing: no reader knows what it is. So a server that files images
# under a trial's names or ids by this call gives two patients one, or none. Who does so
# must send SpecificCharacterSet ISO_IR 192 in "Replace", or ASCII alone, and compare
# what comes back.
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
export LD_LIBRARY_PATH=$lib DCMDICTPATH PYTHONIOENCODING=utf-8
Orthanc --version >/dev/null 2>&1 && dcmdump --version >/dev/null 2>&1 || exit 77

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
for name, charset in (("latin1", element(8, 5, "CS", "ISO_IR 100")), ("ascii", b"")):
    with open(name, "wb") as f:
        f.write(bytes(128) + b"DICM" +
                element(2, 0, "UL", struct.pack("<I", len(meta))) + meta + charset +
                element(8, 0x16, "UI", sop_class) + element(8, 0x18, "UI", "2.25.1") +
                element(8, 0x60, "CS", "OT") + element(0x10, 0x10, "PN", "Doe") +
                element(0x10, 0x20, "LO", "P") + element(0x20, 0xd, "UI", "2.25.2") +
                element(0x20, 0xe, "UI", "2.25.3") + element(0x28, 2, "US", 1) +
                element(0x28, 4, "CS", "MONOCHROME2") + element(0x28, 0x10, "US", 1) +
                element(0x28, 0x11, "US", 2) + element(0x28, 0x100, "US", 8) +
                element(0x28, 0x101, "US", 8) + element(0x28, 0x102, "US", 7) +
                element(0x28, 0x103, "US", 0) + element(0x7fe0, 0x10, "OB", b"\1\2"))
EOP
python3 make.py || exit 77
# A port of the kernel's choice that is free at this moment.
port=$(python3 -c 'import socket
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1])')
cat >orthanc.json <<EOT
{ "StorageDirectory": "$dir/store", "IndexDirectory": "$dir/store", "HttpPort": $port,
  "RemoteAccessAllowed": false, "AuthenticationEnabled": false,
  "DicomServerEnabled": false, "Plugins": [] }
EOT
Orthanc orthanc.json >log 2>&1 &
server=$!
at=http://127.0.0.1:$port
curl -s -m 60 -o /dev/null --retry 60 --retry-delay 1 --retry-connrefused \
	"$at/system" || exit 77

value() {		# value TAG FILE: its bytes, those beyond ASCII as \xNN
	dcmdump -q +L +P "$1" "$2" | LC_ALL=C sed -n 's/^[^[]*\[\(.*\)\].*/\1/p' |
		python3 -c 'import sys
print(ascii(sys.stdin.buffer.read().strip().decode("latin1"))[1:-1])'
}
modify() {		# modify FILE NAME [MEMBER]
	local id
	id=$(curl -s -X POST --data-binary "@$1" "$at/instances" |
		sed -n 's/.*"ID" : "\([^"]*\)".*/\1/p')
	printf '%s, %s: %s,' "$1" "$2${3:+, UTF-8 asked for}" "$(curl -s -o out -w '%{http_code}' \
		"$at/instances/$id/modify" -d "{ \"Force\": true, \"Replace\": {
		\"PatientName\": \"$2\", \"PatientID\": \"$2\" ${3:+, $3} } }")"
	echo " set [$(value 0008,0005 out)] name [$(value 0010,0010 out)]" \
		"id [$(value 0010,0020 out)]"
	curl -s -o /dev/null -X DELETE "$at/instances/$id"
}
{
	modify latin1 Jörg
	modify latin1 Łukasz
	modify latin1 Ņukasz
	modify latin1 Παπάς
	modify ascii Jörg
	modify ascii Παπάς
	modify latin1 Παπάς '"SpecificCharacterSet": "ISO_IR 192"'
} >seen
cat seen
cmp -s seen - <<'EOT'
latin1, Jörg: 200, set [ISO_IR 100] name [J\xf6rg] id [J\xf6rg]
latin1, Łukasz: 200, set [ISO_IR 100] name [ukasz] id [ukasz]
latin1, Ņukasz: 200, set [ISO_IR 100] name [ukasz] id [ukasz]
latin1, Παπάς: 200, set [ISO_IR 100] name [] id []
ascii, Jörg: 200, set [] name [J\xf6rg] id [J\xf6rg]
ascii, Παπάς: 200, set [] name [] id []
latin1, Παπάς, UTF-8 asked for: 200, set [ISO_IR 192] name [\xce\xa0\xce\xb1\xcf\x80\xce\xac\xcf\x82] id [\xce\xa0\xce\xb1\xcf\x80\xce\xac\xcf\x82]
EOT
