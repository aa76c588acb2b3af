#!/bin/bash
# What a reader's tools say of the sources, and a few rules of the house.
. "$(dirname "$0")/lib/lib.sh"
cd "$ROOT" || exit 1

# By shellcheck: the scripts without exception; the tests but for what lib.sh
# gives them.
mapfile -t scripts < <(grep -lE '^#!/bin/(ba)?sh' scripts/* .ci/run)
shellcheck "${scripts[@]}" >"$WORK/out"
ok $? 'shellcheck has nothing to say of the scripts' || diag <"$WORK/out"
mapfile -t shell < <(grep -slE "^#!/bin/(ba)?sh" tests/* tests/*/*)
shellcheck -S warning -e SC1010,SC1091,SC2034,SC2154,SC2120,SC2010 "${shell[@]}" \
	>"$WORK/out"
ok $? 'nor of the tests' || diag <"$WORK/out"

# make check starts each test by its name.
find tests/*.t tests/lib/fixtures scripts/* .ci/run ! -perm -111 >"$WORK/out"
[ ! -s "$WORK/out" ]
ok $? 'tests and scripts can be executed' || diag <"$WORK/out"

cppcheck --quiet --std=c11 --enable=warning,portability,performance \
	--inline-suppr --suppress=missingIncludeSystem --error-exitcode=1 \
	-I. -I"$BUILD/gen" libimgpipe cmd 2>"$WORK/out"
ok $? 'cppcheck has nothing to say' || diag <"$WORK/out"

# Every header compiles alone, and shows no type of another library.
mkdir "$WORK/alone"
shown=()
for h in libimgpipe/*/*.h; do
	case $h in
	*_priv.h) ;;
	*)	shown+=("$h") ;;
	esac
	echo "#include \"$h\"" >"$WORK/alone/${h##*/}.c"
done
grep -nE '\b(CURL|PGconn|PGresult|cJSON|EVP_|XML_Parser|struct archive|Dcm[A-Z])' \
	"${shown[@]}" | grep -v '^[^:]*:[0-9]*:[ 	/]*\*' >"$WORK/out"
${CC:-cc} -std=c11 -fsyntax-only -Wall -Wextra -Werror -D_GNU_SOURCE -I. \
	-I"$BUILD/gen" "$WORK"/alone/*.c >>"$WORK/out" 2>&1 && [ ! -s "$WORK/out" ]
ok $? 'every header compiles alone and names no type of another library' ||
	diag <"$WORK/out"

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

# The library neither prints nor exits (running out of memory aside).
grep -nE '\b(printf|puts|perror|exit|err|errx|warn|warnx) *\(' libimgpipe/*/*.c |
	grep -vE '^libimgpipe/[a-z]+/(filter|opt|buf|sandbox)\.c:|[a-z_]printf|_exit *\(|^[^:]*:[0-9]*:[	 /]*\*' \
	>"$WORK/out"
[ ! -s "$WORK/out" ]
ok $? 'the library neither prints nor exits' || diag <"$WORK/out"

# Nothing of the machine it was written on.
git ls-files 2>/dev/null | grep -v '^LICENSE$' >"$WORK/files"
[ -s "$WORK/files" ] || find . -path ./.build -prune -o -type f -print \
	>"$WORK/files"
xargs -d '\n' grep -nIE '(^|[^a-zA-Z0-9_.])/(work|home/[a-z])/|localhost:[0-9]{4}/|\b(TODO|FIXME)\b' \
	<"$WORK/files" | grep -v '^tests/style.t:' >"$WORK/out"
[ ! -s "$WORK/out" ]
ok $? 'no path of one machine, nothing left to do' || diag <"$WORK/out"
done_testing
