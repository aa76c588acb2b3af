#!/bin/bash
# What stands in an object where the head is not looked for (R58, R61, R62).
. "$(dirname "$0")/lib/lib.sh"
# The sandbox keeps the leak checker from its work.
is_sanitized "$BUILD/bin/imgp-stamp" && export ASAN_OPTIONS=detect_leaks=0
PY=/usr/bin/python3
dicom_samples
"$PY" "$ROOT/tests/lib/hostile.py" late || exit 1

# An element of the head once more behind it, or there only: pydicom goes by that
# one, DCMTK by the other.  Bare, in a ZIP, and there from another place each.
for f in late.*; do
	rm -f one.zip new
	zip -q one.zip "$f"
	for in in "$f" one.zip; do
		exits 1 "$f: $in is not stamped (R61)" \
			imgp-stamp --id 77.1 --trust -o new "$in"
		like err 'IMGP-DICOM-INVALID: .*twice, or not in its place' \
			'... for its reason'
		cmp -s "$in" new
		ok $? '... and is as it was'
	done
done
for f in fine.*; do
	rm -f one.zip new
	zip -q one.zip "$f"
	exits 0 "$f: may be stamped" imgp-stamp --id 77.1 -o new "$f"
	exits 0 '... in a ZIP, too' imgp-stamp --id 77.1 -o new one.zip
done

exits 0 'UIDs behind a greater tag' imgp-stamp --id 77.1 -o new first.rows
is "$(dcmdump -q +P 0012,0071 new | cut -c1-20)" '(0012,0071) LO [77.1' '... are found'

# The deflated syntax: a zero may follow the data set, and nothing else may go.
exits 0 'a padded data set' imgp-stamp --id 77.1 -o new tail.padded
exits 1 'what follows a deflated data set is not dropped' \
	imgp-stamp --id 77.1 -o new tail.junk
like err 'IMGP-DICOM-INVALID: something follows its deflated data set' '... but told'
cmp -s tail.junk new
ok $? '... and kept'

# It may unpack to no more than limit_ratio says.
"$PY" -W ignore - "$samples/CT_small.dcm" <<'EOT'
import sys, pydicom
d = pydicom.dcmread(sys.argv[1])
d.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
d.PixelData = bytes(70 << 20)
d.save_as("dense")
EOT
exits 1 'a deflated data set that unpacks to too much is not stamped' \
	imgp-stamp --id 77.1 -o new dense
like err 'IMGP-DICOM-LIMIT: the deflated data set unpacks to too much' '... and told'
cmp -s dense new
ok $? '... and kept'
export IMGP_LIMIT_RATIO=2000
exits 0 '... but with a larger limit_ratio' imgp-stamp --id 77.1 -o new dense
unset IMGP_LIMIT_RATIO

exits 0 'an id that is a sequence is an instance all the same' \
	imgp-dcmscan id.sequence
is "$(jq -r '.scans[].series[].number_of_instances' out)" 1 '... to be counted'
exits 1 '... and not to be stamped' imgp-stamp --replace --id 77.1 -o new id.sequence
like err 'IMGP-DICOM-INVALID: \(0012,0071\) has no length' '... for its reason'
exits 0 'blanks before the id are no part of it' \
	imgp-stamp --id 77.1 -o new id.blank

# No value of another element is told, though it looks like an id.
exits 1 'a Patient ID like an id' imgp-stamp --tag '0010,0020 LO' --id 77.1 -o new patient
like err 'IMGP-STAMP-VALUE: \([0-9A-F,]*\) holds another value' '... is not told'
unlike err 850312 '... at all'
exits 0 'with --replace' imgp-stamp -v --replace --tag '0010,0020 LO' --id 77.1 -o new patient
unlike err 850312 '... neither'
done_testing
