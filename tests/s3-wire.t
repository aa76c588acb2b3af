#!/bin/bash
# Connections that are shared and kept, and requests that need not be made.
# shellcheck source=tests/lib/lib.sh
. "$(dirname "$0")/lib/lib.sh"
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"
export IMGP_SOURCE=s3://src IMGP_TEMP=s3://tmp IMGP_DESTINATION=s3://dst \
	IMGP_SPOOL=$WORK/spool
ports() { grep -o 'from=[0-9]*$' server/log | sort -u | wc -l; }

for i in 1 2 3 4 5 6; do
	head -c $((i * 100000)) /dev/urandom >"f$i"
	imgp-s3cp "$(url "f$i")" "s3://src/f$i"
	printf '{"v":1,"run":"20190118T150405Z-0a1b2c3d","subject_event_crf_file_id":%d,"source":"s3://src/f%d","edc_pipeline_file":{"id":%d,"lease":1},"temp":"s3://tmp/%d/n","destination":"s3://dst/q/%d"}\n' \
		"$i" "$i" "$i" "$i" "$i"
done >todo

faults
exits 0 'six jobs, source to local' imgp-s3cp source local <todo
cp out fetched
is "$(ports) $(asked .)" '1 6' 'one after the other they use one connection'
faults
exits 0 '... local to temp' imgp-s3cp local temp <fetched
cp out staged
is "$(ports)" 1 '... too'
is "$(head -1 staged | jq -r .etag.temp)" "\"$(md5sum <f1 | cut -c1-32)\"" \
	'what S3 called each is noted'
is "$(head -1 staged | jq -c .version_id)" null '... and no version where there is none'
faults
exits 0 '... temp to destination' imgp-s3cp temp destination <staged
is "$(ports)" 1 'two buckets of one service share it'
is "$(asked 'HEAD /tmp/')" 4 'what is copied was noted: it is not looked at'
is "$(asked 'PUT /tmp/.imgp-probe-.*if-match="000')" 1 '... once it is known that only that is copied'
is "$(asked 'PUT /dst/.*x-amz-copy-source-if-match="')" 6 '... and nothing else is'
is "$(asked 'HEAD /dst/')" 10 '... and each target is looked at'
for i in 1 2 3 4 5 6; do
	rm -f back
	imgp-s3cp "s3://dst/q/$i" "$(url back)" && cmp -s "f$i" back || break
done
ok $? 'and all of it is right'
is "$(state | grep -c /tmp/)" 0 'and nothing is left'

# A server that sends head and body apart, and the body only when the head is
# acknowledged (Nagle's algorithm), does not wait for a kernel that puts that off.
if command -v strace >/dev/null; then
	rm -f back
	exits 0 'one object down' strace -f -qq -e trace=setsockopt -o trace \
		imgp-s3cp s3://src/f1 "$(url back)"
	like trace 'TCP_QUICKACK, \[1\]' '... what is read is acknowledged at once'
else
	skip 'what is read is acknowledged at once' 'no strace'
fi

# A gateway that obeys the source's ETag by another name, and not by S3's.
sed 's,/q/,/rgw/,' staged >as_rgw
jq -c 'if .subject_event_crf_file_id == 6
	then .etag.temp = "\"0123456789abcdef0123456789abcdef\"" else . end' staged |
	sed 's,/q/,/not/,' >another
for i in 1 2 3 4 5 6; do
	imgp-s3cp "$(url "f$i")" "s3://tmp/$i/n"
done
faults '999 PUT . as-rgw'
exits 0 'as rgw: temp to destination' imgp-s3cp --keep temp destination <as_rgw
is "$(asked 'HEAD /tmp/')" 4 '... what is copied is looked at no longer either'
is "$(asked 'PUT /tmp/.imgp-probe-.*if-match="000')" 2 '... after one probe more'
is "$(asked 'PUT /dst/.*x-amz-copy-if-match="') $(asked 'PUT /dst/.*x-amz-copy-source-if-match="')" \
	'2 4' '... and by that name the copy is held to it'
exits 75 '... of another object nothing is copied (R32)' imgp-s3cp --keep temp destination <another
is "$(jq -c 'select(.errors) | [.subject_event_crf_file_id, .errors[0].error_code]' out)" \
	'[6,"IMGP-STORE-INTEGRITY"]' '... it alone, and said so'
is "$(state | grep -c /dst/not/)" 5 '... and nothing lies there'

# Several at once: no more connections than jobs.
faults
imgp-s3cp -j 3 source local <todo | sort >out
[ "$(ports)" -le 3 ] && [ "$(wc -l <out)" = 6 ]
ok $? 'three at once use three connections at most'

# The object in temp is another than the one that was noted.
rm -rf spool
sed 's,dst/q,dst/r,' todo >todo2
head -1 todo2 | imgp-s3cp source local | imgp-s3cp local temp >staged
head -c 100000 /dev/urandom >other
imgp-s3cp --replace "$(url other)" s3://tmp/1/n
exits 75 'what was put in its place is not delivered (R32)' imgp-s3cp temp destination <staged
is "$(jq -r '.errors[0].error_code' out)" IMGP-STORE-INTEGRITY '... and said so'
is "$(state | grep -c /dst/r/1)" 0 '... nothing lies at the destination'
faults '9 PUT /dst/r/1 copy-wrong'
imgp-s3cp --replace "$(url f1)" s3://tmp/1/n
exits 75 'a server that copies something else is found out' imgp-s3cp temp destination <staged
is "$(jq -r '.errors[0].error_code' out)" IMGP-STORE-INTEGRITY '... and said so'
is "$(state | grep -c /dst/r/1)" 0 '... nothing lies at the destination'
faults
jq -c 'del(.etag)' staged >plain
exits 0 'without a note the source is looked at' imgp-s3cp temp destination <plain
is "$(asked 'HEAD /tmp/')" 1 '... once'
# What was delivered and whose temp is gone: a run that was killed.
faults
exits 0 'delivered before, and temp is gone' imgp-s3cp temp destination <staged
is "$(asked 'PUT /dst/')" 0 '... nothing is copied'

# A body that comes faster than the disk takes it, and one that breaks off.
head -c 20000000 /dev/urandom >large
imgp-s3cp "$(url large)" s3://src/large
exits 0 'a large object' imgp-s3cp s3://src/large "$(url back2)"
cmp -s large back2; ok $? '... is right'
exits 75 'a disk that is full' sh -c "ulimit -f 1000; trap '' XFSZ; exec imgp-s3cp s3://src/large '$(url back3)'"
[ ! -e back3 ]; ok $? '... and nothing is there'
done_testing
