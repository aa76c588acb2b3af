-- What imgp-run --explain shows besides 116_status.sql, in the envelope of
-- 106_requests.sql.

-- {"subject_event_crf_file_id", "pipeline_code"}: what may keep a run from an
-- upload: data.paused, data.paused_reason, data.paused_until; data.waiver, the one that holds, or null;
-- data.failures and data.failed, how often it failed by a fault of its own and when
-- it last did, by which --pending waits; data.now.  Changes nothing.
create or replace function pipeline.do_explain(req jsonb) returns jsonb
language sql stable as $$
	select pipeline.answer(jsonb_build_object('now', pipeline.utc(now()),
	    'paused', pipeline.is_paused(p), 'paused_reason', p.paused_reason,
	    'paused_until', pipeline.utc(p.paused_until),
	    'waiver', (select jsonb_build_object('reason', w.reason,
	        'waived_by', w.waived_by, 'ts_create', pipeline.utc(w.ts_create),
	        'expires', pipeline.utc(w.expires))
	        from pipeline.edcpipelinewaiver w
	        where w.edcpipeline_id = p.id
	        and w.subjecteventcrffile_id = r.upload
	        and (w.expires is null or w.expires > clock_timestamp())),
	    'failures', d.failures, 'failed', pipeline.utc(d.ts)))
	from (select pipeline.want_int(req, 'subject_event_crf_file_id') as upload,
	    pipeline.want_text(req, 'pipeline_code') as code) r
	left join pipeline.edcpipeline p on p.code = r.code
	left join pipeline.due d on d.pipeline_code = r.code and not d.opened
	    and d.subject_event_crf_file_id = r.upload;
$$;
