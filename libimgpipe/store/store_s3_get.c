#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/store/store_s3_priv.h"

#define FIRST		((int64_t)16 << 20)	/* bytes the first GET asks for,
						 * or a part's where less */
#define TRIES_WHOLE	3			/* downloads of an object that
						 * comes wrong (R23) */

static int
sum_part(struct imgp_parts *p, int64_t offset, int64_t len, void *arg,
    struct imgp_err *e)
{
	return imgp_parts_sum(p->fd, offset, len, arg) == -1 ?
	    imgp_parts_unreadable(p->key, e) : 0;
}

/* One GET of a range, written where it belongs. */
struct get {
	struct imgp_s3_request r;
	struct imgp_header headers[2];
	char		 range[96], match[136];
	int		 fd;
	int64_t		 offset, end;	/* next byte; past the last wanted */
	struct imgp_sha256 *sum;	/* NULL: not summed here */
	/* Of the first GET: what the others need, and what it reports to. */
	int64_t		 total;
	const struct imgp_download *d;
	struct imgp_move *m;
};

static int
get_begin(void *arg, const struct imgp_s3_answer *a, struct imgp_err *e)
{
	struct get *g = arg;

	if (a->first != g->offset || a->total < 0 || a->etag[0] == '\0') {
		/* Without an ETag its parts could be of several objects; no
		 * S3 service answers without one. */
		imgp_fail(e, IMGP_E_STORE_IO, a->total < 0 ?
		    "%s: the server does not say how long it is" :
		    a->first != g->offset ?
		    "%s: the server sent another range" :
		    "%s: the server gives it no ETag", g->r.key);
		return IMGP_S3_AGAIN;
	}
	if (g->total >= 0)
		return 0;
	g->total = a->total;
	if (a->status == 200 || g->end > a->total)
		g->end = a->total;	/* ranges are not for every server */
	snprintf(g->match, sizeof g->match, "%s", a->etag);
	if (g->m != NULL) {
		memcpy(g->m->copied->source_etag, a->etag, sizeof a->etag);
		memcpy(g->m->copied->source_version, a->version,
		    sizeof a->version);
	}
	return g->d == NULL ? 0 : g->d->room(g->d->arg, a->total, e);
}

static int
get_sink(void *arg, const char *p, size_t len)
{
	struct get *g = arg;
	ssize_t n;

	if ((int64_t)len > g->end - g->offset) {
		errno = EPROTO;		/* more than was asked for */
		return -1;
	}
	if (g->sum != NULL)
		imgp_sha256_add(g->sum, p, len);
	while (len > 0) {
		if ((n = pwrite(g->fd, p, len, g->offset)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += n;
		len -= (size_t)n;
		g->offset += n;
	}
	if (g->m != NULL)
		imgp_store_progress(g->m, g->offset, g->total);
	return 0;
}

/* Ask for what is still missing, of the same object once one is known. */
static void
get_again(void *arg)
{
	struct get *g = arg;

	snprintf(g->range, sizeof g->range, "bytes=%lld-%lld",
	    (long long)g->offset, (long long)g->end - 1);
	g->headers[0] = (struct imgp_header){ "Range", g->range };
	g->r.nheaders = 1;
	if (g->match[0] != '\0') {
		g->headers[1] = (struct imgp_header){ "If-Match", g->match };
		g->r.nheaders = 2;
	}
}

static void
get_init(struct get *g, const char *key, int fd, int64_t offset, int64_t len)
{
	memset(g, 0, sizeof *g);
	g->fd = fd;
	g->offset = offset;
	g->end = offset + len;
	g->total = -1;
	g->r = (struct imgp_s3_request){ .method = "GET", .key = key,
	    .headers = g->headers, .begin = get_begin, .sink = get_sink,
	    .again = get_again, .arg = g };
	get_again(g);
}

int
imgp_parts_get(struct imgp_parts *p, int i, int64_t offset, int64_t len,
    int64_t *retries, struct imgp_err *e)
{
	struct imgp_s3_answer a;
	struct get g;
	int rc;

	(void)i;
	get_init(&g, p->key, p->fd, offset, len);
	g.total = p->total;
	snprintf(g.match, sizeof g.match, "%s", p->match == NULL ? "" :
	    p->match);
	get_again(&g);
	rc = imgp_s3_do(p->s3, &g.r, &a, e);
	*retries += a.retries;
	if (rc == -1 && a.status == 412)
		rc = imgp_store_s3_changed(p->key, e);
	else if (rc == 0 && (a.total != p->total || g.offset != g.end))
		rc = imgp_fail(e, IMGP_E_STORE_IO,
		    "%s: the server sent another range", p->key);
	imgp_s3_answer_release(&a);
	return rc;
}

/* The object is not the one that was asked for. */
static int
is_stale(const char *key, struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_SOURCE_STALE,
	    "%.256s: it was replaced since it was told of", key);
}

/* What the object says of itself. */
struct claims {
	char	sha256[IMGP_SHA256_HEX];	/* x-amz-meta-sha256, or "" */
	char	encoding[64];			/* Content-Encoding, or "" */
};

static void
take_claims(struct claims *c, const struct imgp_s3_answer *a)
{
	const char *encoding = imgp_s3_answer_meta(a, "Content-Encoding");

	memcpy(c->sha256, a->sha256, sizeof c->sha256);
	snprintf(c->encoding, sizeof c->encoding, "%s",
	    encoding == NULL ? "" : encoding);
}

/* The whole object, once: its first bytes, then the rest in parts. */
static int
download_once(struct imgp_store *st, const char *key, struct get *g,
    struct imgp_object *got, struct claims *claims, struct imgp_err *e)
{
	struct imgp_s3_answer a;
	struct imgp_parts p = { .s3 = st->s3, .key = key, .m = g->m,
	    .fd = g->fd };
	int rc = imgp_s3_do(st->s3, &g->r, &a, e);

	g->m->copied->retries += a.retries;
	take_claims(claims, &a);
	if (rc == -1 && a.status == 416 && g->offset == 0) {
		/* No range of an empty object is valid; HEAD shows its
		 * headers. */
		imgp_s3_answer_release(&a);
		if ((rc = imgp_store_s3_head(st->s3, key, &a, e)) == 0 &&
		    a.length != 0)
			rc = imgp_store_s3_changed(key, e);
		take_claims(claims, &a);
		snprintf(g->match, sizeof g->match, "%s", a.etag);
		memcpy(g->m->copied->source_etag, a.etag, sizeof a.etag);
		memcpy(g->m->copied->source_version, a.version,
		    sizeof a.version);
		g->total = g->end = 0;
	} else if (rc == -1 && a.status == 412)
		rc = g->total < 0 ? is_stale(key, e) :
		    imgp_store_s3_changed(key, e);
	else if (rc == 0 && g->offset != g->end)
		rc = imgp_fail(e, IMGP_E_STORE_IO, "%s: %lld bytes of %lld",
		    key, (long long)g->offset, (long long)g->end);
	imgp_s3_answer_release(&a);
	if (rc == 0 && g->m->expect != NULL &&
	    g->m->expect->version[0] != '\0' &&
	    strcmp(g->m->expect->version, g->m->copied->source_version) != 0)
		rc = is_stale(key, e);
	if (rc == 0 && g->offset < g->total) {
		p.start = g->offset;
		p.total = g->total;
		p.size = imgp_parts_size(g->total);
		p.match = g->match;
		p.one = imgp_parts_get;
		rc = imgp_parts_do(&p, sum_part, g->sum, e);
	}
	if (rc == 0) {
		got->bytes = g->total;
		imgp_sha256_end_hex(g->sum, got->sha256);
	}
	return rc;
}

/*
 * The SHA-256 of the bytes is not the one in the metadata.  Where the service's own
 * sum confirms the bytes, they were not damaged on the way: somebody stored the sum
 * of something else, and that is a warning.
 */
static int
judge_claim(struct imgp_store *st, const char *key, const struct get *g,
    const struct claims *claims, struct imgp_move *m, struct imgp_err *e)
{
	const struct imgp_object *got = &m->copied->object;
	char by[64];

	if (imgp_store_s3_bears_out(st->s3, key, g->match, g->fd, got->bytes,
	    by)) {
		imgp_store_warn(m->copied, "s3://%s/%.200s: x-amz-meta-sha256 "
		    "says %.12s..., the bytes have %.12s..., as %s bears out",
		    imgp_s3_bucket(st->s3), key, claims->sha256, got->sha256,
		    by);
		return 0;
	}
	return imgp_fail(e, IMGP_E_STORE_INTEGRITY, "s3://%s/%.200s: SHA-256 "
	    "%.12s..., its metadata x-amz-meta-sha256 says %.12s..., and no sum "
	    "of the service bears the bytes out", imgp_s3_bucket(st->s3), key,
	    got->sha256, claims->sha256);
}

/* Is what was downloaded what it should be? */
static int
judge_download(struct imgp_store *st, const char *key, const struct get *g,
    const struct claims *claims, struct imgp_move *m, struct imgp_err *e)
{
	const struct imgp_object *got = &m->copied->object;
	int promised = m->expect != NULL && m->expect->sha256[0] != '\0';

	if (imgp_store_expected(m, got, key, e) == -1)
		return -1;
	if (!promised && claims->sha256[0] != '\0' &&
	    strcmp(claims->sha256, got->sha256) != 0)
		return judge_claim(st, key, g, claims, m, e);
	return 0;
}

int
imgp_store_s3_download(struct imgp_store *st, const char *key,
    const struct imgp_download *d, struct imgp_move *m, struct imgp_err *e)
{
	struct imgp_object *got = &m->copied->object;
	struct imgp_err own = { NULL, "" };
	int64_t first = imgp_store_s3_setting("s3_part_bytes");
	struct claims claims;
	struct get g;
	int tries, rc = -1;

	if (e == NULL)
		e = &own;
	for (tries = 0; tries < TRIES_WHOLE; tries++) {
		get_init(&g, key, d->fd, 0, first < FIRST ? first : FIRST);
		g.d = d;
		g.m = m;
		g.sum = imgp_sha256_new();
		if (m->expect != NULL && m->expect->etag[0] != '\0') {
			snprintf(g.match, sizeof g.match, "%s",
			    m->expect->etag);
			get_again(&g);
		}
		rc = download_once(st, key, &g, got, &claims, e);
		imgp_sha256_free(g.sum);
		if (rc == 0)
			rc = judge_download(st, key, &g, &claims, m, e);
		m->copied->by_length = claims.sha256[0] == '\0' &&
		    (m->expect == NULL || m->expect->sha256[0] == '\0');
		if (rc == 0 || strcmp(e->code, IMGP_E_STORE_INTEGRITY) != 0)
			break;
		m->copied->retries++;
		if (ftruncate(d->fd, 0) == -1)
			return imgp_store_errno(e, key);
	}
	if (rc == 0 && claims.encoding[0] != '\0' &&
	    strcmp(claims.encoding, "identity") != 0)
		imgp_store_warn(m->copied, "s3://%s/%.256s: stored with "
		    "Content-Encoding: %s; its bytes are taken as they lie there",
		    imgp_s3_bucket(st->s3), key, claims.encoding);
	return rc;
}
