#!/bin/sh
# imgp-digest: what is new, to the labs and admins.
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/smtp.sh"
world

# deliver ID [STATUS [ERRORS]]: an upload goes through the record keeping.
deliver() {
	echo "$1" | imgp-lookup | imgp-record start | jq -c '.scans =
	    [{study_uid: "1.2.3", series: [{series_uid: "1.2.3.\(.subject_event_crf_file_id)",
	    series_number: 1, number_of_instances: 7}, {series_uid: "1.2.4",
	    series_number: 2, number_of_instances: 5}]}]' |
	    imgp-record scans | jq -c --argjson e "${2:-null}" \
	    '.sha256.destination = ("ab" * 32) | .bytes.destination = 1234567 |
	    if $e then .errors = $e else . end' | imgp-record finish
}
damaged='[{"stage":"scan","error_code":"IMGP-ARCHIVE-DAMAGED","class":"data","error":"ends early","fatal":false,"retryable":false}]'
fatal='[{"stage":"fetch","error_code":"IMGP-SOURCE-CHANGED","class":"integrity","error":"other bytes","fatal":true,"retryable":false}]'
mails() { find mail/new -type f 2>/dev/null | wc -l; }
to() { grep -l "^To: $1" mail/new/*; }
clear_out() { rm -rf mail/new; }
digest() { imgp-digest >out 2>err; }

# --- the first night ---
deliver 1201 >finished
deliver 1202 "$damaged" >>finished
deliver 1203 "$fatal" >>finished
name=$(head -1 finished | jq -r .edc_pipeline_file.file_name)
place=$(head -1 finished | jq -r .destination)
# What happened by hand is told by the next that reports, once.
imgp-notify </dev/null
is "$(mails) $(cat mail/new/* | grep -c '^Subject: imgpipe: errors with 1 file$')" '2 2' \
    'failures of runs without a notify are mailed by the next, a mail a run'
clear_out
exits 0 'a preview' imgp-digest --print
cp out preview
exits 0 'sending' imgp-digest
is "$(wc -c <out) $(mails)" '0 2' 'says nothing, and mails labs and admins (M71, M75)'
labs=$(to labs@) admins=$(to admins@)
is "$(mail_get "$labs" subject)" 'imgpipe: 2 new files, 1 failed' 'the labs'\'' subject'
mail_get "$labs" text >text
sed '1d' text >body
like text '^imgpipe, the beginning to 20..-..-.. ..:..:.. UTC$' 'the window is said'
first=$(jq -r 'select(.subject_event_crf_file_id == 1201) | .edc_pipeline_file.id' finished)
second=$(jq -r 'select(.subject_event_crf_file_id == 1202) | .edc_pipeline_file.file_name' finished)
place2=$(jq -r 'select(.subject_event_crf_file_id == 1202) | .destination' finished)
who2=$(jq -r 'select(.subject_event_crf_file_id == 1202) | "\(.participant_code) \(.event_code) \(.edc_pipeline_file.id)"' finished)
who=$(head -1 finished | jq -r '"\(.participant_code) \(.event_code)"')
sum=$(printf 'ab%.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
holds body 'it lists what is new and counts what failed (M71)' <<EOT

         2  new files in quarantine, the labs' delivery area
         1  of them with errors
         1  failed to be transferred or processed
         7  uploads that no run has taken yet
         1  of them in a paused pipeline

NEW FILES

1. $name
   place        $place
   participant  ${who% *}
   event        ${who#* }
   size         1234567 bytes (1.2 MB)
   SHA-256      $sum
   scans        2, 12 instances: $first.1 $first.2

2. $second
   place        $place2
   participant  ${who2%% *}
   event        $(echo "$who2" | cut -d' ' -f2)
   size         1234567 bytes (1.2 MB)
   SHA-256      $sum
   scans        2, 12 instances: ${who2##* }.1 ${who2##* }.2
   with error   IMGP-ARCHIVE-DAMAGED
                the archive is damaged or cut short
EOT
mail_get "$admins" text >text
sed -n '/^FAILED/,$p' text >failed
holds failed 'the admins are told what failed, and what to do' <<EOT
FAILED

1. upload 1203, revision 1: failed for good after attempt 1
   file     $(tail -1 finished | jq -r .edc_pipeline_file.file_name)
   error    IMGP-SOURCE-CHANGED
   means    the upload changed under the same revision
   do       find out who changed it; re-upload as a new revision
   said     other bytes
EOT
sed 1d preview >p
sed 1d text >t
is "$(cmp p t && echo same)" same 'the preview had said the same'
is "$(mail_get "$labs" csv | $PYTHON -c 'import csv, sys
r = list(csv.DictReader(sys.stdin))
print(len(r), r[0]["file_name"], r[0]["bytes"], r[0]["sha256"] == "ab" * 32, r[1]["error_code"])')" \
    "2 $name 1234567 True IMGP-ARCHIVE-DAMAGED" 'a CSV of them goes along'
is "$(mail_get "$admins" csv | tail -n +2 | wc -l)" 3 'the admins'\'' has what failed too'
id=$(mail_get "$labs" message-id)
clear_out

# --- the following nights ---
exits 0 'a night without news' imgp-digest
labs=$(to labs@)
is "$(mail_get "$labs" subject)" 'imgpipe: 0 new files' 'still says so (M73)'
[ "$(mail_get "$labs" message-id)" != "$id" ]
ok $? 'and is another mail'
clear_out
if is_long; then
IMGP_DIGEST_EMPTY=no digest
is "$(mails)" 0 'digest_empty = no: it does not (M73)'
deliver 1204 >/dev/null
IMGP_SUCCESS=off digest
is "$(mails) $(mail_get "$(to labs@)" subject)" '1 imgpipe: 1 new file' \
    'success = off: the labs alone (M75)'
is "$(mail_get "$(to labs@)" text | grep -c '^[0-9]*\. ')" 1 \
    'what was in a digest is in no other (M73)'
clear_out
is "$(imgp-digest --print --since 24h | grep -c '^[0-9]*\. ')" 4 \
    '--since shows what was sent as well'
is "$(imgp-digest --until 2001-01-01 | sed -n 3p)" \
    "         0  new files in quarantine, the labs' delivery area" '--until'
digest
is "$(mail_get "$(to labs@)" subject)" 'imgpipe: 0 new files' 'showing moved no mark'
clear_out
is "$(imgp-digest --since 24h --format json | jq -r '.counts.new, .files[0].file_name' | tr '\n' ' ')" \
    "3 $name " '--format json'
is "$(imgp-digest --since 24h --format csv | wc -l)" 5 '--format csv'
is "$(imgp-digest --since 24h --format json | jq -c '[.counts.waiting, .counts.paused]')" \
    '[6,1]' 'uploads without a row are counted (M71)'
sql "update pipeline.edcpipeline set paused_until = now() - interval '1 s' where paused"
is "$(imgp-digest --since 24h --format json | jq -c '[.counts.waiting, .counts.paused]')" \
    '[6,0]' '... a pause that has ended is none'
sql 'update pipeline.edcpipeline set paused_until = null where paused'

# --- the last 24 hours, mailed (M59) ---
sql 'select id, ts_sent from pipeline.digest order by id' >before
exits 0 '--since 24h --send' imgp-digest --since 24h --send
is "$(wc -c <out) $(mails) $(mail_get "$(to labs@)" subject)" \
    '0 2 imgpipe: 3 new files, 1 failed' 'mails labs and admins what came in that time'
like "$(to labs@)" "$name" '... the files'
sql 'select id, ts_sent from pipeline.digest order by id' >after
cmp -s before after
ok $? '... and moves no mark'
clear_out
exits 0 'a window without news' imgp-digest --since 2001-01-01 --until 2001-01-02 --send
is "$(mail_get "$(to labs@)" subject)" 'imgpipe: 0 new files' 'is mailed, too'
clear_out
exits 0 '-n' imgp-digest -n --since 24h --send
like out '^imgpipe, ' 'shows it'
is "$(mails)" 0 'and mails nothing'

# --- what was so at delivery ---
sql "update edc.subject set participant_code = 'TRC-9999' where participant_code = '${who% *}'"
is "$(imgp-digest --since 24h --format json | jq -r '.files[0].participant_code')" "${who% *}" \
    "a file's participant is the one of its delivery"
is "$(IMGP_DESTINATION=s3://elsewhere imgp-digest --since 24h --format json |
    jq -r '.files[0].place')" "$place" '... and so is its place'
sql "update edc.subject set participant_code = '${who% *}' where participant_code = 'TRC-9999'"
exits 0 'the first digest once more' imgp-digest --resend 1
is "$(mail_get "$(to labs@)" message-id)" "$id" 'is the same mail'
clear_out
fi

# --- labs of their own; hostile names ---
deliver 1205 >/dev/null
if is_long; then
unset IMGP_LABS
digest
is "$(mails) $(mail_get mail/new/* to)" '1 admins@example.org' 'without labs the admins alone'
clear_out
IMGP_SUCCESS=off digest
is "$(mails) $(mail_get mail/new/* to)" '1 admins@example.org' 'who stand in for the labs then'
clear_out
fi
export IMGP_LABS=labs@example.org
sql "begin; alter table pipeline.edcpipelinefile disable trigger guard;
    update pipeline.edcpipelinefile set file_name = '=cmd|x' || chr(27) || '\"y' || chr(10) || 'z'
    where subjecteventcrffile_id = 1205; commit"
imgp-digest --since 24h --format csv >csv
imgp-digest --since 24h >text
like csv '^"'\''=cmd\|x.x1b""y.x0az",' 'no cell is a formula (R65)'
is "$(cat csv text | tr -d '[:print:]\r\n' | wc -c)" 0 'all is printable (R65)'
if is_long; then
imgp-digest --since 24h --format html >html
sed -n 's/^   scans .* instances: //p' text | sed 's/^/ATRIUIDs /' | sort >ids
[ -s ids ] && grep -o 'ATRIUIDs [^<]*' html | sort | cmp -s - ids
ok $? 'the page has the ATRIUIDs that the text has' || diag <ids
fi

# --- the mail server ---
sink smtp
echo data452 >smtp/mode
deliver 1206 >/dev/null
export IMGP_MAIL="smtp://127.0.0.1:$port"
exits 75 'a mail server that puts it off is status 75 (R44)' imgp-digest
like err '^imgp-digest: IMGP-MAIL-UNAVAILABLE: to labs@example.org: .*452' 'and named'
if is_long; then
exits 75 'the next night neither' imgp-digest
echo ok >smtp/mode
exits 0 'the night after that' imgp-digest
for f in smtp/*.eml; do
	mail_get "$f" to
	mail_get "$f" subject
done | paste - - | sort | uniq -c | sed 's/^ *//' >arrived
holds arrived 'all nights arrive, each once (R44)' <<'EOT'
2 admins@example.org	imgpipe: 0 new files
1 admins@example.org	imgpipe: 1 new file
2 labs@example.org	imgpipe: 0 new files
1 labs@example.org	imgpipe: 1 new file
EOT
rm -f smtp/*.e*
IMGP_LABS=gone@example.org exits 1 'a reader who is refused is status 1' imgp-digest
imgp-digest --print >out
like out 'Mail to gone@example.org of .* is refused' 'and the admins are told (R45)'
rm -f smtp/*.e*

# --- crashes: the connection breaks after the final dot; the process dies ---
deliver 1207 >/dev/null
echo drop >smtp/mode
exits 75 'the server takes it and hangs up' imgp-digest
echo ok >smtp/mode
exits 0 'sent again' imgp-digest
is "$(cat smtp/*.eml | grep -i '^message-id' | sort | uniq -c | awk '{print $1}' | sort -u | tr '\n' ' ')" \
    '1 2 ' 'at most twice, with the same Message-ID (R46)'
fi

is_long || done_testing	# a sample ends here
# --- the watch ---
echo ok >smtp/mode
exits 1 'no run ever: stale (F22)' imgp-digest --stale 26h
like err 'no run has ever come to its end' 'it says so'
rm -f smtp/*.e*
echo 1201 | imgp-lookup | imgp-notify >/dev/null 2>&1
if is_long; then
exits 0 'a run that ended: not stale' imgp-digest --stale 26h
is "$(wc -c <err)" 0 'and silent'
sql "update pipeline.run set ts_finish = ts_finish - interval '27 hours'"
exits 1 '27 hours ago: stale' imgp-digest --stale 26h
is "$(mail_get "$(grep -l 'no run' smtp/*.eml | tail -1)" subject)" 'imgpipe: no run for 26 hours' \
    'the admins are mailed'
n=$(find smtp -name '*.eml' | wc -l)
imgp-digest --stale 26h 2>err
is "$(find smtp -name '*.eml' | wc -l)" "$n" 'once a day'

# --- the labs' lists, and the ping ---
printf '%s\n' 1208 1209 | imgp-run -q -j1 >run.jsonl 2>/dev/null
mkdir -p hook
mkfifo hook/out
$PYTHON "$ROOT/tests/servers/topic" hook >hook/out &
at_end "kill $! 2>/dev/null"
read -r ping <hook/out
exits 0 'a digest with lists' env IMGP_MANIFEST=yes \
    IMGP_PING="http://127.0.0.1:$ping/ping/me" imgp-digest
is "$(cut -c67- images/manifests/image/SHA256SUMS | tail -2)" \
    "$(jq -r .destination run.jsonl | sed "s,file://$WORK/images/,,")" \
    'SHA256SUMS has what is delivered (F30)'
tail -2 images/manifests/image/SHA256SUMS >last
(cd images && sha256sum -c --quiet ../last)
ok $? 'and sha256sum checks it'
is "$(cut -d, -f1 images/manifests/image/new-2*Z-*.csv | wc -l)" 3 'new-TIME-N.csv what is new'
like hook/pings '^/ping/me$' 'a watch elsewhere is told (F22)'
IMGP_PING="http://127.0.0.1:$ping/SECRET?fail" exits 0 'a ping that fails is no failure' imgp-digest
like err 'ping answered with status 500' 'but named'
unlike err SECRET 'without its address'

# --- a very big night, and labs of their own ---
export IMGP_MAIL="file://$WORK/mail"
clear_out
sql "begin; insert into pipeline.edcpipelinefile (edcpipeline_id,
	subjecteventcrffile_id, revision_number, file_name, file_path)
	select 1, 100000 + i, 1, 'big-' || i || '.zip', 'q/' from generate_series(1, 4500) i;
	insert into pipeline.edcpipelinefiledicom (edcpipelinefile_id, scan_no,
	    studyuid, serieuid, number_of_instances) select f.id, i, '1.2', '1.2.' || i, 2
	from pipeline.edcpipelinefile f, generate_series(1, 25) i
	where f.subjecteventcrffile_id = 100001;
	insert into pipeline.outcome (edcpipelinefile_id, attempt, lease, status, has_error)
	select f.id, 1, pipeline.new_lease(), 'Completed', false
	from pipeline.edcpipelinefile f where f.subjecteventcrffile_id > 100000 order by f.id; commit"
cat >conf <<'EOT'
[image]
labs = image-labs@example.org
[audio]
labs = audio-labs@example.org
EOT
rm -r images/manifests
IMGP_CONFIG=$PWD/conf IMGP_LABS='' IMGP_SUCCESS=off IMGP_MANIFEST=yes IMGP_MAIL_BYTES=0 \
    exits 0 'a night of 4500 files' imgp-digest
is "$(mails) $(to image-labs@ | wc -l) $(to audio-labs@ | wc -l)" '6 3 3' \
    'is three digests, to each pipeline'\''s labs (M70)'
for f in $(to image-labs@); do
	mail_get "$f" subject
	mail_get "$f" csv | tail -n +2 | cut -d, -f1 >>big
done | sort >subjects
holds subjects 'of which none is too big' <<'EOT'
imgpipe: 2000 new files
imgpipe: 2000 new files
imgpipe: 500 new files
EOT
is "$(sort big | uniq -c | awk '$1 != 1' | wc -l) $(wc -l <big)" '0 4500' 'that have each file once (M73)'
is "$(cat images/manifests/image/new-*.csv | grep -c '^"big-')" 4500 \
    'digests of one second have a list each'
is "$(for f in $(to audio-labs@); do mail_get "$f" subject; done | sort -u)" \
    'imgpipe: 0 new files' 'other labs are told of theirs alone'
is "$(grep -l '^To: image-labs' mail/new/* | while read -r f; do mail_get "$f" text; done |
    grep -c '25, 50 instances: .*\.20 and 5 more')" 1 'many scans are counted'

# --- no letter is larger than a list takes (mail_bytes) ---
clear_out
rm -r images/manifests
exits 0 'the same, as its window' imgp-digest --since 24h --send
is "$(find mail/new -size +36864c | wc -l)" 0 'no letter is larger than 36 KiB'
$PYTHON - mail/new/* >seen <<'PY'
import email, email.policy, os, re, sys
for path in sys.argv[1:]:
    m = email.message_from_binary_file(open(path, "rb"), policy=email.policy.default)
    if m["to"] != "labs@example.org": continue
    text = m.get_body(("plain",)).get_content()
    said = int(m["subject"].split()[1])
    listed = len(re.findall(r"^\d+\. \S+(, with error \S+)?$", text, re.M))
    more = re.findall(r"^and (\d+) more$", text, re.M)
    lists = re.findall(r"^  file://(\S+)$", text, re.M)
    there = sum(open(p).read().count("\n") - 1 for p in lists)
    print(said == listed + sum(map(int, more)), said == there, listed > 300,
        len(list(m.iter_attachments())), m.get_body(("html",)) is None)
PY
sort seen | uniq -c | sed 's/^ *//' >kinds
holds kinds 'each lists whole lines, says how many more, and where all are' <<'EOT'
3 True True True 0 True
EOT
is "$(cat images/manifests/image/new-*.csv | grep -c '^"big-')" 4500 '... which is true'
clear_out
rm -r images/manifests
IMGP_MANIFEST=no exits 0 'manifest = no' imgp-digest --since 24h --send
is "$(find mail/new -size +36864c | wc -l) $(find images -name manifests)" '0 ' 'writes no list'
like "$(to labs@ | head -1)" 'from the admins: imgp-digest --since' '... and says who has it'
clear_out
IMGP_MAIL_BYTES=30000 imgp-digest --since 24h --until 2001-01-02 --send
is "$(mail_get "$(to labs@)" parts | tr ' ' '\n' | grep -c html)" 1 'a small one has its page'
clear_out
IMGP_MAIL_BYTES=6000 imgp-digest --since 2001-01-01 --until 2001-01-02 --send
is "$(mail_get "$(to labs@)" parts | tr ' ' '\n' | grep -c html)" 0 'the page is what goes first'
clear_out

# --- the place of each file ---
sql "begin; alter table pipeline.edcpipelinefile disable trigger guard;
    update pipeline.edcpipelinefile set status = 'Completed', ts_finish = now(),
	sha256_destination = repeat('cd', 32), destination = 's3://old-bucket/q/big-1.zip'
    where file_name = 'big-1.zip'; commit"
exits 0 'a file of another bucket' env IMGP_MANIFEST=yes imgp-digest
unlike images/manifests/image/SHA256SUMS big-1.zip 'is not in the sums of this one'
like images/manifests/image/SHA256SUMS.elsewhere '^(cd){32}  s3://old-bucket/q/big-1.zip$' \
    'but in a list of its own, with its place'
clear_out

# --- carriers of their own; a sender without a domain ---
mkdir labs-mail admins-mail
IMGP_LABS_MAIL=file://$PWD/labs-mail IMGP_ADMINS_MAIL=file://$PWD/admins-mail \
    exits 0 'labs_mail and admins_mail' imgp-digest
is "$(cat labs-mail/new/* | grep '^To:') $(cat admins-mail/new/* | grep '^To:') $(mails)" \
    'To: labs@example.org To: admins@example.org 0' 'carry the letters of each'
sink own
IMGP_LABS_MAIL=smtp://127.0.0.1:1 IMGP_MAIL_TIMEOUT=1s exits 75 "the labs' server is away" imgp-digest
is "$(cat mail/new/* | grep '^To:')" 'To: admins@example.org' 'the admins have theirs'
IMGP_LABS_MAIL=smtp://127.0.0.1:$port exits 0 'it is back' imgp-digest
is "$(cut -d' ' -f2 own/*.env | sort | uniq -c | sed 's/^ *//')" '2 labs@example.org' 'and gets both letters'
clear_out
for from in imgpipe@localhost 'Trial <imgpipe@vm>'; do
	for mail in smtp://127.0.0.1:$port sendmail:/bin/true; do
		IMGP_MAIL_FROM=$from IMGP_MAIL=$mail exits 2 "$from by ${mail%%:*}" imgp-digest
		like err 'IMGP-CONFIG: mail_from: .* has no domain' '... is refused with a word'
	done
done
printf '[image]\nlabs_mail = ftp://x\n' >wrong
IMGP_LABS_MAIL=ftp://x exits 2 'labs_mail that is no carrier' imgp-digest
like err 'IMGP-CONFIG: labs_mail: mail: none of' '... is named'
IMGP_CONFIG=$PWD/wrong exits 2 '... in a section' imgp-notify </dev/null
like err 'IMGP-CONFIG: \[image\] labs_mail: ' '... with it'
IMGP_MAIL_FROM=imgpipe@localhost exits 0 'but in a Maildir it may stand' imgp-digest
clear_out
fi

# --- usage ---
exits 2 'without a record it is wrongly configured' env IMGP_DATABASE=https://x/ imgp-digest
for o in '--send' '--since 24h --send --format csv' '--since x' '--format x' '--resend 0' '--stale 0' '--print --resend 1' operand; do
	# shellcheck disable=SC2086
	imgp-digest $o >out 2>err
	[ $? -eq 2 ] || echo "$o"
done >taken
is "$(cat taken)" '' 'wrong usage'
done_testing
