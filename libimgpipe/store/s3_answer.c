/*
 * An answer's headers, as they come: what they say of the object and of the service.
 * This file must not know what was asked for, nor what comes of the answer.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libimgpipe/base/date.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/store/s3_priv.h"

#define ASKED_MAX	3600000		/* ms: the most a server may ask for */

void
imgp_s3_answer_init(struct imgp_s3_answer *a)
{
	memset(a, 0, sizeof *a);
	imgp_buf_init(&a->meta);
	imgp_buf_init(&a->body);
	a->length = a->total = a->date = -1;
	a->body.max = IMGP_S3XML_MAX;
}

void
imgp_s3_answer_release(struct imgp_s3_answer *a)
{
	imgp_buf_release(&a->body);
	imgp_buf_release(&a->meta);
}

const char *
imgp_s3_answer_meta(const struct imgp_s3_answer *a, const char *name)
{
	const char *p = a->meta.s, *value;
	size_t i;

	for (i = 0; i < a->nmeta; i++) {
		value = p + strlen(p) + 1;
		if (strcasecmp(p, name) == 0)
			return value;
		p = value + strlen(value) + 1;
	}
	return NULL;
}

void
imgp_s3_answer_clear(struct imgp_s3_answer *a)
{
	int64_t retries = a->retries;

	imgp_s3_answer_release(a);
	imgp_s3_answer_init(a);
	a->retries = retries;
}

/* The header line ${p} if it is ${name}: its value, trimmed, in ${dst}. */
static int
header_is(const char *p, size_t len, const char *name, char *dst, size_t size)
{
	size_t n = strlen(name);

	if (len <= n || p[n] != ':' || strncasecmp(p, name, n) != 0)
		return 0;
	p += n + 1;
	len -= n + 1;
	while (len > 0 && (*p == ' ' || *p == '\t')) {
		p++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)p[len - 1]))
		len--;
	if (len >= size)
		len = 0;	/* too long to be one */
	memcpy(dst, p, len);
	dst[len] = '\0';
	return 1;
}

/*
 * Add the value of Content-Encoding without the token aws-chunked, which says how
 * the object was once sent and not what it is; some services keep it.
 */
static void
add_encoding(struct imgp_buf *to, const char *p, size_t len)
{
	static const char chunked[] = "aws-chunked";
	const char *end = p + len, *comma, *s, *whole = p;
	size_t n, at = to->len;
	int dropped = 0;

	for (; p < end; p = comma + 1) {
		if ((comma = memchr(p, ',', (size_t)(end - p))) == NULL)
			comma = end;
		for (s = p; s < comma && isspace((unsigned char)*s); s++)
			;
		for (n = (size_t)(comma - s); n > 0 &&
		    isspace((unsigned char)s[n - 1]); n--)
			;
		if (n == sizeof chunked - 1 && strncasecmp(s, chunked, n) == 0) {
			dropped = 1;
			continue;
		}
		if (n > 0 && to->len > at)
			imgp_buf_puts(to, ",");
		imgp_buf_add(to, s, n);
	}
	if (!dropped) {
		imgp_buf_cut(to, at);
		imgp_buf_add(to, whole, len);
	}
}

/* Keep the header line ${p} if it says what the object is or how it is kept. */
static void
keep_meta(struct imgp_s3_answer *a, const char *p, size_t len)
{
	static const char *const names[] = { "x-amz-meta-", "Cache-Control:",
	    "Content-Disposition:", "Content-Encoding:", "Content-Language:",
	    "Content-Type:", "Expires:", "x-amz-website-redirect-location:",
	    "x-amz-storage-class:", "x-amz-server-side-encryption",
	    "x-amz-tagging-count:", "x-amz-missing-meta:",
	    "x-amz-checksum-" };
	const char *colon = memchr(p, ':', len), *value;
	size_t i, before = a->meta.len, at;

	for (i = 0; i < sizeof names / sizeof *names; i++)
		if (len > strlen(names[i]) && strncasecmp(p, names[i],
		    strlen(names[i])) == 0)
			break;
	if (i == sizeof names / sizeof *names || colon == NULL ||
	    memchr(p, '\0', len) != NULL)
		return;
	while (len > 0 && isspace((unsigned char)p[len - 1]))
		len--;
	for (value = colon + 1; value < p + len && (*value == ' ' ||
	    *value == '\t'); value++)
		;
	imgp_buf_add(&a->meta, p, (size_t)(colon - p));
	imgp_buf_add(&a->meta, "", 1);
	at = a->meta.len;
	if (strcmp(names[i], "Content-Encoding:") != 0)
		imgp_buf_add(&a->meta, value, (size_t)(p + len - value));
	else
		add_encoding(&a->meta, value, (size_t)(p + len - value));
	/* An empty list of encodings is none; an empty value may mean much. */
	if (a->meta.len == at && strcmp(names[i], "Content-Encoding:") == 0) {
		imgp_buf_cut(&a->meta, before);
		return;
	}
	imgp_buf_add(&a->meta, "", 1);
	a->nmeta++;
}

/* A number of bytes or of seconds; ignore what follows. */
static int
get_number(const char *s, long long *n)
{
	char *end;

	*n = strtoll(s, &end, 10);
	return end != s && *n >= 0;
}

void
imgp_s3_answer_header(void *arg, const char *p, size_t len)
{
	struct attempt *t = arg;
	struct imgp_s3_answer *a = t->a;
	long long x, y, z;
	char v[160];

	keep_meta(a, p, len);
	if (header_is(p, len, "ETag", a->etag, sizeof a->etag) ||
	    header_is(p, len, "x-amz-version-id", a->version,
	    sizeof a->version) ||
	    header_is(p, len, "x-amz-bucket-region", t->region,
	    sizeof t->region))
		;
	else if (header_is(p, len, "Date", t->date, sizeof t->date))
		a->date = imgp_date_http(t->date);
	else if (header_is(p, len, "x-amz-meta-sha256", v, sizeof v)) {
		if (imgp_hex_is_sha256(v))
			memcpy(a->sha256, v, sizeof a->sha256);
	} else if (header_is(p, len, "Content-Length", v, sizeof v)) {
		if (get_number(v, &x))
			a->length = x;
	} else if (header_is(p, len, "Content-Range", v, sizeof v)) {
		if (sscanf(v, "bytes %lld-%lld/%lld", &x, &y, &z) == 3) {
			a->first = x;
			a->total = z;
		} else if (sscanf(v, "bytes */%lld", &z) == 1)
			a->total = z;
	} else if (header_is(p, len, "x-amz-retry-after", v, sizeof v)) {
		if (get_number(v, &x))
			t->after = x < ASKED_MAX ? x : ASKED_MAX;
	} else if (header_is(p, len, "Retry-After", v, sizeof v)) {
		if (t->after < 0 && get_number(v, &x))
			t->after = x < ASKED_MAX / 1000 ? x * 1000 : ASKED_MAX;
	}
}
