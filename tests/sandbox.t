#!/bin/bash
# The sandbox of dcmscan and stamp: what cannot be done in it (R59, R63).
. "$(dirname "$0")/lib/lib.sh"
mkdir dir
echo secret >outside
ln -s ../outside dir/link
exits 0 'the escape suite runs' "$BUILD/tests/sandbox" "$WORK/dir" "$WORK/outside"
is "$(tail -n 1 out)" 'THROUGH work' 'honest work below the directory goes on'
sed -i '$d' out
if [ -e /sys/kernel/security/landlock ] || grep -qs landlock /sys/kernel/security/lsm ||
    ! grep -q '^THROUGH' out; then
	is "$(grep -c . out)" 34 'thirty-four attempts were made'
	is "$(grep -cvE '^(killed|refused) ' out)" 0 'none of them got through'
	grep -vE '^(killed|refused) ' out | diag
else
	# Without Landlock the user's rights alone guard files.
	is "$(grep '^THROUGH' out | grep -cvE 'read|write|list|leave|unlink|rename|hard link')" \
	    0 'no attempt got through but on files (this kernel has no Landlock)'
fi
is "$(cat outside)" secret 'the file outside is as it was'
done_testing
