-- Loaded anew whenever a file of sql/ changed.
--
-- pipeline.upload is the seam to the EDC: a site lays its own view over its EDC
-- schema with "create or replace view", with these columns and types, one row
-- for each upload and pipeline whose ddfiles hold its field (pipeline_code null
-- where none does); revision_number is the upload's current one, source_key the
-- object's key byte for byte, extension with its dot or ''.  After these may
-- come columns with the names of imgp-job(5)'s optional members, and others,
-- which are left alone.  Here only a placeholder without rows is made, and only
-- where there is no such view yet.
do $$
begin
	if to_regclass('pipeline.upload') is null then
		create view pipeline.upload as
		select null::bigint as subject_event_crf_file_id,
			null::text as pipeline_code,
			null::bigint as subject_id,
			null::text as participant_code,
			null::text as event_code,
			null::text as ddcrf_name,
			null::text as ddfile_name,
			null::bigint as subject_event_crf_id,
			null::bigint as revision_number,
			null::text as file_version_code,
			null::text as extension,
			null::text as source_key
		where false;
		comment on view pipeline.upload is 'imgpipe: placeholder';
	end if;
end $$;

-- What is to be delivered: no row Completed or Failed for good, not waived.
-- Paused and busy ones are in it: they are still to be delivered.
create or replace view pipeline.pending as
select u.*
from pipeline.upload u
join pipeline.edcpipeline p on p.code = u.pipeline_code
where not exists (
	select from pipeline.edcpipelinefile f
	where f.edcpipeline_id = p.id
	and f.subjecteventcrffile_id = u.subject_event_crf_file_id
	and f.revision_number = u.revision_number
	and (f.status = 'Completed' or f.failed_for_good))
and not exists (
	select from pipeline.edcpipelinewaiver w
	where w.edcpipeline_id = p.id
	and w.subjecteventcrffile_id = u.subject_event_crf_file_id
	and (w.expires is null or w.expires > now()));
