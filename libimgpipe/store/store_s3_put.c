#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/store/store_s3_precond_priv.h"
#include "libimgpipe/store/store_s3_priv.h"

#define ASK_FIRST	((int64_t)1 << 20)	/* bytes: a request that asks
						 * costs less than sending more
						 * than these for nothing */
#define SMALL		((int64_t)256 << 10)	/* read once, sent from memory */

/* One PutObject. */
struct put {
	struct imgp_s3	*s3;
	const char	*key;
	const char	*data;		/* its bytes; NULL: they are in ${fd} */
	int		 fd;
	const struct imgp_object *o;	/* size and sum */
	int		 create;	/* If-None-Match: * */
	unsigned int	 flags;		/* IMGP_S3_WRONG_SUM */
	int64_t		 looked;	/* when we looked what lies there, or began */
	struct imgp_move *m;
};

static void
report_sent(void *arg, int64_t bytes)
{
	const struct imgp_move *m = arg;

	imgp_store_progress(m, bytes, m->copied->object.bytes);
}

/*
 * The server checks the signed sum of the body: its 200 is proof.  One that
 * does not know If-None-Match says 501 and is asked without it.
 */
static int
put_whole(const struct put *p, struct imgp_s3_answer *a, struct imgp_err *e)
{
	char base64[48];
	struct imgp_header h[] = {
		{ "Content-Type", "application/octet-stream" },
		{ "x-amz-meta-sha256", p->o->sha256 },
		{ "x-amz-checksum-sha256", base64 },
		{ "If-None-Match", "*" },
	};
	struct imgp_s3_request r = { .method = "PUT", .key = p->key,
	    .headers = h, .nheaders = 3, .flags = p->flags,
	    .payload = p->o->sha256,
	    .data = p->data, .fd = p->fd, .len = p->o->bytes,
	    .sent = report_sent, .arg = p->m };
	int rc;

	if (p->create && !imgp_precond_refused(IMGP_PRECOND_CREATE_PUT))
		r.nheaders = 4;
	imgp_store_s3_base64(p->o->sha256, base64);
	rc = imgp_s3_do(p->s3, &r, a, e);
	p->m->copied->retries += a->retries;
	if (rc == -1 && r.nheaders == 4 && a->status == 501) {
		imgp_precond_refuse(IMGP_PRECOND_CREATE_PUT);
		r.nheaders = 3;
		imgp_s3_answer_release(a);
		rc = imgp_s3_do(p->s3, &r, a, e);
		p->m->copied->retries += a->retries;
	}
	return rc;
}

int
imgp_store_s3_put(struct imgp_store *st, const char *key, const void *data,
    size_t len, struct imgp_err *e)
{
	struct imgp_copied copied = { .existed = 0 };
	struct imgp_move m = { .copied = &copied };
	struct put p = { .s3 = st->s3, .key = key, .fd = -1,
	    .data = len == 0 ? "" : data, .o = &copied.object, .m = &m };
	struct imgp_s3_answer a;
	int rc;

	copied.object.bytes = (int64_t)len;
	imgp_sha256_hex(data, len, copied.object.sha256);
	rc = put_whole(&p, &a, e);
	imgp_s3_answer_release(&a);
	return rc;
}

/*
 * Send one byte with the SHA-256 of nothing.  The server answers that the sum is
 * wrong to whoever may write, and AccessDenied to others.  Only a server that checks
 * no sums stores the byte.
 */
int
imgp_store_s3_ask(struct imgp_store *st, const char *key, struct imgp_err *e)
{
	struct imgp_copied copied = { .object = { .bytes = 1,
	    .sha256 = IMGP_SHA256_EMPTY } };
	struct imgp_move m = { .copied = &copied };
	struct put p = { .s3 = st->s3, .key = key, .fd = -1, .data = "?",
	    .o = &copied.object, .flags = IMGP_S3_WRONG_SUM, .m = &m };
	struct imgp_s3_answer a;
	int rc = put_whole(&p, &a, e);

	imgp_s3_answer_release(&a);
	if (rc == 0)
		return st->kind->remove(st, key, e);
	return strcmp(e->code, IMGP_E_STORE_INTEGRITY) == 0 ? 0 : -1;
}

/* --- a file in parts --------------------------------------------------------- */

/* The object is ours, by its ETag, but has the metadata of another file whose
 * upload we resumed. */
static int
is_mislabelled(const struct imgp_s3_target *t)
{
	struct imgp_s3_answer a;
	int is;

	is = imgp_store_s3_head(t->s3, t->key, &a, NULL) == 0 &&
	    a.length == t->want->bytes &&
	    imgp_s3xml_etag_same(a.etag, t->etag) &&
	    strcmp(a.sha256, t->want->sha256) != 0;
	imgp_s3_answer_release(&a);
	return is;
}

static int
upload_in_parts(const struct imgp_s3_target *target, int fd,
    const struct stat *before, struct imgp_err *e)
{
	struct imgp_s3_target t = *target;
	const struct imgp_s3_meta meta = { .h = {
		{ "Content-Type", "application/octet-stream" },
		{ "x-amz-meta-sha256", t.want->sha256 },
	    }, .n = 2, .tags = IMGP_BUF_INIT, .tag_set = IMGP_BUF_INIT };
	struct imgp_parts p = { .s3 = t.s3, .key = t.key, .m = t.m, .fd = fd,
	    .total = t.want->bytes, .one = imgp_parts_put, .meta = &meta };
	char etag[128];
	int rc;

	t.etag = etag;
	do {
		rc = imgp_parts_send(&p, t.want, before, etag, e);
		/* Somebody made it meanwhile; perhaps of the same bytes. */
		if (rc == -1 && p.status == 412 &&
		    (t.m->flags & IMGP_COPY_CREATE) &&
		    (rc = imgp_store_s3_compare(&t, e)) >= 0)
			return rc == 1 ? 0 : -1;
		if (rc == -1)
			return -1;
		/* Each part's signed sum was checked; the whole was not. */
		rc = imgp_store_s3_verify(&t, e);
		/* We resumed another file's upload, so its metadata is wrong.
		 * Overwrite it; do not delete: somebody may have found it. */
		p.anew = 1;
		p.replace = rc == -1 && p.resumed && is_mislabelled(&t);
	} while (p.replace);
	if (rc == -1)
		imgp_store_s3_drop_if_wrong(&t, e);
	return rc == -1 ? -1 : imgp_store_s3_look_again(&t, p.looked, e);
}

/* --- a file whole, or whichever way -------------------------------------------- */

static int
upload_whole(const struct imgp_s3_target *t, const struct put *p, int obeyed,
    const struct stat *before, struct imgp_err *e)
{
	struct imgp_s3_target written = *t;
	struct imgp_s3_answer a;
	int rc = put_whole(p, &a, e);

	if (rc == 0)
		imgp_store_s3_name(&t->m->copied->object, &a);
	else if (p->data == NULL && !imgp_parts_unchanged(p->fd, before)) {
		errno = 0;
		imgp_parts_unreadable(t->key, e);
	}
	if (rc == -1 && a.status == 412 &&
	    (rc = imgp_store_s3_compare(t, e)) >= 0)
		rc = rc == 1 ? 0 : -1;
	else if (rc == 0 && ((t->m->flags & IMGP_COPY_READBACK) ||
	    (p->create && !obeyed))) {
		written.etag = a.etag;
		if ((rc = imgp_store_s3_verify(&written, e)) == -1)
			imgp_store_s3_drop_if_wrong(&written, e);
	}
	imgp_s3_answer_release(&a);
	if (rc == 0 && !obeyed)
		rc = imgp_store_s3_look_again(t, p->looked, e);
	return rc;
}

/* The ${len} bytes of a small file, added to ${sum}, the caller's to free.  NULL
 * and errno, which is 0 where the file has more or fewer. */
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

int
imgp_store_s3_upload(struct imgp_store *st, const char *key, int fd,
    struct imgp_move *m, struct imgp_err *e)
{
	struct imgp_object *o = &m->copied->object;
	struct imgp_s3_target t = { .s3 = st->s3, .key = key, .want = o,
	    .m = m };
	struct put p = { .s3 = st->s3, .key = key, .fd = fd, .o = o,
	    .create = (m->flags & IMGP_COPY_CREATE) != 0, .m = m };
	struct imgp_sha256 *sum = imgp_sha256_new();
	char *data = NULL;
	int in_parts, obeyed, rc = -1;
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
	p.data = data;
	in_parts = o->bytes > imgp_store_s3_setting("s3_multipart_bytes");
	obeyed = p.create && !in_parts &&
	    imgp_precond_obeyed(IMGP_PRECOND_CREATE_PUT);
	p.looked = imgp_clock_ms();
	if (p.create && (!obeyed || o->bytes > ASK_FIRST) &&
	    (rc = imgp_store_s3_compare(&t, e)) != 0)
		rc = rc == 1 ? 0 : -1;
	else
		rc = in_parts ? upload_in_parts(&t, fd, &sb, e) :
		    upload_whole(&t, &p, obeyed, &sb, e);
out:
	free(data);
	imgp_sha256_free(sum);
	return rc;
}
