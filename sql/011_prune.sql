-- A letter that came to its end may lose its text (imgp-prune(1)).  The row stays: who
-- got it when is known, and the same letter is not made once more.
alter table pipeline.outbox
	add column ts_prune timestamptz,	-- null: it has its text
	add constraint pruned_is_empty check
	    (ts_prune is null or (message = '' and body = ''));
