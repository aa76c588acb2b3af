#!/bin/sh
# libimgpipe/deflate: streams patched without recompression, judged by zlib,
# libdeflate and ISA-L.  The full fuzz: tests/fuzz/deflate-streams.
. "$(dirname "$0")/lib/lib.sh"
seed=${SEED:-20240229}
echo "# seed $seed"
n=2500
is_sanitized "$BUILD/tests/deflate" && n=300

exits 0 "$n random streams of zlib, libdeflate, igzip and our own encoder: \
three decoders give the edited content, a patch with a wrong bit is caught, \
undo gives the source back (F4, F40, R60)" \
	"$BUILD/tests/deflate" valid "$n" "$seed"
diag <out
exits 0 "$((2 * n)) damaged streams: none is laundered (R60)" \
	"$BUILD/tests/deflate" corrupt "$((2 * n))" "$seed"
diag <out
exits 0 'single cases: edges, wrong edits, wrong sources, failing files (R58)' \
	"$BUILD/tests/deflate" cases
grep -v '^ok' out | diag
exits 0 'patched streams as a gzip file' "$BUILD/tests/deflate" gzip 300 "$seed"
mv out patched.gz
exits 0 'gzip, whose inflate is a fourth one, reads them' gzip -t patched.gz
done_testing
