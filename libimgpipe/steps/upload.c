#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/steps/upload.h"

/* Columns of the query, in its order. */
enum { C_ID, C_PIPELINE, C_SUBJECT, C_PARTICIPANT, C_EVENT, C_DDCRF, C_DDFILE,
    C_CRF, C_REVISION, C_VERSION, C_EXTENSION, C_KEY, C_LAG };

/*
 * How far a standby is behind: nothing when it has replayed what it received
 * and still receives; else the age of the last transaction that it replayed.
 */
#define COLUMNS \
    "select u.subject_event_crf_file_id, u.pipeline_code, u.subject_id," \
    " u.participant_code, u.event_code, u.ddcrf_name, u.ddfile_name," \
    " u.subject_event_crf_id, u.revision_number, u.file_version_code," \
    " u.extension, u.source_key," \
    " case when not pg_is_in_recovery() or (pg_last_wal_receive_lsn() =" \
    "  pg_last_wal_replay_lsn() and exists (select from" \
    "  pg_stat_wal_receiver)) then 0 else round(extract(epoch from" \
    "  clock_timestamp() - pg_last_xact_replay_timestamp()), 3) end" \
    " from pipeline.upload u where "
static const char by_id[] = COLUMNS
    "u.subject_event_crf_file_id = any (array(select"
    " jsonb_array_elements_text($1::jsonb)::bigint))";
/* A key names its record (M8), by which a database finds it at once ... */
static const char by_record[] = COLUMNS
    "u.subject_event_crf_id = any (array(select"
    " jsonb_array_elements_text($2::jsonb)::bigint)) and"
    " u.source_key = any (array(select jsonb_array_elements_text($1::jsonb)))";
/* ... unless a site's keys are made otherwise. */
static const char by_key[] = COLUMNS
    "u.source_key = any (array(select jsonb_array_elements_text($1::jsonb)))";

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
	struct imgp_buf	ids;
	struct imgp_buf	keys;
	struct imgp_buf	records;
	size_t		nkeys;
};

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

static const char *
closed(struct imgp_buf *b)
{
	imgp_buf_puts(b, b->len == 0 ? "[]" : "]");
	return b->s;
}

static void
release_lists(struct lists *l)
{
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
	struct lists l = { .nkeys = 0 };
	struct imgp_rows *r;
	const char *param;
	size_t i;
	int rc = 0;

	for (i = 0; i < n; i++)
		if (ask[i].key != NULL &&
		    imgp_uploads_find(u, &ask[i]) == IMGP_UPLOADS_NONE)
			add_key(&l, ask[i].key);
	if (l.nkeys > 0) {
		param = closed(&l.keys);
		if ((r = imgp_db_query(db, by_key, 1, &param, e)) == NULL)
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
	struct lists l = { .nkeys = 0 };
	const char *params[3];
	struct imgp_db_stmt s[] = { { by_id, &params[0], 1 },
	    { by_record, &params[1], 2 } };
	struct imgp_rows *rows[2] = { NULL, NULL };
	struct imgp_uploads *u = NULL;
	size_t i;

	for (i = 0; i < n; i++)
		if (ask[i].key != NULL)
			add_key(&l, ask[i].key);
		else
			imgp_buf_printf(&l.ids, "%s%lld",
			    l.ids.len == 0 ? "[" : ",", (long long)ask[i].id);
	params[0] = closed(&l.ids);
	params[1] = closed(&l.keys);
	params[2] = closed(&l.records);
	if (imgp_db_batch(db, s, l.nkeys == 0 ? 1 : 2, rows, e) == 0) {
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
	*id = num;
	for (i = first; i < x->n && strcmp(text_at(x, i, x->col),
	    text_at(x, first, x->col)) == 0; i++) {
		s = imgp_rows_get(x->r, x->row[i], C_PIPELINE);
		if (s == NULL || (pipeline != NULL && strcmp(s, pipeline) != 0))
			continue;
		*code = s;
		chosen = i;
		n++;
	}
	if (n > 1)
		return imgp_fail(e, IMGP_E_LOOKUP_PIPELINES,
		    "%zu pipelines list its field", n);
	if (n == 1)
		*at += chosen - first;
	return n == 0;
}

/* --- taking over ---------------------------------------------------------- */

/* Members that are text, in the order of their columns. */
static const struct {
	int		 column;
	const char	*name;
	int		 is_int;
	int		 may_be_empty;
} members[] = {
	{ C_PIPELINE, "pipeline_code", 0, 0 },
	{ C_SUBJECT, "subject_id", 1, 0 },
	{ C_PARTICIPANT, "participant_code", 0, 0 },
	{ C_EVENT, "event_code", 0, 0 },
	{ C_DDCRF, "ddcrf_name", 0, 0 },
	{ C_DDFILE, "ddfile_name", 0, 0 },
	{ C_CRF, "subject_event_crf_id", 1, 0 },
	{ C_REVISION, "revision_number", 1, 0 },
	{ C_VERSION, "file_version_code", 0, 0 },
	{ C_EXTENSION, "extension", 0, 1 },
};

static int
take_member(struct imgp_job *job, const char *name, const char *s, int is_int,
    int may_be_empty, struct imgp_err *e)
{
	long long n;

	if (s == NULL || (*s == '\0' && !may_be_empty))
		return imgp_fail(e, IMGP_E_LOOKUP_DATA, "%s is empty", name);
	if (!is_int)
		imgp_job_set_str(job, name, s);
	else if (imgp_parse_int(s, 0, INT64_MAX, &n) == 0)
		imgp_job_set_int(job, name, n);
	else
		return imgp_fail(e, IMGP_E_LOOKUP_DATA,
		    "%s is not an integer from 0 on", name);
	return 0;
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
	size_t i;

	for (i = 0; i < sizeof members / sizeof *members; i++)
		if (take_member(job, members[i].name, imgp_rows_get(x->r,
		    x->row[at], (size_t)members[i].column), members[i].is_int,
		    members[i].may_be_empty, e) == -1)
			return -1;
	if (*lag != '\0')
		imgp_job_set(job, "replica_lag_s",
		    imgp_json_parse(lag, strlen(lag), NULL));
	return take_source(job, source, text_at(x, at, C_KEY), e);
}
