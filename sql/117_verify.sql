-- What imgp-verify holds against the places, in the envelope of 106_requests.sql.

-- {"after", "after_pipeline_code", "limit"}: data.uploads, by number and pipeline,
-- those behind that one: what the EDC has and the record does not show as
-- delivered, with the state of its row (116_status.sql; waiting: it has none),
-- its error, and whether its pipeline is paused.  Waived ones are not in it.
create or replace function pipeline.do_verify_uploads(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	behind bigint := coalesce(pipeline.want_int(req, 'after'), 0);
	behind_code text := coalesce(pipeline.want_text(req,
	    'after_pipeline_code'), '');
	most bigint := coalesce(pipeline.want_int(req, 'limit'), 1000);
begin
	return (select pipeline.answer(jsonb_build_object('uploads',
	    coalesce(jsonb_agg(jsonb_build_object(
	        'subject_event_crf_file_id', a.upload,
	        'revision_number', a.revision, 'pipeline_code', a.code,
	        'edc_pipeline_file_id', (a.f).id,
	        'state', case when (a.f).id is null then 'waiting'
	            else pipeline.state_of(a.f) end,
	        'error_code', (a.f).error_code, 'paused', a.paused)
	        order by a.upload, a.code), '[]')))
	from (select u.subject_event_crf_file_id as upload,
	        u.revision_number as revision, u.pipeline_code as code,
	        pipeline.is_paused(p) as paused, f
		from pipeline.upload u
		join pipeline.edcpipeline p on p.code = u.pipeline_code
		left join pipeline.edcpipelinefile f on f.edcpipeline_id = p.id
		    and f.subjecteventcrffile_id = u.subject_event_crf_file_id
		    and f.revision_number = u.revision_number
		where (u.subject_event_crf_file_id, u.pipeline_code) >
		    (behind, behind_code)
		and f.status is distinct from 'Completed'
		and not exists (select from pipeline.waived w
		    where w.edcpipeline_id = p.id
		    and w.subjecteventcrffile_id = u.subject_event_crf_file_id)
		order by 1, 3
		limit most) a);
end $$;

-- The member "scans" of a job line, with the ATRIUIDs.
create or replace function pipeline.scans_json(file bigint) returns jsonb
language sql stable as $$
	select coalesce(jsonb_agg(jsonb_build_object('study_uid', t.studyuid,
	    'series', t.series) order by t.studyuid collate "C"), '[]')
	from (select d.studyuid, jsonb_agg(jsonb_build_object(
	        'series_uid', d.serieuid, 'series_number', d.serienum,
	        'number_of_instances', d.number_of_instances,
	        'atri_uid', d.atriuid) order by d.scan_no) as series
	    from pipeline.edcpipelinefiledicom d
	    where d.edcpipelinefile_id = file group by d.studyuid) t;
$$;

-- {"after", "limit", "since", "ids"}: data.files, the rows with a name, by number, those
-- above ${after}, with all that the record knows of their content; "asked" is
-- false for those that ended before ${since}, "busy" true while a run holds one.
-- "unseen" true for a delivery whose client had no sum and whose object nobody has
-- seen yet.  "source_key": of the revision that the EDC has now; null for others.
-- With ${ids} "scans": as in a job line, with the ATRIUIDs.
-- data.pipelines: the codes of all pipelines.
create or replace function pipeline.do_verify_files(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	t timestamptz := pipeline.want_text(req, 'since')::timestamptz;
	behind bigint := coalesce(pipeline.want_int(req, 'after'), 0);
	most bigint := coalesce(pipeline.want_int(req, 'limit'), 1000);
	files jsonb;
begin
	with page as (
		select f, f.id, f.edcpipeline_id, f.subjecteventcrffile_id,
		    f.revision_number
		from pipeline.edcpipelinefile f
		where f.id > behind and f.file_name is not null
		order by f.id limit most),
	source as materialized (
		select u.subject_event_crf_file_id as upload, u.pipeline_code,
		    u.revision_number, u.source_key
		from pipeline.upload u
		where u.subject_event_crf_file_id = any (array(
		    select subjecteventcrffile_id from page)))
	select coalesce(jsonb_agg(jsonb_build_object(
	    'edc_pipeline_file_id', a.id,
	    'subject_event_crf_file_id', a.subjecteventcrffile_id,
	    'revision_number', a.revision_number, 'pipeline_code', p.code,
	    'status', (a.f).status, 'file_path', (a.f).file_path,
	    'file_name', (a.f).file_name, 'bytes', (a.f).bytes_destination,
	    'sha256', (a.f).sha256_destination,
	    'destination', (a.f).destination,
	    'destination_etag', (a.f).destination_etag,
	    'bytes_source', (a.f).bytes_source,
	    'sha256_source', (a.f).sha256_source,
	    'source_etag', (a.f).source_etag, 'source_key', s.source_key,
	    'unseen', exists (select from pipeline.outcome o
	        where o.edcpipelinefile_id = a.id and o.unseen),
	    'busy', coalesce((a.f).lease_until > now(), false),
	    'asked', t is null or (a.f).ts_create >= t or
	        coalesce((a.f).ts_finish >= t, false)) ||
	    case when req -> 'ids' = 'true' then jsonb_build_object('scans',
	        pipeline.scans_json(a.id)) else '{}' end order by a.id), '[]')
	into files
	from page a
	join pipeline.edcpipeline p on p.id = a.edcpipeline_id
	left join source s on s.upload = a.subjecteventcrffile_id
	    and s.pipeline_code = p.code
	    and s.revision_number = a.revision_number;
	return pipeline.answer(jsonb_build_object('files', files,
	    'pipelines', (select coalesce(jsonb_agg(e.code order by e.code), '[]')
	        from pipeline.edcpipeline e)));
end $$;

-- A row (file_locked()): the object of a delivery that was told of without a sum is
-- where it should be.  data.count: 1, or 0 where that was known.
create or replace function pipeline.do_verify_seen(req jsonb) returns jsonb
language plpgsql as $$
declare
	f pipeline.edcpipelinefile := pipeline.file_locked(req);
	n bigint;
begin
	update pipeline.outcome o set unseen = false
	where o.edcpipelinefile_id = f.id and o.unseen and o.lease = f.lease
	and f.status = 'Completed';
	get diagnostics n = row_count;
	return pipeline.answer(jsonb_build_object('count', n));
end $$;

-- A row (file_locked()), {"reason"}: its object was found gone; the row is open
-- again, for the same name and the same bytes.
create or replace function pipeline.do_repair(req jsonb) returns jsonb
language plpgsql as $$
declare
	f pipeline.edcpipelinefile := pipeline.file_locked(req);
	reason text := pipeline.want_text(req, 'reason');
begin
	if coalesce(reason, '') = '' then
		perform pipeline.deny('IMGP-DB-REQUEST', 'reason is missing');
	end if;
	if f.status <> 'Completed' then
		perform pipeline.deny('IMGP-DB-STATE', 'the row is ' || f.status);
	end if;
	if f.sha256_source is null or f.sha256_destination is null then
		perform pipeline.deny('IMGP-DB-STATE',
		    'the row does not know which bytes were delivered');
	end if;
	if not exists (select from pipeline.upload u
	    join pipeline.edcpipeline p on p.code = u.pipeline_code
	    where u.subject_event_crf_file_id = f.subjecteventcrffile_id
	    and p.id = f.edcpipeline_id
	    and u.revision_number = f.revision_number) then
		perform pipeline.deny('IMGP-DB-STATE',
		    'the EDC does not have this revision any more');
	end if;
	insert into pipeline.repair (edcpipelinefile_id, lease, reason)
	values (f.id, f.lease, reason);
	insert into pipeline.edcpipelinefileerrorlog (edcpipelinefile_id, attempt,
	    stage, error_code, error, fatal, retryable, run)
	values (f.id, f.attempt, 'verify', 'IMGP-DELIVERED-GONE',
	    'opened by ' || session_user || ': ' || reason, true, true, f.run);
	update pipeline.edcpipelinefile e set status = 'Failed',
	    has_error = true, error_code = 'IMGP-DELIVERED-GONE'
	where e.id = f.id returning * into f;
	return pipeline.answer(pipeline.file_json(f, false));
end $$;
