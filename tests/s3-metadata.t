#!/bin/bash
# What a copy within S3 has of its source beside the bytes, whole and in parts (R33).
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
head -c 300000 /dev/urandom >small
head -c 6000000 /dev/urandom >large
ask() { /usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"; }
# put KEY FILE HEADER...: as another program does, with nothing of ours.
put() {
	local key=$1 file=$2 h=()
	shift 2
	for _h; do h+=(-h "$_h"); done
	ask PUT "$key" -d "$file" "${h[@]}"
}
# shown KEY NAME...: those headers of the object, one a line.
shown() {
	local key=$1 names
	shift
	names=$(printf '|%s' "$@")
	ask HEAD "$key" -I | grep -E "^(${names#|}): ?" | LC_ALL=C sort
}
# Each of these is copied in both ways: small whole, large in parts.
export IMGP_S3_COPY_BYTES=5242880
both() {		# both TITLE HEADER-LINES HEADER...: lines the copy must have
	local title=$1 want=$2 names f
	shift 2
	mapfile -t names < <(printf '%s\n' "$@" | sed 's/:.*//' | tr '[:upper:]' '[:lower:]' |
		grep -v tagging)
	for f in small large; do
		put "src/$f" $f "$@"
		exits 0 "$title, $f" imgp-s3cp --replace "s3://src/$f" "s3://dst/$f"
		is "$(shown "dst/$f" "${names[@]}")" "$want" '... the copy has it'
		is "$(cat err)" '' '... and nothing is said'
	done
}

# --- Content-Encoding -----------------------------------------------------------
# What is copied whole and has no sum of ours is left to the service.
for e in aws-chunked AWS-Chunked aws-chunked,gzip=gzip 'gzip, aws-chunked=gzip' \
    'br ,aws-chunked, gzip=br,gzip' 'gzip, br=gzip, br' \
    aws-chunked-not=aws-chunked-not; do
	is_long || [ "$e" = aws-chunked,gzip=gzip ] || continue
	want=${e#*=}
	[ "$want" != "$e" ] || want=
	for f in small large; do
		put "src/$f" $f "Content-Encoding: ${e%=*}" \
			"x-amz-meta-sha256: $(sha256sum <$f | cut -c1-64)"
		exits 0 "Content-Encoding: ${e%=*}, $f" \
			imgp-s3cp --replace "s3://src/$f" "s3://dst/$f"
		is "$(shown "dst/$f" content-encoding)" "${want:+content-encoding: $want}" \
			'... only aws-chunked is dropped'
	done
done
if is_long; then
both 'a value of the same look in another header' \
	'x-amz-meta-how: aws-chunked, as ever' 'x-amz-meta-how: aws-chunked, as ever'

# --- values -----------------------------------------------------------------------
both 'an empty value' "$(printf '%s\n' 'x-amz-meta-empty: ' 'x-amz-meta-full: x')" \
	'x-amz-meta-empty:' 'x-amz-meta-full: x'
fi
both 'what else HTTP says of it' "$(cat <<-'EOT'
	cache-control: no-cache
	content-disposition: attachment; filename="a,b"
	content-language: de
	content-type: multipart/related; type="application/dicom"; boundary="0123456789012345678901234567890123456789012345678901234567890123456789"; start="<1.2.840>"
	expires: Wed, 21 Oct 2015 07:28:00 GMT
	x-amz-website-redirect-location: /else
	EOT
	)" 'Cache-Control: no-cache' 'Content-Disposition: attachment; filename="a,b"' \
	'Content-Language: de' \
	'Content-Type: multipart/related; type="application/dicom"; boundary="0123456789012345678901234567890123456789012345678901234567890123456789"; start="<1.2.840>"' \
	'Expires: Wed, 21 Oct 2015 07:28:00 GMT' 'x-amz-website-redirect-location: /else'
if is_long; then
many=()
for i in $(seq 60); do many+=("x-amz-meta-n$i: $i"); done
for f in small large; do
	put "src/$f" $f 'x-amz-missing-meta: 2'
	ask DELETE "dst/$f"
	[ $f = small ] || {
		exits 1 "metadata that HTTP cannot show, $f" \
			imgp-s3cp "s3://src/$f" "s3://dst/$f"
		like err "IMGP-STORE-METADATA: $f: 2 headers .* cannot be read" '... is refused'
	}
	put "src/$f" $f "${many[@]}"
	[ $f = small ] || {
		exits 1 "more metadata than a request can have, $f" \
			imgp-s3cp "s3://src/$f" "s3://dst/$f"
		like err "IMGP-STORE-METADATA: $f: more than" '... is refused'
	}
	is "$(state | grep -c "dst/$f\|upload")" 0 '... and nothing is there'
done
fi

# --- tags ---------------------------------------------------------------------------
sum=$(sha256sum <small | cut -c1-64)
lsum=$(sha256sum <large | cut -c1-64)
for f in "small $sum" "large $lsum" small large; do
	is_long || [ "$f" = "large $lsum" ] || continue
	set -- "${f% *}" "${f#* }"
	put "src/$1" "$1" 'x-amz-tagging: a=1&b%26=x%20%C3%BC&c=' "x-amz-meta-sha256: $2"
	for server in x as-rgw; do
		faults "9 PUT /dst/ $server" "9 POST uploads $server"
		ask DELETE "dst/$1"
		imgp-s3cp -q "s3://src/$1" "s3://dst/$1"
		is "$? $(ask GET "dst/$1?tagging" | sed 's/<[/]*Tag[a-zA-Z]*>//g')" \
			'0 <Key>a</Key><Value>1</Value><Key>b&amp;</Key><Value>x ü</Value><Key>c</Key><Value></Value>' \
			"tags go along: $f, at a server like $server"
	done
	is_long || continue
	faults '9 GET tagging status 403 AccessDenied'
	[ "$f" = small ] && continue	# S3 takes them along by itself
	exits 1 '... tags that we may not read' imgp-s3cp --replace "s3://src/$1" "s3://dst/$1"
	like err 'IMGP-STORE-DENIED: its 3 tags cannot be read: .*AccessDenied' '... are said'
done
faults '9 POST uploads as-rgw' '9 PUT tagging status 403 AccessDenied'
exits 0 'tags that we may not write' imgp-s3cp --replace s3://src/large s3://dst/large
like err 'IMGP-STORE-METADATA: large: the copy has not its tags: .*AccessDenied' '... are said'
if is_long; then
put src/large large 'x-amz-meta-count-hidden: 1' 'x-amz-tagging: a=1'
faults
imgp-s3cp -q --replace s3://src/large s3://dst/large
like <(ask GET 'dst/large?tagging') '<Key>a</Key>' 'tags of which HEAD says nothing go along'
faults '9 GET tagging status 403 AccessDenied'
exits 0 '... where we may not read them' imgp-s3cp --replace s3://src/large s3://dst/large
like err 'IMGP-STORE-METADATA: large: whether it has tags cannot be asked' '... it is said'
for what in '501 NotImplemented' '404 NoSuchTagSet' '400 InvalidRequest'; do
	faults "9 GET tagging status $what"
	exits 0 "a service without tags: $what" imgp-s3cp -v --replace s3://src/large s3://dst/large
	unlike err METADATA '... nothing is said'
done
faults '9 GET tagging status 503 SlowDown'
exits 75 'one that has trouble' env IMGP_S3_PATIENCE=1 \
	imgp-s3cp --replace s3://src/large s3://dst/large
fi

# --- how it is kept -------------------------------------------------------------------
faults
both 'a storage class' 'x-amz-storage-class: STANDARD_IA' 'x-amz-storage-class: STANDARD_IA'
if is_long; then
for f in small large; do
	put src/$f $f 'x-amz-storage-class: GLACIER'
	exits 0 "an archived one that was restored, $f" imgp-s3cp --replace s3://src/$f s3://dst/$f
	is "$(shown dst/$f x-amz-storage-class)" '' '... is not archived again'
	like err "IMGP-STORE-METADATA: $f: .*GLACIER" '... which is said'
	put src/$f $f 'x-amz-storage-class: EXPRESS_ONEZONE'
	imgp-s3cp --replace s3://src/$f s3://dst/$f
	is "$(shown dst/$f x-amz-storage-class)" '' 'the class of a kind of bucket stays there'
done
for sse in AES256 aws:kms; do
	both "encrypted by $sse" "$(printf '%s\n' 'x-amz-server-side-encryption-aws-kms-key-id: arn:k' \
		"x-amz-server-side-encryption: $sse")" \
		"x-amz-server-side-encryption: $sse" \
		'x-amz-server-side-encryption-aws-kms-key-id: arn:k'
done
fi
for f in small large; do
	is_long || [ $f = large ] || continue
	put "src/$f" $f 'x-amz-server-side-encryption: AES256' \
		"x-amz-meta-sha256: $(sha256sum <$f | cut -c1-64)"
	ask DELETE dst/$f
	faults '9 * /dst/ plain'
	exits 1 "a service that does not encrypt, $f" imgp-s3cp s3://src/$f s3://dst/$f
	like err 'IMGP-STORE-DENIED: s3://dst/.*the source is encrypted \(AES256\)' '... is said'
	is "$(state | grep -c "dst/$f\|upload")" 0 '... and nothing is left there'
	faults "9+0 * /dst/ x"
done
done_testing
