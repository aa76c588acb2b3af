#!/bin/bash
# imgp-stamp --unstamp: the upload comes back as it was (F4, F40).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/stamping.sh"
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
import sys, zlib, bare, pydicom
a, b = (open(f, "rb").read() for f in sys.argv[1:])
n = 144 + pydicom.dcmread(sys.argv[1]).file_meta.FileMetaInformationGroupLength
un = lambda d: zlib.decompressobj(-15).decompress(d[n:])
assert a[:n] == b[:n] and un(a) == un(b)
EOT
ok $? 'the deflated syntax: the same data set'
like err 'the same content, compressed anew' 'and it says so'
"$PY" "$ROOT/tests/lib/hostile.py" deflated || exit 1
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
back && cmp -s all.tgz back
ok $? 'a TAR.GZ: the same SHA-256' || diag <err
unlike err 'compressed anew' 'and nothing else is said'

rm -f prov
(umask 022; imgp-stamp --id 7.7 --provenance prov -o new "$samples/CT_small.dcm")
is "$(stat -c %a prov)" 600 'what holds bytes of headers is its owner'"'"'s alone'
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

imgp-stamp --scans ids3 --provenance prov -o new streamed.zip
rm -f back
for line in '{"zip64":1,"made":true,"version":20}' \
    '{"zip64":0,"made":true,"offset":true,"size":false}' \
    '{"zip64":999,"made":true,"version":20}'; do
	{ head -n -1 prov; echo "$line"; tail -1 prov; } >lies
	exits 1 "a growth that never was: $line" \
		imgp-stamp --unstamp --provenance lies -o back new
	like err 'IMGP-STAMP-CHECK: check: the (directory|provenance)' 'is told of'
done
for line in '{"zip64":-1,"made":true,"version":20}' '{"zip64":1,"made":true}' \
    '{"zip64":0,"made":1,"offset":true,"size":false}' "$(tail -1 prov)" x; do
	{ head -n -1 prov; echo "$line"; tail -1 prov; } >lies
	exits 2 "no line of a provenance: $(echo "$line" | cut -c1-50)" \
		imgp-stamp --unstamp --provenance lies -o back new
done
[ ! -e back ]
ok $? 'nothing is written then'

# --- what must be compressed anew is compared by the CRC of its content ------------
lie='if .edits then .edits[0][1] |= (.[:-2] + "58") else . end'
lied() {		# lied FILE LIE: it is stamped, that is replaced, and lied about
	imgp-dcmscan "$1" 2>/dev/null | jq -c "$ids" >ids5
	jq -c '.scans[].series[].atri_uid |= "9" + .' ids5 >ids6
	imgp-stamp --scans ids5 -o new "$1" 2>err &&
		imgp-stamp --replace --scans ids6 --provenance prov -o newer \
			new 2>>err && jq -c "$2" prov >lies || diag <err
	rm -f back
	imgp-stamp --unstamp --provenance lies -o back newer 2>err
	is "$? $(ls back 2>/dev/null)" '1 ' "$1: a provenance that lies"
	like err 'IMGP-STAMP-CHECK: .*(what was undone is not what came|does not fit)' \
		'is told of'
	imgp-stamp --unstamp --provenance prov -o back newer 2>err
	is $? 0 'one that does not is believed' || diag <err
	jq -c 'del(.crc, .source.crc)' prov >old
	imgp-stamp --unstamp --provenance old -o back newer 2>err
	is $? 0 'and one from before there were CRCs is read' || diag <err
}
cp "$samples/image_dfl.dcm" "$samples/CT_small.dcm" .
cp "$samples/MR_small.dcm" mr.dcm
zip -q mixed.zip CT_small.dcm && zip -q0 mixed.zip mr.dcm
zip -q dfl.zip image_dfl.dcm CT_small.dcm
tar -czf mixed.tgz CT_small.dcm mr.dcm
for f in image_dfl.dcm dfl.zip; do
	lied $f "$lie"
done
lied mixed.tgz 'if .stream then .stream |= "05" + .[2:] else . end'
lied mixed.zip "if .member == 1 then .how = \"encoded\" | del(.undo)
    else $lie end"
lied CT_small.dcm 'if .member == 0 then .how = "encoded" else . end'

# --- IN must be what was stamped, and is compared first -----------------------
imgp-stamp --scans ids3 --provenance prov -o new streamed.zip
cp new tampered
printf x >>tampered
rm -f back
exits 1 'a byte more' imgp-stamp --unstamp --provenance prov -o back tampered
like err 'IMGP-STAMP-CHECK: check: tampered: it is not what the provenance was' \
	'is told'
exits 1 'with -n, too' imgp-stamp -n --unstamp --provenance prov -o back tampered
mkfifo ff
timeout 20 cat ff >piped &
exits 1 'to a pipe, too' imgp-stamp --unstamp --provenance prov -o ff tampered
wait $!
[ ! -e back ] && [ ! -s piped ]
ok $? 'nothing is written then'
timeout 20 cat ff >piped &
exits 0 'to a pipe' imgp-stamp --unstamp --provenance prov -o ff new
wait $!
cmp -s piped streamed.zip
ok $? 'the upload comes back'
sed 's/"source":{"sha256":"..../"source":{"sha256":"beef/' prov >other
timeout 20 cat ff >piped &
exits 1 'the wrong result' imgp-stamp --unstamp --provenance other -o ff new
wait $!
[ ! -s piped ]
ok $? 'does not reach a pipe'
exits 0 'a provenance that comes by a pipe' imgp-stamp --unstamp \
	--provenance <(cat prov) -o back new
cmp -s back streamed.zip
ok $? 'is read'
imgp-stamp --scans ids2 --provenance prov -o new all.tgz 2>/dev/null
cp new tampered
printf '\0' >>tampered
exits 1 'a TAR.GZ with a byte more' \
	imgp-stamp --unstamp --provenance prov -o back tampered
unlike err 'the same content' 'is not said to be the same'

# --- what was delivered as it came ----------------------------------------------
head -c $(($(wc -c <streamed.zip) - 30)) streamed.zip >cut.zip
echo 'no image at all' >text
for f in cut.zip text; do
	imgp-stamp --id 7.7 --provenance prov -o new $f 2>err
	is $? 1 "$f is delivered as it came"
	exits 0 "$f is given back" \
		imgp-stamp --unstamp --provenance prov -o back new
	cmp -s back $f
	ok $? 'byte for byte'
done

mkdir -p spool/r/1
cp streamed.zip spool/r/1/upload
jq -c --arg l "file://$(realpath spool)/r/1/upload" '.local=$l' ids3 >in
IMGP_SPOOL=$(realpath spool) imgp-stamp <in >out
imgp-stamp --unstamp --provenance spool/r/1/upload.prov -o back \
	spool/r/1/upload && cmp -s back streamed.zip
ok $? 'a filter leaves the provenance beside the work copy (F40)'
# A run that was killed left the work copy stamped: the line is older.
cp spool/r/1/upload.prov before
sum=$(sha256sum <streamed.zip | cut -d' ' -f1)
jq -c --arg s "$sum" --argjson n "$(wc -c <streamed.zip)" \
	'.sha256.local = $s | .bytes.local = $n' in >stale
IMGP_SPOOL=$(realpath spool) imgp-stamp <stale >out
is $? 0 'a line again whose work copy is stamped already'
jq -r '.sha256.local, .bytes.local' out >got
holds got 'its sums are of what lies there' <<EOT
$(sha256sum <spool/r/1/upload | cut -d' ' -f1)
$(wc -c <spool/r/1/upload)
EOT
cmp -s before spool/r/1/upload.prov
ok $? 'the way back stays'
# With another id it is stamped again: what it was then is what lay there.
jq -c '.scans[].series[].atri_uid |= "9" + .' stale >stale2
cp spool/r/1/upload was
IMGP_SPOOL=$(realpath spool) imgp-stamp --replace <stale2 >out
imgp-stamp --unstamp --provenance spool/r/1/upload.prov -o back \
	spool/r/1/upload && cmp -s back was
ok $? 'and the source of a new provenance is right'
done_testing
