#include <stdio.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/store/store_s3_priv.h"

/* How long to wait before looking again: so many times what the write took. */
#define PAUSES		8
#define PAUSE_MIN	100		/* ms */
#define PAUSE_MAX	10000		/* ms */
#define LOOK_MS		200		/* between looks for a signal */

/* --- reading all of it ------------------------------------------------------- */

/* The state of one GET whose bytes are summed. */
struct summing {
	struct imgp_sha256 *sum;
	int64_t		 bytes;
	char		 range[96], match[136];
	struct imgp_header headers[2];
	struct imgp_s3_request r;
};

static int
sum_begin(void *arg, const struct imgp_s3_answer *a, struct imgp_err *e)
{
	struct summing *s = arg;

	if (s->match[0] == '\0')
		snprintf(s->match, sizeof s->match, "%s", a->etag);
	if (a->first != s->bytes) {
		imgp_fail(e, IMGP_E_STORE_IO,
		    "%s: the server sent another range", s->r.key);
		return IMGP_S3_AGAIN;
	}
	return 0;
}

static int
sum_sink(void *arg, const char *p, size_t len)
{
	struct summing *s = arg;

	imgp_sha256_add(s->sum, p, len);
	s->bytes += (int64_t)len;
	return 0;
}

/* Resume where it broke off, of the same object (R21, R32). */
static void
sum_again(void *arg)
{
	struct summing *s = arg;

	if (s->bytes == 0)
		return;
	snprintf(s->range, sizeof s->range, "bytes=%lld-",
	    (long long)s->bytes);
	s->headers[0] = (struct imgp_header){ "Range", s->range };
	s->headers[1] = (struct imgp_header){ "If-Match", s->match };
	s->r.nheaders = 2;
}

int
imgp_store_s3_sum(struct imgp_s3 *s3, const char *key, struct imgp_object *o,
    int64_t *retries, struct imgp_err *e)
{
	struct summing s = { .bytes = 0 };
	struct imgp_s3_answer a;
	int rc;

	s.sum = imgp_sha256_new();
	s.r = (struct imgp_s3_request){ .method = "GET", .key = key,
	    .headers = s.headers, .begin = sum_begin, .sink = sum_sink,
	    .again = sum_again, .arg = &s };
	rc = imgp_s3_do(s3, &s.r, &a, e);
	if (rc == 0 && a.total >= 0 && a.total != s.bytes)
		rc = imgp_fail(e, IMGP_E_STORE_IO, "%s: %lld bytes of %lld",
		    key, (long long)s.bytes, (long long)a.total);
	if (rc == 0) {
		o->bytes = s.bytes;
		imgp_sha256_end_hex(s.sum, o->sha256);
	}
	*retries += a.retries;
	imgp_s3_answer_release(&a);
	imgp_sha256_free(s.sum);
	return rc;
}

/*
 * Read the object; and its source, where nobody knows what it should sum to, or its
 * metadata alone says so and is not right.  1: they are the same bytes, ${got};
 * 0: they are not, ${should} is wanted; -1.
 */
static int
read_both(const struct imgp_s3_target *t, struct imgp_object *got,
    struct imgp_object *should, struct imgp_err *e)
{
	const struct imgp_object *expect = t->m->expect;
	int64_t *retries = &t->m->copied->retries;
	int claimed = t->src != NULL && t->want->sha256[0] != '\0' &&
	    (expect == NULL || expect->sha256[0] == '\0');

	*should = *t->want;
	if (imgp_store_s3_sum(t->s3, t->key, got, retries, e) == -1)
		return -1;
	claimed = claimed && strcmp(got->sha256, should->sha256) != 0;
	if ((claimed || should->sha256[0] == '\0') && imgp_store_s3_sum(
	    t->src->s3, t->from, should, retries, e) == -1)
		return -1;
	if (got->bytes != should->bytes ||
	    strcmp(got->sha256, should->sha256) != 0)
		return 0;
	if (claimed)
		imgp_store_warn(t->m->copied, "s3://%s/%.200s: "
		    "x-amz-meta-sha256 says %.12s..., the bytes have %.12s..., "
		    "in the copy, too", imgp_s3_bucket(t->src->s3), t->from,
		    t->want->sha256, got->sha256);
	return 1;
}

/* --- before a write ----------------------------------------------------------- */

int
imgp_store_s3_compare(const struct imgp_s3_target *t, struct imgp_err *e)
{
	struct imgp_object there = IMGP_OBJECT_UNKNOWN, mine = *t->want;
	struct imgp_s3_answer a;
	int rc = imgp_store_s3_head(t->s3, t->key, &a, e), proven;
	long status = a.status;

	t->m->copied->retries += a.retries;
	there.bytes = a.length;
	proven = rc == 0 && t->etag != NULL &&
	    imgp_s3xml_etag_same(a.etag, t->etag);
	imgp_s3_answer_release(&a);
	if (rc == -1)
		return status == 404 ? 0 : -1;
	/* Metadata proves nothing: it may have been copied along. */
	if (there.bytes == mine.bytes && !proven &&
	    (proven = read_both(t, &there, &mine, e)) == -1)
		return -1;
	if (!proven || there.bytes != mine.bytes)
		return imgp_fail(e, IMGP_E_STORE_EXISTS,
		    "s3://%s/%.256s: holds %lld other bytes",
		    imgp_s3_bucket(t->s3), t->key, (long long)there.bytes);
	t->m->copied->existed = 1;
	t->m->copied->object = mine;
	return 1;
}

/* --- after a write ------------------------------------------------------------- */

/* Nonzero when the answer to HEAD, ${a}, shows that the object is not what we wrote. */
static int
check_head(const struct imgp_s3_target *t, const struct imgp_s3_answer *a,
    struct imgp_err *e)
{
	const struct imgp_object *want = t->want;
	int other = want->sha256[0] != '\0' &&
	    strcmp(a->sha256, want->sha256) != 0;

	if (other && a->sha256[0] != '\0')
		return imgp_fail(e, IMGP_E_STORE_EXISTS, "s3://%s/%.256s: "
		    "somebody else wrote there meanwhile",
		    imgp_s3_bucket(t->s3), t->key);
	if (other || a->length != want->bytes)
		return imgp_fail(e, IMGP_E_STORE_INTEGRITY, "s3://%s/%.256s: "
		    "%lld bytes are there, or other metadata; %lld were "
		    "written", imgp_s3_bucket(t->s3), t->key,
		    (long long)a->length, (long long)want->bytes);
	return 0;
}

/* -1 and ${e}, where ${t->key} no longer is the object ${etag}; else 0. */
static int
is_same(const struct imgp_s3_target *t, const char *etag, struct imgp_err *e)
{
	struct imgp_s3_answer a;
	int rc = imgp_store_s3_head(t->s3, t->key, &a, e);

	t->m->copied->retries += a.retries;
	if (rc == 0 && !imgp_s3xml_etag_same(a.etag, etag))
		rc = imgp_fail(e, IMGP_E_STORE_EXISTS, "s3://%s/%.256s: "
		    "somebody else wrote there meanwhile",
		    imgp_s3_bucket(t->s3), t->key);
	imgp_s3_answer_release(&a);
	return rc;
}

int
imgp_store_s3_verify(const struct imgp_s3_target *t, struct imgp_err *e)
{
	struct imgp_object got = IMGP_OBJECT_UNKNOWN, should;
	struct imgp_copied *copied = t->m->copied;
	struct imgp_s3_answer a;
	int rc = imgp_store_s3_head(t->s3, t->key, &a, e), proven = 0;

	copied->retries += a.retries;
	if (rc == 0 && (rc = check_head(t, &a, e)) == 0) {
		proven = t->etag != NULL &&
		    imgp_s3xml_etag_same(a.etag, t->etag);
		imgp_store_s3_name(&copied->object, &a);
		imgp_store_s3_name(&got, &a);
	}
	imgp_s3_answer_release(&a);
	if (rc == -1 || (proven && !(t->m->flags & IMGP_COPY_READBACK)))
		return rc;
	if ((rc = read_both(t, &got, &should, e)) == -1)
		return -1;
	if (rc == 0 && is_same(t, copied->object.etag, e) == -1)
		return -1;
	if (rc == 0)
		return imgp_fail(e, IMGP_E_STORE_INTEGRITY,
		    "s3://%s/%.256s: read back with SHA-256 %.12s..., "
		    "%.12s... was written", imgp_s3_bucket(t->s3), t->key,
		    got.sha256, should.sha256);
	copied->object = got;
	return 0;
}

/* Sleep ${ms}; -1 where a signal asks to stop. */
static int
pause_for(int64_t ms)
{
	const int64_t until = imgp_clock_ms() + ms;
	struct timespec ts = { 0, 0 };
	int64_t left;

	while ((left = until - imgp_clock_ms()) > 0) {
		if (imgp_stop_asked())
			return -1;
		ts.tv_nsec = (long)(left < LOOK_MS ? left : LOOK_MS) * 1000000;
		nanosleep(&ts, NULL);
	}
	return 0;
}

int
imgp_store_s3_look_again(const struct imgp_s3_target *t, int64_t began,
    struct imgp_err *e)
{
	int64_t pause = PAUSES * (imgp_clock_ms() - began);

	if ((t->m->flags & (IMGP_COPY_CREATE | IMGP_COPY_LOOK_AGAIN)) !=
	    (IMGP_COPY_CREATE | IMGP_COPY_LOOK_AGAIN) || t->m->copied->existed)
		return 0;
	pause = pause < PAUSE_MIN ? PAUSE_MIN : pause > PAUSE_MAX ? PAUSE_MAX :
	    pause;
	return pause_for(pause) == -1 ? 0 : is_same(t,
	    t->m->copied->object.etag, e);
}

void
imgp_store_s3_drop(const struct imgp_s3_target *t)
{
	struct imgp_s3_request r = { .method = "DELETE", .key = t->key };
	const struct imgp_copied *copied = t->m->copied;
	struct imgp_s3_answer a;
	int ours;

	/* Without a sum we cannot tell that it is ours, so we leave it. */
	ours = imgp_store_s3_head(t->s3, t->key, &a, NULL) == 0 &&
	    a.sha256[0] != '\0' &&
	    strcmp(a.sha256, copied->object.sha256) == 0;
	imgp_s3_answer_release(&a);
	if (!ours)
		return;
	(void)imgp_s3_do(t->s3, &r, &a, NULL);
	imgp_s3_answer_release(&a);
}

void
imgp_store_s3_drop_if_wrong(const struct imgp_s3_target *t,
    const struct imgp_err *e)
{
	if (!t->m->copied->existed &&
	    strcmp(e->code, IMGP_E_STORE_INTEGRITY) == 0)
		imgp_store_s3_drop(t);
}
