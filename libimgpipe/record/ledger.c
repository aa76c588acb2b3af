#include <sys/random.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/record/account.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/record/envelope.h"
#include "libimgpipe/record/ledger_priv.h"

struct imgp_ledger {
	char		*where;
	struct imgp_ledger_http *http;	/* an API, or NULL */
	struct imgp_ledger_page *page;	/* an API without revisions, or NULL */
	struct imgp_db	*db;		/* NULL: away when last tried */
	int		 checked;	/* its version was seen */
	long long	 patience_ms;
	int64_t		 down_since;	/* monotonic ms; 0: it is not */
};

static const char *const functions[] = {
	[IMGP_LEDGER_START] = "select pipeline.file_start($1::jsonb)",
	[IMGP_LEDGER_SCANS] = "select pipeline.file_scans($1::jsonb)",
	[IMGP_LEDGER_FINISH] = "select pipeline.file_finish($1::jsonb)",
	[IMGP_LEDGER_RENEW] = "select pipeline.file_renew($1::jsonb)",
	[IMGP_LEDGER_RELEASE] = "select pipeline.file_release($1::jsonb)",
	[IMGP_LEDGER_LOOKUP_FAILED] =
	    "select pipeline.lookup_failed($1::jsonb)",
	[IMGP_LEDGER_NOTICE_LIST] = "select pipeline.notice_list($1::jsonb)",
	[IMGP_LEDGER_NOTICE_DONE] = "select pipeline.notice_done($1::jsonb)",
	[IMGP_LEDGER_PAGE_FILE] = "select pipeline.page_file($1::jsonb)",
	[IMGP_LEDGER_PAGE_SCANS] = "select pipeline.page_scans($1::jsonb)",
};

static int
is_temporary(const struct imgp_err *e)
{
	return strcmp(e->code, IMGP_E_DB_UNAVAILABLE) == 0;
}

/* --- answers -------------------------------------------------------------- */

static void
set_data(struct imgp_ledger_call *call, struct imgp_json *data)
{
	imgp_json_free(call->data);
	call->data = data;
}

void
imgp_ledger_take(struct imgp_ledger_call *call, const struct imgp_json *j)
{
	struct imgp_json *data;

	call->err.code = NULL;
	if (imgp_envelope_open(j, &data, &call->err) == 0)
		set_data(call, data);
}

static void
take_rows(struct imgp_ledger_call *call, const struct imgp_rows *rows)
{
	struct imgp_json *data;

	call->err.code = NULL;
	if (imgp_envelope_read(rows, &data, &call->err) == 0)
		set_data(call, data);
}

void
imgp_ledger_forget(struct imgp_ledger_call *call)
{
	imgp_json_free(call->data);
	call->data = NULL;
	call->err.code = NULL;
}

/* --- libpq ---------------------------------------------------------------- */

struct batch {
	struct imgp_ledger_call	**calls;	/* in the order of locking */
	size_t			  n;
	struct imgp_json	**second;	/* NULL: no second request */
	struct imgp_db_stmt	 *stmts;
	struct imgp_rows	**rows;
	char			**texts;
	const char		**params;
};

static char *
text_of(const struct imgp_json *j)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_json_print(j, &b);
	return imgp_buf_steal(&b);
}

/* Send the first requests, or the second ones where there are any, within
 * ${bounds} (db.h), and take the answers. */
static int
send_requests(struct imgp_db *db, struct batch *b, int second,
    unsigned int bounds, struct imgp_err *e)
{
	size_t i, m = 0;
	int rc;

	for (i = 0; i < b->n; i++) {
		if (second && b->second[i] == NULL)
			continue;
		b->texts[m] = text_of(second ? b->second[i] :
		    b->calls[i]->request);
		b->params[m] = b->texts[m];
		b->stmts[m] = (struct imgp_db_stmt){
		    functions[b->calls[i]->op], &b->params[m], 1 };
		m++;
	}
	rc = imgp_db_batch(db, bounds, b->stmts, m, b->rows, e);
	for (m = 0, i = 0; i < b->n; i++) {
		if (second && b->second[i] == NULL)
			continue;
		free(b->texts[m]);
		if (rc == 0) {
			take_rows(b->calls[i], b->rows[m]);
			imgp_rows_free(b->rows[m]);
		}
		m++;
	}
	return rc;
}

/* Ask each call that wants one for its second request. */
static void
ask_for_second(struct batch *b)
{
	struct imgp_ledger_call *c;
	size_t i;

	for (i = 0; i < b->n; i++) {
		c = b->calls[i];
		if (c->then == NULL || c->err.code != NULL)
			continue;
		b->second[i] = c->then(c->arg, c->data, &c->err);
	}
}

/* All of ${b} in one transaction: 0, or -1 when nothing of it counts. */
static int
transact(struct imgp_db *db, struct batch *b, struct imgp_err *e)
{
	size_t i;
	int two = 0, rc;

	for (i = 0; i < b->n; i++) {
		imgp_ledger_forget(b->calls[i]);
		two = two || b->calls[i]->then != NULL;
	}
	if (!two)
		return send_requests(db, b, 0, IMGP_DB_BEGIN | IMGP_DB_COMMIT,
		    e);
	if ((rc = send_requests(db, b, 0, IMGP_DB_BEGIN, e)) == 0) {
		ask_for_second(b);
		rc = send_requests(db, b, 1, IMGP_DB_COMMIT, e);
	}
	for (i = 0; i < b->n; i++) {
		imgp_json_free(b->second[i]);
		b->second[i] = NULL;
	}
	return rc;
}

/* Connect to the ledger, and check that it has our version. */
static int
reach(struct imgp_ledger *l, struct imgp_err *e)
{
	if (l->db == NULL &&
	    (l->db = imgp_db_open(l->where, 0, 0, e)) == NULL)
		return -1;
	if (!l->checked && imgp_db_check_schema(l->db, e) == -1)
		return -1;
	l->checked = 1;
	return 0;
}

/* Some time between half of ${ms} and all of it. */
static void
pause_about(int ms)
{
	unsigned int r = 0;

	if (getrandom(&r, sizeof r, GRND_NONBLOCK) != sizeof r)
		r = 0;
	poll(NULL, 0, ms / 2 + (int)(r % (unsigned int)(ms / 2 + 1)));
}

/* Make the calls once, by libpq or HTTP. */
static int
carry(struct imgp_ledger *l, struct batch *b, struct imgp_err *e)
{
	/* By HTTP each alone: see imgp_ledger_run() */
	if (l->http != NULL)
		return imgp_ledger_http_call(l->http, b->calls[0], e);
	if (l->page != NULL)
		return imgp_ledger_page_call(l->page, b->calls[0], e);
	return reach(l, e) == -1 ? -1 : transact(l->db, b, e);
}

/* Try until it is done, refused, or has been away for too long. */
static int
insist(struct imgp_ledger *l, struct batch *b, struct imgp_err *e)
{
	int64_t now;
	int pause = 50;

	while (carry(l, b, e) == -1) {
		if (!is_temporary(e))
			return -1;
		now = imgp_clock_ms();
		if (l->down_since == 0)
			l->down_since = now;
		if (now + pause > l->down_since + l->patience_ms)
			return -1;
		pause_about(pause);
		pause = pause > 2500 ? 5000 : pause * 2;
	}
	l->down_since = 0;
	return 0;
}

static int64_t
lock_key(const struct imgp_ledger_call *c)
{
	int64_t n = 0;

	if (imgp_json_int(imgp_json_get(c->request, "edc_pipeline_file_id"),
	    &n) == -1)
		imgp_json_int(imgp_json_get(c->request,
		    "subject_event_crf_file_id"), &n);
	return n;
}

static int
by_lock_key(const void *a, const void *b)
{
	int64_t x = lock_key(*(struct imgp_ledger_call *const *)a);
	int64_t y = lock_key(*(struct imgp_ledger_call *const *)b);

	return (x > y) - (x < y);
}

static void
run_batch(struct imgp_ledger *l, struct batch *b)
{
	struct imgp_err e = { NULL, "" };
	struct batch one = *b;
	size_t i;

	if (insist(l, b, &e) == 0)
		return;
	/* One bad call aborts the batch: retry each alone. */
	if (b->n > 1 && !is_temporary(&e)) {
		for (one.n = 1, i = 0; i < b->n; i++) {
			one.calls = &b->calls[i];
			run_batch(l, &one);
		}
		return;
	}
	for (i = 0; i < b->n; i++) {
		imgp_ledger_forget(b->calls[i]);
		b->calls[i]->err = e;
	}
}

void
imgp_ledger_run(struct imgp_ledger *l, struct imgp_ledger_call *calls, size_t n)
{
	struct imgp_ledger_call **all;
	struct batch b;
	size_t i;

	if (n == 0)
		return;
	b.n = n;
	b.calls = imgp_alloc(n * sizeof(struct imgp_ledger_call *));
	b.second = imgp_alloc(n * sizeof *b.second);
	b.stmts = imgp_alloc(n * sizeof *b.stmts);
	b.rows = imgp_alloc(n * sizeof *b.rows);
	b.texts = imgp_alloc(n * sizeof *b.texts);
	b.params = imgp_alloc(n * sizeof *b.params);
	for (i = 0; i < n; i++) {
		calls[i].data = NULL;
		b.calls[i] = &calls[i];
	}
	/* Rows are locked in one order by everyone: no deadlock. */
	qsort(b.calls, n, sizeof *b.calls, by_lock_key);
	all = b.calls;
	if (l->http != NULL || l->page != NULL)
		for (b.n = 1; b.calls < all + n; b.calls++)
			run_batch(l, &b);
	else
		run_batch(l, &b);
	b.calls = all;
	free(b.calls);
	free(b.second);
	free(b.stmts);
	free(b.rows);
	free(b.texts);
	free(b.params);
}

int
imgp_ledger_is_api(const char *where)
{
	return where != NULL && (strncmp(where, "http://", 7) == 0 ||
	    strncmp(where, "https://", 8) == 0);
}

/* Open the API, and see whether it is there. */
static int
open_api(struct imgp_ledger *l, struct imgp_err *e)
{
	if (strcmp(imgp_conf(NULL, "api_revisions"), "no") == 0) {
		l->page = imgp_ledger_page_open(l->where, e);
		return l->page == NULL ? -1 : imgp_ledger_page_reach(l->page, e);
	}
	l->http = imgp_ledger_http_open(l->where, e);
	return l->http == NULL ? -1 : imgp_ledger_http_reach(l->http, e);
}

const char *
imgp_ledger_conninfo(void)
{
	const char *s = imgp_conf(NULL, "ledger");

	if (s == NULL || imgp_account_is_path(s))
		s = imgp_conf(NULL, "database");
	return imgp_ledger_is_api(s) ? NULL : s;
}

const char *
imgp_ledger_need_conninfo(struct imgp_err *e)
{
	const char *s = imgp_ledger_conninfo();

	if (s == NULL)
		imgp_fail(e, IMGP_E_CONFIG, "ledger or database must be set "
		    "to a PostgreSQL connection string");
	return s;
}

struct imgp_ledger *
imgp_ledger_open(const char *where, struct imgp_err *e)
{
	struct imgp_ledger *l;
	long long s;
	int rc;

	if ((!imgp_ledger_is_api(where) && imgp_db_check_conninfo(where, e) == -1) ||
	    imgp_conf_duration(NULL, "db_wait", &s, e) == -1)
		return NULL;
	l = imgp_alloc(sizeof *l);
	l->where = where == NULL ? NULL : imgp_strdup(where);
	l->patience_ms = s * 1000;
	rc = imgp_ledger_is_api(where) ? open_api(l, e) : reach(l, e);
	if (rc == -1 && !is_temporary(e)) {
		imgp_ledger_close(l);
		return NULL;
	}
	return l;
}

int
imgp_ledger_is_new(const struct imgp_ledger *l)
{
	return l->page != NULL && imgp_ledger_page_is_new(l->page);
}

void
imgp_ledger_patience(struct imgp_ledger *l, int seconds)
{
	l->patience_ms = (int64_t)seconds * 1000;
}

int
imgp_ledger_idle(struct imgp_ledger *l, int64_t ms)
{
	return l == NULL ? 0 : imgp_db_idle(l->db, ms);
}

void
imgp_ledger_close(struct imgp_ledger *l)
{
	if (l == NULL)
		return;
	imgp_ledger_http_close(l->http);
	imgp_ledger_page_close(l->page);
	imgp_db_close(l->db);
	free(l->where);
	free(l);
}
