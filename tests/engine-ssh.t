#!/bin/bash
# Sharded runs by GNU parallel over ssh, on two machines: servers of the test's own with
# host names of their own.
. "$(dirname "$0")/lib/lib.sh"
[ "$(id -u)" = 0 ] || skip_all 'a host name of its own needs root'
for t in sshd ssh ssh-keygen parallel unshare; do
	PATH=$PATH:/usr/sbin command -v $t >/dev/null || skip_all "$t is not there"
done
world
. "$ROOT/tests/lib/engines.sh"
mkdir -m 700 ssh
ssh-keygen -q -t ed25519 -N '' -f ssh/key && ssh-keygen -q -t ed25519 -N '' -f ssh/host
cp ssh/key.pub ssh/authorized
# server NAME: with /run its own, since sshd wants a directory there, and without the
# start-up files of this machine's shells, which may do anything.
server() {
	local port
	port=$(/usr/bin/python3 -c 'import socket
print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
	cat >"ssh/$1.conf" <<EOF
ListenAddress 127.0.0.1
Port $port
HostKey $WORK/ssh/host
AuthorizedKeysFile $WORK/ssh/authorized
PidFile none
UsePAM no
SetEnv HOME=$WORK/ssh
StrictModes no
PermitRootLogin prohibit-password
EOF
	cat >>ssh/config <<EOF
Host $1
HostName 127.0.0.1
Port $port
IdentityFile $WORK/ssh/key
IdentitiesOnly yes
BatchMode yes
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
LogLevel ERROR
EOF
	unshare --uts --mount sh -c 'hostname "$1" && mount -t tmpfs tmpfs /run &&
	    mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f "$2"' sh "$1" \
	    "$WORK/ssh/$1.conf" </dev/null 2>"ssh/$1.log" 8>&- &
	echo $! >"ssh/$1.pid"
	at_end "kill $! 2>/dev/null"
	local end=$((SECONDS + 30))
	until ssh -F ssh/config "$1" true 2>/dev/null; do
		[ $SECONDS -lt $end ] || skip_all "no ssh server can be started here: $(tail -1 "ssh/$1.log")"
		sleep 0.1
	done
}
server east
server west
export PARALLEL_SSH="ssh -F $WORK/ssh/config"
hosts() { ls "$1/out" | cut -d. -f2 | sort -u | xargs; }

exits 2 'without IMGP_SSH_HOSTS' imgp-run --engine ssh --run none 90001
like err 'IMGP_SSH_HOSTS are needed' '... the engine says what it needs'
export IMGP_SSH_HOSTS=1/east,2/west

given 12
exits 0 'twelve uploads on two machines' \
	imgp-run --engine ssh --run one -j 3 --per-shard 2 --from ids
cp out lines
check '... are delivered, each once, and all agrees (I1-I7)'
is "$(hosts one)" 'east west' '... by both'

given 8
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
