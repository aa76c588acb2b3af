-- What is where: what imgp-status shows, in the envelope of 110_functions.sql.

-- A file's state in one word or two: that of its row, and whether anybody works
-- on it.  "left" is what a run gave up or lost: the next one takes it.
create or replace function pipeline.state_of(f pipeline.edcpipelinefile)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
	select case
	    when f.status = 'Completed' and f.has_error then 'with errors'
	    when f.status = 'Completed' and f.has_warning then 'with warnings'
	    when f.status = 'Completed' then 'delivered'
	    when f.status = 'Failed' and f.failed_for_good then 'failed'
	    when f.status = 'Failed' then 'to retry'
	    when f.lease_until > now() then lower(f.status)
	    else 'left' end;
$$;

create or replace function pipeline.status_row(f pipeline.edcpipelinefile,
    code text) returns jsonb
language sql stable set search_path = pg_catalog, pg_temp as $$
	select jsonb_build_object('edc_pipeline_file_id', f.id,
	    'subject_event_crf_file_id', f.subjecteventcrffile_id,
	    'revision_number', f.revision_number, 'pipeline_code', code,
	    'state', pipeline.state_of(f), 'status', f.status,
	    'has_error', f.has_error, 'error_code', f.error_code,
	    'attempt', f.attempt, 'run', f.run, 'file_name', f.file_name,
	    'file_path', f.file_path, 'bytes', f.bytes_destination,
	    'sha256', f.sha256_destination, 'ts_create', pipeline.utc(f.ts_create),
	    'ts_finish', pipeline.utc(f.ts_finish),
	    'lease_until', pipeline.utc(f.lease_until));
$$;

-- Look-ups that failed, newest first: those of one upload, or the newest ${most}.
create or replace function pipeline.status_lookups(upload bigint, most bigint)
returns jsonb language sql stable as $$
	select coalesce(jsonb_agg(jsonb_build_object(
	    'subject_event_crf_file_id', l.subjecteventcrffile_id,
	    'pipeline_code', nullif(l.pipeline_code, ''),
	    'error_code', l.error_code, 'error', l.error, 'run', l.run,
	    'failures', l.failures, 'since', pipeline.utc(l.since),
	    'ts', pipeline.utc(l.ts)) order by l.ts desc), '[]')
	from (select * from pipeline.lookupfailure a
		where upload is null or a.subjecteventcrffile_id = upload
		order by a.ts desc limit most) l;
$$;

-- {"limit"}: data.states, how many files of each pipeline are in which state
-- and since when the oldest; data.attention, the newest ${limit} that are left,
-- failed or to be tried again, data.more, how many others are; data.lookups, the
-- newest ${limit} uploads that no run could look up; data.last_run; data.mail;
-- data.last_digest.
create or replace function pipeline.do_status(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	most bigint := coalesce(pipeline.want_int(req, 'limit'), 20);
	states jsonb;
	attention jsonb;
	n bigint;
begin
	select coalesce(jsonb_agg(jsonb_build_object('pipeline_code', s.code,
	    'state', s.state, 'files', s.files, 'oldest', pipeline.utc(s.oldest))
	    order by s.code, array_position(array['waiting', 'started',
	    'in progress', 'left', 'to retry', 'failed', 'with errors',
	    'with warnings', 'delivered'], s.state)), '[]') into states
	from (select p.code, pipeline.state_of(f) as state, count(*) as files,
		    min(coalesce(f.ts_finish, f.ts_create)) as oldest
		from pipeline.edcpipelinefile f
		join pipeline.edcpipeline p on p.id = f.edcpipeline_id
		group by 1, 2
		union all
		select u.pipeline_code, 'waiting', count(*), null
		from pipeline.pending u
		join pipeline.edcpipeline p on p.code = u.pipeline_code
		where not exists (select from pipeline.edcpipelinefile f
		    where f.edcpipeline_id = p.id
		    and f.subjecteventcrffile_id = u.subject_event_crf_file_id
		    and f.revision_number = u.revision_number)
		group by 1) s;
	select count(*) into n from pipeline.edcpipelinefile f
	    where f.status <> 'Completed'
	    and pipeline.state_of(f) in ('left', 'to retry', 'failed');
	select coalesce(jsonb_agg(pipeline.status_row(a.f, a.code)
	    order by a.at desc, (a.f).id desc), '[]') into attention
	from (select f, p.code, coalesce(f.ts_finish, f.ts_create) as at
		from pipeline.edcpipelinefile f
		join pipeline.edcpipeline p on p.id = f.edcpipeline_id
		where f.status <> 'Completed'
		and pipeline.state_of(f) in ('left', 'to retry', 'failed')
		order by at desc, f.id desc limit most) a;
	return pipeline.answer(jsonb_build_object('now', pipeline.utc(now()),
	    'states', states, 'attention', attention,
	    'more', n - jsonb_array_length(attention),
	    'lookups', pipeline.status_lookups(null, most),
	    'last_run', (select jsonb_build_object('run', r.run,
	        'ts_finish', pipeline.utc(r.ts_finish), 'counts', r.counts)
	        from pipeline.run r order by r.ts_finish desc limit 1),
	    'last_digest', (select jsonb_build_object('digest_id', d.id,
	        'until', pipeline.utc(d.until)) from pipeline.digest d
	        where d.ts_sent is not null order by d.id desc limit 1),
	    'mail', (select jsonb_build_object(
	        'waiting', count(*) filter (where r.status = 'waiting'),
	        'refused', count(*) filter (where r.status = 'refused'
	            and r.ts > now() - interval '7 days'))
	        from pipeline.outboxrecipient r where r.status <> 'sent')));
end $$;

-- {"since", "after", "limit"}: data.files, rows that were made or ended since
-- then (null: all), by number, those above ${after}.
create or replace function pipeline.do_status_files(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	t timestamptz;
	files jsonb;
begin
	t := pipeline.want_text(req, 'since')::timestamptz;
	select coalesce(jsonb_agg(pipeline.status_row(a.f, a.code)
	    order by (a.f).id), '[]') into files
	from (select f, p.code from pipeline.edcpipelinefile f
		join pipeline.edcpipeline p on p.id = f.edcpipeline_id
		where f.id > coalesce(pipeline.want_int(req, 'after'), 0)
		and (t is null or f.ts_create >= t or f.ts_finish >= t)
		order by f.id
		limit coalesce(pipeline.want_int(req, 'limit'), 1000)) a;
	return pipeline.answer(jsonb_build_object('files', files));
end $$;

-- {"subject_event_crf_file_id", "members"}: all that is known of one upload:
-- data.known, whether the EDC has it; data.members, those columns of
-- pipeline.upload that are named in ${members}, where the view has them;
-- data.lookups, its look-ups that failed; data.rows, its rows, each with "scans", "errors" (the error log) and
-- "outcomes" (the ends of its attempts and their digests).
create or replace function pipeline.do_status_upload(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	upload bigint := pipeline.want_int(req, 'subject_event_crf_file_id');
	found_rows jsonb;
begin
	select coalesce(jsonb_agg(pipeline.status_row(f, p.code) ||
	    jsonb_build_object(
	    'scans', (select coalesce(jsonb_agg(jsonb_build_object(
	        'atri_uid', d.atriuid, 'number_of_instances',
	        d.number_of_instances) order by d.scan_no), '[]')
	        from pipeline.edcpipelinefiledicom d
	        where d.edcpipelinefile_id = f.id),
	    'errors', (select coalesce(jsonb_agg(jsonb_build_object(
	        'attempt', l.attempt, 'stage', l.stage,
	        'error_code', l.error_code, 'error', l.error, 'fatal', l.fatal,
	        'run', l.run, 'ts', pipeline.utc(l.ts)) order by l.id), '[]')
	        from pipeline.edcpipelinefileerrorlog l
	        where l.edcpipelinefile_id = f.id),
	    'outcomes', (select coalesce(jsonb_agg(jsonb_build_object(
	        'attempt', o.attempt, 'status', o.status, 'has_error',
	        o.has_error, 'warnings', coalesce(o.warnings, '[]'),
	        'ts', pipeline.utc(o.ts), 'digest_id', o.digest_id,
	        'ts_sent', pipeline.utc(g.ts_sent)) order by o.id), '[]')
	        from pipeline.outcome o
	        left join pipeline.digest g on g.id = o.digest_id
	        where o.edcpipelinefile_id = f.id)) order by f.id), '[]')
	into found_rows
	from pipeline.edcpipelinefile f
	join pipeline.edcpipeline p on p.id = f.edcpipeline_id
	where f.subjecteventcrffile_id = upload;
	return pipeline.answer(jsonb_build_object('known', exists (
	    select from pipeline.upload u
	    where u.subject_event_crf_file_id = upload), 'members',
	    (select coalesce(jsonb_object_agg(m.key, m.value), '{}')
	        from (select to_jsonb(v) as j from pipeline.upload v
	            where v.subject_event_crf_file_id = upload limit 1) u,
	            jsonb_each(u.j) m
	        where m.value <> 'null' and req -> 'members' ? m.key),
	    'lookups', pipeline.status_lookups(upload, null),
	    'rows', found_rows));
end $$;
