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

exits 0 'a record with some of each' imgp-status
awk '/^image/ { print $2, $3 == "errors" || $3 == "retry" ? $3 " " $4 : $3 }' out |
    grep -v waiting >states
holds states 'it counts them by state' <<'EOT'
started 1
left 1
to retry 1
failed 1
with errors 1
delivered 1
EOT
sed -n '/^Look at/,/^$/p' out | awk 'NR > 2 { print $1, $4 }' | sort >look
holds look 'what needs a look is listed' <<'EOT'
 
1202 failed
1203 to
1206 left
EOT
like out '^last run .*: 1 delivered, 1 with errors$' 'the last run'
is "$(sed -n '/^PIPELINE/,/^$/p' out | grep -v '^$' | awk '{ print index($0, "20") }' | grep -v '^0' | sort -u | wc -l)" 1 \
    'columns are aligned'
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
exits 0 'one that waits' imgp-status 1207
like out '^upload 1207: waiting' 'says so'
exits 1 'one that nobody knows is status 1' imgp-status 1299
like out '^upload 1299: not known' 'and said'

exits 0 'CSV' imgp-status --csv
is "$(/usr/bin/python3 -c 'import csv
r = {x["subject_event_crf_file_id"]: x for x in csv.DictReader(open("out"))}
print(len(r), r["1202"]["state"], r["1202"]["error_code"], r["1201"]["bytes"].isdigit())')" \
    '6 failed IMGP-SOURCE-CHANGED True' 'is read by a CSV reader'
is "$(imgp-status --csv --since 1h | wc -l) $(imgp-status --csv --since 2100-01-01 | wc -l)" \
    '7 1' '--since'
is "$(imgp-status --json | jq -c '[.attention[].subject_event_crf_file_id] | sort')" \
    '[1202,1203,1206]' 'JSON'
is "$(imgp-status --json 1203 | jq '.rows[0].errors | length')" 2 'JSON of an upload'

exits 0 'metrics' imgp-status --metrics
grep -v '^#\|waiting"\|timestamp' out >metrics
holds metrics 'in Prometheus'"'"' form (F39)' <<'EOT'
imgp_files{pipeline="image",state="started"} 1
imgp_files{pipeline="image",state="left"} 1
imgp_files{pipeline="image",state="to retry"} 1
imgp_files{pipeline="image",state="failed"} 1
imgp_files{pipeline="image",state="with errors"} 1
imgp_files{pipeline="image",state="delivered"} 1
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
