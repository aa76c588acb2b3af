#include <sys/random.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/date.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/store/store_s3_precond_priv.h"
#include "libimgpipe/store/store_s3_priv.h"

/*
 * A probe costs four requests and saves one with each write after it.  It is
 * made once four writes have looked first, so that a run of few objects needs
 * no probe, and none makes more than twice the requests it had to.
 */
#define COST		4
#define OLD		3600	/* s: no probe takes that long */
#define NAME		".imgp-probe-"

enum state { UNKNOWN, ASKING, OBEYS, IGNORES, REFUSES };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static struct imgp_store *place;
static struct {
	enum state	 state;
	int		 writes;	/* that looked first */
} known[IMGP_PRECONDS];
static struct imgp_err why;	/* of a probe that failed */

/* The header that holds a copy to its source's ETag, at S3 and at rgw. */
static const char *const match_names[] = {
	"x-amz-copy-source-if-match", "x-amz-copy-if-match"
};
static int matched_by;		/* an index of these */

void
imgp_store_probe_in(struct imgp_store *st)
{
	pthread_mutex_lock(&lock);
	if (place == NULL && st->place.scheme == IMGP_S3)
		place = st;
	pthread_mutex_unlock(&lock);
}

void
imgp_precond_forget(const struct imgp_store *st)
{
	pthread_mutex_lock(&lock);
	if (place == st)
		place = NULL;
	pthread_mutex_unlock(&lock);
}

const char *
imgp_store_probe_failed(void)
{
	return why.code == NULL ? NULL : why.msg;
}

/* --- one probe ------------------------------------------------------------------ */

/* DELETE, even when a signal asks to stop. */
static void
drop(struct imgp_s3 *s3, const char *key)
{
	struct imgp_s3_request r = { .method = "DELETE", .key = key,
	    .flags = IMGP_S3_LAST };
	struct imgp_s3_answer a;

	(void)imgp_s3_do(s3, &r, &a, NULL);
	imgp_s3_answer_release(&a);
}

static int
is_old(const char *iso)
{
	int64_t then = iso == NULL ? -1 : imgp_date_iso(iso);

	return then >= 0 && then < time(NULL) - OLD;
}

/* Remove what killed processes left of their probes. */
static void
sweep(struct imgp_s3 *s3, const char *prefix)
{
	struct imgp_buf query = IMGP_BUF_INIT;
	struct imgp_s3_request r = { .method = "GET" };
	struct imgp_s3_answer a;
	struct imgp_s3xml x;
	size_t i;

	imgp_buf_puts(&query,
	    "encoding-type=url&list-type=2&max-keys=100&prefix=");
	imgp_sigv4_encode(&query, prefix, 0);
	r.query = query.s;
	if (imgp_s3_do(s3, &r, &a, NULL) == 0 && imgp_s3xml_parse(a.body.s,
	    a.body.len, &x, NULL) == 0) {
		for (i = 0; x.kind == IMGP_S3XML_LIST && i < x.nitems; i++)
			if (strncmp(x.items[i].key, prefix,
			    strlen(prefix)) == 0 && is_old(x.items[i].time))
				drop(s3, x.items[i].key);
		imgp_s3xml_release(&x);
	}
	imgp_s3_answer_release(&a);
	imgp_buf_release(&query);
}

/*
 * Write a small object to ${key}: ${plain}, or under the precondition ${way}, so
 * that a service which obeys answers 412.  ${match} is the header's name for
 * IMGP_PRECOND_COPY_SOURCE.  The status, 200 for any success; else also ${e}.
 */
static long
make(struct imgp_s3 *s3, const char *key, int plain, enum imgp_precond way,
    const char *match, struct imgp_err *e)
{
	static const char data[] = "imgpipe asks what this service obeys\n";
	struct imgp_buf source = IMGP_BUF_INIT;
	int copy = !plain && way != IMGP_PRECOND_CREATE_PUT;
	char sum[IMGP_SHA256_HEX];
	struct imgp_header h[4];
	struct imgp_s3_request r = { .method = "PUT", .key = key,
	    .headers = h };
	struct imgp_s3_answer a;
	long status;

	if (!plain && way == IMGP_PRECOND_COPY_SOURCE)
		h[r.nheaders++] = (struct imgp_header){ match,
		    "\"00000000000000000000000000000000\"" };
	else if (!plain)
		h[r.nheaders++] = (struct imgp_header){ "If-None-Match", "*" };
	if (copy) {
		imgp_buf_printf(&source, "/%s/", imgp_s3_bucket(s3));
		imgp_sigv4_encode(&source, key, 1);
		h[r.nheaders++] = (struct imgp_header){ "x-amz-copy-source",
		    source.s };
		/* A copy onto itself must change something. */
		h[r.nheaders++] = (struct imgp_header){
		    "x-amz-metadata-directive", "REPLACE" };
		r.flags = IMGP_S3_MAY_BE_ERROR;
	} else {
		imgp_sha256_hex(data, sizeof data - 1, sum);
		r.payload = sum;
		r.data = data;
		r.len = sizeof data - 1;
	}
	status = imgp_s3_do(s3, &r, &a, e) == 0 ? 200 :
	    a.status / 100 == 2 ? 0 : a.status;
	imgp_s3_answer_release(&a);
	imgp_buf_release(&source);
	return status;
}

static enum state
probe(struct imgp_store *at, enum imgp_precond how, struct imgp_err *e)
{
	const char *base = at->place.key;
	char *prefix = imgp_asprintf("%s%s%s", base, base[0] == '\0' ||
	    base[strlen(base) - 1] == '/' ? "" : "/", NAME);
	enum state state = IGNORES;
	uint64_t random = 0;
	char *key;
	long status;
	int by = 0;

	(void)!getrandom(&random, sizeof random, 0);
	key = imgp_asprintf("%s%016llx", prefix, (unsigned long long)random);
	imgp_stop_hold();
	sweep(at->s3, prefix);
	if ((status = make(at->s3, key, 1, how, NULL, e)) == 200)
		status = make(at->s3, key, 0, how, match_names[by], e);
	if (status == 200 && how == IMGP_PRECOND_COPY_SOURCE)
		status = make(at->s3, key, 0, how, match_names[++by], e);
	drop(at->s3, key);
	imgp_stop_release();
	if (status == 412)
		state = OBEYS;
	if (status == 412 && how == IMGP_PRECOND_COPY_SOURCE) {
		pthread_mutex_lock(&lock);
		matched_by = by;
		pthread_mutex_unlock(&lock);
	}
	if (status == 501)
		state = REFUSES;
	if (status == 412 || status == 501 || status == 200)
		e->code = NULL;
	free(prefix);
	free(key);
	return state;
}

int
imgp_store_probe(struct imgp_store *st, int *obeyed, struct imgp_err *e)
{
	struct imgp_err failed = { NULL, "" };

	*obeyed = st->place.scheme != IMGP_S3 ||
	    probe(st, IMGP_PRECOND_CREATE_PUT, &failed) == OBEYS;
	if (failed.code == NULL)
		return 0;
	*e = failed;
	return -1;
}

/* --- what is known ---------------------------------------------------------------- */

int
imgp_precond_obeyed(enum imgp_precond how)
{
	struct imgp_err e = { NULL, "" };
	struct imgp_store *at;
	enum state state;

	pthread_mutex_lock(&lock);
	at = place;
	state = known[how].state;
	if (state == UNKNOWN && known[how].writes++ >= COST && at != NULL)
		known[how].state = ASKING;	/* other threads look first */
	else
		at = NULL;
	pthread_mutex_unlock(&lock);
	if (at == NULL)
		return state == OBEYS;
	state = probe(at, how, &e);
	pthread_mutex_lock(&lock);
	if (known[how].state == ASKING)
		known[how].state = state;
	if (e.code != NULL)
		why = e;
	pthread_mutex_unlock(&lock);
	return state == OBEYS;
}

const char *
imgp_precond_copy_source_name(void)
{
	int by;

	pthread_mutex_lock(&lock);
	by = matched_by;
	pthread_mutex_unlock(&lock);
	return match_names[by];
}

int
imgp_precond_refused(enum imgp_precond how)
{
	int refused;

	pthread_mutex_lock(&lock);
	refused = known[how].state == REFUSES;
	pthread_mutex_unlock(&lock);
	return refused;
}

void
imgp_precond_refuse(enum imgp_precond how)
{
	pthread_mutex_lock(&lock);
	known[how].state = REFUSES;
	pthread_mutex_unlock(&lock);
}
