#!/bin/bash
# Sharded runs by GNU parallel over ssh, on two machines: servers of the test's own with
# host names of their own.
. "$(dirname "$0")/lib/lib.sh"
world
. "$ROOT/tests/lib/engines.sh"
! lacks sshd ssh ssh-keygen parallel unshare || skip_all "$why"
# shellcheck source=tests/lib/sshd.sh
. "$ROOT/tests/lib/sshd.sh"
machines east west
hosts() { ls "$1/out" | cut -d. -f2 | sort -u | xargs; }

exits 2 'without IMGP_SSH_HOSTS' imgp-run --engine ssh --run none 90001
like err 'IMGP_SSH_HOSTS are needed' '... the engine says what it needs'
export IMGP_SSH_HOSTS=1/east,2/west

given "$(is_long && echo 12 || echo 6)"
exits 0 'uploads on two machines' \
	imgp-run --engine ssh --run one -j 3 --per-shard 2 --from ids
cp out lines
check '... are delivered, each once, and all agrees (I1-I7)'
is "$(hosts one)" 'east west' '... by both'

given "$(is_long && echo 8 || echo 4)"
shut
start --engine ssh --run stopped -j 2 --per-shard 2 --with "$WORK/gate" --from ids
until_there reached
kill -TERM $run
wait $run
is $? 143 'the driver is ended by SIGTERM'
gone() {		# gone RUN: two minutes at most
	local end=$((SECONDS + 120))
	while pgrep -f "$WORK/$1" >/dev/null; do
		[ $SECONDS -lt $end ] || return
		sleep 0.05
	done
}
gone stopped
ok $? '... and nothing is left on the machines'
open
is_long || done_testing	# a sample ends here
shut
# From when it has a handler for SIGTERM until its first shard starts, parallel does nothing
# about it.
start --engine ssh --run soon -j 2 --per-shard 2 --with "$WORK/gate" --from ids
until pid=$(pgrep -f "/parallel .*$WORK/soon") &&
    (( 0x$(sed -n 's/SigCgt:\t//p' /proc/$pid/status 2>/dev/null || echo 0) & 1 << 14 )); do
	kill -0 $run || break
done
kill -TERM $run
wait $run
is $? 143 '... so, too, when it comes as the engine starts'
gone soon
ok $? '... and nothing is left'
for p in $(pgrep -fx 'sleep 10101'); do
	[ "$(readlink "/proc/$p/cwd")" != "$WORK" ] || echo "$p"
done >sleeps
is "$(cat sleeps)" '' '... nor anything that parallel counts processes with'
open
exits 0 '... resumed; the machines are kept with the run' env -u IMGP_SSH_HOSTS \
	imgp-run --engine ssh --run stopped --resume --retry-every 1s
cp out lines
check '... all is delivered, and all agrees (I1-I7)'

given 8
shut
start --engine ssh --run lost -j 2 --per-shard 2 --retry-every 1s --with "$WORK/gate" --from ids
until_there reached
until ls lost/out/*.west.* >/dev/null 2>&1; do sleep 0.05; done
"$ROOT/tests/servers/kill-machine" "$(cat ssh/west.pid)"
open
wait $run
is $? 0 'one machine is lost in the middle: the other does its shards'
check '... all is delivered, each once, and all agrees (I1-I7)'
done_testing
