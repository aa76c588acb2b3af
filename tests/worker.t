#!/bin/bash
# The processes that read uploads, killed and stopped: never an upload delivered
# without its id.
. "$(dirname "$0")/lib/lib.sh"
command -v strace >/dev/null || skip_all 'strace is not there'
dicom_samples
cp "$samples/CT_small.dcm" one.dcm
mkdir -p spool/r/1
export IMGP_SPOOL="$WORK/spool"
cp one.dcm spool/r/1/upload
imgp-dcmscan one.dcm | jq -c ".subject_event_crf_file_id = 7 |
    .local = \"file://$WORK/spool/r/1/upload\" | .scans[].series[].atri_uid = \"77.1\"" >job
jq -c '.edc_pipeline_file = {id: 1, crashes: 1}' job >again
# Each process by itself counts its calls: the first lseek of each; only these call it.
inject() { strace -f -qq -o trace -e "inject=lseek:$1:when=1" "${@:2}"; }
for tool in imgp-dcmscan imgp-stamp; do
	is_long || [ $tool = imgp-stamp ] || continue
	inject signal=KILL $tool <job >out 2>err
	ok $(($? == 0)) "$tool: killed, its status says so"
	is "$(jq -r '.errors[0] | "\(.error_code) \(.fatal) \(.retryable)"' out)" \
	    'IMGP-DICOM-CRASH true true' "$tool: the job is open"
	is "$(grep -c 'killed by SIGKILL' trace)" 2 "$tool: it was tried twice"
	inject signal=KILL $tool <again >out 2>err
	is "$(jq -r '.errors[0] | "\(.error_code) \(.fatal) \(.retryable)"' out)" \
	    'IMGP-JOB-CRASH true false' "$tool: as in an earlier run: given up"
	is "$(grep -c 'killed by SIGKILL' trace)" 3 "$tool: after two tries alone"
	IMGP_STALL=1s inject signal=STOP $tool <job >out 2>err
	is "$(jq -r '.errors[0].error_code' out)" IMGP-DICOM-CRASH "$tool: it hangs"
	like err 'neither read nor wrote for 1 s' "$tool: and that is said"
	is "$(ls spool/r/1) $(cmp one.dcm spool/r/1/upload && echo same)" 'upload same' \
	    "$tool: nothing is left beside the work copy, which is as it was"
done

if is_long; then
# by hand
inject signal=KILL imgp-stamp --id 77.1 --provenance prov -o stamped one.dcm 2>err
ok $(($? == 0)) 'by hand: killed'
like err 'IMGP-DICOM-CRASH: the process died of signal 9' 'is said'
IMGP_STALL=1s inject signal=STOP imgp-stamp --id 77.1 --provenance prov -o stamped one.dcm 2>err
like err 'neither read nor wrote for 1 s' 'stopped: is said'
is "$(ls -d stamped* prov* 2>/dev/null)" '' 'no file appears'
for i in $(seq 12); do cp one.dcm $i.dcm; done
/usr/bin/python3 -m zipfile -c many [1-9]*.dcm
exits 0 'a plain stamp' imgp-stamp --id 77.1 -o stamped many
IMGP_STALL=1s imgp-stamp --id 77.1 -o - many | { sleep 2; cat >slow; }
is "${PIPESTATUS[0]}" 0 'a reader that takes its time'
ok "$(cmp -s stamped slow; echo $?)" 'gets all of it'
fi

# the sandbox
# The third prctl(2) of a process is the one that loads the filter.
strace -f -qq -o trace -e inject=prctl:error=EINVAL:when=3 imgp-stamp <job >out 2>err
is "$? $(wc -c <out)" '2 0' 'no sandbox: nothing is read'
like err 'IMGP-SANDBOX: the sandbox cannot be closed' 'and that is said'
exits 2 'sandbox = perhaps' env IMGP_SANDBOX=perhaps imgp-stamp <job
strace -f -qq -o trace -e inject=landlock_create_ruleset:error=ENOSYS \
    imgp-stamp <job >out 2>err
is "$?" 0 'without Landlock'
like err 'has no Landlock' 'a word'
strace -f -qq -o trace -e inject=landlock_create_ruleset:error=ENOSYS \
    env IMGP_SANDBOX=require imgp-stamp <job >out 2>err
is "$? $(wc -c <out)" '2 0' 'sandbox = require: a refusal'

# links below the spool
mkdir -p elsewhere/r/1
cp one.dcm elsewhere/r/1/upload
rm -rf spool/r/1
ln -s "$WORK/elsewhere/r/1" spool/r/1
for tool in imgp-dcmscan imgp-stamp; do
	$tool <job >out 2>err
	is "$(jq -r '.errors[0].error_code' out)" IMGP-STORE-IO "$tool: no link is followed"
done
ok "$(cmp -s one.dcm elsewhere/r/1/upload; echo $?)" 'what it leads to is as it was'
done_testing
