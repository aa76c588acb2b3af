-- What a request asks with and how it is answered: (jsonb) returns jsonb, in the
-- API's envelope {"success", "error_code", "error", "data"}.  This and the other files
-- of functions are loaded anew whenever a file of sql/ changed.
--
-- Each function may be called twice with the same request: the second answer is the
-- first, and no row is made or changed by it (M51).  A refused request is answered
-- with success false and a code of the error dictionary; only an error that has
-- nothing to do with the request (a lost connection, a deadlock, a missing right) is
-- raised.
--
-- The roles call pipeline.NAME(jsonb), which 119_calls.sql makes of each
-- do_NAME(jsonb) here and in the files behind: it runs with the owner's rights and a
-- fixed search_path, and answers with what was refused.  All other functions are
-- called from there alone.

create or replace function pipeline.version() returns integer
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
	select max(version) from pipeline.schema_version;
$$;

-- Refuse a request: 119_calls.sql answers with it.
create or replace function pipeline.deny(code text, error text) returns void
language plpgsql as $$
begin
	raise exception using errcode = 'IM002', message = error, detail = code;
end $$;

create or replace function pipeline.answer(data jsonb) returns jsonb
language sql immutable as $$
	select jsonb_build_object('success', true, 'data', data);
$$;

-- The answer for a caught error.  It never contains a value: a data error is told by
-- its SQLSTATE, a broken constraint by its name.
create or replace function pipeline.denied(state text, code text, error text)
returns jsonb language sql immutable as $$
	select jsonb_build_object('success', false,
	    'error_code', case state when 'IM001' then 'IMGP-DB-STATE'
	        when 'IM002' then code else 'IMGP-DB-REQUEST' end,
	    'error', case when left(state, 2) = '22'
	        then 'a value of the request is not usable (SQLSTATE ' || state || ')'
	        else error end,
	    'data', null);
$$;

create or replace function pipeline.utc(t timestamptz) returns text
language sql immutable as $$
	select to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
$$;

-- An integer member of a request, null when it is not there or null.
create or replace function pipeline.want_int(req jsonb, name text)
returns bigint language plpgsql immutable as $$
declare
	n numeric;
begin
	if coalesce(jsonb_typeof(req -> name), 'null') = 'null' then
		return null;
	end if;
	if jsonb_typeof(req -> name) = 'number' then
		n := (req ->> name)::numeric;
		if n = trunc(n) and n between -9223372036854775808
		    and 9223372036854775807 then
			return n::bigint;
		end if;
	end if;
	perform pipeline.deny('IMGP-DB-REQUEST', name || ' is not an integer');
end $$;

create or replace function pipeline.want_text(req jsonb, name text)
returns text language plpgsql immutable as $$
begin
	if coalesce(jsonb_typeof(req -> name), 'null') = 'null' then
		return null;
	end if;
	if jsonb_typeof(req -> name) <> 'string' then
		perform pipeline.deny('IMGP-DB-REQUEST', name || ' is not a string');
	end if;
	return req ->> name;
end $$;

create or replace function pipeline.want_bool(req jsonb, name text)
returns boolean language plpgsql immutable as $$
begin
	if coalesce(jsonb_typeof(req -> name), 'null') = 'null' then
		return null;
	end if;
	if jsonb_typeof(req -> name) <> 'boolean' then
		perform pipeline.deny('IMGP-DB-REQUEST',
		    name || ' is neither true nor false');
	end if;
	return (req -> name)::boolean;
end $$;

-- The row's id; the page's spelling of it is read as well (M45).
create or replace function pipeline.want_file_id(req jsonb) returns bigint
language sql immutable as $$
	select coalesce(pipeline.want_int(req, 'edc_pipeline_file_id'),
	    pipeline.want_int(req, 'edc_pipieline_file_id'));
$$;

-- The statuses in any of the page's spellings (M41); null for null.
create or replace function pipeline.want_status(req jsonb) returns text
language plpgsql immutable as $$
declare
	s text := lower(translate(pipeline.want_text(req, 'status'), '_', ' '));
begin
	return case
	    when s is null then null
	    when s = 'started' then 'Started'
	    when s = 'in progress' then 'In Progress'
	    when s in ('completed', 'done') then 'Completed'
	    when s in ('failed', 'error') then 'Failed'
	    else (select 'x' from pipeline.deny('IMGP-DB-REQUEST',
	        'no such status')) end;
end $$;

-- The run of a request that names no row.
create or replace function pipeline.want_run(req jsonb) returns text
language plpgsql as $$
declare
	run text := pipeline.want_text(req, 'run');
begin
	if run is null then
		perform pipeline.deny('IMGP-DB-REQUEST', 'no row and no run');
	end if;
	return run;
end $$;

-- Whether a request may ask for what is of this pipeline: "pipelines" (codes) are
-- those it is limited to; null: it is not.
create or replace function pipeline.is_allowed(code text, req jsonb)
returns boolean language sql immutable as $$
	select coalesce(jsonb_typeof(req -> 'pipelines'), 'null') = 'null' or
	    coalesce(req -> 'pipelines' ? code, false);
$$;
