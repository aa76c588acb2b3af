#!/bin/bash
# imgp-pipeline: the register, pauses and waivers (F25, F26, M36).
. "$(dirname "$0")/lib/lib.sh"
world
# Its user has no more than the role.
sql 'create role keeper login in role imgp_pipeline'
RECORD=$IMGP_DATABASE
as_keeper() { IMGP_LEDGER=$(echo "$RECORD" | sed 's/user=postgres/user=keeper/') "$@"; }
p() { as_keeper imgp-pipeline "$@"; }
one() { p list "$1" --json | jq -c ".pipelines[0] | $2"; }
refused() {		# refused STATUS REGEX TITLE WORD...: with one line, and no change
	local wanted=$1 re=$2 title=$3
	shift 3
	sql 'select count(*), max(id) from pipeline.edcpipelinechange' >before
	exits "$wanted" "$title" p "$@"
	like err "^imgp-pipeline: .*$re" '... which it says'
	is "$(head -1 err | wc -l) $(sql 'select count(*), max(id) from pipeline.edcpipelinechange')" \
	    "1 $(cat before)" '... and changes nothing'
}

exits 0 'the pipelines there are' p
like out '^image +runs +21,22,23,24 +1  Images to the labs$' 'one that runs, with its fields'
like out '^audio +paused +26 +0  Voice recordings$' 'and one that is paused'
like out "^audio is paused: waits for the lab's agreement\$" '... and why'
like out '^ +1212  image +-  +data manager +phantom uploaded by mistake$' 'an upload that is waived'
is "$(p list --json | jq -r '.pipelines[] | [.pipeline_code, .paused, (.waivers | length)] | @csv')" \
    '"audio",true,0
"image",false,1' 'the same as JSON'

# A pause keeps a run from starting anything, and ends.
exits 0 'a pause' p pause image --reason 'scanner swap' --until 7d
like out '^image: paused until 20[0-9-]*T[0-9:]*Z$' '... with its end'
exits 75 'a run starts nothing of it' imgp-run -q 1201
is "$(jq -r .skip out)" IMGP-SKIP-PAUSED '... and says why'
exits 0 'imgp-run --explain' imgp-run --explain 1201
like out '^  paused +scanner swap$' '... has the reason'
like out '^  until +20' '... and the end'
is "$(imgp-status --json | jq -c '[.paused[] | [.pipeline_code, .paused_until != null]]')" \
    '[["audio",false],["image",true]]' 'imgp-status has it, too'
is "$(one image '[.paused, .paused_reason, .paused_by]')" '[true,"scanner swap","keeper"]' \
    'who paused it is kept'
if is_long; then
sql "update pipeline.edcpipeline set paused_until = now() - interval '1 second' where code = 'image'"
is "$(one image .paused)" false 'when its time is over it runs'
is "$(imgp-status --json | jq -c '[.paused[].pipeline_code]')" '["audio"]' '... and is shown so'
exits 0 'and a run delivers' imgp-run -q 1201
exits 0 'to resume what runs' p resume image
like out '^image: nothing to change$' '... changes nothing'
p pause image --reason 'again' >/dev/null
exits 0 'a pause that is taken back' p resume image --reason 'is mended'
exits 0 '... is over' imgp-run -q 1202
if is_long; then
exits 0 'a dry run' p -n pause image --reason x
like out '^image: would be paused$' '... says what would be'
is "$(one image .paused)" false '... and does not do it'
exits 0 'quiet' p -q pause audio --reason 'still no agreement'
[ ! -s out ]
ok $? '... is silent'
fi
fi

is_long || done_testing	# a sample ends here
# A waiver.
exits 0 'two uploads are waived' p waive image 1203 1204 --reason 'consent withdrawn' --until 2999-01-01
holds out '... each with a line' <<'EOT'
image: upload 1203: waived until 2999-01-01T00:00:00Z
image: upload 1204: waived until 2999-01-01T00:00:00Z
EOT
exits 0 'a run passes over them' imgp-run -q 1203 1204
is "$(jq -r .skip out | uniq)" IMGP-SKIP-WAIVED '... by its code'
if is_long; then
exits 0 'one is taken back' p unwaive image 1203
like out '^image: upload 1203: no longer waived$' '... which it says'
exits 0 'and delivered' imgp-run -q 1203
if is_long; then
refused 1 'IMGP-LOOKUP-NOT-FOUND: upload 1203 is not waived in the pipeline image' \
    'one that is not waived' unwaive image 1203
refused 1 'IMGP-LOOKUP-NOT-FOUND: the EDC has no upload 1299 in the pipeline image' \
    'an upload that is not there' waive image 1299 --reason x
exits 1 'of two uploads one is not there' p waive image 1299 1205 --reason x
is "$(one image '[.waivers[].subject_event_crf_file_id]')" '[1204,1205,1212]' '... the other is waived'
p unwaive image 1205 >/dev/null
fi
fi

# A pipeline is added and changed.
exits 0 'a pipeline is added' p add eeg label='EEG recordings' fields=31,32 --reason 'amendment 4'
is "$(one eeg '[.label, .ddfiles, .paused]')" '["EEG recordings",[31,32],false]' '... with label and fields'
exits 0 'its fields change' p set eeg fields=32,33
is "$(one eeg '[.label, .ddfiles]')" '["EEG recordings",[32,33]]' '... and nothing else'
exits 0 'the same again' p set eeg fields=33,32
like out '^eeg: nothing to change$' '... is no change'
is "$(p list eeg --json | jq -c '[.pipelines[0].changes[] | [.action, .changed_by, .reason]]')" \
    '[["set","keeper",null],["add","keeper","amendment 4"]]' 'who did what, and why, is kept'
exits 0 'a pipeline by its name' p list eeg
like out 'Z add by keeper: amendment 4$' '... shows it, too'

# What is wrong is said in one line.
refused 2 'IMGP-CONFIG: no pipeline has the code "imag"; there are: audio, eeg, image' \
    'a name that no pipeline has' pause imag --reason x
if is_long; then
refused 2 'IMGP-CONFIG: no pipeline has the code "imag"' '... in list' list imag
refused 2 'IMGP-CONFIG: no pipeline has the code "imag"' '... of a waiver' waive imag 1201 --reason x
refused 2 'a pipeline with the code "eeg" already' 'a name twice' add eeg
refused 2 'IMGP-CONFIG: "e g" is no code' 'a name that is none' add 'e g'
fi
refused 2 'colour is none of: label fields' 'a setting that is none' set eeg colour=red
if is_long; then
refused 2 'dicom is a setting of imgpipe.conf' 'a setting of the file' set eeg dicom=no
refused 2 'fields: "x1" is not the number' 'a field that is none' set eeg fields=x1
refused 2 'pause: --reason is wanted' 'a pause without a reason' pause eeg
refused 2 'waive: --reason is wanted' 'a waiver with a blank one' waive image 1205 --reason ' '
refused 2 'the time has passed' 'an end that is over' pause eeg --reason x --until 2020-01-01
refused 2 'until: no such time' 'a day that is not' pause eeg --reason x --until 2030-02-31
refused 2 '--until: neither' 'an end that is none' pause eeg --reason x --until soon
refused 2 '"12x" is not the id of an upload' 'an id that is none' waive image 1205 12x --reason x
refused 2 'no such subcommand: remove' 'a subcommand that is none' remove eeg
fi
sql 'create role stranger login'
exits 2 'a user without the role' env \
    IMGP_LEDGER="$(echo "$RECORD" | sed 's/user=postgres/user=stranger/')" imgp-pipeline list
like err 'IMGP-DB-DENIED' '... is refused'
if is_long; then
printf '[imgae]\ndicom = no\n' >conf
exits 1 'a section of a pipeline that is none' as_keeper env IMGP_CONFIG="$WORK/conf" imgp-pipeline
like err 'a section \[imgae\], and no pipeline has this code' '... is named'
printf '[image]\ndicom = maybe\n' >conf
exits 0 'a section with a value that is none' as_keeper env IMGP_CONFIG="$WORK/conf" imgp-pipeline
like err '\[image\] dicom: "maybe" is none of' '... is told'
exits 2 'an API as the record' env IMGP_LEDGER= IMGP_DATABASE=https://edc.example.org/api imgp-pipeline
fi
sql "do \$\$ begin delete from pipeline.edcpipelinechange; exception when sqlstate 'IM001' then null; end \$\$"
is "$(sql 'select count(*) > 5 from pipeline.edcpipelinechange')" t 'what was done stays'
done_testing
