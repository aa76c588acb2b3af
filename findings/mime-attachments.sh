#!/bin/bash
# Four programs that take attachments out of a letter, as a lab's cron job does with lists
# that are mailed, and a letter with a CSV in base64, whose lines end with CRLF, as RFC
# 4180 wants them, another of the same name, and a third of another type. ripmime
# 1.4.0.10 gives all as they were sent. munpack 1.6 turns CRLF into LF in what base64
# holds, where the type is text/...: the bytes and their sum are others, although base64
# is there to keep them; of application/octet-stream it keeps them. mshow -x of mblaze 1.1
# leaves the second file out and says "open: File exists", with status 0. uudeview 0.5.20
# -i writes the second over the first and says "3 files decoded, 0 failed".
set -u
for i in apt-get dpkg python3; do
	command -v $i >/dev/null || exit 77
done
dir=$(mktemp -d) || exit 77
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q mpack=1.6-18+b1 ripmime=1.4.0.10.debian.1-3+b1 mblaze=1.1-1 \
	uudeview=0.5.20-14 libuu0=0.5.20-14 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
LD_LIBRARY_PATH=$dir/$(dirname "$(find root/usr/lib -name 'libuu.so.*' -print -quit)")
PATH=$dir/root/usr/bin:$PATH
export LD_LIBRARY_PATH
python3 - <<'EOT' || exit 77
from email.message import EmailMessage

m = EmailMessage()
m["From"], m["To"], m["Subject"] = "a@example.org", "b@example.org", "lists"
m.set_content("Both lists.\n")
for text, subtype in (b"id,sum\r\n1.1,ab\r\n", "text"), (b"id,sum\r\n2.1,cd\r\n", "text"), \
        (b"id,sum\r\n3.1,ef\r\n", "application"):
    m.add_attachment(text, maintype=subtype, cte="base64",
                     subtype="csv" if subtype == "text" else "octet-stream",
                     filename="list.csv" if subtype == "text" else "list.bin")
with open("letter", "wb") as f:
    f.write(m.as_bytes())
EOT
tried() {		# tried NAME COMMAND...
	mkdir "$1" && cd "$1" || exit 77
	timeout 30 "${@:2}" >../out 2>../err
	echo "$1: status $?, $(grep -l sum list* | paste -sd' ')," \
		"ids $(grep -ho '^[123]\.1' list* | sort | paste -sd' ')," \
		"lines with CR $(cat list* | grep -c "$(printf '\r')")"
	cd ..
}
{
	tried munpack munpack ../letter
	tried ripmime ripmime -i ../letter -d .
	tried mshow mshow -x ../letter
	cat err
	tried uudeview uudeview -i ../letter
	grep failed out
} >seen
cat seen
cmp -s seen - <<'EOT'
munpack: status 0, list.bin list.csv list.csv.1, ids 1.1 2.1 3.1, lines with CR 2
ripmime: status 0, list.bin list.csv list_1.csv, ids 1.1 2.1 3.1, lines with CR 6
mshow: status 0, list.bin list.csv, ids 1.1 3.1, lines with CR 4
open: File exists
uudeview: status 0, list.bin list.csv, ids 2.1 3.1, lines with CR 4
3 files decoded from 1 input file, 0 failed
EOT
