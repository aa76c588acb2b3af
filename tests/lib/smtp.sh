# Sourced after lib.sh by tests that need a mail server on loopback.
PYTHON=/usr/bin/python3
$PYTHON -c 'import aiosmtpd' 2>/dev/null || skip_all 'no python3-aiosmtpd'
# A sender without a domain is refused; so many machines are called.
export IMGP_MAIL_FROM=imgpipe@trial.example.org

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
	$PYTHON "$ROOT/tests/servers/smtp-sink.py" "$_s" "$@" \
		<life >"$_s/out" 2>"$_s/log" 9>&- &
	sink_pid=$!
	at_end "kill $sink_pid 2>/dev/null; wait $sink_pid 2>/dev/null"
	read -r port <"$_s/out"
}
# Fields of a stored mail, decoded by Python's parser: mail_get FILE WHAT, WHAT a
# header's name in small letters, text, html, parts, defects or csv.  All of a mail
# are taken at once, when the first is asked for.
mail_get() {
	_m=$WORK/.mail/$1
	if ! cmp -s "$1" "$_m/whole"; then
		rm -rf "$_m"
		mkdir -p "$_m"
		$PYTHON - "$1" "$_m" <<'PY' || return
import shutil, sys, email, email.policy
with open(sys.argv[1], "rb") as f:
    m = email.message_from_binary_file(f, policy=email.policy.default)


def put(what, text):
    with open(sys.argv[2] + "/" + what, "w", encoding="utf-8") as f:
        f.write(text)


for name in {k.lower() for k in m.keys()}:
    put(name, "".join(v + "\n" for v in m.get_all(name)))
for what in "plain", "html":
    part = m.get_body((what,))
    if part:
        put("text" if what == "plain" else what, part.get_content())
for part in m.iter_attachments():
    put("csv", part.get_content())
    break
put("parts", " ".join(p.get_content_type() for p in m.walk()) + "\n")
put("defects", " ".join(str(d) for p in m.walk() for d in p.defects) + "\n")
shutil.copyfile(sys.argv[1], sys.argv[2] + "/whole")
PY
	fi
	[ ! -e "$_m/$2" ] || cat "$_m/$2"
}
