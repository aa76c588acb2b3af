#!/bin/bash
# Archives before three readers: ours, libarchive, python.  All agree on sizes
# and CRCs, or ours declines; and what a stamp leaves alone is as it was (R54,
# R56, R57).  A sample by default; make check-dicom takes every archive.
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/stamping.sh"

# Where another reader fails or differs and ours does not decline.
cat >exceptions <<'EOT2'
bad-crc.zip	heads are scanned; stamping finds the bad CRC, and that member stays as it was
incons-data.zip	the same
gap.zip	the same: its one member has another CRC than both its headers say
comment.zip	its comment holds an end record's signature: the two others look no further, ours finds the record that fits
empty.zip	libarchive knows no archive without members
testempty.zip	the same
streamed.zip	stored and streamed: libarchive cannot tell where the data end, though the directory says so
archive-empty.zip.zip	the same
archive-damaged.data.zip	as bad-crc.zip
EOT2
# Duplicate names and names that differ in case are stamped: a member is a place
# in the file, never a name, and scanners do send many files named IM0001.

"$ROOT/tests/fuzz/seeds" zip z && "$ROOT/tests/fuzz/seeds" tar t || exit 1
for f in z/*; do tail -c +2 "$f" >"$f.zip" && rm "$f"; done
for f in t/*; do tail -c +2 "$f" >"$f.tar" && rm "$f"; done
every=1 thin=2 least=8
is_long || thin=8 least=2
[ -z "${ALL-}" ] || thin=1
ls z/*.zip t/*.tar | awk -v n=$thin 'NR % n == 0' >files
if [ -d "$SHARED/archives" ]; then
	every=24
	is_long || every=200
	[ -z "${ALL-}" ] || every=1
	find "$SHARED/archives" -type f ! -name INDEX.tsv ! -name '*.json' |
		LC_ALL=C sort | awk -v n=$every 'NR % n == 0' >>files
else
	skip 'the sample archives' 'they are not here'
fi

: >bad; : >worse; both=0 declined=0 stamped=0
while read -r f; do
	grep -q "^${f##*/}	" exceptions && continue
	if ! "$BUILD/tests/readers" ours "$f" >ours 2>why; then
		grep -q '^IMGP-ARCHIVE-[A-Z]*: ' why || sed "s,^,$f: ," why >>bad
		declined=$((declined + 1))
		continue
	fi
	kind=zip
	cut -d' ' -f1,2 ours >a
	if [ "$(head -c 3 "$f" | od -An -tx1)" = ' 1f 8b 08' ] ||
	    [ "$(tail -c +258 "$f" | head -c 5 | tr -d '\0')" = ustar ]; then
		kind=tar
	fi
	"$BUILD/tests/readers" theirs "$f" >theirs 2>why || sed "s,^,$f: ," why >>bad
	sort a >a.sorted
	cut -d' ' -f1,2 theirs | sort | cmp -s a.sorted - ||
		echo "$f: libarchive differs" >>bad
	"$PY" "$ROOT/tests/lib/differ.py" $kind "$f" >theirs 2>why ||
		sed "s,^,$f: ," why >>bad
	cut -d' ' -f1,2 theirs | cmp -s a - || echo "$f: python differs" >>bad
	[ $kind = tar ] || cmp -s ours theirs || echo "$f: names" >>bad
	both=$((both + 1))
	[ $kind = zip ] || continue
	imgp-dcmscan "$f" 2>/dev/null | jq -c "$ids" >ids
	rm -f new
	imgp-stamp --scans ids -o new "$f" 2>/dev/null
	[ -e new ] || "$BUILD/tests/ziptool" copy "$f" >new
	"$PY" "$ROOT/tests/lib/differ.py" kept "$f" new >kept 2>&1 ||
		cat kept >>worse
	grep -v '^#' kept | sed "s,^,$f: ," >>worse
	stamped=$((stamped + 1))
done <files
[ ! -s bad ] && [ $both -gt $least ]
ok $? "three readers agree on $both archives, ours declines $declined (R54)" ||
	head -30 bad | diag
[ ! -s worse ] && [ $stamped -gt $((least / 2)) ]
ok $? "$stamped ZIPs stamped or copied: names, order, times, attributes, \
comments, extra fields, flags and others' data are as they were (R57)" ||
	head -30 worse | diag

# Where readers could differ, ours declines.
"$PY" - <<'EOT2'
import io, tarfile
data = b"0" * 1024
m = tarfile.TarInfo("looks/like/a/folder/")
m.size, m.type = len(data), tarfile.AREGTYPE
b = io.BytesIO()
with tarfile.open(fileobj=b, mode="w", format=tarfile.USTAR_FORMAT) as t:
    t.addfile(m, io.BytesIO(data))
d = bytearray(b.getvalue())
i = d.index(b"folder") + 6	# tarfile takes the slash off, or not
if d[i] != 47:
    d[i] = 47
    d[156] = 0
    d[148:156] = b" " * 8
    d[148:156] = b"%06o\0 " % sum(d[:512])
open("folder.tar", "wb").write(d)
EOT2
"$BUILD/tests/readers" ours folder.tar >out 2>err
like err '^IMGP-ARCHIVE-UNSAFE' \
	'an old folder with data, which python reads as none, is declined (R56)'
done_testing
