#!/bin/bash
# libimgpipe/dicom/dicom: the walker against pydicom, and against hostile headers.
. "$(dirname "$0")/lib/lib.sh"
PY=/usr/bin/python3
walk=$BUILD/tests/walk
dicom_samples

find "$samples" -type f ! -name no_meta.dcm | sort >files
xargs "$walk" facts 4096 <files >ours
xargs "$walk" facts 1 <files >bytewise
xargs "$PY" "$ROOT/tests/lib/judge.py" facts <files >theirs
diff theirs ours >difference
ok $? "UIDs and numbers of pydicom's samples are pydicom's (M27)" ||
	diag <difference
cmp -s ours bytewise
ok $? 'the same when fed byte by byte'
[ "$(grep -c . ours)" -gt 150 ]
ok $? 'these are more than 150 files'

if [ -d "$SHARED/dicom" ]; then
	awk -F'\t' 'NR > 1 { print $1 }' "$SHARED/dicom/INDEX.tsv" |
		sed "s,^,$SHARED/dicom/," >files
	xargs "$walk" facts 4096 <files >ours
	xargs "$walk" facts 1 <files | cmp -s ours -
	ok $? 'the sample set: the same when fed byte by byte'
	cut -f4- ours >values
	awk -F'\t' 'NR > 1 {
		if ($10 ~ /not DICOM|not an instance|damaged/) print ""
		else print $7 "\t" $8 "\t" ($9 == "(empty)" ? "-" : $9) }' \
		"$SHARED/dicom/INDEX.tsv" >theirs
	diff theirs values >difference
	ok $? 'the sample set: as its index says (M27)' || diag <difference
else
	skip 'the sample set' 'it is not here'
fi

hostile dicom || exit 1
for f in dicom-*.* ok.*; do
	want=${f%%.*}
	# Where a limit does not hold, this ends it.
	got=$(is_sanitized "$walk" || ulimit -v 1000000
		ulimit -t 20; "$walk" where "$f")
	case $want in
	ok) like='head kind=0' ;;
	dicom-none) like=not ;;
	dicom-no-uid) like='head kind=2' ;;
	*) like="bad IMGP-$(echo "$want" | tr a-z A-Z)" ;;
	esac
	case $got in
	"$like"*) ok 0 "hostile: $f (R58)" ;;
	*) ok 1 "hostile: $f (R58)"; echo "got: $got" | diag ;;
	esac
done
"$walk" where ok.signed >out
like out 'signed=1' 'a signed object is known by what stands before its pixels'

"$PY" "$ROOT/tests/lib/hostile.py" shapes || exit 1
[ "$("$walk" shape same.1)" = "$("$walk" shape same.2)" ]
ok $? 'values do not change the shape of a header'
[ "$("$walk" shape same.1 other.* | sort | uniq | wc -l)" -eq 11 ]
ok $? 'tags, VRs, order, nesting, syntax, odd and no lengths, meta length do'
[ "$("$walk" shape implicit.* | sort -u)" = 0000000000000000 ]
ok $? 'where VRs are implicit a header has no shape'
done_testing
