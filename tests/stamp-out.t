#!/bin/bash
# Where imgp-stamp's results go: names, links, modes, interruptions, statuses.
. "$(dirname "$0")/lib/lib.sh"
# The sandbox keeps the leak checker from its work.
is_sanitized "$BUILD/bin/imgp-stamp" && export ASAN_OPTIONS=detect_leaks=0
export TMPDIR=$WORK
cat >make.py <<'EOP'
import os, sys, zipfile
sys.path.insert(0, sys.argv[1])
import hostile as h
def inst(i, tail=b""):
    h.UIDS[8, 0x18] = b"1.2.%07d.4" % i
    return h.obj(h.el(0x10, 0x10, b"PN", b"X "), tail=tail)
open("a.dcm", "wb").write(inst(0))
with zipfile.ZipFile("m.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for i in range(3):
        z.writestr("IM%d" % i, inst(i))
with zipfile.ZipFile("two.zip", "w") as z:
    kept = h.UIDS[0x20, 0xe]
    for i in (1, 2):
        h.UIDS[0x20, 0xe] = b"1.2.300%d" % i
        z.writestr("IM%d" % i, inst(i))
    h.UIDS[0x20, 0xe] = kept
with zipfile.ZipFile("big.zip", "w", zipfile.ZIP_STORED) as z:
    z.writestr("IM1", inst(1))
    z.writestr("noise", os.urandom(400000))
EOP
/usr/bin/python3 make.py "$ROOT/tests/lib" || exit 1
same() { cmp -s "$1" "$2"; ok $? "$3"; }
# Nothing but the names that are given lies in the directory d.
only() {
	is "$(find d -mindepth 1 -printf '%f\n' | sort | tr '\n' ' ')" "$1" "$2"
}
# until_there GLOB: wait until a file of that name is there.
until_there() {
	for _ in $(seq 500); do
		compgen -G "$1" >/dev/null && return 0
		sleep 0.02
	done
	return 1
}
imgp-stamp --id 77.1 -o good.dcm a.dcm
imgp-stamp --id 77.1 -o good.zip m.zip

# --- the provenance is a file of its own -------------------------------------------
mkdir d
cp a.dcm d/in
exits 2 'the provenance must not be IN' \
	imgp-stamp --id 77.1 --provenance d/in -o d/x d/in
like err '--provenance d/in: the same file as d/in$' 'and both are named'
same a.dcm d/in 'the upload is as it was'
ln d/in d/hard
exits 2 'nor another name of it' \
	imgp-stamp --id 77.1 --provenance d/hard -o d/x d/in
exits 2 'nor OUT, which is not there yet' \
	imgp-stamp --id 77.1 --provenance d/q -o "$WORK/d/q" d/in
echo kept >d/q
exits 2 'nor OUT, which is there' imgp-stamp --id 77.1 --provenance d/q -o d/q d/in
is "$(cat d/q)" kept 'which is as it was'
rm d/q d/hard
exits 0 'IN and OUT may be one' \
	imgp-stamp --id 77.1 --provenance d/p -o d/in d/in
exits 2 'undoing does not overwrite the provenance' \
	imgp-stamp --unstamp --provenance d/p -o d/p d/in
exits 0 'it is undone in place' imgp-stamp --unstamp --provenance d/p -o d/in d/in
same a.dcm d/in 'and is the upload again'
mkdir e
exits 0 'a provenance in another directory' \
	imgp-stamp --id 77.1 --provenance e/p -o d/out a.dcm
[ -s e/p ]
ok $? 'it is there'
exits 0 'OUT may be a pipe then' sh -c \
	'imgp-stamp --id 77.1 --provenance e/p2 -o /dev/stdout m.zip | cat >piped'
cmp -s piped good.zip && imgp-stamp --unstamp --provenance e/p2 -o d/out piped &&
	cmp -s d/out m.zip
ok $? 'and be undone'

# --- what fails or is interrupted leaves what was there ---------------------------
rm -f d/*
imgp-stamp --id 77.1 --provenance d/p -o d/out a.dcm
cp d/p p
exits 1 'a run that fails' \
	imgp-stamp --id 78.1 --provenance d/p -o d/out d/out
same p d/p 'keeps the provenance of the one before'
same d/out good.dcm 'and its output'
only 'out p ' 'and leaves nothing else'
mkfifo ff
for sig in TERM INT HUP; do
	# The stamped archive goes nowhere, so that it is caught in writing.
	# (A shell's background job ignores SIGINT; python starts it anew.)
	/usr/bin/python3 -c 'import time; time.sleep(20)' <ff &
	sleeper=$!
	/usr/bin/python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp("imgp-stamp", ["imgp-stamp"] + sys.argv[1:])' \
		--id 77.1 --provenance d/p -o ff big.zip 2>/dev/null &
	pid=$!
	until_there 'd/p.??????'
	ok $? "SIG$sig: it is at work"
	kill -$sig $pid
	wait $pid 2>/dev/null
	is $? $((128 + $(kill -l $sig))) "SIG$sig: it ends by that"
	kill $sleeper
	wait $sleeper 2>/dev/null
	same p d/p "SIG$sig: the provenance is the one before"
	only 'out p ' "SIG$sig: nothing is left over"
done
# A provenance that nobody reads yet holds it up when OUT is open.
imgp-stamp --id 77.1 --provenance ff -o d/new a.dcm 2>err &
pid=$!
until_there 'd/new.??????'
kill -TERM $pid
wait $pid 2>/dev/null
is $? 143 'SIGTERM while OUT is open'
only 'out p ' 'leaves nothing'
(trap '' HUP; exec imgp-stamp --id 77.1 --provenance ff -o d/new a.dcm) 2>err &
pid=$!
until_there 'd/new.??????'
kill -HUP $pid
cat ff >told
wait $pid
is $? 0 'SIGHUP that was ignored stays so'
same d/new good.dcm 'the output is there'
rm d/new
(ulimit -f 100; imgp-stamp --id 77.1 --provenance d/p -o d/new big.zip 2>err)
is $? 75 'a limit on file sizes is an error'
like err 'IMGP-STORE-FULL' 'as a full disk is'
only 'out p ' 'nothing is left over'
same p d/p 'not even a provenance'

# --- links, pipes and descriptors ----------------------------------------------------
rm -rf d
mkdir d
ln -s /proc/self/fd/1 stdout
{ printf head; imgp-stamp --id 77.1 -o stdout m.zip; } >reg
is $? 0 'a descriptor that leads to a file'
{ printf head; cat good.zip; } | cmp -s reg
ok $? 'is written to from where it is'
is "$(readlink stdout)" /proc/self/fd/1 'the link stays'
imgp-stamp --id 77.1 -o stdout m.zip | cmp -s good.zip
ok $? 'a descriptor that leads to a pipe'
ln -s ../real d/link
imgp-stamp --id 77.1 -o d/link m.zip && cmp -s real good.zip
ok $? 'a link to nothing: the file it names is made'
is "$(readlink d/link)" ../real 'the link stays'
echo old >real
imgp-stamp --id 77.1 -o d/link m.zip && cmp -s real good.zip
ok $? 'a link to a file: that one is replaced'
ln -s ../prov d/plink
imgp-stamp --id 77.1 --provenance d/plink -o d/out m.zip && [ -s prov ] &&
	[ -L d/plink ]
ok $? 'so it is with the provenance'
ln -s loop d/loop
exits 2 'a link to itself' imgp-stamp --id 77.1 -o d/loop m.zip
cat ff >piped &
imgp-stamp --id 77.1 -o ff m.zip
wait $!
same piped good.zip 'a named pipe'
exits 2 'IN through standard output' sh -c \
	'imgp-stamp --id 77.1 -o - m.zip >>m.zip'

# --- modes ---------------------------------------------------------------------------
mode() { is "$(stat -c %a "$1")" "$2" "$3"; }
umask 022
cp m.zip d/in
chmod 600 d/in
imgp-stamp --id 77.1 --provenance d/p -o d/in d/in
mode d/in 600 'in place the mode stays'
mode d/p 600 'a new provenance is its owner'"'"'s'
chmod 640 d/p
cp m.zip d/in
imgp-stamp --id 77.1 --provenance d/p -o d/new d/in
mode d/new 644 'a new OUT, too'
mode d/p 640 'the mode of a provenance stays'

# --- statuses --------------------------------------------------------------------------
for f in . /dev/null ff; do
	exits 1 "IN is $f" timeout 10 imgp-stamp --id 77.1 -o x "$f"
	like err "IMGP-STORE-NOT-FOUND: $f: not a regular file" 'it is named'
	exits 1 "the scan of $f" timeout 10 imgp-dcmscan "$f"
	like err "IMGP-STORE-NOT-FOUND: $f: not a regular file" 'it is named'
done
for f in . no/x /proc/x d/; do
	exits 2 "OUT is $f" imgp-stamp --id 77.1 -o $f m.zip
	like err "IMGP-CONFIG: $f: " 'it is named'
	exits 2 "the provenance is $f" \
		imgp-stamp --id 77.1 --provenance $f -o d/x m.zip
	like err "IMGP-CONFIG: $f: " 'it is named'
done
TMPDIR=$WORK/none exits 2 'TMPDIR is not there' imgp-stamp --id 77.1 -o - m.zip
like err 'TMPDIR: .*/none: No such file' 'it is named'
exits 1 'no JSON for --scans' imgp-stamp --scans m.zip -o x m.zip
like err ' m.zip: not strict JSON' 'it is named'
exits 2 'none for --provenance' \
	imgp-stamp --unstamp --provenance m.zip -o x good.zip
like err ' m.zip: the provenance is broken' 'it is named'
exits 2 'a closed standard output' \
	sh -c 'imgp-stamp --id 77.1 -o - m.zip >&-'
like err 'standard output is closed' 'it is said'
exits 2 'of a filter, too' sh -c 'imgp-stamp </dev/null >&-'
exits 2 'and of a scan' sh -c 'imgp-dcmscan m.zip >&-'
like err 'standard output is closed' 'it is said'
exits 0 'but OUT may be a file' sh -c 'imgp-stamp --id 77.1 -o d/y m.zip >&-'
same d/y good.zip 'it is written'
exits 0 'and standard output /dev/null' sh -c 'imgp-dcmscan m.zip <>/dev/null >&0'

# --- what is no image ---------------------------------------------------------------
/usr/bin/python3 - <<'EOT'
import tarfile, zipfile
link = zipfile.ZipInfo("link.dcm")
link.create_system, link.external_attr = 3, 0o120777 << 16
with zipfile.ZipFile("link.zip", "w") as z:
    z.writestr("a.dcm", open("a.dcm", "rb").read())
    z.writestr(link, open("a.dcm", "rb").read())
with zipfile.ZipFile("links.zip", "w") as z:
    z.writestr(link, open("a.dcm", "rb").read())
with zipfile.ZipFile("none.zip", "w") as z:
    z.writestr("readme", "no image\n")
with tarfile.open("none.tar", "w") as t:
    t.add("make.py")
EOT
for f in none.zip none.tar links.zip make.py; do
	exits 1 "$f: no image at all (M28)" imgp-stamp --id 77.1 -o x $f
	like err 'IMGP-DICOM-NONE: ' 'is said'
	is "$(wc -l <err)" 1 'in one line'
	same x $f 'it is delivered as it came'
done
exits 0 'an image and a link that holds one (R55)' \
	imgp-stamp -v --id 77.1 -o x link.zip
like err ' 1 stamped .* 0 declined' 'a link is none'
is "$(imgp-dcmscan link.zip | jq -c .listing)" '{"dicom":1,"link":1}' \
	'and is listed as a link'
rm x

# --- ids ---------------------------------------------------------------------------------
imgp-dcmscan m.zip | jq -c '.scans[].series[].atri_uid = 5' >number
exits 1 'an id that is a number' imgp-stamp --scans number -o x m.zip
like err 'number: scans: an atri_uid is not a string' 'is told as such'
imgp-dcmscan m.zip | jq -c '.scans[].series |= [.[0], .[0] + {series_uid:
    "1.2.9"}] | .scans[].series[].atri_uid = "7.1"' >twice
exits 1 'one id for two series (R61)' imgp-stamp --scans twice -o x m.zip
like err 'twice: scans: two series have the atri_uid 7.1' 'is refused'
[ ! -e x ]
ok $? 'nothing of all that was written'
mkdir spool
cp m.zip spool/upload
jq -c --arg l "file://$(realpath spool)/upload" '.local = $l' twice |
	IMGP_SPOOL=$(realpath spool) imgp-stamp >line 2>err
is "$? $(jq -c '[.errors[] | .error_code, .error]' line)" \
    '1 ["IMGP-JOB-TYPE","scans: two series have the atri_uid 7.1"]' \
	'nor is it taken from a job line (R61)'
cmp -s m.zip spool/upload
ok $? 'whose work copy stays as it was'
jq -c --arg l "file://$(realpath spool)/upload" '.local = $l' number |
	IMGP_SPOOL=$(realpath spool) imgp-stamp 2>err | jq -r '.errors[0].error' >got
is "$(cat got)" 'scans: an atri_uid is not a string' 'a number is no id there, too'
# A study may stand in several entries, each with some of its series.
imgp-dcmscan two.zip | jq -c '.scans = [.scans[0] | .series[] as $s |
    .series = [$s + {atri_uid: "7.\($s.series_uid[-1:])"}]]' >apart
exits 0 'a study in two entries of scans' imgp-stamp -v --scans apart -o x two.zip
like err ' 2 stamped' 'is one study'
done_testing
