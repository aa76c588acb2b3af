#!/bin/bash
# What an upload and its members are is told by bytes: not by a ZIP that some
# other file holds, nor by names.  Scan and stamp say the same, and what is
# stamped can be undone (F4, F5, R53, R56, R57).
. "$(dirname "$0")/lib/lib.sh"
# The sandbox keeps the leak checker from its work.
is_sanitized "$BUILD/bin/imgp-stamp" && export ASAN_OPTIONS=detect_leaks=0
PY=/usr/bin/python3
export TMPDIR=$WORK

"$PY" -W ignore - <<'EOT' || exit 1
import gzip, io, struct, tarfile, zipfile, zlib

def el(g, e, vr, v, implicit=False):
    v = v.encode() if isinstance(v, str) else v
    v += (b"\0" if vr in ("UI", "OB") else b" ") * (len(v) % 2)
    if implicit:
        return struct.pack("<HHI", g, e, len(v)) + v
    if vr in ("OB", "OW"):
        return struct.pack("<HH2sHI", g, e, vr.encode(), 0, len(v)) + v
    return struct.pack("<HH2sH", g, e, vr.encode(), len(v)) + v

CT = "1.2.840.10008.5.1.4.1.1.2"
def data(n, implicit=False, pixels=b"\1\2" * 500):
    return b"".join(el(*a, implicit) for a in (
        (8, 0x16, "UI", CT), (8, 0x18, "UI", "1.2.3.4.%d" % n),
        (0x20, 0xd, "UI", "1.2.3"), (0x20, 0xe, "UI", "1.2.3.4"),
        (0x20, 0x11, "IS", "1"), (0x7fe0, 0x10, "OW", pixels)))
def dicom(n):
    meta = (el(2, 2, "UI", CT) + el(2, 3, "UI", "1.2.3.4.%d" % n) +
            el(2, 0x10, "UI", "1.2.840.10008.1.2.1"))
    return (b"\0" * 128 + b"DICM" +
            el(2, 0, "UL", struct.pack("<I", len(meta))) + meta + data(n))
def zipped(*members, method=zipfile.ZIP_STORED):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", method) as z:
        for name, d in members:
            z.writestr(zipfile.ZipInfo(name), d, method)
    return b.getvalue()
def tarred(*members, v7=False):
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for name, d in members:
            m = tarfile.TarInfo(name)
            m.size = len(d)
            t.addfile(m, io.BytesIO(d))
    b = bytearray(b.getvalue())
    for at in range(0, len(b), 512) if v7 else ():
        if b[at + 257:at + 262] == b"ustar":
            b[at + 257:at + 512] = bytes(255)
            b[at + 148:at + 156] = b" " * 8
            b[at + 148:at + 156] = b"%06o\0 " % sum(b[at:at + 512])
    return bytes(b)
def put(name, d):
    open(name, "wb").write(d)

inner = zipped(("IM0", dicom(7)))
docx = zipped(("[Content_Types].xml", b"<Types/>"), ("word/a.xml", b"<a/>"))
three = [("IM%d" % i, dicom(i)) for i in range(3)]
for name, more in ("docx", docx), ("inner", inner):
    for v7 in False, True:
        t = tarred(*three, ("last", more), v7=v7)
        put("tar.3.%s%s" % (name, ".v7" if v7 else ""), t)
        put("tar.3.%s%s.gz" % (name, ".v7" if v7 else ""),
            gzip.compress(t, 0))
put("tar.3.element", tarred(("(", dicom(0)), *three[1:], ("last", docx)))
put("tar.0.only", tarred(("last", inner)))
put("bare.1.implicit", data(1, True, b"\0" * 600 + inner))
put("bare.1.explicit", data(1, False, inner))
put("nested.zip.gz", gzip.compress(inner, 0))
put("nested.gz.gz", gzip.compress(gzip.compress(data(1, False, b""))))
crc = gzip.compress(data(1, False, b""))
put("damaged.gz", crc[:3] + b"\2" + crc[4:10] + b"\0\0" + crc[10:])
put("method.comment.gz", crc[:3] + b"\x10" + crc[4:10] + b"c" * 2000 + b"\0" + crc[10:])
put("method.7z", b"7z\xbc\xaf\x27\x1c\0\4" + bytes(24) + inner)
put("method.rar", b"Rar!\x1a\7\0" + inner)
put("none.pdf", b"%PDF-1.4\n" + inner)
put("none.jpeg", b"\xff\xd8\xff\xe0" + inner + b"\xff\xd9")
put("none.nifti", struct.pack("<i", 348) + bytes(340) + b"n+1\0" + inner)
put("none.nifti2", struct.pack("<i", 540) + b"n+2\0\r\n\x1a\n" + inner)
put("none.cpio", b"070701" + b"0" * 104 + inner)
put("none.ar", b"!<arch>\n" + b" " * 60 + inner)
for name, stub in (("mz", b"MZ\x90\0" + bytes(600)), ("sh", b"#!/bin/sh\nexit\n"),
                   ("elf", b"\x7fELF\2\1\1" + bytes(900)),
                   ("bytes", bytes(range(256)) * 5)):
    put("zip.3." + name, stub + zipped(*three))
# An archive cut short, or with a bad end, is not the one that it holds.
cut = zipped(*three, ("last", inner), ("behind", b"x" * 100))
put("unsafe.cut", cut[:cut.index(b"x" * 100) + 50])
put("unsafe.end", cut[:-6] + b"\1\0\0\0" + cut[-2:])

# Names
for name in ("x/._IM0002", "__MACOSX/IM0002", ".DS_Store", "IM0002/",
             "__MACOSX/IM0002/"):
    for method in zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED:
        put("zip.2.%s.%d" % (name.replace("/", "_"), method),
            zipped(("IM1", dicom(1)), (name, dicom(2)), method=method))
    if not name.endswith("/"):
        put("tar.2." + name.replace("/", "_"),
            tarred(("IM1", dicom(1)), (name, dicom(2))))
apple = b"\0\5\x16\7\0\2\0\0Mac OS X        " + bytes(2000)
mac = [("IM1", dicom(1)), ("__MACOSX/._IM1", apple), ("._IM1", apple),
       (".DS_Store", b"\0\0\0\1Bud1" + bytes(6000)), ("._zip", docx),
       ("._text", b"text"), ("__MACOSX/._empty", b""), ("IM1/", b""),
       ("apple", apple)]
put("mac.zip", zipped(*mac, method=zipfile.ZIP_DEFLATED))
put("mac.tar", tarred(*(m for m in mac if m[0] != "IM1/")))
# One that cannot be inflated, behind bytes that tell what it is.
d = bytearray(zipped(("IM1", dicom(1)), ("._a", apple)))
put("mac.bad", bytes(d).replace(apple, apple[:1500] + b"bad" + apple[1503:]))
put("text.dir", zipped(("IM1", dicom(1)), ("dir/", b"text in a folder")))

# ZIP64: the locator says where the end record is.
def zip64(off=0, base=0, pre=b""):
    z = zipped(*three)
    end = z.rindex(b"PK\5\6")
    n, size, cd = struct.unpack("<HII", z[end + 10:end + 20])
    return (pre + z[:end] + struct.pack("<IQHHIIQQQQ", 0x06064b50, 44, 45, 45,
            0, 0, n, n, size, cd + base) +
            struct.pack("<IIQI", 0x07064b50, 0, (end + base + off) % (1 << 64), 1) +
            struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, 65535, 65535,
                        0xffffffff, 0xffffffff, 0))
put("zip.3.zip64", zip64())
put("zip.3.zip64-behind", zip64(pre=b"MZ" + bytes(98)))
for off in -1, 1, 12, 8 << 8, 1 << 40, -(1 << 20):
    put("unsafe.locator%d" % off, zip64(off))
put("unsafe.locator-base", zip64(off=100, pre=b"MZ" + bytes(98)))
EOT

# A sample has one or two of a kind.
is_long || for f in tar.* zip.* bare.* method.* none.* unsafe.*; do
	case $f in
	tar.3.inner.gz|tar.3.docx|zip.3.mz|zip.2.x_._IM0002.8|bare.1.implicit) ;;
	tar.3.element|method.comment.gz|method.7z|none.pdf|none.nifti2|unsafe.cut|unsafe.locator1) ;;
	*)	rm -- "$f" ;;
	esac
done
scan() { imgp-dcmscan -q "$1" >line 2>err; }
# stamp FILE STATUS: to `stamped`, with provenance
stamp() {
	imgp-stamp -q --id 77.1 --provenance prov -o stamped "$1" >out 2>err
	[ $? -eq "$2" ]
}
undo() { imgp-stamp -q --unstamp --provenance prov -o back stamped 2>err; }

# All are found and stamped, and all comes back.
for f in tar.* zip.* bare.*; do
	n=${f#*.} n=${n%%.*}
	scan "$f"
	is "$(jq -c '[.scans[].series[].number_of_instances] | add // 0' line)" \
		"$n" "$f: $n instances are found"
	read='cat'		# gzip is encoded anew
	[ "${f##*.}" != gz ] || read='gzip -dc'
	# Without an image that is said, and the upload goes on as it came.
	stamp "$f" "$((n == 0))" && undo && $read "$f" >a &&
		$read back | cmp -s - a
	ok $? "$f: stamped, and undone" || diag <err
	$read stamped >plain
	case $f in
	zip.*.8) ;;
	*) is "$(grep -ao '77\.1' plain | wc -l)" "$n" "$f: $n are stamped" ;;
	esac
done
# What the stamp makes is one by its readers, and what it holds is as it was.
for f in tar.3.*; do
	case $f in
	*.gz) gzip -dc "$f" >a; stamp "$f" 0; gzip -dc stamped >b ;;
	*) cp "$f" a; stamp "$f" 0; cp stamped b ;;
	esac
	tar -xOf a last >a.last 2>err && tar -xOf b last >b.last 2>err &&
		cmp -s a.last b.last && tar -tf b >out
	ok $? "$f: the ZIP within is as it was" || diag <err
done

# What is not read stays as it is.
for f in method.* nested.* damaged.* none.* unsafe.*; do
	case $f in
	nested.*) code=IMGP-ARCHIVE-NESTED ;;
	damaged.*) code=IMGP-ARCHIVE-DAMAGED ;;
	method.*) code=IMGP-ARCHIVE-METHOD ;;
	none.*) code=IMGP-DICOM-NONE ;;
	unsafe.*) code=IMGP-ARCHIVE-UNSAFE ;;
	esac
	scan "$f"
	is "$(jq -c '[.scans, .errors[0].error_code?]' line | tr -d '"')" \
		"[[],$code]" "$f: no scans, $code"
	stamp "$f" 1 && cmp -s "$f" stamped && grep -q "$code" err
	ok $? "$f: delivered untouched, $code" || diag <err
done

like <(imgp-dcmscan method.comment.gz 2>&1) 'gzip with .* a header of more than 1024 bytes' \
	'what keeps gzip from being read is said'
listing() { jq -cS '.listing' line; }
for f in none.nifti*; do
	scan $f
	is "$(listing)" '{"nifti":1}' "$f is named"
done

# What that system adds, and what is there in a folder's name.
scan mac.zip
is "$(listing)" '{"dicom":1,"macos":7}' 'ZIP: AppleDouble and the like are macos'
scan mac.tar
is "$(listing)" '{"dicom":1,"macos":7}' 'TAR: the same'
scan mac.bad
is "$(listing)" '{"dicom":1,"macos":1}' 'one that is damaged is macos still'
for f in mac.*; do
	stamp "$f" 0 && undo && cmp -s "$f" back
	ok $? "$f: stamped, and undone" || diag <err
done
scan text.dir
is "$(listing)" '{"dicom":1,"text":1}' 'what a folder holds as data is listed'
done_testing
