#!/bin/bash
# imgp-verify: the proof that what the EDC has lies at the destinations (F16, M43,
# M44).
. "$(dirname "$0")/lib/lib.sh"
world
# shellcheck source=tests/lib/faulty-s3.sh
. "$ROOT/tests/lib/faulty-s3.sh"

# said: the findings of the last --json, "KIND UPLOAD" a line, sorted.
said() {
	jq -r '.findings[] | "\(.finding) \(.subject_event_crf_file_id // "-")"' out |
	    LC_ALL=C sort
}
# finds LEVEL WANTED TITLE: these, in that form, and status 1.
finds() {
	exits 1 "$3" imgp-verify --level "$1" --json
	is "$(said)" "$2" "... at level $1"
}
file() {		# file UPLOAD: where it lies
	local place
	place=$(sql "select destination from pipeline.edcpipelinefile
	    where subjecteventcrffile_id = $1")
	printf '%s' "${place#file://}"
}

finds row "$(printf 'not-delivered %s\n' 1201 1202 1203 1204 1205 1206 1207 1208 1209 1211)" \
    'before the first run nothing is delivered'
is "$(jq -r '.findings[].what' out | sort | uniq -c | awk '{ $1 = $1; print }')" '9 waiting
1 waiting, the pipeline is paused' '... and says how each stands'
waive() {		# waive UPLOAD PIPELINE
	sql "insert into pipeline.edcpipelinewaiver (edcpipeline_id, subjecteventcrffile_id, reason)
	    select id, $1, 'a test' from pipeline.edcpipeline where code = '$2'"
}
waive 1211 audio
imgp-run -q --pending >run 2>/dev/null
for level in ids row exists size sum fetch; do
	is_long || [ $level = ids ] || continue
	exits 0 "all is delivered: level $level" imgp-verify --level $level
	like out "^level $level: .*0 findings: all holds\$" '... which it says'
done
like out '9 rows, 9 objects' 'and of how many'
is "$(imgp-verify --json | jq -c '[.holds, .rows, .objects, .unseen, .level]')" \
    '[true,9,9,0,"size"]' 'size is what it looks at unless told otherwise'

# What may befall a delivered file.
mkdir kept
cp -a images kept/
again() { rm -rf images && cp -a kept/images images; }
rm "$(file 1201)"
for level in exists size sum fetch; do
	finds $level 'missing 1201' 'a file that was deleted'
done
exits 0 '... which level row cannot see' imgp-verify --level row
again
truncate -s -1 "$(file 1202)"
exits 0 'a file that was cut' imgp-verify --level exists
for level in size sum fetch; do
	finds $level 'other-size 1202' '... is found by its size'
done
again
printf X | dd of="$(file 1202)" bs=1 seek=200 conv=notrunc 2>/dev/null
exits 0 'a file with a byte that is another' imgp-verify --level size
for level in sum fetch; do
	finds $level 'other-bytes 1202' '... is found by its sum'
done
again
if is_long; then
mv "$(file 1203)" images/quarantine/other.zip
finds size 'missing 1203
no-row -' 'a file under another name'
finds sum 'renamed 1203' '... is known by its bytes'
like out "its bytes lie at file://$WORK/images/quarantine/other.zip" '... and where it is'
again
echo foreign >images/quarantine/foreign.zip
ln -s foreign.zip images/quarantine/link
finds exists 'no-row -
no-row -' 'files that no row names'
exits 1 'of another pipeline: they may be its own' imgp-verify --level exists --pipeline other
again
rm "$(file 1201)" "$(file 1205)"
echo more >>"$(file 1206)"
mv "$(file 1207)" images/x
echo y >images/y
finds sum 'missing 1201
missing 1205
no-row -
other-size 1206
renamed 1207' 'several at once: each is named'
exits 1 'as CSV' imgp-verify --csv --level sum
is "$(head -1 out | tr -d '\r')" \
    'finding,edc_pipeline_file_id,subject_event_crf_file_id,revision_number,pipeline_code,place,what' \
    '... with a head'
is "$(wc -l <out)" 6 '... and a row for each'
exits 1 'as text' imgp-verify --level sum
like out '^other-size +upload 1206 revision 1 \(image\): file://.*: [0-9]+ bytes, delivered were [0-9]+$' \
    '... a line for each'
exits 1 'of rows of today' imgp-verify --since 1h --json
is "$(said | wc -l)" 6 '... all are'
exits 1 'of rows from tomorrow on' imgp-verify --since "$(date -ud tomorrow +%F)" --json
is "$(said)" 'no-row -
no-row -' '... are none; a file without a row is still one'
again

# What was delivered, its ids taken out or made others, as if it had been so from the
# start: the row has the new sums.
believe() {		# believe UPLOAD: the row's sums are those of the file as it is
	local f
	f=$(file "$1")
	sql "set session_replication_role = replica; update pipeline.edcpipelinefile
	    set sha256_destination = '$(sha256sum <"$f" | cut -d' ' -f1)',
	    bytes_destination = $(stat -c %s "$f"), destination_etag = null
	    where subjecteventcrffile_id = $1"
}
sums() { sql "select subjecteventcrffile_id, sha256_destination, bytes_destination
    from pipeline.edcpipelinefile order by 1"; }
sums >sums
for id in 1201 1202; do
	src=source/$(sql "select source_key from pipeline.upload where subject_event_crf_file_id = $id")
	cp "$src" "$(file $id)"
	believe $id
	exits 0 "$id: a file that never had its ids: level fetch" imgp-verify --level fetch
	without="${without-}${without:+$'\n'}without-id $id"
	finds ids "$without" '... is found by its instances'
	like out '[1-9][0-9]* of its instances have no id, 0 another one, 0 are of a series' \
	    '... which are counted'
done
imgp-stamp --id 88.1 -o other.dcm source/subjecteventcrffile/301/5102/ct_file/v1.dcm
cp other.dcm "$(file 1202)"
believe 1202
finds ids 'without-id 1201
without-id 1202' "another subject's id"
like out '0 of its instances have no id, 1 another one' '... is another one'
[ -z "$(find "$IMGP_SPOOL" -type f ! -name .lock)" ]
ok $? 'the spool keeps nothing of it'
again
for id in 1201 1202; do believe $id; done
sums | cmp -s - sums
ok $? 'as it was'
exits 2 'level ids without a spool' env -u IMGP_SPOOL imgp-verify --level ids

# The EDC: its object under a delivered revision is another.
upload=source/subjecteventcrffile/301/5102/ct_file/v1.dcm
cp $upload kept/ct
printf X | dd of=$upload bs=1 seek=200 conv=notrunc 2>/dev/null
finds fetch 'source-changed 1202' 'a source that changed'
truncate -s -1 $upload
finds size 'source-changed 1202' '... or was cut'
cp kept/ct $upload

# Rows that are not Completed (M43).
sql "insert into edc.subjecteventcrffile values (1301, 5101, 21, 1, 'v9', '.zip')"
mkdir -p source/subjecteventcrffile/301/5101/mri_zip
cp source/subjecteventcrffile/301/5101/mri_zip/v1.zip source/subjecteventcrffile/301/5101/mri_zip/v9.zip
imgp-lookup 1301 | imgp-record start >started
place=$(jq -r '.destination' started)
echo half >"${place#file://}"
finds exists 'not-delivered 1301' 'a file whose row a run holds is let be'
jq -c '.errors = [{stage: "deliver", error_code: "IMGP-STORE-UNAVAILABLE", class: "temporary",
    error: "away", fatal: true, retryable: true}]' started | imgp-record finish >/dev/null 2>&1
finds exists 'not-completed 1301
not-delivered 1301' 'a file whose row has failed is named'
waive 1301 image
rm "${place#file://}"
exits 0 'a waived upload is nothing to be proved' imgp-verify
fi

is_long || done_testing	# a sample ends here
exits 0 '-n with a repair' imgp-verify -n --repair --reason 'a test'
# A repair opens the rows whose objects are gone, for the same names and bytes.
exits 2 'a repair without a reason' imgp-verify --repair
exits 2 '... or with an empty one' imgp-verify --repair --reason ''
exits 2 'a reason without a repair' imgp-verify --reason x
exits 0 'a repair where all holds' imgp-verify --repair --reason 'a test'
is "$(sql 'select count(*) from pipeline.repair')" 0 '... opens nothing'
imgp-digest --send >/dev/null 2>&1
sql 'select count(*) from pipeline.outcome where digest_id is null' >undigested
names() { sql "select id, file_path, file_name, sha256_destination, ts_create from
    pipeline.edcpipelinefile order by id"; }
names >names
cp "$(file 1201)" first
rm "$(file 1201)"
printf X | dd of="$(file 1202)" bs=1 seek=200 conv=notrunc 2>/dev/null
exits 1 'a repair of one deleted and one changed' \
    imgp-verify --level sum --json --repair --reason 'deleted by hand'
is "$(said)" 'missing 1201
other-bytes 1202' '... finds both'
like out 'its row is open for the next run' '... and says that it opened'
is "$(sql "select string_agg(f.subjecteventcrffile_id || ' ' || f.status || ' ' || f.error_code
    || ' ' || r.reason || ' ' || r.repaired_by, ';') from pipeline.repair r
    join pipeline.edcpipelinefile f on f.id = r.edcpipelinefile_id")" \
    '1201 Failed IMGP-DELIVERED-GONE deleted by hand postgres' '... the deleted one alone'
again
rm "$(file 1201)"
exits 1 'asked again' imgp-verify --level sum --json --repair --reason 'once more'
is "$(said) $(sql 'select count(*) from pipeline.repair')" 'not-delivered 1201 1' \
    '... it opens nothing that is open'
exits 0 'the next run delivers it' imgp-run --pending
names >now
cmp -s names now && cmp -s first "$(file 1201)"
ok $? '... under the same name, the same bytes'
exits 0 '... and all holds' imgp-verify --level fetch
is "$(sql 'select count(*) from pipeline.outcome where digest_id is null and not redelivered')" \
    "$(cat undigested)" '... which is no news to the labs'
imgp-status 1201 | tr -s '\n ' ' ' >out
like out 'IMGP-DELIVERED-GONE: opened by postgres: deleted by hand' 'its history says why'

if is_long; then
# Other bytes than before are refused, before they are delivered.
rm "$(file 1202)"
imgp-verify --repair --reason 'gone again' >/dev/null
exits 1 'a run that stamps other bytes' env IMGP_STAMP_TAG=0012,0072 imgp-run 1202
is "$(sql 'select error_code from pipeline.edcpipelinefile where subjecteventcrffile_id = 1202')" \
    IMGP-DELIVERED-OTHER '... is refused'
[ ! -e "$(file 1202)" ]
ok $? '... and nothing is delivered'
exits 0 '... with the settings as they were' imgp-run --again 1202
exits 0 '... it is' imgp-verify --level fetch
rm "$(file 1203)"
sql "update edc.subjecteventcrffile set revisionnumber = 2 where id = 1203"
exits 75 'a repair of a revision that the EDC has no more' imgp-verify --repair --reason x
like err 'IMGP-DB-STATE: .*does not have this revision' '... is refused'
sql "update edc.subjecteventcrffile set revisionnumber = 1 where id = 1203"
sql 'create user auditor in role imgp_digest'
exits 75 'a repair without the role' env \
    IMGP_DATABASE="${IMGP_DATABASE/user=postgres/user=auditor}" imgp-verify --repair --reason x
like err IMGP-DB-DENIED '... is refused'
sql 'grant imgp_repair to auditor'
exits 1 '... and with it done' env \
    IMGP_DATABASE="${IMGP_DATABASE/user=postgres/user=auditor}" imgp-verify --repair --reason x
exits 0 '... by its hand' imgp-run 1203
is "$(sql 'select repaired_by from pipeline.repair order by id desc limit 1')" auditor '... which is noted'
for change in "update pipeline.repair set reason = 'y'" 'delete from pipeline.repair' \
    "update pipeline.edcpipelinefile set status = 'Failed', has_error = true where subjecteventcrffile_id = 1205"
do
	! sql "$change" 2>/dev/null
	ok $? "refused: $change"
done

# The setting names another place than the rows.
mkdir moved
exits 1 'another destination' env IMGP_DESTINATION="file://$WORK/moved" imgp-verify --json
is "$(said | sort -u | cut -d' ' -f1 | uniq)" elsewhere '... the rows keep where their files are'
is "$(jq '.findings | length' out)" 9 '... all of them'
rm "$(file 1201)"
IMGP_DESTINATION=file://$WORK/moved imgp-verify --json >out
is "$(said | grep -v elsewhere)" 'missing 1201' '... and are looked at there'
again

# What cannot be looked at is no proof.
exits 75 'a destination that is not there' env IMGP_DESTINATION="file://$WORK/none" imgp-verify --json
like err 'IMGP-PLACE-MISSING' '... is named'
is "$(jq .holds out)" false '... and nothing is proved'
exits 2 'no record' env -u IMGP_DATABASE imgp-verify
exits 2 'a level that there is not' imgp-verify --level bytes
exits 2 'an operand' imgp-verify 1201
exits 2 'a time that is none' imgp-verify --since yesterday
exits 75 'a record that is away' env IMGP_DATABASE='host=/nowhere user=x' IMGP_DB_WAIT=0 imgp-verify
fi

# Its user needs the digest's role alone, and nothing is written.
if ! [ "$(id -u)" = 0 ] || ! command -v setpriv >/dev/null; then
	skip 'nothing is written' 'not root'
else
	find images source temp spool -printf '%p %s %T@ %C@\n' | sort >before
	sql 'select relname, n_tup_ins + n_tup_upd + n_tup_del from pg_stat_user_tables order by 1' >rows
	imgp-verify --level fetch >/dev/null
	find images source temp spool -printf '%p %s %T@ %C@\n' | sort >after
	cmp -s before after
	ok $? 'nothing is written'
fi
sql 'create user verifier in role imgp_digest'
exits 0 'as a user with the role imgp_digest' env \
    IMGP_DATABASE="${IMGP_DATABASE/user=postgres/user=verifier}" imgp-verify

if is_long; then
# In S3: ETags, by listing alone.
imgp-s3cp -r "file://$WORK/source/" s3://src/ >/dev/null 2>&1
export IMGP_SOURCE=s3://src IMGP_DESTINATION=s3://img
sql "insert into edc.subjecteventcrffile values (1401, 5101, 21, 1, 'v1', '.zip'),
    (1402, 5102, 22, 1, 'v1', '.dcm')"
exits 0 'two are delivered in S3' imgp-run -q 1401 1402
is "$(sql "select count(*) from pipeline.edcpipelinefile where subjecteventcrffile_id > 1400
    and source_etag <> '' and destination_etag <> '' and destination like 's3://img/%'")" 2 \
    'the record has what S3 called both, and the place'
elsewhere() { jq -r '.findings[] | select(.finding != "elsewhere")
    | "\(.finding) \(.subject_event_crf_file_id // "-")"' out | LC_ALL=C sort; }
faults
imgp-verify --level sum --json >out
is "$(elsewhere)" '' 'all is right in S3'
is "$(asked '^[^/]*/img/[a-zA-Z]')" 0 '... by listings alone'
key() { sql "select destination from pipeline.edcpipelinefile where subjecteventcrffile_id = $1"; }
echo other >other
truncate -s "$(sql 'select bytes_destination from pipeline.edcpipelinefile where subjecteventcrffile_id = 1401')" other
imgp-s3cp "file://$WORK/other" "$(key 1401)" >/dev/null 2>&1 ||
    imgp-s3cp --replace "file://$WORK/other" "$(key 1401)" >/dev/null 2>&1
imgp-verify --level sum --json >out
is "$(elsewhere)" 'other-bytes 1401' 'an object that was replaced by one of the same size'
imgp-verify --level size --json >out
is "$(elsewhere)" '' '... which level size cannot see'
imgp-s3cp "$(key 1402)" s3://img/quarantine/elsewhere.dcm >/dev/null 2>&1
faults
imgp-verify --level exists --json >out
is "$(elsewhere)" 'no-row -' 'an object without a row'
# More objects than a request tells.
mkdir many
seq 1001 | while read -r i; do echo "$i" >"many/$i"; done
imgp-s3cp -q -r -j16 "file://$WORK/many/" s3://img/quarantine/many/
# asks LEVEL WANTED: the requests that list, and those for an object.
asks() {
	faults '99 GET max-keys=1000 page 1000'
	imgp-verify --level "$1" --json >out
	is "$(asked '/img?.*max-keys=1000') $(asked '/img/[a-zA-Z]')" "$2" \
	    "level $1: two listings of two requests, ${2#* } for an object"
}
for level in exists size; do
	asks $level '4 0'
	is "$(elsewhere | uniq -c | xargs)" '1002 no-row -' '... and all without a row are found'
done
for gone in "$(key 1402)" s3://img/quarantine/elsewhere.dcm; do
	/usr/bin/python3 "$ROOT/tests/lib/s3-ask.py" DELETE "${gone#s3://}"
done
asks exists '4 1'
is "$(elsewhere | grep -v no-row)" 'missing 1402' '... the one that is missing'
# Rows whose objects are all gone, and one that a service keeps out of its listings.
sql "set session_replication_role = replica;
    insert into pipeline.edcpipelinefile select (jsonb_populate_record(f, jsonb_build_object(
        'id', 100000 + n, 'subjecteventcrffile_id', 100000 + n, 'file_name', n || '.zip',
        'destination', 's3://img/quarantine/gone/' || n || '.zip',
        'file_path', 'quarantine/gone/'))).*
    from pipeline.edcpipelinefile f, generate_series(1, 250) n
    where f.subjecteventcrffile_id = 1401" >/dev/null
missing() { elsewhere | grep -c missing; }
asks exists '4 100'
is "$(missing)" 251 '... for the newest, until so many in a row are not there'
imgp-s3cp "$(key 1401)" "$(key 100190)" >/dev/null 2>&1
faults '99 GET max-keys=1000 lacks gone/190'
imgp-verify --level exists --json >out
is "$(missing) $(asked '/img/[a-zA-Z]')" '250 161' \
    '... and one that is there, though no listing has it, is not missing'
faults '1 GET max-keys=1000 lacks gone/190' '99 GET max-keys=1000 page 1000'
imgp-verify --level exists --json >out
is "$(missing) $(asked '/img/[a-zA-Z]')" '250 100' \
    'what the second listing has is not asked for'
fi
done_testing
