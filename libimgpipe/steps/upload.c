#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/job/members.h"
#include "libimgpipe/steps/upload.h"

/*
 * Columns of the query: what finds a row and how old it is, its optional
 * columns, then the members with IMGP_MEMBER_COLUMN in their order.
 */
enum { C_ID, C_KEY, C_LAG, C_OPTIONAL, C_PIPELINE };

/*
 * How far a standby is behind: nothing when it has replayed what it received
 * and still receives; else the age of the last transaction that it replayed.
 * After a restart the receiver begins behind what was replayed before.
 */
#define LAG \
    "case when not pg_is_in_recovery() or (pg_last_wal_receive_lsn() <=" \
    " pg_last_wal_replay_lsn() and exists (select from" \
    " pg_stat_wal_receiver)) then 0 else round(extract(epoch from" \
    " clock_timestamp() - pg_last_xact_replay_timestamp()), 3) end"
/* $1 are the optional columns that are wanted: where the view has none of
 * them, no row is made a JSON text. */
#define COLUMNS \
    "select u.subject_event_crf_file_id, u.source_key, " LAG "," \
    " case when exists (select from pg_attribute where attrelid =" \
    "  'pipeline.upload'::regclass and attname = any (array(select" \
    "  jsonb_array_elements_text($1::jsonb)))) then to_jsonb(u) end," \
    " u.pipeline_code, u.subject_id, u.participant_code, u.event_code," \
    " u.ddcrf_name, u.ddfile_name, u.subject_event_crf_id," \
    " u.revision_number, u.file_version_code, u.extension" \
    " from pipeline.upload u where "
static const char by_id[] = COLUMNS
    "u.subject_event_crf_file_id = any (array(select"
    " jsonb_array_elements_text($2::jsonb)::bigint))";
/* A key names its record (M8), by which a database finds it at once ... */
static const char by_record[] = COLUMNS
    "u.subject_event_crf_id = any (array(select"
    " jsonb_array_elements_text($3::jsonb)::bigint)) and"
    " u.source_key = any (array(select jsonb_array_elements_text($2::jsonb)))";
/* ... unless a site's keys are made otherwise. */
static const char by_key[] = COLUMNS
    "u.source_key = any (array(select jsonb_array_elements_text($2::jsonb)))";

/* The rows of one statement, in the order of a column's text. */
struct index {
	struct imgp_rows	*r;
	size_t			*row;	/* positions in r */
	size_t			 n;
	size_t			 col;
};

enum { BY_ID, BY_RECORD, BY_KEY, INDEXES };

/* Places count through the indexes in their order. */
struct imgp_uploads {
	struct index	index[INDEXES];
};

/* --- asking --------------------------------------------------------------- */

static const char *
text_at(const struct index *x, size_t i, size_t col)
{
	const char *s = imgp_rows_get(x->r, x->row[i], col);

	return s == NULL ? "" : s;
}

static int
by_column(const void *a, const void *b, void *arg)
{
	const struct index *x = arg;
	const char *s = imgp_rows_get(x->r, *(const size_t *)a, x->col);
	const char *t = imgp_rows_get(x->r, *(const size_t *)b, x->col);

	return strcmp(s == NULL ? "" : s, t == NULL ? "" : t);
}

static void
make_index(struct index *x, struct imgp_rows *r, size_t col)
{
	size_t i;

	x->r = r;
	x->col = col;
	x->n = imgp_rows_count(r);
	x->row = imgp_alloc(x->n * sizeof *x->row);
	for (i = 0; i < x->n; i++)
		x->row[i] = i;
	qsort_r(x->row, x->n, sizeof *x->row, by_column, x);
}

/*
 * The number of the record that a key names, of the form
 * folder/subject/record/...; -1 when it has another form.
 */
static long long
record_of(const char *key)
{
	const char *s = strchr(key, '/'), *end;
	char digits[24];
	long long n;

	if (s == NULL || (s = strchr(s + 1, '/')) == NULL ||
	    (end = strchr(++s, '/')) == NULL ||
	    (size_t)(end - s) >= sizeof digits)
		return -1;
	memcpy(digits, s, (size_t)(end - s));
	digits[end - s] = '\0';
	return imgp_parse_int(digits, 0, INT64_MAX, &n) == -1 ? -1 : n;
}

/* Lists of what is asked for, as JSON arrays. */
struct lists {
	struct imgp_buf	optional;	/* columns */
	struct imgp_buf	ids;
	struct imgp_buf	keys;
	struct imgp_buf	records;
	size_t		nkeys;
};
#define LISTS_INIT	{ IMGP_BUF_INIT, IMGP_BUF_INIT, IMGP_BUF_INIT, IMGP_BUF_INIT, 0 }

static void
add_key(struct lists *l, const char *key)
{
	long long record = record_of(key);

	imgp_buf_puts(&l->keys, l->nkeys++ == 0 ? "[" : ",");
	imgp_json_quote(&l->keys, key, strlen(key));
	if (record >= 0)
		imgp_buf_printf(&l->records, "%s%lld",
		    l->records.len == 0 ? "[" : ",", record);
}

static void
add_optional(struct lists *l)
{
	const struct imgp_member *m;

	for (m = imgp_members; m->name != NULL; m++)
		if (m->flags & IMGP_MEMBER_OPTIONAL)
			imgp_buf_printf(&l->optional, "%s\"%s\"",
			    l->optional.len == 0 ? "[" : ",", m->name);
}

static const char *
closed(struct imgp_buf *b)
{
	imgp_buf_puts(b, b->len == 0 ? "[]" : "]");
	return b->s;
}

static void
release_lists(struct lists *l)
{
	imgp_buf_release(&l->optional);
	imgp_buf_release(&l->ids);
	imgp_buf_release(&l->keys);
	imgp_buf_release(&l->records);
	l->nkeys = 0;
}

/* The keys that were not found by their record are asked for as they are. */
static int
ask_for_rest(struct imgp_db *db, struct imgp_uploads *u,
    const struct imgp_upload_ask *ask, size_t n, struct imgp_err *e)
{
	struct lists l = LISTS_INIT;
	struct imgp_rows *r;
	const char *params[2];
	size_t i;
	int rc = 0;

	for (i = 0; i < n; i++)
		if (ask[i].key != NULL &&
		    imgp_uploads_find(u, &ask[i]) == IMGP_UPLOADS_NONE)
			add_key(&l, ask[i].key);
	if (l.nkeys > 0) {
		add_optional(&l);
		params[0] = closed(&l.optional);
		params[1] = closed(&l.keys);
		if ((r = imgp_db_query(db, by_key, 2, params, e)) == NULL)
			rc = -1;
		else
			make_index(&u->index[BY_KEY], r, C_KEY);
	}
	release_lists(&l);
	return rc;
}

struct imgp_uploads *
imgp_uploads_get(struct imgp_db *db, const struct imgp_upload_ask *ask,
    size_t n, struct imgp_err *e)
{
	struct lists l = LISTS_INIT;
	const char *ids[2], *keys[3];
	struct imgp_db_stmt s[] = { { by_id, ids, 2 }, { by_record, keys, 3 } };
	struct imgp_rows *rows[2] = { NULL, NULL };
	struct imgp_uploads *u = NULL;
	size_t i;

	for (i = 0; i < n; i++)
		if (ask[i].key != NULL)
			add_key(&l, ask[i].key);
		else
			imgp_buf_printf(&l.ids, "%s%lld",
			    l.ids.len == 0 ? "[" : ",", (long long)ask[i].id);
	add_optional(&l);
	ids[0] = keys[0] = closed(&l.optional);
	ids[1] = closed(&l.ids);
	keys[1] = closed(&l.keys);
	keys[2] = closed(&l.records);
	if (imgp_db_batch(db, IMGP_DB_BEGIN | IMGP_DB_COMMIT, s, l.nkeys == 0 ? 1 : 2, rows, e) == 0) {
		u = imgp_alloc(sizeof *u);
		make_index(&u->index[BY_ID], rows[0], C_ID);
		if (l.nkeys > 0)
			make_index(&u->index[BY_RECORD], rows[1], C_KEY);
		if (ask_for_rest(db, u, ask, n, e) == -1) {
			imgp_uploads_free(u);
			u = NULL;
		}
	}
	release_lists(&l);
	return u;
}

void
imgp_uploads_free(struct imgp_uploads *u)
{
	size_t i;

	if (u == NULL)
		return;
	for (i = 0; i < INDEXES; i++) {
		imgp_rows_free(u->index[i].r);
		free(u->index[i].row);
	}
	free(u);
}

/* --- finding -------------------------------------------------------------- */

/* The first row in the index whose text is ${want}; x->n when there is none. */
static size_t
first_in(const struct index *x, const char *want)
{
	size_t lo = 0, hi = x->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (strcmp(text_at(x, mid, x->col), want) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < x->n && strcmp(text_at(x, lo, x->col), want) == 0 ? lo :
	    x->n;
}

size_t
imgp_uploads_find(const struct imgp_uploads *u,
    const struct imgp_upload_ask *ask)
{
	size_t which, at, before = 0;
	char id[24];

	snprintf(id, sizeof id, "%lld", (long long)ask->id);
	for (which = 0; which < INDEXES; which++) {
		if ((ask->key == NULL) == (which == BY_ID)) {
			at = first_in(&u->index[which],
			    ask->key == NULL ? id : ask->key);
			if (at < u->index[which].n)
				return before + at;
		}
		before += u->index[which].n;
	}
	return IMGP_UPLOADS_NONE;
}

/* The index that ${*at} points into; ${*at} becomes the place in it. */
static const struct index *
index_of(const struct imgp_uploads *u, size_t *at)
{
	size_t which;

	for (which = 0; *at >= u->index[which].n; which++)
		*at -= u->index[which].n;
	return &u->index[which];
}

int
imgp_uploads_choose(const struct imgp_uploads *u, const char *pipeline,
    size_t *at, int64_t *id, const char **code, struct imgp_err *e)
{
	size_t first = *at, i, n = 0, chosen = 0;
	const struct index *x = index_of(u, &first);
	const char *s;
	long long num;

	*code = NULL;
	if (imgp_parse_int(text_at(x, first, C_ID), 1, INT64_MAX, &num) == -1)
		return imgp_fail(e, IMGP_E_LOOKUP_DATA,
		    "subject_event_crf_file_id is not positive");
	for (i = first; i < x->n && strcmp(text_at(x, i, x->col),
	    text_at(x, first, x->col)) == 0; i++) {
		if (strcmp(text_at(x, i, C_ID), text_at(x, first, C_ID)) != 0)
			return imgp_fail(e, IMGP_E_LOOKUP_DATA,
			    "several uploads have this source_key");
		s = imgp_rows_get(x->r, x->row[i], C_PIPELINE);
		if (s == NULL || (pipeline != NULL && strcmp(s, pipeline) != 0))
			continue;
		if (*code != NULL && strcmp(*code, s) == 0)
			return imgp_fail(e, IMGP_E_LOOKUP_DATA,
			    "the view has several rows for this upload and "
			    "pipeline");
		*code = s;
		chosen = i;
		n++;
	}
	*id = num;
	if (n > 1)
		return imgp_fail(e, IMGP_E_LOOKUP_PIPELINES,
		    "%zu pipelines list its field", n);
	if (n == 1)
		*at += chosen - first;
	return n == 0;
}

/* --- taking over ---------------------------------------------------------- */

static int
take_column(struct imgp_job *job, const struct imgp_member *m, const char *s,
    struct imgp_err *e)
{
	long long n;

	if (s == NULL || (*s == '\0' && !(m->flags & IMGP_MEMBER_EMPTY)))
		return imgp_fail(e, IMGP_E_LOOKUP_DATA, "%s is empty", m->name);
	if (!(m->types & IMGP_MEMBER_INT))
		imgp_job_set_str(job, m->name, s);
	else if (imgp_parse_int(s, 0, INT64_MAX, &n) == 0)
		imgp_job_set_int(job, m->name, n);
	else
		return imgp_fail(e, IMGP_E_LOOKUP_DATA,
		    "%s is not an integer from 0 on", m->name);
	return 0;
}

/* A column that the view need not have, of ${row}, all of it as JSON. */
static int
take_optional(struct imgp_job *job, const struct imgp_member *m,
    const struct imgp_json *row, struct imgp_err *e)
{
	const struct imgp_json *v = imgp_json_get(row, m->name);
	int64_t n;

	if (imgp_json_is_null(v)) {
		imgp_job_remove(job, m->name);
		return 0;
	}
	if (!((m->types & IMGP_MEMBER_STR) != 0 && imgp_json_str(v) != NULL) &&
	    !((m->types & IMGP_MEMBER_INT) != 0 && imgp_json_int(v, &n) == 0))
		return imgp_fail(e, IMGP_E_LOOKUP_DATA,
		    "%s is of the wrong type", m->name);
	imgp_job_set(job, m->name, imgp_json_copy(v));
	return 0;
}

static int
take_members(const struct index *x, size_t row, struct imgp_job *job,
    struct imgp_err *e)
{
	const char *text = imgp_rows_get(x->r, row, C_OPTIONAL);
	const struct imgp_member *m;
	struct imgp_json *all = NULL;
	size_t col = C_PIPELINE;
	int rc = 0;

	if (text != NULL &&
	    (all = imgp_json_parse(text, strlen(text), e)) == NULL)
		return -1;
	for (m = imgp_members; m->name != NULL && rc == 0; m++)
		if (m->flags & IMGP_MEMBER_COLUMN)
			rc = take_column(job, m, imgp_rows_get(x->r, row,
			    col++), e);
		else if (m->flags & IMGP_MEMBER_OPTIONAL)
			rc = take_optional(job, m, all, e);
	imgp_json_free(all);
	return rc;
}

static int
take_source(struct imgp_job *job, const char *source, const char *key,
    struct imgp_err *e)
{
	struct imgp_place p;
	char *url;
	int rc;

	if (*key == '\0')
		return imgp_fail(e, IMGP_E_LOOKUP_DATA, "source_key is empty");
	url = imgp_place_join(source, key);
	if ((rc = imgp_place_parse(url, &p, e)) == 0) {
		imgp_place_release(&p);
		if ((rc = imgp_place_within(url, source, e)) == 0)
			imgp_job_set_str(job, "source", url);
	}
	free(url);
	return rc;
}

int
imgp_uploads_take(const struct imgp_uploads *u, size_t at,
    struct imgp_job *job, const char *source, struct imgp_err *e)
{
	const struct index *x = index_of(u, &at);
	const char *lag = text_at(x, at, C_LAG);

	if (take_members(x, x->row[at], job, e) == -1)
		return -1;
	if (*lag != '\0')
		imgp_job_set(job, "replica_lag_s",
		    imgp_json_parse(lag, strlen(lag), NULL));
	return take_source(job, source, text_at(x, at, C_KEY), e);
}
