#!/bin/bash
# What is within gzip is stamped in its compressed stream: it hardly grows, and the
# way back gives the same bytes (F4, F40).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/stamping.sh"

# judge FILE: stamped, it grows by 2 % at most and holds the TAR that is stamped
# without gzip; and it comes back.
judge() {
	local f=$1 a b
	gzip -dc "$f" 2>/dev/null >plain
	imgp-dcmscan "$f" 2>/dev/null | jq -c "$ids" >ids
	imgp-stamp --scans ids -o plain.new plain 2>err
	imgp-stamp --scans ids --provenance prov -o new "$f" 2>err
	! cmp -s "$f" new && gzip -t new && gzip -dc new | cmp -s - plain.new
	ok $? "$f: the same bytes as without gzip" || diag <err
	a=$(wc -c <"$f") b=$(wc -c <new)
	[ $(((b - a) * 100)) -le $((2 * a)) ]
	ok $? "$f: $a bytes grow to $b"
	imgp-stamp --unstamp --provenance prov -o back new 2>err && cmp -s "$f" back
	ok $? "$f: the same SHA-256 again" || diag <err
	imgp-stamp --scans ids -o twice new 2>err; cmp -s new twice
	ok $? "$f: nothing more to be stamped"
}

# The samples that are images, some of them of a size that pads by a whole block.
mkdir in
cp "$samples"/*.dcm in
"$PY" - in <<'EOT2' || exit 1
import random, sys, pydicom
top, dice = sys.argv[1], random.Random(1)
src = pydicom.dcmread(top + "/CT_small.dcm")
for i in range(24):
    src.SOPInstanceUID = "1.2.3.%d" % i
    src.file_meta.MediaStorageSOPInstanceUID = src.SOPInstanceUID
    src.ImageComments = "x" * (i * 22)
    src.PixelData = dice.randbytes(64) * (i * 80 + 1) + b"\0" * (i * 3000)
    src.Rows, src.Columns = 4, len(src.PixelData) // 8
    src.save_as(top + "/made%02d.dcm" % i)
EOT2
tar -cf all.tar -C in .
tar -cf few.tar -C in CT_small.dcm MR_small.dcm made03.dcm made20.dcm
for n in 1 6 9; do
	gzip -n$n <all.tar >gzip-$n.tgz
done
cp few.tar "a name"
gzip -6 <few.tar >few.tgz
gzip -9 "a name"
mv 'a name.gz' named.tgz
"$PY" - <<'EOT2' || exit 1
import gzip, io, random, tarfile, zlib
raw = open("all.tar", "rb").read()
for name, form in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
    with tarfile.open("python-%s.tgz" % name, "w:gz", format=form) as t:
        t.add("in", arcname="x" * 120 + "/y")
open("members.tgz", "wb").write(b"".join(gzip.compress(raw[i:i + 70001])
    for i in range(0, len(raw), 70001)) + gzip.compress(b""))
open("zeros.tgz", "wb").write(gzip.compress(raw) + bytes(5000))
open("stored.tgz", "wb").write(gzip.compress(raw, 0))
for name, strategy in (("fixed", 4), ("huffman", 2), ("runs", 3)):
    z = zlib.compressobj(6, zlib.DEFLATED, 31, 8, strategy)
    open(name + ".tgz", "wb").write(z.compress(raw) + z.flush())
z = zlib.compressobj(6, zlib.DEFLATED, 31, 1)
out = b""
for i in range(0, len(raw), 9000):
    out += z.compress(raw[i:i + 9000])
    out += z.flush(zlib.Z_SYNC_FLUSH if i % 2 else zlib.Z_FULL_FLUSH)
open("flushed.tgz", "wb").write(out + z.flush())
# A second member whose header is longer than we read at once.
noise = tarfile.TarInfo("noise")
noise.size = 512 * 800
few = noise.tobuf() + random.Random(2).randbytes(noise.size) + \
    open("few.tar", "rb").read()
half = len(few) // 2
second = gzip.compress(few[half:])
open("encoded.tgz", "wb").write(gzip.compress(few[:half]) + second[:3] + b"\x08"
    + second[4:10] + b"n" * 200000 + b"\0" + second[10:])
# The same behind megabytes that are stored, and shorter when they are compressed anew.
blank = tarfile.TarInfo("blank")
blank.size = 512 * 8000
few = blank.tobuf() + bytes(blank.size) + open("few.tar", "rb").read()
second = gzip.compress(few[-70000:])
open("shorter.tgz", "wb").write(gzip.compress(few[:-70000], 0) + second[:3] + b"\x08"
    + second[4:10] + b"n" * 200000 + b"\0" + second[10:])
# A pax header that holds the size.
with tarfile.open("sizes.tgz", "w:gz", format=tarfile.PAX_FORMAT) as t:
    for name in ("CT_small.dcm", "MR_small.dcm"):
        data = open("in/" + name, "rb").read()
        m = tarfile.TarInfo(name)
        m.size = len(data)
        m.pax_headers = {"size": str(m.size), "comment": "c" * 700}
        t.addfile(m, io.BytesIO(data))
EOT2
for f in gzip-1.tgz gzip-6.tgz gzip-9.tgz few.tgz named.tgz python-gnu.tgz \
    python-pax.tgz members.tgz zeros.tgz stored.tgz fixed.tgz huffman.tgz \
    runs.tgz flushed.tgz sizes.tgz; do
	judge $f
done
if command -v pigz >/dev/null; then
	pigz -n -b 128 <all.tar >pigz.tgz
	pigz -n -i -11 -b 128 <few.tar >pigz-i.tgz
	judge pigz.tgz
	judge pigz-i.tgz
fi
if command -v bsdtar >/dev/null; then
	bsdtar -czf bsdtar.tgz -C in .
	judge bsdtar.tgz
fi
gzip -n <in/made20.dcm >alone.gz
judge alone.gz
if [ -n "$SHARED" ] && [ -d "$SHARED/archives" ]; then
	find "$SHARED/archives" -name '*.tgz' -size +8 >found
	while read -r f; do
		cp "$f" real.tgz
		judge real.tgz
	done <found
else
	skip 'real archives' 'no SHARED'
fi

# What cannot be changed so is compressed anew.
gzip -dc encoded.tgz >plain
imgp-dcmscan encoded.tgz 2>/dev/null | jq -c "$ids" >ids
imgp-stamp --scans ids -o plain.new plain 2>err
imgp-stamp --scans ids --provenance prov -o new encoded.tgz 2>err
! cmp -s encoded.tgz new && gzip -dc new | cmp -s - plain.new
ok $? 'a header that is too long: compressed anew' || diag <err
imgp-stamp --unstamp --provenance prov -o back new 2>err &&
	gzip -dc back | cmp -s - plain
ok $? 'and the same content comes back' || diag <err
like err 'compressed anew' 'as it says'

# What was begun is longer than what comes in its place: nothing of it stays.
gzip -dc shorter.tgz >plain
imgp-dcmscan shorter.tgz 2>/dev/null | jq -c "$ids" >ids
imgp-stamp --scans ids -o plain.new plain 2>err
imgp-stamp --scans ids -o new shorter.tgz 2>err && [ "$(wc -c <new)" -lt 1000000 ] &&
	gzip -t new && gzip -dc new | cmp -s - plain.new
ok $? 'a longer beginning is taken back' || diag <err
echo first >whole
imgp-stamp --scans ids -o - shorter.tgz >>whole 2>/dev/null &&
	{ echo first; cat new; } | cmp -s - whole
ok $? '... behind what a file held before, too'

# What was begun there is taken back from standard output, or never went to it.
imgp-dcmscan encoded.tgz 2>/dev/null | jq -c "$ids" >ids
imgp-stamp --scans ids -o new encoded.tgz 2>err
echo first >whole
imgp-stamp --scans ids -o - encoded.tgz >>whole 2>/dev/null &&
	{ echo first; cat new; } | cmp -s - whole
ok $? 'behind what a file held before'
imgp-stamp --scans ids -o - encoded.tgz 2>/dev/null | cmp -s - new
ok $? 'in a pipe'
imgp-stamp --scans ids -o - encoded.tgz 2>err >/dev/null
ok $? 'to a device, from which nothing can be taken back' || diag <err
imgp-dcmscan few.tgz 2>/dev/null | jq -c "$ids" >ids
imgp-stamp --scans ids -o new few.tgz 2>/dev/null
cat new new >whole
imgp-stamp --scans ids -o - few.tgz 2>/dev/null 1<>whole &&
	cat new new | cmp -s - whole
ok $? 'over the beginning of a file: the rest of it stays'

gzip -dc gzip-6.tgz | gzip -n >again.tgz
imgp-dcmscan again.tgz 2>/dev/null | jq -c "$ids" >ids
imgp-stamp --scans ids --provenance prov -o new again.tgz 2>/dev/null
for n in 1 2 3; do
	jq -c --argjson n $n 'if .stream then .stream |=
	    (.[:$n * 40] + (if .[$n * 40:$n * 40 + 2] == "00" then "01" else "00" end)
	    + .[$n * 40 + 2:]) else . end' prov >lies
	rm -f back
	imgp-stamp --unstamp --provenance lies -o back new 2>err
	is "$? $(ls back 2>/dev/null)" '1 ' 'a stream that lies is found out'
	like err 'IMGP-STAMP-CHECK' 'and told'
done
jq -c 'select(.stream | not)' prov >lies
exits 1 'no stream' imgp-stamp --unstamp --provenance lies -o back new
for lie in '.source.trailer = "00"' '.source.trailer = 3' '.source.zeros = -1' \
    'del(.source.zeros)'; do
	jq -c "if .source then $lie else . end" prov >lies
	exits 2 "an end that is none: $lie" \
		imgp-stamp --unstamp --provenance lies -o back new
done
done_testing
