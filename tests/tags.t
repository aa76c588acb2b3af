#!/bin/bash
# Every tag such as (M18) or (R5) has its row in imgpipe-decisions(7), and every
# row that is not open a test that is there.
. "$(dirname "$0")/lib/lib.sh"

# tags FILE...: file, line and tag, for each tag; of a range such as M64-M66 all.
tags() {
	grep -noPHI '(?<![\w./\\$%-])[MFRI][1-9]\d?(-[MFRI]?[1-9]\d?)?(?![\w.])(?!\.\d)' \
	    "$@" | awk -F: '{
		n = split($3, end, "-")
		kind = substr(end[1], 1, 1)
		from = substr(end[1], 2)
		to = end[n]
		sub(/^[A-Z]/, "", to)
		for (i = from + 0; i <= to + 0; i++)
			print $1 ":" $2 ": " kind i
	}'
}
# rows PAGE: the tag of each row, "open" or "-", and its tests.
rows() {
	awk '/^\.It [MFRI][0-9]/ { row = $2; is = $4 == "open" ? "open" : "-"
		print row, is; next }
	    /^\.(El|Ss|Sh)/ { row = "" }
	    row != "" && /^\.Pa tests/ { for (i = 2; i <= NF; i++)
		print row, is, $i }' "$1"
}
# orphans PAGE FILE...: tags without a row.
orphans() {
	_page=$1
	shift
	rows "$_page" | cut -d' ' -f1 | sort -u >rows
	tags "$@" | awk 'FILENAME == "rows" { there[$1]; next }
	    !($2 in there)' rows -
}
# untested PAGE: rows that are not open without a test, and tests that are not there.
untested() {
	rows "$1" | awk 'NF == 2 { is[$1] = $2 } NF == 3 { some[$1] }
	    END { for (r in is) if (is[r] != "open" && !(r in some))
		print r ": no test" }' | sort
	rows "$1" | awk 'NF == 3' | while read -r r _ t; do
		[ -f "$ROOT/$t" ] || echo "$r: no $t"
	done
}

page=$ROOT/man/imgpipe-decisions.7
(cd "$ROOT" && { git ls-files 2>/dev/null | grep . || find . -name '.?*' -prune -o \
	-type f -print; }) | sed "s,^,$ROOT/," >files
mapfile -t texts < <(xargs grep -lI . <files)
orphans "$page" "${texts[@]}" >out
[ ! -s out ]
ok $? 'every tag has a row in imgpipe-decisions(7)' || diag <out
tags "${texts[@]}" | grep -vF "${page##*/}" | sort -u >told
is "$(wc -l <told | awk '{ print ($1 > 500) }')" 1 'and they were found'
untested "$page" >out
[ ! -s out ]
ok $? 'every row has a test that is there, or is marked open' || diag <out

# Every number is there, once.
for k in M77 F40 R70 I8; do
	is "$(rows "$page" | awk 'NF == 2 { print $1 }' | grep "^${k%"${k#?}"}" | xargs)" \
	    "$(seq -f "${k%"${k#?}"}%g" "${k#?}" | xargs)" \
	    "the rows are ${k%"${k#?}"}1 to $k, each once"
done

# That these find something.
cat >planted.7 <<'EOT'
.It M1
.Pa tests/tags.t
.It M2
.It M3 Pq open
.It R1
.Pa tests/tags.t tests/not-there.t
EOT
printf '%s\n' '/* kept (M1, R1-3) */' 'not x.M7 nor M8.md, -F9 or a M123' >planted.c
orphans planted.7 planted.c >out
holds out 'a tag without a row is found, in a range too' <<'EOT'
planted.c:1: R2
planted.c:1: R3
EOT
untested planted.7 >out
holds out 'a row without a test is found, and one whose test is gone' <<'EOT'
M2: no test
R1: no tests/not-there.t
EOT
done_testing
