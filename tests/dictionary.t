#!/bin/bash
# A site's own error dictionary (M68): what it may say, what it may not, and who shows it.
. "$(dirname "$0")/lib/lib.sh"
export IMGP_ERROR_DICTIONARY="$WORK/own.tsv"
row() { local IFS='	'; printf '%s\n' "$*"; }
{
	echo '# ours'
	echo
	row IMGP-DICOM-CUT integrity upload no 'Fehler 17: "Bild" zu kurz \ %s' 'Zentrum anrufen, Größe prüfen'
	row IMGP-SITE-QC-BLUR data upload no 'the image is blurred' 'ask for another'
	row IMGP-SITE-SCANNER temporary service yes 'the scanner does not answer' 'nothing'
} >own.tsv
exits 0 'a code of ours' imgp-run --explain-error IMGP-DICOM-CUT
is "$(cat err)" '' 'is read without a word'
holds out 'has the class, the meaning and the action of the file' <<'EOT'
IMGP-DICOM-CUT
  means        Fehler 17: "Bild" zu kurz \ %s
  do           Zentrum anrufen, Größe prüfen
  fault        the upload's
  then         in scan, stamp and extra delivered with has_error, unless it is required; else failed for good
  class        integrity
EOT
exits 0 'a code of the site' imgp-run --explain-error site-qc-blur
like out '^  means +the image is blurred$' 'is explained, too'
exits 0 'a code that the file leaves out' imgp-run --explain-error IMGP-DB-FENCED
like out 'another run has taken over' 'is as it was'
sed 's/^#.*//' "$ROOT/libimgpipe/base/errors.tsv" >own.tsv
exits 0 'the dictionary that is built in' imgp-run --explain-error IMGP-CONFIG
is "$(cat err)" '' 'may be the file'

# What it may not say: each is named by its line, and stops every tool.
says() {		# says WANTED FIELD...
	local wanted=$1
	shift
	row "$@" >own.tsv
	IMGP_SOURCE="file://$WORK" imgp-dcmscan /dev/null >out 2>err
	is "$? $(sed 's/.*own\.tsv:1: [^:]*: //' err)" "2 $wanted" "$wanted${2+: }${2-}"
}
says 'the tools go by its owner, which must stay as it is' IMGP-DB-FENCED conflict upload yes m a
if is_long; then
says 'the tools go by retryable, which must stay as it is' IMGP-DB-FENCED conflict ours no m a
says 'the tools go by retryable, which must stay as it is' IMGP-DICOM-CUT data upload yes m a
says 'the tools go by the class temporary, which must stay as it is' IMGP-DB-FENCED temporary ours yes m a
says 'the tools go by the class temporary, which must stay as it is' IMGP-DB-UNAVAILABLE denied service yes m a
says 'it cannot have this class' IMGP-DB-FENCED odd ours yes m a
says 'it cannot have this class' IMGP-SKIP-DONE data - no m a
says 'no such owner' IMGP-DB-FENCED conflict us yes m a
says 'no such code; a site'"'"'s own begin with IMGP-SITE-' IMGP-QC-BLUR data upload no m a
for c in IMGP-SITE- IMGP-SITE-a IMGP-SITE-A- IMGP-SITE-A--B "IMGP-SITE-$(printf '%054d' 0)"; do
	says 'no such code; a site'"'"'s own begin with IMGP-SITE-' "$c" data upload no m a
done
fi
says 'only a fault of the upload may be final' IMGP-SITE-A internal ours no m a
says 'the class temporary is a service'"'"'s, and its only one' IMGP-SITE-A temporary upload yes m a
if is_long; then
says 'no such owner' IMGP-SITE-A data - no m a
says 'retryable is neither yes nor no' IMGP-SITE-A data upload maybe m a
says 'not six fields with a tab between them' IMGP-SITE-A data upload no m
says 'not six fields with a tab between them' IMGP-SITE-A data upload no m a b
text='meaning and action are printable text, of at most 200 bytes each'
says "$text" IMGP-SITE-A data upload no '' a
says "$text" IMGP-SITE-A data upload no m ''
says "$text" IMGP-SITE-A data upload no m "$(printf 'a\033[1m')"
says "$text" IMGP-SITE-A data upload no m "$(printf 'a\r')"
says "$text" IMGP-SITE-A data upload no m "$(printf 'a\377')"
says "$text" IMGP-SITE-A data upload no m "$(printf '%0201d' 0)"
fi
{ row IMGP-SITE-A data upload no m a; echo; row IMGP-SITE-A data upload no m a; } >own.tsv
exits 2 'the same code twice' imgp-dcmscan /dev/null
like err 'own\.tsv:3: IMGP-SITE-A: it stands there twice$' 'is found'
printf 'IMGP-SITE-A\0' >own.tsv
exits 2 'a NUL' imgp-dcmscan /dev/null
like err 'IMGP-CONFIG: IMGP_ERROR_DICTIONARY: /.*own\.tsv: ' 'is not read past'
: >own.tsv
exits 2 'an empty file' imgp-dcmscan /dev/null
rm own.tsv
exits 2 'a file that is not there' imgp-dcmscan /dev/null
like err 'IMGP-CONFIG: IMGP_ERROR_DICTIONARY: /.*own\.tsv: No such file' 'is said'
exits 0 'the code of that is explained all the same' imgp-run --explain-error IMGP-CONFIG
like err 'IMGP_ERROR_DICTIONARY' 'with a word'

is_long || done_testing	# a sample ends here
# A run by it: an extra program fails an upload by a code of the site.
unset IMGP_ERROR_DICTIONARY
world
row IMGP-SITE-QC-BLUR data upload no 'the image is blurred' 'ask for another' >own.tsv
export IMGP_WAIT=0 IMGP_ERROR_DICTIONARY="$WORK/own.tsv" IMGP_EXTRA=required
cat >prog <<'EOT'
#!/bin/sh
jq -c '.errors = [{stage: "extra", error_code: "IMGP-SITE-QC-BLUR", class: "data",
    error: "blurred", fatal: true, retryable: false}] | .ok = false'
EOT
chmod 700 prog
exits 0 'the file is loaded into the database, too' \
    "$ROOT/scripts/load-sql" "$IMGP_DATABASE" --errors own.tsv
exits 1 'an extra program may fail an upload by a code of the site' imgp-run --with "$WORK/prog" 1201
is "$(jq -c '[.ok, .errors[0].error_code]' out)" '[false,"IMGP-SITE-QC-BLUR"]' 'which is in the job line'
is "$(sql 'select f.status, f.failed_for_good, c.meaning from pipeline.edcpipelinefile f
    join pipeline.error_code c on c.code = f.error_code')" 'Failed|t|the image is blurred' \
    'and in the row'
exits 0 'imgp-status' imgp-status 1201
like out 'ask for another' 'says what to do'
exits 0 'uploads are opened by the code' imgp-run --again --failed site-qc-blur
is "$(sql 'select status from pipeline.edcpipelinefile')" Completed 'and delivered'
unset IMGP_ERROR_DICTIONARY
exits 75 'without the file' imgp-run --with "$WORK/prog" 1202
is "$(jq -r '.errors[].error_code' out)" IMGP-EXTRA-ANSWER 'no program may answer by it'
done_testing
