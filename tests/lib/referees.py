#!/usr/bin/python3
"""Stamp changed DICOM objects and ask others what they read (R62).

    referees.py N SEED FILE...

Each FILE as it is and N changed ones in all, in one ZIP: what imgp-stamp has
stamped, DCMTK and pydicom must read with that id at the top level, and with
the UIDs of before, or be unable to read it at all; what it left alone is as it
was.  Prints a line for each fault, and at the end what was done.
"""
import io
import json
import os
import random
import re
import subprocess
import sys
import warnings
import zipfile

import bare  # noqa: F401
from pydicom.filereader import dcmread

warnings.simplefilter("ignore")
UIDS = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)


def change(rng, d):
    d = bytearray(d)
    head = min(len(d) - 100, 3000)
    for _ in range(rng.randint(1, 4)):
        i, k = rng.randrange(132, head) if head > 133 else 0, rng.randrange(6)
        if k == 0:
            d[i] ^= 1 << rng.randrange(8)
        elif k == 1:
            d[i] = rng.randrange(256)
        elif k == 2:
            d[i] = rng.choice((0, 1, 0x7F, 0xFE, 0xFF))
        elif k == 3:
            del d[i:i + rng.randint(1, 12)]
        elif k == 4:
            d[i:i] = d[i:i + rng.randint(1, 12)]
        else:
            j = rng.randrange(132, head)
            d[i:i + 8], d[j:j + 8] = d[j:j + 8], d[i:i + 8]
    return bytes(d)


def read(data):
    """By pydicom: id and UIDs, or None."""
    try:
        ds = dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
        out = []
        for t in (0x00120071,) + UIDS:
            v = ds[t].value if t in ds else None
            if isinstance(v, bytes):
                v = v.decode("latin-1")
            out.append(None if v is None else str(v).strip(" \0"))
        return out
    except Exception:
        return None


def dcmtk(path):
    """The top-level (0012,0071): None: it cannot be read; "": not there."""
    r = subprocess.run(["dcmdump", "-q", "-M", "+L", path], timeout=60,
                       capture_output=True)
    if r.returncode != 0:
        return None
    m = re.search(rb"^\(0012,0071\) .. \[?([0-9. ]*)\]? ", r.stdout, re.M)
    return m.group(1).decode().strip() if m else ""


def main():
    n, seed, paths = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    rng = random.Random(seed)
    files = []
    for p in paths:
        with open(p, "rb") as f:
            files.append(f.read(200000))
    good = [f for f in files if len(f) > 300]
    files += [change(rng, rng.choice(good)) for _ in range(n)]
    with zipfile.ZipFile("in.zip", "w") as z:
        for i, d in enumerate(files):
            z.writestr("%06d" % i, d)
    job = json.loads(subprocess.run(["imgp-dcmscan", "in.zip"],
                                    capture_output=True).stdout)
    ids, k = {}, 0
    for s in job["scans"]:
        for q in s["series"]:
            k += 1
            q["atri_uid"] = "77.%d" % k
            ids[s["study_uid"], q["series_uid"]] = q["atri_uid"]
    with open("ids", "w") as f:
        json.dump(job, f)
    r = subprocess.run(["imgp-stamp", "--replace", "--scans", "ids", "-o",
                        "out.zip", "in.zip"], capture_output=True)
    if r.returncode > 1:
        print("imgp-stamp:", r.returncode, r.stderr.decode()[-300:])
        sys.exit(1)
    stamped = same = unread = faults = 0
    with zipfile.ZipFile("out.zip") as z:
        new = [z.read(i) for i in z.infolist()]
    for i, (a, b) in enumerate(zip(files, new)):
        if a == b:
            same += 1
            continue
        stamped += 1
        name = "%06d" % i
        with open("one", "wb") as f:
            f.write(b)
        before, after, other = read(a), read(b), dcmtk("one")
        why = None
        if other is not None and other not in ids.values():
            why = "DCMTK reads %r" % other
        elif after is None or before is None or None in before[1:]:
            unread += 1	# pydicom cannot tell
        elif before[1:] != after[1:]:
            why = "pydicom reads other UIDs"
        elif after[0] not in (ids.get((after[3], after[4])), other):
            why = "pydicom reads %r" % after[0]
        if other is None:
            unread += 1
        if why is not None:
            faults += 1
            print(name, why)
            if "KEEP" in os.environ:
                with open(os.environ["KEEP"] + name, "wb") as f:
                    f.write(a)
    print("#", len(files), "objects,", stamped, "stamped,", same,
          "left alone,", unread, "times one could not read")
    sys.exit(faults != 0)


main()
