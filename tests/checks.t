#!/bin/bash
# Do the headers say what the EDC says (F29)?  Each rule, each level, in the scan
# and in whole runs; DICOM made by DCMTK.
. "$(dirname "$0")/lib/lib.sh"
PY=/usr/bin/python3
command -v dcmodify >/dev/null || skip_all 'dcmtk is not there'
dicom_samples
unset TMPDIR
export TMPDIR=$WORK IMGP_SPOOL=$WORK/scans
mkdir -p scans/r

# image NAME [ELEMENT=VALUE...]: a CT with these; without a value it loses it.
image() {
	local name=$1 args=() e
	shift
	cp "$samples/CT_small.dcm" "$name"
	for e; do
		case $e in
		*=*) args+=(-i "$e") ;;
		*) args+=(-ea "$e") ;;
		esac
	done
	dcmodify -nb -gin "${args[@]}" "$name" 2>dcmodify.err || cat dcmodify.err
}
ID='(0010,0020)' NAME='(0010,0010)' DATE='(0008,0020)' MOD='(0008,0060)'

# scan UPLOAD [MEMBER]: its job line through imgp-dcmscan; what was found of the
# checks into the file found: LEVEL CODE and the text from the first number on.
scan() {
	mkdir -p scans/r/1
	cp "$1" scans/r/1/upload
	jq -nc --arg at "file://$WORK/scans/r/1/upload" '{v: 1,
	    subject_event_crf_file_id: 1, pipeline_code: "image",
	    participant_code: "TRC-0301", ddcrf_name: "MRI",
	    ddfile_name: "dat scan_zip", event_date: "2026-03-01", local: $at} +
	    {'"${2-}"'}' >line
	imgp-dcmscan <line >out 2>err
	jq -r '(.warnings // [] | .[] | ["warn", .error_code, .error]),
	    (.errors // [] | .[] | [if .fatal then "fatal" else "error" end,
	    .error_code, .error]) | select(.[1] | startswith("IMGP-CHECK")) |
	    .[2] |= sub("^.*[)]: "; "") | join(" ")' out >found
}
found() { is "$(cat found)" "$1" "$2"; }
# verdict WANTED TITLE: of the one instance that was scanned.
verdict() {
	local got='cannot tell'
	[ -s found ] || got=agrees
	! grep -q ' 1 of 1 instances disagree' found || got=disagrees
	is "$got" "$1" "$2 $1"
}

# --- off ----------------------------------------------------------------------
image plain "$ID=TRC-9999"
scan plain
found '' 'nothing is checked unless it is asked for'
jq 'del(.local)' out >unasked
IMGP_CHECK_PATIENT='off PatientID contains' scan plain
found '' 'nor with the word off in front of a rule'
jq 'del(.local)' out | cmp -s - unasked
ok $? 'and the line is the same'

# --- the levels ----------------------------------------------------------------
for l in 'required fatal 1' 'warn warn 0' 'error error 1'; do
	is_long || [ "$l" = 'required fatal 1' ] || continue
	read -r level how status <<<"$l"
	export IMGP_CHECK_PATIENT=$level
	scan plain
	found "$how IMGP-CHECK-PATIENT 1 of 1 instances disagree, 0 cannot tell" \
	    "$level: another PatientID"
	exits "$status" "which gives status $status" imgp-dcmscan <line
	image own "$ID=TRC-0301"
	scan own
	found '' "$level: the participant's own"
	IMGP_CHECK_PATIENT='' IMGP_CHECK_DATE="$level 3" scan plain
	found "$how IMGP-CHECK-DATE 1 of 1 instances disagree, 0 cannot tell" \
	    "$level: another day"
	IMGP_CHECK_PATIENT='' IMGP_CHECK_MODALITY="$level datscan_zip=MR,PT" scan plain
	found "$how IMGP-CHECK-MODALITY 1 of 1 instances disagree, 0 cannot tell" \
	    "$level: another modality"
	image without "$ID"
	scan without
	found "$how IMGP-CHECK-UNKNOWN 0 of 1 instances disagree, 1 cannot tell" \
	    "$level: no PatientID in any instance"
done
unlike out 'TRC-9999' 'no value of a header is told'
unset IMGP_CHECK_PATIENT

# --- what counts ------------------------------------------------------------------
mkdir many && cd many && i=0
for p in TRC-0301 TRC-0301 TRC-9999 TRC-0302 TRC-0303; do
	image $((i += 1)).dcm "$ID=$p"
done
image 6.dcm "$ID"
image 7.dcm "$ID="
cp "$samples/dicomdirtests/TINY_ALPHA/DICOMDIR" .
echo 'no image' >README.txt
zip -qr ../many.zip .
tar cf ../many.tar .
cd ..
for a in $(is_long && echo tar) zip; do
	IMGP_CHECK_PATIENT=error scan many.$a
	found 'error IMGP-CHECK-PATIENT 3 of 7 instances disagree, 2 cannot tell' \
	    "$a: agreeing, disagreeing and what cannot tell; neither DICOMDIR nor text"
done
rm many/[345].dcm
(cd many && zip -qr ../some.zip .)
IMGP_CHECK_PATIENT=required scan some.zip
found 'warn IMGP-CHECK-UNKNOWN 0 of 4 instances disagree, 2 cannot tell' \
    'where some agree and none disagrees, what cannot tell is a warning'
head -c $(($(stat -c %s many.tar) / 2)) many.tar >cut.tar
IMGP_CHECK_PATIENT=required scan cut.tar
like found '^fatal IMGP-CHECK-.*; the upload could not be read to its end$' \
    'an upload that cannot be read to its end is not let through'
printf 'words\n' >words
IMGP_CHECK_PATIENT=required scan words
found '' 'an upload without DICOM has nothing to compare'
IMGP_CHECK_PATIENT='required' scan plain '"participant_code":null'
found 'fatal IMGP-CHECK-UNKNOWN 0 of 1 instances disagree, 1 cannot tell; the EDC gives no participant_code' \
    'no participant code'
exits 0 'a plain command knows no EDC' env IMGP_CHECK_PATIENT=required \
    imgp-dcmscan plain

# --- the participant ------------------------------------------------------------
# one RULE RESULT ELEMENT=VALUE...
one() {
	image one "${@:3}"
	IMGP_CHECK_PATIENT="error $1" scan one
	verdict "$2" "$1: ${*:3}"
}
one equal agrees "$ID=trc-0301 "
if is_long; then
one equal agrees "$ID= TRC-0301"
one equal disagrees "$ID=TRC-03011"
one equal disagrees "$ID=TRC 0301"
one 'PatientID equal' disagrees "$ID=X" "$NAME=TRC-0301"
one 'PatientName equal' agrees "$ID=X" "$NAME=TRC-0301"
one 'PatientName equal' agrees "$NAME=TRC-0301^^^^"
fi
one 'PatientName equal' agrees "$NAME=Phantom^Trc-0301"
if is_long; then
one 'PatientName equal' agrees "$NAME=Any=X^TRC-0301"
one 'PatientName equal' disagrees "$NAME=TRC^0301"
one 'PatientName equal' disagrees "$NAME=TRC-0302^X"
one 'PatientName equal' 'cannot tell' "$NAME"
one 'PatientID PatientName equal' agrees "$ID=X" "$NAME=TRC-0301"
one 'PatientID PatientName equal' disagrees "$ID=X" "$NAME"
one 'PatientID PatientName equal' 'cannot tell' "$ID" "$NAME"
one contains agrees "$ID=S01_TRC-0301_BL"
one contains agrees "$ID=TRC-0301"
fi
one contains disagrees "$ID=TRC-03012"
if is_long; then
one contains disagrees "$ID=XTRC-0301"
one contains disagrees "$ID=TRC-0302"
one 'PatientName contains' agrees "$NAME=ADNI TRC-0301^BL"
one 'S01_{participant_code}_*' agrees "$ID=s01_TRC-0301_BL"
one 'S01_{participant_code}_*' disagrees "$ID=S02_TRC-0301_BL"
one 'S01_{participant_code}_*' disagrees "$ID=S01_TRC-0301"
one '??-{participant_code}' agrees "$ID=AB-TRC-0301"
one '??-{participant_code}' disagrees "$ID=ABC-TRC-0301"
one 'PatientName *^{participant_code}' agrees "$NAME=Trial^TRC-0301^^"
fi
IMGP_CHECK_PATIENT='error S*{participant_code}' scan plain '"participant_code":"TRC-*"'
found 'error IMGP-CHECK-PATIENT 1 of 1 instances disagree, 0 cannot tell' \
    'an asterisk in a participant code is none of the rule'

# Character sets: two-byte characters hide no code, and Latin-1 is none of UTF-8.
"$PY" -W ignore - "$samples/CT_small.dcm" <<'EOT'
import sys, bare, pydicom
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
def put(name, charset, tag, vr, raw, twice=False):
    ds = pydicom.dcmread(sys.argv[1])
    ds.SpecificCharacterSet = charset
    raw += b" " * (len(raw) % 2)
    ds[tag] = RawDataElement(Tag(tag), vr, len(raw), raw, 0, False, True)
    ds.save_as(name)
put("kanji", ["", "ISO 2022 IR 87"], 0x00100010, "PN",
    b"Yamada^TRC-0301=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B")
# "TRC-0301" as the second half of a name in two-byte characters
put("hidden", ["", "ISO 2022 IR 87"], 0x00100010, "PN",
    b"Yamada=\x1b$B;3E!TRC-0301\x1b(B")
put("long", "ISO_IR 192", 0x00100010, "PN", b"A" * 63 + b"^" + b"B" * 63 + b"^TRC-0301")
# PatientID twice: the header is read all the same.
raw = open(sys.argv[1], "rb").read()
at = raw.index(b"\x10\x00\x20\x00LO")
n = 8 + int.from_bytes(raw[at + 6:at + 8], "little")
open("twice", "wb").write(raw[:at + n] + raw[at:])
EOT
image utf8 '(0008,0005)=ISO_IR 192' "$ID=MÜNCH-1"
image latin '(0008,0005)=ISO_IR 100' "$ID=$(printf 'M\334NCH-1')"
IMGP_CHECK_PATIENT='error PatientName equal' scan kanji
found '' 'a code beside ideographs is found'
IMGP_CHECK_PATIENT='error PatientName contains' scan hidden
like found '1 of 1 instances disagree' 'the bytes of ideographs are no code'
if is_long; then
IMGP_CHECK_PATIENT=error scan utf8 '"participant_code":"MÜNCH-1"'
found '' 'a code beyond ASCII, in UTF-8'
IMGP_CHECK_PATIENT=error scan latin '"participant_code":"MÜNCH-1"'
found 'error IMGP-CHECK-UNKNOWN 0 of 1 instances disagree, 1 cannot tell' \
    'in another character set it cannot tell'
IMGP_CHECK_PATIENT='error PatientName equal' scan long
like found ' 1 cannot tell' 'nor can a name that is longer than what is kept'
IMGP_CHECK_PATIENT=error scan twice
like found ' 1 cannot tell' 'nor an element that stands twice'
is "$(jq -c '[.listing, .errors[0].error_code]' out)" \
    '[{"dicom":1},"IMGP-CHECK-UNKNOWN"]' 'whose object is read all the same'
fi

# Other encodings of the header.
for x in $(is_long && echo +ti +td) +tb; do
	dcmconv "$x" plain coded 2>err || cat err
	IMGP_CHECK_PATIENT=error IMGP_CHECK_DATE='error 3' IMGP_CHECK_MODALITY='error *=MR' \
	    scan coded
	is "$(cut -d' ' -f2-5 found | xargs)" \
	    'IMGP-CHECK-PATIENT 1 of 1 IMGP-CHECK-DATE 1 of 1 IMGP-CHECK-MODALITY 1 of 1' \
	    "dcmconv $x: all three are found"
done

# --- the day -----------------------------------------------------------------------
day() {			# day RULE RESULT STUDYDATE [MEMBER]
	image one "$DATE${3:+=$3}"
	IMGP_CHECK_DATE="error $1" scan one ${4:+"$4"}
	verdict "$2" "within $1 days: ${3:-none}${4:+, $4}"
}
if is_long; then
day 0 agrees 20260301
day 0 disagrees 20260302
day 1 agrees 20260228
day 1 agrees 20260302
day 7 agrees 20260222
fi
day 7 disagrees 20260221
if is_long; then
day 366 agrees 20250301
day 7 'cannot tell' 20261399
day 7 'cannot tell' 20260230x
day 7 'cannot tell' ''
day 0 agrees 20240229 '"event_date":"2024-02-29T10:00:00"'
fi
day 0 disagrees 20240301 '"event_date":"2024-02-29"'
if is_long; then
day 1 agrees 20240301 '"event_date":"2024-02-29"'
day 7 'cannot tell' 20260301 '"event_date":null'
day 7 'cannot tell' 20260301 '"event_date":"1 March"'
is "$(sed 's/.*; //' found)" 'the EDC gives no usable event_date' 'and it says why'
fi

# --- the modality --------------------------------------------------------------
mod() {			# mod RULE RESULT MODALITY
	image one "$MOD${3:+=$3}"
	IMGP_CHECK_MODALITY="error $1" scan one
	verdict "$2" "$1: ${3:-none}"
}
if is_long; then
mod 'datscan_zip=CT' agrees CT
mod 'datscan_zip=MR,CT' agrees CT
mod 'datscan_zip=MR,CTX' disagrees CT
fi
mod 'MRI/datscan_zip=MR' disagrees CT
if is_long; then
mod 'PET/datscan_zip=MR' agrees CT
mod 'mri_zip=MR' agrees CT
mod 'mri_zip=MR *=NM' disagrees CT
mod 'datscan_zip=NM *=CT' disagrees CT
mod 'datscan_zip=NM' 'cannot tell' ''
fi

# --- settings that are none -----------------------------------------------------------
few 3 >refused <<'EOT'
CHECK_PATIENT|warn equals
CHECK_DATE|required soon
CHECK_MODALITY|warn mri_zip=
CHECK_PATIENT|yes
CHECK_PATIENT|warn PatientID {participant_code}{participant_code}
CHECK_PATIENT|warn PatientID {event_code}
CHECK_PATIENT|warn PatientSex equal
CHECK_DATE|warn
CHECK_DATE|warn -1
CHECK_MODALITY|warn
CHECK_MODALITY|warn MR
CHECK_MODALITY|warn =MR
CHECK_MODALITY|warn mri_zip=MR;PT
EOT
while IFS='|' read -r s v; do
	scan plain
	exits 2 "IMGP_$s='$v' is refused" env "IMGP_$s=$v" imgp-dcmscan <line
	name=${s,,}
	like err "IMGP-CONFIG: .*$name: " 'by its name'
done <refused

# --- whole runs -----------------------------------------------------------------
unset IMGP_SPOOL
world
# The sample's view and the event's date.
sql "create view edc.sample as $(sql "select pg_get_viewdef('pipeline.upload')" |
    tr '\n' ' ' | tr -d ';')"
sql 'create table edc.visit (subject_id bigint, event_code text, day date)'
upload_view 'select s.*, v.day as event_date from edc.sample s left join edc.visit v
    on v.subject_id = s.subject_id and v.event_code = s.event_code'
sql -c "insert into edc.visit values (301, 'SCV', '2026-03-01'),
    (303, 'BL', '2026-03-01')"
put() {			# put KEY PATIENT...: an upload of an image for each
	rm -rf put
	mkdir put
	local to=$WORK/source/subjecteventcrffile/$1 n=0
	shift
	for p; do
		image "put/$((n += 1)).dcm" "$ID=$p" "$NAME=Canary^Person" \
		    "$DATE=20260310" "$MOD=MR"
	done
	(cd put && zip -qr - .) >"$to"
}
put 301/5101/mri_zip/v1.zip TRC-0301 TRC-9999
put 302/5103/pet_zip/v1.zip TRC-0302 TRC-9998
put 303/5106/mri_zip/v1.zip TRC-0399 TRC-0399
put 305/5109/dat\ scan_zip/v1\ a.zip TRC-0305x
put 304/5107/pet_zip/v2.zip TRC-0304
cat >conf <<'EOT'
check_patient = required
[image]
check_patient = warn PatientID equal
EOT
row() {			# row ID: how it stands
	sql "select status || case when has_error then ' has_error' else '' end ||
	    case when failed_for_good then ' for good' else '' end || ' ' ||
	    coalesce(error_code, '-') from pipeline.edcpipelinefile
	    where subjecteventcrffile_id = $1"
}
name_of() {
	sql "select file_name from pipeline.edcpipelinefile
	    where subjecteventcrffile_id = $1"
}
export IMGP_CONFIG=$WORK/conf IMGP_LOGS=file://$WORK/logs
mkdir logs
if is_long; then
exits 0 'warn: an upload with another patient is delivered' imgp-run 1201
is "$(row 1201)" 'Completed -' 'without has_error'
text='check_patient (PatientID, equal): 1 of 2 instances disagree, 0 cannot tell'
is "$(jq -r '.warnings[] | .stage, .error_code, .error' out)" "scan
IMGP-CHECK-PATIENT
$text" 'its line has the warning'
cat logs/*/run_logs/image/* >log
is "$(jq -r '.warnings[] | .error_code, .error' log)" "IMGP-CHECK-PATIENT
$text" 'the run log, too'
imgp-status >status 2>&1
like status '^image +with warnings +1' 'imgp-status counts it'
imgp-status 1201 >>status
tr -s '\n ' ' ' <status >line
like line " scan IMGP-CHECK-PATIENT: warning: ${text//[()]/.} 20" \
    'and with its id shows it'
imgp-digest --print >digest 2>err
like digest '^   warning      IMGP-CHECK-PATIENT$' 'the digest names it'
like digest "^ +${text//[()]/.}\$" 'and says how many'
imgp-digest --print --format csv >csv 2>err
is "$(sed -n 's/\r$//; 2s/.*,//p' csv)" '"IMGP-CHECK-PATIENT"' 'its CSV as well'
imgp-digest --print --format json >json 2>err
is "$(jq -r '.files[0].warnings[0].error' json)" "$text" 'and its JSON'
imgp-digest --print --format html >html 2>err
like html '<div class="flag">warning IMGP-CHECK-PATIENT: ' 'and its page'

export IMGP_CHECK_PATIENT=error
exits 1 'error: it is delivered' imgp-run 1203
is "$(row 1203)" 'Completed has_error IMGP-CHECK-PATIENT' 'with has_error'
imgp-status 1203 >>status
imgp-digest --print >>digest 2>err
like digest '^   with error   IMGP-CHECK-PATIENT$' 'the digest says so'
fi

export IMGP_CHECK_PATIENT=required
exits 1 'required: it is not delivered' imgp-run 1206
is "$(row 1206)" 'Failed has_error for good IMGP-CHECK-PATIENT' 'but failed for good'
is "$(jq -c '[.scans[0].series[0].atri_uid, .sha256.destination]' out)" '[null,null]' \
    'it got no id and no sum of a delivery'
find images temp -type f | grep -c TRC-0303 >got
is "$(cat got) $(sql "select count(*) from pipeline.edcpipelinefiledicom d
    join pipeline.edcpipelinefile f on f.id = d.edcpipelinefile_id
    where f.subjecteventcrffile_id = 1206")" '0 0' 'no place has it, no series is recorded'
cat logs/*/error_logs/image/* >errorlogs
like errorlogs 'said    check_patient .PatientID, equal.: 2 of 2 instances disagree' \
    'its error log says why'
cp out line.1206
if is_long; then
exits 1 'the same again' imgp-run 1206
is "$(jq -r .skip out)" IMGP-SKIP-FAILED 'is passed over'
imgp-status 1206 >>status
name=$(name_of 1206)
sql "update pipeline.edcpipelinefile set file_name = null, file_path = null
    where subjecteventcrffile_id = 1206" 2>err
like err 'keeps its key, time and name' 'nobody but who opens it again takes its name'
like <(echo "$name") _TRC-0303_ 'it had a name of the code that was there'
exits 1 'opened again without a correction' imgp-run --again 1206
is "$(row 1206)" 'Failed has_error for good IMGP-CHECK-PATIENT' 'it fails as before'
sql "update edc.subject set participant_code = 'TRC-0399' where id = 303"
exits 0 'once the EDC is mended' imgp-run --again 1206
is "$(row 1206)" 'Completed -' 'it is delivered'
is "$(name_of 1206)" "${name/TRC-0303/TRC-0399}" 'by a name of the code that is right'
[ -f "images/quarantine/MRImri_zip/$(name_of 1206)" ]
ok $? 'where the labs look for it'

# A row whose series are recorded may have been stored somewhere: it keeps its name,
# and goes nowhere under another participant's.
exits 75 'an attempt that ends behind the scan' env IMGP_CHECK_PATIENT=off \
    IMGP_DESTINATION="file://$WORK/nowhere" imgp-run 1209
name=$(name_of 1209)
imgp-run 1209 >out 2>err
is "$(row 1209)" 'Failed has_error for good IMGP-CHECK-PATIENT' 'then the check fails it'
sql "update edc.subject set participant_code = 'TRC-0305x' where id = 305"
exits 1 'opened again with another code in the EDC' imgp-run --again 1209
is "$(row 1209)" 'Failed has_error for good IMGP-NAME-PARTICIPANT' \
    'it is not delivered by a name that is another participant'"'"'s'
is "$(name_of 1209)" "$name" 'which it keeps'
sql "update edc.subjecteventcrffile set revisionnumber = 2 where id = 1209"
exits 0 'as a new revision' imgp-run 1209
is "$(sql "select status, file_name like '%TRC-0305x%' from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1209 and revision_number = 2")" 'Completed|t' \
    'it is delivered by the right one'

# The date of the event, which comes late.
export IMGP_CHECK_PATIENT=off IMGP_CHECK_DATE='required 5'
exits 1 'no date of the event' imgp-run 1207
is "$(row 1207)" 'Failed has_error for good IMGP-CHECK-UNKNOWN' 'cannot be let through'
sql "insert into edc.visit values (304, 'BL', '2026-03-01')"
exits 1 'a date that is too far' imgp-run --again 1207
is "$(row 1207)" 'Failed has_error for good IMGP-CHECK-DATE' 'is refused'
sql "update edc.visit set day = '2026-03-15' where subject_id = 304"
exits 0 'the right one' imgp-run --again 1207
is "$(row 1207)" 'Completed -' 'is let through'
fi
"$ROOT/tests/check-invariants" >got
ok $? 'every invariant of a run holds' || diag <got

is_long || { imgp-status 1206 >status; imgp-digest --print >digest; touch csv json html; }
# What a header or the EDC says is nowhere: not in a log, a table, a digest, a mail.
sql "select to_jsonb(o) from pipeline.outcome o" >rows
sql "select to_jsonb(o) from pipeline.edcpipelinefileerrorlog o" >>rows
sql "select subject || body from pipeline.outbox" >>rows
cat logs/*/error_logs/image/* >errorlogs
cat logs/*/run_logs/image/* >log
jq -c '.warnings, .errors' line.1206 >told
cat status digest csv json html rows errorlogs log err told >all
is "$(wc -c <all | awk '{ print ($1 > 5000) }')" 1 'there is much to look through'
unlike all 'TRC-999|Canary|20260310|2026-03-1[05]' 'no value of a header, no date of the EDC'
done_testing
