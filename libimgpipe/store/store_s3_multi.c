#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/date.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/store/store_s3_priv.h"

#define LOOK_AT		8	/* list the parts of so many uploads */

/* Call ${fn} with the percent-encoded id of each upload open at ${key}. */
static void
each_open(struct imgp_s3 *s3, const char *key, unsigned int flags,
    void (*fn)(void *arg, const char *id), void *arg)
{
	struct imgp_buf query = IMGP_BUF_INIT, id = IMGP_BUF_INIT;
	struct imgp_s3_request r = { .method = "GET", .flags = flags };
	struct imgp_s3_answer a;
	struct imgp_s3xml x;
	size_t i;

	imgp_buf_puts(&query, "encoding-type=url&prefix=");
	imgp_sigv4_encode(&query, key, 0);
	imgp_buf_puts(&query, "&uploads=");
	r.query = query.s;
	if (imgp_s3_do(s3, &r, &a, NULL) == 0 && imgp_s3xml_parse(a.body.s,
	    a.body.len, &x, NULL) == 0) {
		for (i = 0; x.kind == IMGP_S3XML_UPLOADS && i < x.nitems;
		    i++) {
			if (strcmp(x.items[i].key, key) != 0)
				continue;
			imgp_buf_clear(&id);
			imgp_sigv4_encode(&id, x.items[i].upload_id, 0);
			fn(arg, id.s);
		}
		imgp_s3xml_release(&x);
	}
	imgp_s3_answer_release(&a);
	imgp_buf_release(&query);
	imgp_buf_release(&id);
}

/* --- all that are open ------------------------------------------------------------ */

/* Call ${fn} for each upload of a page; one that is not below ${prefix} is an error.
 * 1: ${fn} wants no more; -1: ${e}. */
static int
tell_page(const struct imgp_s3xml *x, const char *bucket, const char *prefix,
    imgp_store_left *fn, void *arg, struct imgp_err *e)
{
	struct imgp_unfinished u = { .bytes = -1 };
	int64_t time;
	size_t i;
	char *url;
	int enough = 0;

	for (i = 0; i < x->nitems && !enough; i++) {
		if (strncmp(x->items[i].key, prefix, strlen(prefix)) != 0)
			return imgp_fail(e, IMGP_E_STORE_IO, "s3://%s/%.200s: "
			    "the server lists %.200s", bucket, prefix,
			    x->items[i].key);
		time = x->items[i].time == NULL ? -1 :
		    imgp_date_iso(x->items[i].time);
		u.url = url = imgp_asprintf("s3://%s/%s", bucket,
		    x->items[i].key);
		u.id = x->items[i].upload_id;
		u.since = time > 0 ? time : 0;
		enough = fn(arg, &u) != 0;
		free(url);
	}
	return enough;
}

/* The query for the page of uploads behind the last of ${x}; NULL: the first. */
static void
page_query(struct imgp_buf *query, const char *prefix,
    const struct imgp_s3xml *x)
{
	imgp_buf_clear(query);
	imgp_buf_puts(query, "encoding-type=url&");
	if (x != NULL) {
		imgp_buf_puts(query, "key-marker=");
		imgp_sigv4_encode(query, x->next, 0);
		imgp_buf_puts(query, "&");
	}
	imgp_buf_puts(query, "max-uploads=1000&prefix=");
	imgp_sigv4_encode(query, prefix, 0);
	if (x != NULL && x->next_upload_id != NULL) {
		imgp_buf_puts(query, "&upload-id-marker=");
		imgp_sigv4_encode(query, x->next_upload_id, 0);
	}
	imgp_buf_puts(query, "&uploads=");
}

int
imgp_store_s3_list_unfinished(struct imgp_store *st, const char *prefix,
    imgp_store_left *fn, void *arg, struct imgp_err *e)
{
	const char *bucket = imgp_s3_bucket(st->s3);
	struct imgp_s3_request r = { .method = "GET",
	    .flags = IMGP_S3_MAY_BE_ERROR };
	size_t len = strlen(prefix);
	char *below = imgp_asprintf("%s%s", prefix,
	    len > 0 && prefix[len - 1] != '/' ? "/" : "");
	struct imgp_buf query = IMGP_BUF_INIT;
	struct imgp_s3_answer a;
	struct imgp_s3xml x;
	int rc, more;

	page_query(&query, below, NULL);
	do {
		more = 0;
		r.query = query.s;
		rc = imgp_s3_do(st->s3, &r, &a, e);
		if (rc == 0 && (rc = imgp_store_s3_xml(&a,
		    IMGP_S3XML_UPLOADS, prefix, &x, e)) == 0) {
			rc = tell_page(&x, bucket, below, fn, arg, e);
			if ((more = rc == 0 && x.truncated))
				page_query(&query, below, &x);
			imgp_s3xml_release(&x);
		}
		imgp_s3_answer_release(&a);
	} while (more);
	imgp_buf_release(&query);
	free(below);
	return rc == -1 ? -1 : 0;
}

int
imgp_store_s3_abandon(struct imgp_store *st, const char *key, const char *id,
    struct imgp_err *e)
{
	struct imgp_buf query = IMGP_BUF_INIT;
	struct imgp_s3_request r = { .method = "DELETE", .key = key };
	struct imgp_s3_answer a;
	int rc;

	imgp_buf_puts(&query, "uploadId=");
	imgp_sigv4_encode(&query, id, 0);
	r.query = query.s;
	rc = imgp_s3_do(st->s3, &r, &a, e);
	if (rc == -1 && a.status == 404 && strcmp(a.code, "NoSuchBucket") != 0)
		rc = 0;
	imgp_s3_answer_release(&a);
	imgp_buf_release(&query);
	return rc == 0 ? 1 : -1;
}

/* --- clearing up ----------------------------------------------------------------- */

void
imgp_multi_abort(struct imgp_s3 *s3, const char *key, const char *upload)
{
	char *query = imgp_asprintf("uploadId=%s", upload);
	struct imgp_s3_request r = { .method = "DELETE", .key = key,
	    .query = query, .flags = IMGP_S3_LAST };
	struct imgp_s3_answer a;

	(void)imgp_s3_do(s3, &r, &a, NULL);
	imgp_s3_answer_release(&a);
	free(query);
}

struct place {
	struct imgp_s3	*s3;
	const char	*key;
};

static void
abort_it(void *arg, const char *id)
{
	const struct place *at = arg;

	imgp_multi_abort(at->s3, at->key, id);
}

void
imgp_multi_abort_all(struct imgp_s3 *s3, const char *key)
{
	struct place at = { s3, key };

	each_open(s3, key, IMGP_S3_LAST, abort_it, &at);
}

/* --- resuming one ---------------------------------------------------------------- */

static void
add_md5(void *arg, const char *p, size_t len)
{
	(void)EVP_DigestUpdate(arg, p, len);
}

static int
md5_range(int fd, int64_t offset, int64_t len, char hex[33])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	int rc = -1;

	if (md == NULL)
		imgp_oom();
	/* Where MD5 is forbidden (FIPS) no upload is resumed. */
	if (EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1 &&
	    imgp_parts_read(fd, offset, len, add_md5, md) == 0 &&
	    EVP_DigestFinal_ex(md, digest, NULL) == 1) {
		imgp_hex(digest, 16, hex);
		rc = 0;
	}
	EVP_MD_CTX_free(md);
	return rc;
}

int
imgp_multi_holds(struct imgp_parts *p, int i, int64_t offset, int64_t len)
{
	char hex[33];

	return md5_range(p->fd, offset, len, hex) == 0 &&
	    imgp_s3xml_etag_same(p->etags[i], hex);
}

/* What an open upload holds. */
struct held {
	char	(*etags)[128];	/* of each part of ours, or "" */
	int	 last;		/* the part with the highest number; -1 */
	int	 count;		/* parts that are there */
};

/* Note a page's parts; -1 where the number or size of one is not ours. */
static int
take_page(const struct imgp_parts *p, const struct imgp_s3xml *x,
    struct held *h)
{
	const struct imgp_s3xml_item *item;
	int64_t offset, len;
	size_t i;

	for (i = 0; i < x->nitems; i++) {
		item = &x->items[i];
		offset = (int64_t)(item->part - 1) * p->size;
		len = p->total - offset < p->size ? p->total - offset : p->size;
		if (item->part < 1 || item->part > p->count ||
		    item->size != len || item->etag == NULL ||
		    strlen(item->etag) != 32)
			return -1;
		snprintf(h->etags[item->part - 1], sizeof *h->etags, "\"%s\"",
		    item->etag);
		if (item->part - 1 > h->last)
			h->last = item->part - 1;
		h->count++;
	}
	return 0;
}

static int
list_parts(const struct imgp_parts *p, const char *id, struct held *h)
{
	struct imgp_s3_request r = { .method = "GET", .key = p->key };
	struct imgp_s3_answer a;
	struct imgp_s3xml x;
	char *query, *next = imgp_strdup("0");
	int rc, pages = 0;

	do {
		query = imgp_asprintf("max-parts=1000&part-number-marker=%s"
		    "&uploadId=%s", next, id);
		free(next);
		next = NULL;
		r.query = query;
		rc = imgp_s3_do(p->s3, &r, &a, NULL);
		if (rc == 0 && (rc = imgp_store_s3_xml(&a, IMGP_S3XML_PARTS,
		    p->key, &x, NULL)) == 0) {
			if ((rc = take_page(p, &x, h)) == 0 && x.truncated &&
			    strspn(x.next, "0123456789") == strlen(x.next))
				next = imgp_strdup(x.next);
			imgp_s3xml_release(&x);
		}
		imgp_s3_answer_release(&a);
		free(query);
	} while (next != NULL && ++pages <= 10);
	free(next);
	return rc;
}

struct search {
	struct imgp_parts *p;
	char		*found;		/* the id of the fullest one */
	int		 count;		/* of its parts */
	int		 looked_at;
};

/* Note the upload ${id} if it has our bytes and is the fullest so far. */
static void
consider(void *arg, const char *id)
{
	struct search *s = arg;
	struct imgp_parts *p = s->p;
	struct held h = { imgp_alloc((size_t)p->count * sizeof *h.etags), -1,
	    0 };
	char (*old)[128];
	int64_t at;

	if (s->looked_at++ < LOOK_AT && list_parts(p, id, &h) == 0 &&
	    h.count > s->count) {
		/* The last part says the most; workers check the others. */
		old = p->etags;
		p->etags = h.etags;
		at = h.last * p->size;
		if (imgp_multi_holds(p, h.last, at, p->total - at < p->size ?
		    p->total - at : p->size)) {
			free(s->found);
			s->found = imgp_strdup(id);
			s->count = h.count;
			h.etags = old;
		} else
			p->etags = old;
	}
	free(h.etags);
}

char *
imgp_multi_find(struct imgp_parts *p)
{
	struct search s = { .p = p };

	each_open(p->s3, p->key, 0, consider, &s);
	return s.found;
}

void
imgp_multi_etag(const struct imgp_parts *p, char etag[128])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int byte;
	int i, k, good;

	if (md == NULL)
		imgp_oom();
	etag[0] = '\0';
	good = EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1;
	for (i = 0; i < p->count && good; i++) {
		good = strlen(p->etags[i]) == 34 && strspn(p->etags[i] + 1,
		    "0123456789abcdef") == 32;
		for (k = 0; k < 16 && good; k++) {
			sscanf(p->etags[i] + 1 + 2 * k, "%2x", &byte);
			digest[k] = (unsigned char)byte;
		}
		good = good && EVP_DigestUpdate(md, digest, 16) == 1;
	}
	if (good && EVP_DigestFinal_ex(md, digest, NULL) == 1) {
		etag[0] = '"';
		imgp_hex(digest, 16, etag + 1);
		snprintf(etag + 33, 128 - 33, "-%d\"", p->count);
	}
	EVP_MD_CTX_free(md);
}
