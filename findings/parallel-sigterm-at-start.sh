#!/bin/bash
# GNU parallel 20221122: a SIGTERM that comes as it starts is passed over, and all jobs run.
#
# Its manual says that SIGTERM kills the running jobs. From when parallel has read its
# options until its first job starts, some 0.3 s, it has a handler that does nothing: the
# signal is lost, not held back, and the status at the end is 0. A program that starts
# parallel and has to stop it at once waits for all jobs. SIGINT has its real handler in
# that time, and so ends it; but where the shell starts parallel with &, SIGINT is ignored
# until then. Both, SIGTERM first, end it at any time.
#
# Seen: see the end of this file.
set -u
command -v apt-get dpkg perl >/dev/null && [ -r /proc/self/status ] || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download parallel=20221122+ds-2 >/dev/null 2>&1 &&
    dpkg -x parallel_*.deb . || exit 77
export HOME=$dir

# stop SIGNAL...: send them as soon as there is a handler for SIGTERM.
stop() {
	local caught=0 pid signal
	rm -f done.*
	usr/bin/parallel --plain --will-cite -j 1 'sleep 1; touch done.{}' ::: 1 2 3 2>/dev/null &
	pid=$!
	until (( 0x$caught & 1 << 14 )); do
		caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$pid/status")
	done
	for signal; do
		kill -"$signal" $pid 2>/dev/null
	done
	wait $pid
	echo "$*: status $?, jobs done: $(find . -name 'done.*' | wc -l)"
}
{ stop TERM; stop TERM INT; } | tee seen
cmp -s seen - <<'EOT'
TERM: status 0, jobs done: 3
TERM INT: status 255, jobs done: 0
EOT
