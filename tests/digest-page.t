#!/bin/sh
# The pages of digest and admin mail as a person sees them, in headless Chromium.
. "$(dirname "$0")/lib/lib.sh"
PYTHON=/usr/bin/python3
chromium=$(command -v chromium || command -v chromium-browser ||
    command -v google-chrome) || skip_all 'no Chromium'
world

# deliver ID [ERRORS]: an upload goes through the record keeping.
deliver() {
	echo "$1" | imgp-lookup | imgp-record start | jq -c '.scans =
	    [{study_uid: "1.2.3", series: [{series_uid: "1.2.3.4",
	    series_number: 1, number_of_instances: 7}]}]' | imgp-record scans |
	    jq -c --argjson e "${2:-null}" '.sha256.destination = ("ab" * 32) |
	    .bytes.destination = 734567123 |
	    if $e then .errors = $e else . end' | imgp-record finish >>finished
}
deliver 1201
deliver 1202 '[{"stage":"scan","error_code":"IMGP-ARCHIVE-DAMAGED","class":"data","error":"ends early","fatal":false,"retryable":false}]'
deliver 1203 '[{"stage":"fetch","error_code":"IMGP-SOURCE-CHANGED","class":"integrity","error":"<b>other</b> & \"bytes\"","fatal":true,"retryable":false}]'
name=$(head -1 finished | jq -r .edc_pipeline_file.file_name)
exits 0 'the page is made' imgp-digest --format html
cp out page.html
unlike page.html '<script|<link|<img|<iframe|(src|href|action)=|url\(|@import' \
    'it has no script and refers to nothing'
imgp-digest --until 2001-01-01 --format html >empty.html
IMGP_LOGS="file://$WORK/source" imgp-notify <finished >/dev/null 2>&1
$PYTHON - mail/new/* >admin.html <<'PY'
import email, email.policy, sys
# Of several letters, that about the file that failed.
for name in sys.argv[1:]:
    m = email.message_from_binary_file(open(name, "rb"), policy=email.policy.default)
    page = m.get_body(("html",)).get_content()
    if "IMGP-SOURCE-CHANGED" in page:
        break
sys.stdout.write(page)
PY

set -- page.html,360,light,1.png
! is_long || set -- "$@" page.html,360,dark,2.png page.html,1200,light,3.png \
    page.html,1200,dark,4.png empty.html,360,light admin.html,360,dark \
    admin.html,1200,light
$PYTHON "$ROOT/tests/lib/browse.py" "$chromium" "$@" >views 2>err
is "$(wc -l <views)" $# 'the browser showed all' || diag <err

i=0
for view in '360 px, light' '360 px, dark' '1200 px, light' '1200 px, dark'; do
	i=$((i + 1))
	sed -n ${i}p views >seen
	[ -s seen ] || is_long || continue
	is "$(jq -c '[.overflow, .clipped, .requests, .console]' seen)" \
	    '[0,[],[],[]]' "$view: nothing sticks out, nothing is loaded"
	is "$(jq '.contrast >= 4.5 and .small >= 10.5' seen)" true \
	    "$view: all text can be read (contrast 4.5, WCAG AA)"
	jq -r .text seen >text
	for what in "$name" '734.6 MB' 'TRC-0301' 'ATRIUIDs 1.1' IMGP-SOURCE-CHANGED \
	    'find out who changed it' '<b>other</b> & "bytes"'; do
		grep -qF "$what" text || echo "$what"
	done >lacking
	is "$(cat lacking)" '' "$view: files, codes, what to do are seen, as text"
	is "$(jq -c '[.headers, (.alt | length), (.alt[0] |
	    test("1 files were delivered, 1 delivered with errors, 1 failed"))]' seen)" \
	    '[["File","Participant","Event","Size","Scans","Upload","What happened","What to do"],1,true]' \
	    "$view: a screen reader has headers and the drawing's words"
done
is_long || done_testing
is "$(sha256sum [1-4].png | cut -c1-64 | sort -u | wc -l)" 4 \
    'narrow and wide, light and dark look different'
sed -n 5p views >seen
is "$(jq -c '[.overflow, .clipped, (.text | test("Nothing came and nothing failed"))]' seen)" \
    '[0,[],true]' 'an empty night is said so'
sed -n '6,7p' views >seen
is "$(jq -c '[.overflow, .clipped, .requests, .console, .contrast >= 4.5]' seen | uniq)" \
    '[0,[],[],[],true]' 'the admin mail: nothing sticks out, nothing is loaded, all can be read'
is "$(jq -r .text seen | grep -c 'IMGP-SOURCE-CHANGED at fetch')" 2 'and says what happened'
done_testing
