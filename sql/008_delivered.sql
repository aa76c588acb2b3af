-- What a digest says of a file is what the run knew when the attempt ended, not what
-- the EDC says by then.  Null in rows from before, and where the EDC has none.
alter table pipeline.outcome
	add column participant_code text,
	add column event_code text;

-- Whose letter it is: each may have a carrier of its own.  Null in letters from
-- before.
alter table pipeline.outbox
	add column readers text check (readers in ('labs', 'admins'));

-- Where the error log was written: later ones of the same file replace it there,
-- whatever the settings say by then.
alter table pipeline.notice add column log_key text;
