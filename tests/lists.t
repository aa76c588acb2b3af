#!/bin/bash
# Digests and a run's mail through a list of Mailman 3 with its default settings, which
# make check-lists fetches: it hands a letter on, or holds it for a moderator.
. "$(dirname "$0")/lib/lib.sh"
[ -e "$BUILD/lists/usr/bin/mailman" ] || skip_all 'no Mailman: make check-lists fetches it'
. "$ROOT/tests/lib/smtp.sh"
world
sink readers
cat >mailman.cfg <<EOT
[mailman]
layout: here
site_owner: owner@trial.example.org
[paths.here]
var_dir: $WORK/var
[mta]
incoming: mailman.mta.null.NullMTA
smtp_host: 127.0.0.1
smtp_port: $port
EOT
mm() {			# mm PROGRAM ARGUMENT...: in an environment without our settings
	env -i PATH="$PATH" HOME="$WORK" LC_ALL=C.UTF-8 MAILMAN_CONFIG_FILE="$WORK/mailman.cfg" \
	    $PYTHON "$ROOT/tests/servers/mailman" "$BUILD/lists" "$@" >>mm.out 2>&1
}
queue() { find "var/queue/$1" -name '*.pck' | wc -l; }
# through FILE...: each is given to the list, whose runners then work until none is left.
through() {
	for letter; do
		mm mailman --run-as-root inject -f "$letter" labs@trial.example.org
	done
	for runner in in pipeline out; do
		for _ in $(seq 20); do
			[ "$(queue $runner)" -ne 0 ] || break
			mm runner --runner=$runner:0:1 --once
		done
	done
}
read_by() { grep -l reader@site.example.org readers/*.env 2>/dev/null | wc -l; }
mm mailman --run-as-root create labs@trial.example.org
printf '%s\n' "$IMGP_MAIL_FROM" reader@site.example.org >members
exits 0 'a list of Mailman with its defaults' mm mailman --run-as-root addmembers -w members \
    labs@trial.example.org
rm -rf var/queue/virgin/*

# --- a night of 3,000 new files -----------------------------------------------------
sql "begin; insert into pipeline.edcpipelinefile (edcpipeline_id,
	subjecteventcrffile_id, revision_number, file_name, file_path)
	select 1, 100000 + i, 1, 'MRI_mri_zip_TRC-0301_SCV_5101_1_' || i || '_20261129_113503.zip',
	'quarantine/MRImri_zip/' from generate_series(1, 3000) i;
	insert into pipeline.outcome (edcpipelinefile_id, attempt, lease, status, has_error)
	select f.id, 1, pipeline.new_lease(), 'Completed', false
	from pipeline.edcpipelinefile f where f.subjecteventcrffile_id > 100000 order by f.id; commit"
export IMGP_LABS=labs@trial.example.org IMGP_SUCCESS=off
exits 0 'a digest of 3,000 new files' imgp-digest
mapfile -t letters < <(grep -l '^To: labs@' mail/new/*)
is "$(for f in "${letters[@]}"; do mail_get "$f" subject; done | sort | paste -sd,)" \
    'imgpipe: 1000 new files,imgpipe: 2000 new files' 'is two letters'
like "${letters[0]}" '^Auto-Submitted: ' '... which Mailman would hold without a word'
through "${letters[@]}"
is "$(read_by)" 2 'go through the list to its readers' || tail -20 mm.out var/logs/*.log | diag
is "$(queue in) $(queue pipeline) $(queue out) $(queue shunt)" '0 0 0 0' '... and none is left in it'
for f in readers/*.eml; do mail_get "$f" text | sed -n '/MRI_mri_zip/p'; done | sort >got
for f in "${letters[@]}"; do mail_get "$f" text | sed -n '/MRI_mri_zip/p'; done | sort >said
[ -s said ] && cmp -s got said
ok $? '... with the files that they list'

# --- the same without a ceiling: what the list does with it ----------------------------
rm -rf mail/new readers/*.eml readers/*.env
exits 0 'the same of any size' env IMGP_MAIL_BYTES=0 imgp-digest --since 24h --send
mapfile -t letters < <(grep -l '^To: labs@' mail/new/*)
through "${letters[@]}"
is "$(read_by) ${#letters[@]} $(grep -rh ' HOLD: .*larger than the 40 KB' var/logs | wc -l)" '0 2 2' \
    'is held for a moderator, as imgpipe.conf(5) says'

# --- a run that fails at length --------------------------------------------------------
rm -rf mail/new readers/*.eml readers/*.env
for i in $(seq 400); do
	printf '{"v":1,"run":"20261129T131500Z-5bd1c09e","subject_event_crf_file_id":%d,' $i
	printf '"job":"301_5101_mri_zip_v%d_x","pipeline_code":"image","errors":[{"stage":"fetch",' $i
	printf '"error_code":"IMGP-SOURCE-CHANGED","class":"integrity","error":"%0200d",' $i
	printf '"fatal":true,"retryable":false}]}\n'
done >failed
exits 1 'a run of 400 failures' env IMGP_ADMINS=labs@trial.example.org IMGP_LOGS="file://$WORK/source" \
    imgp-notify <failed
mapfile -t letters < <(grep -l '^To: labs@' mail/new/*)
is "${#letters[@]}" 1 'is one letter'
through "${letters[@]}"
is "$(read_by)" 1 '... that goes through the list, too'
done_testing
