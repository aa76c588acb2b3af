# shellcheck shell=bash
# Sourced by lib.sh where the shell is bash: matches, by its own regular expressions.  What
# they and grep may read otherwise is left to grep: files that are long or no text,
# expressions of several lines, or that the C library takes for wrong.
matches() {
	local _lines _line _rc
	if [[ ! -f $1 || $2 = *$'\n'* ]]; then
		grep -Eq -- "$2" "$1"
		return
	fi
	mapfile -t -n 101 _lines <"$1" 2>/dev/null
	# A NUL ends what bash sees of a line.
	if ((${#_lines[@]} <= 100)) && ! IFS= read -r -d '' _line <"$1"; then
		for _line in "${_lines[@]}"; do
			[[ $_line =~ $2 ]]
			_rc=$?
			((_rc != 0)) || return 0
			((_rc == 1)) || break
		done
		((${_rc:-1} != 1)) || return 1
	fi
	grep -Eq -- "$2" "$1"
}
