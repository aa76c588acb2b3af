-- The record keeping's functions: (jsonb) returns jsonb, in the API's envelope
-- {"success", "error_code", "error", "data"}.  Loaded anew whenever a file of
-- sql/ changed.
--
-- Each of them may be called twice with the same request: the second answer is the
-- first, and no row is made or changed by it (M51).  A refused request is answered
-- with success false and a code of the error dictionary; only an error that has
-- nothing to do with the request (a lost connection, a deadlock, a missing right) is
-- raised.
--
-- The roles call pipeline.NAME(jsonb), which 119_calls.sql makes of each
-- do_NAME(jsonb) here: it runs with the owner's rights and a fixed search_path, and
-- answers with what was refused.  All other functions are called from there alone.

create or replace function pipeline.version() returns integer
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
	select max(version) from pipeline.schema_version;
$$;

-- Refuse a request: 119_calls.sql answers with it.
create or replace function pipeline.deny(code text, error text) returns void
language plpgsql as $$
begin
	raise exception using errcode = 'IM002', message = error, detail = code;
end $$;

create or replace function pipeline.answer(data jsonb) returns jsonb
language sql immutable as $$
	select jsonb_build_object('success', true, 'data', data);
$$;

-- The answer for a caught error.  It never contains a value: a data error is told by
-- its SQLSTATE, a broken constraint by its name.
create or replace function pipeline.denied(state text, code text, error text)
returns jsonb language sql immutable as $$
	select jsonb_build_object('success', false,
	    'error_code', case state when 'IM001' then 'IMGP-DB-STATE'
	        when 'IM002' then code else 'IMGP-DB-REQUEST' end,
	    'error', case when left(state, 2) = '22'
	        then 'a value of the request is not usable (SQLSTATE ' || state || ')'
	        else error end,
	    'data', null);
$$;

create or replace function pipeline.utc(t timestamptz) returns text
language sql immutable as $$
	select to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
$$;

-- An integer member of a request, null when it is not there or null.
create or replace function pipeline.want_int(req jsonb, name text)
returns bigint language plpgsql immutable as $$
declare
	n numeric;
begin
	if coalesce(jsonb_typeof(req -> name), 'null') = 'null' then
		return null;
	end if;
	if jsonb_typeof(req -> name) = 'number' then
		n := (req ->> name)::numeric;
		if n = trunc(n) and n between -9223372036854775808
		    and 9223372036854775807 then
			return n::bigint;
		end if;
	end if;
	perform pipeline.deny('IMGP-DB-REQUEST', name || ' is not an integer');
end $$;

create or replace function pipeline.want_text(req jsonb, name text)
returns text language plpgsql immutable as $$
begin
	if coalesce(jsonb_typeof(req -> name), 'null') = 'null' then
		return null;
	end if;
	if jsonb_typeof(req -> name) <> 'string' then
		perform pipeline.deny('IMGP-DB-REQUEST', name || ' is not a string');
	end if;
	return req ->> name;
end $$;

create or replace function pipeline.want_bool(req jsonb, name text)
returns boolean language plpgsql immutable as $$
begin
	if coalesce(jsonb_typeof(req -> name), 'null') = 'null' then
		return null;
	end if;
	if jsonb_typeof(req -> name) <> 'boolean' then
		perform pipeline.deny('IMGP-DB-REQUEST',
		    name || ' is neither true nor false');
	end if;
	return (req -> name)::boolean;
end $$;

-- The row's id; the page's spelling of it is read as well (M45).
create or replace function pipeline.want_file_id(req jsonb) returns bigint
language sql immutable as $$
	select coalesce(pipeline.want_int(req, 'edc_pipeline_file_id'),
	    pipeline.want_int(req, 'edc_pipieline_file_id'));
$$;

-- The statuses in any of the page's spellings (M41); null for null.
create or replace function pipeline.want_status(req jsonb) returns text
language plpgsql immutable as $$
declare
	s text := lower(translate(pipeline.want_text(req, 'status'), '_', ' '));
begin
	return case
	    when s is null then null
	    when s = 'started' then 'Started'
	    when s = 'in progress' then 'In Progress'
	    when s in ('completed', 'done') then 'Completed'
	    when s in ('failed', 'error') then 'Failed'
	    else (select 'x' from pipeline.deny('IMGP-DB-REQUEST',
	        'no such status')) end;
end $$;

-- Whether nothing of it may be started now: a pause may have an end.
create or replace function pipeline.is_paused(p pipeline.edcpipeline)
returns boolean language sql volatile as $$
	select p.paused and (p.paused_until is null or
	    p.paused_until > clock_timestamp());
$$;

-- Nonzero: how often it was opened again, as its object was gone.
create or replace function pipeline.repairs_of(f pipeline.edcpipelinefile)
returns bigint language sql stable as $$
	select count(*) from pipeline.repair r where r.edcpipelinefile_id = f.id;
$$;

-- What all answers say of a row.  sha256_destination: of a file that is delivered
-- once more, the bytes that it must have again.
create or replace function pipeline.file_json(f pipeline.edcpipelinefile,
    holds boolean) returns jsonb
language sql stable as $$
	select jsonb_build_object('edc_pipeline_file', jsonb_strip_nulls(
	    jsonb_build_object('sha256_source', f.sha256_source,
	    'sha256_destination', case when f.status <> 'Completed'
	        and f.sha256_destination is not null
	        and pipeline.repairs_of(f) > 0 then f.sha256_destination end)) ||
	    jsonb_build_object('id', f.id, 'status', f.status,
	    'has_error', f.has_error, 'file_name', f.file_name,
	    'file_path', f.file_path, 'ts_create', pipeline.utc(f.ts_create),
	    'revision_number', f.revision_number, 'attempt', f.attempt,
	    'lease', case when holds then f.lease end));
$$;

-- The row of a request, locked.  The request names it by id, and the upload and
-- pipeline besides: after a failover that lost rows, an id alone could be another
-- file's.
create or replace function pipeline.file_locked(req jsonb)
returns pipeline.edcpipelinefile language plpgsql as $$
declare
	upload bigint := pipeline.want_int(req, 'subject_event_crf_file_id');
	of_pipeline text := pipeline.want_text(req, 'pipeline_code');
	f pipeline.edcpipelinefile;
begin
	if upload is null or of_pipeline is null then
		perform pipeline.deny('IMGP-DB-REQUEST', 'a row is named with its '
		    'subject_event_crf_file_id and pipeline_code');
	end if;
	select * into f from pipeline.edcpipelinefile
	    where id = pipeline.want_file_id(req) for update;
	if f.id is null then
		perform pipeline.deny('IMGP-DB-FENCED', 'there is no such row');
	end if;
	if f.subjecteventcrffile_id <> upload or not exists (
	    select from pipeline.edcpipeline p where p.id = f.edcpipeline_id
	    and p.code = of_pipeline) then
		perform pipeline.deny('IMGP-DB-FENCED',
		    'the row is another upload''s');
	end if;
	return f;
end $$;

-- The run of a request that names no row.
create or replace function pipeline.want_run(req jsonb) returns text
language plpgsql as $$
declare
	run text := pipeline.want_text(req, 'run');
begin
	if run is null then
		perform pipeline.deny('IMGP-DB-REQUEST', 'no row and no run');
	end if;
	return run;
end $$;

-- Whether a request may ask for what is of this pipeline: "pipelines" (codes) are
-- those it is limited to; null: it is not.
create or replace function pipeline.is_allowed(code text, req jsonb)
returns boolean language sql immutable as $$
	select coalesce(jsonb_typeof(req -> 'pipelines'), 'null') = 'null' or
	    coalesce(req -> 'pipelines' ? code, false);
$$;

-- Refuse a request that does not hold the row's lease.  A lease that has run out
-- still counts until another run has claimed the row.
create or replace function pipeline.check_lease(f pipeline.edcpipelinefile,
    req jsonb) returns void language plpgsql as $$
begin
	if pipeline.want_int(req, 'lease') is distinct from f.lease then
		perform pipeline.deny('IMGP-DB-FENCED',
		    'the lease is not this request''s');
	elsif f.ts_finish is not null then
		perform pipeline.deny('IMGP-DB-STATE', 'the row is ' || f.status);
	elsif f.lease_until is null then
		perform pipeline.deny('IMGP-DB-FENCED', 'the lease was released');
	end if;
end $$;

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

-- A lease is a number that nobody can guess and that never comes back, not even for
-- a row that was lost with a failover: random, below 2^53, so that every reader of
-- JSON keeps it exactly.  It lasts for 15 minutes.
create or replace function pipeline.new_lease() returns bigint
language sql volatile as $$
	select greatest(1, ('x' || left(h, 12) || substr(h, 14, 2))::bit(56)::bigint
	    >> 3)
	from (select replace(gen_random_uuid()::text, '-', '') as h) u;
$$;
create or replace function pipeline.lease_end() returns timestamptz
language sql volatile as $$
	select clock_timestamp() + interval '15 minutes';
$$;

-- edc_pipeline_file.crashes: in how many runs before this one the process that
-- read the upload died, since it was last given up for that.
create or replace function pipeline.with_crashes(answer jsonb, file_id bigint,
    by_run text) returns jsonb language plpgsql stable as $$
declare
	crashes bigint;
begin
	select count(distinct l.run) into crashes
	from pipeline.edcpipelinefileerrorlog l
	where l.edcpipelinefile_id = file_id
	    and l.error_code = 'IMGP-DICOM-CRASH' and l.run <> by_run
	    and l.id > coalesce((select max(g.id)
	        from pipeline.edcpipelinefileerrorlog g
	        where g.edcpipelinefile_id = file_id
	        and g.error_code = 'IMGP-JOB-CRASH'), 0);
	return case when crashes = 0 then answer else jsonb_set(answer,
	    '{edc_pipeline_file,crashes}', to_jsonb(crashes)) end;
end $$;

-- Claim a file for a run: the row is made or opened, the attempt counted and a
-- new lease given.
create or replace function pipeline.file_claim(req jsonb) returns jsonb
language plpgsql as $$
declare
	upload bigint := pipeline.want_int(req, 'subject_event_crf_file_id');
	revision bigint := pipeline.want_int(req, 'revision_number');
	by_run text := pipeline.want_text(req, 'run');
	by_claim text := pipeline.want_text(req, 'claim');
	again boolean := coalesce(pipeline.want_bool(req, 'again'), false);
	anew boolean;
	rename boolean;
	p pipeline.edcpipeline;
	f pipeline.edcpipelinefile;
	current bigint;
begin
	if upload is null or upload <= 0 then
		perform pipeline.deny('IMGP-DB-REQUEST',
		    'subject_event_crf_file_id is missing or not positive');
	end if;
	select * into p from pipeline.edcpipeline
	    where code = pipeline.want_text(req, 'pipeline_code');
	if p.id is null then
		perform pipeline.deny('IMGP-DB-REQUEST', 'no pipeline has this code');
	end if;

	-- The replica that was asked may be behind this database.
	select u.revision_number into current from pipeline.upload u
	    where u.subject_event_crf_file_id = upload
	    and u.pipeline_code = p.code;
	if current is null then
		perform pipeline.deny('IMGP-LOOKUP-NOT-FOUND',
		    'the primary database knows no such upload in this pipeline');
	elsif revision is null then
		revision := current;
	elsif revision <> current then
		perform pipeline.deny('IMGP-LOOKUP-STALE', format(
		    'revision %s was looked up, the primary database has %s',
		    revision, current));
	end if;

	select * into f from pipeline.edcpipelinefile e
	    where e.edcpipeline_id = p.id and e.subjecteventcrffile_id = upload
	    and e.revision_number = revision;
	if f.status = 'Completed' or (f.failed_for_good and not again) then
		return pipeline.file_json(f, false);
	end if;
	if pipeline.is_paused(p) then
		perform pipeline.deny('IMGP-SKIP-PAUSED', 'the pipeline is paused');
	end if;
	if exists (select from pipeline.waived w where w.edcpipeline_id = p.id
	    and w.subjecteventcrffile_id = upload) then
		perform pipeline.deny('IMGP-SKIP-WAIVED', 'the upload is waived');
	end if;

	if f.id is null then
		insert into pipeline.edcpipelinefile
		    (edcpipeline_id, subjecteventcrffile_id, revision_number)
		values (p.id, upload, revision) on conflict
		    (edcpipeline_id, subjecteventcrffile_id, revision_number)
		    do nothing;
	end if;
	select * into strict f from pipeline.edcpipelinefile e
	    where e.edcpipeline_id = p.id and e.subjecteventcrffile_id = upload
	    and e.revision_number = revision for update;
	if f.status = 'Completed' or (f.failed_for_good and not again) then
		return pipeline.file_json(f, false);
	end if;
	if f.lease_until > clock_timestamp() then
		-- The same request asked again gets the same lease; without a
		-- claim it is known by its run.
		return pipeline.file_json(f, f.claim is not distinct from by_claim
		    and f.run is not distinct from by_run
		    and coalesce(by_claim, by_run) is not null);
	end if;
	-- The operator who opens it accepts that the source has changed.
	anew := f.failed_for_good and f.error_code = 'IMGP-SOURCE-CHANGED';
	-- Or has had the EDC mended, of which the name is made.  It is free to change
	-- where no attempt ever came as far as to the series: none was stored.
	rename := f.failed_for_good and (f.error_code like 'IMGP-CHECK-%' or
	    f.error_code = 'IMGP-NAME-PARTICIPANT') and not exists (
	        select from pipeline.edcpipelinefiledicom d
	        where d.edcpipelinefile_id = f.id);
	update pipeline.edcpipelinefile e set
	    status = 'Started', has_error = false, failed_for_good = false,
	    error_code = null, ts_finish = null, attempt = e.attempt + 1,
	    reopened = e.reopened + e.failed_for_good::integer,
	    file_name = case when rename is not true then e.file_name end,
	    file_path = case when rename is not true then e.file_path end,
	    lease = pipeline.new_lease(), lease_until = pipeline.lease_end(),
	    run = by_run, claim = by_claim,
	    source_etag = case when anew is not true then e.source_etag end,
	    source_version_id = case when anew is not true
	        then e.source_version_id end,
	    bytes_source = case when anew is not true then e.bytes_source end,
	    sha256_source = case when anew is not true then e.sha256_source end
	where e.id = f.id returning * into f;
	delete from pipeline.lookupfailure l
	    where l.subjecteventcrffile_id = upload
	    and l.pipeline_code in (p.code, '');
	return pipeline.with_crashes(pipeline.file_json(f, true), f.id, by_run);
end $$;

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

-- The errors of a request.  Members that one lacks come from the dictionary.  An
-- error with an unknown code is retryable: no file is given up without a known
-- reason.  owner says whose fault it is (errors.tsv).
drop function if exists pipeline.errors_of(jsonb, text);
create function pipeline.errors_of(errors jsonb, outcome text)
returns table (n bigint, stage text, error_code text, error text,
    fatal boolean, retryable boolean, owner text)
language sql stable as $$
	select a.n, coalesce(pipeline.want_text(a.o, 'stage'), ''),
	    coalesce(pipeline.want_text(a.o, 'error_code'), 'IMGP-INTERNAL'),
	    coalesce(pipeline.want_text(a.o, 'error'), ''),
	    coalesce(pipeline.want_bool(a.o, 'fatal'), outcome = 'Failed'),
	    coalesce(pipeline.want_bool(a.o, 'retryable'), c.retryable, true),
	    coalesce(c.owner, 'upload')
	from jsonb_array_elements(errors) with ordinality a(o, n)
	left join pipeline.error_code c on c.code = coalesce(
	    pipeline.want_text(a.o, 'error_code'), 'IMGP-INTERNAL');
$$;

-- The error that decides: a fatal one before others; of the fatal ones one of ours
-- before a service's, a service's before the upload's own, which may have come of
-- it.
drop function if exists pipeline.worst_of(jsonb, text);
create function pipeline.worst_of(errors jsonb, outcome text)
returns table (n bigint, stage text, error_code text, error text,
    fatal boolean, retryable boolean, owner text)
language sql stable as $$
	select r.* from pipeline.errors_of(errors, outcome) r
	order by not r.fatal, case when not r.fatal then 3
	    when r.owner = 'ours' then 1 when r.owner = 'service' then 2
	    else 3 end, r.n limit 1;
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

-- A row, "lease", or {"run", "pipelines"}: the lease of one row, or of all that the run
-- holds, begins anew; data.count says how many.
create or replace function pipeline.do_file_renew(req jsonb) returns jsonb
language plpgsql as $$
declare
	f pipeline.edcpipelinefile;
	by_run text;
	n bigint;
begin
	if pipeline.want_file_id(req) is null then
		by_run := pipeline.want_run(req);
		update pipeline.edcpipelinefile e
		    set lease_until = pipeline.lease_end()
		where e.run = by_run and e.lease_until is not null
		and pipeline.is_allowed((select p.code from pipeline.edcpipeline p
		    where p.id = e.edcpipeline_id), req);
		get diagnostics n = row_count;
		return pipeline.answer(jsonb_build_object('count', n));
	end if;
	f := pipeline.file_locked(req);
	perform pipeline.check_lease(f, req);
	update pipeline.edcpipelinefile e
	    set lease_until = pipeline.lease_end()
	where e.id = f.id;
	return pipeline.answer(pipeline.file_json(f, true) ||
	    jsonb_build_object('count', 1));
end $$;

-- A row, "lease", or {"run", "pipelines"}, and "uncounted": give up what is
-- unfinished, so that the next run need not wait; uncounted takes the attempt
-- back.  Statuses stay.
create or replace function pipeline.do_file_release(req jsonb) returns jsonb
language plpgsql as $$
declare
	f pipeline.edcpipelinefile;
	back integer;
	by_run text;
	n bigint;
begin
	back := coalesce(pipeline.want_bool(req, 'uncounted'), false)::integer;
	if pipeline.want_file_id(req) is null then
		by_run := pipeline.want_run(req);
		update pipeline.edcpipelinefile e
		    set lease_until = null, attempt = greatest(e.attempt - back, 0)
		where e.run = by_run and e.lease_until is not null
		and pipeline.is_allowed((select p.code from pipeline.edcpipeline p
		    where p.id = e.edcpipeline_id), req);
		get diagnostics n = row_count;
		-- A run that is over has no letter in hand either.
		update pipeline.outbox b set taken_until = null,
		    taken_run = null, claim = null
		where b.taken_run = by_run;
		return pipeline.answer(jsonb_build_object('count', n));
	end if;
	f := pipeline.file_locked(req);
	if f.lease_until is null and f.ts_finish is null and
	    pipeline.want_int(req, 'lease') = f.lease then
		return pipeline.answer(pipeline.file_json(f, false) ||
		    jsonb_build_object('count', 0));	-- asked again
	end if;
	perform pipeline.check_lease(f, req);
	update pipeline.edcpipelinefile e
	    set lease_until = null, attempt = greatest(e.attempt - back, 0)
	where e.id = f.id returning * into f;
	return pipeline.answer(pipeline.file_json(f, false) ||
	    jsonb_build_object('count', 1));
end $$;

-- {"edc_pipeline_file_id", "lease"}: data.rows, all that ever went wrong with the
-- file, oldest first, end: which attempt's end it was, the first is 1;
-- data.status, how it stands; data.log_key, where its error log lies, or null.
-- With a lease, only if that is the row's last: a job line that was made up knows
-- none.
create or replace function pipeline.do_error_log(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	file_id bigint;
	rows jsonb;
	now_is text;
begin
	file_id := pipeline.want_file_id(req);
	if file_id is null then
		perform pipeline.deny('IMGP-DB-REQUEST', 'no row is named');
	end if;
	select f.status into now_is from pipeline.edcpipelinefile f
	    where f.id = file_id and (not req ? 'lease' or exists (
	        select from pipeline.outcome o where o.edcpipelinefile_id = f.id
	        and o.lease = pipeline.want_int(req, 'lease')));
	if now_is is null and req ? 'lease' then
		perform pipeline.deny('IMGP-DB-FENCED',
		    'the lease is not this row''s');
	end if;
	select coalesce(jsonb_agg(jsonb_build_object('attempt', l.attempt,
	    'end', l.nth, 'stage', l.stage, 'error_code', l.error_code, 'error', l.error,
	    'fatal', l.fatal, 'retryable', l.retryable, 'run', l.run,
	    'ts', pipeline.utc(l.ts)) order by l.id), '[]') into rows
	from (select *, dense_rank() over (order by e.ts) as nth
	    from pipeline.edcpipelinefileerrorlog e
	    where e.edcpipelinefile_id = file_id) l;
	return pipeline.answer(jsonb_build_object('rows', rows,
	    'status', now_is, 'log_key', pipeline.log_key_of(file_id)));
end $$;

-- How many ends one digest takes at most: what it says of them must fit into one
-- JSON text of 16 MiB, and its letters into one mail.
create or replace function pipeline.digest_most() returns bigint
language sql immutable set search_path = pg_catalog, pg_temp as $$
	select 2000::bigint;
$$;

-- The content of a digest: the outcomes ${ids}, each file once with its last one, and
-- the failed look-ups ${lookups}, each upload once.
drop function if exists pipeline.digest_json(bigint[], timestamptz,
    timestamptz);
create or replace function pipeline.digest_json(ids bigint[], lookups bigint[],
    since timestamptz, until timestamptz) returns jsonb
language sql stable as $$
	with last as (
		select distinct on (o.edcpipelinefile_id) o.*
		from pipeline.outcome o where o.id = any (ids)
		order by o.edcpipelinefile_id, o.id desc),
	listed as (
		select * from last order by id limit pipeline.digest_most()),
	unfound as (
		select distinct on (n.subjecteventcrffile_id, n.pipeline_code) n.*
		from pipeline.notice n where n.id = any (lookups)
		order by n.subjecteventcrffile_id, n.pipeline_code, n.id desc)
	select jsonb_build_object(
	    'since', pipeline.utc(since), 'until', pipeline.utc(until),
	    'files', coalesce(jsonb_agg(jsonb_build_object(
	        'edc_pipeline_file_id', f.id, 'pipeline_code', p.code,
	        'subject_event_crf_file_id', f.subjecteventcrffile_id,
	        'revision_number', f.revision_number,
	        'file_name', f.file_name, 'file_path', f.file_path,
	        'status', l.status, 'has_error', l.has_error,
	        'failed_for_good', f.failed_for_good,
	        'attempt', l.attempt, 'error_code', l.error_code,
	        'error', l.error, 'bytes', f.bytes_destination,
	        'sha256', f.sha256_destination,
	        'participant_code', case when l.participant_code is null and
	            l.event_code is null then u.participant_code
	            else l.participant_code end,
	        'event_code', case when l.participant_code is null and
	            l.event_code is null then u.event_code
	            else l.event_code end,
	        'place', case when l.status = 'Completed'
	            then f.destination end,
	        'scans', (select coalesce(jsonb_agg(jsonb_build_object(
	            'atri_uid', s.atriuid, 'number_of_instances',
	            s.number_of_instances) order by s.scan_no), '[]')
	            from pipeline.edcpipelinefiledicom s
	            where s.edcpipelinefile_id = f.id and s.scan_no <= 20),
	        'scans_in_all', (select jsonb_build_object('scans', count(*),
	            'instances', coalesce(sum(s.number_of_instances), 0))
	            from pipeline.edcpipelinefiledicom s
	            where s.edcpipelinefile_id = f.id),
	        'ts', pipeline.utc(l.ts)) || case when l.warnings is null
	            then '{}' else jsonb_build_object('warnings', l.warnings)
	            end order by l.id), '[]') ||
	        (select coalesce(jsonb_agg(jsonb_build_object(
	        'pipeline_code', n.pipeline_code,
	        'subject_event_crf_file_id', n.subjecteventcrffile_id,
	        'status', 'Failed', 'has_error', true,
	        'failed_for_good', n.failed_for_good,
	        'error_code', n.error_code, 'error', (select w.error
	            from pipeline.worst_of(n.errors, 'Failed') w),
	        'ts', pipeline.utc(n.ts)) order by n.id), '[]')
	        from unfound n),
	    'more', (select count(*) from last) - count(*), 'last', max(l.id),
	    'pipelines', (select coalesce(jsonb_agg(c.code order by c.code), '[]')
	        from pipeline.edcpipeline c),
	    'counts', (select jsonb_build_object(
	        'new', count(*) filter (where c.status = 'Completed'),
	        'failed', count(*) filter (where c.status = 'Failed') +
	            (select count(*) from unfound),
	        'with_error', count(*) filter (where c.status = 'Completed'
	            and c.has_error)) from last c))
	from listed l
	join pipeline.edcpipelinefile f on f.id = l.edcpipelinefile_id
	join pipeline.edcpipeline p on p.id = f.edcpipeline_id
	left join lateral (select v.participant_code, v.event_code
	    from pipeline.upload v where l.participant_code is null
	    and l.event_code is null and v.pipeline_code = p.code
	    and v.subject_event_crf_file_id = f.subjecteventcrffile_id limit 1) u
	    on true;
$$;

-- How many uploads of each pipeline are to be delivered and have no row: no run has
-- taken them.
create or replace function pipeline.untaken() returns jsonb
language sql stable as $$
	select coalesce(jsonb_agg(jsonb_build_object('pipeline_code', c.code,
	    'files', c.files, 'paused', c.paused) order by c.code), '[]')
	from (select p.code, pipeline.is_paused(p) as paused, count(*) as files
		from pipeline.pending u
		join pipeline.edcpipeline p on p.code = u.pipeline_code
		where not exists (select from pipeline.edcpipelinefile f
		    where f.edcpipeline_id = p.id
		    and f.subjecteventcrffile_id = u.subject_event_crf_file_id
		    and f.revision_number = u.revision_number)
		group by 1, 2) c;
$$;

-- What a digest may tell of; the pipeline of a look-up may be unknown.
create or replace view pipeline.digestible as
select o.id, false as is_lookup, p.code as pipeline_code, o.digest_id
from pipeline.outcome o
join pipeline.edcpipelinefile f on f.id = o.edcpipelinefile_id
join pipeline.edcpipeline p on p.id = f.edcpipeline_id
where not o.redelivered and not o.unseen
union all
select n.id, true, n.pipeline_code, n.digest_id
from pipeline.notice n where n.edcpipelinefile_id is null;

-- What is in no digest yet, except of the pipelines in "without".
create or replace function pipeline.undigested(req jsonb)
returns setof pipeline.digestible language sql stable as $$
	select d.* from pipeline.digestible d where d.digest_id is null
	and (req -> 'without' ? d.pipeline_code) is not true;
$$;

-- {"without"} (codes of pipelines whose news wait; null: none): the digest that is
-- to be sent, data as digest_json() with "digest_id".
-- Opening freezes it: until it is sent, every call answers the same (M73).
-- data.another is true where there is more than one digest holds, or where this one
-- was left by a digest that died: then open the next at once.
create or replace function pipeline.do_digest_open(req jsonb) returns jsonb
language plpgsql as $$
declare
	d pipeline.digest;
	ids bigint[];
	lookups bigint[];
	full_one boolean;
	resumed boolean;
	waits text;
begin
	lock table pipeline.digest in share row exclusive mode;
	select * into d from pipeline.digest where ts_sent is null;
	resumed := d.id is not null;
	if resumed then
		select min(p.pipeline_code) into waits from pipeline.digestible p
		where p.digest_id = d.id and req -> 'without' ? p.pipeline_code;
		if waits is not null then
			perform pipeline.deny('IMGP-CONFIG', format('digest %s '
			    'was left unfinished and has files of pipeline '
			    '"%s": mend its settings first', d.id, waits));
		end if;
	else
		insert into pipeline.digest (since, until)
		values ((select max(s.until) from pipeline.digest s),
		    clock_timestamp()) returning * into d;
		with mine as (
			update pipeline.outcome o set digest_id = d.id
			where o.id in (select u.id
			    from pipeline.undigested(req) u
			    where not u.is_lookup
			    order by u.id limit pipeline.digest_most())
			returning o.id)
		select coalesce(array_agg(id), '{}') into ids from mine;
		with mine as (
			update pipeline.notice o set digest_id = d.id
			where o.id in (select u.id
			    from pipeline.undigested(req) u where u.is_lookup
			    order by u.id limit pipeline.digest_most())
			returning o.id)
		select coalesce(array_agg(id), '{}') into lookups from mine;
		update pipeline.digest g set content =
		    pipeline.digest_json(ids, lookups, d.since, d.until) ||
		    jsonb_build_object('still', pipeline.notice_still(),
		    'waiting', pipeline.untaken())
		where g.id = d.id returning * into d;
	end if;
	full_one := pipeline.digest_most() <= greatest(
	    (select count(*) from pipeline.outcome o where o.digest_id = d.id),
	    (select count(*) from pipeline.notice n where n.digest_id = d.id));
	return pipeline.answer(d.content || jsonb_build_object('digest_id', d.id,
	    'another', (full_one or resumed) and
	        exists (select from pipeline.undigested(req))));
end $$;

-- {"digest_id"}: it went out.
create or replace function pipeline.do_digest_sent(req jsonb) returns jsonb
language plpgsql as $$
declare
	d pipeline.digest;
begin
	select * into d from pipeline.digest
	    where id = pipeline.want_int(req, 'digest_id') for update;
	if d.id is null then
		perform pipeline.deny('IMGP-DB-REQUEST', 'there is no such digest');
	elsif d.ts_sent is null then
		update pipeline.digest g set ts_sent = clock_timestamp()
		where g.id = d.id returning * into d;
	end if;
	return pipeline.answer(jsonb_build_object('digest_id', d.id,
	    'ts_sent', pipeline.utc(d.ts_sent)));
end $$;

-- {"since", "until", "after"} (ISO 8601, until null: now): what a digest of that time
-- would say; since null: what is in no digest that was sent; after: the part behind
-- data.last of the answer before.  Changes nothing.
create or replace function pipeline.do_digest_preview(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	t_since timestamptz;
	t_until timestamptz;
	ids bigint[];
	lookups bigint[];
	behind bigint := pipeline.want_int(req, 'after');
begin
	t_since := pipeline.want_text(req, 'since')::timestamptz;
	t_until := coalesce(pipeline.want_text(req, 'until')::timestamptz,
	    clock_timestamp());
	select coalesce(array_agg(o.id), '{}') into ids
	from pipeline.outcome o
	left join pipeline.digest d on d.id = o.digest_id
	where not o.redelivered and not o.unseen and o.ts <= t_until and
	    o.id > coalesce(behind, 0) and
	    (o.ts > t_since or (t_since is null and d.ts_sent is null));
	select coalesce(array_agg(n.id), '{}') into lookups
	from pipeline.notice n
	left join pipeline.digest d on d.id = n.digest_id
	where n.edcpipelinefile_id is null and n.ts <= t_until and
	    behind is null and (n.ts > t_since or (t_since is null and d.ts_sent is null));
	return pipeline.answer(jsonb_build_object('still',
	    pipeline.notice_still(), 'waiting', pipeline.untaken()) ||
	    jsonb_strip_nulls(jsonb_build_object('after', behind)) ||
	    pipeline.digest_json(ids, lookups,
	    coalesce(t_since,
	    (select max(d.until) from pipeline.digest d
	        where d.ts_sent is not null)), t_until));
end $$;
