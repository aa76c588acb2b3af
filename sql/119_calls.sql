-- What the roles call: for each function do_NAME(jsonb), pipeline.NAME(jsonb) with
-- the owner's rights and a fixed search_path.  It answers a refused request, or a
-- value that cannot be used, in the envelope; all other errors it passes on.
do $calls$
declare
	f record;
begin
	for f in select p.oid, substr(p.proname, 4) as name,
	    case p.provolatile when 's' then 'stable' else 'volatile' end as kind
	    from pg_catalog.pg_proc p
	    where p.pronamespace = 'pipeline'::regnamespace
	    and p.proname like 'do\_%' and p.pronargs = 1
	loop
		execute format($call$
create or replace function pipeline.%1$I(req jsonb) returns jsonb
language plpgsql %2$s security definer
set search_path = pg_catalog, pg_temp as $body$
declare
	code text;
begin
	return pipeline.do_%1$s(req);
exception when sqlstate 'IM001' or sqlstate 'IM002' or data_exception or
    integrity_constraint_violation then
	get stacked diagnostics code = pg_exception_detail;
	return pipeline.denied(sqlstate, code, sqlerrm);
end $body$
		$call$, f.name, f.kind);
	end loop;
end $calls$;
