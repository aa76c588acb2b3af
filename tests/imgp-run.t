#!/bin/bash
# The whole run on real uploads (issue of the first whole run: "How it is
# judged"): lines, statuses, rows, files, mail; a second run changes nothing.
. "$(dirname "$0")/lib/lib.sh"

# --- what is wrong with the settings is said before anything starts --------
exits 2 'no IMGP_DATABASE is said at once' env IMGP_SPOOL="$WORK/none" \
	imgp-run 1201
holds err 'in one line' <<'EOF'
imgp-run: IMGP-CONFIG: IMGP_DATABASE is not set, nor database in /dev/null
EOF
[ ! -e "$WORK/none" ]
ok $? 'and nothing is made'
world
exits 2 'no IMGP_TEMP' env IMGP_TEMP= imgp-run 1201
like err '^imgp-run: .*IMGP_TEMP' 'is named'
exits 2 'a spool that is a file' env IMGP_SPOOL="$WORK/pg.env" imgp-run 1201
exits 2 'a spool below a file' env IMGP_SPOOL="$WORK/pg.env/spool" imgp-run 1201
like err '^imgp-run: IMGP-CONFIG: IMGP_SPOOL: .*: it cannot be made or reached: ' \
    'is a setting to be mended, and not tried again'
exits 2 'a database that does not exist' env \
    IMGP_DATABASE="$IMGP_DATABASE dbname=nowhere" imgp-run 1201
like err 'imgp-run: ends with status 2; see imgp-run --doctor$' \
    'and the next step is named'
exits 2 'an unknown option' imgp-run --bogus
exits 2 'ids with --pending' imgp-run --pending 1201
exits 2 'a bad IMGP_RUN' env IMGP_RUN=../x imgp-run 1201
exits 2 'a file of ids that is not there' imgp-run --from none
for s in IMGP_MAIL=bogus: 'IMGP_ADMINS=not an address' IMGP_WAIT=soon \
    IMGP_DB_WAIT=soon IMGP_LIMIT_DEPTH=deep; do
	is_long || [ "$s" = IMGP_MAIL=bogus: ] || continue
	exits 2 "$s" env "$s" imgp-run 1201
	like err "^imgp-[a-z0-9]+: IMGP-(CONFIG|MAIL-ADDRESS): " 'is named'
done
is "$(sql 'select count(*) from pipeline.edcpipelinefile')" 0 'no row was made'

# --- a dry run ----------------------------------------------------------------
check-invariants() { "$ROOT/tests/check-invariants" "$@"; }
{ check-invariants --dump; ls -A spool; } >before
exits 0 'a dry run (F10)' imgp-run -n 1201 1202
is "$(jq -r .subject_event_crf_file_id out | xargs)" '1201 1202' \
	'gives a line for each'
is "$(jq -r .destination out | sed 's/.*[/]//' | head -1)" \
	'MRI_mri_zip_TRC-0301_SCV_5101_1_{edc_pipeline_file.id}_{timestamp}.zip' \
	'with the names to be (F11)'
{ check-invariants --dump; ls -A spool; } >after
cmp -s before after && [ "$(ls -A spool)" = .lock ]
ok $? 'and writes nothing (F10)'

# --- every kind of upload -----------------------------------------------------
# Several series; a bare file; DICOM beside other things; no DICOM; cut short;
# two studies; a second revision; NIfTI; odd names; no pipeline; waived; missing.
printf '%s\n' 1201 1202 1203 1204 1205 1206 1207 1208 1209 1210 1212 1299 >ids
exits 1 'a run with a missing id gives 1' imgp-run -j1 --from ids
cp out finished
like err '^imgp-run: [0-9TZ]+-[0-9a-f]{8}: 12 jobs: ' 'one summary line (stderr)'
[ "$(grep -c '^imgp-run: ' err)" = 1 ]
ok $? 'and only one'
is "$(wc -l <finished)" 12 'every id has one line (I1)'
is "$(jq -r .subject_event_crf_file_id finished | xargs)" "$(xargs <ids)" \
	'in input order with -j1'
is "$(jq -s '[.[].run] | unique | length' finished)" 1 'all of one run'
cat >want <<'EOF'
1201 Completed false -
1202 Completed false -
1203 Completed false -
1204 Completed true -
1205 Completed true -
1206 Completed false -
1207 Completed false -
1208 Completed true -
1209 Completed false -
1210 - - IMGP-SKIP-NO-PIPELINE
1212 - - IMGP-SKIP-WAIVED
1299 - - -
EOF
jq -r '[.subject_event_crf_file_id, .edc_pipeline_file.status // "-",
    (.edc_pipeline_file.has_error | if . == null then "-" else . end),
    .skip // "-"] | map(tostring) | join(" ")' finished >got
diff want got >d
ok $? 'each line says how its job ended (M42, M44)' || diag <d
is "$(jq -r 'select(.subject_event_crf_file_id == 1299).errors[].error_code' \
	finished)" IMGP-LOOKUP-NOT-FOUND 'the missing one is not found (M24)'
is "$(jq -r 'select(.subject_event_crf_file_id == 1204).errors[].error_code' \
	finished)" IMGP-DICOM-NONE 'one without DICOM is delivered, with an error (M28)'
is "$(jq -r 'select(.subject_event_crf_file_id == 1205).errors[].error_code' \
	finished)" IMGP-ARCHIVE-DAMAGED 'one that is cut short is, too (M28)'
is "$(jq -r 'select(.subject_event_crf_file_id == 1201) |
    [.scans[].series[] | "\(.series_number):\(.number_of_instances):\(.atri_uid)"]
    | join(" ")' finished)" '1:1:1.1 2:3:1.2 700:7:1.3' \
	'series, numbers and instances, and their ATRIUIDs (M27, M29, M31)'
is "$(sql "select string_agg(subjecteventcrffile_id || ' ' || status || ' ' ||
    has_error, ';' order by id) from pipeline.edcpipelinefile")" \
	'1201 Completed false;1202 Completed false;1203 Completed false;1204 Completed true;1205 Completed true;1206 Completed false;1207 Completed false;1208 Completed true;1209 Completed false' \
	'the rows say the same'
check-invariants --inputs ids --finished finished --mails 1 >faults
ok $? 'stores, ledger and mail agree, byte for byte (I1-I7, M34)' ||
	diag <faults
is "$(find images -type f | wc -l)" 9 'nine files are delivered'
[ -f images/quarantine/DATdatscan_zip/DAT_datscan_zip_TRC-0305_SCV_5109_1_9_"$(
    jq -r 'select(.subject_event_crf_file_id == 1209) |
    .edc_pipeline_file.ts_create | gsub("[-:Z]"; "") | sub("T"; "_")' \
    finished)".zip ]
ok $? 'under names without white space, with the row and its time (M11-M15)'
cmp -s source/subjecteventcrffile/303/5105/mri_zip/v1.zip \
	images/quarantine/MRImri_zip/*_5105_*.zip
ok $? 'the broken one byte for byte'
find mail -type f -exec cat {} + | tr -d '\r' >mails
like mails 'IMGP-LOOKUP-NOT-FOUND' 'the mail names the failure (M74)'
like mails '1205' 'and the upload that is broken'
[ -z "$(ls -A temp)" ] && [ "$(ls -A spool)" = .lock ]
ok $? 'nothing is left behind (I7)'
jq -r 'select(.scans != null and .edc_pipeline_file.status == "Completed") |
    select([.scans[].series[]] | length > 0) |
    [.edc_pipeline_file.file_name, .destination[7:], .sha256.source] | @tsv' \
	finished >stamped
# The sandbox keeps the leak checker from its work.
is_sanitized "$BUILD/bin/imgp-stamp" && leaks=ASAN_OPTIONS=detect_leaks=0
while IFS=$(printf '\t') read -r name path sum; do
	env ${leaks-} imgp-stamp --unstamp -o back --provenance \
	    "source/image_pipelines/provenance/image/$name.prov" "$path" &&
	    [ "$(sha256sum <back)" = "$sum  -" ] && echo same
	rm -f back
done <stamped >back.out 2>back.err
is "$(grep -c same back.out)" 6 \
	'the provenance beside the logs gives each stamped upload back (F4, F40)'

is_long || done_testing	# a sample ends here
# --- the same again -----------------------------------------------------------
check-invariants --dump >before
grep -v 1299 ids >ids2
exits 0 'the same run without the missing id gives 0' imgp-run <ids2
check-invariants --dump >after
cmp -s before after
ok $? 'changes nothing and mails nothing (I8, R8)' ||
	diff before after | head -5 | diag
is "$(jq -r '.skip' out | sort | uniq -c | tr -s ' ' | xargs)" \
	'9 IMGP-SKIP-DONE 1 IMGP-SKIP-NO-PIPELINE 1 IMGP-SKIP-WAIVED' \
	'says why it does nothing'
if is_long; then
exits 0 'what is paused is for another time' imgp-run -q --pending
is "$(cat out err)" '' '... without a word'
exits 75 'unless all is to be taken' imgp-run --pending --now
is "$(jq -rc '[.subject_event_crf_file_id, .skip]' out)" \
	'[1211,"IMGP-SKIP-PAUSED"]' '--pending finds nothing else (M6)'
exits 0 '-q says nothing' imgp-run -q 1201
holds err 'where all is well' </dev/null
fi

# --- input: operands, NULs, keys, places, job lines, rubbish, doubles -----------
uploads 2000 12 source/subjecteventcrffile/305/5109/'dat scan_zip/v1 a.zip'
key=subjecteventcrffile/301/5101/mri_zip
printf '%s\0' 2000 "$key/u2001.zip" "file://$WORK/source/$key/u2002.zip" \
	'{"subject_event_crf_file_id":2003,"x":[1, 2]}' '20
04' 2000 >nul
exits 1 'NUL-separated input (-0)' imgp-run -j1 -0 --from nul
is "$(jq -rc '[.subject_event_crf_file_id, .skip // .edc_pipeline_file.status,
    .input, .x]' out | tr -d '"' | xargs)" \
	'[2000,Completed,null,null] [2001,Completed,null,null] [2002,Completed,null,null] [2003,Completed,null,[1,2]] [null,null,20\x0004,null] [2000,IMGP-SKIP-DUPLICATE,null,null]' \
	'ids, keys, places, job lines; nothing vanishes (M22, R64)'

if is_long; then
exits 1 'inputs that name nothing' imgp-run --wait 0 0 abc a/b ../../etc \
	s3://x/y 's3://other-bucket/k' file:///etc/passwd '{"x":1}' /
is "$(wc -l <out)" 9 'have one finished line each (R35, R64)'
fi

# --- standard output --------------------------------------------------------------
printf '%s\n' 2004 2005 2006 >ids
(imgp-run --from ids; echo $? >rc) 2>err | head -1 >out
is "$(wc -l <out)" 1 'a reader that takes one line (R39)'
is "$(sql "select count(*) from pipeline.edcpipelinefile where status =
    'Completed' and subjecteventcrffile_id between 2004 and 2006")" 3 \
	'does not stop the images behind it (R39)'
if is_long; then
exits 75 'a full disk behind standard output (R39)' \
	sh -c 'imgp-run 2007 2008 >/dev/full'
like err 'standard output: No space left' 'is said'
is "$(sql "select count(*) from pipeline.edcpipelinefile where status =
    'Completed' and subjecteventcrffile_id between 2007 and 2008")" 2 \
	'and the images are delivered all the same (R39)'
fi

# --- a hostile environment ----------------------------------------------------------
mkdir evil
for t in imgp-lookup imgp-record imgp-tally tee mkdir flock rm sed; do
	printf '#!/bin/sh\ntouch %s\n' "$WORK/evil/done" >evil/$t
	chmod +x evil/$t
done
run=$BUILD/bin/imgp-run
exits 0 'PATH, BASH_ENV and functions of the caller (R69)' env \
	PATH="$WORK/evil:$PATH" BASH_ENV="$WORK/evil/tee" \
	'BASH_FUNC_rm%%=() { touch evil/done; }' TZ=Pacific/Auckland \
	LC_ALL=tr_TR.UTF-8 "$run" 2009
[ ! -e evil/done ]
ok $? 'are not used (R69)'
is "$(jq -r .edc_pipeline_file.status out)" Completed 'and the run is right'
if is_long; then
mkdir -p inst/bin inst/libexec/imgpipe
ln "$BUILD"/bin/imgp-* inst/bin/ 2>/dev/null || cp "$BUILD"/bin/imgp-* inst/bin/
mv inst/bin/imgp-tally inst/bin/imgp-stages inst/bin/imgp-supervise inst/libexec/imgpipe/
exits 0 'an installed imgp-run finds its helpers' inst/bin/imgp-run 2010

# --- two runs at once ----------------------------------------------------------------
uploads 2100 8 source/subjecteventcrffile/301/5112/mri_zip/v1.zip
seq 2100 2107 >ids
for i in 1 2 3; do
	imgp-run -q --from ids >race.$i 2>race.err.$i &
done
for p in $(jobs -p); do
	wait "$p"
	echo $?
done >race.rc
grep -Evq '^(0|75)$' race.rc
ok $((! $?)) 'three runs of the same ids at once: each ends with 0 or 75 (R6)'
is "$(cat race.[123] | jq -r 'select(.skip == null).subject_event_crf_file_id' \
	2>/dev/null | sort | xargs)" "$(xargs <ids)" \
	'each upload is delivered by one of them (R6)'
check-invariants >faults
ok $? 'and all agrees (I1-I7)' || diag <faults
fi
done_testing
