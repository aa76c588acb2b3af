-- Uploads that no run could look up or claim, so that they have no row: a row for
-- each upload and pipeline, until a run claims the upload.
create table pipeline.lookupfailure (
	subjecteventcrffile_id bigint not null check (subjecteventcrffile_id > 0),
	pipeline_code text not null,	-- '' where it was not known
	error_code text not null,
	error text not null,
	failures integer not null default 1 check (failures > 0), -- runs that
					-- failed by this code since
	run text,			-- the last of them
	since timestamptz not null default clock_timestamp(),
	ts timestamptz not null default clock_timestamp(), -- of the last
	primary key (subjecteventcrffile_id, pipeline_code)
);
create index edcpipelinefile_failed on pipeline.edcpipelinefile
    (edcpipeline_id, subjecteventcrffile_id) where status = 'Failed';
