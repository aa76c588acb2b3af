#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/buf.h"
#include "libimgpipe/json.h"
#include "libimgpipe/opt.h"
#include "libimgpipe/place.h"
#include "libimgpipe/upload.h"

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
static const char by_key[] = COLUMNS
    "u.source_key = any (array(select jsonb_array_elements_text($1::jsonb)))";

/* The rows of one statement, in the order of a column's text. */
struct index {
	struct imgp_rows	*r;
	size_t			*row;	/* positions in r */
	size_t			 n;
	size_t			 col;
};

enum { BY_ID, BY_KEY };

/* Places count through the first index, then the second. */
struct imgp_uploads {
	struct index	index[2];
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

/* The ids or the keys as a JSON array. */
static char *
list_of(const struct imgp_upload_ask *ask, size_t n, int which)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	size_t i, m = 0;

	for (i = 0; i < n; i++) {
		if ((ask[i].key != NULL) != (which == BY_KEY))
			continue;
		imgp_buf_puts(&b, m++ == 0 ? "[" : ",");
		if (which == BY_KEY)
			imgp_json_quote(&b, ask[i].key, strlen(ask[i].key));
		else
			imgp_buf_printf(&b, "%lld", (long long)ask[i].id);
	}
	imgp_buf_puts(&b, m == 0 ? "[]" : "]");
	return imgp_buf_steal(&b);
}

struct imgp_uploads *
imgp_uploads_get(struct imgp_db *db, const struct imgp_upload_ask *ask,
    size_t n, struct imgp_err *e)
{
	char *ids = list_of(ask, n, BY_ID), *keys = list_of(ask, n, BY_KEY);
	const char *params[] = { ids, keys };
	struct imgp_db_stmt s[] = { { by_id, &params[0], 1 },
	    { by_key, &params[1], 1 } };
	struct imgp_rows *rows[2];
	struct imgp_uploads *u = NULL;

	/* Without keys the second statement would read the view for nothing. */
	if (imgp_db_batch(db, s, strcmp(keys, "[]") == 0 ? 1 : 2, rows, e) == 0) {
		u = imgp_alloc(sizeof *u);
		make_index(&u->index[BY_ID], rows[0], C_ID);
		if (strcmp(keys, "[]") != 0)
			make_index(&u->index[BY_KEY], rows[1], C_KEY);
	}
	free(ids);
	free(keys);
	return u;
}

void
imgp_uploads_free(struct imgp_uploads *u)
{
	size_t i;

	if (u == NULL)
		return;
	for (i = 0; i < 2; i++) {
		imgp_rows_free(u->index[i].r);
		free(u->index[i].row);
	}
	free(u);
}

/* --- finding -------------------------------------------------------------- */

size_t
imgp_uploads_find(const struct imgp_uploads *u,
    const struct imgp_upload_ask *ask)
{
	const struct index *x = &u->index[ask->key == NULL ? BY_ID : BY_KEY];
	const char *want = ask->key;
	size_t lo = 0, hi = x->n, mid;
	char id[24];

	if (want == NULL) {
		snprintf(id, sizeof id, "%lld", (long long)ask->id);
		want = id;
	}
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (strcmp(text_at(x, mid, x->col), want) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == x->n || strcmp(text_at(x, lo, x->col), want) != 0)
		return IMGP_UPLOADS_NONE;
	return ask->key == NULL ? lo : u->index[BY_ID].n + lo;
}

/* The index that ${*at} points into; ${*at} becomes the place in it. */
static const struct index *
index_of(const struct imgp_uploads *u, size_t *at)
{
	if (*at < u->index[BY_ID].n)
		return &u->index[BY_ID];
	*at -= u->index[BY_ID].n;
	return &u->index[BY_KEY];
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
