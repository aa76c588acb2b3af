#include <sys/mman.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/sha256.h"
#include "libimgpipe/store/store_s3_priv.h"

static atomic_int lacked[2];		/* by a part's copy, a whole one's */

/* One part at a time is in memory, of all copies of the process. */
static pthread_mutex_t in_memory = PTHREAD_MUTEX_INITIALIZER;

int
imgp_relay_wanted(int whole)
{
	return atomic_load(&lacked[whole]);
}

int
imgp_relay_is_for(const struct imgp_s3_answer *a, int whole)
{
	/* Some services answer a part's copy as an upload of an empty part. */
	int lacks = a->status == 501 || a->status == 405 ||
	    (!whole && a->status / 100 == 2 && a->body.len == 0);

	if (lacks)
		atomic_store(&lacked[whole], 1);
	return lacks;
}

/* ${len} bytes of the source from ${offset}: a file that has them there; -1. */
static int
fetch(const struct imgp_parts *p, int64_t offset, int64_t len,
    int64_t *retries, struct imgp_err *e)
{
	struct imgp_parts in = { .s3 = p->from_s3, .key = p->from,
	    .total = p->total, .match = p->match };

	if ((in.fd = memfd_create("imgpipe", MFD_CLOEXEC)) == -1)
		return imgp_store_errno(e, p->from);
	if (len == 0 ||
	    imgp_parts_get(&in, 0, offset, len, retries, e) == 0)
		return in.fd;
	close(in.fd);
	return -1;
}

int
imgp_parts_relay(struct imgp_parts *p, int i, int64_t offset, int64_t len,
    int64_t *retries, struct imgp_err *e)
{
	struct imgp_parts out = { .s3 = p->s3, .key = p->key, .m = p->m,
	    .upload = p->upload, .etags = p->etags,
	    .lock = PTHREAD_MUTEX_INITIALIZER };
	int rc = -1;

	pthread_mutex_lock(&in_memory);
	if ((out.fd = fetch(p, offset, len, retries, e)) != -1) {
		rc = imgp_parts_put(&out, i, offset, len, retries, e);
		close(out.fd);
	}
	pthread_mutex_unlock(&in_memory);
	if (rc == -1) {
		pthread_mutex_lock(&p->lock);
		p->status = out.status;
		p->lost = out.lost;
		pthread_mutex_unlock(&p->lock);
	}
	return rc;
}

/* PutObject of the ${o->bytes} of ${fd}. */
static int
put(struct imgp_parts *p, const struct imgp_object *o, int create, int fd,
    struct imgp_err *e)
{
	struct imgp_header h[IMGP_S3_META_MAX + 8];
	char sum[IMGP_SHA256_HEX];
	struct imgp_sha256 *hash = imgp_sha256_new();
	struct imgp_s3_request r = { .method = "PUT", .key = p->key,
	    .headers = h, .nheaders = p->meta->n, .payload = sum, .fd = fd,
	    .len = o->bytes };
	struct imgp_s3_answer a;
	int rc = imgp_parts_sum(fd, 0, o->bytes, hash);

	imgp_sha256_end_hex(hash, sum);
	imgp_sha256_free(hash);
	if (rc == -1)
		return imgp_parts_unreadable(p->key, e);
	memcpy(h, p->meta->h, p->meta->n * sizeof *h);
	r.nheaders += imgp_store_s3_kept(p->meta, p->encrypt, h + r.nheaders);
	if (create)
		h[r.nheaders++] = (struct imgp_header){ "If-None-Match", "*" };
	rc = imgp_s3_do(p->s3, &r, &a, e);
	p->m->copied->retries += a.retries;
	if (rc == -1 && create && a.status == 501) {
		r.nheaders--;
		imgp_s3_answer_release(&a);
		rc = imgp_s3_do(p->s3, &r, &a, e);
		p->m->copied->retries += a.retries;
	}
	p->status = a.status;
	p->encrypted = imgp_s3_answer_meta(&a, IMGP_S3_ENCRYPTION) != NULL;
	imgp_s3_answer_release(&a);
	return rc;
}

int
imgp_relay_whole(struct imgp_parts *p, const struct imgp_object *o, int create,
    struct imgp_err *e)
{
	char etag[128];
	int fd, rc = -1;

	p->one = imgp_parts_relay;
	/* There is no copy to ask for it later. */
	p->encrypt = p->meta->nsse > 0;
	if (o->bytes > imgp_parts_size(o->bytes))
		return imgp_parts_send(p, o, NULL, etag, e);
	pthread_mutex_lock(&in_memory);
	if ((fd = fetch(p, 0, o->bytes, &p->m->copied->retries, e)) != -1) {
		rc = put(p, o, create, fd, e);
		close(fd);
	}
	pthread_mutex_unlock(&in_memory);
	return rc;
}
