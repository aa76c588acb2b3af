#!/bin/bash
# imgp-dcmscan: studies, series, numbers, instances; and what is none (M27-M29,
# F6, F7).
. "$(dirname "$0")/lib/lib.sh"
PY=/usr/bin/python3
dicom_samples
unset TMPDIR
export TMPDIR=$WORK
J='jq -c'

# --- a plain command --------------------------------------------------------
exits 0 'a bare object' imgp-dcmscan "$samples/CT_small.dcm"
$J '[.v,.local,.scans,.listing,.errors]' out >got
holds got 'its line has local, scans and listing (M27)' <<EOT
[1,"file://$(realpath "$samples/CT_small.dcm")",[{"study_uid":"1.3.6.1.4.1.5962.1.2.1.20040119072730.12322","series":[{"series_uid":"1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322","series_number":1,"number_of_instances":1}]}],{"dicom":1},null]
EOT
cp "$samples/CT_small.dcm" 'a #% b.zip'
exits 0 'a name says nothing, neither suffix nor strange characters' \
	imgp-dcmscan 'a #% b.zip'
imgp-dcmscan - <"$samples/CT_small.dcm" >out 2>err
is "$($J '[.scans[0].series[0].number_of_instances,.local]' out)" '[1,null]' \
	'the upload on standard input has no place'
printf 'PK\3\4' | cat - "$samples/CT_small.dcm" | tail -c +5 |
	(printf 'PK\3\4'; tail -c +5) >polyglot
is "$(imgp-dcmscan polyglot | $J .listing)" '{"dicom":1}' \
	'a preamble that looks like a ZIP: DICM at 128 decides (R63)'

# --- an archive of everything ---------------------------------------------------
(cd "$samples" && zip -qr "$WORK/all.zip" . -x '*.gz' -x '*.zip' &&
	zip -qr0 "$WORK/stored.zip" . -x '*.gz' -x '*.zip')
"$PY" "$ROOT/tests/lib/judge.py" scans all.zip >theirs
imgp-dcmscan all.zip >out 2>err
is $? 1 'objects without UIDs give status 1'
like err 'IMGP-DICOM-NO-UID: member [0-9]+: .*; [0-9]+ more$' \
	'and one line, with the number of the first and how many'
$J .scans out | diff theirs - >difference
ok $? 'studies, series, numbers, instances are those pydicom finds (M27, F7)' ||
	diag <difference
$J '[.listing|.dicom,.dicomdir,.dicom_no_uid,.text]|map(. > 0)' out >got
is "$(cat got)" '[true,true,true,true]' 'what was no image is listed (F6)'
imgp-dcmscan stored.zip 2>err | $J .scans | cmp -s theirs
ok $? 'stored members give the same'
imgp-dcmscan - <all.zip 2>err | $J .scans | cmp -s theirs
ok $? 'so does the same on standard input'
$J '[.errors[]|.stage,.class,.fatal]' out >got
is "$(cat got)" '["scan","data",false]' 'none of this is fatal (M28)'

# --- the definitions -----------------------------------------------------------
"$PY" -W ignore - "$samples/CT_small.dcm" <<'EOT'
import sys, zipfile, io, bare, pydicom
def put(z, name, **kw):
    ds = pydicom.dcmread(sys.argv[1])
    for k, v in kw.items():
        if v is None:
            delattr(ds, k)
        else:
            setattr(ds, k, v)
    b = io.BytesIO()
    ds.save_as(b)
    z.writestr(name, b.getvalue())
with zipfile.ZipFile("rules.zip", "w") as z:
    for i, n in enumerate((7, 7, 3, 3, "", 9)):
        put(z, "IM", SOPInstanceUID="1.2.%d" % i, SeriesInstanceUID="1.1",
            SeriesNumber=n)
    for i in range(2):		# a copy counts once
        put(z, "IM", SOPInstanceUID="1.2.3", SeriesInstanceUID="1.2",
            SeriesNumber="")
    put(z, "IM", SOPInstanceUID="1.2.3", SeriesInstanceUID="1.3",
        SeriesNumber=None)
    put(z, "IM", SOPInstanceUID="1.2.3", SeriesInstanceUID="1.4",
        SeriesNumber="747197466")
    put(z, "IM", SOPInstanceUID="1.2.3", SeriesInstanceUID="1.5",
        StudyInstanceUID="1.0")
with zipfile.ZipFile("copies.zip", "w") as z:
    for n in 5, "", 4, 4:	# copies that disagree: the rule, not the first
        put(z, "IM", SOPInstanceUID="1.2.3", SeriesInstanceUID="1.6",
            StudyInstanceUID="1.0", SeriesNumber=n)
    for n in 9, "", "", 2:
        put(z, "IM", SOPInstanceUID="1.2.3", SeriesInstanceUID="1.7",
            StudyInstanceUID="1.0", SeriesNumber=n)
EOT
imgp-dcmscan rules.zip | $J '.scans[]|[.study_uid,(.series[]|[.series_uid,
    .series_number,.number_of_instances])]' >got
holds got 'copies, numbers that differ, are empty or absent (M29)' <<'EOT'
["1.0",["1.5",1,1]]
["1.3.6.1.4.1.5962.1.2.1.20040119072730.12322",["1.1",3,6],["1.4",747197466,1],["1.2",null,1],["1.3",null,1]]
EOT
imgp-dcmscan copies.zip | $J '.scans[]|[.study_uid,(.series[]|[.series_uid,
    .series_number,.number_of_instances])]' >got
holds got 'copies that disagree on the number (M29)' <<'EOT'
["1.0",["1.7",2,1],["1.6",4,1]]
EOT

if is_long; then
# The same by a second hand, of many in any order: some several times, with one
# number and then another.
"$PY" - <<'EOT'
import collections, json, random, struct, zipfile
def element(group, number, vr, text):
    data = text.encode()
    data += (b"\0" if vr == b"UI" else b" ") * (len(data) & 1)
    return struct.pack("<HH2sH", group, number, vr, len(data)) + data
draw = random.Random(29)
copies = collections.defaultdict(list)
def elect(given):
    count = collections.Counter(n for n in given if n is not None)
    return min(count, key=lambda n: (-count[n], n)) if count else None
with zipfile.ZipFile("many.zip", "w") as z:
    for i in range(4000):
        study, series = draw.randrange(5), draw.randrange(60)
        uids = ("1.2.%d" % study, "1.2.%d.%d" % (study, series),
                "1.2.%d" % draw.randrange(12))
        number = draw.choice(("", "1", "2", "3", "-4"))
        z.writestr(str(i), element(8, 0x16, b"UI", "1.2.840.10008.5.1.4.1.1.4")
                   + element(8, 0x18, b"UI", uids[2])
                   + element(0x20, 0xd, b"UI", uids[0])
                   + element(0x20, 0xe, b"UI", uids[1])
                   + element(0x20, 0x11, b"IS", number))
        copies[uids].append(int(number) if number else None)
votes = collections.defaultdict(list)
for uids, given in copies.items():
    votes[uids[:2]].append(elect(given))
scans = collections.defaultdict(list)
for (study, series), given in votes.items():
    best = elect(given)
    scans[study].append((best is None, best, series, len(given)))
with open("many.json", "w") as f:
    for study in sorted(scans):
        json.dump([study] + [[s, n, k] for _, n, s, k in sorted(scans[study])],
                  f, separators=(",", ":"))
        f.write("\n")
EOT
imgp-dcmscan many.zip | $J '.scans[]|[.study_uid,(.series[]|[.series_uid,
    .series_number,.number_of_instances])]' | diff many.json - >difference
ok $? '4,000 instances of 300 series in any order (M29)' || diag <difference
fi

# --- what is not scanned ----------------------------------------------------------
echo 'only words' >words
exits 1 'no image in it' imgp-dcmscan words
like err 'IMGP-DICOM-NONE' 'has its own code'
is "$($J '[.scans,.listing]' out)" '[[],{"text":1}]' 'and an empty scan'
hostile zip
# A sample has one of a kind.
is_long || for kind in archive-limit archive-method archive-unsafe archive-damaged ok; do
	set -- "$kind".*
	shift
	rm -f -- "$@"
done
for f in archive-*.*; do
	got=$(imgp-dcmscan "$f" 2>/dev/null | jq -r '(.errors // [])[0].error_code')
	is "$got" "IMGP-$(echo "${f%%.*}" | tr a-z A-Z)" "hostile: $f (R50-R55)"
done
for f in ok.*; do
	got=$(imgp-dcmscan "$f" 2>/dev/null | $J '[.errors,.listing.dicom>0]')
	is "$got" '[null,true]' "hostile: $f (R55)"
done
is "$(imgp-dcmscan archive-nested.zip 2>/dev/null | $J .listing)" \
	'{"dicom":1,"nested_archive":1}' 'an archive inside is not opened (R52)'

# --- a filter ------------------------------------------------------------------------
mkdir -p spool/r/1 spool/r/2 outside
cp all.zip spool/r/1/upload
cp words spool/r/2/upload
cp all.zip outside/upload
job() {
	printf '{"v":1,"subject_event_crf_file_id":%d,"pipeline_code":"%s","local":"file://%s","x":1e400}\n' \
		"$1" "$2" "$3"
}
S=$(realpath spool)
export IMGP_SPOOL=$S
{ job 1 img "$S/r/1/upload"; job 2 img "$S/r/2/upload"
  job 3 img "$S/r/3/upload"; job 4 img "$(realpath outside)/upload"; } >in
exits 75 'a missing work copy among others' imgp-dcmscan <in
$J '[.subject_event_crf_file_id,(.scans|length),
    (.errors//[]|map([.error_code,.fatal]))]' out >got
holds got 'each job has its scans or its error, in order' <<'EOT'
[1,27,[["IMGP-DICOM-NO-UID",false]]]
[2,0,[["IMGP-DICOM-NONE",false]]]
[3,0,[["IMGP-STORE-IO",true]]]
[4,0,[["IMGP-PLACE-OUTSIDE",true]]]
EOT
imgp-dcmscan -j4 <in 2>err | sort >many
sort out | cmp -s many -
ok $? 'the same lines with four at once'
grep -c '"x":1e400' many >got
is "$(cat got)" 4 'unknown members pass'
cat >conf <<'EOT'
[need]
dicom = required
[none]
dicom = no
EOT
export IMGP_CONFIG=$WORK/conf
{ job 1 need "$S/r/2/upload"; job 2 none "$S/r/2/upload"; } |
	imgp-dcmscan 2>err | $J '.errors//[]|map(.fatal)' >got
holds got 'dicom = required fails the job, dicom = no expects none (M28)' <<'EOT'
[true]
[]
EOT
unset IMGP_CONFIG

# --- limits, each a setting ----------------------------------------------------------
lim() {
	got=$(env "$1" imgp-dcmscan "$3" 2>/dev/null |
		jq -r '(.errors//[])[0].error_code')
	is "$got" "$2" "$1: $2"
}
n=$(unzip -Z1 rules.zip | wc -l)
lim IMGP_LIMIT_MEMBERS="$((n - 1))" IMGP-ARCHIVE-LIMIT rules.zip
if is_long; then
lim IMGP_LIMIT_MEMBERS="$n" null rules.zip
lim IMGP_LIMIT_SERIES=5 null rules.zip
lim IMGP_LIMIT_SERIES=4 IMGP-ARCHIVE-LIMIT rules.zip
fi
lim IMGP_LIMIT_BYTES=100000 IMGP-ARCHIVE-LIMIT rules.zip
lim IMGP_LIMIT_HEADER=1000 IMGP-DICOM-LIMIT "$samples/CT_small.dcm"
lim IMGP_LIMIT_ELEMENTS=20 IMGP-DICOM-LIMIT "$samples/CT_small.dcm"
# edge NAME LIMIT CODE FILE: what needs LIMIT passes there, not below (R50).
edge() {
	lim "$1=$(($2 - 1))" "$3" "$4"
	lim "$1=$2" null "$4"
	lim "$1=$(($2 + 1))" null "$4"
}
if is_long; then
"$PY" "$ROOT/tests/lib/hostile.py" edges || exit 1
head -c 70000000 /dev/zero >zeros
zip -q two.zip edge.* && tar -cf two.tar edge.* && gzip -k two.tar &&
	zip -q9 zeros.zip zeros edge.items
rm zeros
size=$(stat -c %s edge.items)
edge IMGP_LIMIT_HEADER "$size" IMGP-DICOM-LIMIT edge.items
edge IMGP_LIMIT_ELEMENTS 6 IMGP-DICOM-LIMIT edge.items
edge IMGP_LIMIT_ITEMS 3 IMGP-DICOM-LIMIT edge.items
edge IMGP_LIMIT_DEPTH 6 IMGP-DICOM-LIMIT edge.depth
for f in two.zip two.tar two.tar.gz; do
	edge IMGP_LIMIT_MEMBERS 2 IMGP-ARCHIVE-LIMIT $f
done
edge IMGP_LIMIT_BYTES "$(cat edge.* | wc -c)" IMGP-ARCHIVE-LIMIT two.zip
edge IMGP_LIMIT_BYTES "$(stat -c %s two.tar)" IMGP-ARCHIVE-LIMIT two.tar.gz
# All bytes, and how many there are in the archive of each member.
packed=$(unzip -v zeros.zip | awk 'END { print $2 }')
edge IMGP_LIMIT_RATIO $(((70000000 + size) / (packed + 1) + 1)) \
	IMGP-ARCHIVE-LIMIT zeros.zip
fi
IMGP_LIMIT_RATIO=x imgp-dcmscan words >out 2>err
is $? 2 'a limit that is no number is wrong usage'

# --- the sample archives -----------------------------------------------------------
if is_long; then
if [ -d "$SHARED/archives" ]; then
	sorted='map({study_uid, series: (.series | sort_by(.series_uid))})'
	jq -c "$sorted" "$SHARED/archives/composed/expected.json" >theirs
	awk -F'\t' '$1 ~ /^composed/ && $6 ~ /^expected.json/ && $6 !~ /refuse/ {
		print $1 }' "$SHARED/archives/INDEX.tsv" >files
	while read -r f; do
		imgp-dcmscan "$SHARED/archives/$f" 2>/dev/null |
			$J ".scans|$sorted" | cmp -s theirs ||
			echo "$f"
	done <files >bad
	[ ! -s bad ]
	ok $? "$(wc -l <files) composed archives give the expected scan" ||
		diag <bad
	imgp-dcmscan "$SHARED/archives/real/DICOM.zip" |
		$J '[.scans[].series[]|.series_number,.number_of_instances]' >got
	is "$(cat got)" '[15,37]' 'a real upload'
else
	skip 'the sample archives' 'they are not here'
fi
fi

# A UID with a letter: real devices write such.
"$PY" -W ignore - "$samples/CT_small.dcm" <<'EOT'
import sys, pydicom
pydicom.config.settings.writing_validation_mode = 0
ds = pydicom.dcmread(sys.argv[1])
ds.SeriesInstanceUID = "1.2.3.a"
ds.save_as("letter")
EOT
exits 0 'a UID with a letter costs nothing' imgp-dcmscan letter
is "$($J '[.scans[0].series[0].series_uid,.errors,.warnings[0].error_code]' out)" \
	'["1.2.3.a",null,"IMGP-DICOM-UID"]' '... but a warning'
is "$($J .warnings out | grep -c '1\.2\.3')" 0 '... which does not repeat it'

if is_long; then
# A small file of the deflated syntax that unpacks to more than limit_ratio allows,
# where limit_header allows it.
"$PY" -W ignore - "$samples/CT_small.dcm" <<'EOT'
import io, sys, zlib, pydicom
for name, large in ("dense", 0), ("early", 0x00090011), ("late", 0x7fe00010):
    d = pydicom.dcmread(sys.argv[1])
    d.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    if large == 0x00090011:
        d.private_block(9, "X", create=True)
        d.add_new(0x00091001, "OB", bytes(70 << 20))
    elif large:
        d.add_new(large, "OW", bytes(70 << 20))
    d.save_as(name)
EOT
exits 0 'the deflated syntax' imgp-dcmscan dense
export IMGP_LIMIT_HEADER=268435456
exits 1 'what unpacks to too much in front of the UIDs is refused' imgp-dcmscan early
like err 'IMGP-DICOM-LIMIT: the deflated data set unpacks to too much' '... as such'
exits 0 'behind them it is not read' imgp-dcmscan late
unset IMGP_LIMIT_HEADER
fi
exits 2 'two operands are wrong usage' imgp-dcmscan a b
exits 0 '--version' imgp-dcmscan --version
# To load DCMTK would take half the time to start.
if command -v readelf >/dev/null; then
	readelf -d "$BUILD/bin/imgp-dcmscan" >needed
	like needed 'NEEDED.*libc\.' 'the libraries it is linked with'
	unlike needed 'NEEDED.*lib(dcmdata|ofstd|oflog|stdc\+\+)' \
		'... are neither DCMTK nor C++'
else
	skip 'what it is linked with' 'no readelf'
fi
sh -c 'imgp-dcmscan rules.zip >/dev/full' 2>err
ok $(($? == 0)) 'a full disk behind standard output is an error'
done_testing
