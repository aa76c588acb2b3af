/* Credentials of a role, by AWS's Security Token Service. */
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/date.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/net/cred_priv.h"
#include "libimgpipe/net/s3xml.h"
#include "libimgpipe/net/sigv4.h"

#define TYPE	"application/x-www-form-urlencoded; charset=utf-8"

static char *
endpoint(const struct imgp_cred_net *n)
{
	const char *s = imgp_profiles_endpoint(n->profiles, n->profile, "sts");
	size_t len;
	char *url;

	if (s == NULL)
		return imgp_asprintf("https://sts.%s.amazonaws.com%s/",
		    n->region, strncmp(n->region, "cn-", 3) == 0 ? ".cn" : "");
	len = strlen(s);
	while (len > 0 && s[len - 1] == '/')
		len--;
	url = imgp_asprintf("%.*s/", (int)len, s);
	return url;
}

static void
field(struct imgp_buf *body, const char *name, const char *value)
{
	if (value == NULL)
		return;
	imgp_buf_printf(body, "&%s=", name);
	imgp_sigv4_encode(body, value, 1);
}

static void
form(struct imgp_buf *body, const char *action,
    const struct imgp_cred_role *role, const char *token)
{
	/* A token must not be left behind where the buffer grew. */
	imgp_buf_reserve(body, 2 * IMGP_CRED_MAX + (token == NULL ? 0 :
	    3 * strlen(token)));
	imgp_buf_printf(body, "Action=%s&Version=2011-06-15", action);
	field(body, "RoleArn", role->arn);
	field(body, "RoleSessionName",
	    role->session != NULL ? role->session : "imgpipe");
	field(body, "ExternalId", role->external_id);
	field(body, "DurationSeconds", role->duration);
	field(body, "WebIdentityToken", token);
}

/* A fault of STS: passing, or one that a person must mend. */
static int
fault(struct imgp_err *e, const char *arn, int status,
    const struct imgp_s3xml *x)
{
	static const char *const passing[] = { "Throttling",
	    "ThrottlingException", "RequestLimitExceeded",
	    "IDPCommunicationError", "InternalFailure", "InternalError",
	    "ServiceUnavailable", "SlowDown" };
	int passes = status >= 500 || status == 429;
	size_t i;

	if (x->kind != IMGP_S3XML_ERROR)
		return imgp_fail(e, passes ? IMGP_E_STORE_UNAVAILABLE :
		    IMGP_E_STORE_CREDENTIALS, "role %s: HTTP status %d", arn,
		    status);
	for (i = 0; i < sizeof passing / sizeof *passing; i++)
		if (strcmp(x->code, passing[i]) == 0)
			passes = 1;
	return imgp_fail(e, passes ? IMGP_E_STORE_UNAVAILABLE :
	    IMGP_E_STORE_CREDENTIALS, "role %s: %s%s%s", arn, x->code,
	    x->message == NULL ? "" : ": ",
	    x->message == NULL ? "" : x->message);
}

/* Send the form, with ${headers}, and take the credentials. */
static int
ask(const struct imgp_cred_net *n, const char *url, const char *arn,
    const char *const *headers, const struct imgp_buf *body,
    struct imgp_cred_own *o, struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_http_request r;
	struct imgp_s3xml x;
	struct imgp_err why = { NULL, "" };
	int rc = -1, bad;

	memset(&r, 0, sizeof r);
	memset(&x, 0, sizeof x);
	r.url = url;
	r.headers = headers;
	r.body = body->s;
	r.body_len = body->len;
	r.connect_ms = 5000;
	r.total_ms = 30000;
	r.flags = IMGP_HTTP_PROXY;
	if (imgp_cred_http(n, &r, 3, &a, &why) == -1) {
		imgp_fail(e, why.code, "role %s: %s", arn, why.msg);
		goto out;
	}
	bad = imgp_s3xml_parse(a.body.s, a.body.len, &x, &why);
	if (a.status != 200) {
		fault(e, arn, a.status, &x);
	} else if (bad == -1 || x.kind != IMGP_S3XML_STS) {
		imgp_fail(e, IMGP_E_STORE_UNAVAILABLE, "role %s: %s", arn,
		    bad == -1 ? why.msg : "not an answer of STS");
	} else if (x.expiration != NULL &&
	    (o->expires = imgp_date_iso(x.expiration)) == -1) {
		o->expires = 0;
		imgp_fail(e, IMGP_E_STORE_UNAVAILABLE, "role %s: an end that is no "
		    "time", arn);
	} else {
		o->id = x.access_key;
		o->secret = x.secret_key;
		o->token = x.session_token;
		x.access_key = x.secret_key = x.session_token = NULL;
		rc = 1;
	}
out:
	imgp_s3xml_release(&x);
	imgp_http_release(&a);
	return rc;
}

/* The host of ${url}, with its port where it is not the usual one: as curl
 * names it.  And the path behind it. */
static char *
host_of(const char *url, const char **path)
{
	const char *host = strstr(url, "://");
	const char *colon;
	size_t len, n;

	host = host == NULL ? url : host + 3;
	len = strcspn(host, "/?#");
	*path = host + len;
	n = len;
	for (colon = host + len; colon > host && colon[-1] >= '0' &&
	    colon[-1] <= '9'; colon--)
		;
	if (colon > host && colon[-1] == ':' &&
	    ((strncmp(url, "https://", 8) == 0 &&
	    strncmp(colon, "443", (size_t)(host + len - colon)) == 0) ||
	    (strncmp(url, "http://", 7) == 0 &&
	    strncmp(colon, "80", (size_t)(host + len - colon)) == 0)))
		n = (size_t)(colon - 1 - host);
	return imgp_strndup(host, n);
}

int
imgp_cred_assume(const struct imgp_cred_net *n,
    const struct imgp_cred_role *role, const struct imgp_cred_own *by,
    struct imgp_cred_own *o, struct imgp_err *e)
{
	struct imgp_buf body = IMGP_BUF_INIT, auth = IMGP_BUF_INIT;
	char *url = endpoint(n), *host, *lines[5], date[17];
	char sum[IMGP_SHA256_HEX];
	const char *path, *headers[6];
	struct imgp_header signed_headers[4];
	struct imgp_sigv4 sig;
	size_t i, k = 0;
	int rc;

	host = host_of(url, &path);
	form(&body, "AssumeRole", role, NULL);
	imgp_sha256_hex(body.s, body.len, sum);
	imgp_sigv4_date((time_t)n->now, date);
	memset(&sig, 0, sizeof sig);
	signed_headers[k++] = (struct imgp_header){ "content-type", TYPE };
	signed_headers[k++] = (struct imgp_header){ "host", host };
	signed_headers[k++] = (struct imgp_header){ "x-amz-date", date };
	if (by->token != NULL)
		signed_headers[k++] = (struct imgp_header){
		    "x-amz-security-token", by->token };
	sig.access_key = by->id;
	sig.secret_key = by->secret;
	sig.token = by->token;
	sig.region = n->region;
	sig.service = "sts";
	sig.now = (time_t)n->now;
	sig.flags = IMGP_SIGV4_ENCODE | IMGP_SIGV4_NORMALIZE;
	sig.method = "POST";
	sig.path = path;
	sig.headers = signed_headers;
	sig.nheaders = k;
	sig.payload = sum;
	imgp_sigv4_authorize(&sig, &auth);
	for (i = 0; i < k; i++)
		headers[i] = lines[i] = imgp_asprintf("%s: %s",
		    signed_headers[i].name, signed_headers[i].value);
	headers[i] = lines[i] = imgp_asprintf("Authorization: %s", auth.s);
	headers[i + 1] = NULL;
	rc = ask(n, url, role->arn, headers, &body, o, e);
	for (i = 0; i <= k; i++)
		imgp_cred_wipe(lines[i]);
	imgp_buf_release(&auth);
	imgp_buf_release(&body);
	free(host);
	free(url);
	return rc;
}

int
imgp_cred_web(const struct imgp_cred_net *n,
    const struct imgp_cred_role *role, const char *token_file,
    struct imgp_cred_own *o, struct imgp_err *e)
{
	static const char *const headers[] = { "Content-Type: " TYPE, NULL };
	struct imgp_buf body = IMGP_BUF_INIT;
	char *token, *url;
	int rc;

	if ((token = imgp_cred_file(token_file, e)) == NULL)
		return -1;
	url = endpoint(n);
	form(&body, "AssumeRoleWithWebIdentity", role, token);
	rc = ask(n, url, role->arn, headers, &body, o, e);
	explicit_bzero(body.s, body.size);
	imgp_buf_release(&body);
	imgp_cred_wipe(token);
	free(url);
	return rc;
}
