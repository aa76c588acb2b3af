#!/bin/bash
# Sharded runs on a throw-away cluster of Slurm's: on one node, and with ALL (make
# check-engines) on four of them, of which one dies, and the controller, and the driver,
# KILLS times each at random.
. "$(dirname "$0")/lib/lib.sh"
[ "$(id -u)" = 0 ] || skip_all 'a cluster of Slurm needs root'
for t in slurmctld slurmd munged sbatch unshare; do
	PATH=$PATH:/usr/sbin command -v $t >/dev/null || skip_all "$t is not there"
done
world
. "$ROOT/tests/lib/engines.sh"
nodes=1 n=4
! is_long || n=8
! is_all || nodes=4 n=200
slurm() { "$ROOT/tests/servers/slurm" "$1" "$WORK/slurm" "${@:2}"; }
at_end "'$ROOT/tests/servers/slurm' down '$WORK/slurm'"
eval "$(slurm up $nodes 2)"
[ -n "${SLURM_CONF-}" ] || skip_all 'no cluster of Slurm can be started here'
queue() { squeue -h -r -o %i | wc -l; }
hosts() { ls "$1/out" | cut -d. -f2 | sort -u | xargs; }
all_nodes=$(seq -f 'n%g' $nodes | xargs)

given "$n"
exits 0 "$n uploads on $nodes of Slurm's nodes" \
	imgp-run --engine slurm --run one -j $((2 * nodes)) --per-shard 4 --shard-jobs 2 --from ids
cp out lines
check '... are delivered, each once, and all agrees (I1-I7)'
is "$(hosts one)" "$all_nodes" '... by every node'
is "$(queue)" 0 '... and the queue is empty'
is "$(find one/err one/runs -type f -print -exec cat {} +)" '' '... and nobody said anything'
is "$(IMGP_SBATCH='-p nowhere' imgp-run --engine slurm --run two 90001 2>&1 |
    grep -c 'invalid partition')" 1 'IMGP_SBATCH has words for sbatch'

given 1
IMGP_SBATCH=--hold start --engine slurm --run held --from ids
until_there err
until grep -q waits err; do kill -0 $run 2>/dev/null || break; sleep 0.05; done
like err 'job [0-9]+ waits: JobHeldUser' 'that somebody has to do something for a job is said'
scontrol release "$(squeue -h -o %A | head -1)"
wait $run
is "$? $(grep -c waits err)" '0 1' '... once, and then it goes on'

# --- ended from outside -------------------------------------------------------------------
some=1
! is_long || some=8
given $some
shut
start --engine slurm --run stopped -j 2 --per-shard 2 --with "$WORK/gate" --from ids
until_there reached
kill -TERM $run
open
wait $run
is $? 143 'the driver is ended by SIGTERM'
is "$(queue)" 0 '... and nothing is left in the queue'
is "$(cat stopped/err/* | grep -c 'all ended at once')" 0 \
    '... and Slurm'\''s signal, which each process of a worker gets, is taken for one'
# What it had put into temp is there until somebody goes on with it.
exits 0 '... resumed by local' imgp-run --engine local --run stopped --resume --retry-every 1s
cp out lines
check '... all is delivered, and all agrees (I1-I7)'

if is_long; then
given 8
shut
start --engine slurm --run cancelled -j 2 --per-shard 2 --with "$WORK/gate" --from ids
until_there reached
scancel -u root
open
wait $run
is $? 75 'the job is ended by scancel'
like err 'was cancelled' '... which is said'
exits 0 '... resumed by Slurm' imgp-run --engine slurm --run cancelled --resume --retry-every 1s
cp out lines
check '... all is delivered, and all agrees (I1-I7)'
fi

given $some
shut
start --engine slurm --run killed -j 2 --per-shard 2 --with "$WORK/gate" --from ids
until_there reached
kill -KILL $run
wait $run 2>/dev/null
# Its workers go on until the next ends them: that is at once, or, in a sample, while they
# wait and before there is room on the node for others.
rm -f reached
! is_long || open
IMGP_SBATCH=$(is_long || echo --exclusive) start --engine slurm --run killed --resume --retry-every 1s
is_long || until_there reached
open
wait $run
is $? 0 'the driver is killed, and Slurm goes on with it'
check '... all is delivered, and all agrees (I1-I7)'
is "$(queue)" 0 '... and the queue is empty'
is_all || done_testing

# --- whatever dies -----------------------------------------------------------------------
# How long such a run takes here.
given 24
begun=$(date +%s%N)
exits 0 '24 uploads' imgp-run --engine slurm --run calm -j 8 --per-shard 3 --shard-jobs 2 --from ids
took=$(awk -v b="$begun" -v e="$(date +%s%N)" 'BEGIN { print (e - b) / 1e9 }')
for i in $(seq "${KILLS:-3}"); do
	node=n$((RANDOM % nodes + 1))
	disaster slurm "node$i" "slurm kill-node $node"
	slurm start-node $node
	until [ "$(sinfo -h -N -t idle -o %N | sort -u | wc -l)" = $nodes ]; do sleep 0.5; done
	disaster slurm "controller$i" 'slurm kill-controller; slurm start-controller'
	disaster slurm "driver$i" 'kill -KILL $run'
done
done_testing
