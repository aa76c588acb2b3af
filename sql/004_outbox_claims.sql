-- Who sends a letter has it until a certain time; no session holds anything.
alter table pipeline.outbox add column taken_until timestamptz;
alter table pipeline.outbox add column taken_run text;	-- null: no run's process
alter table pipeline.outbox add column claim uuid;	-- of the one who has it
drop function if exists pipeline.outbox_key(bigint);
