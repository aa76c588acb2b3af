-- Notices: what the admins are told at least once, and once only (M74)
create function pg_temp.ask(rest text) returns jsonb language sql as $$
	select ('{"pipeline_code": "image", "subject_event_crf_file_id": 1201' ||
	    rest || '}')::jsonb;
$$;
-- An attempt of a run that ends so.
create function pg_temp.attempt(run text, outcome text, code text, final bool)
returns jsonb language plpgsql as $$
declare
	r jsonb := pipeline.file_start(pg_temp.ask(format(', "run": %s, "again": true',
	    to_json(run)))) #> '{data,edc_pipeline_file}';
	req jsonb := jsonb_build_object('edc_pipeline_file_id', r -> 'id',
	    'lease', r -> 'lease') || pg_temp.ask('');
begin
	perform pipeline.file_start(req || '{"file_name": "a.zip",
	    "file_path": "q/"}');
	perform pipeline.file_scans(req || '{"scans": []}');
	req := req || jsonb_build_object('sha256',
	    jsonb_build_object('destination', repeat('c', 64)));
	return pipeline.file_finish(req || jsonb_build_object('status', outcome,
	    'errors', case when code is null then '[]'::jsonb
	    else jsonb_build_array(jsonb_build_object('stage', 'fetch',
	    'error_code', code, 'error', 'said', 'fatal', outcome = 'Failed',
	    'retryable', not final)) end));
end $$;
create function pg_temp.list(rest text) returns jsonb language sql as $$
	select pipeline.notice_list(('{' || rest || '}')::jsonb) #> '{data,notices}';
$$;
create table pg_temp.t as
    select pg_temp.attempt('r1', 'Failed', 'IMGP-STORE-NOT-FOUND', false) as a;
select is(a #>> '{data,notice,known}', 'false', 'a first failure is news') from pg_temp.t;
select is(a #>> '{data,edc_pipeline_file,ended}' is not null, true,
    'the answer has the lease that ended') from pg_temp.t;
select is(jsonb_array_length(pg_temp.list('"run": "r1"')), 1,
    'it is noted in the transaction that ends the attempt');
select is(jsonb_array_length(pg_temp.list('"run": "r1", "pipelines": ' || p)), n,
    'to who is limited to the pipelines ' || p)
from (values ('["none"]', 0), ('["none", "image"]', 1)) v(p, n);
select is(pipeline.notice_done(jsonb_build_object('pipelines', '["none"]'::jsonb,
    'logged', (select jsonb_agg(id) from pipeline.notice))) ->> 'error_code',
    'IMGP-API-DENIED', 'who may mark no other''s as done');
select is(pg_temp.list(format('"run": "r1", "after": %s',
    a #>> '{data,notice,id}')), '[]', 'after it there is none') from pg_temp.t;
select is(n - 'job', '{"run": "r1", "mail": true, "log": true}',
    'mail and error log are missing') from jsonb_array_elements(
    pg_temp.list('"run": "r1"')) n;
select is(n #> '{job,errors,0}', '{"stage": "fetch", "class": "notfound",
    "error_code": "IMGP-STORE-NOT-FOUND", "error": "said", "fatal": true,
    "retryable": true, "attempt": 1}', 'it is told as a job line tells it')
    from jsonb_array_elements(pg_temp.list('"run": "r1"')) n;
select is(jsonb_array_length(pg_temp.list('"run": "r2"')), 0,
    'another run''s own list has it not');
create function pg_temp.others(run text) returns jsonb language sql as $$
	select pipeline.notice_list(jsonb_build_object('run', run, 'others', true))
	    #> '{data,runs}';
$$;
select is(pg_temp.others('r2'), '["r1"]', 'but its list of runs that are over');
select pipeline.file_start('{"pipeline_code": "image", "run": "r1",
    "subject_event_crf_file_id": 1202}') \g /dev/null
select is(pg_temp.others('r2'), '[]',
    'unless that run still holds a lease');
select pipeline.file_release('{"run": "r1"}') \g /dev/null

-- The letter and its notices are one.
create function pg_temp.put(id text) returns jsonb language sql as $$
	select pipeline.outbox_put(jsonb_build_object('message_id', id,
	    'sender', 's@x', 'message', 'm', 'subject', 's', 'body', 'b',
	    'recipients', array['a@x'], 'notices', array[a #> '{data,notice,id}']))
	from pg_temp.t;
$$;
select is(pg_temp.put('m1') ->> 'success', 'true', 'a letter tells of it');
select is(pg_temp.put('m1') #>> '{data,new}', 'false', 'asked again it is the same');
select is(pg_temp.put('m2') ->> 'error_code', 'IMGP-DB-FENCED',
    'another letter does not tell of it');
select is((select count(*) from pipeline.outbox where message_id = 'm2'),
    0::bigint, 'and is not kept');
select is(n - 'job', '{"run": "r1", "mail": false, "log": true}',
    'its log is still missing') from jsonb_array_elements(
    pg_temp.list('"run": "r1"')) n;
select pipeline.notice_done(jsonb_build_object('logged',
    jsonb_build_array(a #> '{data,notice,id}'))) from pg_temp.t \g /dev/null
select is(pg_temp.list('"run": "r1"'), '[]', 'until it is written');

-- The same fault is not news, another one is.
select is(pg_temp.attempt('r2', 'Failed', 'IMGP-STORE-NOT-FOUND', false) #>>
    '{data,notice,known}', 'true', 'the same fault again is known');
select is(n - 'job', '{"run": "r2", "mail": false, "log": true}',
    'no mail, but its error log') from jsonb_array_elements(
    pg_temp.list('"run": "r2"')) n;
select is((pipeline.notice_still() -> 0) - 'since',
    '{"pipeline_code": "image", "files": 1}', 'it is still failing');
select is(pg_temp.attempt('r3', 'Failed', 'IMGP-STORE-NOT-FOUND', true) #>>
    '{data,notice,known}', 'false', 'failed for good now: that is news');
select is(pg_temp.attempt('r4', 'Failed', 'IMGP-SOURCE-CHANGED', true) #>>
    '{data,notice,known}', 'false', 'so is another code');
select is(pg_temp.attempt('r5', 'Completed', null, false) #>
    '{data,notice,id}' is not null, true, 'a delivery after failures is noted');
select is(n - 'job', '{"run": "r5", "mail": false, "log": true}',
    'for its error log alone') from jsonb_array_elements(
    pg_temp.list('"run": "r5"')) n;
select is(pipeline.notice_still(), '[]', 'and nothing is still failing');


-- One code after the other and back again: both were told.
create function pg_temp.fails(run text, code text) returns text
language sql as $$
	with c as (select pipeline.file_start(jsonb_build_object('pipeline_code',
	    'image', 'run', run, 'subject_event_crf_file_id', 1203)) #>
	    '{data,edc_pipeline_file}' as r)
	select pipeline.file_finish(jsonb_build_object('edc_pipeline_file_id',
	    r -> 'id', 'lease', r -> 'lease', 'pipeline_code', 'image',
	    'subject_event_crf_file_id', 1203, 'status', 'Failed', 'errors',
	    jsonb_build_array(jsonb_build_object('stage', 'fetch', 'error_code',
	    code, 'error', 'said', 'fatal', true)))) #>> '{data,notice,known}'
	from c;
$$;
select is(array[pg_temp.fails('r1', 'IMGP-STORE-NOT-FOUND'),
    pg_temp.fails('r2', 'IMGP-STORE-DENIED'),
    pg_temp.fails('r3', 'IMGP-STORE-NOT-FOUND'),
    pg_temp.fails('r4', 'IMGP-STORE-DENIED')], '{false,false,true,true}',
    'faults that come in turn are told once each');
select is((pipeline.notice_still() -> 0) ->> 'since', pipeline.utc(n.ts),
    'still failing since the first of them')
    from pipeline.notice n where subjecteventcrffile_id = 1203
    order by id limit 1;

-- Look-ups.
create function pg_temp.unfound(run text, code text) returns jsonb
language sql as $$
	select pipeline.lookup_failed(jsonb_build_object('run', run,
	    'subject_event_crf_file_id', 1299, 'errors', jsonb_build_array(
	    jsonb_build_object('stage', 'lookup', 'error_code', code,
	    'error', 'none', 'fatal', true, 'retryable', true))));
$$;
select is(pg_temp.unfound('r1', 'IMGP-LOOKUP-NOT-FOUND') #>>
    '{data,notice,known}', 'false', 'a failed look-up is noted');
select is(pg_temp.unfound('r1', 'IMGP-LOOKUP-NOT-FOUND') #>
    '{data,notice,id}', pg_temp.unfound('r1', 'IMGP-LOOKUP-NOT-FOUND') #>
    '{data,notice,id}', 'once a run');
select is(pg_temp.unfound('r2', 'IMGP-LOOKUP-NOT-FOUND') #>>
    '{data,notice,known}', 'true', 'and is known to the next');
select is(pg_temp.unfound('r3', 'IMGP-LOOKUP-DATA') #>> '{data,notice,known}',
    'false', 'unless it changes');
select is(pipeline.lookup_failed('{"run": "r", "errors": [{}]}') ->> 'error_code',
    'IMGP-DB-REQUEST', 'one of no upload is refused');
select is(pg_temp.unfound('r4', 'IMGP-LOOKUP-NOT-FOUND') #>> '{data,notice,known}',
    'true', 'a code that was told already is known, whatever came between');
select is(n - 'job', '{"run": "r4", "mail": false, "log": true}',
    'and not mailed') from jsonb_array_elements(pg_temp.list('"run": "r4"')) n
    where (n #> '{job,subject_event_crf_file_id}')::bigint = 1299;
select is(pipeline.notice_done('{"told": [1]}') ->> 'error_code',
    'IMGP-DB-REQUEST', 'told by no letter is refused');
select is(pipeline.digest_open('{}') #> '{data,files}' @> '[{"status": "Failed",
    "subject_event_crf_file_id": 1299, "error_code": "IMGP-LOOKUP-NOT-FOUND"}]',
    true, 'the digest counts it, once');
select is(pipeline.digest_open('{}') #>> '{data,counts,failed}', '2',
    'with what failed');
select is(pipeline.error_log(jsonb_build_object('edc_pipeline_file_id',
    a #> '{data,edc_pipeline_file,id}', 'lease', 1)) ->> 'error_code',
    'IMGP-DB-FENCED', 'an error log is not told to who knows no lease of the row')
    from pg_temp.t;
