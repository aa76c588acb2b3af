#!/bin/sh
# The pages by axe-core, which make check-axe fetches, in Chromium.
. "$(dirname "$0")/lib/lib.sh"
chromium=$(command -v chromium || command -v chromium-browser ||
    command -v google-chrome) || skip_all 'no Chromium'
AXE=$BUILD/axe/node_modules/axe-core/axe.min.js
export AXE
[ -e "$AXE" ] || skip_all 'no axe-core: make check-axe fetches it by npm'
world
imgp-run -q 1201 1203 1205 >/dev/null 2>&1
for id in 1202 1208; do
	echo $id | imgp-lookup | imgp-record start | jq -c '.errors = [{stage: "fetch",
	    error_code: "IMGP-SOURCE-CHANGED", class: "x", error: "<b>", fatal: true,
	    retryable: false}]' | imgp-record finish 2>/dev/null >>finished
done
imgp-status --html >status.html
imgp-digest --format html >digest.html
imgp-digest --until 2001-01-01 --format html >empty.html
IMGP_LOGS="file://$WORK/source" imgp-notify <finished >/dev/null 2>&1
/usr/bin/python3 - mail/new/* >admin.html <<'PY'
import email, email.policy, sys
m = email.message_from_binary_file(open(sys.argv[1], "rb"), policy=email.policy.default)
sys.stdout.write(m.get_body(("html",)).get_content())
PY
printf '<!DOCTYPE html><p style="color:#ccc">pale</p>\n' >bad.html
# browse.py VIEW...: what axe-core has against each.
axe() { /usr/bin/python3 "$ROOT/tests/lib/browse.py" "$chromium" "$@" 2>err | jq -c .axe; }
axe bad.html,1200,light >said
like said 'color-contrast' 'axe-core finds what is wrong'
for page in status digest empty admin; do
	is "$(axe $page.html,360,light $page.html,360,dark $page.html,1200,light \
	    $page.html,1200,dark | tr '\n' ' ')" '[] [] [] [] ' \
	    "$page: 0 violations, at 360 and 1200 px, light and dark"
done
done_testing
