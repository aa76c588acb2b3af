#!/bin/bash
# imgp-prune: what finished work leaves behind, removed by age; nothing that is still
# needed, and no row of the record (M17, M64-M67, M73, F40).
. "$(dirname "$0")/lib/lib.sh"
world
imgp-run -q --pending >run 2>/dev/null
imgp-run -q 1299 >/dev/null 2>&1	# no such upload
imgp-digest >/dev/null 2>&1
house() {		# all files with their times, and all letters
	find source temp images mail -type f -printf '%p %s %T@\n' | LC_ALL=C sort
	sql 'select id, length(message), length(body), ts_prune from pipeline.outbox order by 1'
}
rows() {		# every row of the record, but for the letters' text
	sql "select count(*), sum(hashtext(j::text)) from (
	    select to_jsonb(a) from pipeline.edcpipelinefile a union all
	    select to_jsonb(a) from pipeline.edcpipelinefiledicom a union all
	    select to_jsonb(a) from pipeline.edcpipelinefileerrorlog a union all
	    select to_jsonb(a) from pipeline.outcome a union all
	    select to_jsonb(a) from pipeline.notice a union all
	    select to_jsonb(a) from pipeline.run a union all
	    select to_jsonb(a) from pipeline.digest a union all
	    select to_jsonb(a) from pipeline.outboxrecipient a union all
	    select to_jsonb(a) - 'message' - 'body' - 'ts_prune' from pipeline.outbox a) f(j)"
}
# counts [FILE]: KIND REMOVED KEPT UNKNOWN of each line of the sum.
counts() { sed -n 's/^\([a-z-]*\): \([0-9]*\) .* bytes; \([0-9]*\) still needed, \([0-9]*\) not.*/\1 \2 \3 \4/p' out; }
name() { sql "select file_name from pipeline.edcpipelinefile where subjecteventcrffile_id = $1"; }
row() { sql "select id from pipeline.edcpipelinefile where subjecteventcrffile_id = $1"; }
old() { touch -d '100 days ago' "$@"; }

# --- what is young stays ---------------------------------------------------------
house >before
exits 0 'by default' imgp-prune
is "$(counts)" 'letters 0 0 0
run-logs 0 0 0
error-logs 0 0 0
temp 0 0 0
multipart 0 0 0' 'what is younger than 90 days is not looked at, nor provenance'
exits 0 'nor removed' imgp-prune --delete
house >after
cmp -s before after
ok $? '... nothing'

# --- a house of a hundred days -----------------------------------------------------
find source/image_pipelines -type f -exec touch -d '100 days ago' {} +
sql -c "update pipeline.outbox set ts_create = ts_create - interval '100 days'" \
    -c "update pipeline.outboxrecipient set ts = ts - interval '100 days'"
# A letter that somebody waits for, one that was refused, one of a digest that is open.
letters=$(sql 'select count(*) from pipeline.outbox')
sql -c "insert into pipeline.outbox (message_id, sender, message, subject, body, ts_create)
	select x, 's@x', 'm', 's', 'b', now() - interval '100 days' from unnest(array['waits', 'refused', 'taken', 'young']) x" \
    -c "insert into pipeline.outboxrecipient (outbox_id, address, status, ts)
	select id, 'a@x', case message_id when 'waits' then 'waiting' when 'refused' then 'refused'
	else 'sent' end, case message_id when 'young' then now() else ts_create end
	from pipeline.outbox where message_id in ('waits', 'refused', 'taken', 'young')" \
    -c "update pipeline.outbox set taken_until = now() + interval '1 hour' where message_id = 'taken'"
# Uploads that wait to be delivered: one that fails, one that a run has.
sql "insert into edc.subjecteventcrffile (id, subjecteventcrf_id, ddfile_id, revisionnumber,
    version_code, extension) select i, 5101, 21, 1, 'w' || i, '.zip' from generate_series(1301, 1304) i"
for i in 1301 1302 1303 1304; do
	cp source/subjecteventcrffile/301/5101/mri_zip/v1.zip source/subjecteventcrffile/301/5101/mri_zip/w$i.zip
done
mkdir -p spool
rm source/subjecteventcrffile/301/5101/mri_zip/w1301.zip source/subjecteventcrffile/301/5101/mri_zip/w1302.zip
imgp-run -q 1301 1302 >/dev/null 2>&1		# both fail: nothing is there
sql "insert into pipeline.edcpipelinewaiver (edcpipeline_id, subjecteventcrffile_id, reason)
    select id, 1302, 'lost' from pipeline.edcpipeline where code = 'image'"
export IMGP_RUN=20260101T000000Z-0123abcd
imgp-lookup 1303 1304 | imgp-record start | imgp-s3cp source local | imgp-dcmscan |
    imgp-record scans | imgp-stamp | imgp-s3cp local temp >staged
unset IMGP_RUN
is "$(jq -r 'select(.errors == null) | .temp' staged | wc -l)" 2 'two lie in temp'
sql "update pipeline.edcpipelinefile set lease_until = now() - interval '2 hours'
    where subjecteventcrffile_id = 1304"
logs=source/image_pipelines
echo x >$logs/run_logs/image/20260101T000000Z-0123abcd.jsonl	# of the live run
echo x >$logs/run_logs/image/notes.jsonl
echo x >$logs/error_logs/image/by_hand.txt_error_log.txt
mkdir -p temp/99 temp/shared
echo x >"temp/99/$(name 1201)"			# another id
echo x >temp/99/other.zip
echo x >temp/shared/data.bin
mkdir -p "temp/$(row 1201)"
echo x >"temp/$(row 1201)/$(name 1201)"		# left by a killed run
echo x >"temp/$(row 1201)/.imgp-0123456789abcdef01234567.0"
echo x >"images/quarantine/CTct_file/.imgp-0123456789abcdef01234567.1"
echo x >"images/quarantine/CTct_file/.imgp-other"
echo x >"images/quarantine/CTct_file/.imgp-0123456789abcdef01234567.2"
exec 8<"images/quarantine/CTct_file/.imgp-0123456789abcdef01234567.2"
flock -n 8 || echo 'Bail out! no lock'		# its writer lives
find $logs temp images/quarantine/CTct_file -type f -exec touch -d '100 days ago' {} +
echo x >"images/quarantine/CTct_file/.imgp-0123456789abcdef01234567.3"	# young
house >before
rows >rows.before
find source temp images -type f | LC_ALL=C sort >files.before

wanted="letters $((letters + 1)) 0 0
run-logs 3 1 0
error-logs 4 2 1
temp 2 1 2
multipart 2 0 0"
exits 0 'what is old is listed' imgp-prune
is "$(counts)" "$wanted" '... by kind, with what is needed and what is not in the record'
like out '^nothing was removed: --delete does it$' '... and nothing is removed'
like out "^temp +20[0-9-]*T[0-9:]*Z +[0-9]+ file://$WORK/temp/$(row 1304)/" '... each with time, size, place'
exits 0 '--delete with -n' imgp-prune -n --delete
like out '^nothing was removed: -n$' '... removes nothing, and says so'
house >after
cmp -s before after
ok $? '... neither'
exits 0 '-q' imgp-prune -q
is "$(wc -l <out)" 6 '... the sums alone'

# --- killed half way ------------------------------------------------------------------
if is_long; then
# It is stopped at its fifth unlink(2): gdb sees all of them.
if command -v gdb >/dev/null && ! is_sanitized "$BUILD/bin/imgp-prune"; then
	gdb -batch -ex 'catch syscall unlinkat' -ex run -ex 'ignore 1 8' -ex continue -ex kill \
	    --args imgp-prune --older-than 90d --delete temp run-logs error-logs >gdb.out 2>&1
	find source temp images -type f | LC_ALL=C sort >files.killed
	comm -23 files.before files.killed | wc -l >killed
	[ "$(cat killed)" -ge 1 ] && [ "$(cat killed)" -lt 9 ]
	ok $? "killed half way: $(cat killed) files are gone"
else
	skip 'killed half way' 'gdb is not there'
fi
fi
exits 0 'the rest goes the next time' imgp-prune --delete
find source temp images -type f | LC_ALL=C sort >files.after
q=images/quarantine/CTct_file
{
	find temp/99 temp/shared -type f
	echo "temp/$(row 1303)/$(name 1303)"
	echo "$logs/error_logs/image/by_hand.txt_error_log.txt"
	echo "$logs/error_logs/image/$(name 1301)_error_log.txt"
	find $logs/error_logs/_unmatched -type f
	printf '%s\n' $logs/run_logs/image/20260101T000000Z-0123abcd.jsonl \
	    $logs/run_logs/image/notes.jsonl
	find $logs/provenance source/subjecteventcrffile images -type f
} | LC_ALL=C sort >files.wanted
holds files.after 'what is needed, and what is not ours, is there' <files.wanted
is "$(ls $q/.imgp-* | sed 's/.*[.-]//' | xargs)" '2 3 other' \
    'of temporary files: that which is open, the young one, another'"'"'s'
find $logs/error_logs/_unmatched -type f >out
is "$(wc -l <out)" 1 'the log of a look-up that still fails is there'
[ ! -d "temp/$(row 1304)" ]
ok $? 'no empty directory is left in temp'
is "$(sql "select string_agg(message_id, ' ' order by id) from pipeline.outbox
    where (message <> '' or body <> '') and message_id not like 'imgp-%'")" 'waits taken young' 'letters that are not finished have their text'
is "$(sql "select count(*) from pipeline.outbox where message = '' and body = '' and ts_prune > now() - interval '1 hour'")" \
    $((letters + 1)) 'the others have none'
rows >rows.after
cmp -s rows.before rows.after
ok $? 'no row of the record is gone, nor changed'
imgp-verify --level fetch --json >verified 2>/dev/null
is "$(jq -c '[.findings[] | select(.finding != "not-delivered") | .finding]' verified)" '[]' \
    'all that was delivered is there, byte for byte'
house >before
exits 0 'once more' imgp-prune --delete
is "$(counts | cut -d' ' -f1,2 | xargs)" 'letters 0 run-logs 0 error-logs 0 temp 0 multipart 0' '... there is nothing'
house >after
cmp -s before after
ok $? '... and nothing is changed'

if is_long; then
# --- what goes on -------------------------------------------------------------------------
imgp-s3cp temp destination <staged >delivered 2>/dev/null
is "$(jq -r 'select(.subject_event_crf_file_id == 1303) | .errors' delivered)" null \
    'what a run had in temp is delivered'
imgp-record finish <delivered >/dev/null 2>&1
exits 0 '... and what it had no lease for, by the next run' imgp-run -q 1304
exits 2 'a digest whose letters lost their text' imgp-digest --resend 1
like err 'IMGP-CONFIG: .*imgp-prune removed it' '... is not sent again'
is "$(sql "select count(*) from pipeline.outboxrecipient r join pipeline.outbox o on o.id = r.outbox_id
    where o.digest_id = 1 and r.status = 'waiting'")" 0 '... and nobody waits for it'
exits 0 'the next digest' imgp-digest

# --- provenance, when it is named -----------------------------------------------------------
exits 0 'provenance, named' imgp-prune provenance
is "$(counts)" 'provenance 6 0 0' '... is listed alone'
old "$logs/provenance/image"/*
echo x >"$logs/provenance/image/by_hand.zip.prov"
mv "$logs/provenance/image/$(name 1201).prov" "$logs/provenance/image/$(name 1301).prov"
old "$logs/provenance/image"/*
exits 0 '... and removed' imgp-prune --delete provenance
is "$(counts)" 'provenance 7 1 1' '... but that of an upload that waits, and what no row names'
is "$(ls $logs/provenance/image | wc -l)" 2 '... which are there'
fi

# --- who, and what not -----------------------------------------------------------------------
sql -c 'create user keeper in role imgp_prune' -c 'create user digester in role imgp_digest'
exits 0 'a user with the role imgp_prune alone' env \
    IMGP_DATABASE="${IMGP_DATABASE/user=postgres/user=keeper}" imgp-prune --delete --older-than 0
if is_long; then
exits 2 'one without it' env \
    IMGP_DATABASE="${IMGP_DATABASE/user=postgres/user=digester}" imgp-prune --delete --older-than 0
like err IMGP-DB-DENIED '... is refused'
exits 2 'no record' env -u IMGP_DATABASE imgp-prune
exits 75 'a record that is away' env IMGP_DATABASE='host=/nowhere user=x' IMGP_DB_WAIT=0 imgp-prune
fi
exits 2 'a kind that there is not' imgp-prune uploads
like err 'letters, run-logs, error-logs, temp, multipart or provenance' '... which are there'
if is_long; then
for t in '' x -1 90y 99999999d; do
	exits 2 "an age that is none: '$t'" imgp-prune --older-than "$t"
done
echo x >$logs/run_logs/image/20250101T000000Z-0123abcd.jsonl
old $logs/run_logs/image/*
house >before
exits 2 'logs that cannot be told from uploads' env IMGP_RUN_LOG_KEY='{run}.jsonl' imgp-prune --delete
like err 'IMGP-CONFIG: run_log_key: its keys have no directory of their own' '... which is said'
exits 2 '... that lack the run' env IMGP_RUN_LOG_KEY='logs/{pipeline_code}.jsonl' \
    IMGP_LOGS="file://$WORK/source" imgp-prune --delete
exits 2 'a temp key without the name' env IMGP_TEMP_KEY='{edc_pipeline_file.id}' imgp-prune --delete temp
house >after
cmp -s before after
ok $? '... and nothing is removed'
exits 75 'a place that is not there' env IMGP_TEMP="file://$WORK/none" imgp-prune --delete
like err IMGP-PLACE-MISSING '... is named'
is "$(counts | grep run-logs)" 'run-logs 1 0 0' '... the rest is done'
like out '^temp: .*; 1 failed$' '... and the sum says so'
fi

# --- S3 ------------------------------------------------------------------------------------------
# A server whose objects are old.
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
export IMGP_TEMP=s3://tmp IMGP_LOGS=s3://log
for i in 1 2 3 4 5 6; do
	echo x >"run$i"
	imgp-s3cp "$(url "run$i")" "s3://log/image_pipelines/run_logs/image/2025010${i}T000000Z-0123abcd.jsonl"
done
imgp-s3cp "$(url run1)" s3://log/image_pipelines/run_logs/image/other.txt
imgp-s3cp "$(url run1)" s3://log/subjecteventcrffile/1/2/3/v1.zip
imgp-s3cp "$(url run1)" "s3://tmp/$(row 1201)/$(name 1201)"
imgp-s3cp "$(url run1)" "s3://tmp/$(row 1202)/$(name 1201)"
# killed at the third removal, whose answer does not come
faults '1+2 DELETE ^/log stall 9'
imgp-prune --delete run-logs >out 2>err &
pid=$!
until [ "$(asked DELETE)" -ge 3 ]; do sleep 0.05; done
kill -9 $pid
wait $pid 2>/dev/null
n=$(state | grep -c ' /log/image_pipelines/run_logs/image/2025')
[ "$n" -ge 3 ] && [ "$n" -lt 6 ]
ok $? "killed half way in S3: $n of 6 logs are there"
faults '1 DELETE ^/tmp status 403 AccessDenied'
exits 75 'once more, without the right to delete in temp' imgp-prune --delete
like err 'IMGP-STORE-DENIED' '... which is named'
is "$(counts | grep -v letters)" "run-logs $n 0 0
error-logs 0 0 0
temp 0 0 1
multipart 0 0 0" '... the rest is done'
faults
exits 0 'and again' imgp-prune --delete
is "$(counts | grep temp)" 'temp 1 0 1' '... all'
is "$(state | grep -E '^object /(log|tmp)/' | cut -d' ' -f2-6 | sed 's/ [0-9]*$//' | LC_ALL=C sort)" "/log/image_pipelines/run_logs/image/other.txt
/log/subjecteventcrffile/1/2/3/v1.zip
/tmp/$(row 1202)/$(name 1201)" 'what is not ours stays'
if is_long; then
# Uploads in parts, over several pages; one whose server does not say when it began.
ask() { /usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@" >out; }
for k in "$(row 1201)/$(name 1201)" "$(row 1202)/$(name 1202)" "$(row 1203)/$(name 1203)" \
    "$(row 1203)/$(name 1203)" "99/x &+"; do
	ask POST "tmp/$k?uploads"
done
faults '9 GET uploads no-time'
exits 0 'uploads of unknown age' imgp-prune --delete --older-than 0 multipart
is "$(counts) $(state | grep -c ^upload)" 'multipart 0 0 0 5' '... stay'
faults
exits 0 'old ones' imgp-prune --delete multipart
is "$(counts)" 'multipart 4 0 1' '... go, whatever page they are on'
is "$(state | grep ^upload)" 'upload /tmp/99/x &+' '... but for one that no row names'

# Ceph's gateway: uploads in parts.
"$ROOT/scripts/s3-server" start "$WORK/rgw" rgw >rgw.env 2>rgw.err || {
	[ -z "${S3_REQUIRED-}" ] || { echo "Bail out! $(tail -1 rgw.err)"; exit 1; }
	skip "Ceph's gateway" "$(tail -1 rgw.err)"
	done_testing
}
at_end "'$ROOT/scripts/s3-server' stop '$WORK/rgw'"
# shellcheck source=/dev/null
. ./rgw.env
s3() { /usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"; }
open_uploads() { s3 GET "$1?uploads=" | grep -o '<Key>[^<]*' | sed 's/<Key>//' | LC_ALL=C sort; }
for b in src tmp img log; do s3 PUT "imgp-$b"; done
export IMGP_TEMP=s3://imgp-tmp IMGP_DESTINATION=s3://imgp-img IMGP_LOGS=s3://imgp-log
sql "insert into edc.subjecteventcrffile (id, subjecteventcrf_id, ddfile_id, revisionnumber,
    version_code, extension) values (1305, 5101, 21, 1, 'w1304', '.zip')"
imgp-lookup 1305 | imgp-record start >held 2>/dev/null	# a run has it
key() { sql "select file_path || file_name from pipeline.edcpipelinefile where subjecteventcrffile_id = $1"; }
for k in "imgp-tmp/$(row 1201)/$(name 1201)" "imgp-tmp/$(row 1305)/$(name 1305)" imgp-tmp/99/x \
    "imgp-img/$(key 1201)" "imgp-img/$(key 1305)" "imgp-img/elsewhere/$(name 1201)" \
    'imgp-img/a b+ü'; do
	s3 POST "$k?uploads" >out
done
for k in "$(row 1201)/$(name 1201)" "$(row 1305)/$(name 1305)" 99/x; do
	imgp-s3cp "$(url run1)" "s3://imgp-tmp/$k"
done
imgp-s3cp "$(url run1)" s3://imgp-log/image_pipelines/run_logs/image/20250101T000000Z-0123abcd.jsonl
exits 0 'what is younger than a day' imgp-prune --delete --older-than 1d
is "$(counts | grep -v letters)" 'run-logs 0 0 0
error-logs 0 0 0
temp 0 0 0
multipart 0 0 0' '... stays, by the times of the gateway'
exits 0 'with no age' imgp-prune --older-than 0
open_uploads imgp-tmp >listed
open_uploads imgp-img >>listed
is "$(wc -l <listed)" 7 '... a dry run ends no upload'
exits 0 '--delete' imgp-prune --older-than 0 --delete
is "$(counts | grep -v letters)" 'run-logs 1 0 0
error-logs 0 0 0
temp 1 1 1
multipart 2 2 3' '... ends those of rows that no run has'
{ open_uploads imgp-tmp; open_uploads imgp-img; } >listed
{
	printf '%s\n' "$(row 1305)/$(name 1305)" 99/x | LC_ALL=C sort
	printf '%s\n' "$(key 1305)" "elsewhere/$(name 1201)" 'a b+ü' | LC_ALL=C sort
} >wanted
cmp -s listed wanted
ok $? '... and no other' || diff listed wanted | diag
exits 0 'once more' imgp-prune --older-than 0 --delete
is "$(counts | grep -v letters | cut -d' ' -f1,2 | xargs)" 'run-logs 0 error-logs 0 temp 0 multipart 0' \
    '... there is nothing'
fi
done_testing
