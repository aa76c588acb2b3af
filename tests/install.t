#!/bin/bash
# make install: what is installed works without the source tree.
. "$(dirname "$0")/lib/lib.sh"
world
make -s -C "$ROOT" B="$BUILD" PREFIX=/usr DESTDIR="$WORK/inst" install \
	>out 2>&1 </dev/null
ok $? 'make install' || diag <out
(cd inst && find . -type f | sort) >installed
for t in "$ROOT"/cmd/imgp-*.c; do
	t=${t##*/} t=${t%.c}
	grep -Eq "^\./usr/(bin|libexec/imgpipe)/$t\$" installed
	ok $? "$t is there"
done
like installed '^\./usr/bin/imgp-run$' 'imgp-run, too'
like installed '^\./usr/share/man/man1/imgp-run\.1$' 'and the manual'
! find inst -type f -perm /022 | grep -q .
ok $? 'nothing can be written by others'
# Binaries may: debuggers look for sources there.
grep -rlI -e "$ROOT" -e "$WORK" inst >out
[ ! -s out ]
ok $? 'no script or page knows where it was made' || diag <out
PATH=$WORK/inst/usr/bin:/usr/bin:/bin
exits 0 'an installed load-sql finds its files' \
	inst/usr/bin/imgp-load-sql "$IMGP_DATABASE"
exits 0 'an installed imgp-run finds its tools' imgp-run 1201 1202
is "$(jq -r .edc_pipeline_file.status out | xargs)" 'Completed Completed' \
	'and delivers'
: >inst/usr/share/man/man1/other.1
make -s -C "$ROOT" B="$BUILD" PREFIX=/usr DESTDIR="$WORK/inst" uninstall \
	>out 2>&1 </dev/null
ok $? 'make uninstall' || diag <out
is "$(find inst -type f)" inst/usr/share/man/man1/other.1 \
	'... takes all of it away, and nothing else'
done_testing
