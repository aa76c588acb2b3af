#!/bin/sh
# imgp-digest killed at each point of sending, night after night (M73, R46).
. "$(dirname "$0")/lib/lib.sh"
command -v strace >/dev/null || skip_all 'no strace'
. "$ROOT/tests/lib/smtp.sh"
world
# The leak checker cannot work in a traced process.
is_sanitized "$BUILD/bin/imgp-digest" && export ASAN_OPTIONS=detect_leaks=0
sink smtp
export IMGP_MAIL="smtp://127.0.0.1:$port" IMGP_SUCCESS=off
strace -e trace=none true 2>/dev/null || skip_all 'strace may not trace here'

# night N: 60 files are delivered, numbered from N * 1000.
night() {
	sql "begin;
	insert into pipeline.edcpipelinefile (edcpipeline_id,
	    subjecteventcrffile_id, revision_number, file_name, file_path)
	select 1, $1 * 1000 + i, 1, 'file-' || ($1 * 1000 + i) || '.zip', 'q/'
	from generate_series(1, 60) i;
	insert into pipeline.outcome (edcpipelinefile_id, attempt, lease,
	    status, has_error)
	select f.id, 1, pipeline.new_lease(), 'Completed', false
	from pipeline.edcpipelinefile f where f.subjecteventcrffile_id
	    between $1 * 1000 + 1 and $1 * 1000 + 60; commit"
}
# As if the time were over for which a killed process has its letter in hand.
time_over() { sql 'update pipeline.outbox set taken_until = now()'; }
# Every packet that the tool sends, to the database and to the mail server, is
# a point to die at: before it, with what came before it done.
points=0
nights='1 2 3 4 5'
is_long || nights=1
set -- $nights
for n in $nights; do
	night $n
	k=$n
	while :; do
		strace -f -qq -o /dev/null -e trace=sendto \
		    -e inject=sendto:signal=KILL:when=$k imgp-digest 2>>log
		[ $? -eq 137 ] || break
		time_over
		points=$((points + 1))
		k=$((k + 5))		# five nights together try every one
	done
done
imgp-digest
ok $? 'the last one, left alone, ends well'
[ "$points" -ge $((3 * $#)) ]
ok $? 'it was killed at many points' || echo "$points" | diag
echo "# killed $points times in $# nights"

$PYTHON - smtp >report <<'PY'
import collections, email, email.policy, glob, re, sys
seen = collections.Counter()		# file -> digests it stands in
copies = collections.Counter()		# Message-ID -> mails
body = {}
for f in glob.glob(sys.argv[1] + "/*.eml"):
    m = email.message_from_binary_file(open(f, "rb"), policy=email.policy.default)
    i = m["message-id"]
    copies[i] += 1
    text = m.get_body(("plain",)).get_content()
    assert body.setdefault(i, m.as_bytes()) == m.as_bytes(), "one id, two mails"
    if copies[i] == 1:
        seen.update(set(re.findall(r"^\d+\. file-(\d+)\.zip$", text, re.M)))
print("files", len(seen))
print("in more than one digest", sum(c > 1 for c in seen.values()))
print("nights", len({int(k) // 1000 for k in seen}))
print("digests", len(copies), "mails", sum(copies.values()), file=sys.stderr)
PY
holds report 'each file is in exactly one digest, no night is missing (M73)' <<EOT
files $((60 * $#))
in more than one digest 0
nights $#
EOT
is "$(sql "select count(*) from pipeline.outboxrecipient where status <> 'sent'")" 0 \
    'nothing is left to be sent'
is "$(sql "select count(*) from pipeline.digest where ts_sent is null")" 0 \
    'no digest is left open'
rm -f smtp/*.e*

# A kill between the server's answer and noting it: exactly one copy more.
night 6
strace -f -qq -s 4000 -o trace -e trace=sendto imgp-digest
done_at=$(grep -n 'outbox_done' trace | head -1 | cut -d: -f1)
rm -f smtp/*.e*
night 7
strace -f -qq -o /dev/null -e trace=sendto \
    -e inject=sendto:signal=KILL:when="$done_at" imgp-digest 2>>log
is "$(find smtp -name '*.eml' | wc -l)" 1 'killed after the server took it, before that was noted'
time_over
imgp-digest
is "$(cat smtp/*.eml | grep -i '^message-id' | sort | uniq -c | awk '{print $1}' | sort | tr '\n' ' ')" \
    '1 2 ' 'one copy more, with the same Message-ID, and the next digest (R46)'
rm -f smtp/*.e*

if is_long; then
# Two at once: who has a letter in hand is not doubled.
night 8
echo hang >smtp/mode
imgp-digest 2>>log &
first=$!
until [ "$(sql 'select count(*) from pipeline.outbox where taken_until > now()')" -gt 0 ]; do
	:	# each question is a round trip to the database
done
IMGP_DIGEST_EMPTY=no exits 0 'a second one at the same time' timeout 20 imgp-digest
kill -9 $first
wait $first 2>/dev/null
echo ok >smtp/mode
is "$(cat smtp/*.eml 2>/dev/null | grep -c 'file-8001')" 0 'leaves alone what the first has in hand'
imgp-digest
is "$(cat smtp/*.eml 2>/dev/null | grep -c 'file-8001')" 0 \
    'nor is it taken from the killed one before its time is over'
time_over
imgp-digest
is "$(cat smtp/*.eml | grep -c '^1\. file-8001')" 1 \
    'then it is sent by the next'
rm -f smtp/*.e*

# imgp-notify killed at every third call that others could see anything of, then
# run again as imgp-run does: one mail, the logs whole.
imgp-run -q 1201 1205 1299 >finished 2>/dev/null
rm -rf smtp/*.e* source/image_pipelines
k=1
points=0
while :; do
	# Another run each time, else its mail would be there already.
	IMGP_RUN=20261122T131500Z-$(printf %08x $k)
	export IMGP_RUN		# and its letters are taken over at once
	sed "s/\"run\":\"[^\"]*\"/\"run\":\"$IMGP_RUN\"/" finished >in
	sql "update pipeline.notice set message_id = null, ts_log = null,
	    run = '$IMGP_RUN'"
	rm -rf source/image_pipelines
	strace -f -qq -o /dev/null -e trace=sendto,linkat,rename,renameat2,fsync \
	    -e inject=sendto,linkat,rename,renameat2,fsync:signal=KILL:when=$k \
	    imgp-notify <in >/dev/null 2>>log
	died=$?
	imgp-notify <in >/dev/null 2>>log
	find source/image_pipelines -type f ! -name '.imgp-*' | wc -l >>logs
	[ $died -eq 137 ] || break
	points=$((points + 1))
	k=$((k + 3))
done
echo "# killed $points times"
is "$(sort -u logs)" "$(tail -1 logs)" 'the logs of every run are there (R1)'
is "$(cat smtp/*.eml | grep -i '^message-id' | sort -u | wc -l)" $((points + 1)) \
    'each run has its mail (R46)'
is "$(cat smtp/*.eml | grep -i '^message-id' | sort | uniq -c | awk '$1 > 2' | wc -l)" 0 \
    'and no more than one copy of it'
fi
done_testing
