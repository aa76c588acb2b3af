-- What a client is served that knows the design page's API and nothing else: no
-- lease, no revision, no sum.  Such clients are one party: a row that one of them
-- holds is open to all of them.  Each request of theirs begins the row's lease anew;
-- rows that a run holds are refused.

-- How a row that such a client holds is known: by its claim.
create or replace function pipeline.page_claim() returns text
language sql immutable as $$
	select '(page)'::text;
$$;

-- A row as the page shows it, and what a name for it is made of, while it has none.
create or replace function pipeline.page_answer(f pipeline.edcpipelinefile)
returns jsonb language sql stable as $$
	select pipeline.answer(jsonb_strip_nulls(jsonb_build_object('upload',
	    case when f.file_name is null then (select to_jsonb(u)
	        from pipeline.upload u
	        where u.subject_event_crf_file_id = f.subjecteventcrffile_id
	        and u.pipeline_code = p.code limit 1) end)) ||
	    jsonb_build_object('edc_pipeline_file', jsonb_build_object(
	    'id', f.id, 'edc_pipeline_id', p.id, 'pipeline_code', p.code,
	    'subject_event_crf_file_id', f.subjecteventcrffile_id,
	    'revision_number', f.revision_number,
	    'file_name', f.file_name, 'file_path', f.file_path,
	    'status', f.status, 'has_error', f.has_error,
	    'ts_create', pipeline.utc(f.ts_create))))
	from pipeline.edcpipeline p where p.id = f.edcpipeline_id;
$$;

-- Claim a file for such clients.  Each claim is a run of its own.
create or replace function pipeline.page_start(req jsonb, revision bigint)
returns pipeline.edcpipelinefile language plpgsql as $$
declare
	f pipeline.edcpipelinefile;
	file_id bigint;
begin
	select e.* into f from pipeline.edcpipelinefile e
	join pipeline.edcpipeline p on p.id = e.edcpipeline_id
	join pipeline.upload u on u.pipeline_code = p.code
	    and u.subject_event_crf_file_id = e.subjecteventcrffile_id
	    and u.revision_number = e.revision_number
	where p.code = pipeline.want_text(req, 'pipeline_code')
	and e.subjecteventcrffile_id = pipeline.want_int(req,
	    'subject_event_crf_file_id')
	and e.claim = pipeline.page_claim() and e.lease_until is not null;
	if f.id is not null then
		return f;
	end if;
	file_id := pipeline.file_claim(jsonb_build_object(
	    'pipeline_code', req -> 'pipeline_code',
	    'subject_event_crf_file_id', req -> 'subject_event_crf_file_id',
	    'revision_number', revision, 'claim', pipeline.page_claim(),
	    'run', to_char(clock_timestamp() at time zone 'UTC',
	        'YYYYMMDD"T"HH24MISS"Z-"') || left(gen_random_uuid()::text, 8)))
	    #>> '{edc_pipeline_file,id}';
	select e.* into f from pipeline.edcpipelinefile e where e.id = file_id;
	return f;
end $$;

-- The row, held by such a client from now on; refused while a run has it.
create or replace function pipeline.page_open(f pipeline.edcpipelinefile, req jsonb)
returns pipeline.edcpipelinefile language plpgsql as $$
begin
	if f.claim = pipeline.page_claim() and f.lease_until is not null then
		update pipeline.edcpipelinefile e
		    set lease_until = pipeline.lease_end()
		where e.id = f.id returning * into f;
		return f;
	elsif f.lease_until > clock_timestamp() then
		perform pipeline.deny('IMGP-SKIP-BUSY',
		    'another run is working on this file');
	elsif f.status = 'Completed' or f.failed_for_good then
		perform pipeline.deny('IMGP-DB-STATE', 'the row is ' || f.status);
	elsif f.status = 'Failed' and
	    pipeline.want_status(req) in ('Completed', 'Failed') then
		perform pipeline.deny('IMGP-DB-STATE', 'the row is Failed: it is '
		    'begun again by a request without a status');
	end if;
	return pipeline.page_start(req, f.revision_number);
end $$;

-- The errors of a request that ends in error: the array, or the one that the page's
-- own members tell of.
create or replace function pipeline.page_errors(req jsonb) returns jsonb
language sql immutable as $$
	select case when coalesce(jsonb_typeof(req -> 'errors'), 'null') <> 'null'
	    then req -> 'errors'
	    when coalesce(pipeline.want_text(req, 'error_code'),
	        pipeline.want_text(req, 'error')) is null then '[]'
	    else jsonb_build_array(jsonb_build_object('stage', 'page',
	        'error_code', coalesce(pipeline.want_text(req, 'error_code'),
	        'IMGP-INTERNAL'), 'error', coalesce(pipeline.want_text(req,
	        'error'), ''))) end;
$$;

-- Bring the held row to the status of a request.
create or replace function pipeline.page_status(f pipeline.edcpipelinefile,
    req jsonb, outcome text) returns void language plpgsql as $$
declare
	own jsonb := req || jsonb_build_object('lease', f.lease);
begin
	if f.status = 'Started' and outcome in ('In Progress', 'Completed') then
		perform pipeline.scans_store(own || '{"scans": []}');
	end if;
	if outcome = 'Completed' and pipeline.repairs_of(f) = 0 then
		-- What an attempt before it left is not of this delivery.
		update pipeline.edcpipelinefile e set sha256_destination = null,
		    bytes_destination = null, destination_etag = null,
		    destination_version_id = null
		where e.id = f.id;
	end if;
	if outcome in ('Completed', 'Failed') then
		perform pipeline.finish_store(own || jsonb_build_object('errors',
		    case when outcome = 'Failed' or req ? 'errors'
		    then pipeline.page_errors(req) else '[]' end), true);
	end if;
end $$;

-- {"pipeline_code", "subject_event_crf_file_id"} makes or finds the upload's row;
-- with a row (file_locked()) it is updated: "file_name", "file_path", "status",
-- "has_error", "errors" or "error_code" and "error".  With "first" it is only opened
-- for what the same request without that will do.
create or replace function pipeline.do_page_file(req jsonb) returns jsonb
language plpgsql as $$
declare
	outcome text := pipeline.want_status(req);
	name text := pipeline.want_text(req, 'file_name');
	f pipeline.edcpipelinefile;
begin
	if pipeline.want_file_id(req) is not null then
		f := pipeline.file_locked(req);
	elsif outcome in ('Completed', 'Failed') then
		perform pipeline.deny('IMGP-API-REQUEST',
		    'an update needs edc_pipeline_file_id');
	else
		f := pipeline.page_start(req, null);
		if f.claim is distinct from pipeline.page_claim() or
		    f.lease_until is null then
			return pipeline.page_answer(f);	-- another's, or it has ended
		end if;
		req := req || jsonb_build_object('edc_pipeline_file_id', f.id);
	end if;
	-- Asked again, or for nothing.
	if f.ts_finish is not null and (f.status = outcome or
	    (f.status = 'Completed' and coalesce(outcome, 'Started') = 'Started'
	    and coalesce(name, f.file_name) = f.file_name)) then
		return pipeline.page_answer(f);
	end if;
	f := pipeline.page_open(f, req);
	if pipeline.want_bool(req, 'first') then
		return pipeline.page_answer(f);
	end if;
	if name is not null and coalesce(f.file_name, name) <> name then
		perform pipeline.deny('IMGP-DB-STATE', 'the row has another name');
	elsif name is not null then
		perform pipeline.file_names(req ||
		    jsonb_build_object('lease', f.lease));
	end if;
	perform pipeline.page_status(f, req, outcome);
	select * into f from pipeline.edcpipelinefile where id = f.id;
	return pipeline.page_answer(f);
end $$;

-- A row, {"scans"}: as do_file_scans().
create or replace function pipeline.do_page_scans(req jsonb) returns jsonb
language plpgsql as $$
declare
	f pipeline.edcpipelinefile;
begin
	f := pipeline.page_open(pipeline.file_locked(req), req);
	return pipeline.answer(pipeline.scans_store(req ||
	    jsonb_build_object('lease', f.lease)) - 'edc_pipeline_file');
end $$;
