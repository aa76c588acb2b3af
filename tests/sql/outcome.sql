-- Error log, digest and what is pending (M6, M40, M71-M73, F25, F26)

create function pg_temp.claim(upload bigint) returns jsonb language sql as $$
	select pipeline.file_start(jsonb_build_object('pipeline_code', 'image',
	    'subject_event_crf_file_id', upload, 'run', 'A'))
	    #> '{data,edc_pipeline_file}';
$$;
create function pg_temp.finish(upload bigint, status text, errors jsonb)
returns text language plpgsql as $$
declare
	r jsonb := pg_temp.claim(upload);
	req jsonb := jsonb_build_object('edc_pipeline_file_id', r -> 'id',
	    'lease', r -> 'lease', 'pipeline_code', 'image',
	    'subject_event_crf_file_id', upload);
begin
	perform pipeline.file_start(req || jsonb_build_object('file_name',
	    upload || '.zip', 'file_path', 'q/'));
	perform pipeline.file_scans(req || '{"scans": []}');
	if status = 'Completed' then
		req := req || jsonb_build_object('sha256',
		    jsonb_build_object('destination', repeat('c', 64)));
	end if;
	return pipeline.file_finish(req || jsonb_build_object('status', status,
	    'errors', errors)) #>> '{data,edc_pipeline_file,status}';
end $$;
create function pg_temp.error(code text, fatal boolean, retryable boolean)
returns jsonb language sql as $$
	select jsonb_build_object('stage', 'fetch', 'error_code', code, 'error',
	    'why ' || code, 'fatal', fatal, 'retryable', retryable);
$$;
create function pg_temp.files(answer jsonb) returns text language sql as $$
	select coalesce(string_agg((f ->> 'subject_event_crf_file_id') ||
	    (f ->> 'status'), ' ' order by n), '')
	from jsonb_array_elements(answer #> '{data,files}')
	    with ordinality a(f, n);
$$;
create function pg_temp.pending() returns text language sql as $$
	select string_agg(subject_event_crf_file_id::text, ' '
	    order by subject_event_crf_file_id) from pipeline.pending;
$$;

select is(pg_temp.pending(),
    '1201 1202 1203 1204 1205 1206 1207 1208 1209 1211',
    'pending: all that a pipeline lists and nobody waived');
select pg_temp.claim(1206) \g /dev/null
select pg_temp.finish(1201, 'Completed', '[]') \g /dev/null
select pg_temp.finish(1202, 'Completed', jsonb_build_array(
    pg_temp.error('IMGP-STAMP-SIGNED', false, false),
    pg_temp.error('IMGP-DICOM-LIMIT', false, false))) \g /dev/null
select pg_temp.finish(1203, 'Failed', jsonb_build_array(
    pg_temp.error('IMGP-DICOM-LIMIT', false, false),
    pg_temp.error('IMGP-STORE-IO', true, true))) \g /dev/null
select pg_temp.finish(1204, 'Failed', jsonb_build_array(
    pg_temp.error('IMGP-SOURCE-CHANGED', true, false))) \g /dev/null
select pg_temp.finish(1205, 'Failed', '[]') \g /dev/null
select is(pg_temp.pending(), '1203 1205 1206 1207 1208 1209 1211',
    'what failed retryably, for no reason or is in hand stays pending');
select results_eq('select subjecteventcrffile_id, status, has_error,
    failed_for_good, error_code from pipeline.edcpipelinefile
    where status in (''Completed'', ''Failed'') order by 1',
    $$values (1201::bigint, 'Completed', false, false, null::text),
    (1202, 'Completed', true, false, 'IMGP-STAMP-SIGNED'),
    (1203, 'Failed', true, false, 'IMGP-STORE-IO'),
    (1204, 'Failed', true, true, 'IMGP-SOURCE-CHANGED'),
    (1205, 'Failed', true, false, null)$$,
    'the four ends, each with its first or its fatal error (M42, M43)');

-- the error log
select is(pipeline.error_log(jsonb_build_object('edc_pipeline_file_id', id))
    #> '{data,rows}' #- '{0,ts}' #- '{1,ts}', '[
    {"attempt": 1, "end": 1, "stage": "fetch", "error_code": "IMGP-DICOM-LIMIT",
    "error": "why IMGP-DICOM-LIMIT", "fatal": false, "retryable": false,
    "run": "A"},
    {"attempt": 1, "end": 1, "stage": "fetch", "error_code": "IMGP-STORE-IO",
    "error": "why IMGP-STORE-IO", "fatal": true, "retryable": true,
    "run": "A"}]'::jsonb, 'error_log tells all, in order (M40)')
    from pipeline.edcpipelinefile where subjecteventcrffile_id = 1203;
select is(pipeline.error_log('{"edc_pipeline_file_id": 0}') #> '{data,rows}',
    '[]'::jsonb, 'of a row that is not there, nothing');
select is(pipeline.error_log('{}') ->> 'error_code', 'IMGP-DB-REQUEST',
    'without a row it is refused');
select throws_ok('update pipeline.edcpipelinefileerrorlog set error = ''''',
    'IM001', null, 'the log is not changed');
select throws_ok('delete from pipeline.edcpipelinefileerrorlog', 'IM001', null,
    'nor cut');
select throws_ok('truncate pipeline.edcpipelinefileerrorlog', 'IM001', null,
    'nor emptied (M40)');

-- the digest
select is(pg_temp.files(pipeline.digest_preview('{}')),
    '1201Completed 1202Completed 1203Failed 1204Failed 1205Failed',
    'a preview shows what is in no digest yet');
select is(pipeline.digest_preview('{}') #> '{data,counts}',
    '{"new": 2, "failed": 3, "with_error": 1}'::jsonb, 'and counts (M71)');
create table pg_temp.d as select pipeline.digest_open('{}') as answer;
select is(pg_temp.files(answer),
    '1201Completed 1202Completed 1203Failed 1204Failed 1205Failed',
    'a preview moved nothing: the digest has the same') from pg_temp.d;
select is(answer #> '{data,files,3}' #- '{edc_pipeline_file_id}' #- '{ts}',
    '{"pipeline_code": "image", "subject_event_crf_file_id": 1204,
    "revision_number": 1, "file_name": "1204.zip", "file_path": "q/",
    "status": "Failed", "has_error": true, "failed_for_good": true,
    "attempt": 1, "error_code": "IMGP-SOURCE-CHANGED",
    "error": "why IMGP-SOURCE-CHANGED", "bytes": null, "sha256": null,
    "participant_code": "TRC-0302", "event_code": "BL",
    "place": null, "scans": [], "scans_in_all": {"scans": 0, "instances": 0}}'::jsonb,
    'what it says of a file') from pg_temp.d;
select pg_temp.finish(1203, 'Completed', '[]') \g /dev/null
select pg_temp.finish(1205, 'Failed', '[]') \g /dev/null
select pg_temp.finish(1205, 'Completed', '[]') \g /dev/null
select is(pipeline.digest_open('{}') #- '{data,another}',
    answer #- '{data,another}',
    'a digest that was not sent is opened again as it was (M73)') from pg_temp.d;
select is(pipeline.digest_open('{}') #>> '{data,another}', 'true',
    'and what came after it is the next one''s, at once') from pg_temp.d;
select is(pipeline.digest_sent('{"digest_id": 0}') ->> 'error_code',
    'IMGP-DB-REQUEST', 'one that is not there cannot have been sent');
create table pg_temp.s as select pipeline.digest_sent(jsonb_build_object(
    'digest_id', answer #> '{data,digest_id}')) as answer from pg_temp.d;
select is(pipeline.digest_sent(answer -> 'data'), answer,
    'sent twice is sent once') from pg_temp.s;
select is(pg_temp.files(pipeline.digest_open('{}')),
    '1203Completed 1205Completed',
    'the next has the new ends alone, a file once, with its last');
select is(pipeline.digest_open('{}') #>> '{data,since}',
    d.answer #>> '{data,until}', 'and begins where the other ended')
    from pg_temp.d d;
select pipeline.digest_sent(pipeline.digest_open('{}') -> 'data') \g /dev/null
select is(pg_temp.files(pipeline.digest_open('{}')), '',
    'a night without files gives an empty digest');
select is(pipeline.digest_open('{}') #> '{data,counts}',
    '{"new": 0, "failed": 0, "with_error": 0}'::jsonb, 'that counts nothing');
select is(pg_temp.files(pipeline.digest_preview('{"since": "2001-01-01"}')),
    '1201Completed 1202Completed 1204Failed 1203Completed 1205Completed',
    'a preview of a time shows what was sent as well');
select is(pg_temp.files(pipeline.digest_preview('{"since": "2001-01-01",
    "until": "2001-02-01"}')), '', 'and nothing of another time');
select is(pipeline.digest_preview('{"since": "yesterday or so"}')
    ->> 'error_code', 'IMGP-DB-REQUEST', 'a time that is none is refused');
select throws_ok('update pipeline.outcome set digest_id = null', 'IM001', null,
    'a file does not leave its digest');
select throws_ok('delete from pipeline.outcome', 'IM001', null,
    'outcomes are not deleted');
select is((select count(*) from (select edcpipelinefile_id from pipeline.outcome
    where status = 'Completed' group by 1 having count(*) > 1) x), 0::bigint,
    'no file is delivered twice');

-- waived and paused
update edc.subjecteventcrffile set revisionnumber = 2 where id = 1212;
select is(pipeline.file_start('{"pipeline_code": "image",
    "subject_event_crf_file_id": 1212}') ->> 'error_code', 'IMGP-SKIP-WAIVED',
    'a waived upload is not started, whatever its revision (F25)');
update pipeline.edcpipelinewaiver set expires = now() - interval '1 s';
select is(pipeline.file_start('{"pipeline_code": "image",
    "subject_event_crf_file_id": 1212}') #>>
    '{data,edc_pipeline_file,revision_number}', '2',
    'until the waiver expires; no revision said: the current one');
select is(pipeline.file_start('{"pipeline_code": "audio",
    "subject_event_crf_file_id": 1211}') ->> 'error_code', 'IMGP-SKIP-PAUSED',
    'a paused pipeline starts nothing (F26)');
update pipeline.edcpipeline set paused = true;
select is(pipeline.file_start('{"pipeline_code": "image",
    "subject_event_crf_file_id": 1201, "revision_number": 1}') #>>
    '{data,edc_pipeline_file,status}', 'Completed',
    'what is done is done, paused or not');
select is((select count(*) from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1211), 0::bigint,
    'a refused start leaves no row');
