#!/bin/bash
# libimgpipe/zip: reading with suspicion, writing by copying.
. "$(dirname "$0")/lib.sh"
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

"$PY" "$ROOT/tests/hostile.py" zip || exit 1
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
done_testing
