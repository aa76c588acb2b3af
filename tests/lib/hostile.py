#!/usr/bin/python3
"""Make hostile DICOM and ZIP files in the working directory (R50-R58): each is one
step beyond a limit of ours, or wrong in one place.

    hostile.py dicom | zip | shapes | deflated | edges

The name's first word, up to the first dot, is what the file must give: the code
without IMGP-, in lower case, or "ok".  Shapes are sound headers: same.*, that a
reader finds its way through alike, others, and implicit ones.
"""
import io
import random
import struct
import sys
import zipfile
import zlib

UIDS = {(8, 0x16): b"1.2.840.10008.5.1.4.1.1.7\0", (8, 0x18): b"1.2.3.4.5\0",
        (0x20, 0xD): b"1.2.3.4\0", (0x20, 0xE): b"1.2.3.40"}
EXPLICIT, DEFLATED = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"
IMPLICIT = b"1.2.840.10008.1.2\0"
UNDEFINED = 0xFFFFFFFF


def el(g, e, vr, value, length=None):
    n = len(value) if length is None else length
    if vr is None:
        return struct.pack("<HHI", g, e, n) + value
    if vr in (b"OB", b"SQ", b"UN", b"UT"):
        return struct.pack("<HH2sHI", g, e, vr, 0, n) + value
    return struct.pack("<HH2sH", g, e, vr, n) + value


def item(value=b"", length=None):
    return struct.pack("<HHI", 0xFFFE, 0xE000,
                       len(value) if length is None else length) + value


ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQ_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def meta(syntax):
    body = el(2, 0x10, b"UI", syntax)
    return b"\0" * 128 + b"DICM" + el(2, 0, b"UL",
                                      struct.pack("<I", len(body))) + body


def uid(g, e, vr=b"UI"):
    return el(g, e, vr, UIDS[(g, e)])


def obj(middle, syntax=EXPLICIT, vr=b"UI", tail=b""):
    """UIDs around what lies between group 0008 and group 0020."""
    body = uid(8, 0x16, vr) + uid(8, 0x18, vr) + middle
    body += uid(0x20, 0xD, vr) + uid(0x20, 0xE, vr)
    body += el(0x20, 0x11, vr and b"IS", b"7 ") + tail
    if syntax == DEFLATED:
        z = zlib.compressobj(1, zlib.DEFLATED, -15)
        body = z.compress(body) + z.flush()
    return meta(syntax) + body


def nest(n, undefined, vr=b"SQ"):
    if undefined:
        return ((el(8, 0x1140, vr, b"", UNDEFINED) + item(b"", UNDEFINED)) * n
                + (ITEM_END + SEQ_END) * n)
    s = b""
    for _ in range(n):
        s = el(8, 0x1140, vr, item(s))
    return s


def put(name, data):
    with open(name, "wb") as f:
        f.write(data)


def shapes():
    def name(value, vr=b"PN", e=0x10):
        return el(0x10, e, vr, value)

    put("same.1", obj(name(b"A^B ")))
    put("same.2", obj(name(b"Another^Name")))
    put("other.vr", obj(name(b"A^B ", b"LO")))
    put("other.tag", obj(name(b"A^B ", e=0x20)))
    put("other.more", obj(name(b"A^B ") + name(b"X ", b"LO", 0x20)))
    put("other.odd", obj(name(b"A^B")))
    put("other.empty", obj(name(b"")))
    put("other.nested", obj(nest(1, True)))
    put("other.nested2", obj(nest(2, True)))
    put("other.defined", obj(nest(1, False)))
    put("other.syntax", obj(name(b"A^B "), b"1.2.840.10008.1.2.4.50"))
    right = obj(name(b"A^B "))
    put("other.meta", right[:140] + b"\x1d" + right[141:])
    # The item announces more than its sequence holds: the outer is believed.
    for n in 10, 1 << 20:
        put("item.%d" % n, obj(el(8, 0x1140, b"SQ", item(
            el(8, 0x100, b"SH", b"X "), n))))
    put("implicit.all", obj(el(0x10, 0x10, None, b"A^B "), IMPLICIT, None))
    put("implicit.un", obj(el(8, 0x1140, b"UN", b"", UNDEFINED) +
                           item(el(8, 0x100, None, b"X ")) + SEQ_END))


def late():
    """What stands behind (0020,0011), where it is looked for no more."""
    rows = el(0x28, 0x10, b"US", b"\x02\0")
    pixels = el(0x7FE0, 0x10, b"OW", b"\0\0" * 4)
    stamp = el(0x12, 0x71, b"LO", b"88.2")
    series = el(0x20, 0xE, b"UI", b"9.9.9\0")
    far = el(0x29, 0x1010, b"OB", bytes(200000))
    put("late.id", obj(b"", tail=rows + stamp + pixels))
    put("late.far", obj(b"", tail=rows + far + stamp + pixels))
    put("late.twice", obj(el(0x12, 0x71, b"LO", b"77.1"),
                          tail=rows + stamp + pixels))
    put("late.series", obj(b"", tail=rows + series + pixels))
    put("late.center", obj(b"", tail=rows + el(0x12, 0x60, b"LO", b"X ") +
                           pixels))
    put("fine.nested", obj(b"", tail=rows + el(
        0x40, 0x275, b"SQ", item(stamp + series)) + far + pixels))
    put("fine.group", obj(b"", tail=rows + el(0x28, 0x11, b"US", b"\x02\0") +
                          el(0x12, 0, b"UL", b"\0\0\0\0") + pixels))
    put("first.rows", obj(rows))
    for name, more in ("padded", b""), ("junk", b"what?!"):
        data = obj(el(9, 0x10, b"LO", b"X "), DEFLATED)
        put("tail." + name, data + b"\0" + more)
    put("id.sequence", obj(el(0x12, 0x71, b"SQ", item() + SEQ_END, UNDEFINED)))
    put("id.blank", obj(el(0x12, 0x71, None, b"  77.1"), IMPLICIT, None))
    put("patient", obj(el(0x10, 0x20, b"LO", b"850312.7")))


def deflated():
    put("inflates", obj(el(9, 0x10, b"LO", b"X ") +
                        el(9, 0x1001, b"OB", b"abcd" * 5000), DEFLATED))


def edges():
    put("edge.items",
        obj(el(8, 0x1140, b"SQ", item() * 3 + SEQ_END, UNDEFINED)))
    put("edge.depth", obj(nest(3, True)))


def dicom():
    big = b"\0" * 100
    put("ok.plain", obj(el(0x10, 0x10, b"PN", b"X ")))
    put("ok.nested", obj(nest(32, True)))
    put("ok.nested-defined", obj(nest(32, False)))
    # Not a VR: taken for implicit, which does not fit; the item is passed over.
    put("ok.nested-damaged", obj(el(8, 0x9215, b"SQ", item(
        el(8, 0x100, b"Sh", b"113040") + el(8, 0x102, b"SH", b"DCM ")))
        + el(0x10, 0x10, b"PN", b"Lestrade^G") + el(0x10, 0x20, b"LO", b"1 ")))
    put("dicom-limit.deep", obj(nest(33, True)))
    put("dicom-limit.deep-defined", obj(nest(33, False)))
    put("dicom-limit.deeper", obj(nest(34, True)))
    put("dicom-limit.deeper-implicit",
        obj(nest(33, False, None), IMPLICIT, None))
    put("dicom-limit.items",
        obj(el(8, 0x1140, b"SQ", item() * 100001 + SEQ_END, UNDEFINED)))
    put("ok.items",
        obj(el(8, 0x1140, b"SQ", item() * 99999 + SEQ_END, UNDEFINED)))
    put("dicom-limit.elements", obj(el(
        8, 0x1140, b"SQ", item(el(9, 1, b"LO", b"") * 1000001), UNDEFINED) +
        SEQ_END))
    put("dicom-limit.length", obj(el(0x10, 0x4000, b"UT", b"", 0xFFFFFFF0)))
    put("dicom-limit.meta", b"\0" * 128 + b"DICM" +
        el(2, 1, b"OB", b"", 0xFFFFFF00))
    # Its first element ends where the limit is: the next must not escape it.
    put("dicom-limit.meta-edge", b"\0" * 128 + b"DICM" +
        el(2, 1, b"OB", b"\0" * ((16 << 20) - 144)) +
        el(2, 2, b"OB", b"", 0xFFFFFF00))
    put("dicom-limit.order", obj(b"".join(
        el(0x19, 200 - i, b"LO", b"") for i in range(66))))
    put("ok.order", obj(b"".join(
        el(0x19, 200 - i, b"LO", b"") for i in range(64))))
    put("dicom-limit.deflated",
        obj(el(0x10, 0x4000, b"UT", b"\0" * (17 << 20)), DEFLATED))
    put("dicom-limit.deflated-elements", obj(b"".join(
        el(9, i, b"LO", b"") for i in range(65536)) * 16, DEFLATED))
    put("dicom-truncated.header", obj(el(0x10, 0x10, b"PN", big))[:260])
    put("dicom-truncated.deflated",
        obj(el(0x10, 0x10, b"PN", random.Random(1).randbytes(1000)),
            DEFLATED)[:700])
    put("dicom-invalid.vr", obj(el(0x10, 0x10, b"OX", b"")))
    put("dicom-invalid.vr-unknown", obj(el(0x10, 0x10, b"ZZ", b"")))
    put("dicom-invalid.twice", obj(el(0x12, 0x71, b"LO", b"1 ") * 2))
    put("dicom-invalid.series-twice", obj(uid(0x20, 0xE)))
    put("dicom-invalid.delimiter", obj(SEQ_END))
    put("dicom-invalid.sequence",
        obj(el(8, 0x1140, b"SQ", b"garbage in place of items", UNDEFINED)))
    put("dicom-invalid.deflate", meta(DEFLATED) + b"\xff" * 100)
    put("ok.sequence-defined",	# the outer length is believed
        obj(el(8, 0x1140, b"SQ", b"garbage in place of items ")))
    put("dicom-no-uid.empty", meta(EXPLICIT))
    put("dicom-none.random", random.Random(2).randbytes(5000))
    put("dicom-none.short", b"DICM")
    put("ok.signed", obj(b"", tail=el(0x4FFE, 1, b"SQ", b"") +
        el(0x7FE0, 0x10, b"OB", b"\0" * 10) + el(0xFFFA, 0xFFFA, b"SQ", b"")))


LOCAL, CENTRAL, END = 30, 46, 22


def archive(members, **kw):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", kw.pop("method", zipfile.ZIP_DEFLATED)) as z:
        for n, d in members:
            z.writestr(n, d)
        z.comment = kw.pop("comment", b"")
    return bytearray(b.getvalue())


def zeros(mib, *members):
    """An archive of that many MiB of zeros, made in pieces, and ${members}."""
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
        info = zipfile.ZipInfo("a")
        info.compress_type = zipfile.ZIP_DEFLATED
        with z.open(info, "w") as f:
            for _ in range(mib):
                f.write(bytes(1 << 20))
        for n, d in members:
            z.writestr(n, d)
    return bytearray(b.getvalue())


def at(data, sig, n=0):
    i = -1
    for _ in range(n + 1):
        i = data.index(sig, i + 1)
    return i


def bits(data, sig, off, fmt, value):
    """Set a field of the first record with that signature."""
    d = bytearray(data)
    struct.pack_into(fmt, d, at(d, sig) + off, value)
    return d


def overlapping(n):
    """Every directory record names the same data."""
    one = archive([("0", b"\0" * 100)])
    cd = at(one, b"PK\1\2")
    rec = one[cd:at(one, b"PK\5\6")]
    end = bytearray(one[at(one, b"PK\5\6"):])
    struct.pack_into("<HHII", end, 8, n, n, len(rec) * n, cd)
    return one[:cd] + rec * n + end


def zips():
    good = obj(el(0x10, 0x10, b"PN", b"X "))
    two = archive([("a", good), ("b", b"text")])
    C, L, E = b"PK\1\2", b"PK\3\4", b"PK\5\6"
    put("ok.two", two)
    put("ok.comment", archive([("a", good)], comment=b"hello"))
    put("ok.prefix", b"#!/bin/sh\n" + two)
    put("ok.trailing", two + b"\0" * 100)
    put("ok.names", archive([(n, good) for n in (
        "../../etc/passwd", "/abs", "C:\\x", "a\\..\\b", "nl\nnl", "esc\x1b[2J",
        "x" * 256, "\udce9".encode("utf-8", "surrogateescape")
        .decode("latin-1"), "a", "A")]))
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    put("ok.link", archive([("a", good), (link, b"/etc/passwd")]))
    put("archive-nested.zip", archive([("a", good), ("b.zip", bytes(two))]))
    put("archive-damaged.cut", two[:len(two) * 6 // 10])
    put("archive-damaged.end", bits(two, E, 16, "<I", 0xFFFFFF))
    put("archive-unsafe.overlap", overlapping(2))
    put("archive-unsafe.size", bits(two, C, 24, "<I", 1 << 20))
    put("archive-unsafe.local-size", bits(two, L, 22, "<I", 1 << 20))
    put("archive-unsafe.csize", bits(two, C, 20, "<I", 3))
    put("archive-unsafe.crc", bits(two, C, 16, "<I", 1))
    put("archive-unsafe.local-crc", bits(two, L, 14, "<I", 1))
    put("archive-unsafe.name", bits(two, C, CENTRAL, "<B", 90))
    put("archive-unsafe.method", bits(two, L, 8, "<H", 0))
    put("archive-unsafe.offset", bits(two, C, 42, "<I", 1))
    put("archive-unsafe.count", _count(two, 1))
    put("archive-damaged.count", _count(two, 60000))
    put("archive-unsafe.two-ends", _two_ends(two))
    put("archive-encrypted.flag",
        bits(bits(two, C, 8, "<H", 1), L, 6, "<H", 1))
    put("archive-encrypted.aes",
        bits(bits(two, C, 10, "<H", 99), L, 8, "<H", 99))
    put("archive-method.lzma", archive([("a", good)], method=zipfile.ZIP_LZMA))
    put("archive-method.parts", _parts(two))
    put("archive-limit.ratio", zeros(70))
    put("ok.ratio", zeros(60, ("b", good)))
    put("archive-empty.zip", archive([]))
    put("archive-empty.bytes", b"")
    bad = bytearray(two)
    i = at(bad, L) + LOCAL + 1
    bad[i:i + 20] = b"\xff" * 20
    put("archive-damaged.data", bad)


def _count(data, n):
    d = bytearray(data)
    struct.pack_into("<HH", d, at(d, b"PK\5\6") + 8, n, n)
    return d


def _two_ends(data):
    """A whole second archive in the comment of the first."""
    d = bytearray(data)
    struct.pack_into("<H", d, at(d, b"PK\5\6") + 20, len(data))
    return d + data


def _parts(data):
    d = bytearray(data)
    struct.pack_into("<HH", d, at(d, b"PK\5\6") + 4, 1, 1)
    return d


if __name__ == "__main__":
    {"dicom": dicom, "zip": zips, "shapes": shapes,
     "deflated": deflated, "edges": edges, "late": late}[sys.argv[1]]()
