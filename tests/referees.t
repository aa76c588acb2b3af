#!/bin/bash
# Changed DICOM objects before the walker, DCMTK and pydicom: where they
# disagree nothing is stamped (R62).  N=1000 SEED=7 for more; make check-dicom
# takes every sample.
. "$(dirname "$0")/lib/lib.sh"
PY=/usr/bin/python3
dicom_samples
command -v dcmdump >/dev/null || skip_all 'dcmdump is not there'
export TMPDIR=$WORK
seed=${SEED:-20240229}
echo "# seed $seed"
find "$samples" -name '*.dcm' -size -60k | LC_ALL=C sort | head -40 >files
n=${N:-${LONG:+60}}
n=${n:-12}
if [ -n "${ALL-}" ] && [ -d "$SHARED/dicom" ]; then
	find "$SHARED/dicom" -type f ! -name '*.tsv' | LC_ALL=C sort >files
	n=${N:-1000}
fi
mapfile -t files <files
"$PY" "$ROOT/tests/lib/referees.py" "$n" "$seed" "${files[@]}" >out 2>err
ok $? "$(grep '^#' out | cut -c3-)" || cat out err | diag
grep -qE '# [0-9]+ objects, [1-9][0-9]+ stamped' out
ok $? 'and these were not none'

# One member that DCMTK reads otherwise, by what it says of its meta length, costs
# itself alone.
"$PY" "$ROOT/tests/lib/hostile.py" shapes || exit 1
cp same.1 odd
printf '\210' | dd of=odd bs=1 seek=140 conv=notrunc 2>/dev/null
zip -q two.zip odd same.2
exits 1 'a header that DCMTK reads otherwise (R62)' \
	imgp-stamp -v --id 5.1 -o new.zip two.zip
like err 'IMGP-DICOM-INVALID: member 1: DCMTK' 'is said'
like err '1 stamped .* 1 declined' '... and costs itself alone'
unzip -p new.zip odd | cmp -s - odd
ok $? '... which is carried over as it is'

# An item that is longer than its sequence takes, for DCMTK, all that follows with it.
zip -q items.zip item.10 item.1048576
exits 1 'an item that is longer than its sequence' \
	imgp-stamp -v --id 5.1 -o new.zip items.zip
like err 'IMGP-DICOM-INVALID: member 2: DCMTK' '... is not like another of its shape'
like err '1 stamped .* 1 declined' '... and costs itself alone'

# Every hostile header is refused or passed at once: user time (R58).
hostile dicom || exit 1
hostile zip || exit 1
TIMEFORMAT=%U
# A sample has one of a kind.
is_long || for kind in dicom-invalid dicom-limit dicom-none dicom-truncated ok archive-limit \
    archive-unsafe archive-damaged archive-method archive-encrypted archive-nested; do
	set -- "$kind".*
	shift
	[ $# = 0 ] || rm -- "$@"
done
for f in dicom-*.* ok.* archive-*.*; do
	for t in 'imgp-dcmscan -q' 'imgp-stamp -q --id 1.1 -o new'; do
		{ time $t "$f" >/dev/null 2>&1; } 2>&1 | sed "s,\$, $t $f,"
	done
done | sort -rn >took
echo "# slowest: $(head -1 took | cut -d' ' -f1,2,7- )"
# dicom-*: headers alone.  Those of archives decode what they hold.  The 100 ms of
# R58 are for a quiet machine, as with ALL; here only what does not end is found.
limit=2000
[ -z "${ALL-}" ] || limit=100
is_sanitized "$BUILD/bin/imgp-stamp" && limit=5000
awk -v l=$limit '$NF ~ /^dicom-/ && $1 * 1000 > l' took >slow
[ ! -s slow ]
ok $? "no hostile header takes $limit ms of $(grep -c ' dicom-' took) (R58)" ||
	diag <slow
done_testing
