#!/bin/bash
# imgp-stamp: the id goes in, nothing else changes (M32, M34, F4, F5, R57, R60).
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/stamping.sh"
judge() { "$PY" "$ROOT/tests/lib/judge.py" "$@"; }
CT=$samples/CT_small.dcm

# --- a bare object ---------------------------------------------------------------
exits 0 'a bare object is stamped' imgp-stamp --id 77.1 -o ct.dcm "$CT"
dcmdump +L ct.dcm 2>/dev/null | grep '^(0012' | tr -s ' ' >got
holds got 'DCMTK finds (0012,0060), empty, and (0012,0071) (M32)' <<'EOT'
(0012,0060) LO (no value available) # 0, 0 ClinicalTrialCoordinatingCenterName
(0012,0071) LO [77.1] # 4, 1 ClinicalTrialSeriesID
EOT
is "$(($(wc -c <ct.dcm) - $(wc -c <"$CT")))" 20 '20 bytes were added'
imgp-stamp --id 77.1 -o again.dcm ct.dcm && cmp -s ct.dcm again.dcm
ok $? 'the same id again changes nothing (M34)'
imgp-stamp --id 77.1 -o - "$CT" | cmp -s ct.dcm
ok $? 'the output may be a pipe'
exits 1 'the id of another series is refused' imgp-stamp --id 78.1 -o x ct.dcm
like err 'IMGP-STAMP-FOREIGN: it carries 77.1, and its series is 78.1' \
	'and named (M34)'
[ ! -e x ]
ok $? 'there is no output then'
imgp-stamp --replace --id 78.10 -o other.dcm ct.dcm &&
	[ "$(dcmdump +P 0012,0071 -s other.dcm | cut -d'[' -f2 | cut -d']' -f1)" = 78.10 ]
ok $? '--replace replaces it'
IMGP_COORDINATING_CENTER='ATRI, USC' imgp-stamp --id 77.1 -o center.dcm "$CT"
is "$(dcmdump +P 0012,0060 center.dcm | cut -d'[' -f2 | cut -d']' -f1)" \
	'ATRI, USC' '(0012,0060) takes a configured text (M32)'
ls -A | grep -c 'dcm\.' >got
is "$(cat got)" 0 'no temporary file is left'

# --- every sample, in an archive -------------------------------------------------
(cd "$samples" && zip -qr "$WORK/all.zip" . -x '*.gz' -x '*.zip' &&
	zip -qr0 "$WORK/stored.zip" . -x '*.gz' -x '*.zip' &&
	zip -qr - . -x '*.gz' -x '*.zip' | cat >"$WORK/streamed.zip")
echo 'an archive comment' | zip -qz all.zip
imgp-dcmscan all.zip 2>/dev/null | jq -c "$ids" >ids
for f in all stored streamed; do
	is_long || [ $f = all ] || continue
	imgp-stamp --scans ids -o $f.out $f.zip 2>err
	is $? 1 "$f: stamped, status 1 for objects without UIDs"
	judge stamped $f.zip $f.out ids >faults
	ok $? "$f: pydicom finds the ids, and nothing else has changed (F4, F5)" ||
		diag <faults
	unzip -tq $f.out >/dev/null
	ok $? "$f: unzip -t finds no fault"
	imgp-stamp --scans ids -o $f.twice $f.out 2>/dev/null
	cmp -s $f.out $f.twice
	ok $? "$f: stamping again gives equal bytes (M34)"
	imgp-stamp --scans ids -j4 -o - $f.zip 2>/dev/null | cmp -s $f.out
	ok $? "$f: four threads and a pipe give equal bytes"
	imgp-stamp --scans ids --trust -o - $f.zip 2>/dev/null | cmp -s $f.out
	ok $? "$f: --trust gives equal bytes"
done
like err 'IMGP-DICOM-NO-UID: member [0-9]+: .* [0-9]+ more' \
	'what costs itself alone is named once'
imgp-dcmscan all.zip 2>/dev/null | jq -c .scans >before
imgp-dcmscan all.out 2>/dev/null | jq -c .scans | cmp -s before
ok $? 'the scan of what was stamped is the same (F18)'
is "$(imgp-stamp -v --scans ids -o /dev/null all.zip 2>&1 |
	grep -Eo '\([0-9]+ patched, [0-9]+ enc')" \
	"$(imgp-stamp -v --scans ids -o /dev/null streamed.zip 2>&1 |
	grep -Eo '\([0-9]+ patched, [0-9]+ enc')" 'deflated members are patched'

if [ -d "$SHARED/dicom" ] && is_long; then
	(cd "$SHARED/dicom" && zip -qr "$WORK/set.zip" .)
	imgp-dcmscan set.zip 2>/dev/null | jq -c "$ids" >ids2
	imgp-stamp -j2 --scans ids2 -o set.out set.zip 2>err
	judge stamped set.zip set.out ids2 >faults
	ok $? "the sample set: $(tail -1 faults | cut -c3-) (F4)" || diag <faults
	is "$(imgp-stamp -v --scans ids2 -o /dev/null set.zip 2>&1 |
		grep -o ' [0-9]* stamped')" ' 656 stamped' \
		'each instance of its index is stamped'
	awk -F'\t' '$6 ~ /instance/ && $6 !~ /refuse|decide/ && $1 ~ /zip|dcm/ {
		print $1 }' "$SHARED/archives/INDEX.tsv" >files
	mkdir archives
	: >bad
	n=0
	while read -r f; do
		a=$SHARED/archives/$f n=$((n + 1)) to=archives/$n
		imgp-dcmscan "$a" 2>/dev/null | jq -c "$ids" >$to.ids
		imgp-stamp --scans $to.ids -o $to "$a" 2>err ||
			echo "$f: $(cat err)" >>bad
		printf '%s\t%s\t%s\n' "$a" $to $to.ids
	done <files >cases
	judge stamped <cases >judged
	grep -v '^#' judged >>bad
	[ ! -s bad ] && [ "$(grep -c '^#' judged)" = "$(wc -l <files)" ]
	ok $? "$(wc -l <files) sample archives with images (F5)" || diag <bad
	rm -r archives
else
	skip 'the sample set' 'it is not here, or LONG=1 has it'
fi

# --- what is refused -----------------------------------------------------------------
exits 1 'one id for several series' imgp-stamp --id 1.1 -o x all.zip
like err 'IMGP-STAMP-SERIES' 'has its own code'
"$PY" -W ignore - "$CT" <<'EOT'
import io, sys, zipfile, bare, pydicom
def inst(n, **kw):
    ds = pydicom.dcmread(sys.argv[1])
    ds.SOPInstanceUID = "1.2.%d" % n
    for k, v in kw.items():
        ds.add_new(int(k[1:], 16), "LO", v)
    b = io.BytesIO()
    ds.save_as(b)
    return bytearray(b.getvalue())
def save(name, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(name, "w", method) as z:
        for i, m in enumerate(members):
            z.writestr("IM%d" % i, bytes(m))
save("values.zip", [inst(1), inst(2, x00120071="Session1"), inst(3)])
save("foreign.zip", [inst(1), inst(2, x00120071="812.2"), inst(3)])
save("kept.zip", [inst(1, x00120060="UIowa", x00120063="method",
                       x00120071=""), inst(2)])
open("group.dcm", "wb").write(inst(9))
EOT
exits 1 'another value costs its instance alone' \
	imgp-stamp -v --id 5.1 -o values.out values.zip
like err 'IMGP-STAMP-VALUE: member 2: ' 'it is named by number'
like err '2 stamped .* 1 declined' 'the others are stamped (M34)'
unlike err 'Session1' 'the old value is not shown (R67)'
"$PY" - <<'EOT'
import zipfile
a, b = zipfile.ZipFile("values.zip"), zipfile.ZipFile("values.out")
assert a.read("IM1") == b.read("IM1") and a.read("IM0") != b.read("IM0")
EOT
ok $? 'its member is carried over as it is'
exits 0 'it may be replaced' imgp-stamp --replace --id 5.1 -o values.out values.zip
exits 1 'a foreign id stops all' imgp-stamp --id 5.1 -o x foreign.zip
[ ! -e x ]
ok $? 'nothing is written then (M34)'
exits 0 'an empty value counts as absent' imgp-stamp --id 5.1 -o kept.out kept.zip
imgp-dcmscan kept.zip | jq -c '.scans[0].series[0].atri_uid = "5.1"' >ids4
judge stamped kept.zip kept.out ids4 >faults
ok $? '(0012,0060) that is there is kept; two spans (M32)' || diag <faults

# bad data behind a good header
"$PY" - <<'EOT'
d = bytearray(open("all.zip", "rb").read())
import zipfile
z = zipfile.ZipFile("all.zip")
i = max((i for i in z.infolist() if i.filename.endswith("CT_small.dcm")),
        key=lambda i: i.file_size)
n = i.header_offset + 30 + len(i.filename) + len(i.extra) + i.compress_size - 2000
d[n] ^= 1
open("badcrc.zip", "wb").write(d)
EOT
imgp-stamp -v --scans ids -o badcrc.out badcrc.zip 2>err
like err 'IMGP-ARCHIVE-DAMAGED: member [0-9]+: ' \
	'data that do not fit their CRC cost their instance alone'
hostile zip
for f in archive-unsafe archive-damaged archive-encrypted archive-method \
    archive-limit; do
	is_long || [ $f = archive-unsafe ] || continue
	for g in $f.*; do
		[ "$g" != archive-damaged.data ] || continue
		imgp-stamp --id 1.1 -o new "$g" 2>err
		[ $? -eq 1 ] && cmp -s "$g" new && grep -q "IMGP-$(echo $f |
			tr a-z A-Z)" err
		ok $? "hostile: $g is delivered as it came (R50-R54)"
	done
done
hostile dicom
exits 0 'a signed object' imgp-stamp --id 1.1 -o signed.dcm ok.signed
like err 'IMGP-STAMP-SIGNED' 'is reported (M34)'
is_long || rm -f dicom-[!i]*.* ok.order ok.items ok.plain
for g in dicom-*.*; do
	imgp-stamp --id 1.1 -o new "$g" 2>err
	[ $? -eq 1 ] && cmp -s "$g" new
	ok $? "hostile: $g is delivered as it came (R58)"
done
for g in ok.nested ok.order ok.items ok.plain; do
	[ -e $g ] || continue
	imgp-stamp --id 1.1 -o new "$g" 2>err
	ok $? "hostile: $g is stamped (R58)"
done

# --- a filter ------------------------------------------------------------------------
mkdir -p spool/r/1 spool/r/2
cp all.zip spool/r/1/upload
cp foreign.zip spool/r/2/upload
export IMGP_SPOOL=$WORK/spool
S=$(realpath spool)
export IMGP_SPOOL=$S
jq -c --arg l "file://$S/r/1/upload" '.local=$l | del(.errors) |
    .bytes.source = 1' ids >in
imgp-dcmscan foreign.zip | jq -c --arg l "file://$S/r/2/upload" \
	'.scans[0].series[0].atri_uid="5.1" | .local=$l' >>in
exits 1 'as a filter' imgp-stamp <in
cmp -s all.out spool/r/1/upload
ok $? 'the work copy is replaced by what the plain command gives'
is "$(head -1 out | jq -r '.sha256.local,.bytes.local')" \
	"$(sha256sum <all.out | cut -d' ' -f1)
$(wc -c <all.out)" 'sha256.local and bytes.local tell so'
cmp -s foreign.zip spool/r/2/upload
ok $? 'a work copy with a foreign id stays'
is "$(tail -1 out | jq -c '.errors[0]|[.error_code,.fatal]')" \
	'["IMGP-STAMP-FOREIGN",true]' 'and its job fails (M34)'
cp out first
imgp-stamp <first >out 2>/dev/null
head -1 first | jq -c 'del(.errors)' >a
head -1 out | jq -c 'del(.errors)' >b
cmp -s a b && cmp -s all.out spool/r/1/upload
ok $? 'once more changes nothing'
cp all.zip spool/r/1/upload
jq -c --arg l "file://$S/r/1/upload" '.local=$l' ids | imgp-stamp 2>err |
	jq -c .errors >got
jq -e --slurpfile told got '.errors | length > 0 and . == $told[0][:length] and
    ($told[0] | map(.error) | length == (unique | length))' ids >want
ok $? 'what the scan told of a member is not told again' || diag <err
cp all.zip spool/r/1/upload
head -1 in | jq -c '.scans[0].series[0].number_of_instances += 1' |
	imgp-stamp 2>/dev/null | jq -c '.errors[]|[.error_code,.fatal]' |
	tail -1 >got
is "$(cat got)" '["IMGP-STAMP-COUNT",true]' 'count in is not count out (F18)'
cmp -s all.zip spool/r/1/upload
ok $? 'then the work copy stays'
head -1 in | jq -c 'del(.scans[0].series[0].atri_uid)' |
	imgp-stamp 2>/dev/null | jq -c '[.errors[].error_code]' >got
like got 'IMGP-STAMP-NO-ID' 'a series without an id'
printf '{"v":1,"scans":[],"local":"file://%s"}' "$S/r/1/upload" |
	imgp-stamp >got 2>err
is $? 0 'no image, nothing to do'
is "$(ls -A spool/r/1 | tr '\n' ' ')" 'upload upload.prov ' \
	'nothing but the provenance is left in the spool (F40)'

exits 2 'neither --id nor --scans' imgp-stamp -o x all.zip
exits 2 'no output' imgp-stamp --id 1.1 all.zip
sh -c 'imgp-stamp --id 1.1 -o - "$1" >/dev/full' - "$CT" 2>err
is $? 75 'a full disk'
done_testing
