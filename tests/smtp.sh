# Sourced after lib.sh by tests that need a mail server on loopback.
PYTHON=/usr/bin/python3
$PYTHON -c 'import aiosmtpd' 2>/dev/null || skip_all 'no python3-aiosmtpd'

# What a sink reads; it ends when no one holds the other end: with this shell.
mkfifo life
exec 9<>life

# sink NAME [OPTION...]: an SMTP sink keeping its mail in ./NAME; its port in
# $port, its process in $sink_pid.
sink() {
	_s=$1
	shift
	mkdir -p "$_s"
	mkfifo "$_s/out"
	$PYTHON "$ROOT/tests/smtp-sink.py" "$_s" "$@" \
		<life >"$_s/out" 2>"$_s/log" 9>&- &
	sink_pid=$!
	at_end "kill $sink_pid 2>/dev/null; wait $sink_pid 2>/dev/null"
	read -r port <"$_s/out"
}
# Fields of a stored mail, decoded by Python's parser: mail_get FILE WHAT, WHAT a
# header's name, text, html, parts or csv.
mail_get() {
	$PYTHON - "$1" "$2" <<'PY'
import sys, email, email.policy
with open(sys.argv[1], "rb") as f:
    m = email.message_from_binary_file(f, policy=email.policy.default)
what = sys.argv[2]
out = sys.stdout
if what == "text":
    out.write(m.get_body(("plain",)).get_content())
elif what == "html":
    out.write(m.get_body(("html",)).get_content())
elif what == "csv":
    out.write(next(m.iter_attachments()).get_content())
elif what == "parts":
    print(*(p.get_content_type() for p in m.walk()))
elif what == "defects":
    print(*(d for p in m.walk() for d in p.defects))
else:
    print(*m.get_all(what, []), sep="\n")
PY
}
