-- What holds for the rows of pipeline.edcpipelinefile, whoever writes them.  SQLSTATE
-- IM001 is a refused change.
create or replace function pipeline.guard_file() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
	if tg_op = 'INSERT' then
		if new.status <> 'Started' then
			raise exception 'a file begins as Started, not as %', new.status
			    using errcode = 'IM001';
		end if;
		return new;
	end if;
	-- Completed is left by a repair alone, which changes nothing else.
	if old.status = 'Completed' and new.status = 'Failed' and
	    not new.failed_for_good and (new.lease, new.attempt, new.ts_finish,
	    new.sha256_source, new.sha256_destination) is not distinct from
	    (old.lease, old.attempt, old.ts_finish, old.sha256_source,
	    old.sha256_destination) and exists (
	    select from pipeline.repair r where r.edcpipelinefile_id = old.id
	    and r.lease = old.lease) then
		return new;
	end if;
	if old.status = 'Completed' then
		raise exception 'file % is Completed: it changes no more', old.id
		    using errcode = 'IM001';
	end if;
	if (new.id, new.edcpipeline_id, new.subjecteventcrffile_id,
	    new.revision_number, new.ts_create) is distinct from
	    (old.id, old.edcpipeline_id, old.subjecteventcrffile_id,
	    old.revision_number, old.ts_create) or
	    (old.file_name is not null and (new.file_name, new.file_path)
	    is distinct from (old.file_name, old.file_path) and
	    -- Opened again after it disagreed with the EDC, before any series
	    -- of it was known, it gets a name anew.
	    not coalesce(new.file_name is null and
	        new.reopened > old.reopened and
	        (old.error_code like 'IMGP-CHECK-%' or
	        old.error_code = 'IMGP-NAME-PARTICIPANT') and not exists (
	        select from pipeline.edcpipelinefiledicom d
	        where d.edcpipelinefile_id = old.id), false)) then
		raise exception 'file % keeps its key, time and name', old.id
		    using errcode = 'IM001';
	end if;
	if new.reopened < old.reopened then
		raise exception 'file %: reopened only grows', old.id
		    using errcode = 'IM001';
	end if;
	-- Failed is left for a new attempt alone; Completed is reached from In
	-- Progress alone.
	if new.status <> old.status and not (case old.status
	    when 'Started' then new.status in ('In Progress', 'Failed')
	    when 'In Progress' then true
	    when 'Failed' then new.status = 'Started' and new.lease <> old.lease
	        and (not old.failed_for_good or new.reopened > old.reopened)
	    else false end) then
		raise exception 'file % does not go from % to %', old.id,
		    old.status, new.status using errcode = 'IM001';
	end if;
	if old.status = 'In Progress' and new.status = 'Started' and
	    new.lease = old.lease then
		raise exception 'file % is started again by a new claim alone',
		    old.id using errcode = 'IM001';
	end if;
	if old.status = 'Failed' and new.status = 'Failed' and
	    (new.failed_for_good, new.has_error, new.error_code, new.lease)
	    is distinct from (old.failed_for_good, old.has_error,
	    old.error_code, old.lease) then
		raise exception 'file % has failed: what it failed of stays',
		    old.id using errcode = 'IM001';
	end if;
	return new;
end $$;

-- Up to version 4 of the schema leases were counted.
drop sequence if exists pipeline.lease_no;
