/*
 * A request: its headers signed, sent, and sent again where that is right.  This file
 * must not know what makes an answer right, nor where the service is.
 */
#include <sys/random.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/store/s3_priv.h"

/* AWS's "standard" retry mode, with more tries since nobody watches. */
#define TRIES		8
#define BASE_FAULT	50		/* ms */
#define BASE_THROTTLE	1000		/* ms */
#define DELAY_MAX	20000		/* ms */
#define LAST_MS		10000		/* for requests that clear up after a
					 * signal */
#define LOOK_MS		200		/* between looks for a signal */
#define COST_FAULT	14
#define COST_THROTTLE	5
#define AFTER_MAX	5000		/* ms added to what the server asks for */

#define HEADERS_MAX	(IMGP_S3_META_MAX + 20)

/* --- the request ---------------------------------------------------------------------- */

/* A request's header lines, one after the other in one buffer. */
struct lines {
	struct imgp_buf	 text;
	size_t		 at[HEADERS_MAX + 3];
	char		*line[HEADERS_MAX + 3];	/* set once all are added */
	size_t		 n;
};

static void
add_bare_line(struct lines *l, const char *line)
{
	l->at[l->n++] = l->text.len;
	imgp_buf_add(&l->text, line, strlen(line) + 1);
}

/* Add "Name: value"; a header must not become two (R47). */
static int
add_line(struct lines *l, const char *name, const char *value)
{
	if (strpbrk(value, "\r\n") != NULL)
		return -1;
	l->at[l->n++] = l->text.len;
	imgp_buf_puts(&l->text, name);
	/* By ';' curl sends a header that has no value, and by ':' none. */
	imgp_buf_puts(&l->text, *value == '\0' ? ";" : ": ");
	imgp_buf_add(&l->text, value, strlen(value) + 1);
	return 0;
}

/* The headers of ${r}, signed, as the wire wants them. */
static int
make_headers(const struct imgp_s3 *s3, const struct imgp_s3_request *r,
    const struct imgp_aws_key *key, const struct route *to,
    struct lines *list, struct imgp_err *e)
{
	struct imgp_header h[HEADERS_MAX];
	struct imgp_buf auth = IMGP_BUF_INIT;
	struct imgp_sigv4 sig = { .service = "s3" };
	const char *payload = r->payload == NULL ? IMGP_SHA256_EMPTY :
	    r->payload;
	char date[17];
	size_t n = 0, i;
	int rc = 0;

	sig.now = time(NULL) + to->skew;
	imgp_sigv4_date(sig.now, date);
	h[n++] = (struct imgp_header){ "Host", to->host };
	h[n++] = (struct imgp_header){ "x-amz-content-sha256", payload };
	h[n++] = (struct imgp_header){ "x-amz-date", date };
	if (key->token != NULL)
		h[n++] = (struct imgp_header){ "x-amz-security-token",
		    key->token };
	if (imgp_s3_owner(s3) != NULL)
		h[n++] = (struct imgp_header){ "x-amz-expected-bucket-owner",
		    imgp_s3_owner(s3) };
	for (i = 0; i < r->nheaders && n < HEADERS_MAX; i++)
		h[n++] = r->headers[i];
	if (key->access != NULL) {
		sig.access_key = key->access;
		sig.secret_key = key->secret;
		sig.token = key->token;
		sig.region = to->region;
		sig.method = r->method;
		sig.path = to->path.s;
		sig.query = r->query;
		sig.headers = h;
		sig.nheaders = n;
		sig.payload = payload;
		imgp_sigv4_authorize(&sig, &auth);
		rc = add_line(list, "Authorization", auth.s);
	}
	for (i = 0; rc == 0 && i < n; i++)
		rc = add_line(list, h[i].name, h[i].value);
	imgp_buf_release(&auth);
	if (rc == -1)
		return imgp_fail(e, IMGP_E_PLACE_INVALID,
		    "%s: a header would hold a line break", r->key);
	/* Keep curl from adding these. */
	add_bare_line(list, "Accept:");
	add_bare_line(list, "Expect:");
	for (i = 0; i < list->n; i++)
		list->line[i] = list->text.s + list->at[i];
	return 0;
}

/* --- what comes back ------------------------------------------------------------------ */

/* Let begin() see the answer's headers. */
static int
judge_headers(struct attempt *t)
{
	int rc = t->r->begin == NULL ? 0 : t->r->begin(t->r->arg, t->a, t->e);

	t->refused = rc != 0;
	t->mistaken = rc == IMGP_S3_AGAIN;
	return rc == 0 ? 0 : -1;
}

static int
on_body(void *arg, long status, const char *p, size_t len)
{
	struct attempt *t = arg;

	t->a->status = status;
	if (status / 100 != 2 || t->r->sink == NULL)
		return imgp_buf_add(&t->a->body, p, len);
	if (!t->begun) {
		t->begun = 1;
		if (t->a->total < 0)
			t->a->total = t->a->length;
		if (judge_headers(t) == -1)
			return -1;
	}
	if (t->r->sink(t->r->arg, p, len) == -1) {
		t->refused = 1;
		t->mistaken = errno == EPROTO;
		if (t->mistaken)
			return imgp_fail(t->e, IMGP_E_STORE_IO, "%s: the "
			    "server sent more than was asked for", t->r->key);
		return imgp_fail_errno(t->e, errno == ENOSPC || errno == EDQUOT ||
		    errno == EFBIG ? IMGP_E_STORE_FULL : IMGP_E_STORE_IO,
		    "writing what %s holds", t->r->key);
	}
	return 0;
}

static void
on_sent(void *arg, int64_t bytes)
{
	const struct attempt *t = arg;

	t->r->sent(t->r->arg, bytes);
}

/* --- one attempt, and the next --------------------------------------------------------- */

static enum outcome
try_once(struct imgp_s3 *s3, const struct imgp_s3_request *r,
    struct imgp_s3_answer *a, int64_t *after, unsigned int *spent,
    struct imgp_err *e)
{
	struct attempt t = { .r = r, .a = a, .e = e, .after = -1 };
	struct route to;
	struct lines list = { .text = IMGP_BUF_INIT };
	struct imgp_wire_request w = { .method = r->method, .fd = -1 };
	struct imgp_wire_result result;
	enum imgp_wire_end how;
	struct imgp_aws_key key = { NULL, NULL, NULL };
	enum outcome outcome = FINAL;

	imgp_s3_answer_clear(a);
	if (imgp_aws_key(&key, NULL, e) == -1)
		return FINAL;
	imgp_s3_route_make(&to, s3, r);
	if (make_headers(s3, r, &key, &to, &list, e) == -1)
		goto out;
	w.url = to.url.s;
	w.ca_bundle = imgp_s3_ca_bundle(s3);
	w.headers = list.line;
	w.nheaders = list.n;
	w.last = (r->flags & IMGP_S3_LAST) != 0;
	if (r->payload != NULL) {
		w.data = r->data;
		w.fd = r->fd;
		w.offset = r->offset;
		w.len = r->len;
	}
	w.header = imgp_s3_answer_header;
	w.body = on_body;
	w.sent = r->sent == NULL ? NULL : on_sent;
	w.arg = &t;
	how = imgp_wire_do(&w, &result);
	a->status = result.status;
	if (a->total < 0)
		a->total = a->length;
	*after = t.after;
	if (t.refused) {
		if (t.mistaken)
			outcome = FAULT;
		goto out;
	}
	if (how != IMGP_WIRE_ANSWERED) {
		outcome = imgp_s3_judge_transport(s3, &t, how, result.why, to.host, e);
		goto out;
	}
	if (a->status / 100 != 2 || ((r->flags & IMGP_S3_MAY_BE_ERROR) &&
	    !imgp_s3_is_result(a))) {
		outcome = imgp_s3_judge_error(s3, &t, &key, spent, e);
		goto out;
	}
	/* An empty body: begin() was not called by on_body(). */
	if (r->sink != NULL && !t.begun && judge_headers(&t) == -1)
		outcome = t.mistaken ? FAULT : FINAL;
	else
		outcome = DONE;
out:
	imgp_buf_release(&list.text);
	imgp_aws_key_release(&key);
	imgp_s3_route_release(&to);
	return outcome;
}

/* A number from 0 to ${max}. */
static int64_t
jitter(int64_t max)
{
	uint32_t r = 0;

	while (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
		;
	return (int64_t)((double)r / 4294967296.0 * (double)max);
}

/* Wait before repetition ${n} (from 0); -1: do not repeat. */
static int
wait_for(struct imgp_s3 *s3, enum outcome why, int n, int64_t after,
    int64_t deadline, int last, int *cost)
{
	int64_t max = why == THROTTLE ? BASE_THROTTLE : BASE_FAULT, delay, until;
	struct timespec ts = { 0, 0 };
	int i;

	*cost = why == THROTTLE ? COST_THROTTLE : COST_FAULT;
	for (i = 0; i < n && max < DELAY_MAX; i++)
		max *= 2;
	delay = jitter(max < DELAY_MAX ? max : DELAY_MAX);
	/* No less than the server asks for, and not much more. */
	if (after >= 0)
		delay = delay < after ? after : delay > after + AFTER_MAX ?
		    after + AFTER_MAX : delay;
	if (imgp_clock_ms() + delay > deadline || imgp_s3_take_quota(s3, *cost) == -1)
		return -1;
	/* A signal interrupts only one thread; the others look for it. */
	until = imgp_clock_ms() + delay;
	while ((delay = until - imgp_clock_ms()) > 0) {
		if (imgp_stop_asked() && !last)
			return -1;
		delay = delay < LOOK_MS ? delay : LOOK_MS;
		ts.tv_nsec = (long)delay * 1000000;
		nanosleep(&ts, NULL);
	}
	return 0;
}

int
imgp_s3_do(struct imgp_s3 *s3, const struct imgp_s3_request *r,
    struct imgp_s3_answer *a, struct imgp_err *e)
{
	struct imgp_err own = { NULL, "" };
	int64_t deadline = imgp_clock_ms() + imgp_s3_patience(s3), after = -1;
	unsigned int spent = 0;
	enum outcome outcome;
	int n, cost = 0, last = (r->flags & IMGP_S3_LAST) != 0, hurried = 0;

	imgp_s3_answer_init(a);
	if (e == NULL)
		e = &own;
	for (n = 0;; n++) {
		outcome = try_once(s3, r, a, &after, &spent, e);
		if (imgp_stop_asked()) {
			if (!last)
				break;
			if (deadline > imgp_clock_ms() + LAST_MS && !hurried)
				deadline = imgp_clock_ms() + LAST_MS;
			hurried = 1;
		}
		if (outcome == DONE || outcome == FINAL || n + 1 >= TRIES)
			break;
		if (outcome != AT_ONCE && wait_for(s3, outcome, n, after,
		    deadline, last, &cost) == -1)
			break;
		a->retries++;
		if (r->again != NULL)
			r->again(r->arg);
	}
	if (outcome == DONE)
		imgp_s3_give_quota(s3, cost == 0 ? 1 : cost);
	return outcome == DONE ? 0 : -1;
}
