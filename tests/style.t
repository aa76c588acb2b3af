#!/bin/bash
# What a reader's tools say of the sources, and a few rules of the house.
. "$(dirname "$0")/lib/lib.sh"
cd "$ROOT" || exit 1

# By shellcheck: the scripts without exception; the tests but for what lib.sh
# gives them.  That there was nothing to say is kept in the build directory, under
# the checksum of all that it depends on: what a test sources too.
kept=$BUILD/tests/shellcheck
mkdir -p "$kept"
common=$(shellcheck --version; echo "${SHELLCHECK_OPTS-}"; cat tests/lib/*.sh)
common=$(sha256sum <<<"$common")
checked() {		# checked TITLE OPTIONS <files: of those not kept, what is said
	local title=$1 sum file files=() sums=()
	shift
	while IFS= read -r file; do
		sum=$({ printf '%s\n' "$common" "$*" "$file"; cat -- "$file"; } | sha256sum)
		sum=$kept/${sum%% *}
		[ -e "$sum" ] || files+=("$file") sums+=("$sum")
	done
	[ ${#files[@]} = 0 ] || {
		shellcheck --norc "$@" "${files[@]}" >"$WORK/out" 2>&1 && touch "${sums[@]}"
	}
	ok $? "$title" || diag <"$WORK/out"
}
grep -slE '^#!/bin/(ba)?sh' scripts/* scripts/*/* .ci/run >"$WORK/scripts"
checked 'shellcheck has nothing to say of the scripts' <"$WORK/scripts"
grep -slE "^#!/bin/(ba)?sh" tests/* tests/*/* >"$WORK/shell"
checked 'nor of the tests' -S warning -e SC1010,SC1091,SC2034,SC2154,SC2120,SC2010 \
	<"$WORK/shell"

# make check starts each test by its name.
find tests/*.t tests/lib/fixtures scripts/* scripts/aws/bootstrap .ci/run -maxdepth 0 ! -name Containerfile \
	! -perm -111 >"$WORK/out"
[ ! -s "$WORK/out" ]
ok $? 'tests and scripts can be executed' || diag <"$WORK/out"

cppcheck --quiet --std=c11 --enable=warning,portability,performance \
	--inline-suppr --suppress=missingIncludeSystem --error-exitcode=1 \
	-I. -I"$BUILD/gen" libimgpipe cmd 2>"$WORK/out"
ok $? 'cppcheck has nothing to say' || diag <"$WORK/out"

# The wings of libimgpipe.
wings() {		# wings RULE TITLE
	"$ROOT/tests/lib/wings" "$1" >"$WORK/out" 2>&1
	ok $? "$2" || diag <"$WORK/out"
}
wings order 'every wing has its line in libimgpipe/ORDER, and every line a wing'
wings include 'no file includes a later wing'
wings private 'a private header is included by its own wing alone'
wings symbol 'no wing uses a symbol of a later one'
wings alone 'every header compiles alone'

# That these five find something: in a copy, with one thing planted at a time.
mkdir "$WORK/copy" "$WORK/copy/.build"
cp -r libimgpipe cmd "$WORK/copy"
cp -rs "$BUILD/gen" "$BUILD/lib" "$WORK/copy/.build"
planted() {		# planted RULE TITLE <what is said, and nothing else
	sort >wanted
	BUILD=$WORK/copy/.build "$ROOT/tests/lib/wings" "$1" >said 2>&1
	[ $? = 1 ] && sort said | cmp -s - wanted
	ok $? "$2" || diag <said
}
cd "$WORK/copy" || exit 1
mkdir libimgpipe/attic
sed -i.kept '/^mail/d; $a cellar\tstores\tlight' libimgpipe/ORDER
planted order 'a wing without its line is found, and a line without its wing' <<'EOT'
libimgpipe/ORDER: no folder libimgpipe/cellar
libimgpipe/ORDER: no line for libimgpipe/attic
libimgpipe/ORDER: no line for libimgpipe/mail
EOT
mv libimgpipe/ORDER.kept libimgpipe/ORDER
rmdir libimgpipe/attic

echo '#include "libimgpipe/archive/zip.h"' >libimgpipe/deflate/planted.h
echo '# include <libimgpipe/job/job.h>' >libimgpipe/base/planted.c
echo '#include "planted.h"' >libimgpipe/deflate/planted.c
planted include 'an include of a later wing is found, however it is written' <<'EOT'
libimgpipe/base/planted.c:1: base includes job/job.h, a later wing
libimgpipe/deflate/planted.c:1: "planted.h" is not libimgpipe/WING/FILE
libimgpipe/deflate/planted.h:1: deflate includes archive/zip.h, a later wing
EOT
rm libimgpipe/*/planted.?

echo '#include "libimgpipe/archive/zip_priv.h"' |
	tee libimgpipe/stamp/planted.c >cmd/planted.c
planted private 'a private header in another wing is found, and one in a tool' <<'EOT'
cmd/planted.c:1: includes archive/zip_priv.h, which is private to archive
libimgpipe/stamp/planted.c:1: includes archive/zip_priv.h, which is private to archive
EOT
rm libimgpipe/*/planted.? cmd/planted.c

# A circle that no include shows: the lower wing declares by hand what it calls.
cat >libimgpipe/net/planted.c <<'EOT'
int	imgp_planted_up(void);
int	imgp_planted_down(void);
int	imgp_planted_down(void) { return imgp_planted_up(); }
EOT
cat >libimgpipe/mail/planted.c <<'EOT'
int	imgp_planted_up(void);
int	imgp_planted_down(void);
int	imgp_planted_up(void) { return imgp_planted_down(); }
EOT
for w in net mail; do
	${CC:-cc} -c -o .build/lib/$w/planted.o libimgpipe/$w/planted.c
done
planted symbol 'a circle of calls between two wings is found' <<'EOT'
net/planted.o: net uses imgp_planted_up of mail, a later wing
EOT
rm libimgpipe/*/planted.? .build/lib/*/planted.o

rm -r libimgpipe/[!b]*
echo 'struct imgp_planted { size_t n; };' |
	tee libimgpipe/base/planted.h >libimgpipe/base/planted_priv.h
BUILD=$WORK/copy/.build "$ROOT/tests/lib/wings" alone >said 2>&1
is "$? $(grep -o '^libimgpipe/base/[^:]*:1:.*error' said | cut -d: -f1 | sort | tr '\n' ' ')" \
	'1 libimgpipe/base/planted.h libimgpipe/base/planted_priv.h ' \
	'a header that does not compile alone is found, public or private'
cd "$ROOT" || exit 1

# No public header shows a type of another library.
find libimgpipe -name '*.h' ! -name '*_priv.h' -exec grep -nE \
	'\b(CURL|PGconn|PGresult|cJSON|EVP_|XML_Parser|struct archive|Dcm[A-Z])' {} + |
	grep -v '^[^:]*:[0-9]*:[ 	/]*\*' >"$WORK/out"
[ ! -s "$WORK/out" ]
ok $? 'no header names a type of another library' || diag <"$WORK/out"

# R18: no statement is built from data.  A statement that is not a literal or a
# named constant text would have to be made first.
grep -nE 'PQexec(Params)? *\([^,]*, *[a-z_]+\(|"[^"]*\b(select|insert|update|delete)\b[^"]*%s' \
	libimgpipe/*/*.c cmd/*.c -i >"$WORK/out"
[ ! -s "$WORK/out" ]
ok $? 'no SQL is built (R18)' || diag <"$WORK/out"
grep -lE '\bPQexec' libimgpipe/*/*.c cmd/*.c | grep -v '^libimgpipe/record/db' \
	>"$WORK/out"
[ ! -s "$WORK/out" ]
ok $? 'and only libimgpipe/record/db speaks to libpq' || diag <"$WORK/out"

# The library neither prints nor exits: its caller says what is to be said.  Four
# modules are the part of a tool that every tool has, and do: opt (usage, --help, a
# setting that is wrong), filter and outlines (standard output, each job's errors), and
# buf, where memory is exhausted.  A forked child ends by _exit: one that cannot exec by
# 127 (child), a parser (worker), one that tries the sandbox (sandbox).  Only these
# and cmd/ call what prints.
prints() {		# prints FILE...: lines that do
	grep -nE '\b(printf|vprintf|puts|putchar|perror|psignal|exit|_exit|_Exit|v?errx?|v?warnx?|errc|warnc|syslog) *\(|(^|[^"a-z_])std(out|err)\b|\b(write|dprintf|imgp_write_all) *\( *([12]|STD(OUT|ERR)_FILENO),|\bimgp_(complain|die|usage) *\(' "$@" /dev/null |
		grep -vE '^[^:]*:[0-9]*:[	 ]*(/?\*|#include)|^libimgpipe/(base/(opt|buf|outlines)\.[ch]|job/filter\.c):|^libimgpipe/base/(child\.c:.*_exit\(127\)|worker\.c:.*\<_exit\(|sandbox\.c:.*\<_exit\()'
}
prints libimgpipe/*/*.c libimgpipe/*/*.cc >"$WORK/out"
[ ! -s "$WORK/out" ]
ok $? 'the library neither prints nor exits' || diag <"$WORK/out"
mkdir -p "$WORK/planted/libimgpipe/net"
cat >"$WORK/planted/libimgpipe/net/x.c" <<'EOT'
	fprintf(stderr, "%s", s);
	fputs(s, stdout);
	errx(1, "%s", s);
	imgp_die(e);
	imgp_buf_printf(b, "%s", s);	snprintf(s, n, "x");
	/* what exit(3) does */
	dprintf(STDERR_FILENO, "%s", s);
EOT
(cd "$WORK/planted" && prints libimgpipe/net/x.c) | cut -d: -f2 | tr '\n' ' ' >"$WORK/out"
is "$(cat "$WORK/out")" '1 2 3 4 7 ' 'and what does is found, fprintf too'

# Nothing of the machine it was written on.
git ls-files 2>/dev/null | grep -v '^LICENSE$' >"$WORK/files"
[ -s "$WORK/files" ] || find . -path ./.build -prune -o -type f -print \
	>"$WORK/files"
xargs -d '\n' grep -nIE '(^|[^a-zA-Z0-9_.])/(work|home/[a-z])/|localhost:[0-9]{4}/|\b(TODO|FIXME)\b' \
	<"$WORK/files" | grep -v '^tests/style.t:' >"$WORK/out"
[ ! -s "$WORK/out" ]
ok $? 'no path of one machine, nothing left to do' || diag <"$WORK/out"
done_testing
