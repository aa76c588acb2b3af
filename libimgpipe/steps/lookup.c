#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/steps/lookup.h"
#include "libimgpipe/steps/upload.h"

#define BATCH	256		/* jobs in one query */
#define BACKOFF_MAX	(366 * 86400)

/* One job that waits for its row, or only for its turn. */
struct held {
	struct imgp_job	*job;
	struct imgp_upload_ask ask;
	char		*key;		/* ask.key, to be freed */
	const char	*sequencer;	/* of its event, the job's; NULL: none */
	int64_t		 tries;		/* beyond the first */
	int		 passes;	/* it needs no row */
	struct imgp_err	 why;		/* and failed for this, if code is set */
	int		 done;
};

/* An upload that was passed on in this run. */
struct taken {
	char	*name;		/* its id and its pipeline's code */
	char	*sequencer;	/* of the event it was taken for; NULL: none */
};

struct imgp_lookup {
	struct imgp_lookup_opts	 o;
	struct imgp_db	*db;		/* NULL: away */
	struct held	*held;
	size_t		 n, size;
	size_t		 nfresh;	/* held, not tried yet: the last ones */
	int64_t		 next_round;	/* for those tried before */
	void		*taken;		/* struct taken, by tsearch(3) */
};

/* $3 is an array of seconds: the ith is what the ith failure costs, the last what
 * all after it do.  Without it, nothing is left out. */
static const char pending[] =
    "select d.subject_event_crf_file_id, d.pipeline_code"
    " from pipeline.due_now($2::boolean, $4::bigint) d"
    " where ($1::text is null or d.pipeline_code = $1::text)"
    " and ($3::jsonb is null or"
    "  d.pipeline_code not in (select p.pipeline_code from pipeline.paused p)"
    "  and (d.pipeline_code, d.subject_event_crf_file_id) not in ("
    "   select b.pipeline_code, b.subjecteventcrffile_id from pipeline.busy b))"
    " and (d.failures is null or $3::jsonb is null or"
    "  d.ts + make_interval(secs => ($3::jsonb ->> (least(d.failures,"
    "  jsonb_array_length($3::jsonb)) - 1)::integer)::float8)"
    "  <= clock_timestamp())"
    " order by d.late, 1, 2";

static const char failed[] =
    "select d.subject_event_crf_file_id, d.pipeline_code from pipeline.failed d"
    " where ($1::text is null or d.pipeline_code = $1::text)"
    " and ($2::jsonb is null or $2::jsonb ? d.error_code) order by 1, 2";

static void
forget_taken(void *arg)
{
	struct taken *t = arg;

	free(t->name);
	free(t->sequencer);
	free(t);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct taken *)a)->name,
	    ((const struct taken *)b)->name);
}

struct imgp_lookup *
imgp_lookup_new(const struct imgp_lookup_opts *o)
{
	struct imgp_lookup *l = imgp_alloc(sizeof *l);

	l->o = *o;
	return l;
}

void
imgp_lookup_free(struct imgp_lookup *l)
{
	if (l == NULL)
		return;
	tdestroy(l->taken, forget_taken);
	imgp_db_close(l->db);
	free(l->held);
	free(l);
}

/* --- what a line may be --------------------------------------------------- */

/* An id: a positive integer in plain decimal digits, no zero before it. */
static int
parse_id(const char *s, size_t len, int64_t *id)
{
	char digits[32];
	long long n;

	if (len == 0 || len >= sizeof digits || s[0] < '1' || s[0] > '9' ||
	    memchr(s, '\0', len) != NULL)
		return -1;
	memcpy(digits, s, len);
	digits[len] = '\0';
	if (imgp_parse_int(digits, 1, INT64_MAX, &n) == -1)
		return -1;
	*id = n;
	return 0;
}

/* Text that may be a key: UTF-8 without control characters. */
static int
is_text(const char *s, size_t len)
{
	unsigned int c;
	size_t n;

	for (; len > 0; s += n, len -= n)
		if ((n = imgp_utf8(s, len, &c)) == 0 || c < 0x20 || c == 0x7f)
			return 0;
	return 1;
}

/* A job line may come without an id, if it has a source. */
static struct imgp_job *
accept_job(const char *s, size_t len, struct imgp_err *e)
{
	struct imgp_job *job = imgp_job_parse(s, len, e);

	if (job == NULL || imgp_job_standing(job) != IMGP_GOING_ON)
		return job;
	if (imgp_job_id(job) > 0 ||
	    (imgp_job_get(job, "subject_event_crf_file_id") == NULL &&
	    imgp_job_str(job, "source") != NULL))
		return job;
	imgp_fail(e, IMGP_E_JOB_TYPE, "the job has no positive "
	    "subject_event_crf_file_id and no source");
	imgp_job_free(job);
	return NULL;
}

struct imgp_job *
imgp_lookup_accept(const char *s, size_t len, void *arg, struct imgp_err *e)
{
	struct imgp_job *job;
	int64_t id;
	char *text;

	(void)arg;
	if (len > 0 && s[len - 1] == '\r')	/* a list made on Windows */
		len--;
	if (len > 0 && s[0] == '{')
		return accept_job(s, len, e);
	if (parse_id(s, len, &id) == 0) {
		job = imgp_job_new();
		imgp_job_set_int(job, "subject_event_crf_file_id", id);
		return job;
	}
	if (memchr(s, '/', len) == NULL || !is_text(s, len)) {
		imgp_fail(e, IMGP_E_JOB_INPUT, "neither a positive integer, a "
		    "source key, a place nor a job line");
		return NULL;
	}
	job = imgp_job_new();
	text = imgp_strndup(s, len);
	imgp_job_set_str(job, "source", text);
	free(text);
	return job;
}

/* --- rounds --------------------------------------------------------------- */

static void
set_name(struct imgp_job *job, struct imgp_err *e)
{
	char *name;

	if (imgp_names_job(job, &name, e) == 0) {
		imgp_job_set_str(job, "job", name);
		free(name);
	}
}

/*
 * Take the upload, once in a run; else say why not: an event later than the one it
 * was taken for may tell of bytes that the first will not find.
 */
static const char *
take(struct imgp_lookup *l, int64_t id, const char *code, const char *sequencer)
{
	struct taken new = { NULL, NULL }, *t, **found;
	const char *why;

	new.name = imgp_asprintf("%lld/%s", (long long)id, code);
	if ((found = tfind(&new, &l->taken, by_name)) == NULL) {
		t = imgp_alloc(sizeof *t);
		t->name = new.name;
		t->sequencer = sequencer == NULL ? NULL : imgp_strdup(sequencer);
		if (tsearch(t, &l->taken, by_name) == NULL)
			imgp_oom();
		return NULL;
	}
	t = *found;
	why = t->sequencer != NULL && sequencer != NULL &&
	    strcmp(sequencer, t->sequencer) > 0 ? IMGP_E_SKIP_BUSY :
	    IMGP_E_SKIP_DUPLICATE;
	free(new.name);
	return why;
}

/* The job's row is at ${at}: take it over, or say what is wrong with it. */
static void
settle(struct imgp_filter *f, struct imgp_lookup *l, struct held *h,
    const struct imgp_uploads *u, size_t at)
{
	struct imgp_job *job = h->job;
	struct imgp_err e = { NULL, "" };
	const char *code, *skip, *want = l->o.pipeline != NULL ? l->o.pipeline :
	    imgp_job_str(job, "pipeline_code");
	int64_t id = 0;
	int rc;

	rc = imgp_uploads_choose(u, want, &at, &id, &code, &e);
	if (id > 0)
		imgp_job_set_int(job, "subject_event_crf_file_id", id);
	if (rc == 1)
		imgp_job_skip(job, IMGP_E_SKIP_NO_PIPELINE);
	else if (rc == 0 && (skip = take(l, id, code, h->sequencer)) != NULL)
		imgp_job_skip(job, skip);
	else if (rc == 0 && imgp_uploads_take(u, at, job, l->o.source, &e) == 0)
		set_name(job, &e);
	imgp_job_retried(job, "lookup", h->tries);
	imgp_filter_put(f, job, e.code == NULL ? NULL : &e);
	h->done = 1;
}

/* Connect and check the schema, where that is not done. */
static int
reach(struct imgp_lookup *l, struct imgp_err *e)
{
	if (l->db == NULL && (l->db = imgp_db_open(l->o.replica,
	    IMGP_DB_READ_ONLY, 0, e)) != NULL &&
	    imgp_db_check_schema(l->db, e) == -1) {
		imgp_db_close(l->db);
		l->db = NULL;
	}
	return l->db == NULL ? -1 : 0;
}

int
imgp_lookup_check(struct imgp_lookup *l, struct imgp_err *e)
{
	static const char sql[] = "select count(*), coalesce(bool_or(code = "
	    "$1), $1 is null) from pipeline.registered";
	struct imgp_rows *r;
	int rc = 0;

	if (reach(l, e) == -1 ||
	    (r = imgp_db_query(l->db, sql, 1, &l->o.pipeline, e)) == NULL)
		return -1;
	if (strcmp(imgp_rows_get(r, 0, 0), "0") == 0)
		rc = imgp_fail(e, IMGP_E_CONFIG, "no pipeline is registered: "
		    "pipeline.edcpipeline is empty");
	else if (strcmp(imgp_rows_get(r, 0, 1), "t") != 0)
		rc = imgp_fail(e, IMGP_E_CONFIG, "--pipeline: no pipeline "
		    "\"%.40s\" is registered", l->o.pipeline);
	imgp_rows_free(r);
	return rc;
}

int
imgp_lookup_ask(struct imgp_job *job, const char *code, void *lookup,
    struct imgp_err *e)
{
	(void)job;
	(void)code;
	return imgp_lookup_check(lookup, e);
}

/* One query for ${h}[0..n-1]; NULL and ${e} when it could not be asked. */
static struct imgp_uploads *
ask_for(struct imgp_lookup *l, const struct held *h, size_t n, struct imgp_err *e)
{
	struct imgp_upload_ask ask[BATCH];
	struct imgp_uploads *u = NULL;
	size_t i, m = 0;
	int again = 3;

	for (i = 0; i < n; i++)
		if (!h[i].passes)
			ask[m++] = h[i].ask;
	/* A standby cancels a query that is in the way of its replay. */
	while (reach(l, e) == 0 &&
	    (u = imgp_uploads_get(l->db, ask, m, e)) == NULL &&
	    --again > 0 && strcmp(e->code, IMGP_E_DB_UNAVAILABLE) == 0)
		;
	return u;
}

/* Nothing was found: wait for it, if that may help (M25), or give it up. */
static void
miss(struct imgp_filter *f, struct imgp_lookup *l, struct held *h,
    const struct imgp_err *e)
{
	int waits = strcmp(e->code, IMGP_E_LOOKUP_NOT_FOUND) == 0 ||
	    strcmp(e->code, IMGP_E_DB_UNAVAILABLE) == 0;

	if (waits && h->tries < l->o.retries) {
		h->tries++;
		return;
	}
	imgp_job_retried(h->job, "lookup", h->tries);
	waits = waits && l->o.await;
	if (waits)
		imgp_job_skip(h->job, IMGP_E_SKIP_AWAITED);
	imgp_filter_put(f, h->job, waits ? NULL : e);
	h->done = 1;
}

/* One round for at most BATCH jobs; those that are done are marked so. */
static void
round_for(struct imgp_filter *f, struct imgp_lookup *l, struct held *h, size_t n)
{
	struct imgp_err e = { NULL, "" };
	struct imgp_uploads *u;
	size_t i, at;

	if ((u = ask_for(l, h, n, &e)) != NULL)
		imgp_fail(&e, IMGP_E_LOOKUP_NOT_FOUND,
		    "the EDC does not know this upload (yet)");
	for (i = 0; i < n; i++) {
		if (h[i].passes) {
			imgp_filter_put(f, h[i].job,
			    h[i].why.code == NULL ? NULL : &h[i].why);
			h[i].done = 1;
			continue;
		}
		at = u == NULL ? IMGP_UPLOADS_NONE :
		    imgp_uploads_find(u, &h[i].ask);
		if (at != IMGP_UPLOADS_NONE)
			settle(f, l, &h[i], u, at);
		else
			miss(f, l, &h[i], &e);
	}
	imgp_uploads_free(u);
}

static void
forget_done(struct imgp_lookup *l)
{
	size_t i, k = 0;

	for (i = 0; i < l->n; i++)
		if (l->held[i].done)
			free(l->held[i].key);
		else
			l->held[k++] = l->held[i];
	l->n = k;
}

/* Try those that were not tried yet. */
static void
try_fresh(struct imgp_filter *f, struct imgp_lookup *l)
{
	size_t first = l->n - l->nfresh;

	if (l->nfresh == 0)
		return;
	round_for(f, l, l->held + first, l->nfresh);
	l->nfresh = 0;
	if (first == 0)
		l->next_round = imgp_clock_ms() + l->o.interval_ms;
	forget_done(l);
}

int64_t
imgp_lookup_idle(struct imgp_filter *f, void *arg, int eof)
{
	struct imgp_lookup *l = arg;
	int64_t left;
	size_t i;

	(void)eof;
	try_fresh(f, l);
	if (l->n == 0)
		return -1;
	if ((left = l->next_round - imgp_clock_ms()) > 0) {
		imgp_db_rest(l->db);
		return left;
	}
	for (i = 0; i < l->n; i += BATCH)
		round_for(f, l, l->held + i,
		    l->n - i < BATCH ? l->n - i : BATCH);
	forget_done(l);
	l->next_round = imgp_clock_ms() + l->o.interval_ms;
	if (l->n == 0)
		return -1;
	imgp_db_rest(l->db);
	return l->o.interval_ms;
}

int
imgp_lookup_rest(void *arg, int64_t ms)
{
	struct imgp_lookup *l = arg;

	return imgp_db_idle(l->db, ms);
}

int
imgp_lookup_key(const char *source, const char *s, const char **key,
    struct imgp_err *e)
{
	size_t len = strlen(source);

	if (strstr(s, "://") == NULL) {
		*key = s;
		return 0;
	}
	if (imgp_place_within(s, source, e) == -1)
		return -1;
	while (len > 0 && source[len - 1] == '/')
		len--;
	*key = s + len + 1;
	return 0;
}

/* Of several events for one object the latest counts; of those that are held it
 * can be told which it is. */
static void
pass_older(struct imgp_lookup *l, struct held *new)
{
	struct held *h;

	for (h = l->held; h < new; h++)
		if (!h->passes && h->sequencer != NULL &&
		    strcmp(h->key, new->key) == 0) {
			h = strcmp(h->sequencer, new->sequencer) < 0 ? h : new;
			imgp_job_skip(h->job, IMGP_E_SKIP_DUPLICATE);
			h->passes = 1;
			return;
		}
}

int
imgp_lookup_step(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct imgp_lookup *l = arg;
	struct held *h;
	const char *key = NULL;

	(void)e;
	if (l->n == l->size) {
		l->size = l->size == 0 ? BATCH : l->size * 2;
		l->held = imgp_realloc(l->held, l->size, sizeof *l->held);
	}
	h = &l->held[l->n++];
	memset(h, 0, sizeof *h);
	h->job = job;
	h->ask.id = imgp_job_id(job);
	h->passes = imgp_job_standing(job) != IMGP_GOING_ON;
	if (!h->passes)
		imgp_job_set_str(job, "run", l->o.run);
	if (!h->passes && h->ask.id == 0) {
		h->passes = imgp_lookup_key(l->o.source,
		    imgp_job_str(job, "source"), &key, &h->why) == -1;
		h->ask.key = h->key = key == NULL ? NULL : imgp_strdup(key);
	}
	if (!h->passes && h->key != NULL &&
	    (h->sequencer = imgp_job_str(job, "sequencer")) != NULL)
		pass_older(l, h);
	if (++l->nfresh == BATCH)
		try_fresh(f, l);
	return IMGP_STEP_HELD;
}

/* Nonzero when what is asked and what may be written have the same address. */
static int
is_one(const struct imgp_lookup *l)
{
	return l->o.database == NULL || (l->o.replica != NULL &&
	    strcmp(l->o.database, l->o.replica) == 0);
}

/* Have a full difference made: by the connection that there is, where that may write,
 * for a new session has all to plan anew. */
static void
make_sweep(struct imgp_lookup *l, const char *every, int here)
{
	const struct imgp_db_stmt make = { "select pipeline.sweep_make("
	    "jsonb_build_object('every', $1::bigint))", &every, 1 };
	struct imgp_rows *r = NULL;
	struct imgp_db *db = NULL;
	struct imgp_err e;

	if (!here) {
		imgp_db_rest(l->db);	/* a run may have no second one for us */
		if ((db = imgp_db_open(l->o.database == NULL ? l->o.replica :
		    l->o.database, 0, 0, &e)) == NULL)
			return;
	}
	if (imgp_db_batch(here ? l->db : db, IMGP_DB_BEGIN | IMGP_DB_COMMIT |
	    IMGP_DB_WRITE, &make, 1, &r, &e) == 0)
		imgp_rows_free(r);
	imgp_db_close(db);
}

/*
 * Have one made where none holds: then what is done need not be read.  Where that
 * fails the query reads it; nothing is missed.
 */
static void
sweep(struct imgp_lookup *l, const char *every)
{
	struct imgp_rows *r;
	struct imgp_err e;
	int holds, here;

	if ((r = imgp_db_query(l->db, "select pipeline.is_swept($1::bigint),"
	    " not pg_is_in_recovery()", 1, &every, &e)) == NULL)
		return;
	holds = strcmp(imgp_rows_get(r, 0, 0), "t") == 0;
	here = is_one(l) && strcmp(imgp_rows_get(r, 0, 1), "t") == 0;
	imgp_rows_free(r);
	if (!holds && l->o.sweep_every != 0)
		make_sweep(l, every, here);
}

static struct imgp_rows *
ask_pending(struct imgp_lookup *l, struct imgp_err *e)
{
	struct imgp_buf wait = IMGP_BUF_INIT;
	char every[24];
	const char *param[4] = { l->o.pipeline, l->o.again ? "t" : "f", NULL,
	    every };
	struct imgp_rows *r = NULL;

	snprintf(every, sizeof every, "%lld", (long long)l->o.sweep_every);
	if (!l->o.failed)
		sweep(l, every);
	if (l->o.failed) {
		param[1] = l->o.codes;
		r = imgp_db_query(l->db, failed, 2, param, e);
	} else if (l->o.backoff == NULL)
		r = imgp_db_query(l->db, pending, 4, param, e);
	else if (imgp_parse_durations(l->o.backoff, BACKOFF_MAX, &wait) == -1)
		imgp_fail(e, IMGP_E_CONFIG, "backoff is not a list of "
		    "durations such as 10m 1h 6h 24h");
	else {
		param[2] = wait.s;
		r = imgp_db_query(l->db, pending, 4, param, e);
	}
	imgp_buf_release(&wait);
	return r;
}

char **
imgp_lookup_pending(struct imgp_lookup *l, size_t *n, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_rows *r;
	const char *code;
	char **line;
	size_t i;

	if (reach(l, e) == -1 || (r = ask_pending(l, e)) == NULL)
		return NULL;
	*n = imgp_rows_count(r);
	line = imgp_alloc((*n + 1) * sizeof *line);
	for (i = 0; i < *n; i++) {
		code = imgp_rows_get(r, i, 1);
		imgp_buf_printf(&b, "{\"v\":1,\"subject_event_crf_file_id\":%s,"
		    "\"pipeline_code\":", imgp_rows_get(r, i, 0));
		imgp_json_quote(&b, code, strlen(code));
		imgp_buf_puts(&b, "}");
		line[i] = imgp_buf_steal(&b);
	}
	imgp_rows_free(r);
	return line;
}
