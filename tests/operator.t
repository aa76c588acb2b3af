#!/bin/bash
# imgpipe-operator(7): every command in it, as it stands rendered, in its order, on
# an installed tree, by users with no more than their roles.
. "$(dirname "$0")/lib/lib.sh"
[ "$(id -u)" = 0 ] || skip_all 'root alone can be several users'
edc
chmod 755 "$WORK" "$(readlink -f pg/cluster)"
host=${IMGP_DATABASE#host=}
host=${host%% *}
make -s -C "$ROOT" B="$BUILD" PREFIX=/usr/local DESTDIR="$WORK/inst" install \
	>out 2>&1 </dev/null
ok $? 'make install' || diag <out

# A machine of its own: /etc, /var, /srv and /usr/local are the test's.
cp -a /etc etc
echo 'imgpipe:x:64991:64991::/var/lib/imgpipe:/usr/sbin/nologin' >>etc/passwd
echo 'imgpipe:x:64991:' >>etc/group
mkdir -p var/backups var/lib srv stubs
"$ROOT/scripts/sample-uploads" "$WORK/srv/imgpipe/source" || exit 1
chmod -R a+rX srv
# What is not ours: packages are for tests/deb.t, systemd and cron are asked whether
# they would find what is named.
cat >stubs/apt-get <<'EOT'
#!/bin/sh
EOT
cat >stubs/systemctl <<'EOT'
#!/bin/sh
for u; do
	case $u in
	*.timer)	[ -e "/usr/local/lib/systemd/system/$u" ] || exit 5 ;;
	esac
done
EOT
cat >stubs/crontab <<'EOT'
#!/bin/sh
[ "$1 $2" = '-u imgpipe' ] || exit 1
[ "$3" = -r ] || cp "$3" /var/crontab
EOT
chmod +x stubs/*
inside() {
	unshare -m sh -c 'for d in etc var srv usr/local; do
		s=$d; [ $d != usr/local ] || s=inst/usr/local
		mount --bind "$1/$s" /$d || exit; done; shift; exec "$@"' \
	    sh "$WORK" env -i PATH="$WORK/stubs:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" \
	    PGHOST="$host" LC_ALL=C "$@"
}
inside true 2>why || skip_all "no mount namespace here: $(cat why)"

# The blocks, as a browser has them; the tree lies in /usr/local here.
mandoc -Thtml "$ROOT/man/imgpipe-operator.7" | /usr/bin/python3 -c '
import html, re, sys
page = sys.stdin.read()
for n, b in enumerate(re.findall(r"<pre>(.*?)</pre>", page, re.S)):
    text = html.unescape(re.sub(r"<[^>]*>", "", b)).strip("\n") + "\n"
    open("block.%02d" % n, "w").write(text.replace("/usr/share", "/usr/local/share"))
'
blocks=$(ls block.* | wc -l)
[ "$blocks" -gt 15 ]
ok $? "there are $blocks blocks of commands"
# A command begins where a line is not indented, and no document goes on.
awk '/<<EOF/ { n++; doc = 1; next } doc { if ($0 == "EOF") doc = 0; next }
	/^[^ \t]/ { n++ } END { print n }' block.00 >commands
is "$(cat commands)" 10 'the first has ten commands'

# Installing by hand is what the package does before all.
{
	echo 'trap '\''echo "$? $BASH_COMMAND" >>/var/failed'\'' ERR'
	cat block.01 block.00
	# The sample's paused pipeline, and its broken uploads, are part of the tour.
	for f in block.*; do
		case $f in *.00|*.01) ;; *) cat "$f" ;; esac
	done
} >tour
: >var/failed
inside bash tour >out 2>err
is "$(grep -vE '^(1|75) runuser -u imgpipe -- imgp-(run|verify|status)|^1 .* imgp-verify --repair' var/failed)" '' \
    'each command does its work' || {
	cat var/failed
	tail -40 err
} | diag
is "$(grep -c doctor var/failed)" 0 'the doctor finds nothing that keeps a run from going'
like out '^ct ' 'a pipeline is registered and listed'
like out '^cut = required' "a pipeline's settings are shown"
psql() { command psql -X -q -At -d "host=$host dbname=edc user=postgres" -c "$1"; }
is "$(psql "select rolsuper or rolcreaterole from pg_roles where rolname = 'imgpipe'")" f \
    'the user of the night is no administrator'
is "$(psql "select has_table_privilege('imgpipe', 'pipeline.edcpipelinefile', 'select')")" f \
    '... and sees no table of the record'
is "$(psql "select count(*) > 5 from pipeline.edcpipelinefile
	where status = 'Completed'")" t 'uploads are delivered'
[ -s var/backups/pipeline.sql ]
ok $? 'the record is saved'

# The night: the crontab's run and digest.
sed -n 's/^[0-9*][^ ]* [^ ]* [^ ]* [^ ]* [^ ]* //p' \
    inst/usr/local/share/imgpipe/crontab >night
psql "insert into edc.subjecteventcrffile (id, subjecteventcrf_id, ddfile_id,
	revisionnumber, version_code, extension)
	values (1400, 5101, 21, 1, 'v9', '.zip')"
cp "$(find srv/imgpipe/source -name v1.zip | head -1)" \
    srv/imgpipe/source/subjecteventcrffile/301/5101/mri_zip/v9.zip
for n in 1 2; do
	inside runuser -u imgpipe -- env IMGP_CONFIG=/etc/imgpipe/imgpipe.conf \
	    sh -c "$(sed -n "${n}p" night)" >out 2>err
	case $? in
	0|1|75)	;;
	*)	echo "$n" ;;
	esac
done >bad
is "$(cat bad)" '' 'the night runs'
is "$(psql "select status from pipeline.edcpipelinefile
	where subjecteventcrffile_id = 1400")" Completed 'a new upload is delivered in it'
grep -rl '^To: labs@example.org' var/lib/imgpipe/mail >letters
[ "$(wc -l <letters)" -ge 2 ]
ok $? 'and the labs have a digest of it'

# The codes of the page are those of the dictionary.
mandoc -Tascii "$ROOT/man/imgpipe-operator.7" | sed 's/.\x08//g' |
    grep -Eo 'IMGP-[A-Z]+(-[A-Z]+)*' | sort -u >told
cut -f1 "$ROOT/libimgpipe/base/errors.tsv" | sort -u >known
is "$(comm -23 told known)" '' 'every code that it names is one'
done_testing
