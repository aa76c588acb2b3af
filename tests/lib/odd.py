#!/usr/bin/python3
"""Make DICOM files that are odd, as real writers made them, in the working directory.

The name's first word says what is right (tests/odd-headers.t):

    read.*   one instance, stamped; all readers find the id
    two.*    the same, but one of the readers may not read such a file at all
    some.*   the same, but DCMTK alone is asked: the others differ, or take long
    seen.*   one instance; DCMTK does not read it, so it is not stamped
    told.*   no instance, and an error says what is wrong with it
    dir.*    a DICOMDIR
    number.* a Series Number
    group.G.N.* group G has a length element, which must say N once it is stamped
    length.* (0012,0000) of another length than its four bytes
    foreign.* another's id is among the values of (0012,0071)
    value.*  another value is
    order.*  (0012,0071) out of order, where readers do not look
    end.*    what stands behind the head (tests/stamp-end.t)
"""
import struct
import zlib

from hostile import (DEFLATED, EXPLICIT, IMPLICIT, ITEM_END, SEQ_END, UNDEFINED,
                     el, item, meta, obj, put, uid)

CLASS, INSTANCE = b"1.2.840.10008.5.1.4.1.1.7\0", b"1.2.3.4.5\0"
BIG = b"1.2.840.10008.1.2.2\0"
DICOMDIR = b"1.2.840.10008.1.3.10"
CREATOR = el(9, 0x10, b"LO", b"ACME")


def bare(vr=b"UI", front=b""):
    """A data set alone."""
    return front + obj(b"", EXPLICIT if vr else IMPLICIT, vr)[len(meta(
        EXPLICIT if vr else IMPLICIT)):]


def full_meta(syntax=EXPLICIT, sop_class=CLASS, vr=b"UI", length=0, preamble=True):
    """Meta information: ${length} is added to its group length; None: it has none.
    ${vr} None: in implicit VR."""
    body = el(2, 1, vr and b"OB", b"\0\1")
    if sop_class:
        body += el(2, 2, vr, sop_class)
    body += el(2, 3, vr, INSTANCE) + el(2, 0x10, vr, syntax)
    if length is not None:
        body = el(2, 0, vr and b"UL", struct.pack("<I", len(body) + length)) + body
    return (b"\0" * 128 + b"DICM" if preamble else b"") + body


def big_endian():
    """A data set alone, in the big endian syntax."""
    return b"".join(struct.pack(">HH2sH", *tag, vr, len(v)) + v for *tag, vr, v in (
        (8, 0x16, b"UI", CLASS), (8, 0x18, b"UI", INSTANCE), (0x20, 0xD, b"UI", b"1.2.3\0"),
        (0x20, 0xE, b"UI", b"1.2.4\0"), (0x20, 0x11, b"IS", b"7 ")))


def packed(body):
    z = zlib.compressobj(6, zlib.DEFLATED, -15)
    return z.compress(body) + z.flush()


def group_4():
    stray = el(4, 0x1500, b"CS", b"C ")
    records = el(4, 0x1220, b"SQ", item(el(4, 0x1430, b"CS", b"PATIENT ")))
    put("read.file-id", full_meta() + bare(front=stray))
    put("read.file-id-implicit", full_meta(IMPLICIT) +
        bare(None, el(4, 0x1500, None, b"C ")))
    put("read.file-id-late", obj(stray))
    put("read.records", full_meta() + bare(front=records))
    put("two.file-id-alone", bare(front=stray))		# not by GDCM
    put("two.file-id-alone-implicit", bare(None, el(4, 0x1500, None, b"C ")))
    put("two.media-class", full_meta(sop_class=DICOMDIR) + bare())	# pydicom
    put("dir.no-class", full_meta(sop_class=None) + records)
    put("dir.class", full_meta(sop_class=DICOMDIR) + records)
    command = el(0, 0, None, b"\0\0\0\0")
    put("read.command", bare(None, command))
    put("read.command-meta", full_meta(IMPLICIT) + bare(None, command))


def meta_information():
    for name, syntax, body in (
            ("explicit", EXPLICIT, bare()), ("implicit", IMPLICIT, bare(None)),
            ("deflated", DEFLATED, packed(bare()))):
        for preamble in True, False:
            for length in 0, None:
                put("read.meta-%s-%d%d" % (name, preamble, length is None),
                    full_meta(syntax, CLASS, None, length, preamble) + body)
    twice = full_meta() + full_meta()[:132]
    put("told.preamble-twice", twice + full_meta()[132:] + bare())
    put("told.preamble-twice-implicit", full_meta(IMPLICIT) * 2 + bare(None))
    put("read.preamble-left", full_meta() + bytes(128) + bare())
    put("told.meta-unbounded", full_meta() + el(2, 0x102, b"OB", item(b"ab") + SEQ_END,
                                                UNDEFINED) + bare())
    for preamble in True, False:
        for length in 0, None:
            put("read.meta-big-%d%d" % (preamble, length is None),
                full_meta(BIG, CLASS, None, length, preamble) + big_endian())
    later = el(2, 0x12, None, b"1.2.3\0") + el(2, 0x13, None, b"ACME")
    for name, first in ("class", later[14:]), ("later", later):
        put("read.meta-from-" + name, first + el(2, 0x10, None, IMPLICIT) + bare(None))
    put("told.dicm-twice", full_meta() + full_meta()[128:] + bare())
    put("told.mixed-meta", full_meta() + full_meta(vr=None, preamble=False) + bare())
    put("told.mixed-command", full_meta() + el(0, 2, None, CLASS) + bare())
    put("read.meta-short", full_meta(IMPLICIT, CLASS, None, -10) + bare(None))
    put("read.length-short", full_meta(length=-18) + bare())
    put("read.length-long", full_meta(length=18) + bare())
    second = full_meta(DEFLATED, preamble=False)
    # pydicom reads all of group 2 as one, and inflates what is not deflated.
    put("two.twice", full_meta() + second + bare())
    put("two.twice-no-length", full_meta() +
        full_meta(DEFLATED, length=None, preamble=False) + bare())
    put("read.twice-same", full_meta(length=None) +
        full_meta(length=None, preamble=False) + bare())
    put("told.twice-no-length", full_meta(length=None) +
        full_meta(DEFLATED, length=None, preamble=False) + bare())
    put("told.twice-implicit", full_meta(IMPLICIT) + second + bare(None))
    put("told.no-preamble", full_meta()[128:] + bare())


def private_values():
    """A value of defined length that begins like an item is no sequence."""
    like = item(b"", UNDEFINED) + b"rubbish!" * 4
    creator = el(9, 0x10, None, b"ACME")
    put("read.like-an-item", obj(creator + el(9, 0x1001, None, like), IMPLICIT, None))
    put("read.item-too-long", obj(creator + el(9, 0x1001, None, item(
        b"rubbish!" * 4, 64)), IMPLICIT, None))
    put("read.item-in-item", obj(el(8, 0x1140, None, item(
        creator + el(9, 0x1001, None, like), UNDEFINED) + ITEM_END + SEQ_END,
        UNDEFINED), IMPLICIT, None))
    put("read.item-and-tail", obj(creator + el(9, 0x1001, None, item(
        el(9, 1, None, b"")) + b"tail"), IMPLICIT, None))
    texts = el(8, 0x100, b"SH", b"A1") + el(8, 0x104, b"LO", b"text")
    for name, one in (("", item(texts)),
                      ("-open", item(texts, UNDEFINED) + ITEM_END)):
        put("seen.un-explicit" + name, obj(CREATOR + el(
            9, 0x1001, b"UN", one + SEQ_END, UNDEFINED)))
    put("read.un-implicit", obj(CREATOR + el(9, 0x1001, b"UN", item(
        el(8, 0x100, None, b"A1") + el(8, 0x104, None, b"text")) + SEQ_END,
        UNDEFINED)))


def unknown_vrs():
    # pydicom 2.3.1 takes such an element, or all from there on, for implicit.
    for name, vr in (("marks", b"??"), ("dashes", b"--"), ("nuls", b"\0\0"),
                     ("blanks", b"  "), ("mixed", b"Z1")):
        put("some.vr-" + name, obj(CREATOR + el(9, 0x1001, vr, b"12345678")))
        put("some.vr-%s-empty" % name, obj(CREATOR + el(9, 0x1001, vr, b"")))
        put("some.vr-%s-first" % name, full_meta() + bare(
            front=el(8, 5, vr, b"ISO_IR 100")))
    put("some.vr-marks-item", obj(el(8, 0x1140, b"SQ", item(
        el(8, 0x1150, b"??", b"1.2.3\0")), None)))
    for vr in b"ZZ", b"OX":
        put("seen.vr-" + vr.decode(), obj(CREATOR + el(9, 0x1001, vr, b"12345678")))
        put("told.vr-%s-empty" % vr.decode(), obj(CREATOR + el(9, 0x1001, vr, b"")))
    put("seen.vr-none", obj(CREATOR + el(9, 0x1001, None, b"12345678")))


def uids():
    def with_series(value):
        body = uid(8, 0x16) + uid(8, 0x18) + uid(0x20, 0xD)
        return full_meta() + body + el(0x20, 0xE, b"UI", value)

    put("told.uid-long", with_series(b"1.2." + b"3" * 62))
    put("told.uid-blank", with_series(b"1.2 3\0"))
    put("told.uid-empty", with_series(b""))
    put("told.uid-none", full_meta() + uid(8, 0x16) + uid(8, 0x18) + uid(0x20, 0xD))
    put("read.uid-late", obj(el(0x20, 0x20, b"CS", b"X ")))
    put("read.uid-behind", obj(el(0x28, 0x10, b"US", b"\2\0")))
    for name, value in (("1.0", b"1.0 "), ("3.", b"3."), ("1e1", b"1e1 "),
                        ("1.5", b"1.5 "), ("text", b"abc "), ("big", b"99999999999 "),
                        ("LO", b"5 "), ("UN", b"5 "), ("US", b"\5\0"), ("SS", b"\xff\xff"),
                        ("UL", b"\5\0\0\0"), ("SL", b"\xfe" + b"\xff" * 3),
                        ("UL-big", b"\xff" * 4), ("US-two", b"\5\0\6\0"), ("US-none", b""),
                        ("FL", b"\0\0\xa0\x40"), ("AT", b"\5\0\5\0"), ("OB", b"5 ")):
        vr = name[:2].encode() if name[:2].isupper() else b"IS"
        put("number." + name, full_meta() + uid(8, 0x16) + uid(8, 0x18) +
            uid(0x20, 0xD) + uid(0x20, 0xE) + el(0x20, 0x11, vr, value))


def group_12():
    """A group length of (0012,eeee) that is wrong; ids of others in one value."""
    def length(n):
        return el(0x12, 0, b"UL", struct.pack("<I", n))
    center, removed = el(0x12, 0x60, b"LO", b"AB"), el(0x12, 0x62, b"LO", b"CD")
    late = el(0x12, 0x81, b"LO", b"EF")
    for name, n in ("right", 30), ("small", 0), ("large", 4000), ("full", 0xffffffff):
        put("group.12.42." + name, obj(length(n) + center + removed + late))
    put("group.12.20.alone", obj(length(7)))
    put("group.4001.48.behind", obj(b"", tail=el(0x4001, 0, b"UL", bytes(4)) +
        el(0x4001, 0x10, b"LO", b"OTHER ") + el(0x4001, 0x1010, b"LO", b"xy") +
        el(0x7FE0, 0x10, b"OB", b"1234")))
    put("group.4001.24.last", obj(b"", tail=el(0x4001, 0, b"UL", bytes(4))))
    for name, vr, value in (("short", b"US", bytes(2)), ("none", b"UL", b""),
                            ("long", b"UL", bytes(8))):
        put("length." + name, obj(el(0x12, 0, vr, value) + center))
    for name, value in (("one", b"99.9"), ("two", b"99.9\\78.1"), ("second", b"x\\78.1"),
                        ("mine-first", b"5.5\\78.1"), ("spaced", b"abc\\ 78.1 "),
                        ("far", b"a" * 64 + b"\\78.1")):
        put("foreign." + name, obj(el(0x12, 0x71, b"LO", value)))
    for name, value in ("text", b"abc\\def"), ("twice", b"5.5\\5.5"), ("dots", b"1.2.3\\4"):
        put("value." + name, obj(el(0x12, 0x71, b"LO", value)))
    mine, rows = el(0x12, 0x71, b"LO", b"5.5 "), el(0x28, 0x10, b"US", b"\1\0")
    pixels = el(0x7FE0, 0x10, b"OB", b"\0\0")
    plain = obj(b"", tail=rows + pixels)
    for name, before in ("series", uid(0x20, 0xE)), ("number", el(0x20, 0x11, b"IS", b"7 ")), \
            ("rows", rows), ("pixels", pixels):
        at = plain.index(before)
        put("order." + name, plain[:at] + mine + plain[at:])
    put("order.behind", plain + mine)


def alone():
    """Data sets alone: what is wrong with them is said once UIDs were seen, and an
    element of any low group may come first."""
    for name, vr in ("", b"UI"), ("-implicit", None):
        whole = bare(vr)
        study = whole.index(struct.pack("<HH", 0x20, 0xD))
        series = el(0x20, 0xE, vr, b"1.2.3.40")

        def amid(extra):
            return whole[:study] + extra + whole[study:]

        put("told.alone-twice" + name, amid(el(8, 0x18, vr, b"1.2\0")))
        put("told.alone-stray" + name, amid(SEQ_END))
        put("told.alone-uid-long" + name, whole.replace(series, el(
            0x20, 0xE, vr, b"1.2." + b"3" * 62)))
        put("told.alone-uid-none" + name, whole.replace(series, b""))
        put("told.alone-cut" + name, whole[:whole.index(series) + 12])
        put("told.alone-value" + name, whole[:-1])
        for group in 3, 0x10, 0x20, 0x28:
            # GDCM takes the last two for something else in implicit VR.
            put("%s.first-%x%s" % ("read" if vr or group < 0x20 else "two", group, name),
                bare(vr, el(group, 0x10, vr and b"LO", b"AB")))
    put("told.alone-ZZ-empty", bare(front=el(8, 5, b"CS", b"")).replace(
        uid(0x20, 0xD), el(9, 0x1001, b"ZZ", b"") + uid(0x20, 0xD)))
    put("two.first-sequence", bare(None, el(4, 0x1220, None, item(
        el(4, 0x1430, None, b"CS")) + SEQ_END, UNDEFINED)))


def shifted():
    whole = full_meta() + bare()
    put("told.shift-4", b"\1\2\3\4" + whole)
    put("told.shift-zeros", bytes(2) + whole)
    put("told.shift-part", b"mime: part" + b"\r\n" * 300 + whole)
    put("told.shift-cut", whole[28:])
    put("told.shift-implicit", b"\xff" * 9 + b"\0" * 128 + b"DICM" +
        full_meta(vr=None, preamble=False) + bare())


def ends():
    """What stands at the end of an object: end.sound*, end.cut*, end.signed*."""
    jpeg = b"1.2.840.10008.1.2.4.50"

    def pixels(n=4000, length=None, vr=b"OB"):
        return el(0x7FE0, 0x10, vr, bytes(i * i % 251 for i in range(n)), length)

    fragments = el(0x7FE0, 0x10, b"OB", item() + item(b"\xff\xd8" + b"x" * 2000),
                   UNDEFINED)
    signature = el(0xFFFA, 0xFFFA, b"SQ", item(el(0x400, 5, b"US", b"\1\0")))
    many = bytes(300000)
    put("end.sound", obj(b"", tail=pixels()))
    put("end.sound-fragments", obj(b"", jpeg, tail=fragments + SEQ_END))
    put("end.sound-padded", obj(b"", tail=pixels() + el(0xFFFC, 0xFFFC, b"OB", b"\0" * 9)))
    put("end.sound-odd", obj(b"", tail=pixels()) + b"\0")
    put("end.sound-deflated", obj(b"", DEFLATED, tail=pixels()))
    put("end.cut", obj(b"", tail=pixels(4000, 4400)))
    put("end.cut-by-one", obj(b"", tail=pixels(4000, 4001)))
    put("end.cut-implicit", obj(b"", IMPLICIT, None, pixels(4000, 4400, None)))
    put("end.cut-deflated", obj(b"", DEFLATED, tail=pixels(4000, 4400)))
    put("end.cut-fragments", obj(b"", jpeg, tail=fragments))
    put("end.cut-fragment", obj(b"", jpeg, tail=fragments)[:-100])
    put("end.cut-delimiter", obj(b"", jpeg, tail=fragments + SEQ_END)[:-4])
    begun = el(0x28, 0x10, b"US", b"\1\0")
    for n in 3, 4, 7:
        put("end.cut-header-%d" % n, obj(b"", tail=begun + el(
            0x28, 0x11, b"US", b"\1\0")[:n]))
        put("end.cut-header-deflated-%d" % n, obj(b"", DEFLATED, tail=begun + el(
            0x28, 0x11, b"US", b"\1\0")[:n]))
    for n in 1, 4, 7:		# the first behind what says which image it is
        put("end.cut-first-%d" % n, obj(b"", tail=begun[:n]))
        put("end.cut-first-implicit-%d" % n, obj(b"", IMPLICIT, None, begun[:n]))
        put("end.cut-first-deflated-%d" % n, obj(b"", DEFLATED, tail=begun[:n]))
        put("end.cut-first-alone-%d" % n, bare() + begun[:n])
    put("end.cut-first-long", obj(b"", tail=pixels()[:11]))
    put("end.sound-first-zeros", obj(b"") + bytes(5))
    put("end.sound-first-line", obj(b"") + b"\r\n")
    put("end.cut-header-long", obj(b"", tail=begun + pixels()[:11]))
    put("end.sound-zeros", obj(b"", tail=pixels()) + bytes(5))
    put("end.sound-line", obj(b"", tail=pixels()) + b"\r\n")
    put("end.cut-padding", obj(b"", tail=pixels() + el(
        0xFFFC, 0xFFFC, b"OB", b"\0" * 9, 100)))
    put("end.signed", obj(b"", tail=pixels() + signature))
    put("end.signed-far", obj(b"", tail=el(0x7FE0, 0x10, b"OB", many * 5) + signature))
    put("end.signed-fragments", obj(b"", jpeg, tail=fragments + SEQ_END + signature))
    put("end.signed-deflated", obj(b"", DEFLATED, tail=pixels() + signature))
    put("end.late", obj(b"", tail=el(0x7FE0, 0x10, b"OB", many * 5) +
                        el(0x12, 0x71, b"LO", b"99.1")))


if __name__ == "__main__":
    group_4()
    meta_information()
    private_values()
    unknown_vrs()
    uids()
    alone()
    shifted()
    group_12()
    ends()
