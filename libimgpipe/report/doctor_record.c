#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/job/members.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/record/ledger.h"
#include "libimgpipe/report/doctor_priv.h"

/* A connection, and what its user needs, as an array of PostgreSQL. */
static const struct side {
	const char	*part;		/* the setting */
	const char	*role;
	const char	*functions;	/* pipeline.NAME(jsonb) */
	const char	*views;
	unsigned int	 flags;
} sides[] = {
	{ "database", "imgp_record", "{file_start,file_scans,file_finish,"
	    "file_renew,file_release,lookup_failed,notice_list,notice_done,"
	    "page_file,page_scans}",
	    "{}", 0 },
	{ "ledger", "imgp_digest", "{error_log,digest_open,digest_sent,"
	    "outbox_put,outbox_take,outbox_done,run_end,run_watch,status,"
	    "verify_files,verify_seen,explain,notice_list}", "{}", 0 },
	{ "replica", "imgp_lookup", "{}",
	    "{upload,pending,due,failed,registered}", IMGP_DB_READ_ONLY },
};

static const char *
field(const struct imgp_rows *r, size_t col)
{
	const char *s = imgp_rows_count(r) == 0 ? NULL : imgp_rows_get(r, 0, col);

	return s == NULL ? "" : s;
}

static int
is_true(const struct imgp_rows *r, size_t col)
{
	return strcmp(field(r, col), "t") == 0;
}

/* --- rights ----------------------------------------------------------------- */

/* What of the needed is missing, and what is there beyond need. */
static void
rights(const struct imgp_doctor *d, struct imgp_db *db, const struct side *s)
{
	static const char sql[] =
	    "select current_user, current_setting('server_version'),"
	    " (select coalesce(string_agg(f, ', '), '') from"
	    "  unnest($1::text[]) f where has_schema_privilege('pipeline',"
	    "  'usage') is not true or has_function_privilege("
	    "  to_regprocedure('pipeline.' || f || '(jsonb)'), 'execute')"
	    "  is not true),"
	    " (select coalesce(string_agg(v, ', '), '') from"
	    "  unnest($2::text[]) v where has_schema_privilege('pipeline',"
	    "  'usage') is not true or has_table_privilege("
	    "  to_regclass('pipeline.' || v), 'select') is not true),"
	    " (select rolsuper from pg_roles where rolname = current_user) or"
	    "  has_table_privilege('pipeline.edcpipelinefile', 'update')";
	const char *param[2] = { s->functions, s->views };
	struct imgp_rows *r;
	struct imgp_err e;
	char act[80];

	if ((r = imgp_db_query(db, sql, 2, param, &e)) == NULL) {
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, s->part, NULL, &e);
		return;
	}
	snprintf(act, sizeof act, "grant the role %s to this user", s->role);
	if (*field(r, 2) != '\0' || *field(r, 3) != '\0')
		imgp_doctor_tell(d, IMGP_HEALTH_BROKEN, s->part, NULL, act,
		    "user %s has no right to: %s%s", field(r, 0), field(r, 2),
		    field(r, 3));
	else if (is_true(r, 4))
		imgp_doctor_tell(d, IMGP_HEALTH_WARNING, s->part, NULL, act,
		    "user %s may change the tables themselves: the role %s is "
		    "enough", field(r, 0), s->role);
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, s->part, NULL, NULL,
		    "user %s has what the role %s gives, and no more",
		    field(r, 0), s->role);
	imgp_rows_free(r);
}

/* --- the server --------------------------------------------------------------- */

static void
pooler(const struct imgp_doctor *d, struct imgp_db *db, const struct side *s,
    const char *version)
{
	struct imgp_err e;
	int pooled;

	if (imgp_db_is_pooled(db, &pooled, &e) == -1)
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, s->part, NULL, &e);
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, s->part, NULL, NULL,
		    "PostgreSQL %s, schema version %d%s", version,
		    IMGP_DB_SCHEMA, pooled ? ", behind a pooler that keeps "
		    "transactions together" : "");
}

/* ${lag}: seconds, "" where the server does not say. */
static void
replication(const struct imgp_doctor *d, const struct side *s, int standby,
    const char *lag)
{
	int is_replica = strcmp(s->part, "replica") == 0;
	long long wait = 0;

	if (!is_replica && standby)
		imgp_doctor_tell(d, IMGP_HEALTH_BROKEN, s->part, NULL,
		    "name the primary server", "it is a standby: nothing can be "
		    "written");
	if (!is_replica)
		return;
	imgp_conf_duration(NULL, "wait", &wait, NULL);
	if (!standby)
		imgp_doctor_tell(d, IMGP_HEALTH_WARNING, s->part, NULL,
		    "name a read replica, to spare the primary",
		    "it is no standby");
	else if (*lag == '\0')
		imgp_doctor_tell(d, IMGP_HEALTH_WARNING, s->part, NULL,
		    "look at its replication", "it does not say how far it is "
		    "behind");
	else if (atoll(lag) > wait)
		imgp_doctor_tell(d, IMGP_HEALTH_WARNING, s->part, NULL,
		    "look at its replication, or raise wait",
		    "it is %s seconds behind; a run waits %lld", lag, wait);
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, s->part, NULL, NULL,
		    "%s seconds behind", lag);
}

static void
server(const struct imgp_doctor *d, struct imgp_db *db, const struct side *s)
{
	static const char sql[] =
	    "select current_setting('server_version'),"
	    " extract(epoch from clock_timestamp())::bigint,"
	    " pg_is_in_recovery(), case when pg_is_in_recovery() then case"
	    "  when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0"
	    "  else extract(epoch from clock_timestamp() -"
	    "  pg_last_xact_replay_timestamp())::bigint end end";
	char who[64];
	struct imgp_rows *r;
	struct imgp_err e;

	if ((r = imgp_db_query(db, sql, 0, NULL, &e)) == NULL) {
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, s->part, NULL, &e);
		return;
	}
	pooler(d, db, s, field(r, 0));
	replication(d, s, is_true(r, 2), field(r, 3));
	if (strcmp(s->part, "ledger") != 0) {
		snprintf(who, sizeof who, "the %s server", s->part);
		imgp_doctor_clock(d, who, atoll(field(r, 1)));
	}
	imgp_rows_free(r);
}

/* --- the view of the EDC -------------------------------------------------------- */

/* 0 when the view can be read. */
static int
view(const struct imgp_doctor *d, struct imgp_db *db)
{
	static const char sql[] =
	    "select obj_description(to_regclass('pipeline.upload'), 'pg_class'),"
	    " (select string_agg(c, ', ') from unnest($1::text[]) c"
	    "  where not exists (select from pg_attribute a where a.attrelid ="
	    "  to_regclass('pipeline.upload') and a.attname = c)),"
	    " exists (select from pg_attribute a where a.attrelid ="
	    "  to_regclass('pipeline.upload') and a.attname = 'ts_change')"
	    " or not pipeline.is_partial(86400)";
	struct imgp_buf want = IMGP_BUF_INIT;
	const struct imgp_member *m;
	struct imgp_rows *r;
	struct imgp_err e;
	const char *param;
	int rc = -1;

	for (m = imgp_members; m->name != NULL; m++)
		if (m->flags & IMGP_MEMBER_COLUMN)
			imgp_buf_printf(&want, "%s%s", want.len == 0 ? "{" : ",",
			    m->name);
	imgp_buf_puts(&want, "}");
	param = want.s;
	if ((r = imgp_db_query(db, sql, 1, &param, &e)) == NULL)
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, "view", NULL, &e);
	else if (strcmp(field(r, 0), "imgpipe: placeholder") == 0)
		imgp_doctor_tell(d, IMGP_HEALTH_BROKEN, "view", NULL,
		    "lay pipeline.upload over the EDC's tables",
		    "pipeline.upload is the placeholder, without rows");
	else if (*field(r, 1) != '\0')
		imgp_doctor_tell(d, IMGP_HEALTH_BROKEN, "view", NULL,
		    "add them, sql/100_views.sql",
		    "pipeline.upload has no column %s", field(r, 1));
	else {
		if (is_true(r, 2) || strcmp(imgp_conf(NULL, "sweep_every"),
		    "0") == 0)
			imgp_doctor_tell(d, IMGP_HEALTH_OK, "view", NULL, NULL,
			    "pipeline.upload has its columns");
		else
			imgp_doctor_tell(d, IMGP_HEALTH_WARNING, "view", NULL,
			    "add it, or set sweep_every = 0; PENDING in "
			    "imgp-lookup(1)", "pipeline.upload has no column "
			    "ts_change: --pending may take a new revision of an "
			    "old upload as late as sweep_every (%s) tells",
			    imgp_conf(NULL, "sweep_every"));
		rc = 0;
	}
	imgp_rows_free(r);
	imgp_buf_release(&want);
	return rc;
}

/* Form and field of row ${i}, whose files lie at a path. */
struct pair {
	const char	*code, *form, *field;
	char		*path;
};

static int
by_path(const void *a, const void *b)
{
	const struct pair *p = a, *q = b;
	int c = strcmp(p->path, q->path);

	return c != 0 ? c : strcmp(p->form, q->form);
}

static int
is_other(const struct pair *p, const struct pair *q)
{
	const char *a = imgp_conf(p->code, "destination");
	const char *b = imgp_conf(q->code, "destination");

	return strcmp(p->path, q->path) == 0 && a != NULL && b != NULL &&
	    strcmp(a, b) == 0 && (strcmp(p->form, q->form) != 0 ||
	    strcmp(p->field, q->field) != 0);
}

/* AB and C, A and BC: both are ABC (M11). */
static void
pairs(const struct imgp_doctor *d, struct imgp_db *db)
{
	struct imgp_rows *r;
	struct imgp_err e;
	struct pair *all;
	size_t i, k, n = 0, same = 0;

	if ((r = imgp_db_query(db, "select distinct pipeline_code, ddcrf_name,"
	    " ddfile_name from pipeline.upload where pipeline_code is not null",
	    0, NULL, &e)) == NULL) {
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, "names", NULL, &e);
		return;
	}
	all = imgp_alloc((imgp_rows_count(r) + 1) * sizeof *all);
	for (i = 0; i < imgp_rows_count(r); i++) {
		all[n].code = imgp_rows_get(r, i, 0);
		all[n].form = imgp_rows_get(r, i, 1);
		all[n].field = imgp_rows_get(r, i, 2);
		if (all[n].form == NULL || all[n].field == NULL)
			continue;
		if (imgp_names_field_path(all[n].code, all[n].form,
		    all[n].field, &all[n].path, &e) == -1)
			imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, "names",
			    all[n].code, &e);
		else
			n++;
	}
	qsort(all, n, sizeof *all, by_path);
	for (i = 1; i < n; i++)
		for (k = i; k-- > 0 && strcmp(all[k].path, all[i].path) == 0; )
			if (is_other(&all[k], &all[i])) {
				same++;
				imgp_doctor_tell(d, IMGP_HEALTH_WARNING, "names",
				    all[i].code, "set destination_path so that "
				    "it tells them apart", "form %s, field %s "
				    "and form %s, field %s share %s",
				    all[k].form, all[k].field, all[i].form,
				    all[i].field, all[i].path);
				break;
			}
	if (same == 0)
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "names", NULL, NULL,
		    "%zu forms and fields, each with a directory of its own", n);
	for (i = 0; i < n; i++)
		free(all[i].path);
	free(all);
	imgp_rows_free(r);
}

/* --- pipelines ------------------------------------------------------------------ */

static int
has(const struct imgp_doctor_scope *scope, const char *code)
{
	size_t i;

	for (i = 0; i < scope->n; i++)
		if (strcmp(scope->code[i], code) == 0)
			return 1;
	return 0;
}

static void
pipelines(const struct imgp_doctor *d, struct imgp_db *db,
    struct imgp_doctor_scope *scope)
{
	struct imgp_doctor_scope registered = { NULL, 0 };
	struct imgp_rows *r;
	struct imgp_err e;
	const char *code;
	size_t i;

	if ((r = imgp_db_query(db, "select code from pipeline.registered"
	    " order by code", 0, NULL, &e)) == NULL) {
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, "pipelines", NULL, &e);
		return;
	}
	registered.code = imgp_alloc((imgp_rows_count(r) + 1) *
	    sizeof *registered.code);
	for (i = 0; i < imgp_rows_count(r); i++)
		registered.code[registered.n++] =
		    imgp_strdup(imgp_rows_get(r, i, 0));
	imgp_rows_free(r);
	for (i = 0; (code = imgp_conf_section(i)) != NULL; i++)
		if (!has(&registered, code))
			imgp_doctor_tell(d, IMGP_HEALTH_WARNING, "pipelines",
			    code, "mend the name, or imgp-pipeline add",
			    "the settings have this section, and no pipeline "
			    "has this code");
	if (registered.n == 0)
		imgp_doctor_tell(d, IMGP_HEALTH_BROKEN, "pipelines", NULL,
		    "imgp-pipeline add", "none is registered");
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "pipelines", NULL, NULL,
		    "%zu registered", registered.n);
	for (i = 0; i < scope->n; i++)
		free(scope->code[i]);
	free(scope->code);
	*scope = registered;
}

/* --- the sides -------------------------------------------------------------------- */

static void
api(const struct imgp_doctor *d, const char *where)
{
	struct imgp_err e;
	struct imgp_ledger *l = imgp_ledger_open(where, &e);

	if (l == NULL)
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, "database", NULL, &e);
	else
		imgp_doctor_tell(d, IMGP_HEALTH_OK, "database", NULL, NULL,
		    "a pipeline API, whose address and token are usable");
	imgp_ledger_close(l);
}

/* Where the connection is to go; NULL: this side has no own. */
static const char *
where(const struct side *s)
{
	const char *own = imgp_conf(NULL, s->part);

	if (strcmp(s->part, "ledger") == 0)
		return imgp_ledger_conninfo();
	if (own == NULL)
		own = imgp_conf(NULL, "database");
	return own == NULL || imgp_ledger_is_api(own) ? NULL : own;
}

static void
side(const struct imgp_doctor *d, const struct side *s,
    struct imgp_doctor_scope *scope)
{
	const char *conninfo = where(s);
	int is_replica = strcmp(s->part, "replica") == 0;
	struct imgp_db *db;
	struct imgp_err e;

	if (conninfo == NULL) {
		if (strcmp(s->part, "database") == 0 &&
		    imgp_conf(NULL, "database") != NULL)
			api(d, imgp_conf(NULL, "database"));
		else
			imgp_doctor_tell(d, is_replica ? IMGP_HEALTH_BROKEN :
			    IMGP_HEALTH_WARNING, s->part, NULL,
			    "set it, imgpipe.conf(5)", "%s is not set, and "
			    "database is none for libpq", s->part);
		return;
	}
	if ((db = imgp_db_open(conninfo, s->flags, 0, &e)) == NULL ||
	    imgp_db_check_schema(db, &e) == -1)
		imgp_doctor_fail(d, IMGP_HEALTH_BROKEN, s->part, NULL, &e);
	else {
		server(d, db, s);
		rights(d, db, s);
		if (is_replica && view(d, db) == 0)
			pairs(d, db);
		if (is_replica)
			pipelines(d, db, scope);
	}
	imgp_db_close(db);
}

void
imgp_doctor_record(const struct imgp_doctor *d,
    struct imgp_doctor_scope *scope)
{
	size_t i;

	for (i = 0; i < sizeof sides / sizeof *sides; i++)
		side(d, &sides[i], scope);
}
