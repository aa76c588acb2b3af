-- What is where: what imgp-status shows, in the envelope of 106_requests.sql.

-- A file's state in one word or two: that of its row, and whether anybody works
-- on it.  "left" is what a run gave up or lost: the next one takes it.
create or replace function pipeline.state_of(f pipeline.edcpipelinefile)
returns text language sql stable as $$
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
    code text) returns jsonb language sql stable as $$
	select jsonb_build_object('edc_pipeline_file_id', f.id,
	    'subject_event_crf_file_id', f.subjecteventcrffile_id,
	    'revision_number', f.revision_number, 'pipeline_code', code,
	    'state', pipeline.state_of(f), 'status', f.status,
	    'has_error', f.has_error, 'error_code', f.error_code,
	    'attempt', f.attempt, 'run', f.run, 'file_name', f.file_name,
	    'file_path', f.file_path, 'bytes', f.bytes_destination,
	    'failed_for_good', f.failed_for_good, 'place', f.destination,
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

-- How uploads stand, those with these ids or (null) all: a row for each upload and
-- pipeline that the EDC has now, with its row in the record, if there is one, and one
-- for each other row in the record (other revisions; uploads that are no longer
-- there).  failures and ts: by which --pending waits (pipeline.due).  The EDC's view is
-- asked once.
create or replace function pipeline.standing_of(ids bigint[])
returns table (subject_event_crf_file_id bigint, revision_number bigint,
    pipeline_code text, edcpipeline_id bigint, paused boolean,
    edcpipelinefile_id bigint, status text, has_error boolean,
    has_warning boolean, failed_for_good boolean, lease_until timestamptz,
    ts_finish timestamptz, ts_create timestamptz, outdated boolean,
    waived boolean, failures bigint, ts timestamptz)
language sql stable as $$
	with uploads as materialized (
		select v.subject_event_crf_file_id, v.revision_number,
		    v.pipeline_code
		from pipeline.upload v
		where ids is null or v.subject_event_crf_file_id = any (ids)),
	newest as (
		select n.pipeline_code, n.subject_event_crf_file_id,
		    max(n.revision_number) as revision_number
		from uploads n where n.subject_event_crf_file_id in (
		    select g.subjecteventcrffile_id
		    from pipeline.edcpipelinefile g
		    where g.status <> 'Completed')
		group by 1, 2)
	select u.subject_event_crf_file_id, u.revision_number, u.pipeline_code,
	    p.id, pipeline.is_paused(p), f.id, f.status, f.has_error,
	    f.has_warning, f.failed_for_good, f.lease_until, f.ts_finish,
	    f.ts_create, false, w.edcpipeline_id is not null,
	    greatest(own.failures, l.failures), greatest(own.ts, l.ts)
	from uploads u
	left join pipeline.edcpipeline p on p.code = u.pipeline_code
	left join pipeline.edcpipelinefile f on f.edcpipeline_id = p.id
	    and f.subjecteventcrffile_id = u.subject_event_crf_file_id
	    and f.revision_number = u.revision_number
	left join pipeline.waived w on w.edcpipeline_id = p.id
	    and w.subjecteventcrffile_id = u.subject_event_crf_file_id
	left join pipeline.failing own on own.edcpipeline_id = p.id
	    and own.subjecteventcrffile_id = u.subject_event_crf_file_id
	    and own.revision_number = u.revision_number
	left join pipeline.failing_lookup l on l.pipeline_code = u.pipeline_code
	    and l.subjecteventcrffile_id = u.subject_event_crf_file_id
	union all
	select f.subjecteventcrffile_id, f.revision_number, p.code, p.id,
	    pipeline.is_paused(p), f.id, f.status, f.has_error, f.has_warning,
	    f.failed_for_good, f.lease_until, f.ts_finish, f.ts_create,
	    f.status <> 'Completed' and coalesce(n.revision_number >
	        f.revision_number, false),
	    w.edcpipeline_id is not null, null, null
	from pipeline.edcpipelinefile f
	join pipeline.edcpipeline p on p.id = f.edcpipeline_id
	left join newest n on n.pipeline_code = p.code
	    and n.subject_event_crf_file_id = f.subjecteventcrffile_id
	left join pipeline.waived w on w.edcpipeline_id = p.id
	    and w.subjecteventcrffile_id = f.subjecteventcrffile_id
	where (ids is null or f.subjecteventcrffile_id = any (ids))
	and not exists (select from uploads u where u.pipeline_code = p.code
	    and u.subject_event_crf_file_id = f.subjecteventcrffile_id
	    and u.revision_number = f.revision_number);
$$;
create or replace view pipeline.standing as
select * from pipeline.standing_of(null);

-- When --pending takes an upload again that failed so often by a fault of its own,
-- the last time at ${ts}; ${waits}, the setting backoff: an array of seconds, the last
-- of which counts for all failures after it.  Null: at once.
create or replace function pipeline.due_at(failures bigint, ts timestamptz,
    waits jsonb) returns timestamptz language sql stable as $$
	select ts + make_interval(secs => (waits ->> (least(failures,
	    jsonb_array_length(waits)) - 1)::integer)::float8);
$$;

-- The state of what stands so, in a word or two: that of its row, unless a hold, the
-- next revision or the waiting time after a failure counts for more.
create or replace function pipeline.state_in(s pipeline.standing, due timestamptz)
returns text language sql stable as $$
	select case
	    when s.status = 'Completed' and s.has_error then 'with errors'
	    when s.status = 'Completed' and s.has_warning then 'with warnings'
	    when s.status = 'Completed' then 'delivered'
	    when s.status <> 'Failed' and s.lease_until > now() then lower(s.status)
	    when s.outdated then 'outdated'
	    when s.edcpipeline_id is null then 'no pipeline'
	    when s.waived then 'waived'
	    when s.failed_for_good then 'failed'
	    when s.paused then 'paused'
	    when due > now() then 'backing off'
	    when s.status is null then 'waiting'
	    when s.status = 'Failed' then 'to retry'
	    else 'left' end;
$$;

-- What holds up an upload in this state: its waiver, the pause of its pipeline, when
-- it is due.
create or replace function pipeline.hold_json(s pipeline.standing, state text,
    due timestamptz) returns jsonb language sql stable as $$
	select jsonb_build_object('state', state) || case state
	    when 'backing off' then jsonb_build_object('due', pipeline.utc(due),
	        'failures', s.failures, 'failed', pipeline.utc(s.ts))
	    when 'paused' then jsonb_build_object('paused_reason', (
	        select p.paused_reason from pipeline.edcpipeline p
	        where p.id = s.edcpipeline_id))
	    when 'waived' then jsonb_build_object('waiver', (
	        select jsonb_build_object('reason', w.reason,
	            'waived_by', w.waived_by,
	            'ts_create', pipeline.utc(w.ts_create),
	            'expires', pipeline.utc(w.expires))
	        from pipeline.edcpipelinewaiver w
	        where w.edcpipeline_id = s.edcpipeline_id
	        and w.subjecteventcrffile_id = s.subject_event_crf_file_id))
	    when 'no pipeline' then coalesce((select jsonb_build_object(
	        'ddcrf_name', u.ddcrf_name, 'ddfile_name', u.ddfile_name)
	        from pipeline.upload u where u.pipeline_code is not distinct from
	            s.pipeline_code
	        and u.subject_event_crf_file_id = s.subject_event_crf_file_id
	        limit 1), '{}')
	    else '{}' end;
$$;

-- All that is told of what stands so, beside its history.
create or replace function pipeline.standing_json(s pipeline.standing, state text,
    due timestamptz) returns jsonb language sql stable as $$
	select coalesce((select pipeline.status_row(f, s.pipeline_code)
	    from pipeline.edcpipelinefile f where f.id = s.edcpipelinefile_id),
	    jsonb_build_object('subject_event_crf_file_id',
	        s.subject_event_crf_file_id, 'revision_number', s.revision_number,
	        'pipeline_code', s.pipeline_code)) ||
	    pipeline.hold_json(s, state, due);
$$;

-- Of what is Completed, how many are in which state: by the tally of the difference
-- ${s}, else counted.
create or replace function pipeline.completed_counts(s pipeline.sweep)
returns table (edcpipeline_id bigint, state text, files bigint)
language plpgsql stable as $$
begin
	if s.id is null then
		return query select * from pipeline.completed_rows();
		return;
	end if;
	return query select t.edcpipeline_id, t.state, sum(t.files)::bigint
	from (select * from pipeline.tally
		union all select * from pipeline.tallychange) t
	group by t.edcpipeline_id, t.state having sum(t.files) > 0;
end $$;

-- The files of a pipeline in a state that completed_counts() counts, by when they
-- ended, the oldest or the newest first.
create or replace function pipeline.completed_of(pipeline bigint, state text,
    from_oldest boolean, most bigint) returns setof pipeline.edcpipelinefile
language plpgsql stable as $$
declare
	wanted text := 'select * from pipeline.edcpipelinefile f where'
	    ' f.status = ''Completed'' and f.edcpipeline_id = $1 and %s'
	    ' order by f.ts_finish %s limit $2';
begin
	return query execute format(wanted, case state
	    when 'delivered' then 'not f.has_error and not f.has_warning'
	    when 'with warnings' then 'not f.has_error and f.has_warning'
	    else 'f.has_error' end, case when from_oldest then 'asc' else 'desc' end)
	using pipeline, most;
end $$;

-- {"limit", "backoff" (seconds, as due_at() takes them), "every" (as sweep_make()
-- does)}: data.states, how many files
-- of each pipeline are in which state, since when the oldest is and when the next is
-- due; data.attention, of each state but waiting, started, in progress and delivered
-- the newest ${limit}, data.more, how many others are; data.paused, the pipelines that
-- are; data.lookups, the newest ${limit} uploads that no run could look up;
-- data.last_run; data.mail; data.last_digest; data.swept, when all uploads were last
-- held against the record: one that showed up since under an old id is not counted;
-- null: just now.
create or replace function pipeline.do_status(req jsonb) returns jsonb
language plpgsql stable set plan_cache_mode = force_custom_plan as $$
declare
	most bigint := coalesce(pipeline.want_int(req, 'limit'), 20);
	waits jsonb := nullif(req -> 'backoff', 'null');
	calm text[] := array['waiting', 'started', 'in progress', 'delivered'];
	swept pipeline.sweep := pipeline.swept(coalesce(
	    pipeline.want_int(req, 'every'), 0));
	listed bigint[];	-- uploads without a row that a pipeline lists,
	unlisted bigint[];	-- or none: those that are not in the backlog
	nunlisted bigint;	-- all of them
	ids bigint[];		-- uploads that are looked at
	many boolean;
	counts jsonb;
	ended bigint[];		-- rows that are Completed and listed
	states jsonb;
	attention jsonb;
	n bigint;
begin
	-- Most are delivered, and of those a count will do: it needs neither the
	-- EDC nor a state for each.
	select array_agg(distinct u.subject_event_crf_file_id)
	        filter (where u.edcpipeline_id is not null),
	    array_agg(distinct u.subject_event_crf_file_id)
	        filter (where u.edcpipeline_id is null)
	into listed, unlisted from pipeline.unclaimed_now(swept) u;
	nunlisted := coalesce(cardinality(unlisted), 0);
	if swept.id is not null then
		nunlisted := nunlisted + (select count(*) from pipeline.backlog b
		    where b.edcpipeline_id = 0) - (select count(*)
		    from (select unnest(unlisted) union select unnest(listed)) u(id)
		    join pipeline.backlog b on b.edcpipeline_id = 0
		        and b.subjecteventcrffile_id = u.id);
		unlisted := unlisted || array(select b.subjecteventcrffile_id
		    from pipeline.backlog b where b.edcpipeline_id = 0
		    order by b.subjecteventcrffile_id desc limit most);
	end if;
	ids := array(select unnest(listed) union
	    (select distinct u from unnest(unlisted) u order by u desc limit most)
	    union select f.subjecteventcrffile_id from pipeline.edcpipelinefile f
	    where f.status <> 'Completed');
	select coalesce(jsonb_agg(jsonb_build_object('p', p.id, 'code', p.code,
	    'state', c.state, 'files', c.files, 'oldest', (select o.ts_finish
	    from pipeline.completed_of(p.id, c.state, true, 1) o))), '[]')
	into counts from pipeline.completed_counts(swept) c
	join pipeline.edcpipeline p on p.id = c.edcpipeline_id;
	select coalesce(array_agg(f.id), '{}') into ended
	from jsonb_to_recordset(counts) c(p bigint, state text)
	cross join lateral pipeline.completed_of(c.p, c.state, false, most) f
	where c.state <> all (calm);
	ids := ids || array(select f.subjecteventcrffile_id
	    from pipeline.edcpipelinefile f where f.id = any (ended));
	many := cardinality(ids) > pipeline.ids_most();
	with timed as materialized (
		select row(x.*)::pipeline.standing as s,
		    pipeline.due_at(x.failures, x.ts, waits) as due
		from pipeline.standing_of(case when not many then ids end) x
		where x.status is distinct from 'Completed'
		or x.edcpipelinefile_id = any (ended)),
	named as materialized (
		select t.s, t.due, pipeline.state_in(t.s, t.due) as state,
		    coalesce((t.s).ts_finish, (t.s).ts_create, (t.s).ts) as at
		from timed t),
	counted as (
		select (s).pipeline_code as code, state, count(*) as files,
		    min(at) as oldest, min(due) as due
		from named where (s).status is distinct from 'Completed'
		and state <> 'no pipeline' group by 1, 2
		union all
		select null, 'no pipeline', nunlisted, null, null
		where nunlisted > 0
		union all
		select c.code, c.state, c.files, c.oldest, null
		from jsonb_to_recordset(counts) c(code text, state text,
		    files bigint, oldest timestamptz)),
	ranked as (
		select s, due, state, at, row_number() over (partition by state
		    order by at desc nulls last, (s).edcpipelinefile_id desc,
		    (s).subject_event_crf_file_id desc) as rank
		from named where state <> all (calm))
	select (select coalesce(jsonb_agg(jsonb_build_object('pipeline_code', c.code,
	    'state', c.state, 'files', c.files, 'oldest', pipeline.utc(c.oldest)) ||
	    case when c.state = 'backing off' then jsonb_build_object('due',
	        pipeline.utc(c.due)) else '{}' end
	    order by c.code nulls last, array_position(array['waiting', 'started',
	    'in progress', 'left', 'to retry', 'backing off', 'failed', 'paused',
	    'waived', 'no pipeline', 'outdated', 'with errors', 'with warnings',
	    'delivered'], c.state)), '[]') from counted c),
	    (select coalesce(jsonb_agg(pipeline.standing_json(r.s, r.state, r.due)
	    order by r.at desc nulls last, (r.s).edcpipelinefile_id desc,
	    (r.s).subject_event_crf_file_id desc), '[]')
	    from ranked r where r.rank <= most),
	    (select sum(c.files) from counted c where c.state <> all (calm)) -
	    (select count(*) from ranked r where r.rank <= most)
	into states, attention, n;
	return pipeline.answer(jsonb_build_object('now', pipeline.utc(now()),
	    'swept', pipeline.utc(swept.ts),
	    'states', states, 'attention', attention,
	    'more', greatest(coalesce(n, 0), 0),
	    'paused', (select coalesce(jsonb_agg(jsonb_build_object(
	        'pipeline_code', p.code, 'paused_reason', p.paused_reason,
	        'paused_until', pipeline.utc(p.paused_until))
	        order by p.code), '[]') from pipeline.edcpipeline p
	        where pipeline.is_paused(p)),
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

-- The scans of a row: how many, of how many instances, the ids of the first hundred.
create or replace function pipeline.scans_in_short(file bigint) returns jsonb
language sql stable as $$
	select jsonb_build_object('scans', count(*), 'instances',
	    coalesce(sum(d.number_of_instances), 0), 'atri_uids',
	    string_agg(d.atriuid, ' ' order by d.scan_no)
	        filter (where d.rank <= 100))
	from (select c.*, row_number() over (order by c.scan_no) as rank
		from pipeline.edcpipelinefiledicom c
		where c.edcpipelinefile_id = file) d;
$$;

-- {"limit", "backoff", "every"} (as status() has them): data.groups, how many uploads of
-- each participant, event and pipeline are in which state; data.files, the newest
-- ${limit} uploads, those that are not delivered first, as standing_json() has them, with
-- "participant_code", "event_code", "since", "error" and "warnings" (of the last attempt)
-- and the counts of what they hold: "scans", "instances" and the first hundred
-- "atri_uids", by blanks; data.more, how many others there are.  Participant and event
-- are what the last attempt knew, else what the EDC says.
create or replace function pipeline.do_status_page(req jsonb) returns jsonb
language plpgsql stable set plan_cache_mode = force_custom_plan as $$
declare
	most bigint := coalesce(pipeline.want_int(req, 'limit'), 2000);
	waits jsonb := nullif(req -> 'backoff', 'null');
	ended bigint[];		-- the rows that were Completed last
	ids bigint[];		-- their uploads, and what is not Completed
	groups jsonb;
	files jsonb;
	n bigint;
begin
	-- Most are delivered: those are counted, and only the newest need more.
	select coalesce(array_agg(f.id), '{}'), coalesce(array_agg(
	    f.subjecteventcrffile_id), '{}') into ended, ids
	from (select c.* from pipeline.edcpipeline p
		cross join unnest(array['delivered', 'with warnings',
		    'with errors']) state
		cross join lateral pipeline.completed_of(p.id, state, false,
		    most) c
		order by c.ts_finish desc, c.subjecteventcrffile_id desc
		limit most) f;
	ids := ids || array(select u.subject_event_crf_file_id
	    from pipeline.unclaimed_now(pipeline.swept(coalesce(
	        pipeline.want_int(req, 'every'), 0))) u
	    union select b.subjecteventcrffile_id
	    from pipeline.backlog b where b.edcpipeline_id = 0
	    union select f.subjecteventcrffile_id
	    from pipeline.edcpipelinefile f where f.status <> 'Completed');
	if cardinality(ids) > pipeline.ids_most() then
		ids := null;
	end if;
	with uploads as materialized (
		select distinct on (subject_event_crf_file_id, pipeline_code,
		    revision_number) subject_event_crf_file_id as id,
		    pipeline_code, revision_number, participant_code, event_code
		from pipeline.upload
		order by subject_event_crf_file_id, pipeline_code,
		    revision_number),
	ends as materialized (
		select distinct on (edcpipelinefile_id) edcpipelinefile_id as id,
		    participant_code, event_code, outcome.id as outcome
		from pipeline.outcome order by edcpipelinefile_id, outcome.id desc),
	named as materialized (
		select x.s, due, pipeline.state_in(x.s, due) as state,
		    coalesce((x.s).ts_finish, (x.s).ts_create, (x.s).ts) as at,
		    coalesce(o.participant_code, u.participant_code) as participant,
		    coalesce(o.event_code, u.event_code) as event, o.outcome
		from (select row(y.*)::pipeline.standing as s
			from pipeline.standing_of(ids) y
			where y.status is distinct from 'Completed'
			or y.edcpipelinefile_id = any (ended)) x
		cross join lateral pipeline.due_at((x.s).failures, (x.s).ts,
		    waits) due
		left join ends o on o.id = (x.s).edcpipelinefile_id
		left join uploads u on u.id = (x.s).subject_event_crf_file_id
		    and u.revision_number = (x.s).revision_number
		    and u.pipeline_code is not distinct from (x.s).pipeline_code),
	counted as (
		select participant, event, (s).pipeline_code as code, state,
		    count(*) as files
		from named where (s).status is distinct from 'Completed'
		group by 1, 2, 3, 4
		union all
		select coalesce(o.participant_code, u.participant_code),
		    coalesce(o.event_code, u.event_code), p.code,
		    case when f.has_error then 'with errors'
		        when f.has_warning then 'with warnings'
		        else 'delivered' end, count(*)
		from pipeline.edcpipelinefile f
		join pipeline.edcpipeline p on p.id = f.edcpipeline_id
		left join ends o on o.id = f.id
		left join uploads u on u.id = f.subjecteventcrffile_id
		    and u.revision_number = f.revision_number
		    and u.pipeline_code = p.code
		where f.status = 'Completed' group by 1, 2, 3, 4),
	ranked as (
		select * from named order by
		    (s).status is not distinct from 'Completed',
		    at desc nulls last, (s).subject_event_crf_file_id desc
		limit most)
	select (select coalesce(jsonb_agg(jsonb_build_object(
	    'participant_code', g.participant, 'event_code', g.event,
	    'pipeline_code', g.code, 'state', g.state, 'files', g.files)
	    order by g.participant collate "C" nulls last, g.event collate "C"
	    nulls last, g.code collate "C" nulls last, g.state), '[]')
	    from counted g),
	    (select coalesce(jsonb_agg(pipeline.standing_json(r.s, r.state, r.due)
	    || jsonb_build_object('participant_code', r.participant,
	        'event_code', r.event, 'since', pipeline.utc(r.at),
	        'error', o.error, 'warnings', coalesce(o.warnings, '[]'))
	    || pipeline.scans_in_short(
	        (r.s).edcpipelinefile_id)
	    order by r.participant collate "C" nulls last, r.event collate "C"
	    nulls last, (r.s).subject_event_crf_file_id, (r.s).revision_number,
	    (r.s).pipeline_code collate "C"), '[]')
	    from ranked r left join pipeline.outcome o on o.id = r.outcome),
	    (select sum(g.files) from counted g) - (select count(*) from ranked)
	into groups, files, n;
	return pipeline.answer(jsonb_build_object('now', pipeline.utc(now()),
	    'groups', groups, 'files', files, 'more', coalesce(n, 0)));
end $$;

-- A row as status_row() has it, with what holds it up.  Only one that is not
-- delivered asks how its upload stands, by a query that the session keeps planned.
drop function if exists pipeline.status_held(pipeline.edcpipelinefile, text, jsonb);
create function pipeline.status_held(f pipeline.edcpipelinefile, code text,
    waits jsonb) returns jsonb language plpgsql stable as $$
declare
	row jsonb := pipeline.status_row(f, code);
begin
	if f.status <> 'Completed' then
		row := row || coalesce((select pipeline.hold_json(t.s,
		    pipeline.state_in(t.s, t.due), t.due)
		from (select row(x.*)::pipeline.standing as s,
		        pipeline.due_at(x.failures, x.ts, waits) as due
		    from pipeline.standing_of(array[f.subjecteventcrffile_id]) x
		    where x.edcpipelinefile_id = f.id limit 1) t), '{}');
	end if;
	return row;
end $$;

-- {"since", "after", "limit", "backoff"}: data.files, rows that were made or ended
-- since then (null: all), by number, those above ${after}.
create or replace function pipeline.do_status_files(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	t timestamptz;
	files jsonb;
begin
	t := pipeline.want_text(req, 'since')::timestamptz;
	select coalesce(jsonb_agg(pipeline.status_held(a.f, a.code,
	    nullif(req -> 'backoff', 'null')) order by (a.f).id), '[]') into files
	from (select f, p.code from pipeline.edcpipelinefile f
		join pipeline.edcpipeline p on p.id = f.edcpipeline_id
		where f.id > coalesce(pipeline.want_int(req, 'after'), 0)
		and (t is null or f.ts_create >= t or f.ts_finish >= t)
		order by f.id
		limit coalesce(pipeline.want_int(req, 'limit'), 1000)) a;
	return pipeline.answer(jsonb_build_object('files', files));
end $$;

-- {"subject_event_crf_file_id", "members", "backoff"}: all that is known of one upload:
-- data.known, whether the EDC has it; data.members, those columns of
-- pipeline.upload that are named in ${members}, where the view has them;
-- data.lookups, its look-ups that failed; data.without_row, how it stands in each
-- pipeline that has no row of it; data.rows, its rows, each with "scans", "errors" (the
-- error log) and "outcomes" (the ends of its attempts and their digests).
create or replace function pipeline.do_status_upload(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	upload bigint := pipeline.want_int(req, 'subject_event_crf_file_id');
	waits jsonb := nullif(req -> 'backoff', 'null');
	stands jsonb;
	found_rows jsonb;
begin
	select coalesce(jsonb_agg(case when (t.s).edcpipelinefile_id is null
	    then pipeline.standing_json(t.s, pipeline.state_in(t.s, t.due), t.due)
	    else pipeline.hold_json(t.s, pipeline.state_in(t.s, t.due), t.due) ||
	        jsonb_build_object('edc_pipeline_file_id',
	            (t.s).edcpipelinefile_id) end
	    order by (t.s).pipeline_code), '[]') into stands
	from (select row(x.*)::pipeline.standing as s,
	        pipeline.due_at(x.failures, x.ts, waits) as due
	    from pipeline.standing_of(array[upload]) x) t;
	select coalesce(jsonb_agg(pipeline.status_row(f, p.code) ||
	    coalesce((select h from jsonb_array_elements(stands) h
	        where (h -> 'edc_pipeline_file_id')::bigint = f.id), '{}') ||
	    jsonb_build_object('log_key', pipeline.log_key_of(f.id),
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
	    'without_row', (select coalesce(jsonb_agg(h), '[]')
	        from jsonb_array_elements(stands) h
	        where not h ? 'edc_pipeline_file_id'),
	    'rows', found_rows));
end $$;
