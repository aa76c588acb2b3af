#!/bin/bash
# libimgpipe/archive/zip: reading with suspicion, writing by copying.
. "$(dirname "$0")/lib/lib.sh"
PY=/usr/bin/python3
zt=$BUILD/tests/ziptool

# Archives by several writers, each with folders, stored and deflated members.
mkdir -p in/a/b
seq 1 20000 >in/a/numbers
head -c 5000 /dev/urandom >in/a/b/random
: >in/empty
ln -s /etc/passwd in/link
(cd in && zip -qr ../info.zip . && zip -qry ../links.zip . &&
	zip -qr - . | cat >../streamed.zip && zip -qr -fz ../zip64.zip . &&
	zip -qr0 ../stored.zip . && zip -qr - - <a/numbers >../pipe.zip)
echo comment | zip -qz info.zip
cat info.zip | (printf 'prefix'; cat) >prefix.zip
"$PY" -W ignore - <<'EOT'
import zipfile
with zipfile.ZipFile("python.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for i in range(300):
        z.writestr("IM0001", b"%d " % i * i)
        z.infolist()[-1].comment = b"member %d" % i
EOT

cat >check.py <<'EOT'
"""check.py IN OUT K...: OUT is IN with the content of members K replaced."""
import sys, zipfile
a, b = zipfile.ZipFile(sys.argv[1]), zipfile.ZipFile(sys.argv[2])
order = sorted(range(len(a.infolist())),
               key=lambda i: a.infolist()[i].header_offset)
new = {order[int(k) - 1] for k in sys.argv[3:]}
assert len(a.infolist()) == len(b.infolist()) and a.comment == b.comment
for i, (x, y) in enumerate(zip(a.infolist(), b.infolist())):
    for f in ("filename", "date_time", "compress_type", "comment",
              "create_system", "create_version", "extract_version",
              "flag_bits", "internal_attr", "external_attr"):
        assert getattr(x, f) == getattr(y, f), (i, f)
    assert b.read(y) == (b"imgpipe\n" if i in new else a.read(x)), i
EOT
for f in info links streamed zip64 stored pipe prefix python; do
	is_long || [ $f = streamed ] || [ $f = zip64 ] || continue
	"$zt" copy $f.zip >same.zip 2>err && cmp -s $f.zip same.zip
	ok $? "$f: with nothing replaced it is the same, byte for byte (R57)" ||
		diag <err
	"$zt" copy $f.zip 1 >new.zip &&
		{ unzip -tq new.zip >out || [ $f = prefix ]; } &&
		"$PY" check.py $f.zip new.zip 1 2>err
	ok $? "$f: a member is replaced, all else stays (R57, F5)" || diag <err
done
"$zt" copy python.zip 1 2 150 299 300 | cat >new.zip
"$PY" check.py python.zip new.zip 1 2 150 299 300 2>err
ok $? 'first, last and others, into a pipe; one name for all (R57)' || diag <err
"$zt" list python.zip | awk '{ print $5, $6 }' >ours
"$PY" -c 'import zipfile
for i in zipfile.ZipFile("python.zip").infolist(): print(i.file_size, "%08x" % i.CRC)' \
	>theirs
cmp -s ours theirs
ok $? 'sizes and CRCs are those that python sees (R54)'

if is_long; then
# As if 4 GiB less ten bytes lay before it: all offsets move to zip64.  Then
# they are put there, as a hole.
"$zt" far info.zip 1 >far && "$PY" - <<'EOT' && "$PY" check.py info.zip far.zip 1 2>err
with open("far.zip", "wb") as f:
    f.seek((1 << 32) - 10)
    f.write(open("far", "rb").read())
EOT
case $(cat err) in *extract_version*) rc=0;; *) rc=1;; esac
ok $rc 'an archive may grow over 4 GiB: offsets move to zip64' || diag <err
rm -f far.zip

# Archives that 120 members, 4 bytes longer each, take past 4 GiB; with a hole of
# 4 GiB, and behind it one member of each kind, last in the file and first in
# the directory.
cat >near.py <<'EOT'
"""near.py KIND: KIND.zip; a member k... has the kind of record its name says."""
import struct, sys, zlib
P, M32 = struct.pack, 0xffffffff
kind = sys.argv[1]
z64 = lambda *v: P("<HH%dQ" % len(v), 1, 8 * len(v), *v)
time = P("<HHBI", 0x5455, 5, 1, 1700000000)
none = lambda at: b""
A, B = b"img\n", b"data\n"
# version needed, which fields are in zip64, extra field
last = {
    b"kplain": (20, "", none),
    b"kold": (10, "", lambda at: time + b"\0\0"),
    b"ksizes": (45, "sc", lambda at: time + z64(5, 5) + time),
    b"kdisk": (45, "sd", lambda at: P("<HHQI", 1, 12, 5, 0)),
    b"kempty": (20, "", lambda at: P("<HH", 1, 0)),
    b"kmore": (20, "", lambda at: z64(5, 5)),
    b"kfull": (45, "o", lambda at: z64(at)),
    b"knew": (63, "", lambda at: time),
}
if kind == "cd":
    last = {}
if kind == "tight":
    last[b"ktight"] = (20, "", lambda at: P("<HH", 9, 65520) + bytes(65520))
f = open(kind + ".zip", "wb")
records = []
def member(name, data, size, how=(20, "", none)):
    at, crc = f.tell(), zlib.crc32(data)
    f.write(P("<IHHHHHIIIHH", 0x04034b50, 20, 0, 0, 0x6000, 0x5777, crc, size,
              size, len(name), 0) + name + data)
    full, x = how[1], how[2](at)
    records.insert(0, P("<IHHHHHHIIIHHHHHII", 0x02014b50, 0x031e, how[0], 0, 0,
        0x6000, 0x5777, crc, M32 if "c" in full else size,
        M32 if "s" in full else size, len(name), len(x), 0,
        0xffff if "d" in full else 0, 0, 0o100644 << 16,
        M32 if "o" in full else at) + name + x)
for i in range(120):
    member(b"a%d" % i, A, len(A))
rest = sum(30 + len(n) + len(B) for n in last)
hole = (1 << 32) - 11 - f.tell() - 34 - rest
member(b"hole", b"", hole)
f.seek(hole, 1)
for n, how in last.items():
    member(n, B, len(B), how)
cd = f.tell()
assert cd == (1 << 32) - 11
f.write(b"".join(records))
n, size = len(records), sum(map(len, records))
if kind in ("count", "full"):
    at = f.tell()
    f.write(P("<IQHHIIQQQQ", 0x06064b50, 44, 45, 45, 0, 0, n, n, size, cd))
    f.write(P("<IIQI", 0x07064b50, 0, at, 1))
n = 0xffff if kind == "count" else n
f.write(P("<IHHHHIIH", 0x06054b50, 0, 0, n, n, M32 if kind == "full" else size,
          M32 if kind == "full" else cd, 3) + b"end")
EOT
cat >grown.py <<'EOT'
"""grown.py OLD NEW: python's reader finds NEW to be OLD, moved past 4 GiB."""
import sys, zipfile
a, b = (zipfile.ZipFile(f) for f in sys.argv[1:])
assert a.namelist() == b.namelist() and b.start_dir >= 1 << 32
for x, y in zip(a.infolist(), b.infolist()):
    first = x.filename[0] == "a"
    assert y.header_offset == x.header_offset + (
        4 * int(x.filename[1:]) if first else 480), x.filename
    assert y.file_size == x.file_size + 4 * first, x.filename
    if x.filename != "hole":
        assert b.read(y) == (b"imgpipe\n" if first else b"data\n"), x.filename
    if y.header_offset >= 1 << 32:
        assert y.extract_version == max(45, x.extract_version), x.filename
    else:
        assert y.extract_version == x.extract_version, x.filename
EOT
same() {	# same A B: size, head and tail; a hole lies between
	[ "$(wc -c <"$1")" = "$(wc -c <"$2")" ] && cmp -n 60000 "$1" "$2" &&
		cmp <(tail -c 60000 "$1") <(tail -c 60000 "$2")
}
a=$(seq -s ' ' 120)
for f in plain cd count full; do
	"$PY" near.py $f || exit 1
	"$zt" grow $f.zip prov $a >grown.zip 2>err &&
		"$PY" grown.py $f.zip grown.zip 2>>err
	ok $? "$f: new data take it past 4 GiB, each kind of record follows" ||
		diag <err
	"$zt" list grown.zip >out 2>err
	ok $? "$f: our reader agrees" || diag <err
	"$zt" shrink grown.zip prov $a >back.zip 2>err &&
		same $f.zip back.zip 2>>err
	ok $? "$f: with the old data the same bytes come back (F4)" || diag <err
	"$zt" copy grown.zip >again.zip 2>err && same grown.zip again.zip
	ok $? "$f: with nothing replaced it is the same (R57)" || diag <err
done
is "$(grep -c '"zip64":0' prov)" 0 'no end grows whose fields were full before'
"$PY" near.py plain
"$zt" grow plain.zip prov $a >grown.zip
is "$(grep -c '"zip64":[1-9]' prov) $(grep -c '"zip64":0' prov)" '7 1' \
	'nor a record whose offset was in zip64 before'
grep -v zip64 prov >lies
"$zt" shrink grown.zip lies $a >back.zip && "$zt" list back.zip >out 2>err
ok $? 'from before growth was noted: a good archive comes back' || diag <err
! same plain.zip back.zip >out 2>&1
ok $? 'though not the same one'
for lie in '/"version":63/s/"made":true/"made":false/' \
    '/"version":10/s/10/20/' '/"offset"/s/"made":true/"made":false/' \
    '/"zip64":3,/d' 's/"zip64":4,/"zip64":100,/' \
    's/"made":false/"made":true/' 's/"offset":true/"offset":false/'; do
	sed "$lie" prov >lies
	if cmp -s lies prov; then
		ok 1 "no such line: $lie"
		continue
	fi
	"$zt" shrink grown.zip lies $a >back.zip 2>err &&
		same plain.zip back.zip >out 2>&1
	ok $(($? == 0)) "a note that lies gives other bytes, or none: $lie"
done
"$zt" shrink plain.zip prov >back.zip 2>err
ok $(($? == 0)) 'it does not fit an archive that never grew'
like err 'IMGP-STAMP-CHECK: check: the directory never gained' 'which is told'
"$PY" near.py tight
"$zt" copy tight.zip $a >new.zip 2>err
is "$? $(cut -d: -f1 err)" '1 IMGP-ARCHIVE-LIMIT' \
	'a record without room for zip64 must stay below 4 GiB'
"$zt" copy tight.zip 1 2 >new.zip 2>err && "$zt" list new.zip >out
ok $? 'up to there new data are taken' || diag <err
rm -f plain.zip cd.zip count.zip full.zip tight.zip grown.zip \
	back.zip again.zip new.zip

# Without zip64 records, as macOS and some vendors' software write: offsets modulo
# 2^32, and the count modulo 65,536.
cat >wrap.py <<'EOT'
"""wrap.py COUNT HOLES MORE OUT: an archive of COUNT members of four bytes, HOLES
members of 2.25 GiB in front of its last two, all of that stated in 32 and 16 bits;
the end record counts MORE members than there are."""
import struct, sys, zlib
P, M32 = struct.pack, 0xffffffff
count, holes, more = map(int, sys.argv[1:4])
f = open(sys.argv[4], "wb")
records = []
def member(name, data, size):
    at, crc = f.tell() & M32, zlib.crc32(data)
    f.write(P("<IHHHHHIIIHH", 0x04034b50, 20, 0, 0, 0x6000, 0x5777, crc, size,
              size, len(name), 0) + name + data)
    f.seek(size - len(data), 1)
    records.append(P("<IHHHHHHIIIHHHHHII", 0x02014b50, 0x031e, 20, 0, 0, 0x6000,
        0x5777, crc, size, size, len(name), 0, 0, 0, 0, 0o100644 << 16, at) + name)
for i in range(count - holes):
    if i == count - holes - 2:
        for k in range(holes):
            member(b"hole", b"", 9 << 28)
    member(b"m%d" % i, b"img\n", 4)
cd = f.tell() & M32
f.write(b"".join(records))
n = count + more & 0xffff
f.write(P("<IHHHHIIH", 0x06054b50, 0, 0, n, n, sum(map(len, records)), cd, 3) + b"end")
EOT
cat >unwrapped.py <<'EOT'
"""unwrapped.py FILE: how many members python finds in it, and those that are grown."""
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
print(len(z.infolist()), *(i.filename for i in z.infolist()
    if i.file_size < 100 and z.read(i) != b"img\n"))
EOT
wraps() {	# wraps COUNT HOLES FIRST SECOND
	"$PY" wrap.py $1 $2 0 wrap.zip
	is "$("$zt" list wrap.zip 2>&1 | wc -l)" $1 "$1 members, $2 holes: all are found"
	"$zt" grow wrap.zip prov $3 $4 >grown.zip 2>err
	is "$? $("$PY" unwrapped.py grown.zip 2>&1)" "0 $1 m$(($3 - 1)) m$(($4 - 1 - $2))" \
		'... new data: python finds them' || diag <err
	is "$("$zt" list grown.zip 2>&1 | wc -l)" $1 '... we do, too'
	"$zt" shrink grown.zip prov $3 $4 >back.zip 2>err && same wrap.zip back.zip
	ok $? '... with the old data the same bytes come back (F4)' || diag <err
}
wraps 10 2 1 10
wraps 10 4 2 9
wraps 65536 0 1 65536
wraps 65537 0 1 65537
wraps 65540 2 1 65540
for more in 1 7 -1 65535; do
	"$PY" wrap.py 65541 0 $more wrap.zip
	"$zt" list wrap.zip >out 2>err
	is "$? $(cut -d: -f1 err)" '1 IMGP-ARCHIVE-UNSAFE' \
		"a count that is wrong by $more is no count modulo 65,536"
done
rm -f wrap.zip grown.zip back.zip
fi

hostile zip || exit 1
for f in archive-*.* ok.*; do
	want=${f%%.*}
	case $f in archive-nested.*|archive-damaged.data|archive-empty.*) want=ok;; esac
	got=$(is_sanitized "$zt" || ulimit -v 1000000
		ulimit -t 20; "$zt" list "$f" 2>&1 >out)
	[ "$f" = archive-empty.bytes ] && want=archive-damaged
	case $want,$got in
	ok,) ok 0 "hostile: $f (R50-R55)" ;;
	ok,*) ok 1 "hostile: $f (R50-R55)"; echo "$got" | diag ;;
	*,"IMGP-$(echo "$want" | tr a-z A-Z): "*) ok 0 "hostile: $f (R50-R55)" ;;
	*) ok 1 "hostile: $f (R50-R55)"; echo "$got" | diag ;;
	esac
done

if is_long; then
if [ -d "$SHARED/archives" ]; then
	find "$SHARED/archives" -name '*.zip' | sort >files
	while read -r f; do
		"$zt" list "$f" >ours 2>err
		rc=$?
		[ $rc -le 1 ] || echo "$f: status $rc"
		[ $rc -eq 0 ] || continue
		"$zt" copy "$f" >same.zip
		cmp -s "$f" same.zip || echo "$f: copied differently"
	done <files >bad
	[ ! -s bad ]
	ok $? 'the sample archives: refused, or copied byte for byte (R53, R57)' ||
		diag <bad
else
	skip 'the sample archives' 'they are not here'
fi
fi
done_testing
