#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/store/store_s3_precond_priv.h"
#include "libimgpipe/store/store_s3_priv.h"

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

/* --- what is known of the source ------------------------------------------------ */

/* The job line says all that HEAD would, and the copy can be held to it. */
static int
is_promised(const struct imgp_object *want)
{
	return want != NULL && want->etag[0] != '\0' && want->bytes >= 0 &&
	    want->sha256[0] != '\0' && (want->version[0] != '\0' ||
	    imgp_precond_obeyed(IMGP_PRECOND_COPY_SOURCE));
}

/*
 * Note size and sum of the source in ${o}, and the rest in ${a}, to be released.
 * The source is asked unless the caller promised its ETag: then the copy is of
 * that very object, or none.
 */
static int
look_at_source(struct imgp_store *src, const char *from, struct imgp_move *m,
    struct imgp_object *o, struct imgp_s3_answer *a, struct imgp_err *e)
{
	const struct imgp_object *want = m->expect;
	int rc;

	if (is_promised(want)) {
		imgp_s3_answer_init(a);
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
	if (o->sha256[0] == '\0' && want != NULL)
		memcpy(o->sha256, want->sha256, sizeof o->sha256);
	if (a->etag[0] == '\0')
		return imgp_fail(e, IMGP_E_STORE_IO,
		    "%s: the server gives it no ETag", from);
	return imgp_store_expected(m, o, from, e);
}

/* --- the copy -------------------------------------------------------------------- */

/* CopyObject, create-only where ${create}.  Sets ${p->lacks} where the service does
 * not have it. */
static int
copy_object(struct imgp_parts *p, const struct imgp_object *o, int create,
    struct imgp_err *e)
{
	struct imgp_header h[12 + IMGP_S3_META_MAX];
	struct imgp_s3_request r = { .method = "PUT", .key = p->key,
	    .headers = h, .flags = IMGP_S3_MAY_BE_ERROR, .source = p->url };
	struct imgp_s3_answer a;
	size_t n = 0;
	int rc;

	h[n++] = (struct imgp_header){ "x-amz-copy-source", p->source };
	if (p->match != NULL)
		h[n++] = (struct imgp_header){ imgp_precond_copy_source_name(),
		    p->match };
	if (o->sha256[0] != '\0') {
		h[n++] = (struct imgp_header){ "x-amz-metadata-directive",
		    "REPLACE" };
		if (p->meta->tags.len > 0)
			h[n++] = (struct imgp_header){
			    "x-amz-tagging-directive", "REPLACE" };
		memcpy(h + n, p->meta->h, p->meta->n * sizeof *h);
		n += p->meta->n;
	}
	n += imgp_store_s3_kept(p->meta, p->encrypt, h + n);
	if (p->owner != NULL)
		h[n++] = (struct imgp_header){
		    "x-amz-source-expected-bucket-owner", p->owner };
	if (create)
		h[n++] = (struct imgp_header){ "If-None-Match", "*" };
	r.nheaders = n;
	rc = imgp_s3_do(p->s3, &r, &a, e);
	p->m->copied->retries += a.retries;
	p->status = a.status;
	p->encrypted = imgp_s3_answer_meta(&a, IMGP_S3_ENCRYPTION) != NULL;
	p->lacks = rc == -1 && !create && imgp_relay_is_for(&a, 1);
	imgp_s3_answer_release(&a);
	return rc;
}

/* The same, at a service that may not know create-only copies, or none. */
static int
copy_whole(struct imgp_parts *p, const struct imgp_object *o,
    struct imgp_err *e)
{
	int only = (p->m->flags & IMGP_COPY_CREATE) != 0;
	int create = only && !imgp_precond_refused(IMGP_PRECOND_CREATE_COPY);
	int rc;

	if (imgp_relay_wanted(1))
		return imgp_relay_whole(p, o, only, e);
	rc = copy_object(p, o, create, e);
	if (rc == -1 && (p->status == 501 || p->status == 405) && create) {
		imgp_precond_refuse(IMGP_PRECOND_CREATE_COPY);
		rc = copy_object(p, o, 0, e);
	}
	return rc == -1 && p->lacks ? imgp_relay_whole(p, o, only, e) : rc;
}

/* Nonzero when the copy is encrypted, as an answer says or HEAD. */
static int
is_encrypted(const struct imgp_parts *p)
{
	struct imgp_s3_answer a;
	int is = p->encrypted;

	if (is)
		return 1;
	is = imgp_store_s3_head(p->s3, p->key, &a, NULL) == 0 &&
	    imgp_s3_answer_meta(&a, IMGP_S3_ENCRYPTION) != NULL;
	imgp_s3_answer_release(&a);
	return is;
}

/* The bucket's default encrypts a copy.  Where it has none and the source is
 * encrypted, copy again over our own copy, and ask for encryption. */
static int
encrypt(struct imgp_parts *p, const struct imgp_s3_target *t,
    struct imgp_err *e)
{
	int rc;

	if (p->meta->nsse == 0 || is_encrypted(p))
		return 0;
	p->encrypt = 1;
	rc = copy_object(p, t->want, 0, e);
	if (rc == 0 && !is_encrypted(p))
		rc = imgp_store_s3_unencrypted(p->s3, p->key, p->meta, e);
	if (rc == -1)
		imgp_store_s3_drop(t);
	return rc;
}

/* One CopyObject copies no more bytes than are set. */
static int
goes_whole(const struct imgp_object *o)
{
	return o->bytes <= imgp_store_s3_setting("s3_copy_bytes");
}

static int
copy_once(struct imgp_parts *p, const struct imgp_object *o,
    struct imgp_err *e)
{
	char etag[128];

	p->status = 0;
	p->failed = p->next = 0;
	p->bytes = 0;
	return goes_whole(o) ? copy_whole(p, o, e) :
	    imgp_parts_send(p, o, NULL, etag, e);
}

/*
 * Why 412: somebody made the target meanwhile, the source changed, or the server
 * compares with an ETag that it shows to nobody (Swift does, for objects that
 * came in parts).  1: the target is there and right; 0: copy again without the
 * precondition; -1.
 */
static int
judge_412(const struct imgp_s3_target *t, struct imgp_err *e)
{
	struct imgp_s3_answer a;
	int rc = 0, same;

	if ((t->m->flags & IMGP_COPY_CREATE) &&
	    (rc = imgp_store_s3_compare(t, e)) != 0)
		return rc;
	rc = imgp_store_s3_head(t->src->s3, t->from, &a, e);
	same = rc == 0 && t->etag != NULL &&
	    imgp_s3xml_etag_same(a.etag, t->etag);
	imgp_s3_answer_release(&a);
	return rc == -1 ? -1 : same ? 0 : imgp_store_s3_changed(t->from, e);
}

/* Copy, then check the result. */
static int
copy_and_verify(struct imgp_parts *p, const struct imgp_s3_target *t,
    struct imgp_err *e)
{
	int rc = copy_once(p, t->want, e);

	if (rc == -1 && p->status == 412) {
		if ((rc = judge_412(t, e)) != 0)
			return rc == 1 ? 0 : -1;
		p->match = NULL;
		rc = copy_once(p, t->want, e);
	}
	if (rc == 0 && goes_whole(t->want))
		rc = encrypt(p, t, e);
	/* Some servers ignore the precondition.  An ETag equal to the source's
	 * proves the bytes; nothing else that HEAD shows does. */
	if (rc == 0 && (rc = imgp_store_s3_verify(t, e)) == -1)
		imgp_store_s3_drop_if_wrong(t, e);
	return rc;
}

int
imgp_store_s3_copy(struct imgp_store *src, const char *from,
    struct imgp_store *dst, const char *to, struct imgp_move *m,
    struct imgp_err *e)
{
	struct imgp_object *o = &m->copied->object;
	struct imgp_s3_answer a;
	struct imgp_s3_meta meta = IMGP_S3_META_INIT;
	struct imgp_s3_target t = { .s3 = dst->s3, .key = to, .want = o,
	    .etag = a.etag, .src = src, .from = from, .m = m };
	struct imgp_s3_source its = { .s3 = src->s3, .key = from, .a = &a,
	    .staged = m->expect != NULL, .copied = m->copied };
	struct imgp_parts p = { .s3 = dst->s3, .key = to, .m = m, .fd = -1,
	    .one = imgp_parts_copy, .owner = imgp_s3_owner(src->s3),
	    .match = a.etag, .meta = &meta, .from_s3 = src->s3, .from = from };
	int64_t looked;
	char *source = NULL, *url = imgp_asprintf("s3://%s/%s",
	    imgp_s3_bucket(src->s3), from);
	int rc = -1, obeyed;

	if (look_at_source(src, from, m, o, &a, e) == -1 ||
	    imgp_store_s3_meta(&its, o->sha256, !goes_whole(o), &meta,
	    e) == -1)
		goto out;
	looked = imgp_clock_ms();
	obeyed = (m->flags & IMGP_COPY_CREATE) && goes_whole(o) &&
	    imgp_precond_obeyed(IMGP_PRECOND_CREATE_COPY);
	if ((m->flags & IMGP_COPY_CREATE) && !obeyed &&
	    (rc = imgp_store_s3_compare(&t, e)) != 0) {
		rc = rc == 1 ? 0 : -1;
		goto out;
	}
	p.source = source = copy_source(src->s3, from, a.version);
	p.looked = looked;
	p.url = url;
	p.total = o->bytes;
	if ((rc = copy_and_verify(&p, &t, e)) == 0 && !obeyed)
		rc = imgp_store_s3_look_again(&t, p.looked, e);
	if (rc == 0 && !m->copied->existed)
		imgp_store_s3_tag(dst->s3, to, &meta, m->copied);
out:
	imgp_s3_answer_release(&a);
	imgp_store_s3_meta_release(&meta);
	free(source);
	free(url);
	return rc;
}
