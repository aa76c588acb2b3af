#!/bin/bash
# Slurm 22.05.8 (Debian 12): slurmctld ends after 20 s where 127.0.0.1 is the only address,
# as in a new network namespace, although /etc/hosts has the host and SlurmctldHost gives
# its address.
#
# With NoCtldInAddrAny it looks up its own name with AI_ADDRCONFIG, for which glibc does
# not count 127.0.0.1: it finds nothing, and what Slurm says, "Unable to resolve", sends
# one to /etc/hosts and DNS, where nothing is wrong. A second address on the loopback,
# 127.0.0.2, is enough: with it the same name is found.
#
# For root, with slurmctld installed; nothing outside of the namespace is changed.
set -u
PATH=/usr/sbin:/sbin:$PATH
[ "$(id -u)" = 0 ] && command -v slurmctld unshare ip getent >/dev/null || exit 77
[ "$(slurmctld -V)" = 'slurm-wlm 22.05.8' ] || exit 77
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
host=$(hostname -s)
getent hosts "$host" | grep -q '^127\.' || exit 77
cat >slurm.conf <<EOT
ClusterName=c
SlurmctldHost=$host(127.0.0.1)
CommunicationParameters=NoCtldInAddrAny
SlurmctldPort=6817
SlurmUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation=$dir
SlurmctldPidFile=$dir/pid
SlurmctldTimeout=5
NodeName=n1 NodeAddr=127.0.0.1
PartitionName=p Nodes=ALL
EOT
# start COMMAND: the controller in a namespace of its own, after COMMAND in it.
# shellcheck disable=SC2016
start() {
	unshare -n sh -c 'ip link set lo up; eval "$1"
	    getent hosts "$2" >/dev/null && echo "getent finds the host"
	    timeout 40 slurmctld -D -f slurm.conf >log 2>&1
	    [ $? = 124 ] && echo "slurmctld runs" || echo "slurmctld ends"' sh "$1" "$host"
	grep -m 1 -o 'Unable to resolve' log
}
{
	echo 127.0.0.1:; start :
	echo and 127.0.0.2:; start 'ip address add 127.0.0.2/8 dev lo'
} | tee seen
cmp -s seen - <<'EOT'
127.0.0.1:
getent finds the host
slurmctld ends
Unable to resolve
and 127.0.0.2:
getent finds the host
slurmctld runs
EOT
