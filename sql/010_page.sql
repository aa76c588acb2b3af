-- A delivery that a client of the design page's API told of, without the sum of what
-- it delivered: no digest tells the labs of it until imgp-verify(1) has seen its
-- object.
alter table pipeline.outcome add column unseen boolean not null default false;

-- An outcome only ever gets its digest, and is seen; a sent digest keeps its files.
create or replace function pipeline.guard_outcome() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
	if to_jsonb(new) - 'digest_id' - 'unseen' is distinct from
	    to_jsonb(old) - 'digest_id' - 'unseen' or
	    (new.unseen and not old.unseen) or
	    (new.digest_id is distinct from old.digest_id and
	    (old.digest_id is not null or new.unseen)) or
	    (new.digest_id is not distinct from old.digest_id and
	    new.unseen = old.unseen) then
		raise exception 'an outcome changes no more'
		    using errcode = 'IM001';
	end if;
	return new;
end $$;
