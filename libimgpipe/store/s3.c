#include <sys/random.h>

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/date.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/net/aws.h"
#include "libimgpipe/net/s3xml.h"
#include "libimgpipe/net/wire.h"
#include "libimgpipe/store/s3.h"

/* AWS's "standard" retry mode, with more tries since nobody watches. */
#define TRIES		8
#define BASE_FAULT	50		/* ms */
#define BASE_THROTTLE	1000		/* ms */
#define DELAY_MAX	20000		/* ms */
#define LAST_MS		10000		/* for requests that clear up after a
					 * signal */
#define LOOK_MS		200		/* between looks for a signal */
#define QUOTA		500
#define COST_FAULT	14
#define COST_THROTTLE	5
#define AFTER_MAX	5000		/* ms added to what the server asks for */
#define ASKED_MAX	3600000		/* ms: the most a server may ask for */
#define SKEW_MAX	86400		/* s */

#define HEADERS_MAX	(IMGP_S3_META_MAX + 20)
#define WHAT		384

struct imgp_s3 {
	char	*bucket;
	char	*scheme_host;		/* "https://host:port" */
	char	*host;			/* what stands in Host */
	int	 path_style;
	int	 custom;		/* the endpoint was given */
	int	 trusts_date;		/* TLS, or this machine */
	char	*owner;
	char	*ca_bundle;		/* PEM file, or NULL: the system's */
	int64_t	 patience;		/* ms for one request with repetitions */

	pthread_mutex_t lock;		/* of all below */
	char	*region;
	long	 skew;			/* seconds to add to our clock */
	int	 quota;
};

static atomic_long seen_skew;

/* How an attempt ended: well, for good, or to be repeated. */
enum outcome { DONE, FINAL, FAULT, THROTTLE, AT_ONCE };

/* One attempt: what the wire's callbacks need. */
struct attempt {
	const struct imgp_s3_request *r;
	struct imgp_s3_answer *a;
	struct imgp_err	*e;
	int		 begun;		/* begin() saw the answer's headers */
	int		 refused;	/* begin() or sink() filled in ${e} */
	int		 mistaken;	/* and the request is to be repeated */
	int64_t		 after;		/* ms the server asks for; -1 */
	char		 date[40];	/* of the server, or "" */
	char		 region[40];	/* x-amz-bucket-region */
};

long
imgp_s3_skew(void)
{
	return atomic_load(&seen_skew);
}

const char *
imgp_s3_version(void)
{
	return imgp_wire_version();
}

/* --- the endpoint ------------------------------------------------------------------ */

static int
is_loopback(const char *host)
{
	size_t n = strcspn(host, ":");

	return (n == 9 && strncasecmp(host, "localhost", 9) == 0) ||
	    (strncmp(host, "127.", 4) == 0 &&
	    strspn(host, "0123456789.") == n) ||
	    strncmp(host, "[::1]", 5) == 0;
}

static int
set_endpoint(struct imgp_s3 *s3, const char *endpoint, struct imgp_err *e)
{
	const char *p = strstr(endpoint, "://");
	int https = strncmp(endpoint, "https://", 8) == 0;
	size_t len;

	if (p == NULL || (!https && strncmp(endpoint, "http://", 7) != 0))
		return imgp_fail(e, IMGP_E_CONFIG,
		    "the S3 endpoint is neither https:// nor http://");
	p += 3;
	len = strcspn(p, "/?#@");
	if (len == 0 || (p[len] != '\0' && strcmp(p + len, "/") != 0))
		return imgp_fail(e, IMGP_E_CONFIG,
		    "the S3 endpoint is not a host and a port alone");
	s3->host = imgp_strndup(p, len);
	s3->scheme_host = imgp_strndup(endpoint,
	    (size_t)(p - endpoint) + len);
	if (!https && !is_loopback(s3->host))
		return imgp_fail(e, IMGP_E_CONFIG,
		    "the S3 endpoint must be https:// (http:// only here)");
	/* The Host header has no port where it is the scheme's own. */
	if (https && len > 4 && strcmp(s3->host + len - 4, ":443") == 0)
		s3->host[len - 4] = '\0';
	else if (!https && len > 3 && strcmp(s3->host + len - 3, ":80") == 0)
		s3->host[len - 3] = '\0';
	s3->path_style = s3->custom = 1;
	s3->trusts_date = 1;
	return 0;
}

static int
is_region(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n < 33 && s[n] == '\0';
}

static void
set_aws(struct imgp_s3 *s3)
{
	const char *suffix = strncmp(s3->region, "cn-", 3) == 0 ?
	    "amazonaws.com.cn" : "amazonaws.com";

	free(s3->host);
	free(s3->scheme_host);
	/* A bucket's name with a dot does not match the certificate. */
	s3->path_style = strchr(s3->bucket, '.') != NULL;
	s3->host = s3->path_style ? imgp_asprintf("s3.%s.%s", s3->region,
	    suffix) : imgp_asprintf("%s.s3.%s.%s", s3->bucket, s3->region,
	    suffix);
	s3->scheme_host = imgp_asprintf("https://%s", s3->host);
	s3->trusts_date = 1;
}

struct imgp_s3 *
imgp_s3_new(const char *bucket, struct imgp_err *e)
{
	struct imgp_s3 *s3 = imgp_alloc(sizeof *s3);
	struct imgp_aws_settings aws = { NULL, NULL, NULL };
	long long patience;

	imgp_wire_open();
	pthread_mutex_init(&s3->lock, NULL);
	s3->bucket = imgp_strdup(bucket);
	s3->quota = QUOTA;
	if (imgp_aws_settings(&aws, e) == -1 ||
	    imgp_conf_duration(NULL, "s3_patience", &patience, e) == -1)
		goto fail;
	s3->region = imgp_strdup(aws.region);
	s3->ca_bundle = aws.ca_bundle != NULL ? imgp_strdup(aws.ca_bundle) :
	    NULL;
	s3->patience = patience * 1000;
	if (s3->ca_bundle != NULL && access(s3->ca_bundle, R_OK) == -1) {
		imgp_fail_errno(e, IMGP_E_CONFIG, "AWS_CA_BUNDLE: %s",
		    s3->ca_bundle);
		goto fail;
	}
	if (!is_region(s3->region)) {
		imgp_fail(e, IMGP_E_CONFIG, "not a region: %.40s", s3->region);
		goto fail;
	}
	if (aws.endpoint == NULL)
		set_aws(s3);
	else if (set_endpoint(s3, aws.endpoint, e) == -1)
		goto fail;
	imgp_aws_settings_release(&aws);
	return s3;
fail:
	imgp_aws_settings_release(&aws);
	imgp_s3_free(s3);
	return NULL;
}

void
imgp_s3_free(struct imgp_s3 *s3)
{
	if (s3 == NULL)
		return;
	imgp_wire_close();
	free(s3->bucket);
	free(s3->scheme_host);
	free(s3->host);
	free(s3->owner);
	free(s3->ca_bundle);
	free(s3->region);
	pthread_mutex_destroy(&s3->lock);
	free(s3);
}

const char *
imgp_s3_bucket(const struct imgp_s3 *s3)
{
	return s3->bucket;
}

const char *
imgp_s3_owner(const struct imgp_s3 *s3)
{
	return s3->owner;
}

void
imgp_s3_set_owner(struct imgp_s3 *s3, const char *account)
{
	free(s3->owner);
	s3->owner = account == NULL ? NULL : imgp_strdup(account);
}

/* --- the answer ---------------------------------------------------------------------- */

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

/* Forget the last attempt's answer, but count on. */
static void
clear_answer(struct imgp_s3_answer *a)
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

static void
on_header(void *arg, const char *p, size_t len)
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

/* Let begin() see the answer's headers. */
static int
judge_headers(struct attempt *t)
{
	int rc = t->r->begin == NULL ? 0 : t->r->begin(t->r->arg, t->a, t->e);

	t->refused = rc != 0;
	t->mistaken = rc == IMGP_S3_AGAIN;
	return rc == 0 ? 0 : -1;
}

static int
on_body(void *arg, long status, const char *p, size_t len)
{
	struct attempt *t = arg;

	t->a->status = status;
	if (status / 100 != 2 || t->r->sink == NULL)
		return imgp_buf_add(&t->a->body, p, len);
	if (!t->begun) {
		t->begun = 1;
		if (t->a->total < 0)
			t->a->total = t->a->length;
		if (judge_headers(t) == -1)
			return -1;
	}
	if (t->r->sink(t->r->arg, p, len) == -1) {
		t->refused = 1;
		t->mistaken = errno == EPROTO;
		if (t->mistaken)
			return imgp_fail(t->e, IMGP_E_STORE_IO, "%s: the "
			    "server sent more than was asked for", t->r->key);
		return imgp_fail_errno(t->e, errno == ENOSPC || errno == EDQUOT ||
		    errno == EFBIG ? IMGP_E_STORE_FULL : IMGP_E_STORE_IO,
		    "writing what %s holds", t->r->key);
	}
	return 0;
}

static void
on_sent(void *arg, int64_t bytes)
{
	const struct attempt *t = arg;

	t->r->sent(t->r->arg, bytes);
}

/* --- the request ---------------------------------------------------------------------- */

/* A request's header lines, one after the other in one buffer. */
struct lines {
	struct imgp_buf	 text;
	size_t		 at[HEADERS_MAX + 3];
	char		*line[HEADERS_MAX + 3];	/* set once all are added */
	size_t		 n;
};

static void
add_bare_line(struct lines *l, const char *line)
{
	l->at[l->n++] = l->text.len;
	imgp_buf_add(&l->text, line, strlen(line) + 1);
}

/* Add "Name: value"; a header must not become two (R47). */
static int
add_line(struct lines *l, const char *name, const char *value)
{
	if (strpbrk(value, "\r\n") != NULL)
		return -1;
	l->at[l->n++] = l->text.len;
	imgp_buf_puts(&l->text, name);
	/* By ';' curl sends a header that has no value, and by ':' none. */
	imgp_buf_puts(&l->text, *value == '\0' ? ";" : ": ");
	imgp_buf_add(&l->text, value, strlen(value) + 1);
	return 0;
}

/* Where one attempt goes, as the service is known at that moment. */
struct route {
	char		*region, *host;
	struct imgp_buf	 path, url;	/* the path is part of the URL */
	long		 skew;
};

static void
route_make(struct route *to, struct imgp_s3 *s3,
    const struct imgp_s3_request *r)
{
	imgp_buf_init(&to->path);
	imgp_buf_init(&to->url);
	imgp_buf_puts(&to->path, "/");
	pthread_mutex_lock(&s3->lock);
	to->region = imgp_strdup(s3->region);
	to->skew = s3->skew;
	if (s3->path_style)
		imgp_buf_puts(&to->path, s3->bucket);
	if (s3->path_style && r->key != NULL)
		imgp_buf_puts(&to->path, "/");
	if (r->key != NULL)
		imgp_sigv4_encode(&to->path, r->key, 1);
	to->host = imgp_strdup(s3->host);
	imgp_buf_puts(&to->url, s3->scheme_host);
	pthread_mutex_unlock(&s3->lock);
	imgp_buf_puts(&to->url, to->path.s);
	if (r->query != NULL) {
		imgp_buf_puts(&to->url, "?");
		imgp_buf_puts(&to->url, r->query);
	}
}

static void
route_release(struct route *to)
{
	free(to->region);
	free(to->host);
	imgp_buf_release(&to->path);
	imgp_buf_release(&to->url);
}

/* The headers of ${r}, signed, as the wire wants them. */
static int
make_headers(const struct imgp_s3 *s3, const struct imgp_s3_request *r,
    const struct imgp_aws_key *key, const struct route *to,
    struct lines *list, struct imgp_err *e)
{
	struct imgp_header h[HEADERS_MAX];
	struct imgp_buf auth = IMGP_BUF_INIT;
	struct imgp_sigv4 sig = { .service = "s3" };
	const char *payload = r->payload == NULL ? IMGP_SHA256_EMPTY :
	    r->payload;
	char date[17];
	size_t n = 0, i;
	int rc = 0;

	sig.now = time(NULL) + to->skew;
	imgp_sigv4_date(sig.now, date);
	h[n++] = (struct imgp_header){ "Host", to->host };
	h[n++] = (struct imgp_header){ "x-amz-content-sha256", payload };
	h[n++] = (struct imgp_header){ "x-amz-date", date };
	if (key->token != NULL)
		h[n++] = (struct imgp_header){ "x-amz-security-token",
		    key->token };
	if (s3->owner != NULL)
		h[n++] = (struct imgp_header){ "x-amz-expected-bucket-owner",
		    s3->owner };
	for (i = 0; i < r->nheaders && n < HEADERS_MAX; i++)
		h[n++] = r->headers[i];
	if (key->access != NULL) {
		sig.access_key = key->access;
		sig.secret_key = key->secret;
		sig.token = key->token;
		sig.region = to->region;
		sig.method = r->method;
		sig.path = to->path.s;
		sig.query = r->query;
		sig.headers = h;
		sig.nheaders = n;
		sig.payload = payload;
		imgp_sigv4_authorize(&sig, &auth);
		rc = add_line(list, "Authorization", auth.s);
	}
	for (i = 0; rc == 0 && i < n; i++)
		rc = add_line(list, h[i].name, h[i].value);
	imgp_buf_release(&auth);
	if (rc == -1)
		return imgp_fail(e, IMGP_E_PLACE_INVALID,
		    "%s: a header would hold a line break", r->key);
	/* Keep curl from adding these. */
	add_bare_line(list, "Accept:");
	add_bare_line(list, "Expect:");
	for (i = 0; i < list->n; i++)
		list->line[i] = list->text.s + list->at[i];
	return 0;
}

/* --- judging an answer --------------------------------------------------------------- */

static int
is_one_of(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(s, *list) == 0)
			return 1;
	return 0;
}

/* Glacier's two words for an object that must be restored first. */
static const char *const archived[] = { "InvalidObjectState",
    "ObjectNotInActiveTierError", NULL };

/* "GET s3://bucket/key", as messages begin. */
static void
describe(const struct imgp_s3 *s3, const struct imgp_s3_request *r,
    char what[WHAT])
{
	snprintf(what, WHAT, "%s s3://%.64s/%.256s", r->method, s3->bucket,
	    r->key == NULL ? "" : r->key);
}

/* Nonzero when the error ${a}, an answer to ${r}, is about the source of a copy. */
static int
is_about_source(const struct imgp_s3_request *r, const struct imgp_s3_answer *a)
{
	return r->source != NULL && (is_one_of(a->code, archived) ||
	    (a->status == 404 && strcmp(a->code, "NoSuchBucket") != 0 &&
	    strcmp(a->code, "NoSuchUpload") != 0));
}

/* No answer came. */
static enum outcome
judge_transport(const struct imgp_s3 *s3, const struct attempt *t,
    enum imgp_wire_end how, const char *why, const char *host,
    struct imgp_err *e)
{
	char what[WHAT];

	describe(s3, t->r, what);
	switch (how) {
	case IMGP_WIRE_UNTRUSTED:
		imgp_fail(e, IMGP_E_STORE_DENIED, "%s: %.80s: %s", what, host,
		    why);
		return FINAL;
	case IMGP_WIRE_UNREADABLE:
		imgp_fail(e, IMGP_E_STORE_IO, "reading %s: %s", t->r->key,
		    why);
		return FINAL;
	case IMGP_WIRE_REFUSED:
		imgp_fail(e, IMGP_E_STORE_IO,
		    "%s: the answer is longer than it may be", what);
		return FAULT;
	default:
		imgp_fail(e, IMGP_E_STORE_UNAVAILABLE, "%s: %.80s: %s", what,
		    host, why);
		return FAULT;
	}
}

/* The credentials are no longer good. */
static const char *const expired[] = { "ExpiredToken", "ExpiredTokenException",
    "TokenRefreshRequired", NULL };

/* The service asks for fewer requests. */
static const char *const throttled[] = { "SlowDown", "Throttling",
    "ThrottlingException", "RequestLimitExceeded", "TooManyRequests",
    "BandwidthLimitExceeded", "RequestThrottled", "ReduceRequestRate", NULL };
/* A failure of the service itself, which passes. */
static const char *const troubled[] = { "InternalError", "RequestTimeout",
    "ServiceUnavailable", "OperationAborted", "ConditionalRequestConflict",
    NULL };

static const char *
code_of(const struct imgp_s3_answer *a)
{
	static const char *const full[] = { "QuotaExceeded",
	    "InsufficientCapacity", NULL };
	static const char *const broken[] = { "BadDigest",
	    "XAmzContentSHA256Mismatch", "InvalidDigest",
	    "XAmzContentChecksumMismatch", "IncompleteBody", NULL };

	if (is_one_of(a->code, full) || a->status == 507)
		return IMGP_E_STORE_FULL;
	if (is_one_of(a->code, broken))
		return IMGP_E_STORE_INTEGRITY;
	if (is_one_of(a->code, expired))
		return IMGP_E_STORE_CREDENTIALS;
	if (is_one_of(a->code, archived))
		return IMGP_E_STORE_ARCHIVED;
	if (strcmp(a->code, "NoSuchBucket") == 0)
		return IMGP_E_PLACE_MISSING;
	if (a->status == 501 || a->status == 405)
		return IMGP_E_STORE_UNSUPPORTED;
	if (is_one_of(a->code, throttled) || is_one_of(a->code, troubled) ||
	    a->status == 429 || a->status >= 500)
		return IMGP_E_STORE_UNAVAILABLE;
	switch (a->status) {
	case 401:
	case 403:
		return IMGP_E_STORE_DENIED;
	case 404:
		return IMGP_E_STORE_NOT_FOUND;
	case 412:
		return IMGP_E_STORE_EXISTS;
	case 301:
	case 307:
	case 308:
		return IMGP_E_CONFIG;
	default:
		return a->status == 400 && strcmp(a->code,
		    "AuthorizationHeaderMalformed") == 0 ? IMGP_E_CONFIG :
		    IMGP_E_STORE_IO;
	}
}

/* Take over the region that the server names.  1: it is another one. */
static int
take_region(struct imgp_s3 *s3, const struct attempt *t)
{
	const char *named = t->region;
	struct imgp_s3xml x;
	int rc = 0;

	if (imgp_s3xml_parse(t->a->body.s, t->a->body.len, &x, NULL) == 0 &&
	    *named == '\0' && x.region != NULL)
		named = x.region;
	pthread_mutex_lock(&s3->lock);
	if (is_region(named) && strcmp(named, s3->region) != 0) {
		free(s3->region);
		s3->region = imgp_strdup(named);
		if (!s3->custom)
			set_aws(s3);	/* still below amazonaws.com */
		rc = 1;
	}
	pthread_mutex_unlock(&s3->lock);
	imgp_s3xml_release(&x);
	return rc;
}

static int
take_date(struct imgp_s3 *s3, const struct attempt *t)
{
	int64_t date = imgp_date_http(t->date);
	long skew;
	int rc = 0;

	if (date <= 0 || !s3->trusts_date)
		return 0;
	skew = (long)(date - time(NULL));
	pthread_mutex_lock(&s3->lock);
	if (labs(skew) <= SKEW_MAX && labs(skew - s3->skew) > 60) {
		s3->skew = skew;
		atomic_store(&seen_skew, skew);
		rc = 1;
	}
	pthread_mutex_unlock(&s3->lock);
	return rc;
}

/* The server answered with another status than 2xx, or with an <Error>. */
static enum outcome
judge_error(struct imgp_s3 *s3, const struct attempt *t,
    const struct imgp_aws_key *key, unsigned int *spent, struct imgp_err *e)
{
	static const char *const torn[] = { "BadDigest", "IncompleteBody",
	    "XAmzContentSHA256Mismatch", NULL };
	enum { REGION = 1, CLOCK = 2, TOKEN = 4 };
	struct imgp_s3_answer *a = t->a;
	struct imgp_aws_key fresh = { NULL, NULL, NULL };
	struct imgp_s3xml x;
	char message[200] = "", what[WHAT];

	describe(s3, t->r, what);
	if (imgp_s3xml_parse(a->body.s, a->body.len, &x, NULL) == 0 &&
	    x.kind == IMGP_S3XML_ERROR) {
		snprintf(a->code, sizeof a->code, "%s", x.code);
		if (x.message != NULL)
			snprintf(message, sizeof message, "%s", x.message);
	}
	imgp_s3xml_release(&x);
	if (t->r->source != NULL)
		snprintf(what, WHAT, is_about_source(t->r, a) ? "copying %.320s" :
		    "copying %.150s to s3://%.64s/%.150s", t->r->source,
		    s3->bucket, t->r->key);
	imgp_fail(e, code_of(a), "%s: status %ld%s%s%s%s", what, a->status,
	    a->code[0] == '\0' ? "" : " ", a->code,
	    message[0] == '\0' ? "" : ": ", message);
	if ((a->status == 301 || a->status == 307 || a->status == 400) &&
	    !(*spent & REGION) && take_region(s3, t)) {
		*spent |= REGION;
		return AT_ONCE;
	}
	if (strcmp(a->code, "RequestTimeTooSkewed") == 0 &&
	    !(*spent & CLOCK) && take_date(s3, t)) {
		*spent |= CLOCK;
		return AT_ONCE;
	}
	if (is_one_of(a->code, expired) && !(*spent & TOKEN)) {
		*spent |= TOKEN;
		if (imgp_aws_key(&fresh, key->access, NULL) == 0) {
			imgp_aws_key_release(&fresh);
			return AT_ONCE;
		}
	}
	if (a->status == 429 || is_one_of(a->code, throttled) ||
	    (a->status == 503 && a->code[0] == '\0'))
		return THROTTLE;
	if (a->status / 100 == 2 || a->status == 500 || a->status == 502 ||
	    a->status == 503 || a->status == 504 || is_one_of(a->code, troubled) ||
	    (is_one_of(a->code, torn) && !(t->r->flags & IMGP_S3_WRONG_SUM)))
		return FAULT;
	return FINAL;
}

/* Nonzero: the body of a 200 is a whole result, and not an <Error> (R24). */
static int
is_result(const struct imgp_s3_answer *a)
{
	struct imgp_s3xml x;
	int good;

	good = imgp_s3xml_parse(a->body.s, a->body.len, &x, NULL) == 0 &&
	    x.kind != IMGP_S3XML_ERROR && x.kind != IMGP_S3XML_OTHER;
	imgp_s3xml_release(&x);
	return good;
}

/* --- one attempt, and the next --------------------------------------------------------- */

static enum outcome
try_once(struct imgp_s3 *s3, const struct imgp_s3_request *r,
    struct imgp_s3_answer *a, int64_t *after, unsigned int *spent,
    struct imgp_err *e)
{
	struct attempt t = { .r = r, .a = a, .e = e, .after = -1 };
	struct route to;
	struct lines list = { .text = IMGP_BUF_INIT };
	struct imgp_wire_request w = { .method = r->method, .fd = -1 };
	struct imgp_wire_result result;
	enum imgp_wire_end how;
	struct imgp_aws_key key = { NULL, NULL, NULL };
	enum outcome outcome = FINAL;

	clear_answer(a);
	if (imgp_aws_key(&key, NULL, e) == -1)
		return FINAL;
	route_make(&to, s3, r);
	if (make_headers(s3, r, &key, &to, &list, e) == -1)
		goto out;
	w.url = to.url.s;
	w.ca_bundle = s3->ca_bundle;
	w.headers = list.line;
	w.nheaders = list.n;
	w.last = (r->flags & IMGP_S3_LAST) != 0;
	if (r->payload != NULL) {
		w.data = r->data;
		w.fd = r->fd;
		w.offset = r->offset;
		w.len = r->len;
	}
	w.header = on_header;
	w.body = on_body;
	w.sent = r->sent == NULL ? NULL : on_sent;
	w.arg = &t;
	how = imgp_wire_do(&w, &result);
	a->status = result.status;
	if (a->total < 0)
		a->total = a->length;
	*after = t.after;
	if (t.refused) {
		if (t.mistaken)
			outcome = FAULT;
		goto out;
	}
	if (how != IMGP_WIRE_ANSWERED) {
		outcome = judge_transport(s3, &t, how, result.why, to.host, e);
		goto out;
	}
	if (a->status / 100 != 2 || ((r->flags & IMGP_S3_MAY_BE_ERROR) &&
	    !is_result(a))) {
		outcome = judge_error(s3, &t, &key, spent, e);
		goto out;
	}
	/* An empty body: begin() was not called by on_body(). */
	if (r->sink != NULL && !t.begun && judge_headers(&t) == -1)
		outcome = t.mistaken ? FAULT : FINAL;
	else
		outcome = DONE;
out:
	imgp_buf_release(&list.text);
	imgp_aws_key_release(&key);
	route_release(&to);
	return outcome;
}

/* A number from 0 to ${max}. */
static int64_t
jitter(int64_t max)
{
	uint32_t r = 0;

	while (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
		;
	return (int64_t)((double)r / 4294967296.0 * (double)max);
}

/* Take ${cost} from the quota that all requests share; -1: it is used up. */
static int
take_quota(struct imgp_s3 *s3, int cost)
{
	int rc = -1;

	pthread_mutex_lock(&s3->lock);
	if (s3->quota >= cost) {
		s3->quota -= cost;
		rc = 0;
	}
	pthread_mutex_unlock(&s3->lock);
	return rc;
}

static void
give_quota(struct imgp_s3 *s3, int cost)
{
	pthread_mutex_lock(&s3->lock);
	s3->quota = s3->quota + cost > QUOTA ? QUOTA : s3->quota + cost;
	pthread_mutex_unlock(&s3->lock);
}

/* Wait before repetition ${n} (from 0); -1: do not repeat. */
static int
wait_for(struct imgp_s3 *s3, enum outcome why, int n, int64_t after,
    int64_t deadline, int last, int *cost)
{
	int64_t max = why == THROTTLE ? BASE_THROTTLE : BASE_FAULT, delay, until;
	struct timespec ts = { 0, 0 };
	int i;

	*cost = why == THROTTLE ? COST_THROTTLE : COST_FAULT;
	for (i = 0; i < n && max < DELAY_MAX; i++)
		max *= 2;
	delay = jitter(max < DELAY_MAX ? max : DELAY_MAX);
	/* No less than the server asks for, and not much more. */
	if (after >= 0)
		delay = delay < after ? after : delay > after + AFTER_MAX ?
		    after + AFTER_MAX : delay;
	if (imgp_clock_ms() + delay > deadline || take_quota(s3, *cost) == -1)
		return -1;
	/* A signal interrupts only one thread; the others look for it. */
	until = imgp_clock_ms() + delay;
	while ((delay = until - imgp_clock_ms()) > 0) {
		if (imgp_stop_asked() && !last)
			return -1;
		delay = delay < LOOK_MS ? delay : LOOK_MS;
		ts.tv_nsec = (long)delay * 1000000;
		nanosleep(&ts, NULL);
	}
	return 0;
}

int
imgp_s3_do(struct imgp_s3 *s3, const struct imgp_s3_request *r,
    struct imgp_s3_answer *a, struct imgp_err *e)
{
	struct imgp_err own = { NULL, "" };
	int64_t deadline = imgp_clock_ms() + s3->patience, after = -1;
	unsigned int spent = 0;
	enum outcome outcome;
	int n, cost = 0, last = (r->flags & IMGP_S3_LAST) != 0, hurried = 0;

	imgp_s3_answer_init(a);
	if (e == NULL)
		e = &own;
	for (n = 0;; n++) {
		outcome = try_once(s3, r, a, &after, &spent, e);
		if (imgp_stop_asked()) {
			if (!last)
				break;
			if (deadline > imgp_clock_ms() + LAST_MS && !hurried)
				deadline = imgp_clock_ms() + LAST_MS;
			hurried = 1;
		}
		if (outcome == DONE || outcome == FINAL || n + 1 >= TRIES)
			break;
		if (outcome != AT_ONCE && wait_for(s3, outcome, n, after,
		    deadline, last, &cost) == -1)
			break;
		a->retries++;
		if (r->again != NULL)
			r->again(r->arg);
	}
	if (outcome == DONE)
		give_quota(s3, cost == 0 ? 1 : cost);
	return outcome == DONE ? 0 : -1;
}
