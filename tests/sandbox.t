#!/bin/bash
# What a parser process that was taken over can do, and say (R59, R61, R63).
. "$(dirname "$0")/lib/lib.sh"
mkdir dir
echo secret >outside
echo inside >dir/inside
ln -s ../outside dir/link
export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI IMGP_DATABASE=postgresql://x:y@z/
exits 0 'the escape suite runs' "$BUILD/tests/sandbox" "$WORK/dir" "$WORK/outside"
is "$(tail -n 1 out)" 'THROUGH work' 'honest work goes on'
sed -i '$d' out
# Without Landlock it can still have an empty file without a name anywhere.
IMGP_SANDBOX=require imgp-dcmscan outside >/dev/null 2>landlock
grep -q 'no Landlock' landlock && sed -i '/unnamed file elsewhere/s/^THROUGH/refused/' out
# Eight are of x32 and of old calls, one is of i386: others have none.
[ "$(uname -m)" = x86_64 ] && all=162 || all=153
is "$(grep -c . out)" $all 'all attempts were made'
is "$(grep -cvE '^(killed|refused) ' out)" 0 'none of them got through'
grep -vE '^(killed|refused) ' out | diag
is "$(cat outside)" secret 'the file outside is as it was'
is "$(cd dir && echo *)" 'inside link' 'and so is the directory'
exits 0 'the forgeries run' "$BUILD/tests/forge" lines
is "$(grep -c . out)" 102 'a hundred and two answers were forged'
is "$(grep -cv '^refused ' out)" 0 'none of them was taken'
grep -v '^refused ' out | diag
said() { jq -r '[.errors[]? | .error_code, .fatal] | join(" ")' out; }
"$BUILD/tests/forge" scan silent >out 2>err
is "$(said)" 'IMGP-DICOM-CRASH true' 'a scan that says nothing is none'
IMGP_DICOM=required "$BUILD/tests/forge" scan empty >out 2>err
is "$(said)" 'IMGP-DICOM-NONE true' 'images that are required are missed without its word'
"$BUILD/tests/forge" scan empty >out 2>err
is "$(said)" '' 'elsewhere they are not'
dicom_samples
cp "$samples/CT_small.dcm" upload
imgp-dcmscan upload | jq -c ".subject_event_crf_file_id = 7 | .local = \"file://$WORK/upload\" |
    .scans[].series[].atri_uid = \"77.1\"" >job
for lie in silent copy empty; do
	"$BUILD/tests/forge" stamp $lie <job >out 2>err
	is "$(said) $(cmp upload "$samples/CT_small.dcm" && echo as it was)" \
	    'IMGP-DICOM-CRASH true as it was' "a stamp that lies: $lie"
done
imgp-stamp <job >out 2>err
is "$(said) $(cmp -s upload "$samples/CT_small.dcm" || echo stamped)" ' stamped' 'one that does not'
"$BUILD/tests/forge" stamp silent <job >out 2>err
is "$(said)" '' '... and has nothing to do when it comes again'
done_testing
