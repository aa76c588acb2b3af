#!/bin/bash
# Ceph's radosgw 16.2 takes tags with every request that makes an object and answers
# 200, but keeps them with PutObject alone. CreateMultipartUpload with x-amz-tagging:
# the object has none. CopyObject has the tags of its source, as in S3, until
# x-amz-metadata-directive is REPLACE: then they are gone, although S3 keeps the two
# apart, and neither x-amz-tagging-directive: REPLACE with x-amz-tagging nor COPY
# brings them. With the metadata left alone, x-amz-tagging-directive: REPLACE gives
# the source's tags, not those that were sent. Of an object whose own tags were taken
# and dropped so GetObjectTagging answers 200 with no body, where a parser of XML
# fails. Who copies in parts or changes metadata must look afterwards, and call
# PutObjectTagging, which works.
set -u
for i in radosgw ceph-mon ceph-osd python3; do
	PATH=$PATH:/usr/sbin command -v $i >/dev/null || exit 77
done
radosgw --version 2>/dev/null | grep -q ' 16\.2\.' || exit 77
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d) || exit 77
trap '"$top/scripts/s3-server" stop "$dir/rgw" >/dev/null 2>&1; rm -rf "$dir"' EXIT
cd "$dir" || exit 77
"$top/scripts/s3-server" start "$dir/rgw" rgw >server 2>/dev/null || exit 77
# shellcheck source=/dev/null
. ./server
ask() { /usr/bin/python3 "$top/tests/lib/s3-ask.py" "$@"; }
tags() {		# tags WHAT KEY: as GetObjectTagging has them
	printf '%s: %s\n' "$1" "$(ask GET "images/$2?tagging" |
		sed 's/<?xml[^>]*>//; s/<Tagging[^>]*>/<Tagging>/')"
}
copy() {		# copy WHAT KEY HEADER...
	local what=$1 key=$2 h=()
	shift 2
	for _h; do h+=(-h "$_h"); done
	ask PUT "images/$key" -h 'x-amz-copy-source: /images/a' "${h[@]}" >/dev/null ||
		echo "$what: refused"
	tags "$what" "$key"
}
printf one >one
ask PUT images
ask PUT images/a -d one -h 'x-amz-tagging: lab=7' >/dev/null
{
	tags 'put' a
	copy 'copy' b
	copy 'copy, metadata replaced' c 'x-amz-metadata-directive: REPLACE'
	copy 'copy, metadata replaced, tags copied' d \
		'x-amz-metadata-directive: REPLACE' 'x-amz-tagging-directive: COPY'
	copy 'copy, both replaced' e 'x-amz-metadata-directive: REPLACE' \
		'x-amz-tagging-directive: REPLACE' 'x-amz-tagging: lab=8'
	copy 'copy, tags replaced' f 'x-amz-tagging-directive: REPLACE' \
		'x-amz-tagging: lab=8'
	id=$(ask POST 'images/g?uploads' -h 'x-amz-tagging: lab=9' |
		sed -n 's/.*<UploadId>\([^<]*\).*/\1/p')
	etag=$(ask PUT "images/g?partNumber=1&uploadId=$id" -d one -I |
		sed -n 's/^etag: //p')
	printf '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>%s</ETag></Part></CompleteMultipartUpload>' \
		"$etag" >parts
	ask POST "images/g?uploadId=$id" -d parts >/dev/null
	tags 'in parts' g
	printf '<Tagging><TagSet><Tag><Key>lab</Key><Value>9</Value></Tag></TagSet></Tagging>' >body
	ask PUT 'images/g?tagging' -d body
	tags 'in parts, tagged afterwards' g
} >seen
cat seen
cmp -s seen - <<'EOT'
put: <Tagging><TagSet><Tag><Key>lab</Key><Value>7</Value></Tag></TagSet></Tagging>
copy: <Tagging><TagSet><Tag><Key>lab</Key><Value>7</Value></Tag></TagSet></Tagging>
copy, metadata replaced: <Tagging><TagSet></TagSet></Tagging>
copy, metadata replaced, tags copied: <Tagging><TagSet></TagSet></Tagging>
copy, both replaced: 
copy, tags replaced: <Tagging><TagSet><Tag><Key>lab</Key><Value>7</Value></Tag></TagSet></Tagging>
in parts: 
in parts, tagged afterwards: <Tagging><TagSet><Tag><Key>lab</Key><Value>9</Value></Tag></TagSet></Tagging>
EOT
