#!/bin/bash
# What imgp-s3cp writes, the tools people use read, and the other way round:
# aws, s3cmd and rclone on Ceph's gateway and on Swift, whole and in parts (M2).
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
long_only

unset AWS_PROFILE AWS_CA_BUNDLE AWS_SESSION_TOKEN
export HOME=$WORK LC_ALL=C.UTF-8 AWS_REQUEST_CHECKSUM_CALCULATION=when_required \
	IMGP_S3_PART_BYTES=5242880 IMGP_S3_MULTIPART_BYTES=5242880
url() { printf 'file://%s/%s' "$WORK" "$1"; }
head -c 100000 /dev/urandom >small
head -c 12000000 /dev/urandom >large
# shellcheck disable=SC2317	# these are called by a name put together
{
aws_get() { aws --endpoint-url "$AWS_ENDPOINT_URL" s3 cp --only-show-errors "s3://imgp-x/$1" "$2"; }
aws_put() { aws --endpoint-url "$AWS_ENDPOINT_URL" s3 cp --only-show-errors "$1" "s3://imgp-x/$2"; }
aws_list() { aws --endpoint-url "$AWS_ENDPOINT_URL" s3 ls "s3://imgp-x/$1"; }
s3cmd_get() { "${s3cmd[@]}" -q get --force "s3://imgp-x/$1" "$2"; }
s3cmd_put() { "${s3cmd[@]}" -q put "$1" "s3://imgp-x/$2"; }
s3cmd_list() { "${s3cmd[@]}" ls "s3://imgp-x/$1"; }
rclone_get() { "${rclone[@]}" copyto ":s3:imgp-x/$1" "$2"; }
rclone_put() { "${rclone[@]}" copyto "$1" ":s3:imgp-x/$2"; }
rclone_list() { "${rclone[@]}" ls ":s3:imgp-x/$1"; }
}

for server in rgw swift; do
	"$ROOT/scripts/s3-server" start "$WORK/$server" $server >server.env \
		2>server.err || no_server "no $server: $(tail -1 server.err)"
	at_end "'$ROOT/scripts/s3-server' stop '$WORK/$server'"
	# shellcheck source=/dev/null
	. ./server.env
	/usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" PUT imgp-x
	for f in small large; do
		imgp-s3cp "$(url $f)" "s3://imgp-x/ours/ü $f+1"
		ok $? "imgp-s3cp writes the $f one to $server"
	done

	host=${AWS_ENDPOINT_URL#http://}
	s3cmd=(s3cmd -c /dev/null --access_key="$AWS_ACCESS_KEY_ID"
	    --secret_key="$AWS_SECRET_ACCESS_KEY" --host="$host" --host-bucket="$host"
	    --no-ssl --region=us-east-1 --multipart-chunk-size-mb=5)
	rclone=(rclone -q --config /dev/null --s3-provider=Other --s3-env-auth
	    --s3-endpoint "$AWS_ENDPOINT_URL" --s3-upload-cutoff 5M --s3-chunk-size 5M)
	for tool in aws s3cmd rclone; do
		if ! command -v "$tool" >/dev/null; then
			skip "$tool" 'not installed'
			continue
		fi
		exits 0 "$server: $tool lists what imgp-s3cp wrote" "${tool}_list" ours/
		is "$(grep -c '100000.*ü small+1\|12000000.*ü large+1' out)" 2 \
			'... names and sizes'
		for f in small large; do
			rm -f back
			exits 0 "... reads the $f one" "${tool}_get" "ours/ü $f+1" back
			cmp -s $f back
			ok $? '... as it was'
			rm -f back
			exits 0 "$tool writes the $f one" "${tool}_put" $f "theirs/$tool $f"
			exits 0 '... and imgp-s3cp reads it' \
				imgp-s3cp "s3://imgp-x/theirs/$tool $f" "$(url back)"
			cmp -s $f back
			ok $? '... as it was'
			exits 0 '... and copies it, and knows it again' \
				imgp-s3cp "s3://imgp-x/theirs/$tool $f" \
				"s3://imgp-x/copies/$tool $f"
			rm -f back
			imgp-s3cp "s3://imgp-x/copies/$tool $f" "$(url back)" &&
				cmp -s $f back
			ok $? '... byte for byte'
		done
	done
	if command -v rclone >/dev/null; then
		mkdir -p tree/d
		cp small tree/one
		cp large tree/d/two
		imgp-s3cp "$(url tree/one)" s3://imgp-x/tree/one
		imgp-s3cp "$(url tree/d/two)" s3://imgp-x/tree/d/two
		exits 0 'rclone check --download finds no difference' \
			"${rclone[@]}" check --download tree :s3:imgp-x/tree
	fi
done
done_testing
