#!/bin/bash
# A driver, a worker and a machine killed at random moments of sharded runs by local and
# by ssh: KILLS times each (1; make check-engines); a sample is a worker of local's.  tests/engine-slurm.t does it to Slurm.
. "$(dirname "$0")/lib/lib.sh"
world
# shellcheck source=tests/lib/engines.sh
. "$ROOT/tests/lib/engines.sh"
# shellcheck source=tests/lib/sshd.sh
. "$ROOT/tests/lib/sshd.sh"
jobs=3
# A worker of the run at hand, or one of its stages: whatever is there.
kill_one() {
	local all
	mapfile -t all < <(pgrep -f -- "--run $WORK/$1 --shard"; pgrep -f "^[^ ]*/imgp-[a-z0-9]* .*$WORK/$1")
	[ ${#all[@]} = 0 ] || kill -KILL "${all[RANDOM % ${#all[@]}]}" 2>/dev/null
}
# How long such a run takes here.
many=3
! is_long || many=9
! is_all || many=24
given $many
begun=$(date +%s%N)
exits 0 "$many uploads" imgp-run --engine local --run calm -j $jobs --per-shard 3 --shard-jobs 2 --from ids
took=$(awk -v b="$begun" -v e="$(date +%s%N)" 'BEGIN { print (e - b) / 1e9 }')
for i in $(seq "${KILLS:-1}"); do
	! is_long || disaster local "driver$i" 'kill -KILL $run'
	disaster local "worker$i" "kill_one worker$i"
done

if ! is_long; then
	skip 'over ssh' 'a sample: make check-long'
	done_testing
fi
if lacks sshd ssh ssh-keygen parallel unshare; then
	skip 'over ssh' "$why"
	done_testing
fi
machines east west
export IMGP_SSH_HOSTS=2/east,2/west
for i in $(seq "${KILLS:-1}"); do
	disaster ssh "far-driver$i" 'kill -KILL $run'
	disaster ssh "machine$i" '"$ROOT/tests/servers/kill-machine" "$(cat ssh/west.pid)"'
	serve west
done
done_testing
