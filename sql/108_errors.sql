-- The errors of a request, and those that a file ever had, in the envelope of
-- 106_requests.sql.

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
