-- Whose fault a failure is: what stays open, is counted, waits (M41, M43, F21)
create function pg_temp.start(upload bigint, more text default '') returns jsonb
language sql as $$
	select pipeline.file_start(('{"pipeline_code": "image", "run": "' ||
	    clock_timestamp() || '", "subject_event_crf_file_id": ' || upload
	    || more || '}')::jsonb) #> '{data,edc_pipeline_file}';
$$;
-- Claim, and fail of these: 'CODE' or 'CODE-' for one that is not retryable.
create function pg_temp.fail(upload bigint, variadic codes text[])
returns jsonb language sql as $$
	select pipeline.file_finish(jsonb_build_object(
	    'edc_pipeline_file_id', r -> 'id', 'lease', r -> 'lease',
	    'pipeline_code', 'image', 'subject_event_crf_file_id', upload,
	    'status', 'Failed', 'errors', (select jsonb_agg(jsonb_build_object(
	    'stage', 'fetch', 'error_code', rtrim(c, '-'), 'error', 'why',
	    'fatal', true, 'retryable', right(c, 1) <> '-'))
	    from unnest(codes) c)))
	from (select pg_temp.start(upload) as r) s;
$$;
create function pg_temp.row(upload bigint) returns text language sql as $$
	select concat_ws(' ', f.attempt, f.error_code,
	    case when f.failed_for_good then 'for good' else 'open' end)
	from pipeline.edcpipelinefile f where f.subjecteventcrffile_id = upload;
$$;
create function pg_temp.due(upload bigint) returns text language sql as $$
	select concat_ws(' ', d.opened, d.failures) from pipeline.due d
	where d.subject_event_crf_file_id = upload and d.pipeline_code = 'image';
$$;

select is(pg_temp.fail(1201, 'IMGP-STORE-DENIED-') #>
    '{data,edc_pipeline_file,attempt}', '1', 'a fault of ours ends attempt 1');
select is(pg_temp.row(1201), '0 IMGP-STORE-DENIED open',
    'which is not counted, and never final');
select pg_temp.fail(1201, 'IMGP-STORE-UNAVAILABLE-') \g /dev/null
select is(pg_temp.row(1201), '1 IMGP-STORE-UNAVAILABLE open',
    'a service''s is counted, and not final either');
select is(pg_temp.due(1201), 'f', 'neither waits');
select pg_temp.fail(1201, 'IMGP-STORE-NOT-FOUND') \g /dev/null
select is(pg_temp.due(1201), 'f 1', 'the upload''s own does');
select pg_temp.fail(1201, 'IMGP-CONFIG') \g /dev/null
select is(pg_temp.due(1201), 'f', 'until another''s fault comes');
select pg_temp.fail(1201, 'IMGP-STORE-NOT-FOUND') \g /dev/null
select is(pg_temp.row(1201) || ', ' || pg_temp.due(1201),
    '3 IMGP-STORE-NOT-FOUND open, f 2', 'its own are counted on');
select pg_temp.fail(1201, 'IMGP-ARCHIVE-DAMAGED-', 'IMGP-MEMORY') \g /dev/null
select is(pg_temp.row(1201), '3 IMGP-MEMORY open',
    'what may have come of a fault of ours is not final');
select pg_temp.fail(1201, 'IMGP-ARCHIVE-DAMAGED-', 'IMGP-STORE-NOT-FOUND') \g /dev/null
select is(pg_temp.row(1201), '4 IMGP-ARCHIVE-DAMAGED for good',
    'the upload''s own is');
select is(pg_temp.due(1201), null, 'and is not due');
select is(pg_temp.start(1201, ', "again": false') ->> 'status', 'Failed',
    'nor opened but by --again');

-- The process that reads it dies.
select is(pg_temp.start(1205) -> 'crashes', null, 'no process died');
update pipeline.edcpipelinefile set lease_until = null
    where subjecteventcrffile_id = 1205;
select pg_temp.fail(1205, 'IMGP-DICOM-CRASH') \g /dev/null
select is(pg_temp.row(1205), '1 IMGP-DICOM-CRASH open', 'one died: open');
select is(pg_temp.start(1205) ->> 'crashes', '1', 'the next run is told');
update pipeline.edcpipelinefile set lease_until = null
    where subjecteventcrffile_id = 1205;
select pg_temp.fail(1205, 'IMGP-JOB-CRASH-') \g /dev/null
select is(pg_temp.row(1205), '3 IMGP-JOB-CRASH for good', 'and may give it up');
select is(pg_temp.start(1205, ', "again": true') -> 'crashes', null,
    'opened again, it begins anew');

-- As an older release left it: for good by what is no fault of the upload.
select pg_temp.fail(1202, 'IMGP-STORE-DENIED') \g /dev/null
update pipeline.edcpipelinefile set status = 'Started', ts_finish = null,
    lease = pipeline.new_lease(), attempt = 1
    where subjecteventcrffile_id = 1202;
update pipeline.edcpipelinefile set status = 'Failed', ts_finish = now(),
    failed_for_good = true where subjecteventcrffile_id = 1202;
select is(pg_temp.due(1202), 't', 'an older row that failed for good by ours');
insert into pipeline.edcpipelinewaiver (edcpipeline_id, subjecteventcrffile_id,
    reason) select id, 1202, 'r' from pipeline.edcpipeline where code = 'image';
select is(pg_temp.due(1202), null, 'unless it is waived');

-- Another source under the same revision.
create table pg_temp.r as select pg_temp.start(1203) as r;
select pipeline.file_scans(jsonb_build_object('edc_pipeline_file_id', r -> 'id',
    'lease', r -> 'lease', 'pipeline_code', 'image',
    'subject_event_crf_file_id', 1203, 'scans', '[]'::jsonb, 'sha256', jsonb_build_object(
    'source', repeat('a', 64)))) from pg_temp.r \g /dev/null
select pipeline.file_finish(jsonb_build_object('edc_pipeline_file_id', r -> 'id',
    'lease', r -> 'lease', 'pipeline_code', 'image',
    'subject_event_crf_file_id', 1203, 'status', 'Failed', 'errors', '[{"error_code":
    "IMGP-SOURCE-CHANGED", "fatal": true}]'::jsonb)) from pg_temp.r \g /dev/null
select is(pg_temp.row(1203), '1 IMGP-SOURCE-CHANGED for good',
    'another source under the same revision');
select is(pg_temp.start(1203, ', "again": true') -> 'sha256_source', null,
    '--again takes the source as it is now');

-- Failed look-ups.
create function pg_temp.miss(code text, run text) returns text language sql as $$
	select pipeline.lookup_failed(jsonb_build_object(
	    'subject_event_crf_file_id', 1204, 'pipeline_code', 'image',
	    'run', run, 'errors', jsonb_build_array(jsonb_build_object(
	    'stage', 'lookup', 'error_code', code, 'error', 'why', 'fatal', true))))
	    #>> '{data,failures}';
$$;
select is(pg_temp.due(1204), 'f', 'due');
select is(pg_temp.miss('IMGP-LOOKUP-DATA', 'A'), '1', 'a look-up fails');
select is(pg_temp.miss('IMGP-LOOKUP-DATA', 'A'), '1', 'asked again: once (M51)');
select is(pg_temp.miss('IMGP-LOOKUP-DATA', 'B'), '2', 'in another run');
select is(pg_temp.due(1204), 'f 2', 'it waits');
select is(pipeline.status_upload('{"subject_event_crf_file_id": 1204}')
    #- '{data,lookups,0,since}' #- '{data,lookups,0,ts}' #> '{data,lookups}',
    '[{"subject_event_crf_file_id": 1204, "pipeline_code": "image",
    "error_code": "IMGP-LOOKUP-DATA", "error": "why", "run": "B",
    "failures": 2}]'::jsonb, 'imgp-status sees it');
select is(pg_temp.miss('IMGP-DB-DENIED', 'C'), '1', 'another error begins anew');
select is(pg_temp.due(1204), 'f', 'and one of ours does not wait');
select pg_temp.start(1204) \g /dev/null
select is(pipeline.status('{}') #> '{data,lookups}', '[]'::jsonb,
    'a claim ends it');
select is(pipeline.lookup_failed('{"subject_event_crf_file_id": 1,
    "errors": []}') ->> 'error_code', 'IMGP-DB-REQUEST', 'no error: refused');
