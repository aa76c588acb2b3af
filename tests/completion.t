#!/bin/bash
# What shells complete, made of the tables of --help: each shell is asked; imgp, the
# door; --pretty, and which options --help offers.
. "$(dirname "$0")/lib/lib.sh"
made=$BUILD/completions
tools=$(cd "$made/bash" && echo imgp*)

# options TOOL: its long options by --help.
options() {
	"$1" --help | sed -n 's/^ \{2,6\}\(-.\{0,26\}\).*/\1/p' |
	    grep -Eo -- '--[a-z][-a-z0-9]*' | sort
}
# The default run looks at some of them.
some=$tools
is_long || some='imgp-digest imgp-s3cp'
for t in $some; do
	options "$t" >"$t.options"
done
is "$(echo "$tools" | tr ' ' '\n' | grep -vx imgp | sort)" \
    "$(cd "$ROOT/man" && ls imgp-*.[18] | sed 's/\.[18]$//' | grep -vx imgp-load-sql | sort)" \
    'each tool with a manual has completions, but for a script'

# --- bash ---
# ask WORD...: what bash completes the last word to.
cat >ask.bash <<'EOT'
made=$1; shift
. "$made/bash/$1"
COMP_WORDS=("$@") COMP_CWORD=$(( $# - 1 ))
f=_${1//-/_}
$f
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
EOT
by_bash() { bash --norc ask.bash "$made" "$@" 2>&1 | sort; }
for t in $some; do
	[ "$(by_bash "$t" --)" = "$(cat "$t.options")" ] || echo "$t"
done >differ
is "$(cat differ)" '' 'bash completes all long options of each tool, and no others'
is "$(by_bash imgp-digest --fo) $(by_bash imgp-digest --format h)" '--format html' \
    'bash: an option and its value'
is "$(by_bash imgp-record s | xargs)" 'scans start' 'bash: a subcommand'
touch upload.zip
is "$(by_bash imgp-dcmscan upl) $(by_bash imgp-stamp -o upl)" 'upload.zip upload.zip' 'bash: a file'
is "$(by_bash imgp ver) $(by_bash imgp help dcm) $(by_bash imgp digest --fo)" \
    'verify dcmscan --format' 'bash: through imgp'
bash -n "$made"/bash/* 2>err
ok $? 'bash finds no fault in any' || diag <err

# --- fish ---
if command -v fish >/dev/null; then
	export HOME=$WORK
	by_fish() {
		fish --no-config -c 'for f in $argv[1]/fish/*.fish; source $f; end
		    complete -C "$argv[2]"' "$made" "$1" 2>&1 | cut -f1 | sort
	}
	for t in $some; do
		[ "$(by_fish "$t --" | grep '^--')" = "$(cat "$t.options")" ] || echo "$t"
	done >differ
	is "$(cat differ)" '' 'fish completes all long options of each tool, and no others'
	is "$(by_fish 'imgp-digest --format h') $(by_fish 'imgp-record sc') $(by_fish 'imgp-dcmscan upl')" \
	    'html scans upload.zip' 'fish: a value, a subcommand, a file'
	is "$(by_fish 'imgp ver') $(by_fish 'imgp help dcm') $(by_fish 'imgp digest --fo')" \
	    'verify dcmscan --format' 'fish: through imgp'
else
	skip 'fish' 'it is not installed'
fi

# --- zsh ---
# Typed at a terminal: each line gets its Tab, and what stands there then is shown.
cat >ask.zsh <<'EOT'
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1= PS2=; fpath=($1/zsh \$fpath); autoload -Uz compinit; compinit -u -D; show() { print -r -- \"<<\$BUFFER>>\"; BUFFER=; zle accept-line }; zle -N show; bindkey '^X' show; bindkey '^I' complete-word; print ready''now"
zpty -r -m z line '*readynow*'
while IFS= read -r words; do
	zpty -n -w z "$words"$'\t\x18'
	zpty -r -m z line '*<<*>>*'
	line=${line##*<<} line=${line%%>>*}
	print -r -- ${line%% #}
done
EOT
if command -v zsh >/dev/null; then
	# Each option without its last letter, where no other begins so.
	for t in $some; do
		awk -v t="$t" '{ all[NR] = $0 } END {
			for (i in all) {
				n = 0
				for (j in all)
					n += index(all[j], substr(all[i], 1, length(all[i]) - 1)) == 1
				if (n == 1)
					print t, all[i]
			} }' "$t.options"
	done >wanted
	printf '%s\n' 'imgp-digest --format html' 'imgp-record scans' 'imgp-dcmscan upload.zip' \
	    'imgp verify' 'imgp help dcmscan' 'imgp digest --format' >>wanted
	sed 's/.$//' wanted | timeout 300 zsh -f ask.zsh "$made" 2>err |
	    sed 's/ *$//' >got
	holds got 'zsh completes options, values, subcommands, files, and through imgp' <wanted
	[ "$(wc -l <wanted)" -gt "$(is_long && echo 80 || echo 20)" ]
	ok $? '... of the tools'
else
	skip 'zsh' 'it is not installed'
fi

# --- imgp ---
exits 2 'imgp wants a command' imgp
exits 2 'it knows no other' imgp no-such
like err '^imgp: no-such is no command$' '... and says so'
is "$(imgp run --version | head -1) / $(imgp status --help | head -1)" \
    "$(imgp-run --version | head -1) / $(imgp-status --help | head -1)" \
    'imgp NAME is imgp-NAME'
for t in $tools; do
	[ "$t" = imgp ] || imgp --help | grep -q "^${t#imgp-}  " || echo "$t"
done >lacking
is "$(cat lacking)" '' 'imgp --help names all of them'
exits 0 'imgp help stamp' imgp help stamp
like out '^ *imgp-stamp ' '... is its manual'
exits 0 'imgp help' imgp help
exits 0 'imgp help job' imgp help job
like out 'IMGP-JOB\(5\)' '... another page'
exits 2 'no such page' imgp help no-such
exits 2 '... nor one elsewhere' imgp help ../../etc/passwd

# --- which options --help offers ---
# Those of all tools where the tool's own source asks for them, and no others.
for src in "$ROOT"/cmd/imgp-*.c; do
	t=${src##*/} t=${t%.c}
	is_long || [[ " $some " = *" $t "* ]] || continue
	case $t in
	imgp-s3cp)	src="$src $ROOT/cmd/s3cp_*.c" ;;
	imgp-stages|imgp-supervise)	continue ;;
	esac
	for pair in dry-run:dry_run quiet:quiet verbose:verbose; do
		# shellcheck disable=SC2086
		a=$("$BUILD/bin/$t" --help | grep -c -- "--${pair%:*}") \
		    b=$(cat $src | grep -c "imgp_common\.${pair#*:}")
		# imgp_passed_over() asks where it is offered.
		[ "$pair $a" != 'quiet:quiet 1' ] || b=$((b + $(cat $src | grep -c imgp_passed_over)))
		[ $((a > 0)) = $((b > 0)) ] || echo "$t --${pair%:*}"
	done
	# Each of its own options is looked at.
	sed -n '/^static const struct imgp_opt opts/,/^};/s/^	{ \(OPT_[A-Z_]*\|'"'.'"'\),.*/\1/p' \
	    "$ROOT/cmd/$t.c" | while read -r o; do
		grep -Eq "case $o:|== $o" "$ROOT/cmd/$t.c" || echo "$t $o"
	done
	# A synopsis names no letter that the table does not have.
	"$BUILD/bin/$t" --help | sed '/^$/q' | grep -Eo '\[-[a-z0-9]+\]' | tr -d '[]-' |
	    fold -w1 | sort -u | while read -r c; do
		"$BUILD/bin/$t" --help | grep -q "^  -$c" || echo "$t -$c"
	done
done >ignored
is "$(cat ignored)" '' '--help offers no option that the tool ignores'
for t in $some; do
	case $t in
	imgp-dcmscan|imgp-stamp|imgp-s3cp|imgp-run) echo yes ;;
	*)	echo no ;;
	esac
done >wanted
for t in $some; do
	"$t" --help | grep -q -- '--jobs' && echo yes || echo no
done >got
cmp -s wanted got
ok $? '-j is offered by those that work on several at once'
is "$(imgp-run --vers | head -1) $(imgp-run --explain-err IMGP-CONFIG | head -1 | cut -d: -f1)" \
    "$(imgp-run --version | head -1) $(imgp-run --explain-error IMGP-CONFIG | head -1 | cut -d: -f1)" \
    'imgp-run takes options that are shortened'

# --- nobody reads on ---
# Standard output is a pipe whose reader is gone before the first byte.
for t in imgp-status imgp-digest imgp-verify imgp-run imgp; do
	is_long || [ $t = imgp-run ] || continue
	{ mkfifo pipe; exec 3<>pipe; exec 4>pipe; exec 3<&-; } 2>/dev/null
	"$t" --help >&4 2>err
	echo "$t $? $(cat err)"
	exec 4>&-
	rm -f pipe
done >quiet
if is_long; then
	printf '%s 141 \n' imgp-status imgp-digest imgp-verify imgp-run imgp
else
	echo 'imgp-run 141 '
fi >wanted
holds quiet 'a tool whose output nobody reads on ends by SIGPIPE, and quietly' <wanted

# --- versions ---
# needs TOOL: the libraries of our list that the program itself asks for or opens.
needs() {
	objdump -p "$BUILD/bin/$1" | sed -n 's/^ *NEEDED *lib\([a-z]*\)[.-].*/\1/p' |
	    sed -n 's/^cjson$/cJSON/p; s/^pq$/libpq/p; s/^z$/zlib/p; s/^isal$/ISA-L/p;
	    s/^dcmdata$/DCMTK/p'
	! grep -qF libcurl.so. "$BUILD/bin/$1" || echo libcurl
}
if command -v objdump >/dev/null; then
	for t in imgp-supervise imgp-dcmscan imgp-stamp imgp-lookup imgp-digest imgp-s3cp; do
		is_long || [ $t = imgp-supervise ] || continue
		of=$t
		[ $t != imgp-supervise ] || of=imgp-run
		for l in $(needs $t); do
			$of --version | grep -q "$l" || echo "$of $l"
		done
	done >lacking
	is "$(cat lacking)" '' '--version lists the libraries, of imgp-run and imgp-dcmscan, too'
else
	skip '--version lists the libraries' 'no objdump'
fi
done_testing
