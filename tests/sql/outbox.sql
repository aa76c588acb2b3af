-- The outbox of letters, days, runs and their watch (M73, F22, R44-R46)
create function pg_temp.put(id text, variadic who text[]) returns jsonb
language sql as $$
	select pipeline.outbox_put(jsonb_build_object('message_id', id,
	    'sender', 's@x', 'message', 'm of ' || id, 'subject', 's',
	    'body', 'b', 'recipients', who));
$$;
select is(pg_temp.put('m1', 'a@x', 'b@x', 'a@x') #>> '{data,new}', 'true',
    'a letter is kept');
select is(pg_temp.put('m1', 'c@x') #>> '{data,new}', 'false',
    'the same letter is kept once');
select is(pipeline.outbox_put('{"message_id": "m2", "sender": "s@x",
    "message": "m", "recipients": []}') ->> 'error_code', 'IMGP-DB-REQUEST',
    'a letter to nobody is refused');
select pg_temp.put('m3', 'c@x') \g /dev/null
create table pg_temp.t as
    select pipeline.outbox_take('{}') #> '{data,letter}' as l;
select is(l - 'outbox_id' - 'claim' - 'ts_create', '{"message_id": "m1",
    "pipeline_code": null, "readers": null, "sender": "s@x", "message": "m of m1",
    "subject": "s", "body": "b", "recipients": ["a@x", "b@x"]}'::jsonb, 'the oldest letter is taken')
from pg_temp.t;
select is(pipeline.outbox_take(jsonb_build_object('after', l -> 'outbox_id'))
    #>> '{data,letter,message_id}', 'm3', 'and the next after it')
from pg_temp.t;
select is(pipeline.outbox_take('{"run": "r1"}') #>> '{data,letter}', null,
    'both are in hand for a time');
update pipeline.outbox set taken_run = 'r1' where message_id = 'm3';
select is(pipeline.outbox_take('{"run": "r1"}') #>> '{data,letter,message_id}',
    'm3', 'what one of a run had another of it takes at once');
select is((select count(*) from pg_locks where locktype = 'advisory'
    and pid = pg_backend_pid()), 0::bigint, 'no lock of the session is taken');
select pipeline.outbox_done(jsonb_build_object('outbox_id', l -> 'outbox_id',
    'claim', 'another')) from pg_temp.t \g /dev/null
select is((select count(*) from pipeline.outbox where taken_until > now()),
    2::bigint, 'another claim than its own does not give it back');
update pipeline.outbox set taken_until = clock_timestamp()
    where message_id = 'm1';
update pg_temp.t set l = pipeline.outbox_take('{}') #> '{data,letter}';
select is(l ->> 'message_id', 'm1', 'a time that is over frees it')
from pg_temp.t;
select pipeline.outbox_done(jsonb_build_object('outbox_id', l -> 'outbox_id',
    'claim', l -> 'claim', 'results', '[{"address": "a@x", "status": "sent"}, {"address": "b@x",
    "status": "waiting", "error_code": "IMGP-MAIL-UNAVAILABLE",
    "error": "451"}]'::jsonb)) from pg_temp.t \g /dev/null
select is(pipeline.outbox_take('{}') #> '{data,letter,recipients}',
    '["b@x"]'::jsonb, 'who has it does not get it again (R45)');
select pipeline.outbox_done(jsonb_build_object('outbox_id', l -> 'outbox_id',
    'results', '[{"address": "a@x", "status": "waiting"}, {"address": "b@x",
    "status": "refused", "error_code": "IMGP-MAIL-REFUSED",
    "error": "550"}]'::jsonb)) from pg_temp.t \g /dev/null
select is((pipeline.outbox_state('{}') #> '{data,refused,0}') - 'since' - 'ts',
    '{"address": "b@x", "tries": 2, "error_code": "IMGP-MAIL-REFUSED",
    "error": "550"}'::jsonb, 'what was refused is known');
select is(pipeline.outbox_state('{}') #>> '{data,waiting,0,address}', 'c@x',
    'and what waits; what was sent stays sent');
select is(pipeline.outbox_done('{"outbox_id": 1,
    "results": [{"address": "c@x", "status": "lost"}]}') ->> 'success', 'true',
    'results of another letter''s readers change nothing');
select is(pipeline.digest_resend('{"digest_id": 7}') ->> 'error_code',
    'IMGP-DB-REQUEST', 'no letters, nothing to send again');

select is(jsonb_array_length(pipeline.digest_days('{"days": 5,
    "until": "2019-01-18T12:00:00Z"}') #> '{data,days}'), 5, 'a row a day');
select is(pipeline.digest_days('{"days": 5, "until": "2019-01-18T12:00:00Z"}')
    #> '{data,days,4}', '{"day": "2019-01-18", "delivered": 0,
    "with_error": 0, "failed": 0}'::jsonb, 'to the last, empty ones too');

select is(pipeline.run_watch('{"seconds": 3600}') #>> '{data,stale}', 'true',
    'no run ever: stale (F22)');
select pipeline.run_end('{"run": "r1"}') \g /dev/null
select is(pipeline.run_watch('{"seconds": 3600}') #>> '{data,stale}', 'false',
    'a run ended just now: not stale');
update pipeline.run set ts_finish = ts_finish - interval '2 hours';
select is(pipeline.run_watch('{"seconds": 3600}') #>> '{data,stale}', 'true',
    'two hours ago: stale after one');

-- A dead run's letters are free when the next run gives its files back.
select pipeline.outbox_put('{"message_id": "dead", "sender": "s@x", "message": "m",
    "subject": "s", "body": "b", "recipients": ["a@x"]}') \g /dev/null
update pipeline.outbox set taken_until = clock_timestamp() + interval '1 h',
    taken_run = 'dead', claim = gen_random_uuid() where message_id = 'dead';
select pipeline.file_release('{"run": "dead"}') \g /dev/null
select is((select taken_until from pipeline.outbox where message_id = 'dead'), null,
    'a run that is given back holds no letter');
