-- What imgp-pipeline does to the register, in the envelope of 106_requests.sql.
-- Each change is noted in pipeline.edcpipelinechange.  A wrong name or value is
-- refused with IMGP-CONFIG, an upload that is not there with
-- IMGP-LOOKUP-NOT-FOUND.

-- The pipeline "pipeline_code" of a request, locked.
create or replace function pipeline.want_pipeline(req jsonb)
returns pipeline.edcpipeline language plpgsql as $$
declare
	p pipeline.edcpipeline;
begin
	select * into p from pipeline.edcpipeline
	    where code = pipeline.want_text(req, 'pipeline_code') for update;
	if p.id is null then
		perform pipeline.deny('IMGP-CONFIG', format('no pipeline has the '
		    'code "%s"; there are: %s', req ->> 'pipeline_code',
		    coalesce((select string_agg(e.code, ', ' order by e.code)
		        from pipeline.edcpipeline e), 'none')));
	end if;
	return p;
end $$;

-- "until" of a request: null, or a time to come.
create or replace function pipeline.want_until(req jsonb) returns timestamptz
language plpgsql as $$
declare
	t timestamptz;
begin
	begin
		t := pipeline.want_text(req, 'until')::timestamptz;
	exception when data_exception then
		perform pipeline.deny('IMGP-CONFIG', 'until: no such time');
	end;
	if t <= clock_timestamp() then
		perform pipeline.deny('IMGP-CONFIG', 'until: the time has passed');
	end if;
	return t;
end $$;

create or replace function pipeline.want_reason(req jsonb) returns text
language plpgsql as $$
begin
	if coalesce(btrim(pipeline.want_text(req, 'reason')), '') = '' then
		perform pipeline.deny('IMGP-CONFIG', 'a reason is wanted');
	end if;
	return btrim(req ->> 'reason');
end $$;

create or replace function pipeline.note_change(p pipeline.edcpipeline,
    did text, req jsonb, told jsonb) returns jsonb
language plpgsql as $$
begin
	insert into pipeline.edcpipelinechange (edcpipeline_id, action,
	    subjecteventcrffile_id, detail, reason)
	values (p.id, did, pipeline.want_int(req, 'subject_event_crf_file_id'),
	    jsonb_strip_nulls(told), nullif(btrim(req ->> 'reason'), ''));
	return pipeline.answer(told || jsonb_build_object('pipeline_code', p.code,
	    'changed', true));
end $$;

-- {"pipeline_code"} (null: all): data.pipelines, by code: how each stands, its
-- waivers, and of one that is named its newest 100 changes.
create or replace function pipeline.do_pipeline_list(req jsonb) returns jsonb
language plpgsql as $$
declare
	p pipeline.edcpipeline;
begin
	if req ->> 'pipeline_code' is not null then
		p := pipeline.want_pipeline(req);
	end if;
	return (select pipeline.answer(jsonb_build_object('pipelines',
	    coalesce(jsonb_agg(jsonb_build_object('pipeline_code', e.code,
	    'label', e.label, 'ddfiles', to_jsonb(e.ddfiles),
	    'paused', pipeline.is_paused(e), 'paused_reason', e.paused_reason,
	    'paused_by', e.paused_by, 'paused_since', pipeline.utc(e.paused_since),
	    'paused_until', pipeline.utc(e.paused_until),
	    'waivers', (select coalesce(jsonb_agg(jsonb_build_object(
	        'subject_event_crf_file_id', w.subjecteventcrffile_id,
	        'reason', w.reason, 'waived_by', w.waived_by,
	        'ts_create', pipeline.utc(w.ts_create),
	        'expires', pipeline.utc(w.expires),
	        'holds', w.expires is null or w.expires > clock_timestamp())
	        order by w.subjecteventcrffile_id), '[]')
	        from pipeline.edcpipelinewaiver w where w.edcpipeline_id = e.id),
	    'changes', case when p.id is not null then (select
	        coalesce(jsonb_agg(jsonb_build_object('action', c.action,
	        'subject_event_crf_file_id', c.subjecteventcrffile_id,
	        'detail', c.detail, 'reason', c.reason,
	        'changed_by', c.changed_by, 'ts', pipeline.utc(c.ts))
	        order by c.id desc), '[]')
	        from (select * from pipeline.edcpipelinechange a
	            where a.edcpipeline_id = e.id order by a.id desc limit 100) c)
	        end) order by e.code), '[]')))
	from pipeline.edcpipeline e where p.id is null or e.id = p.id);
end $$;

-- "ddfiles" of a request, in order and each once; null: not told.
create or replace function pipeline.want_fields(req jsonb) returns bigint[]
language plpgsql as $$
begin
	if coalesce(jsonb_typeof(req -> 'ddfiles'), 'null') = 'null' then
		return null;
	end if;
	if exists (select from jsonb_array_elements(req -> 'ddfiles') v
	    where jsonb_typeof(v) <> 'number' or (v #>> '{}')::numeric <= 0) then
		perform pipeline.deny('IMGP-CONFIG',
		    'fields: not numbers of upload fields');
	end if;
	return (select coalesce(array_agg(distinct (v #>> '{}')::bigint), '{}')
	    from jsonb_array_elements(req -> 'ddfiles') v);
end $$;

-- {"pipeline_code", "label", "ddfiles", "reason"}: a new pipeline.
create or replace function pipeline.do_pipeline_add(req jsonb) returns jsonb
language plpgsql as $$
declare
	of_code text := pipeline.want_text(req, 'pipeline_code');
	p pipeline.edcpipeline;
begin
	if coalesce(of_code, '') !~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$' then
		perform pipeline.deny('IMGP-CONFIG', format('"%s" is no code: '
		    'letters, digits, "_", "." and "-", at most 63', of_code));
	elsif exists (select from pipeline.edcpipeline e
	    where e.code = of_code) then
		perform pipeline.deny('IMGP-CONFIG', format('there is a pipeline '
		    'with the code "%s" already', of_code));
	end if;
	insert into pipeline.edcpipeline (code, label, ddfiles)
	values (of_code, coalesce(pipeline.want_text(req, 'label'), ''),
	    coalesce(pipeline.want_fields(req), '{}')) returning * into p;
	return pipeline.note_change(p, 'add', req, jsonb_build_object(
	    'label', p.label, 'ddfiles', to_jsonb(p.ddfiles)));
end $$;

-- {"pipeline_code", "label", "ddfiles", "reason"}: what is told of it changes.
create or replace function pipeline.do_pipeline_set(req jsonb) returns jsonb
language plpgsql as $$
declare
	was pipeline.edcpipeline := pipeline.want_pipeline(req);
	p pipeline.edcpipeline;
begin
	update pipeline.edcpipeline e set
	    label = coalesce(pipeline.want_text(req, 'label'), e.label),
	    ddfiles = coalesce(pipeline.want_fields(req), e.ddfiles)
	where e.id = was.id returning * into p;
	if (p.label, p.ddfiles) = (was.label, was.ddfiles) then
		return pipeline.answer(jsonb_build_object('pipeline_code', p.code,
		    'changed', false));
	end if;
	return pipeline.note_change(p, 'set', req, jsonb_build_object(
	    'label', p.label, 'ddfiles', to_jsonb(p.ddfiles),
	    'was_label', was.label, 'was_ddfiles', to_jsonb(was.ddfiles)));
end $$;

-- {"pipeline_code", "reason", "until"}: nothing of it is started until then; until
-- null: until it is resumed.  One that is paused gets the new reason and end.
create or replace function pipeline.do_pipeline_pause(req jsonb) returns jsonb
language plpgsql as $$
declare
	p pipeline.edcpipeline := pipeline.want_pipeline(req);
	is_new boolean := not pipeline.is_paused(p);
begin
	update pipeline.edcpipeline e set paused = true,
	    paused_reason = pipeline.want_reason(req),
	    paused_until = pipeline.want_until(req), paused_by = session_user,
	    paused_since = case when is_new or e.paused_since is null then now()
	        else e.paused_since end
	where e.id = p.id returning * into p;
	return pipeline.note_change(p, 'pause', req, jsonb_build_object(
	    'until', pipeline.utc(p.paused_until)));
end $$;

-- {"pipeline_code", "reason"}: the pause is over.
create or replace function pipeline.do_pipeline_resume(req jsonb) returns jsonb
language plpgsql as $$
declare
	p pipeline.edcpipeline := pipeline.want_pipeline(req);
	was_paused boolean := pipeline.is_paused(p);
begin
	update pipeline.edcpipeline e set paused = false, paused_reason = null,
	    paused_until = null, paused_by = null, paused_since = null
	where e.id = p.id and e.paused;
	if not was_paused then
		return pipeline.answer(jsonb_build_object('pipeline_code', p.code,
		    'changed', false));
	end if;
	return pipeline.note_change(p, 'resume', req, '{}');
end $$;

-- {"pipeline_code", "subject_event_crf_file_id", "reason", "until"}: the upload need
-- not be delivered.  One that is waived gets the new reason and end.
create or replace function pipeline.do_pipeline_waive(req jsonb) returns jsonb
language plpgsql as $$
declare
	p pipeline.edcpipeline := pipeline.want_pipeline(req);
	upload bigint := pipeline.want_int(req, 'subject_event_crf_file_id');
	w pipeline.edcpipelinewaiver;
begin
	if not exists (select from pipeline.upload u
	    where u.subject_event_crf_file_id = upload
	    and u.pipeline_code = p.code) then
		perform pipeline.deny('IMGP-LOOKUP-NOT-FOUND', format(
		    'the EDC has no upload %s in the pipeline %s', upload, p.code));
	end if;
	insert into pipeline.edcpipelinewaiver as x (edcpipeline_id,
	    subjecteventcrffile_id, reason, expires)
	values (p.id, upload, pipeline.want_reason(req), pipeline.want_until(req))
	on conflict (edcpipeline_id, subjecteventcrffile_id) do update set
	    reason = excluded.reason, expires = excluded.expires,
	    waived_by = session_user, ts_create = now()
	returning * into w;
	return pipeline.note_change(p, 'waive', req, jsonb_build_object(
	    'until', pipeline.utc(w.expires)));
end $$;

-- {"pipeline_code", "subject_event_crf_file_id", "reason"}: it is to be delivered.
create or replace function pipeline.do_pipeline_unwaive(req jsonb) returns jsonb
language plpgsql as $$
declare
	p pipeline.edcpipeline := pipeline.want_pipeline(req);
	upload bigint := pipeline.want_int(req, 'subject_event_crf_file_id');
	w pipeline.edcpipelinewaiver;
begin
	delete from pipeline.edcpipelinewaiver x where x.edcpipeline_id = p.id
	    and x.subjecteventcrffile_id = upload returning * into w;
	if w.edcpipeline_id is null then
		perform pipeline.deny('IMGP-LOOKUP-NOT-FOUND', format(
		    'upload %s is not waived in the pipeline %s', upload, p.code));
	end if;
	return pipeline.note_change(p, 'unwaive', req, jsonb_build_object(
	    'was_reason', w.reason, 'was_by', w.waived_by,
	    'was_until', pipeline.utc(w.expires)));
end $$;
