-- What is still to be done, without reading what is done.
--
-- A full difference (sweep_make()) reads pipeline.upload once, by blocks of 1024 ids, and
-- reads again only the blocks that are not as the one before left them.  It is one
-- transaction: one that dies leaves the one before.  Until the next, what is not
-- done is
--
--	the uploads in the backlog: those without a row then,
--	the rows of the record that are not Completed, by an index,
--	what changed in pipeline.upload since: the ids above those that the
--	difference before it knew, at least the last 2,000, and, where the view has
--	the column "ts_change timestamptz", the rows with a ts_change later than an
--	hour before the difference.  Null there: never changed since it was made.
--
-- and of each of them the view says how it is now.  An upload that shows up otherwise,
-- with an old id (committed late, or when another table of the EDC was filled) or
-- with a new revision where the view has no ts_change, is found by the next
-- difference.  Where there are few uploads all of them are compared each time: that
-- takes little, and finds such a one at once.
--
-- What a difference rests on, the view's definition and the register of pipelines, is
-- compared each time: where it has changed, there is none.

-- A trigger of the record that was switched off meanwhile shows, too: rows may have
-- gone then, or the tally missed some.  Null while one is off: no difference holds.
create or replace function pipeline.sweep_basis() returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
	select case when not exists (select from pg_trigger t
	    where t.tgrelid = 'pipeline.edcpipelinefile'::regclass
	    and not t.tgisinternal and t.tgenabled not in ('O', 'A')) then md5(
	    coalesce((select string_agg(format('%s %s', r.oid, r.xmin), ' '
	        order by r.oid) from pg_rewrite r
	    where r.ev_class = 'pipeline.upload'::regclass), '') || coalesce((
	    select string_agg(format('%s %s %s', p.id, p.code, p.ddfiles), ' '
	        order by p.id) from pipeline.edcpipeline p), '') || coalesce((
	    select string_agg(format('%s %s %s', t.tgname, t.tgenabled, t.xmin), ' '
	        order by t.tgname) from pg_trigger t
	    where t.tgrelid = 'pipeline.edcpipelinefile'::regclass
	    and not t.tgisinternal), '')) end;
$$;

-- From so many uploads on what is done is not read each time.
create or replace function pipeline.many_uploads() returns bigint
language sql immutable as $$
	select 50000;
$$;

-- The last difference, if it holds and is younger than ${every} seconds, of which a day
-- is the most; else null.
create or replace function pipeline.sweep_held(every bigint) returns pipeline.sweep
language sql stable as $$
	select s.* from (select * from pipeline.sweep order by id desc limit 1) s
	where s.ts > now() - make_interval(secs => least(every, 86400))
	and s.ts < now() + interval '5 minutes'
	and s.basis = pipeline.sweep_basis();
$$;
-- The same where it is to be used: null, too, where it saw few uploads.
create or replace function pipeline.swept(every bigint) returns pipeline.sweep
language sql stable as $$
	select s.* from pipeline.sweep_held(every) s
	where s.uploads >= pipeline.many_uploads();
$$;

-- For imgp-lookup, which sees no table: does one hold, and is it used?
create or replace function pipeline.is_swept(every bigint) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select (pipeline.sweep_held(every)).id is not null;
$$;
create or replace function pipeline.is_partial(every bigint) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select (pipeline.swept(every)).id is not null;
$$;

-- The uploads with an id above ${mark} (null: all) that have no row in the record, with
-- what there is of their pipeline.  The record is read above it, too.
create or replace function pipeline.unclaimed_above(mark bigint)
returns table (subject_event_crf_file_id bigint, edcpipeline_id bigint,
    revision_number bigint) language sql stable as $$
	select u.subject_event_crf_file_id, p.id, u.revision_number
	from pipeline.upload u
	left join pipeline.edcpipeline p on p.code = u.pipeline_code
	where u.subject_event_crf_file_id is not null
	and (mark is null or u.subject_event_crf_file_id > mark)
	and not exists (select from pipeline.edcpipelinefile f
	    where f.edcpipeline_id = p.id
	    and f.subjecteventcrffile_id = u.subject_event_crf_file_id
	    and f.revision_number = u.revision_number
	    and (mark is null or f.subjecteventcrffile_id > mark));
$$;
create or replace view pipeline.unclaimed as
select * from pipeline.unclaimed_above(null);

-- Of one row, for the sum of its block.
create or replace function pipeline.print_of(upload bigint, code text,
    revision bigint) returns bigint language sql immutable as $$
	select hashtextextended(coalesce(code, ''),
	    hashint8extended(upload, coalesce(revision, -1)));
$$;

-- The blocks of pipeline.upload, and those of the record.
create or replace function pipeline.upload_blocks()
returns table (block bigint, uploads bigint, print numeric, top bigint)
language plpgsql stable set jit = off as $$
begin
	return query select u.subject_event_crf_file_id >> 10, count(*),
	    sum(pipeline.print_of(u.subject_event_crf_file_id, u.pipeline_code,
	        u.revision_number)), max(u.subject_event_crf_file_id)
	from pipeline.upload u where u.subject_event_crf_file_id is not null
	group by 1;
end $$;
create or replace function pipeline.record_blocks()
returns table (block bigint, uploads bigint, print numeric)
language plpgsql stable set jit = off as $$
begin
	return query select f.subjecteventcrffile_id >> 10, count(*),
	    sum(pipeline.print_of(f.subjecteventcrffile_id, p.code,
	        f.revision_number))
	from pipeline.edcpipelinefile f
	join pipeline.edcpipeline p on p.id = f.edcpipeline_id
	group by 1;
end $$;

-- What a difference finds: each block that is not as it was, with what is to be kept
-- of it (no uploads: it is gone), and a row for each of its uploads that has none in
-- the record.  ${whole}: all blocks count as new.  All of it is of one snapshot.
create or replace function pipeline.sweep_find(whole boolean)
returns table (block bigint, uploads bigint, print numeric, top bigint,
    upload bigint, edcpipeline_id bigint, revision_number bigint)
language plpgsql stable set plan_cache_mode = force_custom_plan
set jit = off as $$
declare
	blocks bigint[];	-- all that there are
	sizes bigint[];
	prints numeric[];
	tops bigint[];
	other bigint[];		-- those that are to be read again
	lone bigint;
begin
	select array_agg(b.block), array_agg(b.uploads), array_agg(b.print),
	    array_agg(b.top) into blocks, sizes, prints, tops
	from pipeline.upload_blocks() b;
	select coalesce(array_agg(n.block), '{}') into other
	from unnest(blocks, sizes, prints) n(block, uploads, print)
	left join pipeline.sweepblock b on b.block = n.block and not whole
	where (b.uploads, b.print) is distinct from (n.uploads, n.print);
	return query select n.*, null::bigint, null::bigint, null::bigint
	from unnest(blocks, sizes, prints, tops) n(block, uploads, print, top)
	where n.block = any (other);
	return query select b.block, 0::bigint, null::numeric, null::bigint,
	    null::bigint, null::bigint, null::bigint
	from pipeline.sweepblock b where b.block <> all (blocks) or blocks is null;
	-- Of many, those that the record has whole need no second look.
	if cardinality(other) > 64 then
		select coalesce(array_agg(n.block), '{}') into other
		from unnest(blocks, sizes, prints) n(block, uploads, print)
		left join pipeline.record_blocks() r on r.block = n.block
		    and r.uploads = n.uploads and r.print = n.print
		where n.block = any (other) and r.block is null;
	end if;
	-- Few are asked for one by one, each by a range of ids.
	if cardinality(other) <= 64 then
		foreach lone in array other loop
			return query select lone, null::bigint, null::numeric,
			    null::bigint, n.* from pipeline.unclaimed n
			where n.subject_event_crf_file_id >= lone << 10
			and n.subject_event_crf_file_id < (lone + 1) << 10;
		end loop;
	else
		return query select n.subject_event_crf_file_id >> 10,
		    null::bigint, null::numeric, null::bigint, n.*
		from pipeline.unclaimed n
		where n.subject_event_crf_file_id >> 10 = any (other);
	end if;
end $$;

-- How many rows are Completed, of each pipeline and state.
create or replace function pipeline.completed_rows()
returns table (edcpipeline_id bigint, state text, files bigint)
language plpgsql stable set jit = off set parallel_setup_cost = 0 as $$
begin
	return query select f.edcpipeline_id,
	    case when f.has_error then 'with errors'
	        when f.has_warning then 'with warnings' else 'delivered' end,
	    count(*)
	from pipeline.edcpipelinefile f where f.status = 'Completed'
	group by f.edcpipeline_id, f.has_error, f.has_warning;
end $$;

-- Count them anew, or add to the tally what was noted since.  The rows that were noted
-- go in the statement that counts.
create or replace function pipeline.tally_up(anew boolean) returns void
language plpgsql as $$
begin
	if anew then
		delete from pipeline.tally;
	end if;
	with noted as (delete from pipeline.tallychange returning *),
	counted as (
		select n.edcpipeline_id, n.state, n.files::bigint from noted n
		where not anew
		union all
		select c.* from pipeline.completed_rows() c where anew)
	insert into pipeline.tally as t (edcpipeline_id, state, files)
	select c.edcpipeline_id, c.state, sum(c.files) from counted c group by 1, 2
	on conflict (edcpipeline_id, state) do update
	    set files = t.files + excluded.files;
end $$;

-- {"every"} (seconds): make the full difference, unless there is one that holds and is
-- younger, or is being made.  data.swept: whether there is one now.  A whole one is
-- made once a week, and where the basis is another.
create or replace function pipeline.do_sweep_make(req jsonb) returns jsonb
language plpgsql as $$
declare
	every bigint := coalesce(pipeline.want_int(req, 'every'), 0);
	now_basis text;
	anew boolean;
begin
	if not pg_try_advisory_xact_lock(8314250918) then
		return pipeline.answer('{"swept": false}');
	elsif (pipeline.sweep_held(every)).id is not null then
		return pipeline.answer('{"swept": true}');
	end if;
	now_basis := pipeline.sweep_basis();
	if now_basis is null then
		return pipeline.answer('{"swept": false}');
	end if;
	anew := not exists (select from pipeline.sweep s where s.whole
	    and s.basis = now_basis and s.ts > now() - interval '7 days'
	    and s.id > coalesce((select max(o.id) from pipeline.sweep o
	        where o.basis <> now_basis), 0));
	with found as materialized (select * from pipeline.sweep_find(anew)),
	gone as (
		delete from pipeline.backlog b
		where b.subjecteventcrffile_id >> 10 = any (array(
		    select f.block from found f where f.uploads is not null))
		and not exists (select from found f
		    where f.upload = b.subjecteventcrffile_id
		    and coalesce(f.edcpipeline_id, 0) = b.edcpipeline_id)),
	come as (
		insert into pipeline.backlog as b (edcpipeline_id,
		    subjecteventcrffile_id, revision_number)
		select coalesce(f.edcpipeline_id, 0), f.upload,
		    max(f.revision_number)
		from found f where f.upload is not null group by 1, 2
		on conflict (edcpipeline_id, subjecteventcrffile_id) do update
		    set revision_number = excluded.revision_number
		    where b.revision_number is distinct from
		        excluded.revision_number),
	forgotten as (
		delete from pipeline.sweepblock b using found f
		where f.block = b.block and f.uploads = 0)
	insert into pipeline.sweepblock as b (block, uploads, print, top)
	select f.block, f.uploads, f.print, f.top from found f
	where f.uploads > 0
	on conflict (block) do update set uploads = excluded.uploads,
	    print = excluded.print, top = excluded.top;
	delete from pipeline.backlog b using pipeline.edcpipelinefile f
	where f.edcpipeline_id = b.edcpipeline_id
	and f.subjecteventcrffile_id = b.subjecteventcrffile_id
	and f.revision_number = b.revision_number;
	perform pipeline.tally_up(anew);
	insert into pipeline.sweep (ts, basis, whole, uploads, top)
	select now(), now_basis, anew, coalesce(sum(b.uploads), 0), max(b.top)
	from pipeline.sweepblock b;
	delete from pipeline.sweep s where s.ts < now() - interval '60 days'
	and s.id < (select max(l.id) from pipeline.sweep l) - 1000;
	return pipeline.answer('{"swept": true}');
end $$;

-- The uploads that may have changed in pipeline.upload since the difference ${s} and
-- have no row in the record now.  Two of the statements are made of constants alone.
create or replace function pipeline.changed_since(s pipeline.sweep)
returns setof pipeline.unclaimed language plpgsql stable
set plan_cache_mode = force_custom_plan as $$
declare
	mark bigint := case when s.top is not null then least(s.top - 2000,
	    (select o.top from pipeline.sweep o
	    where o.id < s.id and o.ts < s.ts - interval '1 hour'
	    order by o.id desc limit 1)) end;
	later bigint[];
begin
	return query select n.* from pipeline.unclaimed_above(mark) n;
	if exists (select from pg_attribute a
	    where a.attrelid = 'pipeline.upload'::regclass
	    and a.attname = 'ts_change' and a.atttypid = 'timestamptz'::regtype
	    and not a.attisdropped) then
		execute 'select array_agg(u.subject_event_crf_file_id)'
		    ' from pipeline.upload u where u.ts_change > $1'
		into later using s.ts - interval '1 hour';
	end if;
	if later is not null then
		return query select n.* from pipeline.unclaimed n
		where n.subject_event_crf_file_id = any (later);
	end if;
end $$;

-- The uploads that a pipeline lists and that have no row in the record now; among them
-- those that changed since the last difference and have no pipeline (null).  Some may
-- come twice.  Without ${s}: a full difference.
create or replace function pipeline.unclaimed_now(s pipeline.sweep)
returns setof pipeline.unclaimed language plpgsql stable as $$
begin
	if s.id is null then
		return query select n.* from pipeline.unclaimed n;
		return;
	end if;
	return query select b.subjecteventcrffile_id, b.edcpipeline_id,
	    b.revision_number from pipeline.backlog b
	where b.edcpipeline_id > 0 and not exists (
	    select from pipeline.edcpipelinefile f
	    where f.edcpipeline_id = b.edcpipeline_id
	    and f.subjecteventcrffile_id = b.subjecteventcrffile_id
	    and f.revision_number = b.revision_number);
	return query select n.* from pipeline.changed_since(s) n;
end $$;

-- Up to so many uploads the view is asked for by their ids.
create or replace function pipeline.ids_most() returns integer
language sql immutable as $$
	select 50000;
$$;

-- What imgp-lookup --pending takes from: pipeline.due, with "opened" of it only where
-- ${again}; what is done is read only if no difference of the last ${every} seconds
-- holds, or there are few uploads.
create or replace function pipeline.due_now(again boolean, every bigint)
returns setof pipeline.due language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
	s pipeline.sweep := pipeline.swept(every);
	ids bigint[];
begin
	if s.id is not null then
		ids := array(
		    select n.subject_event_crf_file_id from pipeline.unclaimed_now(s) n
		    where n.edcpipeline_id is not null
		    union
		    select f.subjecteventcrffile_id from pipeline.edcpipelinefile f
		    where f.status <> 'Completed'
		    and (again or not f.failed_for_good));
	end if;
	if s.id is null or cardinality(ids) > pipeline.ids_most() then
		return query select d.* from pipeline.due d
		where again or not d.opened;
	else
		return query select d.* from pipeline.due d
		where d.subject_event_crf_file_id = any (ids)
		and (again or not d.opened);
	end if;
end $$;
