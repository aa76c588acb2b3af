-- The outbox of letters and what digest, status and watch are made of: functions
-- in the envelope of 106_requests.sql.

-- {"message_id", "pipeline_code", "readers", "sender", "recipients", "message",
-- "subject", "body", "digest_id", "notices"}: keep a letter for sending, and note of which
-- failures it tells (114_notice.sql): all or nothing.  The same letter is kept
-- once; data.new says whether it was this request that brought it.
create or replace function pipeline.do_outbox_put(req jsonb) returns jsonb
language plpgsql as $$
declare
	letter bigint;
begin
	if jsonb_typeof(req -> 'recipients') is distinct from 'array' or
	    jsonb_array_length(req -> 'recipients') = 0 then
		perform pipeline.deny('IMGP-DB-REQUEST', 'a letter to nobody');
	end if;
	insert into pipeline.outbox (message_id, pipeline_code, readers, sender,
	    message, subject, body, digest_id)
	values (pipeline.want_text(req, 'message_id'),
	    pipeline.want_text(req, 'pipeline_code'),
	    pipeline.want_text(req, 'readers'),
	    pipeline.want_text(req, 'sender'),
	    pipeline.want_text(req, 'message'),
	    pipeline.want_text(req, 'subject'),
	    pipeline.want_text(req, 'body'),
	    pipeline.want_int(req, 'digest_id'))
	on conflict (message_id) do nothing returning id into letter;
	if letter is not null then
		insert into pipeline.outboxrecipient (outbox_id, address)
		select letter, a from (select distinct a from
		    jsonb_array_elements_text(req -> 'recipients') r(a)) s;
	end if;
	if jsonb_typeof(req -> 'notices') = 'array' then
		perform pipeline.notice_tell(req -> 'notices',
		    pipeline.want_text(req, 'message_id'));
	end if;
	return pipeline.answer(jsonb_build_object('new', letter is not null));
end $$;

-- {"after", "seconds", "run"}: the next letter, its number above ${after}, that
-- some recipient waits for and nobody has in hand: data.letter, or null.  It is the
-- asker's until outbox_done() or for so many seconds (300): what a process that died
-- had in hand is taken by another after that, by one of its own run at once.
create or replace function pipeline.do_outbox_take(req jsonb) returns jsonb
language plpgsql as $$
declare
	last bigint := coalesce(pipeline.want_int(req, 'after'), 0);
	by_run text := pipeline.want_text(req, 'run');
	o pipeline.outbox;
	addresses jsonb;
begin
	loop
		select * into o from pipeline.outbox b
		where b.id > last and (b.taken_until is null or
		    b.taken_until <= clock_timestamp() or b.taken_run = by_run)
		and exists (select from pipeline.outboxrecipient r
		    where r.outbox_id = b.id and r.status = 'waiting')
		order by b.id limit 1 for update skip locked;
		exit when o.id is null;
		last := o.id;
		-- Whoever had it may have sent it since it was read.
		select jsonb_agg(r.address order by r.address) into addresses
		from pipeline.outboxrecipient r
		where r.outbox_id = o.id and r.status = 'waiting';
		continue when addresses is null;
		update pipeline.outbox b set taken_run = by_run,
		    claim = gen_random_uuid(), taken_until = clock_timestamp() +
		        make_interval(secs => coalesce(
		        pipeline.want_int(req, 'seconds'), 300))
		where b.id = o.id returning * into o;
		return pipeline.answer(jsonb_build_object('letter',
		    jsonb_build_object('outbox_id', o.id, 'claim', o.claim,
		    'message_id', o.message_id,
		    'pipeline_code', o.pipeline_code,
		    'readers', o.readers,
		    'sender', o.sender, 'message', o.message,
		    'subject', o.subject, 'body', o.body,
		    'ts_create', pipeline.utc(o.ts_create),
		    'recipients', addresses)));
	end loop;
	return pipeline.answer(jsonb_build_object('letter', null));
end $$;

-- {"outbox_id", "claim", "results": [{"address", "status", "error_code", "error"}]}:
-- what became of it.  What was sent stays sent.
create or replace function pipeline.do_outbox_done(req jsonb) returns jsonb
language plpgsql as $$
declare
	letter bigint := pipeline.want_int(req, 'outbox_id');
begin
	update pipeline.outboxrecipient r set status = n.o ->> 'status',
	    tries = r.tries + 1, error_code = n.o ->> 'error_code',
	    error = n.o ->> 'error', ts = clock_timestamp()
	from jsonb_array_elements(req -> 'results') n(o)
	where r.outbox_id = letter and r.address = n.o ->> 'address'
	and r.status = 'waiting';
	update pipeline.outbox b set taken_until = null, taken_run = null,
	    claim = null
	where b.id = letter and b.claim::text = pipeline.want_text(req, 'claim');
	return pipeline.answer('{}');
end $$;

-- {}: letters that did not arrive: data.waiting and data.refused, each an array
-- of {"address", "tries", "error_code", "error", "since", "ts"}; refused ones of
-- the last 7 days.
create or replace function pipeline.do_outbox_state(req jsonb) returns jsonb
language sql stable as $$
	with r as (
		select c.status, c.ts, o.ts_create, jsonb_build_object(
		    'address', c.address, 'tries', c.tries,
		    'error_code', c.error_code, 'error', c.error,
		    'since', pipeline.utc(o.ts_create),
		    'ts', pipeline.utc(c.ts)) as j
		from pipeline.outboxrecipient c
		join pipeline.outbox o on o.id = c.outbox_id
		where c.status <> 'sent')
	select pipeline.answer(jsonb_build_object(
	    'waiting', coalesce((select jsonb_agg(j order by ts_create) from r
	        where status = 'waiting'), '[]'),
	    'refused', coalesce((select jsonb_agg(j order by ts) from r
	        where status = 'refused' and ts > now() - interval '7 days'),
	        '[]')));
$$;

-- {"digest_id"}: send its letters once more, as they are; refused where imgp-prune
-- took their text.
create or replace function pipeline.do_digest_resend(req jsonb) returns jsonb
language plpgsql as $$
declare
	digest bigint := pipeline.want_int(req, 'digest_id');
	n bigint;
begin
	perform from pipeline.outbox o where o.digest_id = digest
	order by o.id for update;
	if exists (select from pipeline.outbox o
	    where o.digest_id = digest and o.ts_prune is not null) then
		perform pipeline.deny('IMGP-CONFIG',
		    'its letters have no text any more: imgp-prune removed it');
	end if;
	update pipeline.outboxrecipient r set status = 'waiting',
	    ts = clock_timestamp()
	from pipeline.outbox o
	where o.id = r.outbox_id and o.digest_id = digest;
	get diagnostics n = row_count;
	if n = 0 then
		perform pipeline.deny('IMGP-DB-REQUEST',
		    'there are no letters of such a digest');
	end if;
	return pipeline.answer(jsonb_build_object('count', n));
end $$;

-- {"until", "days", "pipelines"} (codes; null: all): data.days, one {"day", "delivered", "with_error", "failed"}
-- a day (UTC), the last of them that of ${until}: ends of attempts, a file
-- counted once a day by the last of them.
create or replace function pipeline.do_digest_days(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	last date := (coalesce(pipeline.want_text(req, 'until')::timestamptz,
	    now()) at time zone 'UTC')::date;
	n integer := least(greatest(coalesce(pipeline.want_int(req, 'days'), 14),
	    1), 366);
	codes jsonb := nullif(req -> 'pipelines', 'null');
	days jsonb;
begin
	-- All days are of one reading of what ended in them.
	select jsonb_agg(jsonb_build_object('day', to_char(d.day, 'YYYY-MM-DD'),
	    'delivered', coalesce(c.delivered, 0),
	    'with_error', coalesce(c.with_error, 0),
	    'failed', coalesce(c.failed, 0)) order by d.day) into days
	from (select last - i as day from generate_series(0, n - 1) i) d
	left join (
		select o.day, count(*) filter (where o.status = 'Completed'
		        and not o.has_error) as delivered,
		    count(*) filter (where o.status = 'Completed'
		        and o.has_error) as with_error,
		    count(*) filter (where o.status = 'Failed') as failed
		from (select distinct on (e.day, q.edcpipelinefile_id) e.day,
			    q.status, q.has_error
			from pipeline.outcome q
			cross join lateral (select
			    (q.ts at time zone 'UTC')::date as day) e
			join pipeline.edcpipelinefile f on f.id = q.edcpipelinefile_id
			join pipeline.edcpipeline p on p.id = f.edcpipeline_id
			where (codes is null or codes ? p.code)
			and q.ts >= (last - n + 1)::timestamp at time zone 'UTC'
			and q.ts < (last + 1)::timestamp at time zone 'UTC'
			order by e.day, q.edcpipelinefile_id, q.id desc) o
		group by o.day) c on c.day = d.day;
	return pipeline.answer(jsonb_build_object('days', days));
end $$;

-- {"run", "counts"}: a run came to its end.
create or replace function pipeline.do_run_end(req jsonb) returns jsonb
language plpgsql as $$
begin
	insert into pipeline.run (run, counts)
	values (pipeline.want_text(req, 'run'), coalesce(req -> 'counts', '{}'))
	on conflict (run) do update set ts_finish = now(),
	    counts = excluded.counts;
	return pipeline.answer('{}');
end $$;

-- {"seconds"}: data.stale, whether no run has come to its end for that long,
-- data.last_run, when the last one did (null: none ever), data.now.
create or replace function pipeline.do_run_watch(req jsonb) returns jsonb
language plpgsql stable as $$
declare
	last timestamptz := (select max(ts_finish) from pipeline.run);
begin
	return pipeline.answer(jsonb_build_object(
	    'stale', last is null or last < now() -
	        make_interval(secs => pipeline.want_int(req, 'seconds')),
	    'last_run', pipeline.utc(last), 'now', pipeline.utc(now())));
end $$;
