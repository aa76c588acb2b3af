#!/bin/bash
# A bucket's events as Ceph's gateway pushes them by HTTP (M6, M22): what it writes itself
# of what we put, overwrite and remove, shuffled and twice, makes each upload once.
. "$(dirname "$0")/lib/lib.sh"
"$ROOT/scripts/s3-server" start "$WORK/server" rgw >server.env 2>server.err ||
	no_server "no rgw: $(tail -1 server.err)"
at_end "'$ROOT/scripts/s3-server' stop '$WORK/server'"
# shellcheck source=/dev/null
. ./server.env
world
s3() {			# s3 METHOD PATH [-I]
	/usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" "$@"
}
: >events
/usr/bin/python3 "$ROOT/tests/servers/event-sink" events >port &
at_end "kill $!"
for _ in $(seq 3000); do [ ! -s port ] || break; sleep 0.01; done
for b in src tmp dst; do s3 PUT $b >out; done
printf 'Action=CreateTopic&Name=uploads&%s=push-endpoint&%s=%s' Attributes.entry.1.key \
    Attributes.entry.1.value "http%3A%2F%2F127.0.0.1%3A$(cat port)" >topic
s3 POST '' -d topic -h content-type:application/x-www-form-urlencoded >out
topic=$(grep -o '<TopicArn>[^<]*' out | cut -d'>' -f2)
cat >wanted <<EOT
<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<TopicConfiguration><Id>uploads</Id><Topic>$topic</Topic><Event>s3:ObjectCreated:*</Event>
<Event>s3:ObjectRemoved:*</Event></TopicConfiguration></NotificationConfiguration>
EOT
exits 0 'the gateway is to push what happens in the source' s3 PUT 'src?notification' -d wanted
told() { wc -l <events; }
# told_by N: until so many were told; the gateway tells before it answers, or soon after.
told_by() { for _ in $(seq 6000); do [ "$(told)" -lt "$1" ] || break; sleep 0.01; done; }

# uploads NAME FROM TO: so many uploads of that name, whose keys are no URLs.
dir=subjecteventcrffile/301/5101/mri_zip
uploads() {
	mkdir -p "$1/$dir"
	for i in $(seq "$2" "$3"); do
		echo "$1 $i" >"$1/$dir/w $i+%41 ü.txt"
	done
}
once() {		# once TITLE N: so many uploads are delivered, each once
	is "$(sql 'select count(*), count(distinct subjecteventcrffile_id), count(nullif(status,
	    $$Completed$$)) from pipeline.edcpipelinefile') $(sql 'select count(*) from pipeline.outcome') \
$(s3 GET "dst?list-type=2&max-keys=2000" | grep -o '<KeyCount>[0-9]*')" "$2|$2|0 $2 <KeyCount>$2" "$1"
}

# --- each told twice, shuffled ------------------------------------------------------
n=9
! is_long || n=990
sql "insert into edc.subjecteventcrffile (id, subjecteventcrf_id, ddfile_id,
    revisionnumber, version_code, extension)
    select 5000 + i, 5101, 21, 1, 'w ' || i || '+%41 ü', '.txt' from generate_series(1, $n + 10) i"
uploads first 1 "$n"
exits 0 "$n uploads" imgp-s3cp -j8 -r "file://$WORK/first/" s3://src/
told_by "$n"
is "$(told)" "$n" 'are told one by one'
is "$(jq -r '.Records[].eventSource' events | sort -u)" ceph:s3 '... by the gateway itself'
cat events events | shuf --random-source="$ROOT/tests/s3-events.t" >shuffled
mkdir logs
export IMGP_SOURCE=s3://src IMGP_TEMP=s3://tmp IMGP_DESTINATION=s3://dst IMGP_DICOM=no \
    IMGP_LOGS="file://$WORK/logs"
exits 0 'a run of all of it twice, shuffled' imgp-run -j8 <shuffled
once 'delivers each once' "$n"
is "$(jq -r '.skip // "-"' out | sort | uniq -c | tr -s ' ' | paste -sd,)" \
    " $n -, $n IMGP-SKIP-DUPLICATE" '... and skips the other half'
exits 0 'the same once more' imgp-run -j8 <shuffled
once 'does nothing' "$n"

if is_long; then
# --- overwritten before they are fetched -----------------------------------------------
uploads old $((n + 1)) $((n + 10))
uploads new $((n + 1)) $((n + 10))
exits 0 'ten more' imgp-s3cp -j8 -r "file://$WORK/old/" s3://src/
exits 0 '... and anew' imgp-s3cp -j8 --replace -r "file://$WORK/new/" s3://src/
told_by $((n + 20))
tail -n +$((n + 1)) events >of
is "$(wc -l <of)" 20 'are told twice'
cat of of | shuf --random-source="$ROOT/tests/s3-events.t" >shuffled
# The later of two may come when the run has the first in hand: it is to come again.
for _ in 1 2 3; do
	imgp-run -j8 <shuffled >out 2>err
	rc=$?
	[ $rc -ne 0 ] || break
	jq -c 'select(.errors[0].error_code != "IMGP-SOURCE-STALE" and .errors != null and .errors != [] or
	    .skip == "IMGP-SKIP-FAILED")' out >worse
	[ ! -s worse ] || break
done
is "$rc" 0 'runs of that, twice and shuffled'
once 'delivers each once' $((n + 10))
mkdir back
exits 0 'what was delivered' imgp-s3cp -j8 -r s3://dst/ "file://$WORK/back/"
find back -type f -exec cat {} + | sort >got
cat "first/$dir"/* "new/$dir"/* | sort | cmp -s - got
ok $? 'is what came last'

# --- in parts, removed, put back --------------------------------------------------
before=$(told)
key=subjecteventcrffile/301/5101/mri_zip/parts.bin
sql "insert into edc.subjecteventcrffile (id, subjecteventcrf_id, ddfile_id,
    revisionnumber, version_code, extension) values (9001, 5101, 21, 1, 'parts', '.bin')"
head -c 6000000 /dev/urandom >parts
exits 0 'an upload in parts' env IMGP_S3_PART_BYTES=5242880 IMGP_S3_MULTIPART_BYTES=5242880 \
    imgp-s3cp "file://$WORK/parts" "s3://src/$key"
told_by $((before + 1))
tail -n +$((before + 1)) events >in
is "$(jq -r '.Records[].eventName' in)" ObjectCreated:CompleteMultipartUpload 'is told as that'
exits 0 '... and delivered by it' imgp-run <in
is "$(jq -r '.sha256.destination' out)" "$(sha256sum <parts | cut -c1-64)" '... byte for byte'
s3 DELETE "src/$key" >out
told_by $((before + 2))
tail -n +$((before + 2)) events >in
exits 0 'a removal' imgp-run <in
is "$(wc -c <out) $(sed -n 's/.*passed over: //p' err)" '0 ObjectRemoved:Delete' \
    '... is passed over with a word'
is "$(sql "select status from pipeline.edcpipelinefile where subjecteventcrffile_id = 9001")" \
    Completed '... and what was delivered stays'
fi
done_testing
