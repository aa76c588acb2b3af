#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "libimgpipe/base/hex.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/net/sigv4.h"

#define ALGORITHM	"AWS4-HMAC-SHA256"

/* A name and a value that are sorted by both. */
struct pair {
	char	*name, *value;
	size_t	 nth;		/* keeps the order of equal names */
};

static int
is_unreserved(int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

static void
encode(struct imgp_buf *out, const char *s, size_t len, int slash)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i, from = 0;

	for (i = 0; i < len; i++) {
		int c = (unsigned char)s[i];
		char x[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (is_unreserved(c) || (slash && c == '/'))
			continue;
		imgp_buf_add(out, s + from, i - from);
		imgp_buf_add(out, x, sizeof x);
		from = i + 1;
	}
	imgp_buf_add(out, s + from, len - from);
}

void
imgp_sigv4_encode(struct imgp_buf *out, const char *s, int slash)
{
	encode(out, s, strlen(s), slash);
}

static int
hex_value(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ?
	    c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ${len} bytes with %XX resolved, and encoded again as AWS does it. */
static char *
recode(const char *s, size_t len)
{
	struct imgp_buf raw = IMGP_BUF_INIT, out = IMGP_BUF_INIT;
	size_t i;
	char c;

	for (i = 0; i < len; i++) {
		c = s[i];
		if (c == '%' && len - i > 2 && hex_value(s[i + 1]) >= 0 &&
		    hex_value(s[i + 2]) >= 0) {
			c = (char)(hex_value(s[i + 1]) * 16 +
			    hex_value(s[i + 2]));
			i += 2;
		}
		imgp_buf_add(&raw, &c, 1);
	}
	encode(&out, raw.s, raw.len, 0);
	imgp_buf_release(&raw);
	return imgp_buf_steal(&out);
}

/* --- the canonical request -------------------------------------------------- */

/* Remove dot segments and doubled slashes (RFC 3986, 5.2.4, and more). */
static char *
normalize(const char *path)
{
	struct imgp_buf out = IMGP_BUF_INIT;
	const char *p = path;
	size_t len;

	while (*p != '\0') {
		p += strspn(p, "/");
		len = strcspn(p, "/");
		if (len == 2 && memcmp(p, "..", 2) == 0) {
			while (out.len > 0 && out.s[out.len - 1] != '/')
				imgp_buf_cut(&out, out.len - 1);
			imgp_buf_cut(&out, out.len == 0 ? 0 : out.len - 1);
		} else if (len > 0 && !(len == 1 && *p == '.')) {
			imgp_buf_add(&out, "/", 1);
			imgp_buf_add(&out, p, len);
		}
		p += len;
		if (*p == '/' && p[strspn(p, "/")] == '\0')
			break;		/* keep a slash at the end */
	}
	if (out.len == 0 || (path[0] != '\0' && path[strlen(path) - 1] == '/'))
		imgp_buf_add(&out, "/", 1);
	return imgp_buf_steal(&out);
}

static void
add_path(const struct imgp_sigv4 *r, struct imgp_buf *out)
{
	char *path = r->flags & IMGP_SIGV4_NORMALIZE ? normalize(r->path) :
	    imgp_strdup(r->path);

	if (r->flags & IMGP_SIGV4_ENCODE)
		encode(out, path, strlen(path), 1);
	else
		imgp_buf_puts(out, path);
	free(path);
}

static int
by_name_value(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int d = strcmp(x->name, y->name);

	return d != 0 ? d : strcmp(x->value, y->value);
}

static int
by_name_nth(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int d = strcmp(x->name, y->name);

	return d != 0 ? d : x->nth < y->nth ? -1 : x->nth > y->nth;
}

static void
free_pairs(struct pair *p, size_t n)
{
	while (n-- > 0) {
		free(p[n].name);
		free(p[n].value);
	}
	free(p);
}

static void
add_query(const char *query, struct imgp_buf *out)
{
	struct pair *p = NULL;
	const char *q = query == NULL ? "" : query;
	size_t n = 0, i, len, eq;

	while (*q != '\0') {
		len = strcspn(q, "&");
		if (len > 0) {
			eq = 0;
			while (eq < len && q[eq] != '=')
				eq++;
			p = imgp_realloc(p, n + 1, sizeof *p);
			p[n].nth = n;
			p[n].name = recode(q, eq);
			p[n++].value = eq < len ?
			    recode(q + eq + 1, len - eq - 1) : imgp_strdup("");
		}
		q += len + (q[len] == '&');
	}
	if (n > 1)
		qsort(p, n, sizeof *p, by_name_value);
	for (i = 0; i < n; i++)
		imgp_buf_printf(out, "%s%s=%s", i == 0 ? "" : "&", p[i].name,
		    p[i].value);
	free_pairs(p, n);
}

/* Copy ${s} to ${out} without white space at its ends, and with one blank for
 * each run inside.  The byte past the NUL. */
static char *
put_trimmed(char *out, const char *s)
{
	char *start = out;
	int blank = 0;

	for (; *s != '\0'; s++) {
		if (isspace((unsigned char)*s)) {
			blank = out != start;
			continue;
		}
		if (blank)
			*out++ = ' ';
		blank = 0;
		*out++ = *s;
	}
	*out++ = '\0';
	return out;
}

/* The headers as they are signed, with their texts in one piece of memory. */
static struct pair *
sorted_headers(const struct imgp_sigv4 *r)
{
	size_t n = r->nheaders, size = n * sizeof(struct pair), i;
	const char *s;
	struct pair *p;
	char *out;

	for (i = 0; i < n; i++)
		size += strlen(r->headers[i].name) +
		    strlen(r->headers[i].value) + 2;
	p = imgp_alloc(size);
	out = (char *)(p + n);
	for (i = 0; i < n; i++) {
		p[i].nth = i;
		p[i].name = out;
		for (s = r->headers[i].name; *s != '\0'; s++)
			*out++ = (char)tolower((unsigned char)*s);
		*out++ = '\0';
		p[i].value = out;
		out = put_trimmed(out, r->headers[i].value);
	}
	if (n > 1)
		qsort(p, n, sizeof *p, by_name_nth);
	return p;
}

/* The names of the sorted headers, as SignedHeaders has them. */
static void
add_names(const struct pair *p, size_t n, struct imgp_buf *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (i == 0 || strcmp(p[i].name, p[i - 1].name) != 0) {
			if (i > 0)
				imgp_buf_add(out, ";", 1);
			imgp_buf_puts(out, p[i].name);
		}
}

static void
add_headers(const struct pair *p, size_t n, struct imgp_buf *out)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (i > 0 && strcmp(p[i].name, p[i - 1].name) == 0)
			imgp_buf_add(out, ",", 1);
		else {
			if (i > 0)
				imgp_buf_add(out, "\n", 1);
			imgp_buf_puts(out, p[i].name);
			imgp_buf_add(out, ":", 1);
		}
		imgp_buf_puts(out, p[i].value);
	}
	imgp_buf_add(out, "\n", 1);
}

static void
add_canonical(const struct imgp_sigv4 *r, const struct pair *headers,
    const char *names, struct imgp_buf *out)
{
	imgp_buf_puts(out, r->method);
	imgp_buf_add(out, "\n", 1);
	add_path(r, out);
	imgp_buf_add(out, "\n", 1);
	add_query(r->query, out);
	imgp_buf_add(out, "\n", 1);
	add_headers(headers, r->nheaders, out);
	imgp_buf_add(out, "\n", 1);
	imgp_buf_puts(out, names);
	imgp_buf_add(out, "\n", 1);
	imgp_buf_puts(out, r->payload);
}

void
imgp_sigv4_canonical(const struct imgp_sigv4 *r, struct imgp_buf *out)
{
	struct pair *headers = sorted_headers(r);
	struct imgp_buf names = IMGP_BUF_INIT;

	add_names(headers, r->nheaders, &names);
	add_canonical(r, headers, names.s, out);
	imgp_buf_release(&names);
	free(headers);
}

/* --- signing ------------------------------------------------------------------ */

static void
put_digits(char *out, int value, int n)
{
	while (n-- > 0) {
		out[n] = (char)('0' + value % 10);
		value /= 10;
	}
}

void
imgp_sigv4_date(time_t now, char date[17])
{
	struct tm tm;

	gmtime_r(&now, &tm);
	put_digits(date, tm.tm_year + 1900, 4);
	put_digits(date + 4, tm.tm_mon + 1, 2);
	put_digits(date + 6, tm.tm_mday, 2);
	date[8] = 'T';
	put_digits(date + 9, tm.tm_hour, 2);
	put_digits(date + 11, tm.tm_min, 2);
	put_digits(date + 13, tm.tm_sec, 2);
	date[15] = 'Z';
	date[16] = '\0';
}

static void
add_scope(const struct imgp_sigv4 *r, struct imgp_buf *out)
{
	char date[17];

	imgp_sigv4_date(r->now, date);
	imgp_buf_add(out, date, 8);
	imgp_buf_puts(out, "/");
	imgp_buf_puts(out, r->region);
	imgp_buf_puts(out, "/");
	imgp_buf_puts(out, r->service);
	imgp_buf_puts(out, "/aws4_request");
}

void
imgp_sigv4_to_sign(const struct imgp_sigv4 *r, const char *canonical,
    struct imgp_buf *out)
{
	char date[17], sum[IMGP_SHA256_HEX];

	imgp_sigv4_date(r->now, date);
	imgp_sha256_hex(canonical, strlen(canonical), sum);
	imgp_buf_puts(out, ALGORITHM "\n");
	imgp_buf_puts(out, date);
	imgp_buf_puts(out, "\n");
	add_scope(r, out);
	imgp_buf_puts(out, "\n");
	imgp_buf_puts(out, sum);
}

/*
 * The signing key of a day, a region and a service, kept for the next request:
 * one in each thread, of fixed size, so that nothing leaks when the thread ends.
 */
static void
signing_key(const struct imgp_sigv4 *r, struct imgp_sha256 *h,
    unsigned char k[IMGP_SHA256_LEN])
{
	static _Thread_local struct {
		char		of[256];	/* secret, day, region, service */
		unsigned char	key[IMGP_SHA256_LEN];
	} kept;
	char date[17], *secret, of[sizeof kept.of];
	int n;

	imgp_sigv4_date(r->now, date);
	date[8] = '\0';
	n = snprintf(of, sizeof of, "%s/%s/%s/%s", r->secret_key, date,
	    r->region, r->service);
	if (n > 0 && (size_t)n < sizeof of && strcmp(of, kept.of) == 0) {
		memcpy(k, kept.key, sizeof kept.key);
		OPENSSL_cleanse(of, sizeof of);
		return;
	}
	secret = imgp_asprintf("AWS4%s", r->secret_key);
	imgp_sha256_hmac(h, secret, strlen(secret), date, k);
	imgp_sha256_hmac(h, k, IMGP_SHA256_LEN, r->region, k);
	imgp_sha256_hmac(h, k, IMGP_SHA256_LEN, r->service, k);
	imgp_sha256_hmac(h, k, IMGP_SHA256_LEN, "aws4_request", k);
	if (n > 0 && (size_t)n < sizeof of) {
		memcpy(kept.of, of, sizeof of);
		memcpy(kept.key, k, sizeof kept.key);
	}
	OPENSSL_cleanse(of, sizeof of);
	OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
}

/* The signature, and the names of the headers that it covers. */
static void
sign(const struct imgp_sigv4 *r, struct imgp_buf *names,
    char signature[IMGP_SHA256_HEX])
{
	struct imgp_buf canonical = IMGP_BUF_INIT, text = IMGP_BUF_INIT;
	struct imgp_sha256 *h = imgp_sha256_new();
	struct pair *headers = sorted_headers(r);
	unsigned char k[IMGP_SHA256_LEN];

	imgp_buf_clear(names);
	add_names(headers, r->nheaders, names);
	add_canonical(r, headers, names->s, &canonical);
	imgp_sigv4_to_sign(r, canonical.s, &text);
	signing_key(r, h, k);
	imgp_sha256_hmac(h, k, sizeof k, text.s, k);
	imgp_hex(k, sizeof k, signature);
	OPENSSL_cleanse(k, sizeof k);
	imgp_sha256_free(h);
	free(headers);
	imgp_buf_release(&canonical);
	imgp_buf_release(&text);
}

void
imgp_sigv4_authorize(const struct imgp_sigv4 *r, struct imgp_buf *out)
{
	struct imgp_buf names = IMGP_BUF_INIT;
	char signature[IMGP_SHA256_HEX];

	sign(r, &names, signature);
	imgp_buf_puts(out, ALGORITHM " Credential=");
	imgp_buf_puts(out, r->access_key);
	imgp_buf_puts(out, "/");
	add_scope(r, out);
	imgp_buf_puts(out, ", SignedHeaders=");
	imgp_buf_puts(out, names.s);
	imgp_buf_puts(out, ", Signature=");
	imgp_buf_puts(out, signature);
	imgp_buf_release(&names);
}

/* Append &NAME=VALUE, the value encoded. */
static void
add_parameter(struct imgp_buf *out, const char *name, const char *value)
{
	imgp_buf_printf(out, "%s%s=", out->len == 0 ? "" : "&", name);
	imgp_sigv4_encode(out, value, 0);
}

void
imgp_sigv4_presign(const struct imgp_sigv4 *r, unsigned int seconds,
    struct imgp_buf *out)
{
	struct imgp_buf query = IMGP_BUF_INIT, text = IMGP_BUF_INIT;
	struct imgp_sigv4 copy = *r;
	char date[17], signature[IMGP_SHA256_HEX], expires[16];
	int late = (r->flags & IMGP_SIGV4_TOKEN_LATE) != 0;
	struct pair *headers;

	if (r->query != NULL)
		imgp_buf_puts(&query, r->query);
	add_parameter(&query, "X-Amz-Algorithm", ALGORITHM);
	imgp_buf_printf(&text, "%s/", r->access_key);
	add_scope(r, &text);
	add_parameter(&query, "X-Amz-Credential", text.s);
	imgp_sigv4_date(r->now, date);
	add_parameter(&query, "X-Amz-Date", date);
	if (r->token != NULL && !late)
		add_parameter(&query, "X-Amz-Security-Token", r->token);
	headers = sorted_headers(r);
	imgp_buf_clear(&text);
	add_names(headers, r->nheaders, &text);
	free(headers);
	add_parameter(&query, "X-Amz-SignedHeaders", text.s);
	snprintf(expires, sizeof expires, "%u", seconds);
	add_parameter(&query, "X-Amz-Expires", expires);
	copy.query = query.s;
	sign(&copy, &text, signature);
	if (r->token != NULL && late)
		add_parameter(&query, "X-Amz-Security-Token", r->token);
	add_parameter(&query, "X-Amz-Signature", signature);
	imgp_buf_add(out, query.s, query.len);
	imgp_buf_release(&query);
	imgp_buf_release(&text);
}
