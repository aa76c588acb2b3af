#!/usr/bin/python3
"""Judge what imgp-stamp wrote, by pydicom and byte by byte.

    judge.py stamped OLD NEW SCANS	two uploads (DICOM, ZIP or TAR); SCANS: a
                                        job line with the ids that were given
    judge.py stamped <LINES		the same of each line, tabs between the
                                        three; OLD is named
    judge.py facts FILE...		what pydicom finds in bare files, as TSV
    judge.py scans OLD			the same of an upload, as "scans"

An instance is right when pydicom reads the id and, where it was absent, an
empty or given (0012,0060), and when taking just these elements out of the new
bytes (and setting back a group length) gives the old bytes.  Everything else
must be equal.  Exit status 1 and a line for each fault.
"""
import gzip
import io
import json
import struct
import sys
import tarfile
import warnings
import zipfile
import zlib

import bare  # noqa: F401
import pydicom
from pydicom.filereader import dcmread

warnings.simplefilter("ignore")
CENTER, ID, GROUP = 0x00120060, 0x00120071, 0x00120000
DEFLATED = "1.2.840.10008.1.2.1.99"
faults = 0


def fault(*words):
    global faults
    faults += 1
    print(*words)


def read(data):
    return dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)


def plain(data):
    """The bytes with a deflated data set inflated (and so the syntax a lie)."""
    try:
        ds = dcmread(io.BytesIO(data), stop_before_pixels=True)
        if ds.file_meta.TransferSyntaxUID != DEFLATED:
            return data
    except Exception:
        return data
    start = data.index(b"DICM") + 4
    start += 12 + ds.file_meta.FileMetaInformationGroupLength
    head = data[:start].replace(b"1.2.840.10008.1.2.1.99",
                                b"1.2.840.10008.1.2.1\0\0\0")
    return head + zlib.decompressobj(-15).decompress(data[start:])


def header(ds, elem):
    """Bytes in front of a value: how the data set codes them."""
    implicit = ds.is_implicit_VR
    long = elem.VR in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC",
                       "UN", "UR", "UT", "UV")
    return 12 if not implicit and long else 8


def uids(ds):
    found = []
    for tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E):
        v = ds.get(tag)
        v = None if v is None else v.value
        if isinstance(v, bytes):
            v = v.decode("ascii", "replace").rstrip("\0 ")
        found.append(str(v) if v else None)
    return found


def number(ds):
    e = ds.get(0x00200011)
    try:
        return int(str(e.value)) if e is not None and e.value != "" else None
    except (ValueError, TypeError):
        return None


def is_instance(data):
    """What pydicom reads, if it is an instance, and its raw elements."""
    try:
        ds = read(plain(data))
        raw = {int(t): e for t, e in ds._dict.items()
               if isinstance(e, pydicom.dataelem.RawDataElement)}
    except Exception:
        return None, None
    if "DirectoryRecordSequence" in ds or not all(uids(ds)):
        return None, None
    return ds, raw


def text(elem):
    v = elem.value
    return v.decode().rstrip() if isinstance(v, bytes) else v


def instance(name, old, new, ids):
    before, original = is_instance(old)
    if before is None:
        return old == new or fault(name, "is no instance and was changed")
    key = tuple(uids(before)[2:])
    if key not in ids:
        return old == new or fault(name, "has no id and was changed")
    if old == new:
        return fault(name, "was not stamped")
    after, now = is_instance(new)
    old, new = plain(old), plain(new)
    if after is None or ID not in after or text(after[ID]) != ids[key]:
        return fault(name, "does not hold", ids[key])
    cut = []
    for tag in (CENTER, ID):
        if tag in original and text(before[tag]) == text(after[tag]):
            continue
        e = now[tag]
        insert = b""
        if tag in original:		# an empty one was replaced
            b = original[tag]
            insert = old[b.value_tell - header(before, b):
                         b.value_tell + b.length]
        cut.append((e.value_tell - header(after, e), e.value_tell + e.length,
                    insert))
    back = bytearray(new)
    for start, end, insert in sorted(cut, reverse=True):
        back[start:end] = insert
    if GROUP in original:
        g = original[GROUP]
        back[g.value_tell:g.value_tell + 4] = g.value
    if bytes(back) != old:
        fault(name, "differs in more than the stamp")


def members(path):
    with open(path, "rb") as f:
        data = f.read()
    if data[128:132] == b"DICM":
        return [("", data)]
    if zipfile.is_zipfile(path):
        z = zipfile.ZipFile(path)
        return [(i.filename, z.read(i)) for i in z.infolist()]
    try:
        t = tarfile.open(path)
        return [(m.name, t.extractfile(m).read() if m.isfile() else b"")
                for m in t]
    except tarfile.TarError:
        # One file, gzipped by itself.
        return [("", gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)]


def extra(data):
    """Extra fields but for zip64's, which holds sizes."""
    out = []
    while len(data) >= 4:
        k, n = struct.unpack("<HH", data[:4])
        if k != 1:
            out.append(data[:4 + n])
        data = data[4 + n:]
    return out


def attributes(path):
    if zipfile.is_zipfile(path):
        z = zipfile.ZipFile(path)
        return z.comment, [(i.filename, i.date_time, i.compress_type,
                            i.comment, extra(i.extra), i.create_system,
                            i.flag_bits, i.external_attr, i.internal_attr)
                           for i in z.infolist()]
    try:
        return [(m.name, m.mtime, m.mode, m.uid, m.gid, m.type, m.linkname)
                for m in tarfile.open(path)]
    except tarfile.TarError:
        return None


def stamped(old, new, scans):
    with open(scans) as f:
        job = json.load(f)
    ids = {(s["study_uid"], r["series_uid"]): r["atri_uid"]
           for s in job["scans"] for r in s["series"]}
    a, b = members(old), members(new)
    if attributes(old) != attributes(new) or len(a) != len(b):
        fault("the archive's own data differ")
    for i, ((n1, d1), (n2, d2)) in enumerate(zip(a, b)):
        if n1 != n2:
            fault("member", i + 1, "has another name")
        instance("member %d (%s)" % (i + 1, n1), d1, d2, ids)
    print("# %d members judged" % len(a))


def each():
    """What stands on standard input, one after the other."""
    for line in sys.stdin:
        case, before = line.rstrip("\n").split("\t"), faults
        try:
            stamped(*case)
        except Exception as e:
            fault(repr(e))
        if faults != before:
            fault("these were faults of", case[0])


def scans(path):
    found, seen = {}, set()
    for name, data in members(path):
        ds, _ = is_instance(data)
        if ds is None:
            continue
        sop, study, series = uids(ds)[1:]
        if (study, series, sop) in seen:
            continue
        seen.add((study, series, sop))
        found.setdefault((study, series), []).append(number(ds))
    out = {}
    for (study, series), numbers in found.items():
        given = sorted(n for n in numbers if n is not None)
        best = max(given, key=lambda n: (given.count(n), -n)) if given else None
        out.setdefault(study, []).append(
            {"series_uid": series, "series_number": best,
             "number_of_instances": len(numbers)})
    for s in out.values():
        s.sort(key=lambda r: (r["series_number"] is None,
                              r["series_number"] or 0, r["series_uid"]))
    print(json.dumps([{"study_uid": s, "series": out[s]} for s in sorted(out)],
                     separators=(",", ":")))


def facts(paths):
    for path in paths:
        with open(path, "rb") as f:
            data = f.read()
        ds, _ = is_instance(data)
        if ds is None:
            print(path, "-", sep="\t")
        else:
            n = number(ds)
            print(path, *uids(ds), "-" if n is None else n, sep="\t")


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    {"stamped": lambda: stamped(*args) if args else each(), "scans": lambda: scans(*args),
     "facts": lambda: facts(args)}[what]()
    sys.exit(faults != 0)
