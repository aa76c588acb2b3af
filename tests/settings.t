#!/bin/bash
# What is wrong with the settings is said before the first claim: each by its name,
# with status 2, by whoever reads them; imgp-status and imgp-digest leave out the
# pipeline concerned.
. "$(dirname "$0")/lib/lib.sh"
world
unset IMGP_DICOM IMGP_STAMP_TAG IMGP_SUCCESS
state() {
	sql 'select count(*) from pipeline.edcpipelinefile'
	find mail images temp spool -mindepth 1 ! -name .lock | wc -l
}
state >before
# wrong NAME VALUE [WORD]: in the environment, above the sections, in one.
wrong() {
	_env=IMGP_$(printf '%s' "$1" | tr a-z A-Z)
	exits 2 "$1 = $2, in the environment" env "$_env=$2" imgp-run 1201
	like err "IMGP-[A-Z-]*: ${3-$1}" '... is named'
	printf '[image]\n%s = %s\n' "$1" "$2" >conf
	IMGP_CONFIG=$WORK/conf exits 2 '... in a section' imgp-record start </dev/null
	like err "IMGP-CONFIG: \[image\] ${3-$1}" '... is named with it'
}
wrong stamp_tag '0012;0071 LO'
if is_long; then
wrong dicom requird
wrong extra no
wrong cut maybe
wrong source /srv/uploads
wrong temp s3:/tmp
wrong destination /srv/img
wrong logs logs
wrong spool here
wrong destination_owner 12345
fi
wrong destination_path 'quarantine/{ddcrf_nam}/'
if is_long; then
wrong destination_name '{ddcrf_name}{extension}'
wrong temp_key '{edc_pipeline_file.id'
wrong error_log_key 'a//{file_name}'
wrong unmatched_log_key '{file_name}'
wrong run_log_key '{nothing}'
wrong provenance_key '../{file_name}'
wrong coordinating_center 'a\b'
wrong sandbox maybe
wrong stall 25h
fi
wrong s3_part_bytes 5242879
if is_long; then
wrong s3_patience soon
wrong limit_depth 65
wrong db_timeout 0
wrong success never
wrong manifest perhaps
wrong mail_bytes -1
fi
wrong mail_tls maybe
if is_long; then
wrong backoff '10m then 1h'
fi
state >after
cmp -s before after
ok $? 'no row was made by any of it, no mail sent, nothing copied'

if is_long; then
# Every word of a closed set that imgpipe.conf(5) gives is taken.
for set in 'dicom required expected no' 'cut required expected' 'extra required expected' \
    'success digest immediate off' 'mail_tls auto required no' 'manifest yes needed no' \
    'labs_at_once yes no' 'digest_empty yes no'; do
	# shellcheck disable=SC2086
	set -- $set
	_name=$1
	shift
	for word; do
		printf '[image]\n%s = %s\n' "$_name" "$word" >conf
		IMGP_CONFIG=$WORK/conf imgp-record start </dev/null >out 2>err ||
			echo "$_name $word"
	done
done >refused
is "$(cat refused)" '' 'the words of the manual are taken'
fi

# Pipelines.
exits 2 'a --pipeline that nobody registered' imgp-run --pipeline nobody 1201
like err 'IMGP-CONFIG: --pipeline: .*"nobody"' '... is named'
exits 0 'one that is' imgp-lookup --pipeline image </dev/null
sql 'create or replace view pipeline.registered as
	select code from pipeline.edcpipeline where false'
exits 2 'no pipeline at all' imgp-run 1201
like err 'IMGP-CONFIG: no pipeline is registered' '... is said'
sql 'create or replace view pipeline.registered as select code from pipeline.edcpipeline'

# Credentials.
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_PROFILE
export AWS_EC2_METADATA_DISABLED=true HOME=$WORK
exits 2 'S3 without credentials' env IMGP_DESTINATION=s3://img imgp-run 1201
like err IMGP-STORE-CREDENTIALS '... is said'
mkdir .aws
printf '[default]\ncredential_process = %s/give\n' "$WORK" >.aws/config
cat >give <<EOT
#!/bin/sh
echo started >>"$WORK/starts"
echo '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S"}'
EOT
chmod +x give
imgp-s3cp source local </dev/null
IMGP_DESTINATION=s3://img imgp-s3cp source local </dev/null
IMGP_DESTINATION=s3://img imgp-s3cp temp destination </dev/null
is "$(wc -l <starts)" 1 'to find them costs one start of a program, where there is S3'
state >after
cmp -s before after
ok $? 'none of it made a row'

# Whoever only shows leaves the pipeline out.
exits 0 'an upload is delivered' imgp-run 1201
printf '[image]\ndicom = requird\n' >conf
IMGP_CONFIG=$WORK/conf exits 0 'imgp-status shows' imgp-status
is "$(grep -c 'IMGP-CONFIG: \[image\] dicom: "requird"' err)" 1 '... warns once'
unlike out '^image' '... and leaves the pipeline out'
imgp-status >out
like out '^image' 'which is shown otherwise'
IMGP_CONFIG=$WORK/conf exits 0 'imgp-digest -n shows' imgp-digest -n
is "$(grep -c 'IMGP-CONFIG: \[image\] dicom: "requird"' err)" 1 '... warns once'
unlike out _1201_ '... and leaves the pipeline out'
IMGP_CONFIG=$WORK/conf exits 0 'a digest is sent' imgp-digest
rm -rf mail/new/* mail/cur/*
exits 0 'the next one, with the setting mended' imgp-digest
is "$(sql 'select count(*) from pipeline.outcome where digest_id is null')" 0 \
    '... leaves nothing'
cat mail/new/* >mails 2>/dev/null
like mails 'Subject: .*1 new file' '... tells what the one before left out'

is_long || done_testing	# a sample ends here
if is_long; then
# A digest that was left unfinished has its files and no others.
exits 0 'one more is delivered' imgp-run 1202
sql "select pipeline.digest_open('{}')" >/dev/null
IMGP_CONFIG=$WORK/conf exits 2 'an unfinished digest that has files of such a pipeline' imgp-digest
like err 'IMGP-CONFIG: digest .* has files of pipeline "image"' '... says that it waits'
rm -rf mail/new/* mail/cur/*
exits 0 '... and is sent' imgp-digest
cat mail/new/* >mails
like mails 'Subject: .*1 new file' '... with its file, once the setting is mended'

# A look-up that failed waits with its pipeline; one of no pipeline does not.
sql "insert into pipeline.notice (pipeline_code, subjecteventcrffile_id, status,
	failed_for_good, error_code, errors, known, mail) select p, 77, 'Failed', true,
	'IMGP-LOOKUP-DATA', '[]', false, false from (values ('image'), (null)) v (p)"
IMGP_CONFIG=$WORK/conf exits 0 'a digest of failed look-ups' imgp-digest
is "$(sql 'select pipeline_code from pipeline.notice
	where edcpipelinefile_id is null and digest_id is null')" image \
    '... leaves those of the pipeline for the next'
fi
done_testing
