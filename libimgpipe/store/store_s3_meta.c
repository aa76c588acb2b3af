#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/markup.h"
#include "libimgpipe/store/store_s3_priv.h"

static int
is_one_of(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcasecmp(s, *list) == 0)
			return 1;
	return 0;
}

/* --- tags ---------------------------------------------------------------------- */

/* Note the tags ${x}, as a header and as a body have them. */
static void
take_tags(const struct imgp_s3xml *x, struct imgp_s3_meta *meta)
{
	const char *value;
	size_t i;

	for (i = 0; i < x->nitems; i++) {
		value = x->items[i].value == NULL ? "" : x->items[i].value;
		imgp_buf_puts(&meta->tags, i > 0 ? "&" : "");
		imgp_sigv4_encode(&meta->tags, x->items[i].key, 0);
		imgp_buf_puts(&meta->tags, "=");
		imgp_sigv4_encode(&meta->tags, value, 0);
		imgp_buf_puts(&meta->tag_set, "<Tag><Key>");
		imgp_markup_text(&meta->tag_set, x->items[i].key);
		imgp_buf_puts(&meta->tag_set, "</Key><Value>");
		imgp_markup_text(&meta->tag_set, value);
		imgp_buf_puts(&meta->tag_set, "</Value></Tag>");
	}
	meta->ntags = x->nitems;
}

/* GetObjectTagging; ${*status} of its answer.  rgw answers with nothing at all for
 * an object that it made without the tags it was sent. */
static int
get_tags(struct imgp_s3 *s3, const char *key, const char *version,
    struct imgp_s3_meta *meta, long *status, struct imgp_err *e)
{
	struct imgp_buf query = IMGP_BUF_INIT;
	struct imgp_s3_request r = { .method = "GET", .key = key };
	struct imgp_s3_answer a;
	struct imgp_s3xml x;
	int rc;

	imgp_buf_puts(&query, "tagging=");
	if (version[0] != '\0') {
		imgp_buf_puts(&query, "&versionId=");
		imgp_sigv4_encode(&query, version, 0);
	}
	r.query = query.s;
	rc = imgp_s3_do(s3, &r, &a, e);
	*status = a.status;
	if (rc == 0 && a.body.len > 0 &&
	    (rc = imgp_store_s3_xml(&a, IMGP_S3XML_TAGS, key, &x,
	    e)) == 0) {
		take_tags(&x, meta);
		imgp_s3xml_release(&x);
	}
	imgp_s3_answer_release(&a);
	imgp_buf_release(&query);
	return rc;
}

/*
 * The tags of the source.  S3 says how many there are only to those who may read
 * them, and CopyObject takes them along by itself where it is not told otherwise;
 * so a copy in parts must ask.
 */
static int
collect_tags(const struct imgp_s3_source *from, int in_parts,
    struct imgp_s3_meta *meta, struct imgp_err *e)
{
	const char *count = imgp_s3_answer_meta(from->a, "x-amz-tagging-count");
	long n = count == NULL ? 0 : strtol(count, NULL, 10), status;
	struct imgp_err why = { NULL, "" };

	if (n <= 0 && !in_parts)
		return 0;
	if (get_tags(from->s3, from->key, from->a->version, meta,
	    &status, &why) == 0)
		return 0;
	if (n > 0)
		return imgp_fail(e, why.code, "its %ld tags cannot be read: %s",
		    n, why.msg);
	/* A service without tags says so in many ways. */
	if (status == 403)
		imgp_store_warn(from->copied, "%s: whether it has tags cannot "
		    "be asked; a copy in parts has none", from->key);
	else if (status / 100 != 4 && status != 501) {
		if (e != NULL)
			*e = why;
		return -1;
	}
	return 0;
}

/* PutObjectTagging. */
static int
put_tags(struct imgp_s3 *s3, const char *key, const struct imgp_s3_meta *meta,
    struct imgp_err *e)
{
	struct imgp_buf body = IMGP_BUF_INIT;
	char sum[IMGP_SHA256_HEX], base64[48];
	struct imgp_header h[] = { { "x-amz-checksum-sha256", base64 } };
	struct imgp_s3_request r = { .method = "PUT", .key = key,
	    .query = "tagging=", .headers = h, .nheaders = 1, .payload = sum };
	struct imgp_s3_answer a;
	int rc;

	imgp_buf_printf(&body, "<Tagging xmlns=\"http://s3.amazonaws.com/doc/"
	    "2006-03-01/\"><TagSet>%s</TagSet></Tagging>", meta->tag_set.s);
	imgp_sha256_hex(body.s, body.len, sum);
	imgp_store_s3_base64(sum, base64);
	r.data = body.s;
	r.len = (int64_t)body.len;
	rc = imgp_s3_do(s3, &r, &a, e);
	imgp_s3_answer_release(&a);
	imgp_buf_release(&body);
	return rc;
}

void
imgp_store_s3_tag(struct imgp_s3 *s3, const char *key,
    const struct imgp_s3_meta *meta, struct imgp_copied *copied)
{
	struct imgp_s3_meta there = IMGP_S3_META_INIT;
	struct imgp_err e = { NULL, "" };
	long status;

	if (meta->ntags == 0)
		return;
	if (get_tags(s3, key, "", &there, &status, NULL) == 0 &&
	    there.ntags != meta->ntags && put_tags(s3, key, meta, &e) == -1)
		imgp_store_warn(copied, "%s: the copy has not its tags: %s",
		    key, e.msg);
	imgp_store_s3_meta_release(&there);
}

/* --- how it is kept ---------------------------------------------------------------- */

/*
 * The storage class.  One that belongs to a kind of place goes with the place, and
 * in an archive nobody could read the copy.
 */
static void
collect_class(const struct imgp_s3_source *from, struct imgp_s3_meta *meta)
{
	static const char *const places[] = { "STANDARD", "OUTPOSTS", "SNOW",
	    "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP", NULL };
	static const char *const archives[] = { "GLACIER", "DEEP_ARCHIVE", NULL };
	static const char name[] = "x-amz-storage-class";
	const char *class = imgp_s3_answer_meta(from->a, name);

	if (class == NULL || *class == '\0' || is_one_of(class, places))
		return;
	if (is_one_of(class, archives))
		imgp_store_warn(from->copied, "%s: it is of the storage class "
		    "%s, the copy of none: in an archive it could not be read",
		    from->key, class);
	else
		meta->class = (struct imgp_header){ name, class };
}

static void
collect_encryption(const struct imgp_s3_source *from,
    struct imgp_s3_meta *meta)
{
	static const char *const names[] = { IMGP_S3_ENCRYPTION,
	    IMGP_S3_ENCRYPTION "-aws-kms-key-id",
	    IMGP_S3_ENCRYPTION "-bucket-key-enabled" };
	const char *value;
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		if ((value = imgp_s3_answer_meta(from->a, names[i])) != NULL &&
		    *value != '\0')
			meta->sse[meta->nsse++] = (struct imgp_header){
			    names[i], value };
}

/* --- all of it ------------------------------------------------------------------- */

static int
add(struct imgp_s3_meta *meta, const struct imgp_s3_source *from,
    const char *name, const char *value, struct imgp_err *e)
{
	if (meta->n == IMGP_S3_META_MAX)
		return imgp_fail(e, IMGP_E_STORE_METADATA,
		    "%s: more than %d headers of metadata", from->key,
		    IMGP_S3_META_MAX);
	meta->h[meta->n++] = (struct imgp_header){ name, value };
	return 0;
}

/* Nonzero for a header that says how the source is kept, not what it is. */
static int
is_kept_so(const char *name)
{
	static const char *const names[] = { "x-amz-storage-class",
	    "x-amz-tagging-count", "x-amz-missing-meta", NULL };

	return is_one_of(name, names) || strncasecmp(name, IMGP_S3_ENCRYPTION,
	    strlen(IMGP_S3_ENCRYPTION)) == 0 ||
	    strncasecmp(name, "x-amz-checksum-", 15) == 0;
}

int
imgp_store_s3_meta(const struct imgp_s3_source *from, const char *sha256,
    int in_parts, struct imgp_s3_meta *meta, struct imgp_err *e)
{
	static const char sum[] = "x-amz-meta-sha256", type[] = "Content-Type";
	const char *name = from->a->meta.s, *value;
	const char *missing = imgp_s3_answer_meta(from->a,
	    "x-amz-missing-meta");
	size_t i;

	if (missing != NULL && strtol(missing, NULL, 10) > 0)
		return imgp_fail(e, IMGP_E_STORE_METADATA, "%s: %.20s headers "
		    "of its metadata cannot be read by HTTP, so a copy would "
		    "lack them", from->key, missing);
	if (imgp_s3_answer_meta(from->a, type) == NULL)
		add(meta, from, type, "application/octet-stream", e);
	if (sha256[0] != '\0')
		add(meta, from, sum, sha256, e);
	for (i = 0; i < from->a->nmeta; i++) {
		value = name + strlen(name) + 1;
		if (!is_kept_so(name) && (sha256[0] == '\0' ||
		    strcasecmp(name, sum) != 0) &&
		    add(meta, from, name, value, e) == -1)
			return -1;
		name = value + strlen(value) + 1;
	}
	if (collect_tags(from, in_parts, meta, e) == -1 || (meta->tags.len > 0 &&
	    add(meta, from, "x-amz-tagging", meta->tags.s, e) == -1))
		return -1;
	if (!from->staged) {
		collect_class(from, meta);
		collect_encryption(from, meta);
	}
	return 0;
}

void
imgp_store_s3_meta_release(struct imgp_s3_meta *meta)
{
	imgp_buf_release(&meta->tags);
	imgp_buf_release(&meta->tag_set);
}

/* --- to whom it is said ------------------------------------------------------------- */

size_t
imgp_store_s3_kept(const struct imgp_s3_meta *meta, int encrypt,
    struct imgp_header *h)
{
	size_t n = 0, i;

	if (meta->class.name != NULL)
		h[n++] = meta->class;
	for (i = 0; encrypt && i < meta->nsse; i++)
		h[n++] = meta->sse[i];
	return n;
}

int
imgp_store_s3_unencrypted(struct imgp_s3 *s3, const char *key,
    const struct imgp_s3_meta *meta, struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_STORE_DENIED, "s3://%s/%.256s: the source is "
	    "encrypted (%.40s), and the service does not encrypt the copy",
	    imgp_s3_bucket(s3), key, meta->sse[0].value);
}
