-- States, leases and names of a file (M37, M41-M44, M51, R7)

create function pg_temp.start(more text default '') returns jsonb
language sql as $$
	select pipeline.file_start(('{"pipeline_code": "image",
	    "subject_event_crf_file_id": 1201, "revision_number": 1'
	    || more || '}')::jsonb);
$$;
create function pg_temp.row(answer jsonb) returns jsonb language sql as $$
	select answer #> '{data,edc_pipeline_file}';
$$;
create table pg_temp.a (name text primary key, answer jsonb);

-- claim
insert into pg_temp.a values ('first', pg_temp.start(', "run": "A", "claim": "1"'));
select is(pg_temp.row(answer) - '{id,lease,ts_create}'::text[],
    '{"status": "Started", "has_error": false, "file_name": null,
    "file_path": null, "revision_number": 1, "attempt": 1}'::jsonb,
    'start makes a row, Started, attempt 1 counted') from pg_temp.a;
select ok((pg_temp.row(answer) ->> 'lease')::bigint > 0, 'and gives a lease')
    from pg_temp.a;
select matches(pg_temp.row(answer) ->> 'ts_create',
    '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$', 'ts_create is UTC, to the second')
    from pg_temp.a;
select is(pg_temp.start(', "run": "A", "claim": "1"'), answer,
    'the same request again: the same answer (M51)') from pg_temp.a;
select is(pg_temp.row(pg_temp.start(', "run": "A", "claim": "2"')) -> 'lease',
    'null'::jsonb, 'another claim of the same run gets no lease');
select is(pg_temp.row(pg_temp.start(', "run": "B", "claim": "3"')) -> 'lease',
    'null'::jsonb, 'nor does another run');
select is((select count(*) from pipeline.edcpipelinefile), 1::bigint,
    'there is one row');
select is((select attempt from pipeline.edcpipelinefile), 1,
    'and one attempt');

-- names
create function pg_temp.lease() returns bigint language sql as
    'select lease from pipeline.edcpipelinefile';
create function pg_temp.ask(more text) returns jsonb language sql as $$
	select ('{"edc_pipeline_file_id": ' || id || ', "pipeline_code": "image",
	    "subject_event_crf_file_id": 1201, "lease": ' || lease || more
	    || '}')::jsonb from pipeline.edcpipelinefile;
$$;
select is(pg_temp.row(pipeline.file_start(pg_temp.ask(
    ', "file_name": "a.zip", "file_path": "q/"'))) ->> 'file_name', 'a.zip',
    'start with the id stores the names');
select is(pg_temp.row(pipeline.file_start(pg_temp.ask(
    ', "file_name": "b.zip", "file_path": "q/"'))) ->> 'file_name', 'a.zip',
    'a stored name is kept (M14)');
select throws_ok($$update pipeline.edcpipelinefile set file_name = 'c'$$,
    'IM001', null, 'whoever writes');
select is(pipeline.file_start(jsonb_build_object('edc_pipieline_file_id',
    (select id from pipeline.edcpipelinefile), 'lease', pg_temp.lease()) ||
    '{"pipeline_code": "image", "subject_event_crf_file_id": 1201}')
    ->> 'success', 'true', 'the page''s spelling of the id is read (M45)');

-- A request of a row names its upload and pipeline, and both are compared.
select is(pipeline.file_renew(pg_temp.ask('') - m) ->> 'error_code',
    'IMGP-DB-REQUEST', 'a request without ' || m || ' is refused')
from unnest(array['pipeline_code', 'subject_event_crf_file_id']) m;
select is(pipeline.file_renew(pg_temp.ask('') || m) ->> 'error_code',
    'IMGP-DB-FENCED', 'one that names another, too: ' || m::text)
from unnest(array['{"pipeline_code": "none"}',
    '{"subject_event_crf_file_id": 1202}']::jsonb[]) m;

-- leases
select ok(count(distinct l) = 1000 and min(l) > 0 and max(l) < 2::numeric ^ 53 and
    max(l) > 2::numeric ^ 52, 'a lease is a random number below 2^53')
from (select pipeline.new_lease() as l from generate_series(1, 1000)) n;
savepoint upgrade;
update pipeline.edcpipelinefile set lease = 17;
select is(pipeline.file_renew(pg_temp.ask('')) ->> 'success', 'true',
    'one that an older release gave stays good');
rollback to upgrade;

-- fencing
select is(pipeline.file_finish(pg_temp.ask('') || '{"lease": 0,
    "status": "Failed"}') ->> 'error_code', 'IMGP-DB-FENCED',
    'finish with another lease is fenced (R7)');
select is(pipeline.file_scans(pg_temp.ask('') || '{"lease": 999999,
    "scans": []}') ->> 'error_code', 'IMGP-DB-FENCED', 'scans too');
select is(pipeline.file_scans(pg_temp.ask(', "subject_event_crf_file_id": 1202,
    "scans": []')) ->> 'error_code', 'IMGP-DB-FENCED',
    'the right id for another upload is fenced (R16)');
select is(pipeline.file_renew(pg_temp.ask('') || '{"lease": 0}')
    ->> 'error_code', 'IMGP-DB-FENCED', 'renew too');

-- a lease that is over
update pipeline.edcpipelinefile set lease_until = now() - interval '1 s';
select is(pipeline.file_renew(pg_temp.ask('')) ->> 'success', 'true',
    'a lease that ran out and was not taken is renewed');
update pipeline.edcpipelinefile set lease_until = now() - interval '1 s';
insert into pg_temp.a values ('taken', pg_temp.start(', "run": "B", "claim": "4"'));
select is(pg_temp.row(answer) ->> 'attempt', '2',
    'another run takes it over: attempt 2') from pg_temp.a where name = 'taken';
select cmp_ok((b.answer #>> '{data,edc_pipeline_file,lease}')::bigint, '<>',
    (a.answer #>> '{data,edc_pipeline_file,lease}')::bigint, 'the lease is another')
    from pg_temp.a a, pg_temp.a b where a.name = 'first' and b.name = 'taken';
select is(pipeline.file_finish(pg_temp.ask('') || jsonb_build_object('lease',
    answer #> '{data,edc_pipeline_file,lease}', 'status', 'Failed'))
    ->> 'error_code', 'IMGP-DB-FENCED', 'the one that slept is fenced (R7)')
    from pg_temp.a where name = 'first';

-- finish
select is(pipeline.file_finish(pg_temp.ask(', "status": "Completed"'))
    ->> 'error_code', 'IMGP-DB-STATE',
    'Completed is not reached without scans (M41)');
select is(pipeline.file_scans(pg_temp.ask(', "scans": []'))
    #>> '{data,edc_pipeline_file,status}', 'In Progress',
    'scans: In Progress, with no scan too (M28)');
select is(pipeline.file_finish(pg_temp.ask(', "status": "Completed", "errors":
    [{"stage": "fetch", "error_code": "IMGP-STORE-UNAVAILABLE", "error": "x",
    "fatal": true, "retryable": true}]')) ->> 'error_code', 'IMGP-DB-REQUEST',
    'nothing with a fatal error is Completed (M42)');
select is(pipeline.file_finish(pg_temp.ask(', "status": "started"'))
    ->> 'error_code', 'IMGP-DB-REQUEST', 'Started is no end');
select is(pipeline.file_finish(pg_temp.ask(', "status": "no"')) ->> 'error_code',
    'IMGP-DB-REQUEST', 'an unknown status is refused');
insert into pg_temp.a values ('failed', pipeline.file_finish(pg_temp.ask(
    ', "status": "error", "errors": [{"stage": "fetch",
    "error_code": "IMGP-STORE-UNAVAILABLE", "error": "x", "fatal": true,
    "retryable": true}]')));
select is(pg_temp.row(answer) - '{id,ts_create,ended}'::text[], '{"status": "Failed",
    "has_error": true, "file_name": "a.zip", "file_path": "q/",
    "revision_number": 1, "attempt": 2, "lease": null}'::jsonb,
    '"error" is Failed, which implies has_error (M41, M43)')
    from pg_temp.a where name = 'failed';
select is(pipeline.file_finish(pg_temp.ask(', "status": "Failed", "errors":
    [{"stage": "fetch", "error_code": "IMGP-STORE-UNAVAILABLE", "error": "x"}]')), answer,
    'finish again: the same answer (M51)') from pg_temp.a where name = 'failed';
select is((select count(*) from pipeline.edcpipelinefileerrorlog), 1::bigint,
    'and no second row in the error log');
select is(pipeline.file_finish(pg_temp.ask(', "status": "done"'))
    ->> 'error_code', 'IMGP-DB-STATE', 'Failed does not become Completed');
select is(pipeline.file_scans(pg_temp.ask(', "scans": []')) ->> 'error_code',
    'IMGP-DB-STATE', 'nor In Progress');

-- failed by what may go away: open
select is(pg_temp.row(pg_temp.start(', "run": "C"')) - '{id,ts_create,lease}'::text[],
    '{"status": "Started", "has_error": false, "file_name": "a.zip",
    "file_path": "q/", "revision_number": 1, "attempt": 3}'::jsonb,
    'start opens what failed retryably; the name stays');
select is(pipeline.file_start(pg_temp.ask('')) ->> 'success', 'true',
    'without a claim the run is what is known');
select is(pipeline.file_finish(pg_temp.ask(', "status": "Failed", "errors":
    [{"stage": "start", "error_code": "IMGP-NAME-INVALID", "error": "x",
    "fatal": true}]')) ->> 'success', 'true',
    'what is not said of an error comes from the dictionary');
select ok((select failed_for_good from pipeline.edcpipelinefile),
    'a permanent error is for good');

-- failed for good
insert into pg_temp.a values ('closed', pg_temp.start(', "run": "D"'));
select is(pg_temp.row(answer) - '{id,ts_create}'::text[], '{"status": "Failed",
    "has_error": true, "file_name": "a.zip", "file_path": "q/",
    "revision_number": 1, "attempt": 3, "lease": null}'::jsonb,
    'start leaves it closed') from pg_temp.a where name = 'closed';
select throws_ok($$update pipeline.edcpipelinefile set status = 'Started',
    has_error = false, failed_for_good = false, ts_finish = null,
    lease = lease + 1$$, 'IM001', null, 'a new lease alone does not open it');
select throws_ok($$update pipeline.edcpipelinefile set status = 'Completed'$$,
    'IM001', null, 'nor can it be made Completed');
select is(pg_temp.row(pg_temp.start(', "run": "D", "again": true')) ->> 'status',
    'Started', 'start --again opens it');

-- release
select is(pipeline.file_release('{"run": "D", "uncounted": true}') #>>
    '{data,count}', '1', 'release by run');
select is((select attempt from pipeline.edcpipelinefile), 3,
    'uncounted takes the attempt back');
select is(pipeline.file_release(pg_temp.ask(', "uncounted": true')) #>>
    '{data,count}', '0', 'release again changes nothing');
select is((select attempt from pipeline.edcpipelinefile), 3, 'no attempt either');
select is(pipeline.file_scans(pg_temp.ask(', "scans": []')) ->> 'error_code',
    'IMGP-DB-FENCED', 'a released lease is none');
select is(pg_temp.row(pg_temp.start(', "run": "E"')) ->> 'attempt', '4',
    'the next run need not wait');
select is(pipeline.file_renew('{"run": "E"}') #>> '{data,count}', '1',
    'renew by run');
select is(pipeline.file_renew(('{"run": "E", "pipelines": ' || l || '}')::jsonb)
    #>> '{data,count}', n, 'of the pipelines ' || l)
from (values ('["none"]', '0'), ('[]', '0'), ('["none", "image"]', '1'),
    ('null', '1')) v(l, n);
select is(pipeline.file_renew('{"run": "A"}') #>> '{data,count}', '0',
    'a run that lost it renews nothing');
select is(pipeline.file_renew('{}') ->> 'error_code', 'IMGP-DB-REQUEST',
    'neither row nor run');

-- Completed
select is(pipeline.file_scans(pg_temp.ask(', "scans": [],
    "sha256": {"source": "' || repeat('a', 64) || '"}, "bytes": {"source": 7}'))
    #>> '{data,edc_pipeline_file,sha256_source}', repeat('a', 64),
    'the sum of the upload is kept and told');
select is(pipeline.file_finish(pg_temp.ask(', "status": "done"'))
    ->> 'error_code', 'IMGP-DB-REQUEST', 'nothing is Completed without what was'
    ' delivered');
select is(pipeline.file_finish(pg_temp.ask(', "status": "done", "sha256":
    {"source": "' || repeat('b', 64) || '", "destination": "' ||
    repeat('c', 64) || '"}')) #>> '{data,edc_pipeline_file,status}',
    'Completed', '"done" is Completed (M41)');
select is((select sha256_source || sha256_destination
    from pipeline.edcpipelinefile), repeat('a', 64) || repeat('c', 64),
    'the first sum of the upload stays (M44)');
select is(pg_temp.row(pg_temp.start(', "run": "F", "again": true'))
    - '{id,ts_create,sha256_source}'::text[], '{"status": "Completed",
    "has_error": false, "file_name": "a.zip", "file_path": "q/",
    "revision_number": 1, "attempt": 4, "lease": null}'::jsonb,
    'Completed is final, with --again too (M41)');
select is(pipeline.file_finish(pg_temp.ask(', "status": "Failed"'))
    ->> 'error_code', 'IMGP-DB-STATE', 'it does not fail any more');
select throws_ok(format('update pipeline.edcpipelinefile set %s', c), 'IM001',
    null, 'Completed: ' || c)
from unnest(array['status = ''Failed'', has_error = true', 'has_error = true',
    'lease_until = now()', 'file_name = ''x''', 'run = ''x''',
    'sha256_destination = null', 'attempt = 0']) c;
select throws_ok('delete from pipeline.edcpipelinefile', 'IM001', null,
    'rows are not deleted');
select throws_ok('truncate pipeline.edcpipelinefile cascade', 'IM001', null,
    'nor truncated');
select throws_ok($$insert into pipeline.edcpipelinefile (edcpipeline_id,
    subjecteventcrffile_id, revision_number, status, file_name, file_path,
    ts_finish) values (1, 1299, 1, 'Completed', 'x', 'y', now())$$, 'IM001', null,
    'no row is born Completed');
select throws_ok($$insert into pipeline.edcpipelinefile (edcpipeline_id,
    subjecteventcrffile_id, revision_number) values (1, 1201, 1)$$, '23505',
    null, 'one row a pipeline, upload and revision (M37)');

-- a new revision
update edc.subjecteventcrffile set revisionnumber = 2, version_code = 'v2'
    where id = 1201;
select is(pg_temp.start(', "run": "G"') ->> 'error_code', 'IMGP-LOOKUP-STALE',
    'an old revision from the replica is told from the new one (R12)');
select is(pg_temp.start(', "run": "G", "revision_number": 2')
    #>> '{data,edc_pipeline_file,attempt}', '1',
    'a new revision is a new row (M44)');
select is((select array_agg(revision_number || status order by id)
    from pipeline.edcpipelinefile), '{1Completed,2Started}',
    'the old one is untouched');
