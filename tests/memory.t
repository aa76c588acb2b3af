#!/bin/bash
# Memory is bounded whatever the upload: 32 MiB with one thread, 64 MiB with
# several (F34, R42).  MEMBERS=100000 GIGABYTES=5 prove tests/memory.t for the
# full sizes.
. "$(dirname "$0")/lib/lib.sh"
export TMPDIR=$WORK
cat >make.py <<'EOT'
import struct, sys, zipfile, zlib
sys.path.insert(0, sys.argv[1])
import hostile as h
n, big = int(sys.argv[2]), int(sys.argv[3])
def inst(i, tail=b""):
    h.UIDS[8, 0x18] = b"1.2.%07d.4" % i
    return h.obj(h.el(0x10, 0x10, b"PN", b"X "), tail=tail)
with zipfile.ZipFile("many.zip", "w", zipfile.ZIP_DEFLATED,
                     compresslevel=1) as z:
    for i in range(n):
        z.writestr("IM%06d" % i, inst(i))
# One member of some size: random pixels, told by one chunk over and over.
import os
chunk = os.urandom(1 << 20)
data = inst(0, h.el(0x7FE0, 0x10, b"OB", b"", min(big << 20, 0xFFFFFFFE)))
for name, method in (("stored.zip", zipfile.ZIP_STORED),
                     ("deflated.zip", zipfile.ZIP_DEFLATED)):
    with zipfile.ZipFile(name, "w", method, compresslevel=1) as z:
        with z.open("IM1", "w", force_zip64=True) as f:
            f.write(data)
            for _ in range(big):
                f.write(chunk)
EOT
MEMBERS=${MEMBERS:-${LONG:+8000}}
MEMBERS=${MEMBERS:-2000} MB=$((${GIGABYTES:-0} * 1000))
[ "$MB" -gt 0 ] || MB=80
/usr/bin/python3 make.py "$ROOT/tests/lib" "$MEMBERS" "$MB" || exit 1

cat >peak.py <<'EOT'
import resource, subprocess, sys
rc = subprocess.call(sys.argv[1:])
print(rc, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
EOT
peak() {		# peak MEBIBYTES TITLE COMMAND...
	most=$1 title=$2
	shift 2
	# shellcheck disable=SC2046
	set -- $(/usr/bin/python3 peak.py "$@" 2>err | tail -1) 0 0
	[ "$1" = 0 ] && [ "$2" -le "$most" ]
	ok $? "$title: $2 MiB, at most $most" || diag <err
}
case $(ldd "$BUILD/bin/imgp-stamp") in
*asan*) skip_all 'a sanitizer has its own memory' ;;
esac
for f in many stored deflated; do
	is_long || [ $f != stored ] || continue
	peak 32 "$f.zip scanned" imgp-dcmscan -q $f.zip
	peak 32 "$f.zip stamped" imgp-stamp -q --id 1.1 -o new $f.zip
	peak 64 "$f.zip stamped, four threads" imgp-stamp -q -j4 --id 1.1 \
		-o new4 $f.zip
	cmp -s new new4
	ok $? "$f.zip: the same bytes"
	rm -f new new4
done
done_testing
