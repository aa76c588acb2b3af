-- What a run records of an upload: names, series, the end of an attempt, a look-up
-- that failed; in the envelope of 106_requests.sql, under the leases of
-- 107_leases.sql.

-- Record size, sum and names of the content.  Those of the source stay as they were
-- first recorded, so that other bytes under the same revision are noticed (M44).
create or replace function pipeline.tells_content(req jsonb) returns boolean
language sql immutable as $$
	select req ?| array['source_etag', 'bytes', 'sha256', 'etag', 'version_id',
	    'destination'];
$$;
create or replace function pipeline.note_content(f pipeline.edcpipelinefile,
    req jsonb) returns pipeline.edcpipelinefile language sql as $$
	update pipeline.edcpipelinefile e set
	    source_etag = coalesce(e.source_etag,
	        pipeline.want_text(req, 'source_etag'),
	        pipeline.want_text(req -> 'etag', 'source')),
	    source_version_id = coalesce(e.source_version_id,
	        pipeline.want_text(req -> 'version_id', 'source')),
	    destination = coalesce(pipeline.want_text(req, 'destination'),
	        e.destination),
	    destination_etag = coalesce(pipeline.want_text(req -> 'etag',
	        'destination'), e.destination_etag),
	    destination_version_id = coalesce(pipeline.want_text(
	        req -> 'version_id', 'destination'), e.destination_version_id),
	    bytes_source = coalesce(e.bytes_source,
	        pipeline.want_int(req -> 'bytes', 'source')),
	    sha256_source = coalesce(e.sha256_source,
	        pipeline.want_text(req -> 'sha256', 'source')),
	    bytes_destination = coalesce(pipeline.want_int(req -> 'bytes',
	        'destination'), e.bytes_destination),
	    sha256_destination = coalesce(pipeline.want_text(req -> 'sha256',
	        'destination'), e.sha256_destination)
	where e.id = f.id returning *;
$$;

-- Store the names, once for the row's life.
create or replace function pipeline.file_names(req jsonb) returns jsonb
language plpgsql as $$
declare
	f pipeline.edcpipelinefile := pipeline.file_locked(req);
begin
	perform pipeline.check_lease(f, req);
	if f.file_name is null and req ->> 'file_name' is not null then
		update pipeline.edcpipelinefile e set
		    file_name = pipeline.want_text(req, 'file_name'),
		    file_path = coalesce(pipeline.want_text(req, 'file_path'), '')
		where e.id = f.id returning * into f;
	end if;
	if pipeline.tells_content(req) then
		f := pipeline.note_content(f, req);
	end if;
	return pipeline.file_json(f, true);
end $$;

-- {"pipeline_code", "subject_event_crf_file_id", "revision_number", "run",
-- "claim", "again"} claims; with a row (file_locked()) and "lease" it stores
-- "file_name" and "file_path".  data.edc_pipeline_file.lease is null unless the
-- asking run holds it.
create or replace function pipeline.do_file_start(req jsonb) returns jsonb
language sql as $$
	select pipeline.answer(case when pipeline.want_file_id(req) is null
	    then pipeline.file_claim(req) else pipeline.file_names(req) end);
$$;

-- The series of a request, one row each in the request's order, checked, with
-- plain names: for jsonb_to_recordset.
create or replace function pipeline.scans_of(req jsonb) returns jsonb
language plpgsql immutable as $$
declare
	list jsonb;
begin
	if jsonb_typeof(req -> 'scans') is distinct from 'array' then
		perform pipeline.deny('IMGP-DB-REQUEST', 'scans is not an array');
	end if;
	if exists (select from jsonb_array_elements(req -> 'scans') s(o)
	    where jsonb_typeof(s.o -> 'series') is distinct from 'array') then
		perform pipeline.deny('IMGP-DB-REQUEST', 'series is not an array');
	end if;
	select coalesce(jsonb_agg(jsonb_build_object(
	    'ord', s.n << 32 | e.n, 'study', s.n,
	    'studyuid', coalesce(pipeline.want_text(s.o, 'study_uid'),
	        pipeline.want_text(s.o, 'studyuid')),
	    'serieuid', pipeline.want_text(e.o, 'series_uid'),
	    'serienum', pipeline.want_int(e.o, 'series_number'),
	    'instances', coalesce(pipeline.want_int(e.o, 'number_of_instances'),
	        pipeline.want_int(e.o, 'number_of_instance')))), '[]') into list
	from jsonb_array_elements(req -> 'scans') with ordinality s(o, n),
	    jsonb_array_elements(s.o -> 'series') with ordinality e(o, n);
	if exists (select from jsonb_to_recordset(list) s(studyuid text,
	    serieuid text) group by s.studyuid, s.serieuid having count(*) > 1) then
		perform pipeline.deny('IMGP-DB-REQUEST',
		    'a series stands twice in scans');
	end if;
	return list;
end $$;

create or replace function pipeline.scans_store(req jsonb) returns jsonb
language plpgsql as $$
declare
	f pipeline.edcpipelinefile := pipeline.file_locked(req);
	list jsonb := pipeline.scans_of(req);
	scans jsonb;
begin
	perform pipeline.check_lease(f, req);
	-- Numbers are given once: what is new comes after what is there, in the
	-- order of study, series number and series (M29).
	insert into pipeline.edcpipelinefiledicom as d (edcpipelinefile_id,
	    scan_no, studyuid, serieuid, serienum, number_of_instances)
	select f.id, coalesce((select max(scan_no)
	        from pipeline.edcpipelinefiledicom where edcpipelinefile_id = f.id),
	        0) + row_number() over (order by s.studyuid collate "C",
	        s.serienum nulls last, s.serieuid collate "C"),
	    s.studyuid, s.serieuid, s.serienum, s.instances
	from jsonb_to_recordset(list) s(studyuid text, serieuid text,
	    serienum bigint, instances bigint)
	where not exists (select from pipeline.edcpipelinefiledicom h
	    where h.edcpipelinefile_id = f.id and h.studyuid = s.studyuid
	    and h.serieuid = s.serieuid);
	update pipeline.edcpipelinefiledicom d set serienum = s.serienum,
	    number_of_instances = s.instances
	from jsonb_to_recordset(list) s(studyuid text, serieuid text,
	    serienum bigint, instances bigint)
	where d.edcpipelinefile_id = f.id and d.studyuid = s.studyuid
	    and d.serieuid = s.serieuid and (d.serienum, d.number_of_instances)
	    is distinct from (s.serienum, s.instances);
	if f.status <> 'In Progress' then
		update pipeline.edcpipelinefile e set status = 'In Progress'
		    where e.id = f.id returning * into f;
	end if;
	if pipeline.tells_content(req) then
		f := pipeline.note_content(f, req);
	end if;
	select coalesce(jsonb_agg(jsonb_build_object('study_uid', t.studyuid,
	    'series', t.series) order by t.study), '[]') into scans
	from (select s.study, s.studyuid,
	    jsonb_agg(jsonb_build_object('series_uid', s.serieuid,
	        'atri_uid', d.atriuid) order by s.ord) as series
	    from jsonb_to_recordset(list) s(ord bigint, study bigint,
	        studyuid text, serieuid text)
	    join pipeline.edcpipelinefiledicom d on d.edcpipelinefile_id = f.id
	        and d.studyuid = s.studyuid and d.serieuid = s.serieuid
	    group by s.study, s.studyuid) t;
	return pipeline.file_json(f, true) || jsonb_build_object(
	    'edc_pipeline_file_id', f.id,
	    'pipeline_code', (select p.code from pipeline.edcpipeline p
	        where p.id = f.edcpipeline_id),
	    'subject_event_crf_file_id', f.subjecteventcrffile_id,
	    'scans', scans);
end $$;

-- A row, {"lease", "scans": [{"study_uid", "series":
-- [{"series_uid", "series_number", "number_of_instances"}]}], "sha256",
-- "bytes"}: In Progress; data.scans has each series' atri_uid (M48-M50).
create or replace function pipeline.do_file_scans(req jsonb) returns jsonb
language sql as $$
	select pipeline.answer(pipeline.scans_store(req));
$$;

-- The answer to whoever ended an attempt: the row, with the number and the lease of
-- the attempt that ended, be it counted or not, and what the admins are to be told
-- of it (114_notice.sql).
create or replace function pipeline.file_ended(f pipeline.edcpipelinefile)
returns jsonb language plpgsql stable as $$
begin
	return jsonb_set(pipeline.file_json(f, false), '{edc_pipeline_file}',
	    (pipeline.file_json(f, false) -> 'edc_pipeline_file') ||
	    jsonb_build_object('ended', f.lease, 'attempt', (select o.attempt
	    from pipeline.outcome o where o.lease = f.lease))) ||
	    coalesce((select pipeline.notice_json(n)
	    from pipeline.notice n where n.lease = f.lease), '{}');
end $$;

-- The warnings of a request, at most 16, as pipeline.outcome keeps them.
create or replace function pipeline.warnings_of(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	warnings jsonb := coalesce(nullif(req -> 'warnings', 'null'), '[]');
begin
	if jsonb_typeof(warnings) <> 'array' then
		perform pipeline.deny('IMGP-DB-REQUEST', 'warnings is not an array');
	end if;
	return (select jsonb_agg(jsonb_build_object('stage', r.stage,
	    'error_code', r.error_code, 'error', r.error) order by r.n)
	    from pipeline.errors_of(warnings, 'Completed') r where r.n <= 16);
end $$;

-- unproven: the client has no sum of what it delivered (113_page.sql).
drop function if exists pipeline.finish_store(jsonb);
create or replace function pipeline.finish_store(req jsonb,
    unproven boolean default false) returns jsonb language plpgsql as $$
declare
	f pipeline.edcpipelinefile := pipeline.file_locked(req);
	outcome text := pipeline.want_status(req);
	errors jsonb := coalesce(nullif(req -> 'errors', 'null'), '[]');
	warnings jsonb := pipeline.warnings_of(req);
	participant text;
	event text;
	worst record;
begin
	if outcome is null or outcome not in ('Completed', 'Failed') then
		perform pipeline.deny('IMGP-DB-REQUEST',
		    'a file is finished as Completed or Failed');
	end if;
	if jsonb_typeof(errors) <> 'array' then
		perform pipeline.deny('IMGP-DB-REQUEST', 'errors is not an array');
	end if;
	if f.status = outcome and f.lease = pipeline.want_int(req, 'lease') then
		return pipeline.file_ended(f);	-- asked again
	end if;
	perform pipeline.check_lease(f, req);
	if outcome = 'Completed' and pipeline.repairs_of(f) > 0 and
	    pipeline.want_text(req -> 'sha256', 'destination') is distinct from
	    f.sha256_destination then
		perform pipeline.deny('IMGP-DELIVERED-OTHER',
		    'the bytes are not those that were delivered before');
	end if;
	if outcome = 'Completed' and exists (
	    select from jsonb_array_elements(errors) e
	    where (e -> 'fatal') = 'true') then
		perform pipeline.deny('IMGP-DB-REQUEST',
		    'a file with a fatal error is not Completed');
	end if;
	if outcome = 'Completed' and f.status = 'In Progress' and not unproven
	    and coalesce(
	    pipeline.want_text(req -> 'sha256', 'destination'),
	    f.sha256_destination) is null then
		perform pipeline.deny('IMGP-DB-REQUEST', 'sha256.destination is '
		    'missing: nothing was delivered');
	end if;

	insert into pipeline.edcpipelinefileerrorlog (edcpipelinefile_id, attempt,
	    stage, error_code, error, fatal, retryable, run)
	select f.id, f.attempt, r.stage, r.error_code, r.error, r.fatal,
	    r.retryable, f.run
	from pipeline.errors_of(errors, outcome) r order by r.n;
	if pipeline.tells_content(req) then
		perform pipeline.note_content(f, req);
	end if;
	select * into worst from pipeline.worst_of(errors, outcome);
	update pipeline.edcpipelinefile e set
	    status = outcome,
	    has_error = outcome = 'Failed' or worst.n is not null or
	        coalesce(pipeline.want_bool(req, 'has_error'), false),
	    -- Only the upload's own fault is final.
	    failed_for_good = outcome = 'Failed' and exists (
	        select from pipeline.errors_of(errors, outcome) r
	        where r.fatal and not r.retryable) and
	        worst.owner not in ('ours', 'service'),
	    error_code = worst.error_code,
	    has_warning = warnings is not null,
	    lease_until = null, ts_finish = clock_timestamp()
	where e.id = f.id returning * into f;
	participant := pipeline.want_text(req, 'participant_code');
	event := pipeline.want_text(req, 'event_code');
	if participant is null and event is null then
		select u.participant_code, u.event_code into participant, event
		from pipeline.upload u
		where u.subject_event_crf_file_id = f.subjecteventcrffile_id
		and u.pipeline_code = pipeline.want_text(req, 'pipeline_code')
		limit 1;
	end if;
	insert into pipeline.outcome (edcpipelinefile_id, attempt, lease, status,
	    has_error, error_code, error, warnings, redelivered, unseen,
	    participant_code, event_code)
	values (f.id, f.attempt, f.lease, f.status, f.has_error, f.error_code,
	    worst.error, warnings,
	    f.status = 'Completed' and pipeline.repairs_of(f) > 0,
	    f.status = 'Completed' and f.sha256_destination is null,
	    participant, event);
	perform pipeline.notice_end(f);
	if f.status = 'Failed' and worst.fatal and worst.owner = 'ours' then
		update pipeline.edcpipelinefile e	-- no attempt of the upload's
		    set attempt = greatest(e.attempt - 1, 0) where e.id = f.id;
	end if;
	return pipeline.file_ended(f);
end $$;

-- {"subject_event_crf_file_id", "pipeline_code", "run", "errors"}: the run could
-- not look the upload up, or not claim it: there is no row of it.  data.notice: what
-- the admins are to be told of it (114_notice.sql).
create or replace function pipeline.do_lookup_failed(req jsonb) returns jsonb
language plpgsql as $$
declare
	errors jsonb := coalesce(nullif(req -> 'errors', 'null'), '[]');
	worst record;
begin
	if jsonb_typeof(errors) <> 'array' then
		perform pipeline.deny('IMGP-DB-REQUEST', 'errors is not an array');
	end if;
	select * into worst from pipeline.worst_of(errors, 'Failed');
	if worst.n is null then
		perform pipeline.deny('IMGP-DB-REQUEST',
		    'a look-up that failed has errors');
	end if;
	insert into pipeline.lookupfailure as l (subjecteventcrffile_id,
	    pipeline_code, error_code, error, run)
	values (pipeline.want_int(req, 'subject_event_crf_file_id'),
	    coalesce(pipeline.want_text(req, 'pipeline_code'), ''),
	    worst.error_code, worst.error, pipeline.want_text(req, 'run'))
	on conflict (subjecteventcrffile_id, pipeline_code) do update set
	    failures = case when l.error_code = excluded.error_code
	        then l.failures else 0 end + 1,
	    since = case when l.error_code = excluded.error_code
	        then l.since else excluded.since end,
	    error_code = excluded.error_code, error = excluded.error,
	    run = excluded.run, ts = excluded.ts
	where (l.error_code, l.run) is distinct from
	    (excluded.error_code, excluded.run);	-- else asked again
	return pipeline.answer((select jsonb_build_object(
	    'subject_event_crf_file_id', l.subjecteventcrffile_id,
	    'failures', l.failures) || pipeline.notice_json(
	    pipeline.notice_lookup(l, errors)) from pipeline.lookupfailure l
	    where l.subjecteventcrffile_id = pipeline.want_int(req,
	        'subject_event_crf_file_id')
	    and l.pipeline_code = coalesce(pipeline.want_text(req,
	        'pipeline_code'), '')));
end $$;

-- A row, {"lease", "status", "has_error", "errors", "warnings", "sha256", "bytes",
-- "participant_code", "event_code"}: the end of an attempt.  Of whom and of when the
-- file is, a request says as it was looked up; else the EDC's view does, as of now.
create or replace function pipeline.do_file_finish(req jsonb) returns jsonb
language sql as $$
	select pipeline.answer(pipeline.finish_store(req));
$$;
