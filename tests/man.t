#!/bin/sh
# The manual: clean, complete, and in agreement with the tools.
. "$(dirname "$0")/lib/lib.sh"

cd "$ROOT/man" || exit 1
pages=$(ls ./*.[1-8])
for p in $pages; do
	p=${p#./}
	# That other packages' pages are not installed says nothing of ours.
	mandoc -Tlint -Wstyle "$p" 2>&1 | grep -v \
	    -e 'referenced manual not found' -e 'mandoc.db' >"$WORK/lint"
	[ ! -s "$WORK/lint" ]
	ok $? "$p: mandoc -Tlint has nothing to say" || diag <"$WORK/lint"
	# Pages of ours that are referred to are there.
	sed -n 's/^\.Xr \(imgp[^ ]*\) \([1-8]\).*/\1.\2/p' "$p" | sort -u |
	    while read -r x; do
		[ -f "$x" ] || echo "$x"
	done >"$WORK/gone"
	[ ! -s "$WORK/gone" ]
	ok $? "$p: the pages it refers to exist" || diag <"$WORK/gone"
done

# Every tool has its page, and its SYNOPSIS has the options of --help.
cd "$BUILD/bin" || exit 1
for t in imgp imgp-*; do
	case $t in
	imgp-doctor|imgp-explain|imgp-extra|imgp-machine|imgp-stages|imgp-supervise|imgp-tally|imgp-tell)	continue ;;	# only scripts start it
	imgp-engine-*)	continue ;;	# imgpipe-engines(7)
	esac
	page=$ROOT/man/$t.1
	[ -f "$page" ] || page=$ROOT/man/$t.8
	[ -f "$page" ]
	ok $? "$t: has a page" || continue
	./"$t" --help >"$WORK/help" 2>&1
	ok $? "$t: --help gives 0"
	./"$t" --version | head -1 | grep -Eq "^$t "
	ok $? "$t: --version names it"
	# Options of the table in --help (its first column) against the page.
	sed -n 's/^ \{2,6\}\(-.\{0,26\}\).*/\1/p' "$WORK/help" |
	    grep -Eo -- '(^|[ ,])--?[a-zA-Z0-9][-a-z0-9]*' |
	    tr -d ' ,' | sort -u >"$WORK/in-help"
	mandoc -Tascii "$page" | sed 's/.\x08//g' |
	    grep -Eo -- '(^|[^a-zA-Z0-9-])--?[a-zA-Z0-9][-a-z0-9]*' |
	    grep -Eo -- '--?[a-zA-Z0-9].*' | sort -u >"$WORK/in-page"
	# What all tools share may stand in imgpipe(7) alone.
	if grep -q '^\.Xr imgpipe 7' "$page"; then
		printf '%s\n' -j --jobs -n --dry-run -q --quiet -v --verbose \
		    --config --show-config --help --version --pretty \
		    --completion >>"$WORK/in-page"
		sort -u -o "$WORK/in-page" "$WORK/in-page"
	fi
	comm -23 "$WORK/in-help" "$WORK/in-page" >"$WORK/undocumented"
	[ ! -s "$WORK/undocumented" ]
	ok $? "$t: the page has every option of --help" ||
		diag <"$WORK/undocumented"
done

# Every setting is on its page, and the page knows no other.
sed -n -e '/^const struct imgp_conf_row/,/^};/!d' -e 's/^\t{ "\([a-z_0-9]*\)".*/\1/p' \
	-e 's/^\tSECRET("\([a-z_0-9]*\)".*/\1 \1_file \1_command/p' \
	"$ROOT/libimgpipe/base/conf_table.c" | tr ' ' '\n' | sort >"$WORK/known"
[ -s "$WORK/known" ]
ok $? 'there are settings'
sed -n 's/^\.It Cm //p' "$ROOT/man/imgpipe.conf.5" | tr -d ',' | tr ' ' '\n' |
	grep . | sort >"$WORK/told"
diff "$WORK/known" "$WORK/told" >"$WORK/diff"
ok $? 'imgpipe.conf(5) has every setting and no other' || diag <"$WORK/diff"

# README's links lead somewhere.
grep -Eo '\]\([^)]+\)' "$ROOT/README.md" | tr -d '()]' | while read -r f; do
	[ -e "$ROOT/$f" ] || echo "$f"
done >"$WORK/gone"
[ ! -s "$WORK/gone" ]
ok $? "README's links lead somewhere" || diag <"$WORK/gone"
done_testing
