-- What imgp-prune asks, and what it takes from a letter (M73, R45)
create function pg_temp.start(upload bigint) returns jsonb language sql as $$
	select pipeline.file_start(jsonb_build_object('pipeline_code', 'image',
	    'run', 'R' || upload, 'subject_event_crf_file_id', upload));
$$;
create function pg_temp.asked(upload bigint) returns text language sql as $$
	select concat_ws(' ', f ->> 'key', f ->> 'held', f ->> 'undelivered')
	from jsonb_array_elements(pipeline.prune_files(jsonb_build_object(
	    'file_names', jsonb_build_array(upload || '.zip')))
	    #> '{data,files}') f;
$$;
create function pg_temp.put(id text, digest bigint default null) returns void
language sql as $$
	select pipeline.outbox_put(jsonb_build_object('message_id', id, 'sender',
	    's@x', 'message', 'm', 'subject', 's', 'body', 'b', 'digest_id', digest,
	    'recipients', jsonb_build_array('a@x')));
	update pipeline.outbox set ts_create = now() - interval '2 days'
	where message_id = $1;
	update pipeline.outboxrecipient r set status = 'sent',
	    ts = now() - interval '2 days' from pipeline.outbox o
	where o.id = r.outbox_id and o.message_id = $1;
$$;
create function pg_temp.pruned(dry boolean) returns text language sql as $$
	select coalesce(string_agg(l ->> 'message_id', ' '), '-')
	from jsonb_array_elements(pipeline.prune_letters(jsonb_build_object(
	    'seconds', 86400, 'dry_run', dry)) #> '{data,letters}') l;
$$;

select is(pipeline.prune_files('{}') #> '{data,pipelines}',
    (select jsonb_agg(code order by code) from pipeline.edcpipeline),
    'the codes of the pipelines');
select is(pg_temp.asked(1201), null, 'a name that no row has');
select pg_temp.start(1201) \g /dev/null
update pipeline.edcpipelinefile set file_name = '1201.zip', file_path = 'q/'
    where subjecteventcrffile_id = 1201;
select is(pg_temp.asked(1201), 'q/1201.zip true true', 'a run has it');
select is(pipeline.prune_files('{"runs": ["R1201", "R1202"]}')
    #> '{data,runs}', '["R1201"]', 'and is at work');
update pipeline.edcpipelinefile set lease_until = now() - interval '50 minutes'
    where subjecteventcrffile_id = 1201;
select is(pg_temp.asked(1201), 'q/1201.zip true true',
    'a lease that ended within the hour');
update pipeline.edcpipelinefile set lease_until = now() - interval '70 minutes'
    where subjecteventcrffile_id = 1201;
select is(pg_temp.asked(1201), 'q/1201.zip false true', 'and before');
select is(pipeline.prune_files('{"runs": ["R1201"]}') #> '{data,runs}', '[]',
    'whose run is over');
savepoint waived;
insert into pipeline.edcpipelinewaiver (edcpipeline_id, subjecteventcrffile_id,
    reason) select id, 1201, 'r' from pipeline.edcpipeline where code = 'image';
select is(pg_temp.asked(1201), 'q/1201.zip false false', 'waived');
rollback to waived;
alter table pipeline.edcpipelinefile disable trigger user;
insert into pipeline.edcpipelinefile (edcpipeline_id, subjecteventcrffile_id,
    revision_number, file_name, file_path, status, ts_finish)
    select edcpipeline_id, 1201, revision_number + 1, 'later.zip', 'q/',
    'Completed', now() from pipeline.edcpipelinefile
    where subjecteventcrffile_id = 1201;
alter table pipeline.edcpipelinefile enable trigger user;
select is(pg_temp.asked(1201), 'q/1201.zip false false',
    'a later revision is delivered');

select pg_temp.put('whole') \g /dev/null
insert into pipeline.digest (id, until) overriding system value
    values (7, now()) \g /dev/null
select pg_temp.put('of an open digest', 7) \g /dev/null
select is(pg_temp.pruned(true), 'whole', 'a letter that came to its end');
select is(pipeline.prune_letters('{"seconds": 86400}') #>>
    '{data,letters,0,bytes}', '2', 'without dry_run nothing is removed either');
select is((select message || body from pipeline.outbox
    where message_id = 'whole'), 'mb', 'it has its text');
select is(pg_temp.pruned(false), 'whole', 'it is pruned');
select is((select message || body from pipeline.outbox
    where message_id = 'whole'), '', 'and has none');
select is(pg_temp.pruned(false), '-', 'once');
select is(pipeline.outbox_put('{"message_id": "whole", "sender": "s@x",
    "message": "m", "subject": "s", "body": "b", "recipients": ["a@x"]}')
    #>> '{data,new}', 'false', 'it is not made again');
update pipeline.digest set ts_sent = now() where id = 7;
savepoint sent;
select is(pipeline.digest_resend('{"digest_id": 7}') #>> '{data,count}', '1',
    'a digest is sent again');
select is(pg_temp.pruned(false), '-', 'its letter is waited for');
rollback to sent;
select is(pg_temp.pruned(false), 'of an open digest', 'a digest that was sent');
select is(pipeline.digest_resend('{"digest_id": 7}') ->> 'error_code',
    'IMGP-CONFIG', 'is not sent again then');
select is(pipeline.prune_letters('{}') ->> 'error_code', 'IMGP-DB-REQUEST',
    'no age');
select is(pipeline.prune_letters('{"seconds": "x"}') ->> 'error_code',
    'IMGP-DB-REQUEST', 'an age that is none');
