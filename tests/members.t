#!/bin/sh
# The table of the job line's members, and what is held against it: imgp-job(5),
# the view pipeline.upload, the sources; and views that have more columns.
. "$(dirname "$0")/lib/lib.sh"
. "$ROOT/tests/lib/db.sh"
export IMGP_WAIT=0
"$BUILD/tests/members" >table
flagged() { awk -v f="$1" '$3 ~ "(^|,)" f "(,|$)" { print $1 }' table; }

# A paragraph for each: the tags of imgp-job(5) outside of errors' inner list.
awk '/^\.Bl -tag -width "error_code"/ { inner = 1 } /^\.El/ && inner { inner = 0; next }
    !inner && /^\.It Cm / { sub(/^\.It Cm /, ""); gsub(/ , /, "\n"); print }' \
    "$ROOT/man/imgp-job.5" | sort >described
cut -d' ' -f1 table | sort >listed
cmp -s described listed
ok $? 'imgp-job(5) describes every member of the table, and no other' ||
    diff described listed | diag
flagged optional >optional
for m in $(cat optional); do
	sed -n "/^\.It Cm $m\$/,/^\.It/p" "$ROOT/man/imgp-job.5"
done | grep -c '^Optional:' >got
is "$(cat got)" "$(wc -l <optional)" 'and says which are optional'
sort table | uniq -d >twice
is "$(cut -d' ' -f1 table | sort | uniq -d)" '' 'no member stands there twice'

# No tool reads or writes a member that is not in it.
grep -rhoE 'imgp_job_(set|get|str|int|need|sub|remove)[a-z_]*\([^",]*, "[^"]*"' \
    "$ROOT/libimgpipe" "$ROOT/cmd" | sed 's/.*"\(.*\)"/\1/' | sort -u >used
is "$(comm -23 used listed)" '' 'no source uses a member that is not in it'
is "$(wc -l <used | awk '{ print ($1 > 15) }')" 1 'and they were found'

# The columns of every view.
sql -c "select attname from pg_attribute where attrelid =
    'pipeline.upload'::regclass and attnum > 0 order by attnum" >columns
{ echo subject_event_crf_file_id; flagged column; echo source_key; } >want
# The sample may have optional ones behind them, and that by which --pending goes.
echo ts_change >later
grep -vxFf optional columns | grep -vxFf later | cmp -s - want
ok $? 'the view'"'"'s columns are those of the table, in its order' ||
    diff columns want | diag
is "$(flagged told | grep -xE 'subject_id|participant_code|event_code|source|input')" \
    '' 'nothing that could name a person may be told'

# Columns beyond those.
view() {		# view COLUMNS: the sample's, and these
	upload_view "select
	    (1200 + i)::bigint as subject_event_crf_file_id,
	    'image' as pipeline_code, i::bigint as subject_id,
	    'P' || i as participant_code, 'E' as event_code, 'F' as ddcrf_name,
	    'U' as ddfile_name, i::bigint as subject_event_crf_id,
	    1::bigint as revision_number, 'v' as file_version_code,
	    '' as extension, 'k/' || i as source_key$1
	    from generate_series(1, 3) i"
}
view ", case i when 1 then 'S-07' when 2 then null else '' end as site_code,
    'x' as errors, 'y' as skip, '{\"a\": 1}'::jsonb as scans, now() as later"
exits 0 'a view with an optional column and others' imgp-lookup 1201 1202 k/3
is "$(jq -c '[.subject_event_crf_file_id, .site_code, .errors, .skip, .scans, .later]' out)" \
    '[1201,"S-07",null,null,null,null]
[1202,null,null,null,null,null]
[1203,"",null,null,null,null]' 'gives the member where it is not null, and no other'
exits 0 'all that is pending' imgp-lookup --pending
is "$(wc -l <out)" 3 'is found through such a view'
echo '{"v":1,"subject_event_crf_file_id":1202,"site_code":"old"}' >in
exits 0 'a job line with an older value' imgp-lookup <in
is "$(jq -r .site_code out)" null 'has what the view says now'
imgp-lookup 1201 >in
exits 0 'start' imgp-record start <in
exits 0 'imgp-status' imgp-status 1201
like out '^  site_code S-07$' 'shows it'
exits 0 'imgp-status --json' imgp-status --json 1201
is "$(jq -c .members out)" '{"site_code":"S-07"}' 'too'
jq -c '. + {errors: [{stage: "fetch", error_code: "IMGP-STORE-IO",
    class: "temporary", error: "x", fatal: true, retryable: true}]}' in >failed
mkdir mail logs
exits 75 'a failure' env IMGP_MAIL="file://$WORK/mail" IMGP_LOGS="file://$WORK/logs" \
    imgp-notify <failed
cat mail/new/* >letter
like letter 'site_code S-07' 'is told to the admins with it'
cat "$(find logs -name '*error_log.txt')" >log
like log '^site_code    S-07$' 'and logged with it'
view ', 7 as site_code'
exits 1 'an optional column of another type' imgp-lookup 1201
like out 'IMGP-LOOKUP-DATA.*site_code is of the wrong type' 'is an error of the view'
view ", '1'::text as other"
exits 0 'a view with unknown columns alone' imgp-lookup 1201
is "$(jq 'has("site_code") or has("other")' out)" false 'is as one without'
echo '{"v":1,"subject_event_crf_file_id":1201,"planned":1}' >in
exits 1 'planned that is not true or false' imgp-lookup <in
like out '"planned.*of the wrong type' 'is refused'
imgp-lookup 1201 | imgp-record -n start >in
is "$(jq -r .planned in)" true 'a dry run says so'
exits 0 'and its lines are job lines' imgp-lookup <in

# One key, one upload.
upload_view "select i as subject_event_crf_file_id,
    'image' as pipeline_code, 1::bigint as subject_id, 'P' as participant_code,
    'E' as event_code, 'F' as ddcrf_name, 'U' as ddfile_name,
    1::bigint as subject_event_crf_id, 1::bigint as revision_number,
    'v' as file_version_code, '' as extension, k as source_key
    from (values (1::bigint, 'a/b'), (2, 'a/b'), (3, 'a/c'), (3, 'a/c')) v(i, k)"
exits 1 'a key that two uploads share' imgp-lookup a/b
is "$(jq -r '.errors[0] | .error_code + ": " + .error' out)" \
    'IMGP-LOOKUP-DATA: several uploads have this source_key' 'is named as that'
exits 0 'by its id' imgp-lookup 2
is "$(jq -r .subject_event_crf_file_id out)" 2 'the upload is found'
exits 1 'a view that has a row twice' imgp-lookup 3
like out 'IMGP-LOOKUP-DATA.*several rows for this upload and pipeline' \
    'is named as that'
done_testing
