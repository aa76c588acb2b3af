#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/job/names.h"
#include "libimgpipe/report/errorlog.h"
#include "libimgpipe/report/notices.h"
#include "libimgpipe/report/report.h"

#define QUEUE_MOST	1000	/* logs; a longer queue is worked on at once */
#define IN_VAIN_MOST	20

struct waiting {
	struct waiting	 *next;
	struct imgp_json *facts;	/* of the job */
	char		 *pipeline;	/* NULL: none */
	char		 *key;
	int64_t		  notice;	/* of the record; 0: none */
	int64_t		  lease;	/* that ended; -1: not in the line */
};

struct imgp_errorlogs {
	struct imgp_logs *logs;
	struct imgp_post *post;
	struct imgp_trouble *trouble;
	struct waiting	 *queue, **end;
	size_t		  n;
	struct imgp_json *written;	/* notices, an array; NULL: none */
	struct imgp_json *keys;		/* of their logs, by notice */
	int		  in_vain;	/* logs in a row that were not written */
};

/* --- the text ------------------------------------------------------------ */

/* The stamps of an earlier delivery that this one replaced (M34). */
static void
log_replaced(struct imgp_buf *b, const struct imgp_json *facts)
{
	const struct imgp_json *r = imgp_json_get(facts, "replaced"), *i;
	int64_t others;

	if (r == NULL)
		return;
	imgp_buf_puts(b, "\nstamps that were there before:");
	for (i = imgp_json_first(imgp_json_get(r, "atri_uids")); i != NULL;
	    i = imgp_json_next(i))
		imgp_buf_printf(b, " %s", imgp_json_str(i));
	if (imgp_json_int(imgp_json_get(r, "others"), &others) == 0 &&
	    others > 0)
		imgp_buf_printf(b, " (and %lld of another form)",
		    (long long)others);
	imgp_buf_puts(b, "\n");
}

/* What this run was told though it failed nothing. */
static void
log_warnings(struct imgp_buf *b, const struct imgp_json *facts)
{
	const struct imgp_json *i = imgp_json_first(imgp_json_get(facts,
	    "warnings"));

	if (i != NULL)
		imgp_buf_puts(b, "\nwarnings\n");
	for (; i != NULL; i = imgp_json_next(i))
		imgp_report_error(b, "    ", i);
}

static int
same(const struct imgp_json *a, const struct imgp_json *b, const char *key)
{
	const char *s = imgp_json_str(imgp_json_get(a, key));
	const char *t = imgp_json_str(imgp_json_get(b, key));

	return s != NULL && t != NULL && strcmp(s, t) == 0;
}

/* Nonzero when the record has this error of this attempt. */
static int
is_recorded(const struct imgp_json *error, int64_t attempt,
    const struct imgp_json *rows)
{
	const struct imgp_json *r;
	int64_t a;

	for (r = imgp_json_first(rows); r != NULL; r = imgp_json_next(r))
		if (imgp_json_int(imgp_json_get(r, "attempt"), &a) == 0 &&
		    a == attempt && same(r, error, "stage") &&
		    same(r, error, "error_code") && same(r, error, "error"))
			return 1;
	return 0;
}

/* An attempt that is not counted has the number of the next one: "end" tells them
 * apart. */
static void
log_rows(struct imgp_buf *b, const struct imgp_json *rows)
{
	const struct imgp_json *r;
	const char *ts, *run;
	int64_t a, end, last = -1;

	for (r = imgp_json_first(rows); r != NULL; r = imgp_json_next(r)) {
		if (imgp_json_int(imgp_json_get(r, "attempt"), &a) == -1)
			a = 0;
		ts = imgp_json_str(imgp_json_get(r, "ts"));
		run = imgp_json_str(imgp_json_get(r, "run"));
		if (imgp_json_int(imgp_json_get(r, "end"), &end) == -1)
			end = 0;
		if (end != last)
			imgp_buf_printf(b, "\nattempt %lld, %s, run %s\n",
			    (long long)a, ts == NULL ? "?" : ts,
			    run == NULL ? "?" : run);
		last = end;
		imgp_report_error(b, "    ", r);
	}
}

/* The text: the record's rows, then the errors that only this run knows. */
static void
log_text(struct imgp_buf *b, const struct imgp_json *facts,
    const struct imgp_json *rows, const struct imgp_json *status)
{
	const struct imgp_json *row = imgp_json_get(facts, "edc_pipeline_file");
	const struct imgp_json *i;
	int64_t attempt = -1;
	int said = 0;

	imgp_buf_puts(b, "imgpipe error log\n\n");
	imgp_report_line(b, "upload", imgp_json_get(facts, "subject_event_crf_file_id"));
	imgp_report_line(b, "record", imgp_json_get(row, "id"));
	imgp_report_line(b, "pipeline", imgp_json_get(facts, "pipeline_code"));
	imgp_report_line(b, "file", imgp_json_get(row, "file_name"));
	imgp_report_line(b, "place", imgp_json_get(facts, "destination"));
	imgp_report_line(b, "status", imgp_json_is_null(status) ?
	    imgp_json_get(row, "status") : status);
	imgp_report_line(b, "job", imgp_json_get(facts, "job"));
	imgp_report_optional(b, "", facts);
	imgp_json_int(imgp_json_get(row, "attempt"), &attempt);
	log_rows(b, rows);
	for (i = imgp_json_first(imgp_json_get(facts, "errors")); i != NULL;
	    i = imgp_json_next(i)) {
		if (is_recorded(i, attempt, rows))
			continue;
		if (!said++) {
			const char *run = imgp_json_str(imgp_json_get(facts,
			    "run"));

			imgp_buf_printf(b, "\nrun %s%s\n",
			    run == NULL ? "?" : run, rows == NULL ? "" :
			    ", not in the record");
		}
		imgp_report_error(b, "    ", i);
	}
	log_warnings(b, facts);
	log_replaced(b, facts);
}

/* --- the queue ----------------------------------------------------------- */

/* Remember that the notice needs no log any more; ${key}: where it lies (NULL:
 * nowhere). */
static void
is_done(struct imgp_errorlogs *l, int64_t notice, const char *key)
{
	char id[24];

	if (notice == 0)
		return;
	if (l->written == NULL) {
		l->written = imgp_json_new_array();
		l->keys = imgp_json_new_object();
	}
	snprintf(id, sizeof id, "%lld", (long long)notice);
	if (key != NULL)
		imgp_json_set_str(l->keys, id, key);
	imgp_json_append_int(l->written, notice);
	if (imgp_json_count(l->written) >= QUEUE_MOST)
		imgp_errorlogs_note(l);
}

void
imgp_errorlogs_note(struct imgp_errorlogs *l)
{
	struct imgp_json *req, *data = NULL;
	struct imgp_err e;

	if (l->written == NULL || !imgp_post_has_notices(l->post))
		return;
	req = imgp_json_new_object();
	imgp_json_set(req, "logged", l->written);
	imgp_json_set(req, "log_keys", l->keys);
	l->written = l->keys = NULL;
	if (imgp_post_notice(l->post, IMGP_LEDGER_NOTICE_DONE, req, &data,
	    &e) == -1)
		imgp_trouble_note(l->trouble, &e);
	imgp_json_free(data);
}

static void
write_log(struct imgp_errorlogs *l, const struct waiting *w)
{
	const struct imgp_json *row = imgp_json_get(w->facts,
	    "edc_pipeline_file");
	struct imgp_json *rows = NULL;
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_err e;
	const char *key;
	int64_t id;
	int asked = 1;

	if (imgp_json_int(imgp_json_get(row, "id"), &id) == 0 &&
	    imgp_post_error_log(l->post, id, w->lease, &rows, &e) == -1) {
		imgp_trouble_note(l->trouble, &e);
		if (strcmp(e.code, IMGP_E_DB_FENCED) == 0)
			return;		/* the line has another row's id */
		asked = 0;
	}
	log_text(&b, w->facts, imgp_json_get(rows, "rows"),
	    imgp_json_get(rows, "status"));
	if (!asked)
		imgp_buf_puts(&b, "\nThe record could not be asked: what went "
		    "wrong before this run stands there.\n");
	if ((key = imgp_json_str(imgp_json_get(rows, "log_key"))) == NULL)
		key = w->key;
	if (imgp_logs_put(l->logs, w->pipeline, key, b.s, b.len) == 0) {
		is_done(l, w->notice, key);
		l->in_vain = 0;
	} else
		l->in_vain++;
	imgp_buf_release(&b);
	imgp_json_free(rows);
}

static struct waiting *
unqueue(struct imgp_errorlogs *l)
{
	struct waiting *w = l->queue;

	if (w == NULL)
		return NULL;
	if ((l->queue = w->next) == NULL)
		l->end = &l->queue;
	l->n--;
	return w;
}

static void
free_waiting(struct waiting *w)
{
	imgp_json_free(w->facts);
	free(w->pipeline);
	free(w->key);
	free(w);
}

int
imgp_errorlogs_work(struct imgp_errorlogs *l)
{
	struct waiting *w = unqueue(l);

	if (w == NULL)
		return 0;
	write_log(l, w);
	free_waiting(w);
	return l->queue != NULL;
}

int
imgp_errorlogs_is_stuck(const struct imgp_errorlogs *l)
{
	return l->in_vain >= IN_VAIN_MOST;
}

/* The log's key, the caller's to free; NULL when the trouble was noted. */
static char *
key_of(struct imgp_errorlogs *l, struct imgp_job *job)
{
	struct imgp_err e;
	char *key;

	if (imgp_names_error_log_key(job, &key, &e) == 0)
		return key;
	imgp_trouble_note(l->trouble, &e);
	return NULL;
}

char *
imgp_errorlogs_url(struct imgp_errorlogs *l, struct imgp_job *job)
{
	char *key = key_of(l, job), *url;

	if (key == NULL)
		return NULL;
	url = imgp_logs_url(imgp_job_str(job, "pipeline_code"), key);
	free(key);
	return url;
}

void
imgp_errorlogs_queue(struct imgp_errorlogs *l, struct imgp_job *job,
    const struct imgp_json *facts, const char *kept)
{
	const char *pipeline = imgp_job_str(job, "pipeline_code");
	char *key = kept != NULL ? imgp_strdup(kept) : key_of(l, job);
	char *url = key == NULL ? NULL : imgp_logs_url(pipeline, key);
	struct waiting *w;
	int64_t notice;
	int known;

	if (!imgp_notices_of(job, &notice, &known))
		notice = 0;
	if (url == NULL) {		/* it can never be written */
		is_done(l, notice, NULL);
		free(key);
		return;
	}
	free(url);
	w = imgp_alloc(sizeof *w);
	w->facts = imgp_json_copy(facts);
	w->pipeline = pipeline == NULL ? NULL : imgp_strdup(pipeline);
	w->key = key;
	w->notice = notice;
	if (imgp_job_sub_int(job, "edc_pipeline_file", "ended", &w->lease) ==
	    -1)
		w->lease = -1;
	*l->end = w;
	l->end = &w->next;
	if (++l->n > QUEUE_MOST)
		imgp_errorlogs_work(l);
}

/* --- life ---------------------------------------------------------------- */

struct imgp_errorlogs *
imgp_errorlogs_new(struct imgp_logs *logs, struct imgp_post *post,
    struct imgp_trouble *t)
{
	struct imgp_errorlogs *l = imgp_alloc(sizeof *l);

	l->logs = logs;
	l->post = post;
	l->trouble = t;
	l->end = &l->queue;
	return l;
}

void
imgp_errorlogs_free(struct imgp_errorlogs *l)
{
	struct waiting *w;

	if (l == NULL)
		return;
	while ((w = unqueue(l)) != NULL)
		free_waiting(w);
	imgp_json_free(l->written);
	imgp_json_free(l->keys);
	free(l);
}
