-- What an attempt's end is told with though nothing failed: an array of {"stage",
-- "error_code", "error"}; null: nothing.  has_warning: the delivery has some.
alter table pipeline.outcome add column warnings jsonb;
alter table pipeline.edcpipelinefile add column has_warning boolean not null
    default false;

-- An outcome only ever gets its digest, and a sent digest keeps its files.
create or replace function pipeline.guard_outcome() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if old.digest_id is not null or new.digest_id is null or
	    to_jsonb(new) - 'digest_id' is distinct from
	    to_jsonb(old) - 'digest_id' then
		raise exception 'an outcome changes no more'
		    using errcode = 'IM001';
	end if;
	return new;
end $$;
