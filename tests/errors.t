#!/bin/bash
# The error dictionary: whose fault each code is, what comes of it in each stage and
# in the database, and that something raises it.
. "$(dirname "$0")/lib/lib.sh"
edc
export IMGP_SOURCE="file://$WORK/source" IMGP_TEMP="file://$WORK/temp" \
	IMGP_DESTINATION="file://$WORK/images" IMGP_WAIT=0
grep -v '^#' "$ROOT/libimgpipe/base/errors.tsv" >tsv
is "$(cut -f3 tsv | sort -u | paste -sd' ')" '- ours service upload' 'every code has an owner'
is "$(awk -F'\t' '($2 == "-") != ($3 == "-")' tsv)" '' 'but the reasons to skip, which are nobody'"'"'s'
is "$(awk -F'\t' '$4 == "no" && $3 != "upload" && $3 != "-"' tsv)" '' \
    'only the upload'"'"'s may be final'
is "$(awk -F'\t' '$3 == "upload" && $2 == "temporary" || $3 == "service" && $2 != "temporary"' \
    tsv)" '' 'what passes by itself is not the upload'"'"'s; a service'"'"'s trouble does'
is "$(awk -F'\t' '$6 == "" || NF != 6' tsv)" '' 'and says what to do'
# The operator's guide names them: an .It, over several lines where they end with \.
# A code added since the last long run may be missing there.
awk '/^\.It / || more { print; more = /\\$/ }' "$ROOT/man/imgpipe-operator.7" |
    grep -o 'IMGP-[A-Z-]*' | sort >guide
cut -f1 tsv | sort >all
is "$(uniq -d guide; comm -23 guide all)" '' 'the guide names each once at most, and no other'
! is_long || is "$(comm -13 guide all)" '' 'and misses none'

# A sample has one code in eight.
every=1
is_long || every=8
awk -v n=$every 'NR % n == 0' tsv >some
# Who raises it: a source, or a reason to skip the SQL functions.
while IFS=$'\t' read -r code _; do
	name=${code#IMGP-}
	grep -rqw --include='*.c' --include='*.cc' -e "IMGP_E_${name//-/_}" \
	    "$ROOT/libimgpipe" "$ROOT/cmd" ||
	    grep -q -- "'$code'" "$ROOT"/sql/1*.sql || echo "$code"
done <some >unraised
is "$(cat unraised)" '' 'something raises each'

# Each in each stage.
"$BUILD/tests/owners" >raised
is "$(cut -d' ' -f1 raised | uniq -c | awk '$1 != 12' | wc -l)" 0 'each is raised in twelve stages'
awk '$4 ~ /^(finish|notify|digest)$/ { want = "0 0 " ($4 == "finish" ? 75 : 1) }
    $4 !~ /^(finish|notify|digest)$/ {
	content = $4 ~ /^(scan|stamp|extra)$/
	if ($2 != "upload") want = "1 0 75"
	else if ($3) want = "1 0 1"
	else want = content ? "0 0 1" : "1 1 1"
    }
    $5 " " $6 " " $7 != want { print $0, "wanted", want }' raised >wrong
is "$(cat wrong)" '' 'ours and a service'"'"'s are fatal and never final: 75; the rest 1'

# Each before the database: an upload for a code, failed by it.
cut -f1,3,4 some | grep -v '	-	' >codes
n=$(wc -l <codes)
sql "insert into edc.subjecteventcrffile (id, subjecteventcrf_id, ddfile_id,
    revisionnumber, version_code, extension)
    select i, 5101, 21, 1, 'u' || i, '.zip' from generate_series(3001, 3000 + $n) i"
seq 3001 $((3000 + n)) | imgp-lookup 2>err | imgp-record start >started 2>>err
is "$(jq -r 'select(.edc_pipeline_file.id) | .subject_event_crf_file_id' started |
    wc -l)" "$n" 'an upload is claimed for each'
paste codes started | while IFS=$'\t' read -r code _ _ line; do
	printf '%s\n' "$line" | "$BUILD/bin/imgp-tally" fail "$code" 2>/dev/null
done >failed
imgp-record finish <failed >out 2>err
sql "select error_code || ' ' || status || case when failed_for_good then ' for good'
    else '' end || ' ' || attempt from pipeline.edcpipelinefile
    where subjecteventcrffile_id > 3000 order by subjecteventcrffile_id" >got
awk '{ print $1, "Failed" ($3 == "no" ? " for good" : ""), $2 == "ours" ? 0 : 1 }' codes >want
cmp -s got want
ok $? 'only what is the upload'"'"'s closes the row; ours is no attempt' ||
    diff want got | grep "^[<>]" | sort -k2 | head -20 | diag
done_testing
