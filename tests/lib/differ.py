#!/usr/bin/python3
"""Other readers of archives, to compare ours with (R54, R56).

    differ.py zip FILE		the members that zipfile sees: size, CRC, name
    differ.py tar FILE		the same by tarfile
    differ.py kept OLD NEW	NEW is OLD but for the data of some members

Names are in hex.  Exit status 1 when python cannot read it.  The last reads
both by zipfile's directory and the raw local headers; it prints a line for each
fault, and at the end how many members have the same data and how many others.
"""
import struct
import sys
import tarfile
import warnings
import zipfile
import zlib

warnings.simplefilter("ignore")


def name(info):
    n = info.orig_filename
    return n.encode("utf-8" if info.flag_bits & 0x800 else "cp437")


def zips(path):
    for i in zipfile.ZipFile(path).infolist():
        print(i.file_size, "%08x" % i.CRC, name(i).hex())


def tars(path):
    with tarfile.open(path) as t:
        for m in t:
            data = t.extractfile(m).read() if m.isreg() else b""
            print(len(data), "%08x" % zlib.crc32(data),
                  m.name.encode("utf-8", "surrogateescape").hex())


def local(data, at):
    """A local header without what a stamp changes, and where data begin."""
    f = list(struct.unpack_from("<IHHHHHIIIHH", data, at))
    nlen, xlen = f[9], f[10]
    name = data[at + 30:at + 30 + nlen]
    extra = data[at + 30 + nlen:at + 30 + nlen + xlen]
    fields, i = [], 0
    while i + 4 <= len(extra):
        k, n = struct.unpack_from("<HH", extra, i)
        fields.append((k, n, b"" if k == 1 else extra[i + 4:i + 4 + n]))
        i += 4 + n
    # Sizes stay where they stood: in the field, in zip64's, or later.
    where = [v in (0, 0xFFFFFFFF) and v for v in f[6:9]]
    return (f[:6], where if f[2] & 8 else where[1:], name, fields,
            extra[i:]), at + 30 + nlen + xlen


KEPT = ("filename", "orig_filename", "date_time", "compress_type", "comment",
        "create_system", "create_version", "extract_version", "reserved",
        "flag_bits", "volume", "internal_attr", "external_attr")


def others(extra):
    out, i = [], 0
    while i + 4 <= len(extra):
        k, n = struct.unpack_from("<HH", extra, i)
        if k != 1:
            out.append(extra[i:i + 4 + n])
        i += 4 + n
    return out


def kept(old, new):
    with open(old, "rb") as f:
        a = f.read()
    with open(new, "rb") as f:
        b = f.read()
    za, zb = zipfile.ZipFile(old), zipfile.ZipFile(new)
    if za.comment != zb.comment or len(za.infolist()) != len(zb.infolist()):
        print("comment or number of members")
    same = changed = 0
    order = []
    for x, y in zip(za.infolist(), zb.infolist()):
        for k in KEPT:
            if getattr(x, k) != getattr(y, k):
                print(x.filename, k)
        if others(x.extra) != others(y.extra):
            print(x.filename, "extra fields")
        la, da = local(a, x.header_offset)
        lb, db = local(b, y.header_offset)
        if la != lb:
            print(x.filename, "local header", la, lb)
        order.append((x.header_offset, y.header_offset))
        equal = x.CRC == y.CRC and x.file_size == y.file_size
        bytes_equal = (a[da:da + x.compress_size] ==
                       b[db:db + y.compress_size])
        if equal != bytes_equal:
            print(x.filename, "compressed bytes")
        same += bytes_equal
        changed += not bytes_equal
    if sorted(order) != sorted(order, key=lambda o: o[1]):
        print("order in the file")
    print("#", same, "same,", changed, "changed")


if __name__ == "__main__":
    try:
        {"zip": zips, "tar": tars, "kept": kept}[sys.argv[1]](*sys.argv[2:])
    except Exception as e:
        print(type(e).__name__, e, file=sys.stderr)
        sys.exit(1)
