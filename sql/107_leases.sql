-- A row of the record and the lease on it: the row is claimed, the lease renewed and
-- given back, in the envelope of 106_requests.sql.

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
