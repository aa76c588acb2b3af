# Sourced after lib.sh by tests of imgp-record towards an API that is not ours.
#	other_api SERVER	start tests/servers/SERVER, which writes to ./asked
#		and ./server.log; U is its address
PYTHON=/usr/bin/python3
[ -x $PYTHON ] || skip_all 'no python3 here'
A=20260102T030405Z-0000000a
other_api() {
	mkfifo life port
	exec 9<>life
	$PYTHON "$ROOT/tests/servers/$1" asked <life >port 2>server.log 9>&- &
	at_end "kill $! 2>/dev/null; wait $! 2>/dev/null"
	read -r port <port
	U=http://127.0.0.1:$port
}
code() { jq -r '.skip // .errors[-1].error_code // .edc_pipeline_file.status' "$@"; }
job() {			# job UPLOAD REVISION [RUN]
	jq -cn --argjson u "$1" --argjson r "$2" --arg run "${3-$A}" '{v: 1, $run,
	    subject_event_crf_file_id: $u, pipeline_code: "image", subject_id: 3,
	    participant_code: "P", event_code: "E", ddcrf_name: "MRI",
	    ddfile_name: "zip", subject_event_crf_id: 51, revision_number: $r,
	    file_version_code: "v", extension: ".zip"}'
}
scans='.scans = [{study_uid: "1.2", series: [{series_uid: "1.2.3",
    series_number: 1, number_of_instances: 2}]}]'
