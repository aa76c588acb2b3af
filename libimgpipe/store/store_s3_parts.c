#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/markup.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/store/store_s3_priv.h"

#define CHUNK		((size_t)128 << 10)	/* read and summed at once, on
						 * the stack */
#define PARTS_MAX	10000			/* S3's own */
#define STREAMS		4			/* parts at once */

/* --- parts, several at once ---------------------------------------------------- */

int64_t
imgp_parts_size(int64_t total)
{
	int64_t size = imgp_store_s3_setting("s3_part_bytes");

	while (total / size >= PARTS_MAX)
		size *= 2;
	return size;
}

int
imgp_parts_read(int fd, int64_t offset, int64_t len,
    void (*take)(void *arg, const char *p, size_t len), void *arg)
{
	char buf[CHUNK];
	ssize_t n = 0;

	while (len > 0) {
		n = pread(fd, buf, len < (int64_t)CHUNK ? (size_t)len : CHUNK,
		    offset);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		take(arg, buf, (size_t)n);
		offset += n;
		len -= n;
	}
	if (len > 0 && n == 0)
		errno = 0;	/* it became shorter */
	return len > 0 ? -1 : 0;
}

static void
add_sha256(void *arg, const char *p, size_t len)
{
	imgp_sha256_add(arg, p, len);
}

int
imgp_parts_sum(int fd, int64_t offset, int64_t len, struct imgp_sha256 *sum)
{
	return imgp_parts_read(fd, offset, len, add_sha256, sum);
}

static void *
work_on_parts(void *arg)
{
	struct imgp_parts *p = arg;
	int64_t offset, len, retries;
	struct imgp_err e = { NULL, "" };
	int i, rc;

	pthread_mutex_lock(&p->lock);
	while (!p->failed && p->next < p->count) {
		i = p->next++;
		pthread_mutex_unlock(&p->lock);
		offset = p->start + i * p->size;
		len = p->total - offset < p->size ? p->total - offset : p->size;
		retries = 0;
		rc = p->one(p, i, offset, len, &retries, &e);
		pthread_mutex_lock(&p->lock);
		p->m->copied->retries += retries;
		if (rc == -1 && !p->failed) {
			p->failed = 1;
			p->why = e;
		} else if (rc == 0) {
			p->done[i] = 1;
			p->bytes += len;
		}
		pthread_cond_broadcast(&p->moved);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int
imgp_parts_do(struct imgp_parts *p, int (*in_order)(struct imgp_parts *p,
    int64_t offset, int64_t len, void *arg, struct imgp_err *e), void *arg,
    struct imgp_err *e)
{
	pthread_t threads[STREAMS];
	int64_t offset, len;
	int i, n = 0, rc = 0, started;

	p->count = (int)((p->total - p->start + p->size - 1) / p->size);
	p->done = imgp_alloc((size_t)p->count);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->moved, NULL);
	started = p->count < STREAMS ? p->count : STREAMS;
	while (n < started &&
	    pthread_create(&threads[n], NULL, work_on_parts, p) == 0)
		n++;
	if (n == 0)
		work_on_parts(p);	/* no thread could be started */
	for (i = 0; i < p->count; i++) {
		pthread_mutex_lock(&p->lock);
		while (!p->failed && !p->done[i])
			pthread_cond_wait(&p->moved, &p->lock);
		rc = p->failed ? -1 : 0;
		imgp_store_progress(p->m, p->start + p->bytes, p->total);
		pthread_mutex_unlock(&p->lock);
		if (rc == -1)
			break;
		offset = p->start + i * p->size;
		len = p->total - offset < p->size ? p->total - offset : p->size;
		if (in_order != NULL && in_order(p, offset, len, arg,
		    &p->why) == -1) {
			pthread_mutex_lock(&p->lock);
			p->failed = 1;
			pthread_mutex_unlock(&p->lock);
			rc = -1;
			break;
		}
	}
	while (n > 0)
		pthread_join(threads[--n], NULL);
	if (rc == -1 && e != NULL)
		*e = p->why;
	pthread_cond_destroy(&p->moved);
	pthread_mutex_destroy(&p->lock);
	free(p->done);
	return rc;
}

/* --- uploads in parts --------------------------------------------------------------- */

/* CreateMultipartUpload: its id, percent-encoded, the caller's; NULL and ${e}.
 * ${*encrypts}: the object will be encrypted. */
static char *
create_upload(const struct imgp_parts *p, int *encrypts, struct imgp_err *e)
{
	struct imgp_header h[IMGP_S3_META_MAX + 4];
	struct imgp_s3_request r = { .method = "POST", .key = p->key,
	    .query = "uploads=", .headers = h, .nheaders = p->meta->n,
	    .flags = IMGP_S3_MAY_BE_ERROR };
	struct imgp_buf encoded = IMGP_BUF_INIT;
	struct imgp_s3_answer a;
	struct imgp_s3xml x;
	int rc;

	memcpy(h, p->meta->h, p->meta->n * sizeof *h);
	r.nheaders += imgp_store_s3_kept(p->meta, p->encrypt, h + r.nheaders);
	rc = imgp_s3_do(p->s3, &r, &a, e);
	p->m->copied->retries += a.retries;
	*encrypts = imgp_s3_answer_meta(&a, IMGP_S3_ENCRYPTION) != NULL;
	if (rc == 0 && (rc = imgp_store_s3_xml(&a, IMGP_S3XML_INITIATE, p->key,
	    &x, e)) == 0) {
		imgp_sigv4_encode(&encoded, x.upload_id, 0);
		imgp_s3xml_release(&x);
	}
	imgp_s3_answer_release(&a);
	return rc == -1 ? NULL : imgp_buf_steal(&encoded);
}

/* The same, of an object that is encrypted where its source is. */
static char *
begin_upload(struct imgp_parts *p, struct imgp_err *e)
{
	int encrypts;
	char *upload = create_upload(p, &encrypts, e);

	if (upload != NULL && !encrypts && p->meta->nsse > 0 && !p->encrypt) {
		imgp_multi_abort(p->s3, p->key, upload);
		free(upload);
		p->encrypt = 1;
		upload = create_upload(p, &encrypts, e);
	}
	if (upload == NULL || encrypts || p->meta->nsse == 0)
		return upload;
	imgp_multi_abort(p->s3, p->key, upload);
	free(upload);
	imgp_store_s3_unencrypted(p->s3, p->key, p->meta, e);
	return NULL;
}

/* Nonzero when ${o} lies at the key, so the upload was completed. */
static int
is_there(const struct imgp_parts *p, const struct imgp_object *o)
{
	struct imgp_s3_answer a;
	int there;

	if (o->sha256[0] == '\0')
		return 0;	/* nothing would tell whose it is */
	there = imgp_store_s3_head(p->s3, p->key, &a, NULL) == 0 &&
	    a.length == o->bytes && strcmp(a.sha256, o->sha256) == 0;
	imgp_s3_answer_release(&a);
	return there;
}

/*
 * CompleteMultipartUpload.  Where its answer was lost, a repetition tells: the
 * upload is still there, or NoSuchUpload, and then the object is (R30).
 */
static int
complete_upload(struct imgp_parts *p, int create, char etag[128],
    struct imgp_err *e)
{
	static const struct imgp_header h[] = { { "If-None-Match", "*" } };
	char *query = imgp_asprintf("uploadId=%s", p->upload);
	char sum[IMGP_SHA256_HEX];
	struct imgp_buf body = IMGP_BUF_INIT;
	struct imgp_s3_request r = { .method = "POST", .key = p->key,
	    .query = query, .headers = h, .nheaders = create ? 1 : 0,
	    .flags = IMGP_S3_MAY_BE_ERROR };
	struct imgp_s3_answer a;
	struct imgp_s3xml x;
	int i, rc;

	/* Not every server says its ETag (rgw does not); ours we can compute. */
	imgp_multi_etag(p, etag);
	imgp_buf_puts(&body, "<CompleteMultipartUpload "
	    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (i = 0; i < p->count; i++) {
		imgp_buf_printf(&body, "<Part><PartNumber>%d</PartNumber>"
		    "<ETag>", i + 1);
		imgp_markup_text(&body, p->etags[i]);
		imgp_buf_puts(&body, "</ETag></Part>");
	}
	imgp_buf_puts(&body, "</CompleteMultipartUpload>");
	imgp_sha256_hex(body.s, body.len, sum);
	r.payload = sum;
	r.data = body.s;
	r.len = (int64_t)body.len;
	rc = imgp_s3_do(p->s3, &r, &a, e);
	p->m->copied->retries += a.retries;
	if (rc == -1 && create && a.status == 501) {
		r.nheaders = 0;
		imgp_s3_answer_release(&a);
		rc = imgp_s3_do(p->s3, &r, &a, e);
		p->m->copied->retries += a.retries;
	}
	p->status = a.status;
	if (rc == 0 && (rc = imgp_store_s3_xml(&a, IMGP_S3XML_COMPLETE, p->key,
	    &x, e)) == 0) {
		if (x.etag != NULL && etag[0] == '\0')
			snprintf(etag, 128, "%s", x.etag);
		imgp_s3xml_release(&x);
	} else if (strcmp(a.code, "NoSuchUpload") == 0)
		p->lost = 1;
	imgp_s3_answer_release(&a);
	imgp_buf_release(&body);
	free(query);
	return rc;
}

/* Sending the parts took long: look once more before they become the object, as not
 * every service obeys complete_upload()'s precondition. */
static int
is_free(struct imgp_parts *p, struct imgp_err *e)
{
	struct imgp_s3_answer a;
	int there = imgp_store_s3_head(p->s3, p->key, &a, NULL) == 0;

	p->m->copied->retries += a.retries;
	imgp_s3_answer_release(&a);
	if (!there)
		return 0;
	p->status = 412;
	return imgp_fail(e, IMGP_E_STORE_EXISTS, "s3://%s/%.256s: somebody else "
	    "wrote there meanwhile", imgp_s3_bucket(p->s3), p->key);
}

/* Note that a part was answered with ${a}, an error. */
static void
failed(struct imgp_parts *p, const struct imgp_s3_answer *a)
{
	pthread_mutex_lock(&p->lock);
	p->status = a->status;
	if (strcmp(a->code, "NoSuchUpload") == 0)
		p->lost = 1;
	pthread_mutex_unlock(&p->lock);
}

/* A part lies there already.  0: it is ours; -1: it is not, nor is the upload. */
static int
is_kept(struct imgp_parts *p, int i, int64_t offset, int64_t len,
    struct imgp_err *e)
{
	int kept = imgp_multi_holds(p, i, offset, len);

	pthread_mutex_lock(&p->lock);
	if (kept)
		p->m->copied->resumed += len;
	else
		p->lost = 1;
	pthread_mutex_unlock(&p->lock);
	return kept ? 0 : imgp_fail(e, IMGP_E_STORE_IO,
	    "%s: the upload that lies open is another's", p->key);
}

int
imgp_parts_put(struct imgp_parts *p, int i, int64_t offset, int64_t len,
    int64_t *retries, struct imgp_err *e)
{
	char *query = imgp_asprintf("partNumber=%d&uploadId=%s", i + 1,
	    p->upload);
	char hex[IMGP_SHA256_HEX], base64[48];
	struct imgp_sha256 *sum = imgp_sha256_new();
	struct imgp_header h[] = { { "x-amz-checksum-sha256", base64 } };
	struct imgp_s3_request r = { .method = "PUT", .key = p->key,
	    .query = query, .headers = h, .nheaders = 1, .payload = hex,
	    .fd = p->fd, .offset = offset, .len = len };
	struct imgp_s3_answer a = { .status = 0 };
	int rc;

	if (p->etags[i][0] != '\0') {
		rc = is_kept(p, i, offset, len, e);
		goto out;
	}
	if ((rc = imgp_parts_sum(p->fd, offset, len, sum)) == -1)
		imgp_parts_unreadable(p->key, e);
	else {
		imgp_sha256_end_hex(sum, hex);
		imgp_store_s3_base64(hex, base64);
		rc = imgp_s3_do(p->s3, &r, &a, e);
		*retries += a.retries;
		if (rc == 0 && a.etag[0] == '\0')
			rc = imgp_fail(e, IMGP_E_STORE_IO,
			    "%s: a part was answered without an ETag", p->key);
		if (rc == 0)
			snprintf(p->etags[i], sizeof p->etags[i], "%s", a.etag);
		else
			failed(p, &a);
		imgp_s3_answer_release(&a);
	}
out:
	imgp_sha256_free(sum);
	free(query);
	return rc;
}

int
imgp_parts_copy(struct imgp_parts *p, int i, int64_t offset, int64_t len,
    int64_t *retries, struct imgp_err *e)
{
	char *query = imgp_asprintf("partNumber=%d&uploadId=%s", i + 1,
	    p->upload);
	char range[96];
	struct imgp_header h[] = {
		{ "x-amz-copy-source", p->source },
		{ "x-amz-copy-source-range", range },
		{ NULL, NULL }, { NULL, NULL },
	};
	struct imgp_s3_request r = { .method = "PUT", .key = p->key,
	    .query = query, .headers = h, .nheaders = 2,
	    .flags = IMGP_S3_MAY_BE_ERROR, .source = p->url };
	struct imgp_s3_answer a;
	struct imgp_s3xml x;
	int rc, lacks;

	if (imgp_relay_wanted(0)) {
		free(query);
		return imgp_parts_relay(p, i, offset, len, retries, e);
	}
	if (p->match != NULL)
		h[r.nheaders++] = (struct imgp_header){
		    "x-amz-copy-source-if-match", p->match };
	if (p->owner != NULL)
		h[r.nheaders++] = (struct imgp_header){
		    "x-amz-source-expected-bucket-owner", p->owner };

	snprintf(range, sizeof range, "bytes=%lld-%lld", (long long)offset,
	    (long long)(offset + len - 1));
	rc = imgp_s3_do(p->s3, &r, &a, e);
	*retries += a.retries;
	if (rc == 0 && (rc = imgp_store_s3_xml(&a, IMGP_S3XML_COPY, p->key, &x,
	    e)) == 0) {
		if (x.etag == NULL)
			rc = imgp_fail(e, IMGP_E_STORE_IO,
			    "%s: a part was answered without an ETag", p->key);
		else
			snprintf(p->etags[i], sizeof p->etags[i], "\"%s\"",
			    x.etag);
		imgp_s3xml_release(&x);
	}
	lacks = rc == -1 && imgp_relay_is_for(&a, 0);
	if (rc == -1 && !lacks)
		failed(p, &a);
	imgp_s3_answer_release(&a);
	free(query);
	return lacks ? imgp_parts_relay(p, i, offset, len, retries, e) : rc;
}

int
imgp_parts_unreadable(const char *key, struct imgp_err *e)
{
	return errno != 0 ? imgp_store_errno(e, key) : imgp_fail(e,
	    IMGP_E_STORE_IO, "%.400s: the source changed while it was read",
	    key);
}

int
imgp_parts_unchanged(int fd, const struct stat *before)
{
	struct stat sb;

	return fstat(fd, &sb) == 0 && sb.st_size == before->st_size &&
	    sb.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	    sb.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

/* Send all parts once, into a new upload or one that is resumed. */
static int
send_once(struct imgp_parts *p, const struct imgp_object *o,
    const struct stat *before, char etag[128], struct imgp_err *e)
{
	int create = (p->m->flags & IMGP_COPY_CREATE) && !p->replace, rc;
	char *upload = NULL;

	p->lost = p->failed = p->next = 0;
	p->status = 0;
	etag[0] = '\0';
	p->bytes = p->m->copied->resumed = 0;
	p->etags = imgp_alloc((size_t)p->count * sizeof *p->etags);
	if (!p->anew && p->fd != -1)
		upload = imgp_multi_find(p);
	p->resumed = upload != NULL;
	if (upload == NULL)
		upload = begin_upload(p, e);
	if (upload == NULL) {
		free(p->etags);
		return -1;
	}
	p->upload = upload;
	rc = imgp_parts_do(p, NULL, NULL, e);
	if (before != NULL && !imgp_parts_unchanged(p->fd, before))
		rc = imgp_fail(e, IMGP_E_STORE_IO,
		    "%s: the source changed while it was read", p->key);
	p->looked = imgp_clock_ms();
	if (rc == 0 && create)
		rc = is_free(p, e);
	if (rc == 0)
		rc = complete_upload(p, create, etag, e);
	if (rc == -1) {
		imgp_multi_abort(p->s3, p->key, upload);
		if (p->lost && is_there(p, o))
			rc = 0;
	}
	free(p->etags);
	free(upload);
	return rc;
}

int
imgp_parts_send(struct imgp_parts *p, const struct imgp_object *o,
    const struct stat *before, char etag[128], struct imgp_err *e)
{
	int rc;

	p->size = imgp_parts_size(p->total);
	p->count = (int)((p->total + p->size - 1) / p->size);
	imgp_stop_hold();
	rc = send_once(p, o, before, etag, e);
	if (rc == -1 && p->lost && !imgp_stop_asked()) {
		p->anew = 1;
		p->m->copied->retries++;
		rc = send_once(p, o, before, etag, e);
	}
	/* Another writer completed an upload to this name and so aborted ours. */
	if (rc == -1 && p->lost && (p->m->flags & IMGP_COPY_CREATE))
		(void)is_free(p, e);
	imgp_multi_abort_all(p->s3, p->key);
	imgp_stop_release();
	return rc;
}
