-- Wrong and hostile requests (R14, R18, R19)

create function pg_temp.start(r text) returns jsonb language sql as $$
	select pipeline.file_start(('{"pipeline_code": "image", "run": "A"' || r ||
	    '}')::jsonb);
$$;
select is(pg_temp.start(', "subject_event_crf_file_id": ' || t.id)
    ->> 'error_code', t.code, 'id ' || t.id || ' (R19)')
from (values ('0', 'IMGP-DB-REQUEST'), ('-1', 'IMGP-DB-REQUEST'),
    ('2147483648', 'IMGP-LOOKUP-NOT-FOUND'),
    ('9007199254740993', 'IMGP-LOOKUP-NOT-FOUND'),
    ('9223372036854775807', 'IMGP-LOOKUP-NOT-FOUND'),
    ('9223372036854775808', 'IMGP-DB-REQUEST'), ('1e400', 'IMGP-DB-REQUEST'),
    ('1201.5', 'IMGP-DB-REQUEST'), ('"1201"', 'IMGP-DB-REQUEST'),
    ('null', 'IMGP-DB-REQUEST'), ('[1201]', 'IMGP-DB-REQUEST')) t(id, code);
select is(pipeline.file_start(t.r::jsonb) ->> 'error_code', 'IMGP-DB-REQUEST',
    'request ' || regexp_replace(t.r, '\s+', ' ', 'g'))
from (values ('{}'), ('[]'), ('null'), ('{"subject_event_crf_file_id": 1201}'),
    ('{"subject_event_crf_file_id": 1201, "pipeline_code": "none"}'),
    ('{"subject_event_crf_file_id": 1201, "pipeline_code": 7}'),
    ('{"subject_event_crf_file_id": 1201, "pipeline_code": "image",
    "again": 1}'),
    ('{"subject_event_crf_file_id": 1201, "pipeline_code": "image",
    "run": {}}')) t(r);
select is((select count(*) from pipeline.edcpipelinefile), 0::bigint,
    'none of them left a row');

-- A row with an id beyond int32, and text that wants to be something else.
insert into edc.subjecteventcrffile values
    (9007199254740993, 5101, 21, 1, 'v1', '.zip');
select is(pg_temp.start(', "subject_event_crf_file_id": 9007199254740993')
    ->> 'success', 'true', 'an id above 2^53 is exact (R19)');
select is((select subjecteventcrffile_id from pipeline.edcpipelinefile),
    9007199254740993, 'to the last digit');
create table pg_temp.hostile (n serial, s text);
insert into pg_temp.hostile (s) values ('''; drop schema pipeline cascade; --'),
    ('$$'), ('\'), ('"'), ('%s%n'), ('{}'), (E'a\nb'), (E'\u202e'),
    (E'\U0001F480'), (repeat('x', 100000));
create function pg_temp.tell(t pg_temp.hostile) returns text language plpgsql
as $$
declare
	a jsonb;
begin
	insert into edc.subjecteventcrffile values (t.n, 5101, 21, 1, 'v1', '');
	a := pg_temp.start(format(', "claim": %s, "subject_event_crf_file_id": %s',
	    to_jsonb(t.s), t.n)) #> '{data,edc_pipeline_file}';
	a := jsonb_build_object('edc_pipeline_file_id', a -> 'id', 'lease',
	    a -> 'lease', 'pipeline_code', 'image',
	    'subject_event_crf_file_id', t.n);
	perform pipeline.file_start(a || jsonb_build_object('file_name',
	    t.s, 'file_path', t.s));
	perform pipeline.file_finish(a || jsonb_build_object('status', 'Failed',
	    'errors', jsonb_build_array(jsonb_build_object('stage', t.s,
	    'error_code', t.s, 'error', t.s, 'fatal', true))));
	return t.s;
end $$;
select is(pg_temp.tell(h.*), h.s, 'text ' || left(to_json(h.s)::text, 30) ||
    ' is taken (R18)') from pg_temp.hostile h;
select is((select count(*) from pg_temp.hostile h
    join pipeline.edcpipelinefile f on f.subjecteventcrffile_id = h.n
    join pipeline.edcpipelinefileerrorlog l on l.edcpipelinefile_id = f.id
    where (f.claim, f.file_name, f.file_path, f.error_code, l.stage,
        l.error_code, l.error) = (h.s, h.s, h.s, h.s, h.s, h.s, h.s)),
    10::bigint, 'and stored byte for byte in every column');
select is(pipeline.error_log(jsonb_build_object('edc_pipeline_file_id', f.id))
    #>> '{data,rows,0,error}', h.s, 'and told again')
from pg_temp.hostile h join pipeline.edcpipelinefile f
    on f.subjecteventcrffile_id = h.n;
select is(pipeline.error_log((select jsonb_build_object('edc_pipeline_file_id',
    max(id)) from pipeline.edcpipelinefile)) #>> '{data,rows,0,retryable}',
    'true', 'an error that nobody knows gives no file up');

-- one name for two files
create table pg_temp.two as select u, (pipeline.file_start(jsonb_build_object(
    'pipeline_code', 'image', 'subject_event_crf_file_id', u))
    #> '{data,edc_pipeline_file}') as r from unnest(array[1202, 1203]) u;
select is((select array_agg(pipeline.file_start(jsonb_build_object(
    'edc_pipeline_file_id', r -> 'id', 'lease', r -> 'lease',
    'pipeline_code', 'image', 'subject_event_crf_file_id', u, 'file_name',
    'same.zip', 'file_path', 'q/')) ->> 'error_code') from pg_temp.two),
    '{null,IMGP-DB-REQUEST}', 'two files do not get one name (M11)');
