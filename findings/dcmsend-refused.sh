#!/bin/bash
# An archive that is full, or that does not want an image, says so in its answer to
# C-STORE (PS3.4 B.2.3: A7xx out of resources, 0122 SOP class not supported, 0124 not
# authorized). DCMTK 3.6.7's dcmsend takes such an answer for none of its business: it
# prints nothing, ends with status 0, and sends the rest. Its manual says that such an
# answer halts nothing; that it is not an error either it does not say, and its list of
# statuses has none for it. storescu stops at the first image that is refused, with a
# status that is not 0, but with -nh, which lets it go on, its status is 0 too. Who sends
# by a script must read the file of dcmsend's --create-report-file, image by image.
set -u
for i in apt-get dpkg python3; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q dcmtk=3.6.7-9~deb12u4 libdcmtk17=3.6.7-9~deb12u4 \
	>/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
lib=$(dirname "$(find root/usr/lib -name 'libdcmdata.so.*' -print -quit)")
PATH=$dir/root/usr/bin:$PATH
export LD_LIBRARY_PATH=$dir/$lib DCMDICTPATH=$dir/root/usr/share/libdcmtk17/dicom.dic
dcmsend --version >/dev/null 2>&1 || exit 77

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
        element(2, 3, "UI", "1.2.3." + i) + \
        element(2, 16, "UI", "1.2.840.10008.1.2.1") + element(2, 18, "UI", "1.2.3")
    body = b"".join(element(*e) for e in (
        (8, 0x16, "UI", sop_class), (8, 0x18, "UI", "1.2.3." + i), (8, 0x60, "CS", "OT"),
        (0x10, 0x10, "PN", "A"), (0x10, 0x20, "LO", "7"), (0x20, 0xd, "UI", "1.2.3.4"),
        (0x20, 0xe, "UI", "1.2.3.5"), (0x20, 0x13, "IS", i), (0x28, 2, "US", 1),
        (0x28, 4, "CS", "MONOCHROME2"), (0x28, 0x10, "US", 1), (0x28, 0x11, "US", 2),
        (0x28, 0x100, "US", 8), (0x28, 0x101, "US", 8), (0x28, 0x102, "US", 7),
        (0x28, 0x103, "US", 0), (0x7fe0, 0x10, "OB", b"\1\2")))
    with open(i + ".dcm", "wb") as f:
        f.write(bytes(128) + b"DICM" + element(2, 0, "UL", struct.pack("<I", len(meta))
                                               .decode("latin-1")) + meta + body)
EOP
cat >archive.py <<'EOP'
"""An archive that takes each association, and answers each C-STORE with a status."""
import os
import socket
import struct
import sys


def whole(c, n):
    b = b""
    while len(b) < n:
        d = c.recv(n - len(b))
        if not d:
            raise EOFError
        b += d
    return b


def item(kind, data):
    return struct.pack(">BBH", kind, 0, len(data)) + data


def items(b):
    while b:
        n = struct.unpack(">H", b[2:4])[0]
        yield b[0], b[4:4 + n]
        b = b[4 + n:]


def accept(b):
    out = b[:68] + item(0x10, b"1.2.840.10008.3.1.1.1")
    for kind, data in items(b[68:]):
        if kind == 0x20:
            syntax = next(d for k, d in items(data[4:]) if k == 0x40)
            out += item(0x21, data[:1] + bytes(3) + item(0x40, syntax))
    out += item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3.4"))
    return struct.pack(">BBI", 2, 0, len(out)) + out


def elements(b):
    e = {}
    while b:
        number, size = struct.unpack("<2xHI", b[:8])
        e[number] = b[8:8 + size]
        b = b[8 + size:]
    return e


def answer(context, request, status):
    def element(n, v):
        return struct.pack("<HHI", 0, n, len(v)) + v
    b = element(2, request[2]) + element(0x100, b"\1\x80") + \
        element(0x120, request[0x110]) + element(0x800, b"\1\1") + \
        element(0x900, struct.pack("<H", status)) + element(0x1000, request[0x1000])
    b = element(0, struct.pack("<I", len(b))) + b
    b = struct.pack(">IBB", len(b) + 2, context, 3) + b
    return struct.pack(">BBI", 4, 0, len(b)) + b


def serve(c):
    command = request = b""
    images = 0
    while True:
        kind, size = struct.unpack(">BxI", whole(c, 6))
        b = whole(c, size)
        if kind == 1:
            c.sendall(accept(b))
        elif kind == 5:
            c.sendall(struct.pack(">BBII", 6, 0, 4, 0))
            return images
        while kind == 4 and b:
            size, context, flags = struct.unpack(">IBB", b[:6])
            data, b = b[6:4 + size], b[4 + size:]
            if flags & 1:
                command += data
            if flags == 3:
                request, command = elements(command), b""
            elif flags == 2:
                c.sendall(answer(context, request, int(sys.argv[1], 16)))
                images += 1


s = socket.create_server(("127.0.0.1", 0))
with open("port.new", "w") as f:
    f.write(str(s.getsockname()[1]))
os.rename("port.new", "port")
while True:
    c, _ = s.accept()
    with c:
        try:
            n = serve(c)
        except (EOFError, ConnectionError):
            n = "some"
    with open("images", "w") as f:
        f.write(str(n))
    os.rename("images", "images.done")
EOP
python3 make.py || exit 77
tried() {		# tried COMMAND...: how it ends, what it says, what was asked
	rm -f images.done
	timeout 30 "$@" 127.0.0.1 "$(cat port)" 1.dcm 2.dcm 3.dcm >out 2>&1
	rc=$?
	for _ in $(seq 100); do
		[ -s images.done ] && break
		sleep 0.1
	done
	echo "$*: status $([ $rc -eq 0 ] && echo 0 || echo 'not 0')," \
		"$(wc -l <out) lines, $(cat images.done) of 3 offered"
}
for status in 0000 a700 0124; do
	rm -f port
	python3 archive.py $status &
	server=$!
	for _ in $(seq 100); do
		[ -s port ] && break
		sleep 0.1
	done
	echo "all are answered $status:"
	tried dcmsend
	tried storescu
	tried storescu -nh
	tried dcmsend --create-report-file report
	echo "the report has $status of $(grep -c "^DIMSE Status  : 0x$status" report)"
	rm -f report
	kill $server
	wait $server 2>/dev/null
	server=
done >seen
cat seen
cmp -s seen - <<'EOT'
all are answered 0000:
dcmsend: status 0, 0 lines, 3 of 3 offered
storescu: status 0, 0 lines, 3 of 3 offered
storescu -nh: status 0, 0 lines, 3 of 3 offered
dcmsend --create-report-file report: status 0, 0 lines, 3 of 3 offered
the report has 0000 of 3
all are answered a700:
dcmsend: status 0, 0 lines, 3 of 3 offered
storescu: status not 0, 0 lines, 1 of 3 offered
storescu -nh: status 0, 0 lines, 3 of 3 offered
dcmsend --create-report-file report: status 0, 0 lines, 3 of 3 offered
the report has a700 of 3
all are answered 0124:
dcmsend: status 0, 0 lines, 3 of 3 offered
storescu: status not 0, 0 lines, 1 of 3 offered
storescu -nh: status 0, 0 lines, 3 of 3 offered
dcmsend --create-report-file report: status 0, 0 lines, 3 of 3 offered
the report has 0124 of 3
EOT
