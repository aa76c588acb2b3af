/*
 * What an answer means: the code of its error, and whether it is worth asking again.
 * This file must not know how requests are sent, nor how often.
 */
#include <stdio.h>
#include <string.h>

#include "libimgpipe/base/date.h"
#include "libimgpipe/net/s3xml.h"
#include "libimgpipe/store/s3_priv.h"

#define WHAT		384

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
	snprintf(what, WHAT, "%s s3://%.64s/%.256s", r->method, imgp_s3_bucket(s3),
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

enum outcome
imgp_s3_judge_transport(const struct imgp_s3 *s3, const struct attempt *t,
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

/* The region that the server named, in a header or in its error, is another one. */
static int
take_region(struct imgp_s3 *s3, const struct attempt *t)
{
	const char *named = t->region;
	struct imgp_s3xml x;
	int rc;

	if (imgp_s3xml_parse(t->a->body.s, t->a->body.len, &x, NULL) == 0 &&
	    *named == '\0' && x.region != NULL)
		named = x.region;
	rc = imgp_s3_take_region(s3, named);
	imgp_s3xml_release(&x);
	return rc;
}

enum outcome
imgp_s3_judge_error(struct imgp_s3 *s3, const struct attempt *t,
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
		    imgp_s3_bucket(s3), t->r->key);
	imgp_fail(e, code_of(a), "%s: status %ld%s%s%s%s", what, a->status,
	    a->code[0] == '\0' ? "" : " ", a->code,
	    message[0] == '\0' ? "" : ": ", message);
	if ((a->status == 301 || a->status == 307 || a->status == 400) &&
	    !(*spent & REGION) && take_region(s3, t)) {
		*spent |= REGION;
		return AT_ONCE;
	}
	if (strcmp(a->code, "RequestTimeTooSkewed") == 0 &&
	    !(*spent & CLOCK) && imgp_s3_take_date(s3, imgp_date_http(t->date))) {
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

int
imgp_s3_is_result(const struct imgp_s3_answer *a)
{
	struct imgp_s3xml x;
	int good;

	good = imgp_s3xml_parse(a->body.s, a->body.len, &x, NULL) == 0 &&
	    x.kind != IMGP_S3XML_ERROR && x.kind != IMGP_S3XML_OTHER;
	imgp_s3xml_release(&x);
	return good;
}
