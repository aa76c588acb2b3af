#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/date.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/store/store_s3_precond_priv.h"
#include "libimgpipe/store/store_s3_priv.h"

/* S3's own limits: */
#define SENT_MIN	(5LL << 20)	/* bytes of a part but the last */
#define SENT_MAX	(5LL << 30)	/* bytes in one request */

static void	s3_close(struct imgp_store *);
static int	s3_head(struct imgp_store *, const char *, int,
		    struct imgp_object *, struct imgp_err *);
static int	s3_remove(struct imgp_store *, const char *, struct imgp_err *);
static int	s3_list(struct imgp_store *, const char *, imgp_store_found *,
		    void *, struct imgp_err *);
const struct imgp_store_kind imgp_store_s3_kind = {
	s3_close, s3_head, s3_remove, imgp_store_s3_put, imgp_store_s3_ask,
	s3_list, imgp_store_s3_list_unfinished, imgp_store_s3_abandon,
	imgp_store_s3_upload, imgp_store_s3_download, imgp_store_s3_copy
};

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

/* --- what the other files share ---------------------------------------------- */

int64_t
imgp_store_s3_setting(const char *name)
{
	long long n = SENT_MIN;		/* check_settings() has checked it */

	(void)imgp_parse_int(imgp_conf(NULL, name), SENT_MIN, SENT_MAX, &n);
	return n;
}

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

int
imgp_store_s3_changed(const char *key, struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_STORE_INTEGRITY,
	    "%s: it changed while it was read", key);
}

void
imgp_store_s3_name(struct imgp_object *o, const struct imgp_s3_answer *a)
{
	memcpy(o->etag, a->etag, sizeof o->etag);
	memcpy(o->version, a->version, sizeof o->version);
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

	/* The answer to HEAD has no body that says why: an expired token,
	 * another region, a clock that is off.  GET is told, and imgp_s3_do()
	 * mends it. */
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

/* --- one object ------------------------------------------------------------- */

static int
s3_head(struct imgp_store *st, const char *key, int sum,
    struct imgp_object *object, struct imgp_err *e)
{
	struct imgp_s3_answer a;
	int64_t retries = 0;
	int rc;

	if (sum)
		return imgp_store_s3_sum(st->s3, key, object, &retries, e);
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

/* --- listing ------------------------------------------------------------------- */

/* Call ${fn} for each entry of a page; one that is not below ${prefix} is an
 * error.  1: ${fn} wants no more; -1: ${e}. */
static int
tell(const struct imgp_s3xml *x, const char *bucket, const char *prefix,
    imgp_store_found *fn, void *arg, struct imgp_err *e)
{
	struct imgp_object object = IMGP_OBJECT_UNKNOWN;
	size_t i, len = strlen(prefix);
	char *url;
	int64_t time;
	int enough = 0;

	for (i = 0; i < x->nitems && !enough; i++) {
		if (strncmp(x->items[i].key, prefix, len) != 0)
			return imgp_fail(e, IMGP_E_STORE_IO, "s3://%s/%.200s: "
			    "the server lists %.200s", bucket, prefix,
			    x->items[i].key);
		object.bytes = x->items[i].size;
		snprintf(object.etag, sizeof object.etag, "%s",
		    x->items[i].etag == NULL ? "" : x->items[i].etag);
		time = x->items[i].time == NULL ? -1 :
		    imgp_date_iso(x->items[i].time);
		object.modified = time > 0 ? time : 0;
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
		/* As many as a page can have; they fit in IMGP_S3XML_MAX. */
		imgp_buf_puts(&query, "encoding-type=url&list-type=2&"
		    "max-keys=1000&prefix=");
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
