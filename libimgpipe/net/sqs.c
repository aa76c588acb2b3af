#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/net/aws_post.h"
#include "libimgpipe/net/http.h"
#include "libimgpipe/net/sqs.h"

#define TYPE		"application/x-amz-json-1.0"
#define SECONDS		30		/* for an answer, beside the wait */

struct imgp_sqs {
	char			*queue;		/* its URL, as it was given */
	char			*url, *host;	/* where requests go */
	char			*region;
	struct imgp_cred	*cred;
	struct imgp_http	*http;
	struct imgp_json	*answer;	/* of the last batch */
};

/* The region in a queue's URL of AWS, "https://sqs.REGION.amazonaws.com/..."; the
 * caller's to free, NULL where it is another server's. */
static char *
region_of(const char *url, int *in_china)
{
	static const char scheme[] = "https://sqs.";
	const char *s = url + sizeof scheme - 1, *end;
	size_t n;

	*in_china = 0;
	if (strncmp(url, scheme, sizeof scheme - 1) != 0)
		return NULL;
	n = strcspn(s, "./");
	end = s + n;
	*in_china = strncmp(end, ".amazonaws.com.cn/", 18) == 0;
	return n > 0 && (*in_china || strncmp(end, ".amazonaws.com/", 15) == 0) ?
	    imgp_strndup(s, n) : NULL;
}

static int
check_queue(const char *url, struct imgp_err *e)
{
	const char *host = strstr(url, "://");

	if ((strncmp(url, "https://", 8) == 0 ||
	    strncmp(url, "http://", 7) == 0) && host[3] != '/' &&
	    strchr(host + 3, '/') != NULL && strpbrk(url, "?#@ ") == NULL)
		return 0;
	return imgp_fail(e, IMGP_E_CONFIG, "not a queue's URL, which is like "
	    "https://sqs.REGION.amazonaws.com/ACCOUNT/NAME");
}

struct imgp_sqs *
imgp_sqs_open(const char *url, struct imgp_err *e)
{
	struct imgp_sqs *q;
	int in_china, is_aws;

	if (check_queue(url, e) == -1)
		return NULL;
	q = imgp_alloc(sizeof *q);
	q->queue = imgp_strdup(url);
	q->http = imgp_http_new();
	q->region = region_of(url, &in_china);
	is_aws = q->region != NULL;
	if ((q->cred = imgp_cred_new(0, NULL, NULL, e)) == NULL)
		goto fail;
	if (!is_aws)
		q->region = imgp_strdup(imgp_cred_region(q->cred));
	if (imgp_aws_service("sqs", q->region, in_china, &q->url, &q->host,
	    e) == -1)
		goto fail;
	if (!is_aws && strstr(q->host, ".amazonaws.com") != NULL) {
		imgp_fail(e, IMGP_E_CONFIG, "the queue is not AWS's: "
		    "AWS_ENDPOINT_URL_SQS must name its server");
		goto fail;
	}
	return q;
fail:
	imgp_sqs_close(q);
	return NULL;
}

void
imgp_sqs_close(struct imgp_sqs *q)
{
	if (q == NULL)
		return;
	imgp_http_free(q->http);
	imgp_cred_free(q->cred);
	imgp_json_free(q->answer);
	free(q->queue);
	free(q->url);
	free(q->host);
	free(q->region);
	free(q);
}

/* The error's name in an answer, without its namespace. */
static const char *
error_name(const struct imgp_json *answer)
{
	const char *s = imgp_json_str(imgp_json_get(answer, "__type")), *sharp;

	if (s == NULL)
		return "";
	sharp = strchr(s, '#');
	return sharp == NULL ? s : sharp + 1;
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
refused(int status, const char *name, struct imgp_err *e)
{
	static const char *const missing[] = { "NonExistentQueue",
	    "QueueDoesNotExist", NULL };
	static const char *const later[] = { "Throttl", "OverLimit",
	    "ServiceUnavailable", "InternalFailure", "InternalError", NULL };
	static const char *const denied[] = { "AccessDenied", "Signature",
	    "InvalidClientTokenId", "UnrecognizedClient", "ExpiredToken",
	    "InvalidSecurity", "IncompleteSignature", NULL };
	const char *code = IMGP_E_STORE_IO;

	if (has(name, missing))
		code = IMGP_E_PLACE_MISSING;
	else if (status >= 500 || status == 429 || has(name, later))
		code = IMGP_E_STORE_UNAVAILABLE;
	else if (status == 401 || status == 403 || has(name, denied))
		code = IMGP_E_STORE_DENIED;
	return imgp_fail(e, code, "SQS answered with status %d %s", status, name);
}

/* One request, with the credentials of now. */
static int
post(struct imgp_sqs *q, const struct imgp_aws_post *p, int wait,
    struct imgp_http_answer *a, char *id, size_t size, struct imgp_err *e)
{
	const struct imgp_cred_keys *k = imgp_cred_get(q->cred, e);
	char **headers;
	struct imgp_http_request r = { .url = q->url, .body = p->body->s,
	    .body_len = p->body->len,
	    .ca_bundle = imgp_cred_ca_bundle(q->cred),
	    .total_ms = (wait + SECONDS) * 1000L, .max = IMGP_JSON_MAX };
	int rc;

	if (k == NULL)
		return -1;
	if (k->id == NULL)
		return imgp_fail(e, IMGP_E_STORE_CREDENTIALS,
		    "there are no credentials for SQS");
	snprintf(id, size, "%s", k->id);
	headers = imgp_aws_post_sign(p, k);
	r.headers = (const char *const *)headers;
	rc = imgp_http(q->http, &r, a, e);
	imgp_aws_post_release(headers);
	return rc;
}

/* Ask SQS for ${action}: its answer, the caller's to free, or NULL. */
static struct imgp_json *
ask(struct imgp_sqs *q, const char *action, const struct imgp_json *request,
    int wait, struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_buf body = IMGP_BUF_INIT;
	struct imgp_json *j = NULL;
	char target[64], id[256];
	struct imgp_aws_post p = { "sqs", q->region, q->host, TYPE, target,
	    &body };
	int tries, rc = -1;

	snprintf(target, sizeof target, "AmazonSQS.%s", action);
	imgp_json_print(request, &body);
	for (tries = 0; tries < 2; tries++) {
		imgp_json_free(j);
		j = NULL;
		if ((rc = post(q, &p, wait, &a, id, sizeof id, e)) == -1)
			break;
		/* Delete answers with nothing at all. */
		j = a.body.len == 0 ? imgp_json_new_object() :
		    imgp_json_parse(a.body.s, a.body.len, NULL);
		if (a.status == 200 ||
		    strstr(error_name(j), "ExpiredToken") == NULL ||
		    !imgp_cred_expired(q->cred, id))
			break;
	}
	if (rc == 0 && a.status != 200)
		rc = refused(a.status, error_name(j), e);
	else if (rc == 0 && !imgp_json_is_object(j))
		rc = imgp_fail(e, IMGP_E_STORE_UNAVAILABLE,
		    "SQS's answer is not JSON");
	if (rc == -1) {
		imgp_json_free(j);
		j = NULL;
	}
	imgp_http_release(&a);
	imgp_buf_release(&body);
	return j;
}

int
imgp_sqs_receive(struct imgp_sqs *q, int wait, int visible_after,
    struct imgp_json **messages, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object(), *answer;
	const struct imgp_json *list;

	imgp_json_set_str(req, "QueueUrl", q->queue);
	imgp_json_set_int(req, "MaxNumberOfMessages", IMGP_SQS_BATCH);
	imgp_json_set_int(req, "WaitTimeSeconds", wait);
	imgp_json_set_int(req, "VisibilityTimeout", visible_after);
	answer = ask(q, "ReceiveMessage", req, wait, e);
	imgp_json_free(req);
	if (answer == NULL)
		return -1;
	list = imgp_json_get(answer, "Messages");
	*messages = imgp_json_is_array(list) ? imgp_json_copy(list) :
	    imgp_json_new_array();
	imgp_json_free(answer);
	return 0;
}

/* SQS's word for why it did not do entry ${i} of a batch; NULL: it did. */
static const char *
failure_of(const struct imgp_json *answer, size_t i)
{
	const struct imgp_json *f;
	const char *id, *code;
	char own[24];

	snprintf(own, sizeof own, "%zu", i);
	for (f = imgp_json_first(imgp_json_get(answer, "Failed")); f != NULL;
	    f = imgp_json_next(f)) {
		id = imgp_json_str(imgp_json_get(f, "Id"));
		code = imgp_json_str(imgp_json_get(f, "Code"));
		if (id != NULL && strcmp(id, own) == 0)
			return code == NULL ? "a failure" : code;
	}
	return NULL;
}

/* ${seconds} -1: the entries have no time. */
static int
batch(struct imgp_sqs *q, const char *action, const char *const *handles,
    size_t n, int seconds, const char **failed, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object();
	struct imgp_json *list = imgp_json_new_array(), *entry;
	char id[24];
	size_t i;

	for (i = 0; i < n; i++) {
		entry = imgp_json_new_object();
		snprintf(id, sizeof id, "%zu", i);
		imgp_json_set_str(entry, "Id", id);
		imgp_json_set_str(entry, "ReceiptHandle", handles[i]);
		if (seconds >= 0)
			imgp_json_set_int(entry, "VisibilityTimeout", seconds);
		imgp_json_append(list, entry);
	}
	imgp_json_set_str(req, "QueueUrl", q->queue);
	imgp_json_set(req, "Entries", list);
	imgp_json_free(q->answer);
	q->answer = ask(q, action, req, 0, e);
	imgp_json_free(req);
	for (i = 0; q->answer != NULL && i < n; i++)
		failed[i] = failure_of(q->answer, i);
	return q->answer == NULL ? -1 : 0;
}

int
imgp_sqs_delete(struct imgp_sqs *q, const char *const *handles, size_t n,
    const char **failed, struct imgp_err *e)
{
	return batch(q, "DeleteMessageBatch", handles, n, -1, failed, e);
}

int
imgp_sqs_keep(struct imgp_sqs *q, const char *const *handles, size_t n,
    int seconds, const char **failed, struct imgp_err *e)
{
	return batch(q, "ChangeMessageVisibilityBatch", handles, n, seconds,
	    failed, e);
}
