#!/bin/bash
# S3 takes a//b, a/b and ./a/b for three keys, and programs that join a prefix and a
# name make the first of them without anyone's wish. A file system takes them for one.
# `aws s3 sync` (AWS CLI 2.9.19), s3cmd 2.3.0's sync and rclone 1.60.1's copy take such
# a bucket to a directory with status 0: one file is left of three objects, and which
# one is the matter of a moment. aws and s3cmd name each as downloaded; rclone logs an
# error of an entry that "doesn't belong in directory", and ends with 0 all the same.
# Sent back to a bucket with --delete, the others are lost there, too. Who mirrors must
# count as many files as keys, or name files by something else than the key.
set -u
for i in apt-get dpkg radosgw ceph-mon ceph-osd python3; do
	PATH=$PATH:/usr/sbin command -v $i >/dev/null || exit 77
done
/usr/bin/aws --version 2>/dev/null | grep -q '^aws-cli/2\.9\.19 ' || exit 77
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d) || exit 77
trap '"$top/scripts/s3-server" stop "$dir/rgw" >/dev/null 2>&1; rm -rf "$dir"' EXIT
cd "$dir" || exit 77
apt-get download -q s3cmd=2.3.0-1 python3-dateutil=2.8.2-2 python3-six=1.16.0-4 \
	rclone=1.60.1+dfsg-2+b5 >/dev/null 2>&1 || exit 77
for i in *.deb; do
	dpkg -x "$i" root || exit 77
done
"$top/scripts/s3-server" start "$dir/rgw" rgw >server 2>/dev/null || exit 77
# shellcheck source=/dev/null
. ./server
unset AWS_CA_BUNDLE
export HOME=$dir RCLONE_CONFIG_R_TYPE=s3 RCLONE_CONFIG_R_PROVIDER=Other \
	RCLONE_CONFIG_R_ENV_AUTH=true RCLONE_CONFIG_R_ENDPOINT=$AWS_ENDPOINT_URL
cat >s3cfg <<EOT
[default]
access_key = $AWS_ACCESS_KEY_ID
secret_key = $AWS_SECRET_ACCESS_KEY
host_base = ${AWS_ENDPOINT_URL#http://}
host_bucket = ${AWS_ENDPOINT_URL#http://}
use_https = False
EOT
s3cmd() {
	PYTHONPATH=root/usr/lib/python3/dist-packages:root/usr/share/s3cmd \
		/usr/bin/python3 -W ignore root/usr/bin/s3cmd -c s3cfg --no-progress "$@"
}
ask() { /usr/bin/python3 "$top/tests/lib/s3-ask.py" "$@"; }
aws() { /usr/bin/aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }
aws s3 mb s3://images >/dev/null 2>&1 || exit 77
for i in site1/IM1 site1//IM1 ./site1/IM1 site1/IM2; do
	printf 'I am %s' "$i" >body
	aws s3api put-object --bucket images --key "$i" --body body >/dev/null || exit 77
done
told() {		# told NAME STATUS
	echo "$1: $2, $(find "$1" -type f | wc -l) files of 4, $(grep -ciE \
		'warn|error|fail|skip|exist' said) words about it"
}
{
	aws s3 sync s3://images aws >said 2>&1
	told aws $?
	mkdir s3cmd
	s3cmd sync s3://images/ s3cmd/ >said 2>&1
	told s3cmd $?
	root/usr/bin/rclone --config /dev/null copy R:images rclone >said 2>&1
	told rclone $?
} >seen
cat seen
cmp -s seen - <<'EOT'
aws: 0, 2 files of 4, 0 words about it
s3cmd: 0, 2 files of 4, 0 words about it
rclone: 0, 2 files of 4, 1 words about it
EOT
