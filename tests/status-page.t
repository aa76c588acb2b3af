#!/bin/sh
# imgp-status --html: a page for the team, as its reader and as a browser see it.
. "$(dirname "$0")/lib/lib.sh"
PYTHON=/usr/bin/python3
world
page() { $PYTHON "$ROOT/tests/lib/page.py" "$1"; }
faults() { page "$1" | grep -v '^\(links\|ids\|text\) '; }

exits 0 'an empty record' imgp-status --html
is "$(faults out)" '' '... is a sound page'
like out 'No run has come to its end yet' '... and says that no run was'

# ends ID ERRORS: the attempt ends with these errors.
ends() {
	echo "$1" | imgp-lookup | imgp-record start 2>/dev/null | jq -c --argjson e "$2" \
	    '.errors = $e' | imgp-record finish 2>/dev/null >>finished
}
error() { jq -nc --arg c "$1" --arg e "$2" --argjson r "$3" '[{stage: "fetch",
    error_code: $c, class: "x", error: $e, fatal: true, retryable: $r}]'; }
bad='<img src=x onerror="alert(1)">&amp;</td>'
sql "update edc.subject set participant_code = 'TRC <03> \"&''/é' where id = 304"
imgp-run -q 1201 1205 >run.jsonl 2>/dev/null
ends 1202 "$(error IMGP-SOURCE-CHANGED "$bad" false)"
ends 1203 "$(error IMGP-STORE-UNAVAILABLE 'away' true)"
ends 1208 "$(error IMGP-STORE-INTEGRITY 'its own' true)"
# The view's rules hold no site's rows from before: names as bad as text can be.
apart -c "set session_replication_role = replica" \
    -c "update pipeline.edcpipelinefile set file_name = '<script>alert(1)</script> é \"''.zip'
    where subjecteventcrffile_id = 1202" \
    -c "update pipeline.edcpipelinewaiver set reason = '$bad', waived_by = '</table>'" \
    -c "update pipeline.edcpipeline set paused_reason = '<style>*{display:none}</style>'
    where code = 'audio'"
exits 0 'a record with some of each' imgp-status --html
cp out page.html
is "$(faults page.html)" '' 'it is a sound page: tags match, each link has its anchor'
page page.html >seen
for text in "$bad" '<script>alert(1)</script> é "'\''.zip' '</table>' \
    '<style>*{display:none}</style>' "TRC <03> \"&'/é"; do
	grep -qF "text $text" seen || grep -F "$text" seen >/dev/null || echo "$text"
done >lacking
is "$(cat lacking)" '' 'what looks like markup is shown as text'
unlike page.html '<script|<link|<img|<iframe|(src|action)="|href="[^#]|url\(|@import' \
    'it has no script and refers to nothing'
like page.html "Content-Security-Policy.*default-src 'none'" 'and a browser is told so'
for id in u1202 p-TRC-0301 p-TRC_20_3C03_3E_20_22_26_27_2F_C3_A9 failed to-retry \
    backing-off paused waived no-pipeline waiting days events files; do
	grep -q " id=\"$id\"" page.html || echo "$id"
done >lacking
is "$(cat lacking)" '' 'sections, participants and uploads have anchors'
for text in IMGP-SOURCE-CHANGED 'find out who changed it; re-upload as a new revision' \
    'ATRIUIDs 1.1 1.2 1.3' "$(jq -r 'select(.subject_event_crf_file_id == 1201) |
    .sha256.destination' run.jsonl)" 'run again; check the store and the network'; do
	grep -qF "$text" seen || echo "$text"
done >lacking
is "$(cat lacking)" '' 'it says what failed, why, what to do, and what was delivered'
# The numbers: those of the text form.
sed -n 's,^<section><h2 id="[^"]*">\([a-z ]*\)\, \([0-9]*\)</h2>,\1 \2,p' page.html |
    sort >counted
imgp-status --json | jq -r '[.states[] | select(.state != "delivered")] |
    group_by(.state)[] | "\(.[0].state) \(map(.files) | add)"' | sort >wanted
[ -s wanted ] && cmp -s counted wanted
ok $? 'it counts as the text does' || diff counted wanted | diag
is "$(grep -c 'id="u12' page.html) $(imgp-status --json | jq '[.states[].files] | add')" \
    '12 12' 'every upload is on it once'
is "$(sed -n '/aria-label="Files per day"/,/<\/table>/p' page.html |
    grep -o 'data-of="[a-z ]*">[0-9]*' | tail -3 | tr '\n' ' ')" \
    'data-of="delivered">1 data-of="with errors">1 data-of="failed">3 ' \
    'the table under the drawing has its numbers'

# What the text form does not show is not on it: the members of each object.
sql "select string_agg(distinct k, ' ' order by k) from
    jsonb_array_elements(pipeline.status_page('{}') -> 'data' -> 'files') f,
    jsonb_object_keys(f) k" >keys
imgp-status --json | jq -r '[.attention[] | keys[]] | unique[]' >shown
tr ' ' '\n' <keys | grep -vx 'error\|warnings\|since\|scans\|instances\|atri_uids\|participant_code\|event_code' |
    grep -vxFf shown >beyond
is "$(cat beyond) $(grep -c . shown | sed 's/^[1-9].*/some/')" ' some' 'the record hands over no member that --json does not have, but for names and scans'

# However much of the record is read for it, it says the same.
whole() { sql "select pipeline.status_page('{\"limit\": $1, \"every\": 72000}') -> 'data'" |
    jq -cS 'del(.now)'; }
few() { sql "create or replace function pipeline.$1() returns $2
    language sql immutable as 'select $3::$2'"; }
whole 2000 >all
whole 3 >three
is "$(jq -c '[.more, (.files | length), ([.groups[].files] | add)]' three)" '[9,3,12]' \
    'the newest three one by one, the others counted'
few ids_most integer 0
whole 2000 >seen
cmp -s seen all
ok $? 'all uploads are read' || diff all seen | diag
few ids_most integer 50000
few many_uploads bigint 1
is "$(sql "select pipeline.sweep_make('{\"every\": 72000}') -> 'data'
    union all select to_jsonb(pipeline.swept(72000) is not null)" | tr '\n' ' ')" \
    '{"swept": true} true ' 'a full difference is used'
whole 2000 >seen
cmp -s seen all
ok $? 'what is done is not' || diff all seen | diag
whole 3 | cmp -s - three
ok $? 'nor for the newest three'
imgp-status --html >seen
like seen '<p>All uploads were compared with the record: 2' 'the page says when all was'
unlike page.html 'were compared with the record' 'unless it was just now'
few many_uploads bigint 50000

exits 0 'into a file' imgp-status --html -o site.html
is "$(faults site.html) $(stat -c %a site.html)" ' 644' '... that a web server can read'
cp site.html before.html
exits 75 'a record that is away' env IMGP_DATABASE=host=/nowhere IMGP_DB_WAIT=0 \
    imgp-status --html -o site.html
cmp -s site.html before.html
ok $? 'leaves the page as it was'
exits 2 '-o without --html' imgp-status -o site.html
exits 2 '--html with an upload' imgp-status --html 1201
sql "create role digester login in role imgp_digest"
exits 0 'the role imgp_digest is all that it needs' env \
    IMGP_DATABASE="$(echo "$IMGP_DATABASE" | sed 's/user=[a-z]*/user=digester/')" \
    imgp-status --html
printf '[image]\nmarks = no-such\n' >wrong.conf
chmod 600 wrong.conf
IMGP_CONFIG=wrong.conf imgp-status --html >left.html 2>err
unlike left.html 'upload 1201' 'a pipeline whose settings are wrong is left out'

is_long || { skip 'in a browser' 'a sample: make check-long'; done_testing; }
chromium=$(command -v chromium || command -v chromium-browser ||
    command -v google-chrome) || {
	skip 'in a browser' 'no Chromium'
	done_testing
}
$PYTHON "$ROOT/tests/lib/browse.py" "$chromium" page.html,360,light page.html,360,dark \
    page.html,1200,light page.html,1200,dark >views 2>err
is "$(jq -c '[.overflow, .clipped, .requests, .console, .contrast >= 4.5, .small >= 10.5,
    (.alt | length)]' views | uniq -c | tr -s ' ')" ' 4 [0,[],[],[],true,true,1]' \
    'at 360 and 1200 px, light and dark: nothing sticks out, nothing is loaded, all can be read' ||
    diag <err
done_testing
