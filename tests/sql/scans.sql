-- Scans and their ids (M29-M31, M38, M48-M51)

create table pg_temp.f as select pipeline.file_start('{"pipeline_code": "image",
    "subject_event_crf_file_id": 1201, "run": "A"}')
    #> '{data,edc_pipeline_file}' as r;
create function pg_temp.scans(list text) returns jsonb language sql as $$
	select pipeline.file_scans(jsonb_build_object('edc_pipeline_file_id',
	    r -> 'id', 'lease', r -> 'lease', 'pipeline_code', 'image',
	    'subject_event_crf_file_id', 1201, 'scans', list::jsonb)) from pg_temp.f;
$$;
create function pg_temp.id() returns text language sql as
    $$select r ->> 'id' from pg_temp.f$$;
create table pg_temp.a as select pg_temp.scans('[
    {"study_uid": "1.9", "series": [
        {"series_uid": "1.9.3", "series_number": null, "number_of_instances": 5},
        {"series_uid": "1.9.2", "series_number": 7, "number_of_instances": 1},
        {"series_uid": "1.9.10", "series_number": 7, "number_of_instance": 2}]},
    {"studyuid": "1.10", "series": [
        {"series_uid": "1.9.2", "series_number": 9, "number_of_instances": 3}]}]')
    as answer;
select is(answer -> 'data' -> 'scans', format('[
    {"study_uid": "1.9", "series": [
        {"series_uid": "1.9.3", "atri_uid": "%1$s.4"},
        {"series_uid": "1.9.2", "atri_uid": "%1$s.3"},
        {"series_uid": "1.9.10", "atri_uid": "%1$s.2"}]},
    {"study_uid": "1.10", "series": [
        {"series_uid": "1.9.2", "atri_uid": "%1$s.1"}]}]', pg_temp.id())::jsonb,
    'numbered by study, series number (none last), series, in bytes'' order;'
    ' answered in the request''s; both spellings read (M29, M50)')
    from pg_temp.a;
select is((answer -> 'data') - '{scans,edc_pipeline_file}'::text[],
    jsonb_build_object('edc_pipeline_file_id', pg_temp.id()::bigint,
    'pipeline_code', 'image', 'subject_event_crf_file_id', 1201),
    'the answer says whose they are (M50)') from pg_temp.a;
select results_eq('select atriuid, studyuid, serieuid, serienum,
    number_of_instances from pipeline.edcpipelinefiledicom order by scan_no',
    format($$values ('%1$s.1', '1.10', '1.9.2', 9::bigint, 3::bigint),
    ('%1$s.2', '1.9', '1.9.10', 7, 2), ('%1$s.3', '1.9', '1.9.2', 7, 1),
    ('%1$s.4', '1.9', '1.9.3', null, 5)$$, pg_temp.id()),
    'the table holds them (M38); one series in two studies is two scans');
select is(pg_temp.scans('[
    {"study_uid": "1.9", "series": [
        {"series_uid": "1.9.3", "series_number": null, "number_of_instances": 5},
        {"series_uid": "1.9.2", "series_number": 7, "number_of_instances": 1},
        {"series_uid": "1.9.10", "series_number": 7, "number_of_instance": 2}]},
    {"study_uid": "1.10", "series": [
        {"series_uid": "1.9.2", "series_number": 9, "number_of_instances": 3}]}]'),
    answer, 'the same request again: the same answer (M51)') from pg_temp.a;
select is((select count(*) from pipeline.edcpipelinefiledicom), 4::bigint,
    'and no new row');
select is(pg_temp.scans('[{"study_uid": "1.0", "series": [
    {"series_uid": "0", "series_number": 1, "number_of_instances": 1}]},
    {"study_uid": "1.9", "series": [
    {"series_uid": "1.9.3", "series_number": 2, "number_of_instances": 6}]}]')
    -> 'data' -> 'scans', format('[
    {"study_uid": "1.0", "series": [{"series_uid": "0", "atri_uid": "%1$s.5"}]},
    {"study_uid": "1.9", "series": [{"series_uid": "1.9.3",
    "atri_uid": "%1$s.4"}]}]', pg_temp.id())::jsonb,
    'later ones are appended, none is renumbered (M29)');
select is((select serienum::text || number_of_instances
    from pipeline.edcpipelinefiledicom where scan_no = 4), '26',
    'what the last scan counted stands');
select throws_ok('update pipeline.edcpipelinefiledicom set scan_no = scan_no + 9',
    'IM001', null, 'a scan keeps its number');
select throws_ok('update pipeline.edcpipelinefiledicom set studyuid = ''9''',
    'IM001', null, 'and its series');
select throws_ok('delete from pipeline.edcpipelinefiledicom', 'IM001', null,
    'scans are not deleted');

-- what is refused, and changes nothing
select is(pg_temp.scans(t.list) ->> 'error_code', 'IMGP-DB-REQUEST', t.what)
from (values
    ('{}', 'scans is no array'),
    ('null', 'scans is missing'),
    ('[{"study_uid": "1", "series": [
        {"series_uid": "2", "number_of_instances": 1},
        {"series_uid": "2", "number_of_instances": 1}]}]', 'a series twice'),
    ('[{"study_uid": "1", "series": [
        {"series_uid": "2", "number_of_instances": 0}]}]', 'no instance'),
    ('[{"study_uid": "1", "series": [{"series_uid": "2"}]}]', 'no count'),
    ('[{"study_uid": "1", "series": [
        {"series_uid": "2", "series_number": 1.5, "number_of_instances": 1}]}]',
        'a broken series number'),
    ('[{"study_uid": "1", "series": [
        {"series_uid": "2", "series_number": "1", "number_of_instances": 1}]}]',
        'a series number that is text'),
    ('[{"study_uid": "1", "series": [{"series_uid": "2",
        "number_of_instances": 9223372036854775808}]}]', 'a count beyond int64'),
    ('[{"study_uid": "1 2", "series": [
        {"series_uid": "2", "number_of_instances": 1}]}]', 'a UID with a blank'),
    ('[{"study_uid": "1", "series": [{"series_uid": "' || repeat('1', 65) ||
        '", "number_of_instances": 1}]}]', 'a UID of 65 characters'),
    ('[{"study_uid": "1", "series": [{"series_uid": "",
        "number_of_instances": 1}]}]', 'an empty UID'),
    ('[{"series": [{"series_uid": "2", "number_of_instances": 1}]}]',
        'no study'),
    ('[{"study_uid": "1", "series": {}}]', 'series is no array'),
    ('["x"]', 'a scan that is text'),
    ('[{"study_uid": "1"}]', 'a study without series'),
    ('[{"study_uid": "1", "series": [7]}]', 'a series that is a number')) t(list, what);
select is((select count(*) from pipeline.edcpipelinefiledicom), 5::bigint,
    'nothing of it was stored');
select is(pg_temp.scans('[{"study_uid": "1", "series": [{"series_uid": "' ||
    repeat('1', 64) || '", "series_number": -9223372036854775808,
    "number_of_instances": 9223372036854775807}]}]') ->> 'success', 'true',
    'the widest values go through (R19)');

-- another file numbers its own
create table pg_temp.g as select pipeline.file_start('{"pipeline_code": "image",
    "subject_event_crf_file_id": 1202, "run": "A"}')
    #> '{data,edc_pipeline_file}' as r;
select is(pipeline.file_scans(jsonb_build_object('edc_pipeline_file_id',
    r -> 'id', 'lease', r -> 'lease', 'pipeline_code', 'image',
    'subject_event_crf_file_id', 1202, 'scans', '[{"study_uid": "1.9", "series":
    [{"series_uid": "1.9.3", "number_of_instances": 5}]}]'::jsonb))
    #>> '{data,scans,0,series,0,atri_uid}', (r ->> 'id') || '.1',
    'the same series in another file has an id of its own (M30, I5)')
    from pg_temp.g;
