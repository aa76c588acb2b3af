#!/bin/bash
# TAR and TAR.GZ: scanned, stamped, and refused when in doubt (M28, F5, R56).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/stamping.sh"
judge() { "$PY" "$ROOT/tests/lib/judge.py" "$@"; }

cat >make.py <<'EOT'
import gzip, io, os, struct, sys, tarfile
src = sys.argv[1]
files = [f for f in sorted(os.listdir(src))
         if os.path.isfile(src + "/" + f) and not f.endswith((".gz", ".zip"))]
def fill(t, many=files, pax=None):
    t.addfile(tarfile.TarInfo("empty"))
    d = tarfile.TarInfo("folder"); d.type = tarfile.DIRTYPE; t.addfile(d)
    l = tarfile.TarInfo("link"); l.type = tarfile.SYMTYPE
    l.linkname = "/etc/passwd"; t.addfile(l)
    for i, f in enumerate(many):
        data = open(src + "/" + f, "rb").read()
        n = f if i % 3 else "a/" * 60 + "x" * 110 + f
        m = tarfile.TarInfo(n if t.format != tarfile.USTAR_FORMAT else f)
        m.size, m.mtime, m.mode, m.uname = len(data), 1e9 + i, 0o640, "site"
        if pax:
            m.pax_headers = {"size": str(len(data)), "comment": "\u00e9"}
        t.addfile(m, io.BytesIO(data))
for name, fmt, pax in (("ustar", tarfile.USTAR_FORMAT, 0),
                       ("gnu", tarfile.GNU_FORMAT, 0),
                       ("pax", tarfile.PAX_FORMAT, 0),
                       ("paxsize", tarfile.PAX_FORMAT, 1)):
    with tarfile.open(name + ".tar", "w", format=fmt) as t:
        fill(t, pax=pax)
raw = open("gnu.tar", "rb").read()
with gzip.GzipFile("gnu.tgz", "wb", 9, mtime=1234567) as f:
    f.write(raw)
open("many.tgz", "wb").write(b"".join(
    gzip.compress(raw[i:i + 100000]) for i in range(0, len(raw), 100000)))
with tarfile.open("none.tgz", "w:gz") as t:
    t.addfile(tarfile.TarInfo("nothing"))

# --- what is refused
ct = open(src + "/CT_small.dcm", "rb").read()
def one(**kw):
    m = tarfile.TarInfo("IM1")
    m.size = len(ct)
    for k, v in kw.items():
        setattr(m, k, v)
    b = io.BytesIO()
    with tarfile.open(fileobj=b, mode="w", format=tarfile.PAX_FORMAT) as t:
        t.addfile(m, io.BytesIO(ct))
    return bytearray(b.getvalue())
def sum(d, at=0):
    d[at + 148:at + 156] = b" " * 8
    d[at + 148:at + 156] = b"%06o\0 " % (__import__("builtins").sum(d[at:at + 512]))
    return d
def put(name, d):
    open(name, "wb").write(bytes(d))
good = one()
put("ok.one", good)
pax = one(pax_headers={"comment": "\u00e9" * 200, "size": str(len(ct))})
bp = bytearray(pax); bp[124:136] = struct.pack(">BxxxQ", 0x80, int(pax[124:135], 8))
put("ok.binary-pax", sum(bp))
bin = one(); bin[124:136] = struct.pack(">BxxxQ", 0x80, len(ct)); put("ok.binary", sum(bin))
label = one(size=0, type=b"V")
put("ok.label", sum(label[:512]) + good)
put("archive-unsafe.label-size", sum(one(type=b"V")))
put("archive-damaged.sum", good[:5] + b"X" + good[6:1024] + good[1024:])
put("archive-damaged.cut", good[:20000])
put("archive-damaged.no-end", good[:512 + (len(ct) + 511) // 512 * 512])
put("archive-unsafe.behind", good + b"x" * 512)
neg = one(); neg[124:136] = b"\xff" * 12; put("archive-unsafe.negative", sum(neg))
huge = one(); huge[124:136] = b"\x80" + b"\x7f" * 11
put("archive-unsafe.huge", sum(huge))
oct = one(); oct[124:136] = b"77777777777\0"; put("archive-damaged.large", sum(oct))
bad = one(); bad[124:136] = b"9999999999 \0"; put("archive-unsafe.digits", sum(bad))
link = one(); link[156] = ord("1"); put("archive-unsafe.hardlink", sum(link))
sp = one(); sp[156] = ord("S"); put("archive-method.sparse", sum(sp))
mv = one(); mv[156] = ord("M"); put("archive-method.part", sum(mv))
odd = one(); odd[156] = ord("Q"); put("archive-method.kind", sum(odd))
put("archive-method.pax-sparse", one(pax_headers={"GNU.sparse.major": "1"}))
put("archive-limit.pax", one(pax_headers={"comment": "x" * (2 << 20)}))
put("archive-unsafe.pax-size", one(pax_headers={"size": "-1"}))
px = one(pax_headers={"comment": "y"}); i = px.index(b"comment"); px[i - 3:i] = b"99 "
put("archive-unsafe.pax-record", px)
x = one(pax_headers={"comment": "y"}); put("archive-unsafe.two-pax", x[:1024] + x)
z = gzip.compress(bytes(good))
put("archive-damaged.gz-crc", z[:-8] + bytes([z[-8] ^ 1]) + z[-7:])
put("archive-damaged.gz-cut", z[:len(z) // 2])
put("archive-damaged.gz-behind", z + b"junk")
put("archive-damaged.gz-zeros-behind", z + bytes(300000) + b"junk")
half = len(good) // 2
second = gzip.compress(bytes(good[half:]))
put("archive-damaged.gz-reserved", gzip.compress(bytes(good[:half])) +
    second[:3] + b"\x20" + second[4:])
put("archive-method.reserved.gz", z[:3] + b"\x80" + z[4:])
put("archive-limit.gz-ratio", gzip.compress(bytes(one(size=0)[:512]) + bytes(70 << 20)))
put("dicom-none.nii.gz", gzip.compress(b"\0" * 344 + b"n+1\0" + b"\0" * 2000))
put("archive-nested.zip.gz", gzip.compress(b"PK\3\4" + bytes(100)))
put("archive-nested.gz.gz", gzip.compress(gzip.compress(ct)))
put("broken.cut", gzip.compress(ct)[:-300])
put("broken.behind", gzip.compress(ct) + b"junk")
EOT
"$PY" make.py "$samples" || exit 1
imgp-dcmscan ustar.tar 2>/dev/null | jq -c "$ids" >ids
judge scans ustar.tar >theirs
imgp-dcmscan ustar.tar 2>/dev/null | jq -c .scans | cmp -s theirs
ok $? 'the scan of a TAR is what pydicom finds (M27)'
for zeros in 1 512 300000; do
	{ cat gnu.tgz; head -c $zeros /dev/zero; } >zeros-$zeros.tgz
done
for f in ustar.tar gnu.tar pax.tar paxsize.tar gnu.tgz many.tgz zeros-*.tgz; do
	is_long || [ $f = many.tgz ] || continue
	imgp-dcmscan $f 2>/dev/null | jq -c .scans | cmp -s theirs
	ok $? "$f: the same scan"
	imgp-stamp --scans ids -o new $f 2>err
	judge stamped $f new ids >faults
	ok $? "$f: stamped; names, times, owners and links are kept (F4, F5)" ||
		diag <faults
	tar -tvf $f >a 2>/dev/null
	tar -tvf new 2>/dev/null >b
	is "$(awk '{ $3 = ""; print }' a | cksum)" \
		"$(awk '{ $3 = ""; print }' b | cksum)" "$f: tar reads it"
	imgp-stamp --scans ids -o again new 2>/dev/null
	cmp -s new again
	ok $? "$f: stamping again gives equal bytes"
done
imgp-stamp --scans ids -o new.tgz gnu.tgz 2>/dev/null
gzip -t new.tgz && is "$(head -c 10 new.tgz | od -An -tx1)" \
	"$(head -c 10 gnu.tgz | od -An -tx1)" 'the gzip header is kept'
imgp-stamp --scans ids -o new.tar gnu.tar 2>/dev/null
gzip -dc new.tgz | cmp -s - new.tar
ok $? 'a TAR.GZ holds what the TAR would'
imgp-stamp --scans ids -o - gnu.tgz 2>/dev/null | cmp -s - new.tgz
ok $? 'the output may be a pipe'
imgp-stamp --id 1.1 -o new none.tgz 2>/dev/null
cmp -s none.tgz new
ok $? 'without images it stays as it is, compressed bytes too'

for f in ok.*; do
	got=$(imgp-dcmscan "$f" 2>/dev/null | jq -c '[.errors,.listing.dicom]')
	is "$got" '[null,1]' "$f: scanned"
	imgp-stamp --id 1.1 -o new "$f" && [ "$(imgp-dcmscan new |
		jq -c .scans)" = "$(imgp-dcmscan "$f" | jq -c .scans)" ]
	ok $? "$f: stamped"
done
imgp-stamp --id 1.1 -o new ok.binary-pax
"$PY" - new <<'EOT2'
import sys, tarfile
t = tarfile.open(sys.argv[1])
m = t.next()
assert m.pax_headers["comment"] == "\u00e9" * 200
assert m.size == int(m.pax_headers["size"])
with open(sys.argv[1], "rb") as f:
    f.seek(m.offset_data - 512 + 124)
    assert int(f.read(11), 8) == m.size
EOT2
ok $? 'a pax header with a binary size keeps its records; both sizes are set'
# What could not be brought back is not stamped: it costs that member alone.
"$PY" - <<'EOT2'
d = bytearray(open("ok.one", "rb").read())
n = int(d[124:135], 8)
e = bytearray(d)
e[512 + n] = 66
open("odd-padding", "wb").write(e)
d[124:136] = b" " + d[125:136]
d[148:156] = b" " * 8
d[148:156] = b"%06o\0 " % sum(d[:512])
open("odd-digits", "wb").write(d)
EOT2
for f in odd-padding odd-digits; do
	imgp-stamp --id 1.1 -o new $f 2>err
	is "$? $(cut -d: -f2 err)" '1  IMGP-ARCHIVE-UNSAFE' \
		"$f: not stamped, as it could not be undone (F40)"
	cmp -s $f new
	ok $? "$f: delivered as it came"
done
# A sample has one of a kind.
is_long || for kind in limit method unsafe damaged; do
	set -- archive-$kind.*
	shift
	rm -- "$@"
done
for f in archive-*.* dicom-none.*; do
	want=IMGP-$(echo "${f%%.*}" | tr a-z A-Z)
	got=$(is_sanitized "$BUILD/bin/imgp-dcmscan" || ulimit -v 2000000
		ulimit -t 20
		imgp-dcmscan "$f" 2>/dev/null | jq -r '.errors[0].error_code')
	is "$got" "$want" "hostile: $f: $want (R56)"
	imgp-stamp --id 1.1 -o new "$f" 2>err
	cmp -s "$f" new
	ok $? "hostile: $f is delivered as it came (R56)"
done
# Sparse members as tar makes them: a line says how to do without.
truncate -s 1M hole.dcm
cat "$samples/CT_small.dcm" >>hole.dcm
for how in gnu 'posix --sparse-version=0.0' 'posix --sparse-version=0.1' \
    'posix --sparse-version=1.0'; do
	# shellcheck disable=SC2086
	tar --sparse --format=$how -cf hole.tar hole.dcm
	if [ "$(stat -c %s hole.tar)" -gt 1000000 ]; then
		skip "sparse, $how" 'the file system has no holes'
		continue
	fi
	imgp-stamp --id 1.1 -o new hole.tar 2>err
	is "$? $(sed 's/ at byte [0-9]*//' err)" "1 imgp-stamp: IMGP-ARCHIVE-METHOD: tar: \
a sparse file; to be packed as ZIP, or by tar without --sparse (macOS' and bsdtar: with \
--no-read-sparse)" "sparse, $how: a line says what to do"
	cmp -s hole.tar new
	ok $? '... and it is delivered as it came'
done
is "$(imgp-dcmscan dicom-none.nii.gz 2>/dev/null | jq -c .listing)" \
	'{"nifti":1}' 'gzip around something else is named by that'

# One object within gzip.
gzip -nc "$samples/CT_small.dcm" >ct.dcm.gz
gzip -nc "$samples/image_dfl.dcm" >dfl.dcm.gz
tar czf dfl.tgz -C "$samples" image_dfl.dcm
{ cat ct.dcm.gz; head -c 512 /dev/zero; } >zeros.dcm.gz
tail -c +133 "$samples/CT_small.dcm" | gzip -nc >bare.dcm.gz
cp ct.dcm.gz twice.dcm.gz
gzip -nc </dev/null >>twice.dcm.gz
for f in ct.dcm.gz dfl.dcm.gz dfl.tgz zeros.dcm.gz bare.dcm.gz twice.dcm.gz; do
	is_long || [ $f = dfl.dcm.gz ] || continue
	is "$(imgp-dcmscan $f 2>/dev/null | jq -c .listing)" '{"dicom":1}' \
		"$f is one instance"
	exits 0 '... it is stamped' \
		imgp-stamp --id 7.7 --provenance prov -o new $f
	gzip -dc <new >within
	[ "${f%.tgz}" = $f ] || tar xOf new >within
	like <(dcmdump +P 0012,0071 within) '\[7\.7\]' '... and sound'
	exits 0 '... with a way back' \
		imgp-stamp --unstamp --provenance prov -o back new
	for was in $f back; do
		gzip -dc <$was 2>/dev/null >$was.within
		[ "${f%.tgz}" = $f ] || tar xOf $was >$was.within
		dcmconv -F +te $was.within $was.plain 2>/dev/null
	done
	cmp -s $f.plain back.plain
	ok $? '... to the same content (F4)'
	imgp-stamp --id 7.7 -o - $f 2>/dev/null | cmp -s - new
	ok $? '... and the same bytes each time'
	rm new back
done
for f in broken.*; do
	exits 1 "$f is not stamped" imgp-stamp --id 7.7 -o new $f
	like err 'IMGP-ARCHIVE-DAMAGED: gzip: ' '... for it is damaged'
	cmp -s $f new
	ok $? '... and is as it was'
done
done_testing
