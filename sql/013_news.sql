-- By which what is new is found without reading what was told long ago.

-- The ends that no digest has, in the order in which digests take them.
create index outcome_undigested on pipeline.outcome (id)
    where digest_id is null and not redelivered and not unseen;
-- Those of a time.
create index outcome_ts on pipeline.outcome (ts);
-- The notices of an upload, be they of a row of it or of a look-up.
drop index pipeline.notice_subjecteventcrffile_id_id_idx;
create index notice_upload on pipeline.notice (subjecteventcrffile_id, id);
