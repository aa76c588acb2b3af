#!/bin/sh
# load-sql and the roles: loading, loading again, a site's view, versions.
. "$(dirname "$0")/lib/lib.sh"
command -v psql >/dev/null || skip_all 'no PostgreSQL here'
at_end "'$ROOT/scripts/pg' stop '$WORK/pg'"
eval "$("$ROOT/scripts/pg" start "$WORK/pg")"
sql() { psql -X -q -At -v ON_ERROR_STOP=1 -d "$IMGP_DATABASE" "$@"; }
load="$ROOT/scripts/load-sql"
# Everything that loading made, and when its rows were written.
state() {
	pg_dump -d "$IMGP_DATABASE" --schema=pipeline --schema=edc |
	    grep -v '^.\(un\)\?restrict ' >"$1"
	sql -c "select 'row', xmin, code from pipeline.error_code order by code" \
	    -c "select 'row', xmin, * from pipeline.schema_version" \
	    -c "select 'proc', xmin, proname from pg_proc
	        where pronamespace = 'pipeline'::regnamespace order by 3" >>"$1"
}

exits 0 'loads into an empty database' "$load" "$IMGP_DATABASE"
[ ! -s out ] && [ ! -s err ]
ok $? 'silently'
is "$(sql -c 'select count(*) from pipeline.upload')" 0 \
    'pipeline.upload is a placeholder without rows'
is "$(sql -c 'select count(*) from pipeline.error_code')" \
    "$(grep -c '^IMGP-' "$ROOT/libimgpipe/base/errors.tsv")" \
    'the whole error dictionary is in it (M68)'
is "$(sql -c "select owner, retryable from pipeline.error_code
    where code = 'IMGP-STORE-DENIED'")" 'ours|t' 'with whose fault each is'
is "$(sql -c "select action from pipeline.error_code
    where code = 'IMGP-SKIP-DONE'")" nothing 'with its columns in order'
state one
exits 0 'loads again' "$load" "$IMGP_DATABASE"
state two
cmp one two >/dev/null
ok $? 'loading twice is a no-op: not one row was written' ||
    diff one two | head | diag

# The sample, then a site's own view.
exits 0 'loads the sample' "$load" "$IMGP_DATABASE" --sample
sql -c "insert into pipeline.edcpipeline (code) values ('own')"
state one
exits 0 'and the sample again' "$load" "$IMGP_DATABASE" --sample
state two
cmp one two >/dev/null
ok $? 'which changes nothing either' || diff one two | head | diag
sql -c 'set client_min_messages = warning' -c 'drop view pipeline.upload cascade' \
    -c "create view pipeline.upload as select 7::bigint as
    subject_event_crf_file_id, 'own' as pipeline_code, 1::bigint as subject_id,
    'P' as participant_code, 'E' as event_code, 'F' as ddcrf_name,
    'U' as ddfile_name, 1::bigint as subject_event_crf_id,
    1::bigint as revision_number, 'v' as file_version_code, '' as extension,
    'k' as source_key"
sql -c "comment on view pipeline.upload is 'ours'"
exits 3 'the sample stays away from a site'"'"'s view' \
    "$load" "$IMGP_DATABASE" --sample
# As after an upgrade: the files differ from what was loaded.
sql -c "update pipeline.schema_version set sha256 = 'of an older release'" \
    -c "update pipeline.error_code set action = '' where code = 'IMGP-INTERNAL'" \
    -c "insert into pipeline.error_code values ('X', 'data', false, 'm', 'a')"
exits 0 'other files are loaded' "$load" "$IMGP_DATABASE"
is "$(sql -c 'select subject_event_crf_file_id from pipeline.upload')" 7 \
    'and leave a site'"'"'s view as it is'
is "$(sql -c "select count(*) from pipeline.error_code where action = ''")" 0 \
    'changed rows of the dictionary are renewed'
is "$(sql -c "select count(*) from pipeline.error_code where code = 'X'")" 1 \
    'a site'"'"'s own codes stay'
is "$(sql -c 'select * from pipeline.pending' | cut -d'|' -f1,2)" '7|own' \
    'pending follows the site'"'"'s view'

# A site's own dictionary, over ours.
says() { sql -c "select class, owner, retryable, meaning, action from pipeline.error_code
    where code = '$1'"; }
{
	echo '# theirs'
	printf 'IMGP-DICOM-CUT\tintegrity\tupload\tno\tToo short: \\t %%\task\n\n'
	printf 'IMGP-SITE-QC\tdata\tupload\tno\tblurred\task\n'
} >own.tsv
exits 0 'a file of a site' "$load" "$IMGP_DATABASE" --errors own.tsv
is "$(says IMGP-DICOM-CUT)" 'integrity|upload|f|Too short: \t %|ask' \
    'takes the place of what is built in (M68)'
is "$(says IMGP-SITE-QC)" 'data|upload|f|blurred|ask' 'and adds codes of its own'
state one
exits 0 'and again' "$load" "$IMGP_DATABASE" --errors=own.tsv
state two
cmp one two >/dev/null
ok $? 'which changes nothing'
for bad in 'IMGP-DB-FENCED	conflict	upload	yes	m	a' 'IMGP-DICOM-CUT	data	upload	yes	m	a' \
    'IMGP-DB-FENCED	temporary	ours	yes	m	a' 'IMGP-QC	data	upload	no	m	a' \
    'IMGP-SITE-A	internal	ours	no	m	a' 'IMGP-SITE-A	odd	upload	no	m	a' \
    'IMGP-SITE-A	data	upload	no		a' 'IMGP-SITE-A	data	upload	no	m'; do
	echo "$bad" >bad.tsv
	"$load" "$IMGP_DATABASE" --errors bad.tsv >out 2>err
	[ $? -eq 3 ] && [ -s err ] || echo "$bad"
done >taken
is "$(cat taken)" '' 'what a file may not say is refused'
state two
cmp one two >/dev/null
ok $? 'and nothing of it stays'
exits 2 'a file that is not there' "$load" "$IMGP_DATABASE" --errors none.tsv
exits 2 'none named' "$load" "$IMGP_DATABASE" --errors
exits 0 'without it' "$load" "$IMGP_DATABASE"
is "$(says IMGP-DICOM-CUT | cut -d'|' -f1) $(says IMGP-SITE-QC | cut -d'|' -f1)" 'data data' \
    'ours are back, and the codes of the site stay'

# A later release: one more migration, over a schema with data in it.
mkdir -p later/libimgpipe/base
cp -r "$ROOT/sql" later
mkdir later/scripts
cp "$load" later/scripts
cp "$ROOT/libimgpipe/base/errors.tsv" later/libimgpipe/base
last=$(sql -c 'select pipeline.version()')
later=$((last + 1))
echo 'alter table pipeline.edcpipeline add column later integer default 5;' \
    >"later/sql/$(printf %03d "$later")_later.sql"
sql -c "set role imgp_record" -c "select pipeline.file_start('{\"run\": \"R\",
    \"pipeline_code\": \"own\", \"subject_event_crf_file_id\": 7}')" >out
like out '"lease": [1-9]' 'a row before the upgrade'
exits 0 'a later migration is applied' later/scripts/load-sql "$IMGP_DATABASE"
is "$(sql -c 'select later from pipeline.edcpipeline limit 1')" 5 'once'
exits 0 'and not twice' later/scripts/load-sql "$IMGP_DATABASE"
is "$(sql -c 'select pipeline.version(), count(*) from
    pipeline.edcpipelinefile')" "$later|1" 'the version is that, the row is there'
exits 3 'older files leave a newer schema alone' "$load" "$IMGP_DATABASE"
like err 'newer than these files' 'and say why'
export IMGP_SOURCE=file:///src IMGP_TEMP=file:///t IMGP_DESTINATION=file:///d
exits 2 'imgp-record stops at another version (R10)' imgp-record start </dev/null
like err "IMGP-DB-SCHEMA: the database has version $later" 'and says so'
exits 2 'imgp-lookup too' imgp-lookup 7
like err "IMGP-DB-SCHEMA: the database has version $later" 'and says so'
sql -c 'create database empty'
exits 2 'imgp-record stops where nothing was loaded' env \
    IMGP_DATABASE="$(echo "$IMGP_DATABASE" | sed 's/imgpipe/empty/')" \
    imgp-record start </dev/null
like err 'IMGP-DB-SCHEMA: ' 'and says so'
exits 2 'imgp-digest, too' env IMGP_LABS=labs@example.org IMGP_MAIL="file://$WORK/mail" \
    IMGP_DATABASE="$(echo "$IMGP_DATABASE" | sed 's/imgpipe/empty/')" imgp-digest
is "$(grep -c IMGP-DB-SCHEMA err)" 1 '... which says it once'

# A migration that fails leaves everything as it was.
echo 'select 1/0;' >"later/sql/$(printf %03d $((later + 1)))_bad.sql"
state one
exits 3 'a failing migration is an error' later/scripts/load-sql "$IMGP_DATABASE"
state two
cmp one two >/dev/null
ok $? 'and nothing of it stays'

exits 2 'wrong usage' "$load" --no-such-option
exits 2 'no database named' "$load"

# Who may what.
has() {			# has ROLE: all that the role may do in the schema
	sql -c "select p.proname || '()' from pg_proc p
	    where p.pronamespace = 'pipeline'::regnamespace
	    and has_function_privilege('$1', p.oid, 'execute')
	    and p.prorettype <> 'trigger'::regtype
	    union all select c.relname || ' ' || lower(x) from pg_class c,
	    unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE',
	    'REFERENCES', 'TRIGGER']) x
	    where c.relnamespace = 'pipeline'::regnamespace
	    and c.relkind in ('r', 'v') and has_table_privilege('$1', c.oid, x)
	    union all select relname || ' sequence' from pg_class
	    where relnamespace = 'pipeline'::regnamespace and case relkind
	    when 'S' then has_sequence_privilege('$1', oid,
	    'USAGE, SELECT, UPDATE') end
	    order by 1" | tr '\n' ' '
}
is "$(has imgp_lookup)" "busy select due select due_now() failed select is_partial() is_swept()\
 paused select pending select registered select sweep_make() upload select version() " \
    'imgp_lookup reads seven views, and what a difference spares it, and that is all'
is "$(has imgp_record)" "file_finish() file_release() file_renew() file_scans()\
 file_start() lookup_failed() notice_done() notice_list() page_file() page_scans()\
 sweep_make() version() " \
    'imgp_record executes its functions alone'
is "$(has imgp_digest)" "digest_days() digest_open() digest_preview()\
 digest_resend() digest_sent() error_log() explain() notice_done() notice_list() outbox_done() outbox_put()\
 outbox_state() outbox_take() run_end() run_watch() status() status_files()\
 status_page() status_upload() sweep_make() verify_files() verify_seen() verify_uploads() version() " 'imgp_digest executes its functions alone'
is "$(has imgp_repair)" 'repair() version() ' 'imgp_repair that which opens a row alone'
is "$(has imgp_pipeline)" "pipeline_add() pipeline_list() pipeline_pause()\
 pipeline_resume() pipeline_set() pipeline_unwaive() pipeline_waive() version() " \
    'imgp_pipeline those of the register'
is "$(has imgp_prune)" 'prune_files() prune_letters() version() ' \
    'imgp_prune what asks and what takes letters their text'
sql -c 'create role stranger'
is "$(has stranger)" '' 'everybody else may nothing'
is "$(sql -c "select proname from pg_proc where prosecdef and
    pronamespace = 'pipeline'::regnamespace and not exists (select from
    unnest(proconfig) c where c = 'search_path=pg_catalog, pg_temp')")" '' \
    'every function with the owner'"'"'s rights has a fixed search_path'
done_testing
