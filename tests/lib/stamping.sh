# For tests that stamp archives of real images; sourced after lib.sh.
# The sandbox keeps the leak checker from its work.
is_sanitized "$BUILD/bin/imgp-stamp" && export ASAN_OPTIONS=detect_leaks=0
PY=/usr/bin/python3
dicom_samples
export TMPDIR=$WORK
# jq: an id for each series of a scanned job, by its place.
ids='.scans |= (to_entries | map(.key as $i | .value | .series |=
    (to_entries | map(.value + {atri_uid: "\($i + 1).\(.key + 1)"}))))'
