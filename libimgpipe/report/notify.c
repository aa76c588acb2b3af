#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/mail/carrier.h"
#include "libimgpipe/mail/mail.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/report/news.h"
#include "libimgpipe/report/notify.h"
#include "libimgpipe/report/post.h"
#include "libimgpipe/report/report.h"
#include "libimgpipe/report/runmail.h"
#include "libimgpipe/store/store.h"

#define QUEUE_MOST	1000	/* logs that wait; then they are written first */

/* A log object that is to be written. */
struct waiting {
	struct waiting	 *next;
	struct imgp_json *told;		/* the job */
	char		 *base;		/* its store */
	char		 *url;
};

/* The lines of one pipeline's run log. */
struct runlog {
	struct runlog	*next;
	char		*pipeline;	/* NULL: jobs that have none */
	char		*run;
	FILE		*lines;
};

/* Those who get the same mail, and what it says. */
struct audience {
	struct audience	*next;
	char		*pipeline;	/* one of theirs, for its settings */
	char		*key;		/* admins, sender and carrier */
	int64_t		 counts[IMGP_N_OUTCOMES];
	struct imgp_failure failures[IMGP_NOTIFY_MOST];
	size_t		 nfailures;	/* all of them, told or not */
	int64_t		*codes;		/* how often, as imgp_error_at() counts */
	struct imgp_buf	 sum;		/* names a run that has no name */
};

struct open_store {
	struct open_store *next;
	char		  *base;
	struct imgp_store *store;	/* NULL: cannot be opened */
};

struct imgp_notify {
	void		 (*complain)(const struct imgp_err *);
	void		 (*show)(const char *);
	int		 dry_run;
	int		 status;
	char		*run;
	struct waiting	*queue, **queue_end;
	size_t		 nqueue;
	struct runlog	*runlogs;
	struct audience	*audiences;
	struct open_store *stores;
	struct imgp_post *post;
	struct imgp_news *news;
};

static void
went_wrong(struct imgp_notify *n, const struct imgp_err *e)
{
	const struct imgp_error *row = imgp_error_find(e->code);

	n->complain(e);
	/* What was refused is not sent again. */
	n->status = imgp_exit_worse(n->status, row != NULL && row->retryable &&
	    strcmp(e->code, IMGP_E_MAIL_REFUSED) != 0 ?
	    IMGP_EX_TEMPFAIL : IMGP_EX_ERRORS);
}

/* --- stores -------------------------------------------------------------- */

static const char *
logs_base(const char *pipeline)
{
	const char *base = imgp_conf(pipeline, "logs");

	return base != NULL ? base : imgp_conf(pipeline, "source");
}

/* The store ${base}, opened once; one that cannot be is complained of once. */
static struct imgp_store *
store_of(struct imgp_notify *n, const char *base)
{
	struct open_store *o;
	struct imgp_err e;

	for (o = n->stores; o != NULL; o = o->next)
		if (strcmp(o->base, base) == 0)
			return o->store;
	o = imgp_alloc(sizeof *o);
	o->base = imgp_strdup(base);
	if ((o->store = imgp_store_open(base, 0, &e)) == NULL)
		went_wrong(n, &e);
	o->next = n->stores;
	n->stores = o;
	return o->store;
}

/* --- the error log ------------------------------------------------------- */

/* Old stamps that turned up (M34). */
static void
log_replaced(struct imgp_buf *b, const struct imgp_json *told)
{
	const struct imgp_json *r = imgp_json_get(told, "replaced"), *i;
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

static void
log_rows(struct imgp_buf *b, const struct imgp_json *rows)
{
	const struct imgp_json *r;
	const char *ts, *run;
	int64_t a, last = -1;

	for (r = imgp_json_first(rows); r != NULL; r = imgp_json_next(r)) {
		if (imgp_json_int(imgp_json_get(r, "attempt"), &a) == -1)
			a = 0;
		ts = imgp_json_str(imgp_json_get(r, "ts"));
		run = imgp_json_str(imgp_json_get(r, "run"));
		if (a != last)
			imgp_buf_printf(b, "\nattempt %lld, %s, run %s\n",
			    (long long)a, ts == NULL ? "?" : ts,
			    run == NULL ? "?" : run);
		last = a;
		imgp_report_error(b, "    ", r);
	}
}

/* The whole text: from the record's rows, and what only this run knows. */
static void
log_text(struct imgp_buf *b, const struct imgp_json *told,
    const struct imgp_json *rows)
{
	const struct imgp_json *row = imgp_json_get(told, "edc_pipeline_file");
	const struct imgp_json *i;
	int64_t attempt = -1;
	int said = 0;

	imgp_buf_puts(b, "imgpipe error log\n\n");
	imgp_report_line(b, "upload", imgp_json_get(told, "subject_event_crf_file_id"));
	imgp_report_line(b, "record", imgp_json_get(row, "id"));
	imgp_report_line(b, "pipeline", imgp_json_get(told, "pipeline_code"));
	imgp_report_line(b, "file", imgp_json_get(row, "file_name"));
	imgp_report_line(b, "place", imgp_json_get(told, "destination"));
	imgp_report_line(b, "status", imgp_json_get(row, "status"));
	imgp_report_line(b, "job", imgp_json_get(told, "job"));
	imgp_report_optional(b, "", told);
	imgp_json_int(imgp_json_get(row, "attempt"), &attempt);
	log_rows(b, rows);
	for (i = imgp_json_first(imgp_json_get(told, "errors")); i != NULL;
	    i = imgp_json_next(i)) {
		if (is_recorded(i, attempt, rows))
			continue;
		if (!said++) {
			const char *run = imgp_json_str(imgp_json_get(told,
			    "run"));

			imgp_buf_printf(b, "\nrun %s%s\n",
			    run == NULL ? "?" : run, rows == NULL ? "" :
			    ", not in the record");
		}
		imgp_report_error(b, "    ", i);
	}
	log_replaced(b, told);
}

static void
write_log(struct imgp_notify *n, const struct waiting *w)
{
	struct imgp_store *store = store_of(n, w->base);
	struct imgp_json *rows = NULL;
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_err e;
	int64_t id;
	int asked = 1;

	if (store == NULL)
		return;
	if (imgp_json_int(imgp_json_get(imgp_json_get(w->told,
	    "edc_pipeline_file"), "id"), &id) == 0 &&
	    imgp_post_error_log(n->post, id, &rows, &e) == -1) {
		went_wrong(n, &e);
		asked = 0;
	}
	log_text(&b, w->told, imgp_json_get(rows, "rows"));
	if (!asked)
		imgp_buf_puts(&b, "\nThe record could not be asked: what went "
		    "wrong before this run stands there.\n");
	if (imgp_store_put(store, w->url, b.s, b.len, &e) == -1)
		went_wrong(n, &e);
	imgp_buf_release(&b);
	imgp_json_free(rows);
}

int
imgp_notify_work(struct imgp_notify *n)
{
	struct waiting *w = n->queue;

	if (w == NULL)
		return 0;
	if ((n->queue = w->next) == NULL)
		n->queue_end = &n->queue;
	n->nqueue--;
	write_log(n, w);
	imgp_json_free(w->told);
	free(w->base);
	free(w->url);
	free(w);
	return n->queue != NULL;
}

/* Queue the log of a job with errors; its place, the caller's, or NULL. */
static char *
queue_log(struct imgp_notify *n, struct imgp_job *job,
    const struct imgp_json *told)
{
	const char *base = logs_base(imgp_job_str(job, "pipeline_code"));
	struct waiting *w;
	struct imgp_err e;
	char *key, *url;

	if (base == NULL)
		return NULL;
	if (imgp_names_error_log_key(job, &key, &e) == -1) {
		went_wrong(n, &e);
		return NULL;
	}
	url = imgp_place_join(base, key);
	free(key);
	if (n->dry_run)
		return url;
	w = imgp_alloc(sizeof *w);
	w->told = imgp_json_copy(told);
	w->base = imgp_strdup(base);
	w->url = imgp_strdup(url);
	*n->queue_end = w;
	n->queue_end = &w->next;
	if (++n->nqueue > QUEUE_MOST)
		imgp_notify_work(n);
	return url;
}

/* --- the run log --------------------------------------------------------- */

static struct runlog *
runlog_of(struct imgp_notify *n, const char *pipeline, const char *run)
{
	struct runlog *l;
	struct imgp_err e;

	for (l = n->runlogs; l != NULL; l = l->next)
		if (imgp_same_text(l->pipeline, pipeline) &&
		    strcmp(l->run, run) == 0)
			return l;
	l = imgp_alloc(sizeof *l);
	if (pipeline != NULL)
		l->pipeline = imgp_strdup(pipeline);
	l->run = imgp_strdup(run);
	if ((l->lines = tmpfile()) == NULL) {
		imgp_fail_errno(&e, IMGP_E_STORE_IO, "a temporary file");
		went_wrong(n, &e);
	}
	l->next = n->runlogs;
	n->runlogs = l;
	return l;
}

static void
note_run(struct imgp_notify *n, struct imgp_job *job,
    const struct imgp_json *told)
{
	const char *run = imgp_job_str(job, "run");
	struct imgp_buf b = IMGP_BUF_INIT;
	struct runlog *l;

	if (run == NULL || !imgp_names_is_run(run) || n->dry_run)
		return;
	l = runlog_of(n, imgp_job_str(job, "pipeline_code"), run);
	if (l->lines == NULL)
		return;
	imgp_json_print(told, &b);
	imgp_buf_puts(&b, "\n");
	fwrite(b.s, 1, b.len, l->lines);
	imgp_buf_release(&b);
}

static void
write_runlog(struct imgp_notify *n, const struct runlog *l)
{
	const char *base = logs_base(l->pipeline);
	struct imgp_store *store;
	struct imgp_err e;
	struct stat st;
	char *key, *url;
	void *p;

	if (base == NULL || l->lines == NULL ||
	    (store = store_of(n, base)) == NULL)
		return;
	if (fflush(l->lines) == EOF || ferror(l->lines) ||
	    fstat(fileno(l->lines), &st) == -1 || (p = mmap(NULL,
	    (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fileno(l->lines),
	    0)) == MAP_FAILED) {
		imgp_fail_errno(&e, IMGP_E_STORE_IO, "a temporary file");
		went_wrong(n, &e);
		return;
	}
	if (imgp_names_run_log_key(l->pipeline == NULL ? "_unmatched" :
	    l->pipeline, l->run, &key, &e) == -1)
		went_wrong(n, &e);
	else {
		url = imgp_place_join(base, key);
		if (imgp_store_put(store, url, p, (size_t)st.st_size, &e) == -1)
			went_wrong(n, &e);
		free(url);
		free(key);
	}
	munmap(p, (size_t)st.st_size);
}

/* --- who is told --------------------------------------------------------- */

static const char *
or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

static struct audience *
audience_of(struct imgp_notify *n, const char *pipeline)
{
	char *key = imgp_asprintf("%s\n%s\n%s",
	    or_empty(imgp_conf(pipeline, "admins")),
	    or_empty(imgp_conf(pipeline, "mail_from")),
	    or_empty(imgp_conf(pipeline, "mail")));
	struct audience *a;
	size_t i;

	for (a = n->audiences; a != NULL; a = a->next)
		if (strcmp(a->key, key) == 0) {
			free(key);
			return a;
		}
	a = imgp_alloc(sizeof *a);
	a->key = key;
	if (pipeline != NULL)
		a->pipeline = imgp_strdup(pipeline);
	for (i = 0; imgp_error_at(i) != NULL; i++)
		;
	imgp_buf_init(&a->sum);
	a->codes = imgp_alloc((i + 1) * sizeof *a->codes);
	a->next = n->audiences;
	n->audiences = a;
	return a;
}

static void
count_codes(struct audience *a, const struct imgp_json *told)
{
	const struct imgp_error *row;
	const struct imgp_json *i;
	const char *code;
	size_t k;

	for (i = imgp_json_first(imgp_json_get(told, "errors")); i != NULL;
	    i = imgp_json_next(i)) {
		code = imgp_json_str(imgp_json_get(i, "error_code"));
		for (k = 0; (row = imgp_error_at(k)) != NULL; k++)
			if (strcmp(row->code, code) == 0)
				break;
		a->codes[k]++;		/* the last one: unknown */
	}
}

void
imgp_notify_see(struct imgp_notify *n, struct imgp_job *job)
{
	const char *pipeline = imgp_job_str(job, "pipeline_code");
	enum imgp_outcome outcome = imgp_report_outcome(job);
	struct imgp_json *told;
	struct audience *a;
	struct imgp_failure *f;
	char *url;

	if (n->run == NULL && imgp_job_str(job, "run") != NULL)
		n->run = imgp_strdup(imgp_job_str(job, "run"));
	a = audience_of(n, pipeline);
	a->counts[outcome]++;
	if (outcome == IMGP_PASSED_OVER)
		return;			/* no log, no mail */
	imgp_news_see(n->news, job);
	told = imgp_report_job(job);
	note_run(n, job, told);
	if (n->run == NULL)
		imgp_buf_printf(&a->sum, "%lld %d\n",
		    (long long)imgp_job_id(job), (int)outcome);
	if (!imgp_job_has_errors(job)) {
		imgp_json_free(told);
		return;
	}
	url = queue_log(n, job, told);
	count_codes(a, told);
	if (a->nfailures < IMGP_NOTIFY_MOST) {
		f = &a->failures[a->nfailures];
		f->told = told;
		f->url = url;
		f->outcome = outcome;
	} else {
		imgp_json_free(told);
		free(url);
	}
	a->nfailures++;
}

/* --- the mail ------------------------------------------------------------ */

static int64_t
all_of(const struct audience *a)
{
	int64_t sum = 0;
	int i;

	for (i = 0; i < IMGP_N_OUTCOMES; i++)
		sum += a->counts[i];
	return sum;
}

static void
send_mail(struct imgp_notify *n, const struct audience *a)
{
	struct imgp_runmail m = { imgp_conf(a->pipeline, "mail_title"), n->run,
	    a->counts, a->codes, a->failures, a->nfailures < IMGP_NOTIFY_MOST ?
	    a->nfailures : IMGP_NOTIFY_MOST, a->nfailures };
	struct imgp_buf text = IMGP_BUF_INIT, html = IMGP_BUF_INIT,
	    table = IMGP_BUF_INIT;
	struct imgp_mail_file csv = { .name = "errors.csv",
	    .type = "text/csv; charset=utf-8; header=present" };
	struct imgp_letter l = { .pipeline = a->pipeline, .to = IMGP_TO_ADMINS,
	    .date = (int64_t)time(NULL) };
	char *about, *subject = imgp_runmail_subject(&m);
	struct imgp_err e;

	imgp_runmail_text(&m, &text);
	imgp_runmail_html(&m, &html);
	imgp_runmail_csv(&m, &table);
	/* One run, one mail: told again, it is the same one. */
	about = imgp_asprintf("run %s\n%s\n%s", or_empty(n->run), a->key,
	    or_empty(a->sum.s));
	csv.data = table.s;
	csv.len = table.len;
	l.about = about;
	l.subject = subject;
	l.text = text.s;
	l.html = html.s;
	if (m.n != 0) {
		l.files = &csv;
		l.n_files = 1;
	}
	if (n->dry_run) {
		n->show(subject);
		n->show(text.s);
	} else if (imgp_post_letter(n->post, &l, &e) == -1)
		went_wrong(n, &e);
	free(about);
	free(subject);
	imgp_buf_release(&text);
	imgp_buf_release(&html);
	imgp_buf_release(&table);
}

static int
wants_mail(const struct audience *a)
{
	const char *success = imgp_conf(a->pipeline, "success");

	return a->nfailures > 0 || (strcmp(success, "immediate") == 0 &&
	    all_of(a) > a->counts[IMGP_PASSED_OVER]);
}

/* Tell the record that the run came to its end. */
static void
report_run(struct imgp_notify *n)
{
	static const char *const key[IMGP_N_OUTCOMES] = { "delivered",
	    "with_errors", "to_retry", "for_good", "unfinished", "skipped" };
	const char *run = n->run == NULL ? getenv("IMGP_RUN") : n->run;
	struct imgp_json *req, *counts, *data = NULL;
	const struct audience *a;
	struct imgp_err e;
	int64_t sum;
	int i;

	if (run == NULL || !imgp_names_is_run(run))
		return;
	counts = imgp_json_new_object();
	for (i = 0; i < IMGP_N_OUTCOMES; i++) {
		for (sum = 0, a = n->audiences; a != NULL; a = a->next)
			sum += a->counts[i];
		imgp_json_set_int(counts, key[i], sum);
	}
	req = imgp_json_new_object();
	imgp_json_set_str(req, "run", run);
	imgp_json_set(req, "counts", counts);
	if (imgp_post_ask(n->post, "run_end", req, &data, &e) == -1)
		went_wrong(n, &e);
	imgp_json_free(data);
}

int
imgp_notify_end(struct imgp_notify *n)
{
	const struct runlog *l;
	const struct audience *a;
	struct imgp_err e;

	while (imgp_notify_work(n))
		;
	for (l = n->runlogs; l != NULL; l = l->next)
		write_runlog(n, l);
	for (a = n->audiences; a != NULL; a = a->next)
		if (wants_mail(a))
			send_mail(n, a);
	if (!n->dry_run &&
	    imgp_news_send(n->news, n->post, n->run, &e) == -1)
		went_wrong(n, &e);
	if (!n->dry_run && imgp_post_has_record(n->post)) {
		report_run(n);
		n->status = imgp_exit_worse(n->status,
		    imgp_post_flush(n->post, n->complain));
	}
	return n->status;
}

/* --- life ---------------------------------------------------------------- */

struct imgp_notify *
imgp_notify_new(void (*complain)(const struct imgp_err *), int dry_run,
    void (*show)(const char *text), struct imgp_err *e)
{
	struct imgp_notify *n = imgp_alloc(sizeof *n);

	n->complain = complain;
	n->dry_run = dry_run;
	n->show = show;
	n->queue_end = &n->queue;
	n->news = imgp_news_new();
	if ((n->post = imgp_post_open(e)) == NULL) {
		imgp_notify_free(n);
		return NULL;
	}
	return n;
}

static void
free_audience(struct audience *a)
{
	size_t i;

	for (i = 0; i < a->nfailures && i < IMGP_NOTIFY_MOST; i++) {
		imgp_json_free(a->failures[i].told);
		free(a->failures[i].url);
	}
	imgp_buf_release(&a->sum);
	free(a->codes);
	free(a->key);
	free(a->pipeline);
	free(a);
}

void
imgp_notify_free(struct imgp_notify *n)
{
	struct open_store *o;
	struct audience *a;
	struct runlog *l;
	struct waiting *w;

	if (n == NULL)
		return;
	while ((w = n->queue) != NULL) {
		n->queue = w->next;
		imgp_json_free(w->told);
		free(w->base);
		free(w->url);
		free(w);
	}
	while ((l = n->runlogs) != NULL) {
		n->runlogs = l->next;
		if (l->lines != NULL)
			fclose(l->lines);
		free(l->pipeline);
		free(l->run);
		free(l);
	}
	while ((a = n->audiences) != NULL) {
		n->audiences = a->next;
		free_audience(a);
	}
	while ((o = n->stores) != NULL) {
		n->stores = o->next;
		imgp_store_close(o->store);
		free(o->base);
		free(o);
	}
	imgp_post_close(n->post);
	imgp_news_free(n->news);
	free(n->run);
	free(n);
}
