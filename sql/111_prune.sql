-- What imgp-prune asks before it removes anything, in the envelope of
-- 106_requests.sql.  Nothing here removes a row.

-- A run may be at work on it: it has the lease, or had it within the last hour, as one
-- has that could not reach the database to renew it.
create or replace function pipeline.is_held(f pipeline.edcpipelinefile)
returns boolean language sql volatile as $$
	select coalesce(f.lease_until > clock_timestamp() - interval '1 hour',
	    false);
$$;

-- Its upload still waits to be delivered: the row is not Completed, the upload not
-- waived, and no later revision of it Completed.
create or replace function pipeline.is_undelivered(f pipeline.edcpipelinefile)
returns boolean language sql stable as $$
	select f.status <> 'Completed'
	and not exists (select from pipeline.waived w
	    where w.edcpipeline_id = f.edcpipeline_id
	    and w.subjecteventcrffile_id = f.subjecteventcrffile_id)
	and not exists (select from pipeline.edcpipelinefile g
	    where g.edcpipeline_id = f.edcpipeline_id
	    and g.subjecteventcrffile_id = f.subjecteventcrffile_id
	    and g.revision_number > f.revision_number
	    and g.status = 'Completed');
$$;

-- {"file_names", "log_keys", "runs"}, arrays of texts, each may be missing:
-- data.files, the rows that have such a name: {"file_name", "edc_pipeline_file_id",
-- "key" (its path and name), "held", "undelivered"}; data.logs, the error logs under
-- such keys: {"log_key", "held", "undelivered"}; data.runs, those of the runs that are
-- held; data.pipelines, the codes of all; data.now, the database's clock in seconds.
create or replace function pipeline.do_prune_files(req jsonb) returns jsonb
language plpgsql as $$
declare
	names text[] := array(select jsonb_array_elements_text(
	    coalesce(nullif(req -> 'file_names', 'null'), '[]')));
	keys text[] := array(select jsonb_array_elements_text(
	    coalesce(nullif(req -> 'log_keys', 'null'), '[]')));
	runs text[] := array(select jsonb_array_elements_text(
	    coalesce(nullif(req -> 'runs', 'null'), '[]')));
	by_name jsonb := '[]';
	by_key jsonb := '[]';
	by_run jsonb := '[]';
begin
	if names <> '{}' then
		select coalesce(jsonb_agg(jsonb_build_object(
		    'file_name', f.file_name, 'edc_pipeline_file_id', f.id,
		    'key', f.file_path || f.file_name,
		    'held', pipeline.is_held(f),
		    'undelivered', pipeline.is_undelivered(f))), '[]')
		into by_name from pipeline.edcpipelinefile f
		where f.file_name = any (names);
	end if;
	if keys <> '{}' then
		-- Of a look-up that failed: it still does.
		select coalesce(jsonb_agg(jsonb_build_object(
		    'log_key', k.log_key, 'held', k.held,
		    'undelivered', k.undelivered)), '[]')
		into by_key
		from (select n.log_key,
		        bool_or(coalesce(pipeline.is_held(f), false)) as held,
		        bool_or(case when f.id is null
		            then exists (select from pipeline.lookupfailure l
		                where l.subjecteventcrffile_id =
		                    n.subjecteventcrffile_id)
		            else pipeline.is_undelivered(f) end) as undelivered
		    from pipeline.notice n
		    left join pipeline.edcpipelinefile f
		        on f.id = n.edcpipelinefile_id
		    where n.log_key = any (keys) group by n.log_key) k;
	end if;
	if runs <> '{}' then
		select coalesce(jsonb_agg(distinct f.run), '[]') into by_run
		from pipeline.edcpipelinefile f
		where f.lease_until is not null and f.run = any (runs)
		and pipeline.is_held(f);
	end if;
	return pipeline.answer(jsonb_build_object('files', by_name,
	    'logs', by_key, 'runs', by_run,
	    'pipelines', (select coalesce(jsonb_agg(e.code order by e.code), '[]')
	        from pipeline.edcpipeline e),
	    'now', extract(epoch from clock_timestamp())::bigint));
end $$;

-- It came to its end before ${t}, and has its text: nobody waits for it, nobody has it
-- in hand, and its digest was sent.
create or replace function pipeline.is_finished(o pipeline.outbox, t timestamptz)
returns boolean language sql stable as $$
	select o.ts_prune is null and o.ts_create <= t
	and coalesce(o.taken_until <= clock_timestamp(), true)
	and not exists (select from pipeline.outboxrecipient r
	    where r.outbox_id = o.id and (r.status = 'waiting' or r.ts > t))
	and not exists (select from pipeline.digest d
	    where d.id = o.digest_id and d.ts_sent is null);
$$;

-- {"seconds", "after", "limit", "dry_run"}: take its text from each letter, their
-- numbers above ${after}, that came to its end so long ago.  data.letters:
-- {"outbox_id", "message_id", "bytes", "ts"}; data.next: "after" of the next request,
-- null where there are no more.
create or replace function pipeline.do_prune_letters(req jsonb) returns jsonb
language plpgsql as $$
declare
	t timestamptz := clock_timestamp() -
	    make_interval(secs => pipeline.want_int(req, 'seconds'));
	most bigint := coalesce(pipeline.want_int(req, 'limit'), 1000);
	dry boolean := coalesce(pipeline.want_bool(req, 'dry_run'), true);
	letters jsonb := '[]';
	o record;
	last bigint;
	n bigint := 0;
begin
	if t is null then
		perform pipeline.deny('IMGP-DB-REQUEST', 'seconds is missing');
	end if;
	for o in select b.id, b.message_id, b.ts_create,
	    octet_length(b.message) + octet_length(b.body) as bytes
	    from pipeline.outbox b
	    where b.id > coalesce(pipeline.want_int(req, 'after'), 0)
	    and pipeline.is_finished(b, t)
	    order by b.id limit most
	loop
		n := n + 1;
		last := o.id;
		if not dry then
			-- First the lock, then another look: digest_resend() locks
			-- the letter, too, before it has its readers wait again.
			perform from pipeline.outbox b where b.id = o.id
			    for update skip locked;
			continue when not found;
			update pipeline.outbox b set message = '', body = '',
			    ts_prune = clock_timestamp()
			where b.id = o.id and pipeline.is_finished(b, t);
			continue when not found;
		end if;
		letters := letters || jsonb_build_object('outbox_id', o.id,
		    'message_id', o.message_id, 'bytes', o.bytes,
		    'ts', extract(epoch from o.ts_create)::bigint);
	end loop;
	return pipeline.answer(jsonb_build_object('letters', letters,
	    'next', case when n >= most then last end));
end $$;
