# shellcheck shell=bash
# For tests of the engine ssh, after world: machines with a host name of their own that
# ssh reaches by PARALLEL_SSH.
# Without the start-up files of this machine's shells, which may do anything.
_settings() {
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
}
# serve NAME: start its server, with /run its own, since sshd wants a directory there.
serve() {
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
# machines NAME...: their servers; the process that stands for one is in ssh/NAME.pid.
machines() {
	local name
	mkdir -m 700 ssh
	ssh-keygen -q -t ed25519 -N '' -f ssh/key && ssh-keygen -q -t ed25519 -N '' -f ssh/host
	cp ssh/key.pub ssh/authorized
	for name; do
		_settings "$name"
		serve "$name"
	done
	export PARALLEL_SSH="ssh -F $WORK/ssh/config"
}
