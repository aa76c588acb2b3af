-- What imgp-digest tells the labs: the ends of attempts, and the look-ups that failed,
-- each in one digest, in the envelope of 106_requests.sql.

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
-- taken them.  All uploads are compared only where no difference (101_sweep.sql) of the
-- last ${every} seconds holds, or there are few; of what showed up since under an old id
-- nothing is known otherwise.
drop function if exists pipeline.untaken();
create or replace function pipeline.untaken(every bigint) returns jsonb
language plpgsql stable set plan_cache_mode = force_custom_plan as $$
declare
	s pipeline.sweep := pipeline.swept(every);
	ids bigint[];		-- null: all
begin
	if s.id is not null then
		ids := array(select distinct n.subject_event_crf_file_id
		    from pipeline.unclaimed_now(s) n
		    where n.edcpipeline_id is not null);
		if cardinality(ids) > pipeline.ids_most() then
			ids := null;
		end if;
	end if;
	return (select coalesce(jsonb_agg(jsonb_build_object('pipeline_code',
	    c.code, 'files', c.files, 'paused', c.paused) order by c.code), '[]')
	from (select p.code, pipeline.is_paused(p) as paused, count(*) as files
		from pipeline.pending u
		join pipeline.edcpipeline p on p.code = u.pipeline_code
		where (ids is null or u.subject_event_crf_file_id = any (ids))
		and not exists (select from pipeline.edcpipelinefile f
		    where f.edcpipeline_id = p.id
		    and f.subjecteventcrffile_id = u.subject_event_crf_file_id
		    and f.revision_number = u.revision_number)
		group by 1, 2) c);
end $$;

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

-- What of it is in no digest yet, except of the pipelines in "without": ${barred} are
-- their ids.  The ends are read by an index, in the order of their ids.
drop function if exists pipeline.undigested(jsonb);
create or replace function pipeline.undigested_ends(barred bigint[])
returns table (id bigint) language sql stable as $$
	select o.id from pipeline.outcome o
	where o.digest_id is null and not o.redelivered and not o.unseen
	and (barred = '{}' or not exists (select from pipeline.edcpipelinefile f
	    where f.id = o.edcpipelinefile_id
	    and f.edcpipeline_id = any (barred)));
$$;
create or replace function pipeline.undigested_lookups(req jsonb)
returns table (id bigint) language sql stable as $$
	select d.id from pipeline.digestible d where d.is_lookup
	and d.digest_id is null
	and (req -> 'without' ? d.pipeline_code) is not true;
$$;

-- {"without" (codes of pipelines whose news wait; null: none), "every" (as untaken() has
-- it)}: the digest that is to be sent, data as digest_json() with "digest_id".
-- Opening freezes it: until it is sent, every call answers the same (M73).
-- data.another is true where there is more than one digest holds, or where this one
-- was left by a digest that died: then open the next at once.
create or replace function pipeline.do_digest_open(req jsonb) returns jsonb
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
	d pipeline.digest;
	barred bigint[] := array(select p.id from pipeline.edcpipeline p
	    where req -> 'without' ? p.code);
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
			    from pipeline.undigested_ends(barred) u
			    order by u.id limit pipeline.digest_most())
			returning o.id)
		select coalesce(array_agg(id), '{}') into ids from mine;
		with mine as (
			update pipeline.notice o set digest_id = d.id
			where o.id in (select u.id
			    from pipeline.undigested_lookups(req) u
			    order by u.id limit pipeline.digest_most())
			returning o.id)
		select coalesce(array_agg(id), '{}') into lookups from mine;
		update pipeline.digest g set content =
		    pipeline.digest_json(ids, lookups, d.since, d.until) ||
		    jsonb_build_object('still', pipeline.notice_still(),
		    'waiting', pipeline.untaken(coalesce(
		    pipeline.want_int(req, 'every'), 0)))
		where g.id = d.id returning * into d;
	end if;
	full_one := pipeline.digest_most() <= greatest(
	    (select count(*) from pipeline.outcome o where o.digest_id = d.id),
	    (select count(*) from pipeline.notice n where n.digest_id = d.id));
	return pipeline.answer(d.content || jsonb_build_object('digest_id', d.id,
	    'another', (full_one or resumed) and ((select min(u.id)
	            from pipeline.undigested_ends(barred) u) is not null or
	        exists (select from pipeline.undigested_lookups(req)))));
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

-- {"since", "until", "after", "every"} (ISO 8601, until null: now; as untaken() has it):
-- what a digest of that time would say; since null: what is in no digest that was sent;
-- after: the part behind data.last of the answer before.  Changes nothing.
create or replace function pipeline.do_digest_preview(req jsonb) returns jsonb
language plpgsql stable set plan_cache_mode = force_custom_plan as $$
declare
	unsent bigint := (select d.id from pipeline.digest d where d.ts_sent is null);
	t_since timestamptz;
	t_until timestamptz;
	ids bigint[];
	lookups bigint[];
	behind bigint := pipeline.want_int(req, 'after');
begin
	t_since := pipeline.want_text(req, 'since')::timestamptz;
	t_until := coalesce(pipeline.want_text(req, 'until')::timestamptz,
	    clock_timestamp());
	if t_since is null then
		select coalesce(array_agg(o.id), '{}') into ids
		from pipeline.outcome o
		where not o.redelivered and not o.unseen and o.ts <= t_until
		and o.id > coalesce(behind, 0)
		and (o.digest_id is null or o.digest_id = unsent);
	else
		select coalesce(array_agg(o.id), '{}') into ids
		from pipeline.outcome o
		where not o.redelivered and not o.unseen
		and o.id > coalesce(behind, 0)
		and o.ts > t_since and o.ts <= t_until;
	end if;
	select coalesce(array_agg(n.id), '{}') into lookups
	from pipeline.notice n
	left join pipeline.digest d on d.id = n.digest_id
	where n.edcpipelinefile_id is null and n.ts <= t_until and
	    behind is null and (n.ts > t_since or (t_since is null and d.ts_sent is null));
	return pipeline.answer(jsonb_build_object('still',
	    pipeline.notice_still(), 'waiting', pipeline.untaken(coalesce(
	    pipeline.want_int(req, 'every'), 0))) ||
	    jsonb_strip_nulls(jsonb_build_object('after', behind)) ||
	    pipeline.digest_json(ids, lookups,
	    coalesce(t_since,
	    (select max(d.until) from pipeline.digest d
	        where d.ts_sent is not null)), t_until));
end $$;
