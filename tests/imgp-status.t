#!/bin/sh
# imgp-status: what is where (F28).
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
world

exits 0 'an empty record' imgp-status
like out '^image +waiting +[0-9]+  -$' 'has everything waiting'
like out 'no run has come to its end yet' 'and no run'
# ends ID ERRORS: the attempt ends with these errors.
ends() {
	echo "$1" | imgp-lookup | imgp-record start | jq -c --argjson e "$2" \
	    '.errors = $e' | imgp-record finish 2>/dev/null >>finished
}
error() { printf '[{"stage":"fetch","error_code":"%s","class":"x","error":"%s","fatal":true,"retryable":%s}]' "$@"; }
RUN=20261122T131500Z-5bd1c09e
imgp-run -q 1201 1205 >run.jsonl 2>/dev/null
ends 1202 "$(error IMGP-SOURCE-CHANGED 'other bytes' false)"
ends 1203 "$(error IMGP-STORE-UNAVAILABLE 'first try' true)"
ends 1203 "$(error IMGP-STORE-UNAVAILABLE 'second \u001b[31m try' true)"
echo 1204 | imgp-lookup | imgp-record start >/dev/null
IMGP_RUN=$RUN imgp-lookup 1206 | imgp-record start >/dev/null
imgp-record release --run $RUN
ends 1207 "$(error IMGP-STORE-UNAVAILABLE 'away' true)"
ends 1208 "$(error IMGP-STORE-INTEGRITY 'its own' true)"
sql "update edc.subjecteventcrffile set revisionnumber = 3 where id = 1207"

exits 0 'a record with some of each' imgp-status
awk '/^$/ { exit } NR > 1 { n = $(NF - 1); $1 = $(NF - 1) = $NF = ""
    gsub(/^ +| +$/, ""); print $0, n }' out | grep -v '^waiting' >states
holds states 'it counts them by state' <<'EOT'
paused 1
started 1
left 1
to retry 1
backing off 1
failed 1
waived 1
outdated 1
with errors 1
delivered 1
no pipeline 1
EOT
# section STATE: what is said of it.
section() { awk -v state="$1, " 'index($0, state) == 1 { on = 1 } /^$/ { on = 0 } on' "${2:-out}"; }
for of in '1202 failed' '1203 to retry' '1206 left' '1207 outdated' '1208 backing off' \
    '1205 with errors' '1210 no pipeline' '1211 paused' '1212 waived'; do
	section "${of#* }" | awk -v is="${of#* }" '
	    /^UPLOAD/ { list = 1 } list && $1 + 0 > 0 { print $1, is }'
done >look
holds look 'what needs a look is listed, under its state' <<'EOT'
1202 failed
1203 to retry
1206 left
1207 outdated
1208 backing off
1205 with errors
1210 no pipeline
1211 paused
1212 waived
EOT
section failed | sed 's/20..-..-..T..:..:..Z/TIME                /' >failed
holds failed 'each state with what it means and what to do' <<'EOT'
failed, 1: for good: no run takes it unless it is opened
  do:  look at its error log; once mended, imgp-record start --again
UPLOAD  REV  PIPELINE  TRY  SINCE                 CODE
  1202    1  image       1  TIME                  IMGP-SOURCE-CHANGED
EOT
due=$(sql "select pipeline.utc(ts_finish + interval '10 min') from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1208")
like out "^ *1208 +1 +image +0 +$due +IMGP-STORE-INTEGRITY$" 'when it is due is said'
IMGP_BACKOFF='2h 4h' imgp-status >later
due=$(sql "select pipeline.utc(ts_finish + interval '2 h') from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1208")
like later "^ *1208 .* $due " '... by the setting backoff'
like out "^audio: waits for the lab's agreement$" 'why a pipeline is paused'
like out '^ *1212 +image +taken back +phantom uploaded by mistake$' 'why an upload is waived'
like out '^ *1210 +1 +CONSENT +consent_pdf$' 'whose field is in no pipeline'
like out '^last run .*: 1 delivered, 1 with errors$' 'the last run'
is "$(sed -n '/^PIPELINE/,/^$/p' out | grep -v '^$' | awk '{ print index($0, "20") }' | grep -v '^0' | sort -u | wc -l)" 1 \
    'columns are aligned'
cat out later >all
imgp-status 1201 1202 1203 1204 1205 1206 1207 1208 1210 1211 1212 >>all
is "$(awk 'length > 80' all | grep -v '^    [^ ]*$')" '' \
    'no line is wider than 80 columns, unless one name is'
is "$(grep -cE '20[0-9][0-9]-[0-9][0-9]-[0-9][0-9][ T][0-9:]+([^0-9:Z]|$)' all)" 0 'all times end in Z'
sql "insert into pipeline.edcpipeline (code, ddfiles) values
    ('a-code-as-long-as-a-code-may-be-so-that-it-takes-sixty-three-AB', '{25}')"
imgp-status >long
is "$(awk 'length > 80' long)" '' '... not with the longest code either'
sql "delete from pipeline.edcpipeline where code like 'a-code%'"
unlike out "$(printf '\033')" 'no colours where there is no terminal'
exits 0 'colours when asked for' imgp-status --color always
like out "$(printf '\033')\[31mfailed" 'failed is red'
script -qec 'imgp-status' /dev/null </dev/null >screen 2>/dev/null &&
    like screen "$(printf '\033')\[31mfailed" 'colours at a terminal' ||
    skip 'colours at a terminal' 'no script(1)'
NO_COLOR=1 script -qec 'imgp-status' /dev/null </dev/null >screen 2>/dev/null &&
    unlike screen "$(printf '\033')" 'NO_COLOR is honoured' ||
    skip 'NO_COLOR is honoured' 'no script(1)'

exits 0 'the history of an upload' imgp-status 1203
# Not what a site's view may add.
"$BUILD/tests/members" | awk '/optional/ { print "^  " $1 " " }' >optional
grep -v '2[0-9][0-9][0-9]-\|^  run\|^  file\|^  path' out | grep -vf optional >history
holds history 'attempt by attempt' <<'EOT'
upload 1203, revision 1, pipeline image: to retry
  attempt 1
  attempt 2
  what to do
    to retry: failed, but not for good
      do:  nothing now: the next run tries again
    IMGP-STORE-UNAVAILABLE: the store could not be reached, or has trouble of
        its own
      do:  run again; check the store and the network
EOT
like out 'fetch   IMGP-STORE-UNAVAILABLE: first try' 'with what went wrong'
is "$(tr -d '[:print:]\n' <out | wc -c)" 0 'all of it printable (R65)'
like out 'Failed, has_error, in no digest yet' 'and in no digest'
imgp-digest
imgp-status 1203 >out
like out 'Failed, has_error, in digest 1$' 'until there was one'
exits 0 'a delivered one' imgp-status 1201
like out "^  SHA-256   $(jq -r 'select(.subject_event_crf_file_id == 1201) | .sha256.destination' run.jsonl)\$" 'has its sum'
like out '^  scans     3, 11 instances: 1.1 1.2 1.3$' 'and scans'
unlike out 'what to do' 'and needs nothing'
exits 0 'one that waits' imgp-status 1209
like out '^upload 1209, revision 1, pipeline image: waiting$' 'says so'
exits 0 'one that is waived' imgp-status 1212
tr '\n' ' ' <out >line
like line 'image: waived +waived +20[^ ]*Z by data manager, until it is taken back: +phantom uploaded by mistake' \
    'says whose word it is'
exits 0 'one whose pipeline is paused' imgp-status 1211
like out "^  paused    waits for the lab's agreement$" 'says why'
like out '^      do:  resume the pipeline, then run again$' 'and what to do'
exits 0 'one without a pipeline' imgp-status 1210
like out '^upload 1210, revision 1: no pipeline$' 'says so'
exits 0 'one that waits after a failure of its own' imgp-status 1208
like out '^  due       20..-..-..T..:..:..Z by imgp-run --pending, at once by imgp-run 1208$' \
    'says until when'
exits 0 'one with a newer revision' imgp-status 1207
is "$(grep '^upload' out | sort | sed 's/.*, //' | tr '\n' ';')" 'pipeline image: outdated;pipeline image: waiting;' \
    'shows both'
exits 1 'one that nobody knows is status 1' imgp-status 1299
like out '^upload 1299: not known' 'and said'

exits 0 'CSV' imgp-status --csv
is "$(/usr/bin/python3 -c 'import csv
r = {x["subject_event_crf_file_id"]: x for x in csv.DictReader(open("out"))}
print(len(r), r["1202"]["state"], r["1202"]["error_code"], r["1201"]["bytes"].isdigit(),
    r["1208"]["state"], r["1207"]["state"])')" \
    '8 failed IMGP-SOURCE-CHANGED True backing off outdated' 'is read by a CSV reader'
is "$(imgp-status --csv --since 1h | wc -l) $(imgp-status --csv --since 2100-01-01 | wc -l)" \
    '9 1' '--since'
is "$(imgp-status --json | jq -c '[.attention[].subject_event_crf_file_id] | sort')" \
    '[1202,1203,1205,1206,1207,1208,1210,1211,1212]' 'JSON'
imgp-status >text
imgp-status --json >json
# Every word of the text but its heads: is it in the JSON?
/usr/bin/python3 - text json >lacking <<'PY'
import json, re, sys
said = json.load(open(sys.argv[2]))
words = set()
def walk(v):
    if isinstance(v, dict):
        for k, x in v.items():
            walk(x)
            words.add(k)
    elif isinstance(v, list):
        for x in v: walk(x)
    else:
        words.update(re.split(r"[\s:,;]+", str(v)))
walk(said)
words |= {"PIPELINE", "STATE", "FILES", "OLDEST", "UPLOAD", "REV", "TRY", "SINCE",
    "DUE", "CODE", "STATUS", "UNTIL", "REASON", "FORM", "FIELD", "do", "-", "last",
    "digest", "number", "taken", "back", "compared", "all", "uploads", "with",
    "the", "record", ""}
for w in re.split(r"[\s:,;]+", open(sys.argv[1]).read()):
    if w not in words: print(w)
PY
holds lacking 'it says all that the text says' </dev/null
is "$(jq -c '.attention[] | select(.subject_event_crf_file_id == 1212) | .waiver.reason' json)" \
    '"phantom uploaded by mistake"' '... why it is waived'
is "$(imgp-status --json 1202 | jq -c '.rows[0].what_to_do | map(.error_code // .state)')" \
    '["failed","IMGP-SOURCE-CHANGED"]' '... what to do about an upload'
is "$(imgp-status --json 1203 | jq '.rows[0].errors | length')" 2 'JSON of an upload'

exits 0 'metrics' imgp-status --metrics
grep -v '^#\|waiting"\|timestamp' out >metrics
holds metrics 'in Prometheus'"'"' form (F39)' <<'EOT'
imgp_files{pipeline="audio",state="paused"} 1
imgp_files{pipeline="image",state="started"} 1
imgp_files{pipeline="image",state="left"} 1
imgp_files{pipeline="image",state="to retry"} 1
imgp_files{pipeline="image",state="backing off"} 1
imgp_files{pipeline="image",state="failed"} 1
imgp_files{pipeline="image",state="waived"} 1
imgp_files{pipeline="image",state="outdated"} 1
imgp_files{pipeline="image",state="with errors"} 1
imgp_files{pipeline="image",state="delivered"} 1
imgp_files{pipeline="",state="no pipeline"} 1
imgp_mail_waiting 0
imgp_mail_refused 0
EOT
now=$(date +%s)
is "$(awk -v now="$now" '/^imgp_last/ { print $1, now - $2 < 600 }' out | tr '\n' ' ')" \
    'imgp_last_run_timestamp_seconds 1 imgp_last_digest_timestamp_seconds 1 ' 'with the last run and digest'

sql "create role digester login in role imgp_digest"
IMGP_LEDGER=$(echo "$IMGP_DATABASE" | sed 's/user=[a-z]*/user=digester/')
export IMGP_LEDGER
{ imgp-status && imgp-status 1201 && imgp-digest && imgp-digest --resend 1 &&
    imgp-digest --stale 1h && imgp-notify </dev/null; } >out 2>err
ok $? 'the role imgp_digest is all that mail and status need' || diag <err
unset IMGP_LEDGER

exits 75 'a full disk is an error' sh -c 'imgp-status >/dev/full'
exits 2 'an id that is none' imgp-status x
exits 2 '--since without --csv' imgp-status --since 24h
exits 2 'no record' env IMGP_DATABASE=https://x/ imgp-status
exits 75 'a record that is away' env IMGP_DATABASE=host=/nowhere IMGP_DB_WAIT=0 imgp-status
done_testing
