-- Every constraint holds by itself, without the guards and the functions (M37)

alter table pipeline.edcpipelinefile disable trigger user;
alter table pipeline.edcpipelinefiledicom disable trigger user;
alter table pipeline.outcome disable trigger user;
insert into pipeline.edcpipelinefile (id, edcpipeline_id, subjecteventcrffile_id,
    revision_number, file_name, file_path)
    select n, min(id), n, 1, n || '.zip', 'q/'
    from pipeline.edcpipeline, generate_series(1, 2) n group by n;
insert into pipeline.edcpipelinefiledicom (id, edcpipelinefile_id, scan_no,
    studyuid, serieuid, number_of_instances) values (1, 1, 1, '1', '1', 1);
insert into pipeline.digest (until) values (now());
insert into pipeline.outcome (id, edcpipelinefile_id, attempt, lease, status,
    has_error) values (1, 1, 1, 1, 'Completed', false);
insert into pipeline.notice (edcpipelinefile_id, lease, subjecteventcrffile_id,
    status, failed_for_good, known, mail) values (1, 1, 1, 'Failed', false,
    false, true);
insert into pipeline.outbox (sender, message_id, message, subject, body)
    values ('s@x', '<1@x>', 'm', 's', 'b');
insert into pipeline.outboxrecipient (outbox_id, address)
    select id, 'a@x' from pipeline.outbox;

-- The constraint that a statement breaks.
create function pg_temp.broken(statement text) returns text language plpgsql as $$
declare
	name text;
begin
	execute statement;
	return 'nothing';
exception when integrity_constraint_violation then
	get stacked diagnostics name = constraint_name;
	return name;
end $$;

create table pg_temp.t (name text, statement text);
insert into pg_temp.t
select 'edcpipelinefile_' || c, format('update pipeline.edcpipelinefile set %s
    where id = 2', x) from (values
    ('attempt_check', 'attempt = -1'),
    ('file_name_check', 'file_name = '''''),
    ('revision_number_check', 'revision_number = -1'),
    ('sha256_destination_check', 'sha256_destination = repeat(''A'', 64)'),
    ('sha256_source_check', 'sha256_source = repeat(''a'', 63)'),
    ('status_check', 'status = ''done'''),
    ('subjecteventcrffile_id_check', 'subjecteventcrffile_id = 0'),
    ('edcpipeline_id_fkey', 'edcpipeline_id = 0'),
    ('edcpipeline_id_subjecteventcrffile_id_revis_key',
        'subjecteventcrffile_id = 1'),
    ('file_path_file_name_key', 'file_name = ''1.zip''')) v(c, x)
union all select c, format('update pipeline.edcpipelinefile set %s
    where id = 2', x) from (values
    ('name_and_path', 'file_path = null'),
    ('failed_has_error', 'status = ''Failed'', ts_finish = now()'),
    ('for_good_is_failed', 'failed_for_good = true'),
    ('completed_has_name', 'status = ''Completed'', ts_finish = now(),
        file_name = null, file_path = null'),
    ('ended_has_time', 'status = ''Completed'''),
    ('lease_is_open', 'status = ''Completed'', ts_finish = now(),
        lease_until = now()')) v(c, x)
union all select 'edcpipelinefiledicom_' || c, format('insert into
    pipeline.edcpipelinefiledicom (id, edcpipelinefile_id, scan_no, studyuid,
    serieuid, number_of_instances) values (%s)', x) from (values
    ('number_of_instances_check', '2, 1, 2, ''1'', ''2'', 0'),
    ('scan_no_check', '2, 1, 0, ''1'', ''2'', 1'),
    ('serieuid_check', '2, 1, 2, ''1'', ''2 '', 1'),
    ('studyuid_check', '2, 1, 2, repeat(''1'', 65), ''2'', 1'),
    ('edcpipelinefile_id_fkey', '2, 0, 2, ''1'', ''2'', 1'),
    ('atriuid_key', '2, 1, 1, ''1'', ''2'', 1'),
    ('edcpipelinefile_id_studyuid_serieuid_key', '2, 1, 2, ''1'', ''1'', 1'))
    v(c, x)
union all select 'edcpipeline_code_check', format('insert into
    pipeline.edcpipeline (code) values (%L)', x)
    from unnest(array['', 'a b', '../x', 'é', repeat('x', 64), '.x', '-x']) x
union all values
    ('edcpipeline_code_key',
        'insert into pipeline.edcpipeline (code) values (''image'')'),
    ('edcpipelinewaiver_reason_check', 'insert into pipeline.edcpipelinewaiver
        (edcpipeline_id, subjecteventcrffile_id, reason) select id, 7, ''''
        from pipeline.edcpipeline'),
    ('edcpipelinewaiver_subjecteventcrffile_id_check', 'insert into
        pipeline.edcpipelinewaiver (edcpipeline_id, subjecteventcrffile_id,
        reason) select id, 0, ''x'' from pipeline.edcpipeline'),
    ('edcpipelinewaiver_edcpipeline_id_fkey', 'insert into
        pipeline.edcpipelinewaiver (edcpipeline_id, subjecteventcrffile_id,
        reason) values (0, 7, ''x'')'),
    ('edcpipelinefileerrorlog_edcpipelinefile_id_fkey', 'insert into
        pipeline.edcpipelinefileerrorlog (edcpipelinefile_id, attempt, stage,
        error_code, error, fatal, retryable)
        values (0, 1, ''x'', ''x'', ''x'', true, true)'),
    ('digest_one_open', 'insert into pipeline.digest (until) values (now())'),
    ('outcome_status_check', 'insert into pipeline.outcome (edcpipelinefile_id,
        attempt, lease, status, has_error) values (2, 1, 2, ''Started'', false)'),
    ('outcome_digest_id_fkey', 'update pipeline.outcome set digest_id = 0'),
    ('outcome_edcpipelinefile_id_fkey', 'insert into pipeline.outcome
        (edcpipelinefile_id, attempt, lease, status, has_error)
        values (0, 1, 2, ''Failed'', true)'),
    ('outcome_lease_key', 'insert into pipeline.outcome (edcpipelinefile_id,
        attempt, lease, status, has_error) values (2, 1, 1, ''Failed'', true)'),
    ('outcome_one_delivery', 'insert into pipeline.outcome (edcpipelinefile_id,
        attempt, lease, status, has_error)
        values (1, 2, 2, ''Completed'', false)'),
    ('lookupfailure_subjecteventcrffile_id_check', 'insert into
        pipeline.lookupfailure (subjecteventcrffile_id, pipeline_code, error_code,
        error) values (0, ''p'', ''x'', ''x'')'),
    ('lookupfailure_failures_check', 'insert into pipeline.lookupfailure
        (subjecteventcrffile_id, pipeline_code, error_code, error, failures)
        values (1, ''p'', ''x'', ''x'', 0)'),
    ('notice_status_check', 'update pipeline.notice set status = ''lost'''),
    ('notice_lease_key', 'insert into pipeline.notice (edcpipelinefile_id,
        lease, subjecteventcrffile_id, status, failed_for_good, known, mail)
        values (1, 1, 1, ''Failed'', false, false, true)'),
    ('notice_edcpipelinefile_id_fkey',
        'update pipeline.notice set edcpipelinefile_id = 0'),
    ('notice_digest_id_fkey', 'update pipeline.notice set digest_id = 0'),
    ('known_is_not_mailed', 'update pipeline.notice set known = true'),
    ('outbox_readers_check', 'update pipeline.outbox set readers = ''all'''),
    ('pruned_is_empty', 'update pipeline.outbox set ts_prune = now()'),
    ('outbox_digest_id_fkey', 'update pipeline.outbox set digest_id = 0'),
    ('outbox_message_id_key', 'insert into pipeline.outbox (sender, message_id,
        message, subject, body) values (''s@x'', ''<1@x>'', ''m'', ''s'', ''b'')'),
    ('outboxrecipient_status_check',
        'update pipeline.outboxrecipient set status = ''lost'''),
    ('repair_reason_check', 'insert into pipeline.repair (edcpipelinefile_id, lease,
        reason) values (1, 1, '''')'),
    ('repair_edcpipelinefile_id_fkey', 'insert into pipeline.repair
        (edcpipelinefile_id, lease, reason) values (0, 1, ''r'')'),
    ('repair_edcpipelinefile_id_lease_key', 'insert into pipeline.repair
        (edcpipelinefile_id, lease, reason) values (1, 1, ''r''), (1, 1, ''s'')'),
    ('edcpipelinechange_edcpipeline_id_fkey', 'insert into
        pipeline.edcpipelinechange (edcpipeline_id, action) values (0, ''set'')'),
    ('edcpipelinechange_action_check', 'insert into pipeline.edcpipelinechange
        (edcpipeline_id, action) select min(id), ''drop'' from pipeline.edcpipeline'),
    ('edcpipelinechange_reason_check', 'insert into pipeline.edcpipelinechange
        (edcpipeline_id, action, reason) select min(id), ''set'', ''''
        from pipeline.edcpipeline'),
    ('outboxrecipient_outbox_id_fkey', 'insert into pipeline.outboxrecipient
        (outbox_id, address) values (0, ''a@x'')'),
    ('tally_state_check', 'insert into pipeline.tally select min(id), ''lost'', 1
        from pipeline.edcpipeline'),
    ('tally_edcpipeline_id_fkey',
        'insert into pipeline.tally values (0, ''delivered'', 1)'),
    ('error_code_owner_check', 'insert into pipeline.error_code (code, class, owner,
        retryable, meaning, action)
        values (''IMGP-X-Y'', ''data'', ''nobody'', true, ''m'', ''a'')'),
    ('only_the_uploads_is_final', 'insert into pipeline.error_code (code, class,
        owner, retryable, meaning, action)
        values (''IMGP-X-Y'', ''config'', ''ours'', false, ''m'', ''a'')');

select is(pg_temp.broken(statement), name, name) from pg_temp.t;
-- An ATRIUID is made of these two.
insert into pg_temp.t values
    ('edcpipelinefiledicom_edcpipelinefile_id_scan_no_key', '');
select set_eq('select name from pg_temp.t', 'select conname::text
    from pg_constraint where connamespace = ''pipeline''::regnamespace
    and contype <> ''p'' union select relname::text from pg_index
    join pg_class c on c.oid = indexrelid
    where relnamespace = ''pipeline''::regnamespace and indisunique
    and not exists (select from pg_constraint where conindid = indexrelid)',
    'and there is no other, primary keys aside');
