#!/bin/bash
# Sharded runs by the engine local, and by engines of the test's own: the same rows and
# objects as a plain run, whatever dies.
. "$(dirname "$0")/lib/lib.sh"
world
. "$ROOT/tests/lib/engines.sh"
here=$PATH
mails() { find mail -type f | wc -l; }
rows() {		# rows FIRST LAST: what the record has of them, without ids and times
	sql "select f.subjecteventcrffile_id - $1, f.status, f.has_error,
	    f.failed_for_good, f.error_code, f.attempt, (select count(*) || ' ' ||
	    sum(d.number_of_instances) from pipeline.edcpipelinefiledicom d
	    where d.edcpipelinefile_id = f.id) from pipeline.edcpipelinefile f
	    where subjecteventcrffile_id between $1 and $2 order by 1"
}
delivered() {		# delivered FIRST LAST
	sql "select count(*) from pipeline.edcpipelinefile where status = 'Completed'
	    and subjecteventcrffile_id between $1 and $2"
}
# engine NAME: its text on standard input.
mkdir engines
engine() {
	cat >"engines/imgp-engine-$1"
	chmod +x "engines/imgp-engine-$1"
}
local=$BUILD/bin/imgp-engine-local
PATH=$WORK/engines:$here

if is_long; then
# --- as a plain run (D1, D3) ------------------------------------------------------------
echo 'no image' >broken.zip
for first in 3000 3100; do
	uploads $first 8 "$small"
	uploads $((first + 8)) 2 broken.zip
	seq $first $((first + 9)) >ids.$first
done
exits 1 'a plain run' imgp-run --from ids.3000
before=$(mails)
cat ids.3100 - ids.3100 <<'EOT' >given

90001

EOT
exits 1 'the same uploads in shards, by local; one is not there' \
	imgp-run --engine local --run one -j 2 --per-shard 3 --from given
cp out lines
echo 90001 >>ids.3100
cp ids.3100 ids
check 'one line for each, in the order of the input; all agrees (I1-I7)'
rows 3000 3009 >plain
rows 3100 3109 >sharded
cmp -s plain sharded
ok $? 'the same rows' || diff plain sharded | diag
is "$(jq -r .subject_event_crf_file_id lines | xargs)" "$(xargs <ids.3100)" \
	'lines come in the order of the input'
is "$(wc -l <plain)" 10 '... of all'
is "$(mails)" $((before + 1)) 'four shards have failures: one mail'
is "$(ls one/in | grep -c -- -)" 4 'eleven inputs, named twice, are four shards'
is "$(ls one/out | grep -c 'jsonl$')" 4 '... each of which came to its end'
is "$(find one/runs -type f) $(ls -A spool | grep -v '^\.')" ' ' 'nothing is held, nothing left'
cmp -s one/results lines
ok $? 'results has what came to standard output'
is "$(stat -c %a one) $(stat -c %a one/conf)" '700 600' 'the directory is its user'\''s alone'
like err 'to go on: imgp-run --engine local --run .*/one --resume$' \
	'the last line names the command that goes on'
is "$(tail -1 err | grep -c 'to go on')" 1 '... the last one'
exits 1 'the same command again' imgp-run --engine local --run one --from given
is "$(sed 's/ in .*//' err | head -1)" 'imgp-run: round 2: 1 input' 'takes up what is open only'
fi

# --- wrong usage ------------------------------------------------------------------------
exits 2 '--pending has no shards' imgp-run --engine local --run two --pending
exits 2 'nor has a dry run' imgp-run --engine local --run two -n 3000
exits 2 '--resume needs a run' imgp-run --run two --resume
exits 2 '... and takes no ids' imgp-run --run one --resume 3000
exits 2 '--retry-for without an engine' imgp-run --retry-for 1s 3000
exits 2 'an engine that is not there' imgp-run --engine none --run two 3000
like err 'no imgp-engine of that name' '... is named'
exits 2 'a path is no name' imgp-run --engine ../local --run two 3000
[ ! -e two ]
ok $? 'nothing was made'
mkdir full
: >full/something
exits 2 'a directory with other things is not taken' imgp-run --run full 3000
is "$(ls full)" something '... nor touched'
exits 2 '--shard alone' imgp-run --shard 1-0001
exits 2 'a shard that is none' imgp-run --run one --shard ../conf
exits 2 '... behind one that may be' imgp-run --run one --shard 1-0001 ../conf

if is_long; then
# --- kinds of input ---------------------------------------------------------------------
uploads 3200 3 "$small"
key=$(sql 'select source_key from pipeline.upload where subject_event_crf_file_id = 3200')
printf '%s\0' 3200 "$key" "$IMGP_SOURCE/${key/u3200/u3201}" 'a
b' >given
exits 1 'ids, keys and places, each ended by a NUL' \
	imgp-run -0 --run kinds --per-shard 1 -j 3 --retry-for 20s --retry-every 1s --from given
is "$(jq -r .edc_pipeline_file.status out | sort | uniq -c | xargs)" '2 Completed 1 null' \
	'an upload that is named twice has one line; a name that is none has one'
printf '{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{%s}}]}\n' \
	"\"bucket\":{\"name\":\"x\"},\"object\":{\"key\":\"k\"}" >given
exits 1 'a message that tells of an object' imgp-run --run event --from given
is "$(jq -r '.errors[0].error_code' out)" IMGP-LOOKUP-EVENT '... is taken apart'
exits 0 'no input at all' imgp-run --run empty --from /dev/null
[ ! -s out ]
ok $? '... gives no lines'
fi

# --- two at once -------------------------------------------------------------------------
uploads 3300 4 "$small"
seq 3300 3303 >ids
shut
start --run busy -j 1 --per-shard 2 --with "$WORK/gate" --from ids
until_there reached
ok $? 'a run is at work'
exits 75 'a second driver refuses' imgp-run --run busy --resume
like err 'another imgp-run is at work there' '... and says why'

# --- the driver is killed, then resumed ---------------------------------------------------
kill -KILL $run
wait $run 2>/dev/null
open
exits 0 'the driver is killed; resumed, an input in a shard' \
	imgp-run --run busy --resume -j 1 --per-shard 1 --retry-every 1s
cp out lines
check '... all is delivered, once, and all agrees (I1-I7)'
is "$(delivered 3300 3303)" 4 '... all of it'
is "$(find busy/runs -type f)" '' '... and no lease is held'
is "$(ls busy/in | grep '^2-')" "$(ls busy/out | sed -n 's/^\(2-[0-9]*\)\..*\.jsonl$/\1/p')" \
    '... each shard came to its end'
is "$(ls busy/out | sed -n 's/^2-[0-9]*\.//p' | sort -u | wc -l)" 1 \
    '... by one worker, where one is allowed'

if is_long; then
# --- signals -----------------------------------------------------------------------------
id=3400
for s in TERM:143 INT:130 HUP:129; do
	uploads $id 4 "$small"
	seq $id $((id + 3)) >ids
	shut
	start --run "sig$id" -j 2 --per-shard 2 --with "$WORK/gate" --from ids
	until_there reached
	kill -"${s%:*}" $run
	open
	wait $run
	is $? "${s#*:}" "SIG${s%:*} to the driver"
	is "$(pgrep -f "sig$id" | wc -l)" 0 '... ends all shards'
	like err 'to go on: ' '... which says how to go on'
	exits 0 '... and resumed' imgp-run --run "sig$id" --resume
	cp out lines
	check "... all is delivered, and all agrees (I1-I7)"
	id=$((id + 4))
done

# --- a machine dies: its complete lines count ---------------------------------------------
uploads 3500 4 "$small"
seq 3500 3503 >ids
engine mortal <<EOF
#!/bin/bash
# The first time, ends the worker and all that it started at once, as a machine does
# that loses power, when its second upload is at the gate.
[ ! -e "$WORK/died" ] || exec "$local" "\$@"
read -r name
setsid "\$3" --run "\$1" --shard "\$name" &
until [ "\$(wc -l <"$WORK/reached")" -ge 2 ] && grep -q . "\$1"/out/*; do sleep 0.05; done
: >"$WORK/died"
pkill -KILL -s \$!
exit 0
EOF
cat >gate2 <<EOF
#!/bin/bash
echo x >>"$WORK/reached"
[ -e "$WORK/died" ] || [ "\$(wc -l <"$WORK/reached")" -lt 2 ] || sleep 60
exec cat
EOF
chmod +x gate2
: >reached
exits 0 'a worker dies with its machine, at its second upload' \
	imgp-run --engine mortal --run dead -j 1 --per-shard 4 --shard-jobs 1 \
	--with "$WORK/gate2" --from ids
cp out lines
check 'one line each, and all agrees (I1-I7)'
is "$(jq -r .run lines | sort | uniq -c | awk '{ print $1 }' | sort -n | xargs)" '1 3' \
	'the line that it had finished counts; the others come from another worker'
is "$(find dead/out -type f ! -name '*.jsonl' | wc -l)" 1 '... and its file is kept as it was'
is "$(ls dead/in | grep -c -- -)" 2 'the driver itself has the rest done again'
is "$(find dead/runs -type f)" '' '... once its leases were given back'

# --- engines that do too much, too little, or nothing --------------------------------------
uploads 3600 6 "$small"
seq 3600 3605 >ids
engine twice <<'EOF'
#!/bin/bash
while read -r name; do
	"$3" --run "$1" --shard "$name" &
	"$3" --run "$1" --shard "$name" &
done
wait
exit 0
EOF
exits 0 'each shard runs twice at the same time' \
	imgp-run --engine twice --run twice --per-shard 3 --retry-every 1s --from ids
cp out lines
check '... and that changes nothing (I1-I7)'
is "$(sql "select count(*) || ' ' || sum(attempt) from pipeline.edcpipelinefile
    where subjecteventcrffile_id between 3600 and 3605")" '6 6' '... no upload was begun twice'
is "$(ls twice/out | wc -l)" 4 '... though each shard had two workers'

engine idle <<<'#!/bin/sh'
uploads 3700 2 "$small"
exits 75 'an engine that does nothing' imgp-run --engine idle --run idle 3700 3701
like err '0 jobs: 0 delivered, 2 left; to go on: ' '... leaves all'
is "$(ls idle/in | grep -vc -- -)" 4 '... after four rounds'
exits 0 'another engine goes on' imgp-run --engine local --run idle --resume
is "$(delivered 3700 3701)" 2 '... and delivers'
for s in 2:2 3:75; do
	engine broken <<<"#!/bin/sh
exit ${s%:*}"
	exits "${s#*:}" "an engine that ends with ${s%:*}" imgp-run --engine broken --run "b$s" 3700
	like err "the engine failed with status ${s%:*}" '... is said to'
done
engine stays <<EOF
#!/bin/bash
"$local" "\$@"
trap '' TERM
exec sleep 600
EOF
uploads 3710 1 "$small"
IMGP_ENGINE_PATIENCE=1s exits 0 'an engine that hangs when all is done' \
	imgp-run --engine stays --run stays 3710
like err 'hangs although all shards have ended' '... is ended'
pkill_left=$(pgrep -f "$WORK/engines/imgp-engine-stays" | wc -l)
is "$pkill_left" 0 '... by force if it must be'

# --- what the EDC does not show yet (D8) -----------------------------------------------------
engine later <<EOF
#!/bin/bash
# At the third round the upload is there; between rounds no session is open.
echo x >>"$WORK/rounds"
psql -X -q -At -d "$OWNER" -c "select count(*) from pipeline.edcpipelinefile
    where lease_until is not null" >>"$WORK/held"
[ "\$(wc -l <"$WORK/rounds")" -lt 3 ] || psql -X -q -d "$OWNER" -c "insert into
    edc.subjecteventcrffile (id, subjecteventcrf_id, ddfile_id, revisionnumber,
    version_code, extension) values (3801, 5101, 21, 1, 'u3800', '.zip')"
exec "$local" "\$@"
EOF
uploads 3800 1 "$small"
before=$(mails)
exits 0 'an upload that the replica shows later' \
	imgp-run --engine later --run later --retry-for 5m --retry-every 1s 3800 3801
is "$(wc -l <rounds) $(sort -u held)" '3 0' '... is looked for in rounds, which hold nothing between'
is "$(delivered 3800 3801) $(mails)" "2 $before" '... and delivered without a mail'
is "$(sql "select count(*) from pipeline.lookupfailure where subjecteventcrffile_id = 3801")" 0 \
	'... or a failed look-up'
start --run later --retry-for 5m --retry-every 5m 90002
until ls later/out/4-0001.*.jsonl >/dev/null 2>&1 && [ -z "$(ls later/runs)" ]; do
	kill -0 $run 2>/dev/null || break
	sleep 0.05
done
kill -TERM $run
wait $run
is $? 143 'a signal ends the wait'
is "$(jq -r .skip lines | tail -1)" IMGP-SKIP-AWAITED '... and the upload is still awaited'

# --- settings ------------------------------------------------------------------------------
uploads 3900 2 "$small"
IMGP_DATABASE="$IMGP_DATABASE dbname=nowhere" exits 2 'a database that is not there' \
	imgp-run --run wrong 3900 3901
like err 'nowhere' '... in the words of the shard'
exits 0 'with the right setting' imgp-run --run wrong --resume
exits 0 'without any setting' env -u IMGP_DATABASE -u IMGP_SPOOL -u IMGP_SOURCE \
	-u IMGP_TEMP -u IMGP_DESTINATION imgp-run --run wrong --resume
is "$(delivered 3900 3901)" 2 '... that is kept with the run'

# --- what failed for good --------------------------------------------------------------------
cat >no <<'EOF'
#!/bin/sh
cat >/dev/null
exit 1
EOF
chmod +x no
printf 'extra = required\n' >conf
uploads 3950 2 "$small"
IMGP_CONFIG=$WORK/conf exits 1 'uploads that a site refuses' \
	imgp-run --run refused --with "$WORK/no" 3950 3951
is "$(jq -r .edc_pipeline_file.status out | sort -u)" Failed '... fail for good'
exits 1 '--resume leaves them' imgp-run --run refused --resume
unlike err round '... alone'
exits 0 '--resume-failed opens them' imgp-run --run refused --resume-failed --with /usr/bin/cat
is "$(jq -r .edc_pipeline_file.status out | sort -u)" Completed '... and the last word counts'
fi
done_testing
