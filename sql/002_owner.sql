-- Whose fault an error is (errors.tsv): upload, ours, service, or - for a reason to
-- skip.  load-sql renews the rows of the dictionary; codes that a site added itself
-- stay the upload's, as they were treated before.
alter table pipeline.error_code add column owner text not null default 'upload'
	check (owner in ('upload', 'ours', 'service', '-'));
alter table pipeline.error_code add constraint only_the_uploads_is_final
	check (retryable or owner in ('upload', '-'));
