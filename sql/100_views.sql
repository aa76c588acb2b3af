-- Loaded anew whenever a file of sql/ changed.
--
-- pipeline.upload is the seam to the EDC: a site lays its own view over its EDC
-- schema with "create or replace view", with these columns and types, one row
-- for each upload and pipeline whose ddfiles hold its field (pipeline_code null
-- where none does); revision_number is the upload's current one, source_key the
-- object's key byte for byte, extension with its dot or ''.  After these may
-- come columns with the names of imgp-job(5)'s optional members; "ts_change
-- timestamptz", with an index below it: when the upload last changed, null where
-- never (101_sweep.sql); and others, which are left alone.
--
-- Here a view without rows is made, where there is none yet.
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

-- The waivers that count now.
create or replace view pipeline.waived as
select w.edcpipeline_id, w.subjecteventcrffile_id
from pipeline.edcpipelinewaiver w
where w.expires is null or w.expires > clock_timestamp();

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
	select from pipeline.waived w where w.edcpipeline_id = p.id
	and w.subjecteventcrffile_id = u.subject_event_crf_file_id);

-- The rows that failed, though not for good, by a fault of the upload's own: how often
-- they did so, and when the last time.  IMGP-STORE-INTEGRITY counts as its own, as the
-- next run mostly finds the same bytes and metadata.
create or replace view pipeline.failing as
select f.edcpipeline_id, p.code as pipeline_code, f.subjecteventcrffile_id,
    f.revision_number, f.ts_finish as ts,
    (select count(*) from pipeline.outcome o
	left join pipeline.error_code c on c.code = o.error_code
	where o.edcpipelinefile_id = f.id and o.status = 'Failed'
	and (coalesce(c.owner, 'upload') = 'upload'
	    or c.code = 'IMGP-STORE-INTEGRITY')) as failures
from pipeline.edcpipelinefile f
join pipeline.edcpipeline p on p.id = f.edcpipeline_id
left join pipeline.error_code c on c.code = f.error_code
where f.status = 'Failed' and not f.failed_for_good
and (coalesce(c.owner, 'upload') = 'upload' or c.code = 'IMGP-STORE-INTEGRITY');

-- The look-ups that failed so.
create or replace view pipeline.failing_lookup as
select l.pipeline_code, l.subjecteventcrffile_id, l.ts, l.failures
from pipeline.lookupfailure l
left join pipeline.error_code c on c.code = l.error_code
where coalesce(c.owner, 'upload') = 'upload';

-- What no run would start now, and imgp-lookup --pending leaves out: all of a paused
-- pipeline (as pipeline.is_paused() has it), and the rows that a run has.
create or replace view pipeline.paused as
select p.code as pipeline_code
from pipeline.edcpipeline p
where p.paused and (p.paused_until is null or p.paused_until > clock_timestamp());

create or replace view pipeline.busy as
select p.code as pipeline_code, f.subjecteventcrffile_id
from pipeline.edcpipelinefile f
join pipeline.edcpipeline p on p.id = f.edcpipeline_id
where f.status <> 'Completed' and f.lease_until > clock_timestamp();

-- What imgp-lookup --pending takes from: all of pipeline.pending, with how often
-- each failed by a fault of its own (null: the last failure was not its own, or
-- there was none) and when it last did.  Where opened is true it
-- failed for good by a fault that was ours or a service's, by today's dictionary.
-- Where late is true it has failed before, for any reason, a later attempt that was
-- given up notwithstanding: it goes last, so that a trouble of this one upload holds
-- up no other.
create or replace view pipeline.due as
select u.subject_event_crf_file_id, u.pipeline_code, false as opened,
    greatest(own.failures, l.failures) as failures,
    greatest(own.ts, l.ts) as ts,
    exists (select from pipeline.edcpipelinefile f
	join pipeline.edcpipeline p on p.id = f.edcpipeline_id
	join pipeline.outcome o on o.edcpipelinefile_id = f.id
	where p.code = u.pipeline_code and o.status = 'Failed'
	and f.subjecteventcrffile_id = u.subject_event_crf_file_id
	and f.revision_number = u.revision_number) as late
from pipeline.pending u
left join pipeline.failing own on own.pipeline_code = u.pipeline_code
    and own.subjecteventcrffile_id = u.subject_event_crf_file_id
    and own.revision_number = u.revision_number
left join pipeline.failing_lookup l on l.pipeline_code = u.pipeline_code
    and l.subjecteventcrffile_id = u.subject_event_crf_file_id
union all
select u.subject_event_crf_file_id, u.pipeline_code, true, null, null, true
from pipeline.edcpipelinefile f
join pipeline.edcpipeline p on p.id = f.edcpipeline_id
join pipeline.upload u on u.pipeline_code = p.code
    and u.subject_event_crf_file_id = f.subjecteventcrffile_id
    and u.revision_number = f.revision_number
where f.status = 'Failed' and f.failed_for_good
and exists (select from pipeline.edcpipelinefileerrorlog e
	join pipeline.error_code c on c.code = e.error_code
	where e.edcpipelinefile_id = f.id and e.attempt = f.attempt
	and e.run is not distinct from f.run and e.fatal
	and c.owner in ('ours', 'service'))
and not exists (
	select from pipeline.waived w where w.edcpipeline_id = p.id
	and w.subjecteventcrffile_id = u.subject_event_crf_file_id);

-- What imgp-lookup --failed takes from: every upload whose row is Failed, for good or
-- not, with the error that it failed of, unless it is waived.
create or replace view pipeline.failed as
select u.subject_event_crf_file_id, u.pipeline_code, f.error_code
from pipeline.edcpipelinefile f
join pipeline.edcpipeline p on p.id = f.edcpipeline_id
join pipeline.upload u on u.pipeline_code = p.code
    and u.subject_event_crf_file_id = f.subjecteventcrffile_id
    and u.revision_number = f.revision_number
where f.status = 'Failed'
and not exists (
	select from pipeline.waived w where w.edcpipeline_id = p.id
	and w.subjecteventcrffile_id = u.subject_event_crf_file_id);

-- The pipelines there are, for imgp-lookup, which sees no table.
create or replace view pipeline.registered as
select code from pipeline.edcpipeline;
