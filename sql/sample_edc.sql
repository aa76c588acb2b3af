-- A small EDC with believable rows, for the demo and the tests.
--
-- Loaded by "load-sql CONNINFO --sample", never into an EDC of its own: where
-- pipeline.upload is a site's view, loading stops.  The upload of each row is
-- expected in the source place under the key of the view pipeline.upload:
--
--  id    what the object is to be                           key
--  1201  ZIP, one study, several MR series                  subjecteventcrffile/301/5101/mri_zip/v1.zip
--  1202  one bare DICOM file                                subjecteventcrffile/301/5102/ct_file/v1.dcm
--  1203  ZIP, PET, with non-DICOM beside the DICOM          subjecteventcrffile/302/5103/pet_zip/v1.zip
--  1204  no DICOM at all (a PDF or text)                    subjecteventcrffile/302/5104/mri_zip/v1.pdf
--  1205  ZIP, cut short                                     subjecteventcrffile/303/5105/mri_zip/v1.zip
--  1206  ZIP, two studies in one upload                     subjecteventcrffile/303/5106/mri_zip/v1.zip
--  1207  ZIP, second revision of an upload                  subjecteventcrffile/304/5107/pet_zip/v2.zip
--  1208  a compound extension (NIfTI: no DICOM)             subjecteventcrffile/304/5108/mri_zip/v1.nii.gz
--  1209  ZIP of one series; blanks and "_" in names         subjecteventcrffile/305/5109/dat scan_zip/v1 a.zip
--  1210  anything: its field is listed by no pipeline       subjecteventcrffile/305/5110/consent_pdf/v1.pdf
--  1211  anything: its pipeline is paused                   subjecteventcrffile/305/5111/voice_wav/v1.wav
--  1212  anything: waived                                   subjecteventcrffile/301/5112/mri_zip/v1.zip
--
-- 1299 and 4242 do not exist, and never will.

create schema if not exists edc;

create table if not exists edc.subject (
	id bigint primary key,
	participant_code text not null unique
);
create table if not exists edc.event (
	id bigint primary key,
	code text not null unique,
	label text not null
);
create table if not exists edc.subjectevent (
	id bigint primary key,
	subject_id bigint not null references edc.subject,
	event_id bigint not null references edc.event,
	unique (subject_id, event_id)
);
create table if not exists edc.ddcrf (
	id bigint primary key,
	name text not null unique,
	label text not null
);
create table if not exists edc.ddfile (
	id bigint primary key,
	ddcrf_id bigint not null references edc.ddcrf,
	name text not null,
	label text not null,
	unique (ddcrf_id, name)
);
create table if not exists edc.subjecteventcrf (
	id bigint primary key,
	subjectevent_id bigint not null references edc.subjectevent,
	ddcrf_id bigint not null references edc.ddcrf
);
-- One row an upload field; uploading again raises revisionnumber and gives
-- another version_code.
create table if not exists edc.subjecteventcrffile (
	id bigint primary key,
	subjecteventcrf_id bigint not null references edc.subjecteventcrf,
	ddfile_id bigint not null references edc.ddfile,
	revisionnumber integer not null check (revisionnumber > 0),
	version_code text not null,
	extension text not null default '',
	ts_create timestamptz not null default now()
);
-- When it was uploaded again, or changed otherwise; null: never.
alter table edc.subjecteventcrffile
	add column if not exists ts_change timestamptz;
create index if not exists subjecteventcrffile_ts_change
    on edc.subjecteventcrffile (ts_change) where ts_change is not null;
create or replace function edc.note_change() returns trigger
language plpgsql as $$
begin
	new.ts_change := clock_timestamp();
	return new;
end $$;
do $$
begin
	if not exists (select from pg_trigger
	    where tgrelid = 'edc.subjecteventcrffile'::regclass
	    and tgname = 'note_change') then
		create trigger note_change before update
		    on edc.subjecteventcrffile
		    for each row execute function edc.note_change();
	end if;
end $$;

insert into edc.subject values
	(301, 'TRC-0301'), (302, 'TRC-0302'), (303, 'TRC-0303'),
	(304, 'TRC-0304'), (305, 'TRC-0305')
on conflict do nothing;
insert into edc.event values
	(1, 'SCV', 'Screening'), (2, 'BL', 'Baseline'), (3, 'M12', 'Month 12')
on conflict do nothing;
insert into edc.subjectevent values
	(901, 301, 1), (902, 301, 2), (903, 302, 2), (904, 303, 1),
	(905, 303, 2), (906, 304, 2), (907, 304, 3), (908, 305, 1)
on conflict do nothing;
insert into edc.ddcrf values
	(11, 'MRI', 'MRI acquisition'), (12, 'CT', 'CT acquisition'),
	(13, 'AMYPET', 'Amyloid PET acquisition'), (14, 'DAT', 'DaT scan'),
	(15, 'CONSENT', 'Informed consent'), (16, 'VOICE', 'Voice recording')
on conflict do nothing;
insert into edc.ddfile values
	(21, 11, 'mri_zip', 'MRI upload'), (22, 12, 'ct_file', 'CT upload'),
	(23, 13, 'pet_zip', 'PET upload'), (24, 14, 'dat scan_zip', 'DaT upload'),
	(25, 15, 'consent_pdf', 'Signed form'), (26, 16, 'voice_wav', 'Recording')
on conflict do nothing;
insert into edc.subjecteventcrf values
	(5101, 901, 11), (5102, 902, 12), (5103, 903, 13), (5104, 903, 11),
	(5105, 904, 11), (5106, 905, 11), (5107, 906, 13), (5108, 907, 11),
	(5109, 908, 14), (5110, 908, 15), (5111, 908, 16), (5112, 902, 11)
on conflict do nothing;
insert into edc.subjecteventcrffile
	(id, subjecteventcrf_id, ddfile_id, revisionnumber, version_code, extension)
values
	(1201, 5101, 21, 1, 'v1', '.zip'), (1202, 5102, 22, 1, 'v1', '.dcm'),
	(1203, 5103, 23, 1, 'v1', '.zip'), (1204, 5104, 21, 1, 'v1', '.pdf'),
	(1205, 5105, 21, 1, 'v1', '.zip'), (1206, 5106, 21, 1, 'v1', '.zip'),
	(1207, 5107, 23, 2, 'v2', '.zip'), (1208, 5108, 21, 1, 'v1', '.nii.gz'),
	(1209, 5109, 24, 1, 'v1 a', '.zip'), (1210, 5110, 25, 1, 'v1', '.pdf'),
	(1211, 5111, 26, 1, 'v1', '.wav'), (1212, 5112, 21, 1, 'v1', '.zip')
on conflict do nothing;

insert into pipeline.edcpipeline (code, label, ddfiles, paused, paused_reason)
select * from (values
	('image', 'Images to the labs', '{21,22,23,24}'::bigint[], false, null),
	('audio', 'Voice recordings', '{26}', true,
	    'waits for the lab''s agreement')) p(code)
where not exists (select from pipeline.edcpipeline e where e.code = p.code);
insert into pipeline.edcpipelinewaiver
	(edcpipeline_id, subjecteventcrffile_id, reason, waived_by)
select id, 1212, 'phantom uploaded by mistake', 'data manager'
from pipeline.edcpipeline where code = 'image'
on conflict do nothing;

-- What a site writes for its own EDC: the columns and types of the placeholder,
-- one row for each upload and pipeline that lists its field, pipeline_code null
-- where none does.
do $$
begin
	if obj_description('pipeline.upload'::regclass) is distinct from
	    'imgpipe: placeholder' and
	    obj_description('pipeline.upload'::regclass) is distinct from
	    'imgpipe: sample' then
		raise exception 'pipeline.upload is a site''s own view: '
		    'the sample does not belong here';
	end if;
end $$;
create or replace view pipeline.upload as
select f.id as subject_event_crf_file_id,
	p.code as pipeline_code,
	s.id as subject_id,
	s.participant_code,
	e.code as event_code,
	c.name as ddcrf_name,
	d.name as ddfile_name,
	sec.id as subject_event_crf_id,
	f.revisionnumber::bigint as revision_number,
	f.version_code as file_version_code,
	f.extension,
	'subjecteventcrffile/' || s.id || '/' || sec.id || '/' || d.name || '/' ||
	    f.version_code || f.extension as source_key,
	f.ts_change
from edc.subjecteventcrffile f
join edc.subjecteventcrf sec on sec.id = f.subjecteventcrf_id
join edc.subjectevent se on se.id = sec.subjectevent_id
join edc.subject s on s.id = se.subject_id
join edc.event e on e.id = se.event_id
join edc.ddcrf c on c.id = sec.ddcrf_id
join edc.ddfile d on d.id = f.ddfile_id
left join pipeline.edcpipeline p on f.ddfile_id = any (p.ddfiles);
comment on view pipeline.upload is 'imgpipe: sample';
