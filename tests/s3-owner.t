#!/bin/bash
# Every request to S3, of whichever tool, names the account that must own the bucket
# (M18, R34).
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
world
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
imgp-s3cp -r -j 4 "file://$WORK/source" s3://src/ || exit 1
export IMGP_SOURCE=s3://src IMGP_TEMP=s3://tmp IMGP_DESTINATION=s3://img \
	IMGP_SOURCE_OWNER=111122223333 IMGP_TEMP_OWNER=222233334444 \
	IMGP_DESTINATION_OWNER=333344445555 IMGP_MANIFEST=yes

# ownerless: buckets and how many requests to them say no owner, or another.
ownerless() {
	local b o
	while read -r b o; do
		grep " /${b}[/? ]" server/log |
			grep -vc " x-amz-expected-bucket-owner=$o " |
			sed "s/^/$b /" | grep -v ' 0$'
	done <<-OWNERS
	src $1
	tmp 222233334444
	img 333344445555
	log 444455556666
	OWNERS
}
# spoken BUCKET: requests were made to it at all.
spoken() { [ "$(asked " /${1}[/?]")" -gt 0 ]; ok $? "... and there are some to $1"; }

faults
imgp-run -q -j 4 1201 1203 1204 1299 >run 2>err
is "$(jq -r 'select(.sha256.destination) | 1' run | wc -l)" 3 'three uploads are delivered'
spoken src; spoken tmp; spoken img
is "$(asked 'PUT /src/.*log')" 4 'error logs and the log of the run lie in the source'
is "$(ownerless 111122223333)" '' 'every request of a run has the owner of its bucket'

export IMGP_LOGS=s3://log IMGP_LOGS_OWNER=444455556666
faults
imgp-run -q 1205 1206 1298 >run 2>err
spoken log
is "$(ownerless 111122223333)" '' '... where the logs have a bucket of their own, too'
faults
exits 0 'a digest with lists' imgp-digest
is "$(asked 'PUT /img/manifests/.*/SHA256SUMS')" 2 '... which lie with the images'
is "$(ownerless 111122223333)" '' '... and are written under the owner'

# A place of two pipelines of which one names no owner.
cat >conf <<'EOT'
source_owner =
[image]
source_owner = 111122223333
EOT
unset IMGP_SOURCE_OWNER IMGP_LOGS IMGP_LOGS_OWNER
jq -c 'select(.sha256.destination)' run | jq -c '{v, run, subject_event_crf_file_id,
    edc_pipeline_file, source}' | head -1 >one
(jq -c 'del(.pipeline_code)' one; jq -c '.pipeline_code = "image"' one) >two
faults
IMGP_CONFIG=$PWD/conf imgp-s3cp source local <two >out 2>err
is "$(asked 'GET /src/') $(asked 'GET /src/.*expected-bucket-owner=111122223333')" '2 1' \
	'the owner is that of the pipeline, whichever came first'
done_testing
