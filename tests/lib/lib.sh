# Sourced by every test: a scratch directory, TAP, and a few claims.
#
#	. "$(dirname "$0")/lib/lib.sh"
#	exits 1 'what is claimed (M24)' imgp-lookup 7 <in
#	holds out 'its output' <<'EOT' … EOT
#	done_testing
#
# exits runs a command and keeps its output in files `out` and `err` of the
# scratch directory, which is the working directory of a test.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd)
BUILD=${BUILD:-$ROOT/.build}
SHARED=$ROOT/../shared/data
# PostgreSQL's own programs: Debian's psql in PATH is a script that looks for them.
for _bin in /usr/lib/postgresql/*/bin; do
	PATH=$_bin:$PATH
done
export PATH="$BUILD/bin:$PATH" LC_ALL=C
# For python scripts in here-documents; nobody is to leave __pycache__ there.
export PYTHONPATH="$ROOT/tests/lib" PYTHONDONTWRITEBYTECODE=1
unset IMGP_CONFIG IMGP_RUN IMGP_SOURCE IMGP_TEMP IMGP_DESTINATION IMGP_LOGS \
	IMGP_SPOOL IMGP_DATABASE IMGP_REPLICA IMGP_LEDGER IMGP_MAIL \
	IMGP_ADMINS IMGP_LABS PGHOST PGPORT PGUSER PGDATABASE PGSERVICE
# No file of this machine's has a part in it.
export IMGP_CONFIG=/dev/null
# PostgreSQL's socket lives below the scratch directory: keep the path short.
WORK=$(mktemp -d "${TMPDIR:-/tmp}/imgp.XXXXXX") || exit 1
cd "$WORK" || exit 1
_n=0 _bad=0 _sample=
# What a test started it also ends: add commands with at_end.
_end=
at_end() { _end="$1; $_end"; }
_finish() { _rc=$?; eval "$_end"; cd / && rm -rf "$WORK"; exit "$_rc"; }
trap _finish EXIT
trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM
trap 'exit 141' PIPE

ok() {			# ok STATUS TITLE
	_n=$((_n + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $_n - $2"
	else
		echo "not ok $_n - $2"
		_bad=$((_bad + 1))
	fi
	return "$1"
}
diag() { sed 's/^/# /' >&2; }
skip_all() { echo "1..0 # SKIP $1"; exit 0; }
# Is this the long run, make check-long?  The default run has a sample of each:
#	if is_long; then	# what only the long run claims
is_long() { [ -n "${LONG-}" ] || { _sample=yes; return 1; }; }
# Is this what is longer still, and wants more than that: make check-engines, check-aws?
is_all() { [ -n "${ALL-}" ]; }
# few N: what comes on standard input, of which a sample has the first N lines alone.
few() { if is_long; then cat; else head -n "$1"; fi; }
long_only() { is_long || skip_all 'long: make check-long'; }
no_server() {		# no_server WHY: skip, but not where S3 is required
	[ -n "${S3_REQUIRED-}" ] || skip_all "$1"
	echo "Bail out! $1"
	exit 1
}
skip() {		# skip TITLE WHY
	_n=$((_n + 1))
	echo "ok $_n - $1 # SKIP $2"
}
exits() {		# exits STATUS TITLE COMMAND...
	_want=$1 _title=$2
	shift 2
	"$@" >out 2>err
	_got=$?
	ok $((_got != _want)) "$_title" || {
		echo "status $_got, wanted $_want" | diag
		head -c 2000 err | diag
	}
}
is() {			# is GOT WANTED TITLE
	[ "$1" = "$2" ]
	ok $? "$3" || printf 'got:    %s\nwanted: %s\n' "$1" "$2" | diag
}
# matches FILE REGEX: does a line match?  In bash a short file costs no process.
matches() { grep -Eq -- "$2" "$1"; }
[ -z "${BASH_VERSION-}" ] || . "$ROOT/tests/lib/matches.sh"
like() {		# like FILE REGEX TITLE
	matches "$1" "$2"
	ok $? "$3" || { echo "no match for $2 in:"; head -c 2000 "$1"; } | diag
}
unlike() {		# unlike FILE REGEX TITLE
	! matches "$1" "$2"
	ok $? "$3" || { echo "a match for $2:"; grep -E -- "$2" "$1" | head -5; } |
	    diag
}
holds() {		# holds FILE TITLE <wanted
	diff - "$1" >"$WORK/.diff"
	ok $? "$2" || diag <"$WORK/.diff"
}
# Where pydicom's sample files lie, in ${samples}.  To import it to learn that would
# take ten times as long.
dicom_samples() {
	samples=$(/usr/bin/python3 -c 'import importlib.util as u
print(u.find_spec("pydicom").submodule_search_locations[0] +
    "/data/test_files")' 2>/dev/null) || skip_all 'python3-pydicom is not there'
}
# Built by `make asan`: address space limits do not fit then.
is_sanitized() { grep -q __asan_init "$1"; }
# What tests/lib/fixtures made, if it is of these sources; make check sees to that.
made() {		# made NAME
	[ -e "$BUILD/tests/fixtures/made" ] || return
	for _f in "$ROOT"/sql/*.sql "$ROOT/libimgpipe/base/errors.tsv" \
	    "$ROOT/scripts/pg" "$ROOT/scripts/load-sql" \
	    "$ROOT/scripts/sample-uploads" "$ROOT/tests/lib/hostile.py"; do
		[ "$BUILD/tests/fixtures/made" -nt "$_f" ] || return
	done
	[ -e "$BUILD/tests/fixtures/$1" ]
}
# hostile KIND: tests/lib/hostile.py's files of that kind, here.
hostile() {
	if made "hostile-$1"; then
		cp "$BUILD/tests/fixtures/hostile-$1"/* .
	else
		/usr/bin/python3 "$ROOT/tests/lib/hostile.py" "$1"
	fi
}
# A cluster of the test's own with sql/ and the sample EDC; how to come to it is
# in the file pg.env.
edc() {
	at_end "'$ROOT/scripts/pg' stop '$WORK/pg'"
	if made edc.tar; then
		PG_SAVED=$BUILD/tests/fixtures/edc.tar "$ROOT/scripts/pg" start "$WORK/pg" \
		    >pg.env || exit 1
		. ./pg.env
	else
		"$ROOT/scripts/pg" start "$WORK/pg" >pg.env ||
			skip_all 'no PostgreSQL server can be started here'
		. ./pg.env
		"$ROOT/scripts/load-sql" "$IMGP_DATABASE" --sample || exit 1
	fi
	OWNER=$IMGP_DATABASE
	session
}
# A world for whole runs: a database with the sample EDC, its uploads, places,
# a spool and a mail directory below the scratch directory.
world() {
	edc
	mkdir images temp mail spool
	if made uploads; then
		mkdir -p source
		cp -r "$BUILD/tests/fixtures/uploads/." source || exit 1
	else
		"$ROOT/scripts/sample-uploads" "$WORK/source" || exit 1
	fi
	export IMGP_SOURCE="file://$WORK/source" IMGP_TEMP="file://$WORK/temp" \
		IMGP_DESTINATION="file://$WORK/images" IMGP_SPOOL="$WORK/spool" \
		IMGP_MAIL="file://$WORK/mail" IMGP_ADMINS=admins@example.org \
		IMGP_LABS=labs@example.org IMGP_WAIT=0
	[ -z "${POOLER-}" ] || {	# all of it behind a pooler, in that mode
		. "$ROOT/tests/lib/pooler.sh"
		pooler "$POOLER"
		IMGP_DATABASE=$(pooled "$IMGP_DATABASE")
		export IMGP_DATABASE
	}
}
# sql QUERY | sql -c QUERY... | sql <FILE: the database, as its owner.  A query put
# to the session that edc holds open costs no process, no login: most are.  What
# wants a session of its own has one: several statements in one QUERY, options.
sql() {
	case $#,${1-} in
	*,-c)	;;
	1,*)	set -- -c "$1" ;;
	*)	apart "$@"; return ;;
	esac
	_script='\o .sql/out
\set failed false
'
	for _q; do
		_q=${_q%;}
		case $_q in
		-c)	continue ;;
		*\;*)	apart "$@"; return ;;
		esac
		_script="$_script\\if :failed
\\else
$_q
;
\\set failed :ERROR
\\endif
"
	done
	[ ! -e "$WORK/.sql/gone" ] || { apart "$@"; return; }
	# A psql whose server went says so at the second query only, and ends.
	printf '%s%s\n' "$_script" 'select \g /dev/null
\o .sql/done
\qecho :failed
\o' >&6
	read -r _failed <&5
	[ "$_failed" != gone ] || { apart "$@"; return; }
	while IFS= read -r _q; do
		printf '%s\n' "$_q"
	done <"$WORK/.sql/out"
	[ "$_failed" = false ] || {
		cat "$WORK/.sql/err" >&2
		: >"$WORK/.sql/err"
		return 1
	}
}
apart() { psql -X -q -At -v ON_ERROR_STOP=1 -d "$OWNER" "$@"; }
# Its session: it reads what comes by descriptor 6, and says by 5 what is done, or
# that it is gone, with the server for instance.  It ends with this shell.
session() {
	mkdir .sql
	mkfifo .sql/in .sql/done
	exec 5<>.sql/done 6<>.sql/in
	(
		{
			psql -X -q -At -d "$OWNER" <.sql/in 2>>.sql/err 5<&- 6<&-
			[ ! -e .sql ] || : >.sql/gone
			echo gone >&5
		} >/dev/null 2>&1 6<&- &
	)
}
# For what wants the database for itself.
end_session() {
	echo '\q' >&6
	read -r _ <&5
}
# upload_view QUERY: pipeline.upload is QUERY from now on, whatever columns it had.
upload_view() {
	sql -c "set client_min_messages = warning; drop view pipeline.upload cascade"
	sql -c "create view pipeline.upload as $1"
	# What was over it, and the rights:
	sql -c "update pipeline.schema_version set sha256 = 'of other files'"
	"$ROOT/scripts/load-sql" "$OWNER"
}
# uploads FIRST N FILE: N uploads of FILE more, with ids from FIRST.
uploads() {
	sql "insert into edc.subjecteventcrffile (id, subjecteventcrf_id,
	    ddfile_id, revisionnumber, version_code, extension)
	    select i, 5101, 21, 1, 'u' || i, '.zip'
	    from generate_series($1, $1 + $2 - 1) i"
	(
		_last=$(($1 + $2 - 1)) _i=$1 _from=$3
		set --
		while [ "$_i" -le $_last ]; do
			set -- "$@" "$WORK/source/subjecteventcrffile/301/5101/mri_zip/u$_i.zip"
			_i=$((_i + 1))
		done
		tee "$@" <"$_from" >/dev/null
	)
}
done_testing() {
	[ -z "$_sample" ] || echo '# a sample: LONG=1 has all (make check-long)'
	echo "1..$_n"
	exit $((_bad != 0))
}
