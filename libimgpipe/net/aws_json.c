#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/net/aws_json.h"
#include "libimgpipe/net/aws_post.h"
#include "libimgpipe/net/http.h"

struct imgp_aws_json {
	char			*name, *title, *region;
	char			*url, *host;	/* where requests go */
	struct imgp_cred	*cred;
	struct imgp_http	*http;
};

struct imgp_aws_json *
imgp_aws_json_open(const char *name, const char *title, const char *region,
    int in_china, struct imgp_err *e)
{
	struct imgp_aws_json *c = imgp_alloc(sizeof *c);

	c->name = imgp_strdup(name);
	c->title = imgp_strdup(title);
	c->http = imgp_http_new();
	if ((c->cred = imgp_cred_new(0, NULL, NULL, e)) == NULL)
		goto fail;
	c->region = imgp_strdup(region == NULL ? imgp_cred_region(c->cred) :
	    region);
	if (imgp_aws_service(name, c->region, in_china, &c->url, &c->host,
	    e) == -1)
		goto fail;
	return c;
fail:
	imgp_aws_json_close(c);
	return NULL;
}

void
imgp_aws_json_close(struct imgp_aws_json *c)
{
	if (c == NULL)
		return;
	imgp_http_free(c->http);
	imgp_cred_free(c->cred);
	free(c->name);
	free(c->title);
	free(c->region);
	free(c->url);
	free(c->host);
	free(c);
}

const char *
imgp_aws_json_host(const struct imgp_aws_json *c)
{
	return c->host;
}

/* The error's name in an answer, without its namespace: of a header's value
 * "Name:http://..." or of the body's "namespace#Name". */
static void
error_name(const struct imgp_http_answer *a, const struct imgp_json *answer,
    char name[128])
{
	const char *s, *sharp;

	if (imgp_http_header(a, "x-amzn-ErrorType", name, 128) != -1) {
		name[strcspn(name, ":")] = '\0';
		return;
	}
	if ((s = imgp_json_str(imgp_json_get(answer, "__type"))) == NULL)
		s = "";
	sharp = strchr(s, '#');
	snprintf(name, 128, "%s", sharp == NULL ? s : sharp + 1);
}

static int
has(const char *name, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strstr(name, *words) != NULL)
			return 1;
	return 0;
}

/* What a refusal means. */
static int
refused(const struct imgp_aws_json *c, int status, const char *name,
    const struct imgp_json *answer, struct imgp_err *e)
{
	static const char *const missing[] = { "NonExistentQueue",
	    "QueueDoesNotExist", NULL };
	static const char *const later[] = { "Throttl", "OverLimit",
	    "TooManyRequests", "ServiceUnavailable", "InternalFailure",
	    "InternalError", NULL };
	static const char *const denied[] = { "AccessDenied", "Signature",
	    "InvalidClientTokenId", "UnrecognizedClient", "ExpiredToken",
	    "InvalidSecurity", "IncompleteSignature", NULL };
	const char *code = IMGP_E_STORE_IO, *words;
	char text[240] = "";

	if (has(name, missing))
		code = IMGP_E_PLACE_MISSING;
	else if (status >= 500 || status == 429 || has(name, later))
		code = IMGP_E_STORE_UNAVAILABLE;
	else if (status == 401 || status == 403 || has(name, denied))
		code = IMGP_E_STORE_DENIED;
	words = imgp_json_str(imgp_json_get(answer, "message"));
	/* Of what is denied the name says enough: the words have ARNs. */
	if (words != NULL && strcmp(code, IMGP_E_STORE_DENIED) != 0)
		imgp_printable(text, sizeof text, words, strlen(words));
	return imgp_fail(e, code, "%s answered with status %d %s%s%s", c->title,
	    status, name, text[0] == '\0' ? "" : ": ", text);
}

/* One request, with the credentials of now, whose key is ${id}. */
static int
post(struct imgp_aws_json *c, const struct imgp_aws_post *p, int seconds,
    struct imgp_http_answer *a, char id[256], struct imgp_err *e)
{
	const struct imgp_cred_keys *k = imgp_cred_get(c->cred, e);
	char *url, **headers;
	struct imgp_http_request r = { .body = p->body->s,
	    .body_len = p->body->len,
	    .ca_bundle = imgp_cred_ca_bundle(c->cred),
	    .total_ms = seconds * 1000L, .max = IMGP_JSON_MAX };
	int rc;

	if (k == NULL)
		return -1;
	if (k->id == NULL)
		return imgp_fail(e, IMGP_E_STORE_CREDENTIALS,
		    "there are no credentials for %s", c->title);
	snprintf(id, 256, "%s", k->id);
	headers = imgp_aws_post_sign(p, k);
	r.headers = (const char *const *)headers;
	r.url = url = imgp_asprintf("%s%s", c->url,
	    p->path == NULL ? "" : p->path + 1);
	rc = imgp_http(c->http, &r, a, e);
	imgp_aws_post_release(headers);
	free(url);
	return rc;
}

struct imgp_json *
imgp_aws_json_ask(struct imgp_aws_json *c, const struct imgp_aws_call *call,
    const struct imgp_json *request, struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_buf body = IMGP_BUF_INIT;
	struct imgp_json *j = NULL;
	char name[128] = "", id[256];
	struct imgp_aws_post p = { c->name, c->region, c->host, call->type,
	    call->target, &body, call->path };
	int tries, rc = -1;

	imgp_json_print(request, &body);
	for (tries = 0; tries < 2; tries++) {
		imgp_json_free(j);
		j = NULL;
		if ((rc = post(c, &p, call->seconds, &a, id, e)) == -1)
			break;
		/* Some requests are answered with nothing at all. */
		j = a.body.len == 0 ? imgp_json_new_object() :
		    imgp_json_parse(a.body.s, a.body.len, NULL);
		error_name(&a, j, name);
		if (a.status == 200 || strstr(name, "ExpiredToken") == NULL ||
		    !imgp_cred_expired(c->cred, id))
			break;
	}
	if (rc == 0 && a.status != 200)
		rc = refused(c, a.status, name, j, e);
	else if (rc == 0 && !imgp_json_is_object(j))
		rc = imgp_fail(e, IMGP_E_STORE_UNAVAILABLE,
		    "%s's answer is not JSON", c->title);
	if (rc == -1) {
		imgp_json_free(j);
		j = NULL;
	}
	imgp_http_release(&a);
	imgp_buf_release(&body);
	return j;
}
