-- Least privilege: six roles without login, which a site grants to the users
-- that its tools log in as.  imgp_lookup reads views; imgp_record, imgp_digest,
-- imgp_repair, imgp_pipeline and imgp_prune execute functions and see no table.
do $$
declare
	r text;
begin
	foreach r in array array['imgp_lookup', 'imgp_record', 'imgp_digest',
	    'imgp_repair', 'imgp_pipeline', 'imgp_prune'] loop
		if not exists (select from pg_roles where rolname = r) then
			begin
				execute format('create role %I nologin', r);
			exception when duplicate_object or unique_violation then
				null;	-- another database's load was faster
			end;
		end if;
	end loop;
end $$;

revoke all on schema pipeline from public;
revoke all on all tables in schema pipeline from public, imgp_lookup,
    imgp_record, imgp_digest, imgp_repair, imgp_pipeline, imgp_prune;
revoke all on all sequences in schema pipeline from public, imgp_lookup,
    imgp_record, imgp_digest, imgp_repair, imgp_pipeline, imgp_prune;
revoke all on all functions in schema pipeline from public, imgp_lookup,
    imgp_record, imgp_digest, imgp_repair, imgp_pipeline, imgp_prune;

grant usage on schema pipeline to imgp_lookup, imgp_record, imgp_digest,
    imgp_repair, imgp_pipeline, imgp_prune;
grant execute on function pipeline.version() to imgp_lookup, imgp_record,
    imgp_digest, imgp_repair, imgp_pipeline, imgp_prune;
grant execute on function pipeline.repair(jsonb) to imgp_repair;
grant execute on function pipeline.pipeline_list(jsonb),
    pipeline.pipeline_add(jsonb), pipeline.pipeline_set(jsonb),
    pipeline.pipeline_pause(jsonb), pipeline.pipeline_resume(jsonb),
    pipeline.pipeline_waive(jsonb), pipeline.pipeline_unwaive(jsonb)
    to imgp_pipeline;
grant execute on function pipeline.prune_files(jsonb),
    pipeline.prune_letters(jsonb) to imgp_prune;
grant select on pipeline.upload, pipeline.pending, pipeline.due,
    pipeline.paused, pipeline.busy, pipeline.failed, pipeline.registered
    to imgp_lookup;
grant execute on function pipeline.is_swept(bigint),
    pipeline.is_partial(bigint), pipeline.due_now(boolean, bigint) to imgp_lookup;
grant execute on function pipeline.sweep_make(jsonb) to imgp_lookup,
    imgp_record, imgp_digest;
grant execute on function pipeline.file_start(jsonb),
    pipeline.file_scans(jsonb), pipeline.file_finish(jsonb),
    pipeline.file_renew(jsonb), pipeline.file_release(jsonb),
    pipeline.lookup_failed(jsonb), pipeline.notice_list(jsonb),
    pipeline.notice_done(jsonb), pipeline.page_file(jsonb),
    pipeline.page_scans(jsonb) to imgp_record;
grant execute on function pipeline.error_log(jsonb),
    pipeline.digest_open(jsonb), pipeline.digest_sent(jsonb),
    pipeline.digest_preview(jsonb), pipeline.digest_resend(jsonb),
    pipeline.digest_days(jsonb), pipeline.outbox_put(jsonb),
    pipeline.outbox_take(jsonb), pipeline.outbox_done(jsonb),
    pipeline.outbox_state(jsonb), pipeline.run_end(jsonb),
    pipeline.run_watch(jsonb), pipeline.status(jsonb),
    pipeline.status_files(jsonb), pipeline.status_page(jsonb),
    pipeline.status_upload(jsonb),
    pipeline.verify_uploads(jsonb), pipeline.verify_files(jsonb),
    pipeline.verify_seen(jsonb),
    pipeline.explain(jsonb),
    pipeline.notice_list(jsonb), pipeline.notice_done(jsonb)
    to imgp_digest;
