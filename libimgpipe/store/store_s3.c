#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/net/s3xml.h"
#include "libimgpipe/store/s3.h"
#include "libimgpipe/store/store_s3_precond_priv.h"
#include "libimgpipe/store/store_s3_priv.h"
#include "libimgpipe/store/store_priv.h"

#define ASK_FIRST	((int64_t)1 << 20)	/* bytes: sending more for
						 * nothing is worse than asking */
#define SENT_MIN	(5LL << 20)	/* S3's own: a part that is not the last, */
#define SENT_MAX	(5LL << 30)	/* and what goes in one request */
#define SMALL		((int64_t)256 << 10)	/* read once, and sent from memory */

static void	s3_close(struct imgp_store *);
static int	s3_head(struct imgp_store *, const char *, int,
		    struct imgp_object *, struct imgp_err *);
static int	s3_remove(struct imgp_store *, const char *, struct imgp_err *);
static int	s3_put(struct imgp_store *, const char *, const void *, size_t,
		    struct imgp_err *);
static int	s3_list(struct imgp_store *, const char *, imgp_store_found *,
		    void *, struct imgp_err *);
static int	s3_upload(struct imgp_store *, const char *, int,
		    struct imgp_move *, struct imgp_err *);
static int	s3_copy(struct imgp_store *, const char *, struct imgp_store *,
		    const char *, struct imgp_move *, struct imgp_err *);

const struct imgp_store_kind imgp_store_s3_kind = {
	s3_close, s3_head, s3_remove, s3_put, s3_list, s3_upload,
	imgp_store_s3_download, s3_copy
};

/* S3 takes no smaller part than the last, and nothing larger at once. */
static int
check_settings(struct imgp_err *e)
{
	static const char *const names[] = { "s3_part_bytes",
	    "s3_multipart_bytes", "s3_copy_bytes" };
	const char *s;
	long long n;
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		if ((s = imgp_conf(NULL, names[i])) != NULL &&
		    imgp_parse_int(s, SENT_MIN, SENT_MAX, &n) == -1)
			return imgp_fail(e, IMGP_E_CONFIG, "%s: not a number "
			    "of bytes from %lld to %lld", names[i],
			    SENT_MIN, SENT_MAX);
	return 0;
}

int
imgp_store_s3_open(struct imgp_store *st, struct imgp_err *e)
{
	if (check_settings(e) == -1)
		return -1;
	if ((st->s3 = imgp_s3_new(st->place.bucket, e)) == NULL)
		return -1;
	st->kind = &imgp_store_s3_kind;
	return 0;
}

static void
s3_close(struct imgp_store *st)
{
	imgp_precond_forget(st);
	imgp_s3_free(st->s3);
}

/* --- for all three rooms ---------------------------------------------------------- */

int64_t
imgp_store_s3_setting(const char *name)
{
	long long n = SENT_MIN;		/* check_settings() has seen it */

	(void)imgp_parse_int(imgp_conf(NULL, name), SENT_MIN, SENT_MAX, &n);
	return n;
}

/* A hexadecimal SHA-256 in base64, as x-amz-checksum-sha256 wants it. */
void
imgp_store_s3_base64(const char *hex, char out[48])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char raw[IMGP_SHA256_LEN];
	size_t i;

	for (i = 0; i < sizeof raw; i++)
		raw[i] = (unsigned char)(
		    (strchr(digits, hex[2 * i]) - digits) << 4 |
		    (strchr(digits, hex[2 * i + 1]) - digits));
	EVP_EncodeBlock((unsigned char *)out, raw, (int)sizeof raw);
}

/* The body of ${a}, which is to be of ${kind}; ${x} to be released. */
int
imgp_store_s3_xml(const struct imgp_s3_answer *a, enum imgp_s3xml_kind kind,
    const char *key, struct imgp_s3xml *x, struct imgp_err *e)
{
	struct imgp_err why = { NULL, "" };

	if (imgp_s3xml_parse(a->body.s, a->body.len, x, &why) == -1)
		return imgp_fail(e, why.code, "%.256s: %s", key, why.msg);
	if (x->kind == kind)
		return 0;
	imgp_s3xml_release(x);
	return imgp_fail(e, IMGP_E_STORE_IO,
	    "%.256s: an answer of another kind", key);
}

/* The object changed between two requests: start over (R32). */
int
imgp_store_s3_changed(const char *key, struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_STORE_INTEGRITY,
	    "%s: it changed while it was read", key);
}

int
imgp_store_s3_head(struct imgp_s3 *s3, const char *key,
    struct imgp_s3_answer *a, struct imgp_err *e)
{
	struct imgp_header first = { "Range", "bytes=0-0" };
	struct imgp_s3_request r = { .method = "HEAD", .key = key };
	struct imgp_s3_request get = { .method = "GET", .key = key,
	    .headers = &first, .nheaders = 1 };
	int64_t retries;
	int rc = imgp_s3_do(s3, &r, a, e);

	/* The answer to HEAD has no body that would say why: an expired token,
	 * another region, a clock that is off.  A GET is told, and mended. */
	if (rc == 0 || (a->status != 400 && a->status != 403))
		return rc;
	retries = a->retries + 1;
	imgp_s3_answer_release(a);
	rc = imgp_s3_do(s3, &get, a, e);
	retries += a->retries;
	if (rc == 0 || a->status == 416) {
		imgp_s3_answer_release(a);
		rc = imgp_s3_do(s3, &r, a, e);
		retries += a->retries;
	}
	a->retries = retries;
	return rc;
}

/* --- looking at an object --------------------------------------------------------- */

/* What a whole GET is summed up in. */
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

/* Go on where it broke off, of the same object (R21, R32). */
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

/* Read all of it and sum it. */
static int
sum_object(struct imgp_s3 *s3, const char *key, struct imgp_object *o,
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

static int
s3_head(struct imgp_store *st, const char *key, int sum,
    struct imgp_object *object, struct imgp_err *e)
{
	struct imgp_s3_answer a;
	int64_t retries = 0;
	int rc;

	if (sum)
		return sum_object(st->s3, key, object, &retries, e);
	if ((rc = imgp_store_s3_head(st->s3, key, &a, e)) == 0) {
		object->bytes = a.length;
		memcpy(object->sha256, a.sha256, sizeof object->sha256);
	}
	imgp_s3_answer_release(&a);
	return rc;
}

static int
s3_remove(struct imgp_store *st, const char *key, struct imgp_err *e)
{
	struct imgp_s3_request r = { .method = "DELETE", .key = key };
	struct imgp_s3_answer a;
	int rc;

	rc = imgp_s3_do(st->s3, &r, &a, e);
	if (rc == -1 && a.status == 404 && strcmp(a.code, "NoSuchBucket") != 0)
		rc = 0;
	imgp_s3_answer_release(&a);
	return rc;
}

/* --- create-only ------------------------------------------------------------------- */

/*
 * Does ${key} hold ${want} already (${etag}: of an object with these bytes, or
 * NULL)?  1: it does; 0: nothing lies there; -1: ${e}, IMGP-STORE-EXISTS where
 * other bytes do.  Where nobody knows its sum, it is what ${from} in ${src} has.
 */
static int
compare_existing(struct imgp_s3 *s3, const char *key,
    const struct imgp_object *want, const char *etag, struct imgp_store *src,
    const char *from, struct imgp_move *m, struct imgp_err *e)
{
	struct imgp_object there = IMGP_OBJECT_UNKNOWN, mine = *want;
	struct imgp_s3_answer a;
	int rc = imgp_store_s3_head(s3, key, &a, e), proven;

	m->copied->retries += a.retries;
	proven = rc == 0 && etag != NULL && imgp_s3xml_etag_same(a.etag, etag);
	there.bytes = a.length;
	imgp_s3_answer_release(&a);
	if (rc == -1)
		return a.status == 404 ? 0 : -1;
	if (there.bytes == mine.bytes && !proven) {
		/* Metadata can be copied along with anything: read it. */
		if (sum_object(s3, key, &there, &m->copied->retries, e) == -1 ||
		    (mine.sha256[0] == '\0' && sum_object(src->s3, from, &mine,
		    &m->copied->retries, e) == -1))
			return -1;
		proven = strcmp(there.sha256, mine.sha256) == 0;
	}
	if (!proven || there.bytes != mine.bytes)
		return imgp_fail(e, IMGP_E_STORE_EXISTS,
		    "s3://%s/%.256s: holds %lld other bytes",
		    imgp_s3_bucket(s3), key, (long long)there.bytes);
	m->copied->existed = 1;
	m->copied->object = mine;
	return 1;
}

/* What the server calls what was written. */
static void
name_object(struct imgp_object *o, const struct imgp_s3_answer *a)
{
	memcpy(o->etag, a->etag, sizeof o->etag);
	memcpy(o->version, a->version, sizeof o->version);
}

/* --- what is written must be there ---------------------------------------------------- */

/*
 * HEAD after a write that the server did not check by itself: size, our
 * metadata, and ${etag}, which proves the bytes where the object has it: its
 * source's, or what the write was answered with.  Else, or with
 * IMGP_COPY_READBACK, all of it is read; and so is the source (${src} and
 * ${from}), where nobody knows its sum.
 */
static int
verify(struct imgp_s3 *s3, const char *key, const struct imgp_object *want,
    struct imgp_store *src, const char *from, const char *etag,
    struct imgp_move *m, struct imgp_err *e)
{
	struct imgp_object got = IMGP_OBJECT_UNKNOWN, should = *want;
	int64_t *retries = &m->copied->retries;
	struct imgp_s3_answer a;
	int rc = imgp_store_s3_head(s3, key, &a, e), proven;

	*retries += a.retries;
	proven = etag != NULL && imgp_s3xml_etag_same(a.etag, etag);
	if (rc == 0 && want->sha256[0] != '\0' && a.sha256[0] != '\0' &&
	    strcmp(a.sha256, want->sha256) != 0)
		rc = imgp_fail(e, IMGP_E_STORE_EXISTS, "s3://%s/%.256s: "
		    "somebody else wrote there meanwhile",
		    imgp_s3_bucket(s3), key);
	else if (rc == 0 && (a.length != want->bytes || (want->sha256[0] != '\0' &&
	    strcmp(a.sha256, want->sha256) != 0)))
		rc = imgp_fail(e, IMGP_E_STORE_INTEGRITY, "s3://%s/%.256s: "
		    "%lld bytes are there, or other metadata; %lld were "
		    "written", imgp_s3_bucket(s3), key, (long long)a.length,
		    (long long)want->bytes);
	imgp_s3_answer_release(&a);
	if (rc == 0)
		name_object(&m->copied->object, &a);
	if (rc == -1 || (proven && !(m->flags & IMGP_COPY_READBACK)))
		return rc;
	if (sum_object(s3, key, &got, retries, e) == -1 ||
	    (should.sha256[0] == '\0' &&
	    sum_object(src->s3, from, &should, retries, e) == -1))
		return -1;
	if (got.bytes != should.bytes ||
	    strcmp(got.sha256, should.sha256) != 0)
		return imgp_fail(e, IMGP_E_STORE_INTEGRITY,
		    "s3://%s/%.256s: read back with SHA-256 %.12s..., "
		    "%.12s... was written", imgp_s3_bucket(s3), key,
		    got.sha256, should.sha256);
	m->copied->object = got;
	name_object(&m->copied->object, &a);
	return 0;
}

/*
 * What was just written and came out wrong must not be taken for an object: it
 * goes, unless it is not ours.  A server that ignores preconditions lets others
 * write over it meanwhile, and theirs may be right.
 */
static void
drop_if_wrong(struct imgp_s3 *s3, const char *key, const struct imgp_move *m,
    const struct imgp_err *e)
{
	struct imgp_s3_request r = { .method = "DELETE", .key = key };
	struct imgp_s3_answer a;
	int ours;

	if (m->copied->existed || strcmp(e->code, IMGP_E_STORE_INTEGRITY) != 0)
		return;
	/* Without a sum nothing tells whose it is: then it stays. */
	ours = imgp_store_s3_head(s3, key, &a, NULL) == 0 &&
	    a.sha256[0] != '\0' &&
	    strcmp(a.sha256, m->copied->object.sha256) == 0;
	imgp_s3_answer_release(&a);
	if (!ours)
		return;
	(void)imgp_s3_do(s3, &r, &a, NULL);
	imgp_s3_answer_release(&a);
}

/* --- parts, several at once -------------------------------------------------------------- */

static void
report_sent(void *arg, int64_t bytes)
{
	const struct imgp_move *m = arg;

	imgp_store_progress(m, bytes, m->copied->object.bytes);
}

/*
 * PUT an object whole.  The server checks the signed sum of its body: its 200
 * is proof.  ${create}: If-None-Match; a server that does not know it says 501
 * and is asked without.
 */
static int
put_whole(struct imgp_s3 *s3, const char *key, const char *data, int fd,
    const struct imgp_object *o, int create, struct imgp_move *m,
    struct imgp_s3_answer *a, struct imgp_err *e)
{
	char base64[48];
	struct imgp_header h[] = {
		{ "Content-Type", "application/octet-stream" },
		{ "x-amz-meta-sha256", o->sha256 },
		{ "x-amz-checksum-sha256", base64 },
		{ "If-None-Match", "*" },
	};
	struct imgp_s3_request r = { .method = "PUT", .key = key,
	    .headers = h, .nheaders = 3, .payload = o->sha256,
	    .data = data, .fd = fd, .len = o->bytes, .sent = report_sent,
	    .arg = m };
	int rc;

	if (create && !imgp_precond_refused(IMGP_PRECOND_CREATE_PUT))
		r.nheaders = 4;
	imgp_store_s3_base64(o->sha256, base64);
	rc = imgp_s3_do(s3, &r, a, e);
	m->copied->retries += a->retries;
	if (rc == -1 && r.nheaders == 4 && a->status == 501) {
		imgp_precond_refuse(IMGP_PRECOND_CREATE_PUT);
		r.nheaders = 3;
		imgp_s3_answer_release(a);
		rc = imgp_s3_do(s3, &r, a, e);
		m->copied->retries += a->retries;
	}
	return rc;
}

static int
s3_put(struct imgp_store *st, const char *key, const void *data, size_t len,
    struct imgp_err *e)
{
	struct imgp_copied copied = { .existed = 0 };
	struct imgp_move m = { 0, NULL, NULL, &copied };
	struct imgp_s3_answer a;
	int rc;

	copied.object.bytes = (int64_t)len;
	imgp_sha256_hex(data, len, copied.object.sha256);
	rc = put_whole(st->s3, key, len == 0 ? "" : data, -1, &copied.object,
	    0, &m, &a, e);
	imgp_s3_answer_release(&a);
	return rc;
}

/*
 * An upload was gone on with that some other file, with the same bytes where
 * they were compared, had begun: its metadata is the other's.  What is ours by
 * ${etag} is sent anew over it; taken away it is not, as somebody may have found
 * it there meanwhile.
 */
static int
is_mislabelled(struct imgp_s3 *s3, const char *key, const struct imgp_object *o,
    const char *etag)
{
	struct imgp_s3_answer a;
	int is;

	is = imgp_store_s3_head(s3, key, &a, NULL) == 0 &&
	    a.length == o->bytes && imgp_s3xml_etag_same(a.etag, etag) &&
	    strcmp(a.sha256, o->sha256) != 0;
	imgp_s3_answer_release(&a);
	return is;
}

static int
upload_in_parts(struct imgp_store *st, const char *key, int fd,
    const struct stat *before, struct imgp_move *m, struct imgp_err *e)
{
	struct imgp_object *o = &m->copied->object;
	struct imgp_header h[] = {
		{ "Content-Type", "application/octet-stream" },
		{ "x-amz-meta-sha256", o->sha256 },
	};
	struct imgp_parts p = { .s3 = st->s3, .key = key, .m = m, .fd = fd,
	    .total = o->bytes, .one = imgp_parts_put };
	char etag[128];
	int rc;

	do {
		rc = imgp_parts_send(&p, h, 2, o, before, etag, e);
		/* Somebody made it meanwhile; perhaps of the same bytes. */
		if (rc == -1 && p.status == 412 &&
		    (m->flags & IMGP_COPY_CREATE) && (rc = compare_existing(
		    st->s3, key, o, etag, NULL, NULL, m, e)) >= 0)
			return rc == 1 ? 0 : -1;
		if (rc == -1)
			return -1;
		/* Each part's signed sum was checked; what is left is the
		 * whole. */
		rc = verify(st->s3, key, o, NULL, NULL, etag, m, e);
		p.anew = 1;
		p.replace = rc == -1 && p.resumed &&
		    is_mislabelled(st->s3, key, o, etag);
	} while (p.replace);
	if (rc == -1)
		drop_if_wrong(st->s3, key, m, e);
	return rc;
}

/* The ${len} bytes of a small file, summed; the caller's.  NULL and errno, 0
 * where it has others. */
static char *
read_small(int fd, int64_t len, struct imgp_sha256 *sum)
{
	char *data = malloc((size_t)len + 1);
	ssize_t n;

	if (data == NULL)
		imgp_oom();
	do
		n = pread(fd, data, (size_t)len + 1, 0);
	while (n == -1 && errno == EINTR);
	if (n != len) {
		if (n >= 0)
			errno = 0;
		free(data);
		return NULL;
	}
	imgp_sha256_add(sum, data, (size_t)len);
	return data;
}

static int
s3_upload(struct imgp_store *st, const char *key, int fd,
    struct imgp_move *m, struct imgp_err *e)
{
	struct imgp_object *o = &m->copied->object;
	char *data = NULL;
	struct imgp_sha256 *sum = imgp_sha256_new();
	int create = (m->flags & IMGP_COPY_CREATE) != 0, in_parts, obeyed;
	int rc = -1;
	struct imgp_s3_answer a = { .status = 0 };
	struct stat sb;

	if (fstat(fd, &sb) == -1 || (sb.st_size <= SMALL ?
	    (data = read_small(fd, sb.st_size, sum)) == NULL :
	    imgp_parts_sum(fd, 0, sb.st_size, sum) == -1)) {
		imgp_parts_unreadable(key, e);
		goto out;
	}
	o->bytes = sb.st_size;
	imgp_sha256_end_hex(sum, o->sha256);
	if (imgp_store_expected(m, o, key, e) == -1)
		goto out;
	in_parts = o->bytes > imgp_store_s3_setting("s3_multipart_bytes");
	obeyed = create && !in_parts && imgp_precond_obeyed(IMGP_PRECOND_CREATE_PUT);
	if (create && (!obeyed || o->bytes > ASK_FIRST) &&
	    (rc = compare_existing(st->s3, key, o, NULL, NULL, NULL, m,
	    e)) != 0) {
		rc = rc == 1 ? 0 : -1;
		goto out;
	}
	if (in_parts) {
		rc = upload_in_parts(st, key, fd, &sb, m, e);
		goto out;
	}
	rc = put_whole(st->s3, key, data, fd, o, create, m, &a, e);
	if (rc == 0)
		name_object(o, &a);
	else if (data == NULL && !imgp_parts_unchanged(fd, &sb)) {
		errno = 0;
		imgp_parts_unreadable(key, e);
	}
	if (rc == -1 && a.status == 412 &&
	    (rc = compare_existing(st->s3, key, o, NULL, NULL, NULL, m,
	    e)) >= 0)
		rc = rc == 1 ? 0 : -1;
	else if (rc == 0 && ((m->flags & IMGP_COPY_READBACK) ||
	    (create && !obeyed)) &&
	    (rc = verify(st->s3, key, o, NULL, NULL, a.etag, m, e)) == -1)
		drop_if_wrong(st->s3, key, m, e);
	imgp_s3_answer_release(&a);
out:
	free(data);
	imgp_sha256_free(sum);
	return rc;
}

/* --- copy -------------------------------------------------------------------------------------- */
/* "/bucket/key?versionId=…", as x-amz-copy-source has it. */
static char *
copy_source(struct imgp_s3 *s3, const char *key, const char *version)
{
	struct imgp_buf b = IMGP_BUF_INIT;

	imgp_buf_printf(&b, "/%s/", imgp_s3_bucket(s3));
	imgp_sigv4_encode(&b, key, 1);
	if (version[0] != '\0' && strcmp(version, "null") != 0) {
		imgp_buf_puts(&b, "?versionId=");
		imgp_sigv4_encode(&b, version, 0);
	}
	return imgp_buf_steal(&b);
}

/* One CopyObject; the answer's status in ${p->status}. */
static int
copy_whole(struct imgp_parts *p, const struct imgp_object *o,
    struct imgp_err *e)
{
	struct imgp_header h[8 + IMGP_S3_META_MAX];
	struct imgp_s3_request r = { .method = "PUT", .key = p->key,
	    .headers = h, .flags = IMGP_S3_MAY_BE_ERROR };
	struct imgp_s3_answer a;
	size_t n = 0;
	int create, rc;

	h[n++] = (struct imgp_header){ "x-amz-copy-source", p->source };
	if (p->match != NULL)
		h[n++] = (struct imgp_header){ imgp_precond_copy_source_name(),
		    p->match };
	if (o->sha256[0] != '\0') {
		h[n++] = (struct imgp_header){ "x-amz-metadata-directive",
		    "REPLACE" };
		memcpy(h + n, p->meta, p->nmeta * sizeof *h);
		n += p->nmeta;
	}
	if (p->owner != NULL)
		h[n++] = (struct imgp_header){
		    "x-amz-source-expected-bucket-owner", p->owner };
	create = (p->m->flags & IMGP_COPY_CREATE) &&
	    !imgp_precond_refused(IMGP_PRECOND_CREATE_COPY);
	if (create)
		h[n++] = (struct imgp_header){ "If-None-Match", "*" };
	r.nheaders = n;
	rc = imgp_s3_do(p->s3, &r, &a, e);
	p->m->copied->retries += a.retries;
	if (rc == -1 && a.status == 501 && create) {
		imgp_precond_refuse(IMGP_PRECOND_CREATE_COPY);
		r.nheaders = n - 1;
		imgp_s3_answer_release(&a);
		rc = imgp_s3_do(p->s3, &r, &a, e);
		p->m->copied->retries += a.retries;
	}
	p->status = a.status;
	imgp_s3_answer_release(&a);
	return rc;
}

/* Objects of more bytes are copied in parts. */
static int64_t
whole(void)
{
	return imgp_store_s3_setting("s3_copy_bytes");
}

static int
copy_once(struct imgp_parts *p, struct imgp_object *o, struct imgp_err *e)
{
	char etag[128];

	p->status = 0;
	p->failed = p->next = 0;
	p->bytes = 0;
	if (o->bytes <= whole())
		return copy_whole(p, o, e);
	return imgp_parts_send(p, p->meta, p->nmeta, o, NULL, etag, e);
}

/*
 * The headers that a copy of ${o} has to have, by those of its source ${a},
 * whichever way it is copied (R33): their number in ${*n}.
 */
static int
collect_meta(const struct imgp_s3_answer *a, const struct imgp_object *o,
    const char *from, struct imgp_header *h, size_t *n, struct imgp_err *e)
{
	const char *name = a->meta.s, *value;
	size_t i;

	*n = 0;
	h[(*n)++] = (struct imgp_header){ "Content-Type", a->type[0] == '\0' ?
	    "application/octet-stream" : a->type };
	if (o->sha256[0] != '\0')
		h[(*n)++] = (struct imgp_header){ "x-amz-meta-sha256",
		    o->sha256 };
	for (i = 0; i < a->nmeta; i++) {
		value = name + strlen(name) + 1;
		if (o->sha256[0] == '\0' ||
		    strcasecmp(name, "x-amz-meta-sha256") != 0) {
			if (*n == IMGP_S3_META_MAX)
				return imgp_fail(e, IMGP_E_STORE_INTEGRITY,
				    "%s: more than %d headers of metadata",
				    from, IMGP_S3_META_MAX);
			h[(*n)++] = (struct imgp_header){ name, value };
		}
		name = value + strlen(value) + 1;
	}
	return 0;
}

/*
 * The source as it is: ${o} its size and sum (of its metadata, or promised),
 * ${a} the rest, to be released.  Who promises its ETag wrote it: then it is
 * not asked for, and what the target turns out to be tells.
 */
static int
look_at_source(struct imgp_store *src, const char *from, struct imgp_move *m,
    struct imgp_object *o, struct imgp_s3_answer *a, struct imgp_err *e)
{
	const struct imgp_object *want = m->expect;
	int rc;

	/* The copy itself will be of that one or none. */
	if (want != NULL && want->etag[0] != '\0' && want->bytes >= 0 &&
	    want->sha256[0] != '\0' && (want->version[0] != '\0' ||
	    imgp_precond_obeyed(IMGP_PRECOND_COPY_SOURCE))) {
		memset(a, 0, sizeof *a);
		memcpy(a->etag, want->etag, sizeof a->etag);
		memcpy(a->version, want->version, sizeof a->version);
		*o = *want;
		return 0;
	}
	rc = imgp_store_s3_head(src->s3, from, a, e);
	m->copied->retries += a->retries;
	if (rc == -1)
		return -1;
	o->bytes = a->length;
	memcpy(o->sha256, a->sha256, sizeof o->sha256);
	if (o->sha256[0] == '\0' && m->expect != NULL)
		memcpy(o->sha256, m->expect->sha256, sizeof o->sha256);
	if (a->etag[0] == '\0')
		return imgp_fail(e, IMGP_E_STORE_IO,
		    "%s: the server gives it no ETag", from);
	return imgp_store_expected(m, o, from, e);
}

/*
 * A 412: somebody made the target meanwhile, the source is another now, or the
 * server compares with an ETag that it shows to nobody (Swift does, for what
 * came in parts).  1: it is there; 0: ask again without the precondition.
 */
static int
judge_412(struct imgp_store *src, const char *from, struct imgp_parts *p,
    const struct imgp_object *o, struct imgp_err *e)
{
	struct imgp_s3_answer a;
	int rc = 0, same;

	if ((p->m->flags & IMGP_COPY_CREATE) &&
	    (rc = compare_existing(p->s3, p->key, o, p->match, src, from, p->m,
	    e)) != 0)
		return rc;
	rc = imgp_store_s3_head(src->s3, from, &a, e);
	same = rc == 0 && p->match != NULL &&
	    imgp_s3xml_etag_same(a.etag, p->match);
	imgp_s3_answer_release(&a);
	return rc == -1 ? -1 : same ? 0 : imgp_store_s3_changed(from, e);
}

static int
s3_copy(struct imgp_store *src, const char *from, struct imgp_store *dst,
    const char *to, struct imgp_move *m, struct imgp_err *e)
{
	struct imgp_object *o = &m->copied->object;
	struct imgp_parts p = { .s3 = dst->s3, .key = to, .m = m, .fd = -1,
	    .one = imgp_parts_copy, .owner = imgp_s3_owner(src->s3) };
	struct imgp_header meta[IMGP_S3_META_MAX];
	struct imgp_s3_answer a;
	char *source = NULL;
	int rc = -1;

	if (look_at_source(src, from, m, o, &a, e) == -1 ||
	    collect_meta(&a, o, from, meta, &p.nmeta, e) == -1)
		goto out;
	p.meta = meta;
	if ((m->flags & IMGP_COPY_CREATE) && !(o->bytes <= whole() &&
	    imgp_precond_obeyed(IMGP_PRECOND_CREATE_COPY)) && (rc = compare_existing(
	    dst->s3, to, o, a.etag, src, from, m, e)) != 0) {
		rc = rc == 1 ? 0 : -1;
		goto out;
	}
	p.source = source = copy_source(src->s3, from, a.version);
	p.match = a.etag;
	p.total = o->bytes;
	rc = copy_once(&p, o, e);
	if (rc == -1 && p.status == 412) {
		if ((rc = judge_412(src, from, &p, o, e)) != 0) {
			rc = rc == 1 ? 0 : -1;
			goto out;
		}
		p.match = NULL;
		rc = copy_once(&p, o, e);
	}
	/* Servers exist that ignore the precondition: an ETag equal to the
	 * source's proves the bytes, nothing else that HEAD shows does. */
	if (rc == 0 && (rc = verify(dst->s3, to, o, src, from, a.etag, m,
	    e)) == -1)
		drop_if_wrong(dst->s3, to, m, e);
out:
	imgp_s3_answer_release(&a);
	free(source);
	return rc;
}

/* --- listing ------------------------------------------------------------------------------------ */

/* The entries of one page, all below ${prefix}.  1: enough; -1: ${e}. */
static int
tell(const struct imgp_s3xml *x, const char *bucket, const char *prefix,
    imgp_store_found *fn, void *arg, struct imgp_err *e)
{
	struct imgp_object object = IMGP_OBJECT_UNKNOWN;
	size_t i, len = strlen(prefix);
	char *url;
	int enough = 0;

	for (i = 0; i < x->nitems && !enough; i++) {
		if (strncmp(x->items[i].key, prefix, len) != 0)
			return imgp_fail(e, IMGP_E_STORE_IO, "s3://%s/%.200s: "
			    "the server lists %.200s", bucket, prefix,
			    x->items[i].key);
		object.bytes = x->items[i].size;
		url = imgp_asprintf("s3://%s/%s", bucket, x->items[i].key);
		enough = fn(arg, url, &object) != 0;
		free(url);
	}
	return enough;
}

static int
s3_list(struct imgp_store *st, const char *prefix, imgp_store_found *fn,
    void *arg, struct imgp_err *e)
{
	const char *bucket = imgp_s3_bucket(st->s3);
	struct imgp_s3_request r = { .method = "GET",
	    .flags = IMGP_S3_MAY_BE_ERROR };
	struct imgp_buf query = IMGP_BUF_INIT;
	size_t len = strlen(prefix);
	char *below = imgp_asprintf("%s%s", prefix,
	    len > 0 && prefix[len - 1] != '/' ? "/" : "");
	struct imgp_s3_answer a;
	struct imgp_s3xml x;
	char *next = NULL;
	int rc;

	do {
		imgp_buf_clear(&query);
		if (next != NULL) {
			imgp_buf_puts(&query, "continuation-token=");
			imgp_sigv4_encode(&query, next, 0);
			imgp_buf_puts(&query, "&");
		}
		/* 250 of the longest keys, encoded, fit in a body. */
		imgp_buf_puts(&query, "encoding-type=url&list-type=2&"
		    "max-keys=250&prefix=");
		imgp_sigv4_encode(&query, below, 0);
		r.query = query.s;
		free(next);
		next = NULL;
		rc = imgp_s3_do(st->s3, &r, &a, e);
		if (rc == 0 && (rc = imgp_store_s3_xml(&a, IMGP_S3XML_LIST,
		    prefix, &x, e)) == 0) {
			if ((rc = tell(&x, bucket, below, fn, arg, e)) == 0 &&
			    x.truncated)
				next = imgp_strdup(x.next);
			imgp_s3xml_release(&x);
		}
		imgp_s3_answer_release(&a);
	} while (next != NULL);
	imgp_buf_release(&query);
	free(below);
	return rc == -1 ? -1 : 0;
}
