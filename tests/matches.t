#!/bin/bash
# What tests/lib/matches.sh says of a file, grep says too: else a claim that something is
# not there could hold by mistake.
. "$(dirname "$0")/lib/lib.sh"
printf 'a\0secret\nx\n' >nul
printf 'x\0' >nul-ends
printf 'no newline, secret' >no-newline
printf 'a\n\nb\n' >blank
printf 'l\351 secret\n' >latin
seq 200 >long
: >empty
for f in nul nul-ends no-newline blank latin long empty; do
	for re in secret '^$' x '^200$' 'b$' '\.' 's{1' 'l. s' '[[:space:]]s' '^a|x$' '\bsecret'; do
		grep -Eq -- "$re" $f
		want=$?
		matches $f "$re"
		[ $? = $want ] || echo "$re in $f: grep says $want"
	done
done >differ 2>&1
is "$(cat differ)" '' '77 answers about 7 files are those of grep'
done_testing
