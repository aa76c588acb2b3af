#!/bin/bash
# What others say of stamped files: DCMTK, GDCM, dciodvfy, dcm2niix.  A sample by
# default; make check-dicom takes everything, and every archive by its index.
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/stamping.sh"
for t in dciodvfy gdcmraw dcm2niix dcmdump unzip zip; do
	command -v $t >/dev/null || skip_all "$t is not there"
done

# --- a tree before and after -------------------------------------------------
if [ -n "${ALL-}" ] && [ -d "$SHARED/dicom" ]; then
	tree=$SHARED/dicom
else
	mkdir some
	for f in CT_small MR_small MR_small_implicit MR_small_bigendian JPEG2000 \
	    693_J2KI rtdose_rle SC_rgb_rle liver_1frame test-SR; do
		is_long || case $f in 693*|*_rle|MR_small_big*|test-SR) continue ;; esac
		cp "$samples/$f.dcm" some
	done
	tree=$WORK/some
fi
(cd "$tree" && zip -qr "$WORK/in.zip" .)
imgp-dcmscan in.zip 2>/dev/null | jq -c "$ids" >ids
imgp-stamp --scans ids -o out.zip in.zip 2>/dev/null
mkdir old new
unzip -qo in.zip -d old
unzip -qo out.zip -d new
(cd old && find . -type f | sort) >files
: >changed
while read -r f; do
	cmp -s "old/$f" "new/$f" || echo "$f" >>changed
done <files
n=$(jq '[.scans[].series[].number_of_instances] | add' ids)
[ "$(wc -l <changed)" -ge "$n" ]
ok $? "$(wc -l <changed) files with $n instances were stamped"

while read -r f; do
	a=$(dcmdump -q +P 0012,0071 -s "new/$f" 2>/dev/null | head -1 |
		cut -d'[' -f2 | cut -d']' -f1)
	jq -e --arg a "$a" 'any(.scans[].series[]; .atri_uid == $a)' ids \
		>/dev/null || echo "$f: $a"
done <changed >bad
# One data set is implicit though its syntax is not, two are cut short in the
# middle of an element: DCMTK reads none of them to the end.
grep -vE '(SC_rgb_jpeg|MR_truncated|rtplan_truncated).dcm' bad >worse
[ ! -s worse ]
ok $? 'DCMTK reads an id of this upload in each' || diag <worse

while read -r f; do
	dciodvfy "old/$f" 2>&1 | grep '^Error' | sort >a
	dciodvfy "new/$f" 2>&1 | grep '^Error' | sort | comm -13 a - |
		sed "s,^,$f: ,"
done <changed >bad
[ ! -s bad ]
ok $? 'dciodvfy reports no new error (M32)' || head -20 bad | diag

pixels=0
while read -r f; do
	rm -f a b
	gdcmraw -i "old/$f" -o a >/dev/null 2>&1 || continue
	[ -s a ] || continue
	pixels=$((pixels + 1))
	gdcmraw -i "new/$f" -o b >/dev/null 2>&1
	cmp -s a b || echo "$f"
done <changed >bad
[ ! -s bad ] && [ "$pixels" -gt 3 ]
ok $? "GDCM reads the same pixels in $pixels files" || diag <bad

# It does not make the same volume of some files each time: these cannot tell.
# (Of rtdose_rle, 1.2.777..., it now does and now does not.)
for d in old old2 old3 new; do
	mkdir nii-$d
	dcm2niix -b n -f '%j_%s' -o nii-$d "${d%[23]}" >/dev/null 2>&1
done
ls nii-old >volumes
while read -r f; do
	cmp -s "nii-old/$f" "nii-old2/$f" || continue
	cmp -s "nii-old/$f" "nii-old3/$f" || continue
	echo "$f" >>told
	cmp -s "nii-old/$f" "nii-new/$f" || echo "$f"
done <volumes | grep -v '^1.2.777.777.77.7.7777.7777_1' >bad
[ ! -s bad ] && [ -s told ]
ok $? "dcm2niix makes the same $(wc -l <told) volumes" || diag <bad

# --- every archive as its index says -----------------------------------------------
# What differs from it, and why.
cat >exceptions <<'EOT'
libarchive/test_read_format_zip_7075_utf8_paths.zip	UNSAFE: its two names differ, which an attack would do too
libarchive/test_read_format_zip_extra_padding.zip	DAMAGED: the end record's signature is broken
libzip/zip-in-archive-comment.zip	UNSAFE: two whole directories, nobody can say which was meant
libzip/bigzero-zip.zip	the ZIP inside is not opened, so there is no bomb
libzip/manyfiles-zip.zip	the ZIPs inside are not opened
libarchive/test_read_format_zip_with_invalid_traditional_eocd.zip	read: zip64's record agrees where the other is full
libzip/bogus.zip	it has no signature of a ZIP anywhere: no image in it
libzip/broken.zip	ENCRYPTED comes before DAMAGED
libzip/incons-archive-comment-shorter.zip	read: bytes after the archive are kept, as unzip does
libzip/incons-central-date.zip	read: times are not looked at
libzip/incons-data.zip	scanned: a broken member costs itself alone, when it is stamped
libzip/incons-ef-local-id.zip	read: an unknown extra field is nobody's business
composed/bad-crc.zip	scanned whole: only heads are read; stamping finds the fault and that member alone stays as it was
EOT
if [ -n "${ALL-}" ] && [ -d "$SHARED/archives" ]; then
	awk -F'\t' 'NR > 1 { print $1 "\t" $6 }' "$SHARED/archives/INDEX.tsv" >index
	jq -c 'map({study_uid, series: (.series | sort_by(.series_uid))})' \
		"$SHARED/archives/composed/expected.json" >expected
	while IFS=$'\t' read -r f want; do
		grep -q "^$f	" exceptions && continue
		imgp-dcmscan "$SHARED/archives/$f" >out 2>err
		rc=$?
		code=$(jq -r '(.errors // [])[0].error_code' out)
		case $want in
		expected*|*'instance'*)
			# The right scan, or a refusal where that is allowed.
			if [ $rc -ne 0 ] && [[ $want == *refuse* ]]; then
				case $code in IMGP-ARCHIVE-*) continue ;; esac
			elif [[ $want == expected* ]]; then
				jq -c '.scans | map({study_uid, series:
				    (.series | sort_by(.series_uid))})' out |
					cmp -s expected - && continue
			elif [ "$(jq '[.scans[].series[].number_of_instances] | add' \
				out)" = "$(echo "$want" |
				sed -E 's/.*its one.*/1/; s/.* ([0-9]+) instances?.*/\1/')" ]; then
				continue
			elif [[ $want == decide* ]]; then
				[ "$code" = IMGP-ARCHIVE-NESTED ] && continue
			fi ;;
		refuse*|'bounded time'*)
			case $code in IMGP-ARCHIVE-*) continue ;; esac ;;
		'bounded memory'*|'say it is neither'*)
			case $code in IMGP-ARCHIVE-*|IMGP-DICOM-NONE) continue ;; esac ;;
		*)	# no images in it, or a refusal with its name
			case $code in
			IMGP-DICOM-NONE|IMGP-ARCHIVE-METHOD|IMGP-ARCHIVE-NESTED) continue ;;
			IMGP-ARCHIVE-EMPTY) continue ;;
			IMGP-ARCHIVE-*) [[ $want == *refus* ]] && continue ;;
			esac ;;
		esac
		echo "$f: status $rc, $code; wanted: $want"
	done <index >bad
	[ ! -s bad ]
	ok $? "$(wc -l <index) archives are as their index says, but for $(wc -l \
		<exceptions) with a reason" || diag <bad
	while IFS=$'\t' read -r f want; do
		imgp-dcmscan "$SHARED/archives/$f" 2>/dev/null | jq -c "$ids" >ids
		rm -f new.out
		imgp-stamp --scans ids -o new.out "$SHARED/archives/$f" 2>err
		rc=$?
		[ $rc -le 1 ] || echo "$f: status $rc"
		[ -e new.out ] || continue	# no series, nothing to stamp
		# What python cannot read it cannot judge.
		"$PY" "$ROOT/tests/lib/judge.py" stamped "$SHARED/archives/$f" new.out \
			ids 2>/dev/null |
			grep -v '^#' | sed "s,^,$f: ,"
	done <index >bad
	grep -v '^composed/bad-crc.zip' bad >worse
	[ ! -s worse ]
	ok $? 'each is stamped as pydicom wants it, or left alone' || diag <worse
fi
done_testing
