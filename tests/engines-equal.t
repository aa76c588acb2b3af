#!/bin/bash
# The same uploads by every engine, each in a world of its own: equal rows, equal objects
# and an equal last word about each, those of a plain run.  A sample by local; with LONG
# 17 of them by the engines that are there; with ALL (make check-engines) 200, and by the
# state machine too.
. "$(dirname "$0")/lib/lib.sh"
# shellcheck source=tests/lib/npm.sh
. "$ROOT/tests/lib/npm.sh"
world
# shellcheck source=tests/lib/engines.sh
. "$ROOT/tests/lib/engines.sh"
# shellcheck source=tests/lib/places.sh
. "$ROOT/tests/lib/places.sh"
# shellcheck source=tests/lib/sshd.sh
. "$ROOT/tests/lib/sshd.sh"
n=4
is_long || n=1
! is_all || n=187

# Eleven kinds of upload, one that is no archive, one that is not there, many alike.
echo 'no image' >broken.zip
uploads 5000 $n "$small"
uploads 4999 1 broken.zip
cp -r source source.kept
kinds='1201 1204 1205'
! is_long || kinds=$(seq 1201 1210)
{ printf '%s\n' $kinds; echo 1212; seq 4999 $((4999 + n)); echo 1299; } >ids
# another NAME: a world with all of them, where a row's number, which is a part of each
# stamp, does not depend on which worker came first.
another() {
	place "at_$1"
	OWNER=$IMGP_DATABASE apart -c "insert into edc.subjecteventcrffile (id,
	    subjecteventcrf_id, ddfile_id, revisionnumber, version_code, extension)
	    select i, 5101, 21, 1, 'u' || i, '.zip' from generate_series(4999, 4999 + $n) i" \
	    -c "create function numbered() returns trigger language plpgsql as
	    'begin new.id := new.subjecteventcrffile_id; return new; end'" \
	    -c 'create trigger numbered before insert on pipeline.edcpipelinefile
	    for each row execute function numbered()'
}
# said: last words on standard input, but for what two runs may differ in.
said() {
	jq -cS 'del(.run, .stage_ms, .started_ms, .edc_pipeline_file.lease?,
	    .edc_pipeline_file.claim?, .edc_pipeline_file.ended?, .notice.id?)' | sort |
	    sed -E "s/[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}/RUN/g; s/20[0-9]{6}_[0-9]{6}/TIME/g
	    s/20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+(\+[0-9:]+|Z)?/TIME/g; s,$WORK/at_$1/,W/,g"
}
# left NAME: what it left: rows without the numbers of theirs that count arrivals,
# objects, and the last words.
left() {
	dump "at_$1" | grep -v -e '^MAIL' -e '^SOURCE image_pipelines/run_logs' |
	    sed -E '/^edcpipelinefile /!s/"id": [0-9]+/"id": N/' | sort >"$1.left"
	said "$1" <"$1.finished" >"$1.said"
}
# alike NAME: it left what the plain run left.
alike() {
	left "$1"
	diff plain.left "$1.left" >differs
	ok $? "$1: rows and objects are those of a plain run" || head -c 3000 differs | diag
	diff plain.said "$1.said" >differs
	ok $? "$1: so is the last word about each" || head -c 3000 differs | diag
	"$ROOT/tests/check-invariants" --inputs ids --finished "$1.finished" >faults
	ok $? "$1: each is there once, and all agrees (I1-I7)" || diag <faults
}
by() {			# by ENGINE OPTION...: a run of its own, with shards of many kinds
	another "$1"
	imgp-run -q --engine "$1" --run "run.$1" --per-shard 5 --retry-for 0 "${@:2}" --from ids \
	    >"$1.finished" 2>"$1.err"
	is $? 1 "$1: some of them have errors" || diag <"$1.err"
	alike "$1"
}

another plain
imgp-run -q -j 2 --from ids >plain.finished 2>plain.err
left plain
all=$(wc -l <ids)
is "$(wc -l <plain.finished) $(grep -c DESTINATION plain.left)" "$all $((all - 2 - $(grep -c 1210 ids)))" \
    'a plain run delivers all but those that it cannot or must not' || diag <plain.err
by local -j 3
if ! is_long; then
	skip 'over ssh, and by Slurm' 'a sample: make check-long'
	done_testing
fi
if lacks sshd ssh ssh-keygen parallel unshare; then
	skip 'over ssh' "$why"
else
	machines east west
	export IMGP_SSH_HOSTS=2/east,2/west
	by ssh -j 4
fi
slurm() { "$ROOT/tests/servers/slurm" "$1" "$WORK/slurm" "${@:2}"; }
if lacks slurmctld slurmd munged sbatch unshare; then
	skip 'by Slurm' "$why"
else
	at_end "'$ROOT/tests/servers/slurm' down '$WORK/slurm'"
	eval "$(slurm up 2 1)"
	by slurm -j 2
fi

# The state machine: all of them in one execution.
why='make check-engines'
if ! is_all || ! npm_tools || ! /usr/bin/python3 -c 'import yaml'; then
	skip 'by the state machine' "$why"
	done_testing
fi
cp "$ROOT/tests/lib/asl-run.mjs" .
ln -s "$npm/node_modules" .
/usr/bin/python3 "$ROOT/tests/lib/cfn.py" --functions <"$ROOT/scripts/aws/template.yaml" >functions
# It succeeds where it would fail, so that its output is there to be looked at.
jq '.States.Files.ItemProcessor.States.Lookup.Retry[0].MaxAttempts = 1 |
    .States.SomeFailed = {Type: "Succeed"}' "$ROOT/scripts/aws/imgp.asl.json" >asl.json
another machine
jq -sc . ids | node22 asl-run.mjs asl.json functions "$ROOT/scripts/aws/bootstrap" 1000 \
    >machine.out 2>machine.err
is "$(jq -r .output.status machine.out)" 1 'machine: some of them have errors' ||
	head -c 3000 machine.err | diag
jq -c '.output.files[]' machine.out >machine.finished
alike machine
done_testing
