#!/bin/bash
# make check-deb: the packages in a clean Debian 12.  By nothing but them and the
# guide's first block a nightly run with a digest is reached; purged, nothing stays.
. "$(dirname "$0")/lib/lib.sh"
[ -n "${DEB-}" ] || skip_all 'make check-deb'
[ "$(id -u)" = 0 ] || skip_all 'debootstrap wants root'
for t in debootstrap lintian dpkg-buildpackage dh mandoc; do
	command -v "$t" >/dev/null || skip_all "no $t here"
done
"$ROOT/scripts/deb/build" deb "$WORK/deb" >debs 2>&1
ok $? 'the packages are made' || diag <debs
lintian --allow-root --fail-on error "$WORK"/deb/*.changes >out 2>&1
ok $? 'lintian finds no error' || diag <out

# The tarball builds where there is no git.
mkdir plain
tar -C plain -xzf deb/imgpipe-*.tar.gz
is "$(ls plain/*/.git 2>/dev/null)" '' 'the source tarball has no repository in it'
is "$(sh plain/*/scripts/deb/version)" "$("$ROOT/scripts/deb/version")" \
    '... and knows its version'

# A machine: a copy of the one that was made before, where there is one.
root=$WORK/root
if [ -d "${DEBIAN-}" ]; then
	cp -a "$DEBIAN" "$root"
else
	debootstrap --variant=minbase bookworm "$root" >out 2>&1 ||
		skip_all "debootstrap: $(tail -1 out)"
fi
mkdir -p "$root/root"
cp /etc/resolv.conf /etc/hosts "$root/etc"
[ ! -d /etc/apt/apt.conf.d ] || cp -n /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d"
[ ! -e /etc/apt/apt.conf ] || cp /etc/apt/apt.conf "$root/etc/apt"
cp deb/imgpipe_*.deb deb/imgpipe-doc_*.deb "$root/root"
mount -t proc proc "$root/proc" || skip_all 'no mount here'
at_end "umount '$root/proc'"
within() { chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
at_end "chroot '$root' service postgresql stop >/dev/null 2>&1"
before() { within find / -xdev -path /proc -prune -o -name '*imgpipe*' -print |
    grep -v '^/root/\|^/var/log\|^/var/cache/apt' | sort; }

# The guide's ten commands.  Where no systemd works, a server that was installed
# is started by hand.
mandoc -Thtml "$ROOT/man/imgpipe-operator.7" | /usr/bin/python3 -c '
import html, re, sys
b = re.search(r"<pre>(.*?)</pre>", sys.stdin.read(), re.S).group(1)
print(html.unescape(re.sub(r"<[^>]*>", "", b)).strip())' >commands
awk '/<<EOF/ { n++; doc = 1; next } doc { if ($0 == "EOF") doc = 0; next }
	/^[^ \t]/ { n++ } END { print n }' commands >count
is "$(cat count)" 10 'the guide has ten commands'
within apt-get -q update >out 2>&1 || diag <out
{ echo 'cd /root; set -e'
  sed '1s/$/\nservice postgresql start/' commands
} >"$root/root/ten"
within bash /root/ten >out 2>err
ok $? '... which bring a bare Debian 12 to where it runs' || tail -20 out err | diag
"$ROOT/scripts/sample-uploads" "$root/srv/imgpipe/source"
chmod -R a+rX "$root/srv/imgpipe/source"
is "$(within crontab -l -u imgpipe | grep -c imgp-)" 3 'cron has its lines'
within crontab -l -u imgpipe | sed -n 's/^[0-9*][^ ]* [^ ]* [^ ]* [^ ]* [^ ]* //p' >night
for n in 1 2; do
	within runuser -u imgpipe -- env IMGP_CONFIG=/etc/imgpipe/imgpipe.conf \
	    sh -c "$(sed -n "${n}p" night)" >>out 2>>err
done
is "$(within runuser -u postgres -- psql -X -At -d edc -c "select count(*) > 5
	from pipeline.edcpipelinefile where status = 'Completed'")" t \
    'the run of the night delivers'
grep -rl '^To: labs@example.org' "$root/var/lib/imgpipe/mail" >letters
[ -s letters ]
ok $? 'and the digest is mailed'

# The units do their work under a systemd that runs: it is booted in a name space.
booted() { nsenter -t "$init" -a -- env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    LC_ALL=C "$@"; }
unit() { echo "$(booted systemctl show -P Result "$1") $(booted systemctl show -P ExecMainStatus "$1")"; }
if command -v systemd-nspawn >/dev/null; then
	within apt-get -q -y install systemd-sysv dbus >out 2>&1 || diag <out
	within crontab -r -u imgpipe
	within service postgresql stop >out 2>&1
	umount "$root/proc"
	systemd-nspawn -q -D "$root" -M "imgp-$$" --register=no --keep-unit --boot \
	    >boot 2>&1 </dev/null &
	container=$!
	at_end "kill $container 2>/dev/null"
	until init=$(pgrep -P $container) && state=$(booted systemctl is-system-running \
	    --wait 2>/dev/null) || [ "${state-}" = degraded ]; do
		kill -0 $container 2>/dev/null || break
		sleep 0.2
	done
	is "${state-}" running 'the machine is booted' || tail -5 boot | diag
	booted systemctl enable --now imgpipe-pending.timer imgpipe-digest.timer \
	    imgpipe-verify.timer >out 2>&1
	ok $? 'its timers are enabled' || diag <out
	edc() { booted runuser -u postgres -- psql -X -At -d edc -c "$1"; }
	edc 'update edc.subjecteventcrffile set revisionnumber = 2 where id = 1201' >out
	booted systemctl start imgpipe-pending.service 2>out
	is "$(unit imgpipe-pending.service)" 'success 0' 'the service of what waits' ||
		booted journalctl --no-pager -n 20 | diag
	is "$(edc "select status from pipeline.edcpipelinefile
	    where revision_number = 2 and subjecteventcrffile_id = 1201")" \
	    Completed '... delivers it'
	# A secret that is no file of the service's own: a credential.
	sed -i 's/^database/# &/' "$root/etc/imgpipe/imgpipe.conf"
	mkdir -p "$root/etc/credstore"
	(umask 077; echo dbname=edc >"$root/etc/credstore/imgpipe.database")
	booted systemctl start imgpipe-digest.service 2>out
	is "$(unit imgpipe-digest.service)" 'success 0' 'the digest has its database from a credential'
	# What fails is told, with its words of this time.
	rm -f "$root"/var/lib/imgpipe/mail/new/*
	printf 'wait = 1s\ndb_wait = 1s\n' >>"$root/etc/imgpipe/imgpipe.conf"
	booted systemctl stop 'postgresql@*'
	booted systemctl start imgpipe-pending.service 2>out
	is "$(unit imgpipe-pending.service)" 'exit-code 75' 'without its database it fails'
	for ((i = 0; i < 300; i++)); do
		grep -lr '^Subject: imgpipe-pending.service failed' \
		    "$root/var/lib/imgpipe/mail/new" >letter 2>/dev/null && break
		sleep 0.2
	done
	xargs cat <letter >letters
	like letters 'IMGP-DB-UNAVAILABLE' '... and its last words are mailed'
	booted systemctl poweroff
	wait $container
	rm "$root/etc/credstore/imgpipe.database"	# made by hand
	mount -t proc proc "$root/proc"
else
	skip 'under a running systemd' 'no systemd-nspawn here'
fi
if command -v systemctl >/dev/null; then
	systemctl --root="$root" enable imgpipe-pending.timer imgpipe-digest.timer \
	    imgpipe-verify.timer >out 2>&1
	ok $? 'its timers can be enabled' || diag <out
else
	skip 'its timers can be enabled' 'no systemctl here'
fi
within sh -c 'dpkg --verify imgpipe imgpipe-doc | grep -v " c /etc"' >out
[ ! -s out ]
ok $? 'nothing that the packages brought was changed' || diag <out

within crontab -r -u imgpipe 2>/dev/null
within apt-get -q -y purge imgpipe imgpipe-doc >out 2>&1
ok $? 'they are purged' || diag <out
before >left
is "$(grep -v '^/srv' left)" '' '... and leave nothing but what was delivered'
is "$(within getent passwd imgpipe)" '' '... nor a user'
done_testing
