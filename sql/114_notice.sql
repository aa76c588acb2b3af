-- Notices: what the admins are to be told of (005_notice.sql).

-- Where the error log of a file was written first; null: nowhere yet.
create or replace function pipeline.log_key_of(file_id bigint) returns text
language sql stable as $$
	select n.log_key from pipeline.notice n
	where n.edcpipelinefile_id = file_id and n.log_key is not null
	order by n.id limit 1;
$$;

-- A notice's answer to who made it.
create or replace function pipeline.notice_json(n pipeline.notice) returns jsonb
language sql immutable as $$
	select jsonb_build_object('notice', jsonb_build_object('id', n.id,
	    'known', n.known));
$$;

-- Nonnull: the notice that told of this fault of the file, or of the look-up of an
-- upload that has no row.  A delivery ends all faults of a file, an attempt those of
-- a look-up: what comes after it is news.
create or replace function pipeline.notice_known(n pipeline.notice) returns bigint
language sql stable as $$
	select max(b.id) from pipeline.notice b
	where b.subjecteventcrffile_id = n.subjecteventcrffile_id
	and b.edcpipelinefile_id is not distinct from n.edcpipelinefile_id
	and b.pipeline_code is not distinct from n.pipeline_code
	and (b.status, b.failed_for_good, b.error_code) = (n.status,
	    n.failed_for_good, n.error_code)
	and not exists (select from pipeline.notice d
		where d.edcpipelinefile_id = n.edcpipelinefile_id
		and d.id > b.id and d.error_code is null)
	and (n.edcpipelinefile_id is not null or not exists (
		select from pipeline.outcome o join pipeline.edcpipelinefile f
		    on f.id = o.edcpipelinefile_id
		where f.subjecteventcrffile_id = n.subjecteventcrffile_id
		and o.ts > b.ts));
$$;

-- Keep a notice; a fault that was told before needs no letter.
create or replace function pipeline.notice_keep(n pipeline.notice)
returns pipeline.notice language plpgsql as $$
begin
	n.known := n.error_code is not null and
	    pipeline.notice_known(n) is not null;
	n.mail := n.error_code is not null and not n.known;
	insert into pipeline.notice (run, edcpipelinefile_id, lease, attempt,
	    pipeline_code, subjecteventcrffile_id, status, failed_for_good,
	    error_code, errors, known, mail)
	values (n.run, n.edcpipelinefile_id, n.lease, n.attempt,
	    n.pipeline_code, n.subjecteventcrffile_id, n.status,
	    n.failed_for_good, n.error_code, n.errors, n.known, n.mail)
	returning * into n;
	return n;
end $$;

-- Note the end of an attempt that finish_store() has just stored; null when there
-- is nothing to tell and no error log to renew.
create or replace function pipeline.notice_end(f pipeline.edcpipelinefile)
returns pipeline.notice language plpgsql as $$
declare
	n pipeline.notice;
begin
	if not f.has_error and not exists (
	    select from pipeline.edcpipelinefileerrorlog l
	    where l.edcpipelinefile_id = f.id) then
		return null;
	end if;
	n.run := f.run;
	n.edcpipelinefile_id := f.id;
	n.lease := f.lease;
	n.attempt := f.attempt;
	n.pipeline_code := (select p.code from pipeline.edcpipeline p
	    where p.id = f.edcpipeline_id);
	n.subjecteventcrffile_id := f.subjecteventcrffile_id;
	n.status := f.status;
	n.failed_for_good := f.failed_for_good;
	n.error_code := case when f.has_error
	    then coalesce(f.error_code, 'IMGP-INTERNAL') end;
	return pipeline.notice_keep(n);
end $$;

-- Note a look-up that failed; asked again for the same run it is the same notice.
-- lookup_failed() holds the lock on ${l}.
create or replace function pipeline.notice_lookup(l pipeline.lookupfailure,
    errors jsonb) returns pipeline.notice language plpgsql as $$
declare
	n pipeline.notice;
begin
	select * into n from pipeline.notice b
	where b.edcpipelinefile_id is null and b.run = l.run
	and b.subjecteventcrffile_id = l.subjecteventcrffile_id
	and b.pipeline_code is not distinct from nullif(l.pipeline_code, '')
	and b.error_code = l.error_code order by b.id desc limit 1;
	if n.id is not null then
		return n;
	end if;
	n.run := l.run;
	n.pipeline_code := nullif(l.pipeline_code, '');
	n.subjecteventcrffile_id := l.subjecteventcrffile_id;
	n.status := 'Failed';
	n.failed_for_good := exists (
	    select from pipeline.errors_of(notice_lookup.errors, 'Failed') r
	    where r.fatal and not r.retryable);
	n.error_code := l.error_code;
	n.errors := (select jsonb_agg(jsonb_build_object('stage', r.stage,
	    'class', coalesce(c.class, 'internal'), 'error_code', r.error_code,
	    'error', r.error, 'fatal', r.fatal, 'retryable', r.retryable)
	    order by r.n)
	    from pipeline.errors_of(notice_lookup.errors, 'Failed') r
	    left join pipeline.error_code c on c.code = r.error_code);
	return pipeline.notice_keep(n);
end $$;

-- What a notice tells, as a job line (imgp-job(5)); names may be made of it as
-- they were for the run.
create or replace function pipeline.notice_job(n pipeline.notice) returns jsonb
language sql stable as $$
	select coalesce((select to_jsonb(u) - 'source_key' from pipeline.upload u
	        where u.subject_event_crf_file_id = n.subjecteventcrffile_id
	        and u.pipeline_code = n.pipeline_code limit 1), '{}') ||
	    jsonb_strip_nulls(jsonb_build_object('v', 1, 'run', n.run,
	    'subject_event_crf_file_id', n.subjecteventcrffile_id,
	    'pipeline_code', n.pipeline_code,
	    'revision_number', f.revision_number,
	    'edc_pipeline_file', case when f.id is not null then
	        jsonb_build_object('id', f.id, 'status', n.status,
	        'has_error', n.error_code is not null, 'file_name', f.file_name,
	        'file_path', f.file_path, 'ts_create', pipeline.utc(f.ts_create),
	        'revision_number', f.revision_number, 'attempt', n.attempt,
	        'ended', n.lease) end,
	    'destination', case when f.status = 'Completed' then f.destination end,
	    'notice', jsonb_build_object('id', n.id, 'known', n.known,
	        'log_key', pipeline.log_key_of(f.id)))) ||
	    jsonb_build_object('errors', coalesce(n.errors, (
	        select jsonb_agg(jsonb_build_object('stage', l.stage,
	            'class', coalesce(c.class, 'internal'),
	            'error_code', l.error_code, 'error', l.error,
	            'fatal', l.fatal, 'retryable', l.retryable,
	            'attempt', l.attempt) order by l.id)
	        from pipeline.edcpipelinefileerrorlog l
	        left join pipeline.error_code c on c.code = l.error_code
	        where l.edcpipelinefile_id = f.id and l.attempt = n.attempt
	        and l.run is not distinct from n.run),
	        '[]'))
	from (select) one left join pipeline.edcpipelinefile f
	    on f.id = n.edcpipelinefile_id;
$$;

-- The notices that lack their letter or their error log.
create or replace view pipeline.untold as
select n.* from pipeline.notice n
where (n.mail and n.message_id is null) or n.ts_log is null;

-- {"run", "after", "limit"}: the notices of the run that lack their letter or error
-- log, their number above ${after}: data.notices has {"run", "mail", "log", "job"}
-- each, in order; mail and log say what it lacks.  With others: data.runs, the other
-- runs that have such notices and are over, which is: hold no lease.
create or replace function pipeline.do_notice_list(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	own text := pipeline.want_text(req, 'run');
	list jsonb;
begin
	if pipeline.want_bool(req, 'others') then
		select coalesce(jsonb_agg(r.run order by r.run), '[]') into list
		from (select distinct o.run from pipeline.untold o
			where o.run is distinct from own
			and pipeline.is_allowed(o.pipeline_code, req)
			and not exists (
				select from pipeline.edcpipelinefile f
				where f.run = o.run
				and f.lease_until > clock_timestamp())) r;
		return pipeline.answer(jsonb_build_object('runs', list));
	end if;
	select coalesce(jsonb_agg(jsonb_build_object('run', n.run,
	    'mail', n.mail and n.message_id is null, 'log', n.ts_log is null,
	    'job', pipeline.notice_job(n)) order by n.id), '[]') into list
	from (select o.* from pipeline.notice o join pipeline.untold u using (id)
		where o.run is not distinct from own
		and pipeline.is_allowed(o.pipeline_code, req)
		and o.id > coalesce(pipeline.want_int(req, 'after'), 0)
		order by o.id
		limit coalesce(pipeline.want_int(req, 'limit'), 1000)) n;
	return pipeline.answer(jsonb_build_object('notices', list));
end $$;

-- Note that the letter ${id} tells of these notices; refuse where another letter has
-- told of one of them, so that nothing is told twice.
create or replace function pipeline.notice_tell(ids jsonb, id text)
returns void language plpgsql as $$
declare
	mine bigint;
begin
	update pipeline.notice n set message_id = notice_tell.id
	where n.id in (select i::bigint from jsonb_array_elements_text(ids) a(i))
	and n.message_id is null;
	select count(*) into mine from pipeline.notice n
	where n.id in (select i::bigint from jsonb_array_elements_text(ids) a(i))
	and n.message_id = notice_tell.id;
	if mine <> jsonb_array_length(ids) then
		perform pipeline.deny('IMGP-DB-FENCED',
		    'another letter tells of some of these failures');
	end if;
end $$;

-- {"told": [ids], "message_id"}: a letter that is not in the outbox told of them;
-- {"logged": [ids], "log_keys": {id: key}}: their error logs are written, there.
create or replace function pipeline.do_notice_done(req jsonb) returns jsonb
language plpgsql as $$
begin
	if exists (select from pipeline.notice n
	    where n.id in (select i::bigint from jsonb_array_elements_text(
	        coalesce(nullif(req -> 'told', 'null'), '[]') ||
	        coalesce(nullif(req -> 'logged', 'null'), '[]')) a(i))
	    and not pipeline.is_allowed(n.pipeline_code, req)) then
		perform pipeline.deny('IMGP-API-DENIED',
		    'a notice is of another pipeline');
	end if;
	if jsonb_typeof(req -> 'told') = 'array' then
		if pipeline.want_text(req, 'message_id') is null then
			perform pipeline.deny('IMGP-DB-REQUEST',
			    'message_id is missing');
		end if;
		perform pipeline.notice_tell(req -> 'told',
		    pipeline.want_text(req, 'message_id'));
	end if;
	if jsonb_typeof(req -> 'logged') = 'array' then
		-- One log tells of all that came before.
		update pipeline.notice n set ts_log = clock_timestamp(),
		    log_key = coalesce(n.log_key, req -> 'log_keys' ->> n.id::text)
		from (select l.* from pipeline.notice l
		    where l.id in (select i::bigint
		        from jsonb_array_elements_text(req -> 'logged') a(i))) l
		where n.ts_log is null and (n.id = l.id or
		    (n.edcpipelinefile_id = l.edcpipelinefile_id and n.id < l.id));
	end if;
	return pipeline.answer('{}');
end $$;

-- Pipelines with files that failed as they had failed before, how many, and since
-- when the longest of them has.
create or replace function pipeline.notice_still() returns jsonb
language sql stable as $$
	with last as (
		select distinct on (n.edcpipelinefile_id) n.*
		from pipeline.notice n
		join pipeline.edcpipelinefile f on f.id = n.edcpipelinefile_id
		where f.status = 'Failed'
		order by n.edcpipelinefile_id, n.id desc),
	still as (
		select l.pipeline_code, (select min(b.ts) from pipeline.notice b
		    where b.edcpipelinefile_id = l.edcpipelinefile_id
		    and b.id > coalesce((select max(d.id)
		        from pipeline.notice d
		        where d.edcpipelinefile_id = l.edcpipelinefile_id
		        and d.error_code is null), 0)) as since
		from last l where l.known
		union all
		select nullif(u.pipeline_code, ''), u.since
		from pipeline.lookupfailure u where u.failures > 1)
	select coalesce(jsonb_agg(jsonb_build_object('pipeline_code',
	    s.pipeline_code, 'files', s.files, 'since', pipeline.utc(s.since))
	    order by s.pipeline_code), '[]')
	from (select pipeline_code, count(*) as files, min(since) as since
	    from still group by 1) s;
$$;
