#!/bin/bash
# imgp-stamp --unstamp: the upload comes back as it was (F4, F40).
. "$(dirname "$0")/lib.sh"
PY=/usr/bin/python3
samples=$($PY -c 'import pydicom.data, os
print(os.path.dirname(pydicom.data.__file__) + "/test_files")') ||
	skip_all 'python3-pydicom is not there'
export TMPDIR=$WORK
ids='.scans |= (to_entries | map(.key as $i | .value | .series |=
    (to_entries | map(.value + {atri_uid: "\($i + 1).\(.key + 1)"}))))'
back() { imgp-stamp --unstamp --provenance prov -o back "${1:-new}" 2>err; }

for f in CT_small MR_small_implicit ExplVR_BigEnd 693_J2KI rtstruct \
    liver_1frame JPEG2000; do
	imgp-stamp --id 7.7 --provenance prov -o new "$samples/$f.dcm" 2>err &&
		back && cmp -s "$samples/$f.dcm" back
	ok $? "a bare object: $f" || diag <err
done
tail -1 prov | jq -r '.source.sha256,.stamped.sha256,.source.bytes' >got
holds got 'the provenance ends with the sums of both (F40)' <<EOT
$(sha256sum <"$samples/JPEG2000.dcm" | cut -d' ' -f1)
$(sha256sum <new | cut -d' ' -f1)
$(wc -c <"$samples/JPEG2000.dcm")
EOT
imgp-stamp --id 7.7 --provenance prov -o new "$samples/image_dfl.dcm" &&
	back && "$PY" - "$samples/image_dfl.dcm" back <<'EOT'
import sys, pydicom, zlib
a, b = (open(f, "rb").read() for f in sys.argv[1:])
n = 144 + pydicom.dcmread(sys.argv[1]).file_meta.FileMetaInformationGroupLength
un = lambda d: zlib.decompressobj(-15).decompress(d[n:])
assert a[:n] == b[:n] and un(a) == un(b)
EOT
ok $? 'the deflated syntax: the same data set'
like err 'the same content, compressed anew' 'and it says so'
"$PY" "$ROOT/tests/hostile.py" deflated || exit 1
imgp-stamp --id 7.7 --provenance prov -o new inflates &&
	! cmp -s inflates new && back && "$PY" - inflates back <<'EOT'
import sys, zlib
a, b = (open(f, "rb").read() for f in sys.argv[1:])
n = 144 + a[140]
un = lambda d: zlib.decompressobj(-15).decompress(d[n:])
assert a[:n] == b[:n] and un(a) == un(b)
EOT
ok $? 'changed farther on than the file is long' || diag <err

(cd "$samples" && zip -qr "$WORK/all.zip" . -x '*.gz' -x '*.zip' \
	-x '*image_dfl*' && zip -qr0 "$WORK/stored.zip" . -x '*.gz' \
	-x '*.zip' -x '*image_dfl*' && zip -qr - *small*.dcm |
	cat >"$WORK/streamed.zip" && tar -cf "$WORK/all.tar" --exclude=image_dfl.dcm *.dcm &&
	tar -czf "$WORK/all.tgz" --exclude=image_dfl.dcm *.dcm)
imgp-dcmscan all.zip 2>/dev/null | jq -c "$ids" >ids
for f in all.zip stored.zip all.tar; do
	imgp-stamp --scans ids --provenance prov -j3 -o new $f 2>err
	if [ $f = all.tar ]; then
		imgp-dcmscan $f 2>/dev/null | jq -c "$ids" >ids2
		imgp-stamp --scans ids2 --provenance prov -o new $f 2>err
	fi
	! cmp -s $f new && back && cmp -s $f back
	ok $? "$f: the same SHA-256" || diag <err
done
imgp-dcmscan streamed.zip | jq -c "$ids" >ids3
imgp-stamp --scans ids3 --provenance prov -o new streamed.zip && back &&
	cmp -s streamed.zip back
ok $? 'a streamed ZIP: the same SHA-256'
imgp-stamp --scans ids3 -o new streamed.zip
jq -c '.scans[].series[].atri_uid |= "9" + .' ids3 >ids4
imgp-stamp --replace --scans ids4 --provenance prov -o newer new && back newer &&
	cmp -s new back
ok $? 'a value that was replaced comes back'
imgp-dcmscan all.tgz 2>/dev/null | jq -c "$ids" >ids2
imgp-stamp --scans ids2 --provenance prov -o new all.tgz 2>err
back && gzip -dc back | cmp -s - <(gzip -dc all.tgz)
ok $? 'a TAR.GZ: the same TAR'

imgp-stamp --id 7.7 --provenance prov -o new "$samples/CT_small.dcm"
imgp-stamp --id 7.8 -o other "$samples/CT_small.dcm"
rm -f back
back other
ok $(($? == 0)) 'the provenance of another stamp is refused'
back "$samples/MR_small.dcm"
ok $(($? == 0)) 'and of another upload'
head -1 prov >short
imgp-stamp --unstamp --provenance short -o back new 2>err
ok $(($? == 0)) 'and one that is cut short'
sed 's/"edits":\[\[[0-9]*/"edits":[[99999999999/' prov >far
imgp-stamp --unstamp --provenance far -o back new 2>err
ok $(($? == 0)) 'and one that points outside'
[ ! -e back ]
ok $? 'nothing is written then'
exits 2 '--unstamp without a provenance' imgp-stamp --unstamp -o x new

mkdir -p spool/r/1
cp streamed.zip spool/r/1/upload
jq -c --arg l "file://$(realpath spool)/r/1/upload" '.local=$l' ids3 >in
IMGP_SPOOL=$(realpath spool) imgp-stamp <in >out
imgp-stamp --unstamp --provenance spool/r/1/upload.prov -o back \
	spool/r/1/upload && cmp -s back streamed.zip
ok $? 'a filter leaves the provenance beside the work copy (F40)'
done_testing
