#!/bin/bash
# libimgpipe/README.md, the map: every wing as ORDER has it, a line for each module.
. "$(dirname "$0")/lib/lib.sh"

# modules TREE: "wing module" of each file, private headers with their module.
modules() {
	(cd "$1/libimgpipe" && ls -d */*.*) |
		sed 's,/, ,; s,\.[^.]*$,,; s,_priv$,,' | sort -u
}
# lines MAP: "wing module" of each line.
lines() {
	sed -n 's/^## \([a-z]*\)$/\1/; t wing
		s/^- `\([^`]*\)`: ..*/\1/; t line
		d
		:wing
		h; d
		:line
		G; s/\(.*\)\n\(.*\)/\2 \1/p' "$1"
}
# faults TREE: what is wrong with the tree's map.  A name with * stands for the
# modules that have no line of their own.
faults() {
	modules "$1" >modules
	lines "$1/libimgpipe/README.md" | sort >lines
	uniq -d lines | sed 's/$/: two lines/'
	sort -u lines | awk 'FILENAME == "modules" { there[$0]; next }
	    /\*$/ { all[substr($0, 1, length($0) - 1)] = 0; next }
	    !($0 in there) { print $0 ": no such module" }
	    { delete there[$0] }
	    END {
		for (m in there) {
			found = 0
			for (a in all)
				if (index(m, a) == 1) { found = 1; all[a]++ }
			if (!found)
				print m ": no line"
		}
		for (a in all)
			if (!all[a])
				print a "*: no such module"
	    }' modules - | sort
	diff <(awk -F'\t' '!/^#/ { print "## " $1 "\n\n" toupper(substr($2, 1, 1)) \
	    substr($2, 2) ".\nMust not know: " $3 "." }' "$1/libimgpipe/ORDER") \
	    <(grep -A3 -E '^## [a-z]+$' "$1/libimgpipe/README.md" | grep -v '^--') |
		sed -n 's/^[<>] /not as in ORDER: /p'
}
faults "$ROOT" >out
[ ! -s out ]
ok $? 'every module has its line in libimgpipe/README.md, every line its module' ||
    diag <out
is "$(wc -l <lines | awk '{ print ($1 > 100) }')" 1 'and they were found'

# That it finds something.
mkdir -p tree/libimgpipe/{base,mail}
touch tree/libimgpipe/base/{old.h,new.c,twice.c,twice_priv.h} \
    tree/libimgpipe/mail/carrier_{x,y}.c
printf 'base\tall\tnothing\nmail\tletters\treaders\n' >tree/libimgpipe/ORDER
cat >tree/libimgpipe/README.md <<'EOT'
## base

All.
Must not know: nothing.

- `gone`: is not there
- `old`: is
- `twice`: one
- `twice`: two

## mail

Letters.
Must not know: writers.

- `carrier_*`: each carrier
- `parcel_*`: is not there
EOT
faults tree >out
holds out 'a module without a line, with two, a line without its module' <<'EOT'
base twice: two lines
base gone: no such module
base new: no line
mail parcel_*: no such module
not as in ORDER: Must not know: readers.
not as in ORDER: Must not know: writers.
EOT

# What the map names as the place for something is there.
sed -n '/^## Where/,/^## base/p' "$ROOT/libimgpipe/README.md" |
    grep -oE '`(man|sql|cmd|[a-z]+)/[a-z_.A-Z0-9]*`' | tr -d '`' | while read -r f; do
	[ -e "$ROOT/$f" ] || [ -e "$ROOT/libimgpipe/$f" ] ||
	    [ "$f" = mail/carrier_NAME.c ] || echo "$f"
done >out
is "$(cat out)" '' 'the files that it says to touch are there'
done_testing
