#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/net/aws_json.h"
#include "libimgpipe/net/sqs.h"

#define TYPE		"application/x-amz-json-1.0"
#define SECONDS		30		/* for an answer, beside the wait */

struct imgp_sqs {
	char			*queue;		/* its URL, as it was given */
	struct imgp_aws_json	*service;
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
	char *region;
	int in_china;

	if (check_queue(url, e) == -1)
		return NULL;
	q = imgp_alloc(sizeof *q);
	q->queue = imgp_strdup(url);
	region = region_of(url, &in_china);
	q->service = imgp_aws_json_open("sqs", "SQS", region, in_china, e);
	if (q->service != NULL && region == NULL && strstr(imgp_aws_json_host(
	    q->service), ".amazonaws.com") != NULL) {
		imgp_fail(e, IMGP_E_CONFIG, "the queue is not AWS's: "
		    "AWS_ENDPOINT_URL_SQS must name its server");
		imgp_aws_json_close(q->service);
		q->service = NULL;
	}
	free(region);
	if (q->service == NULL) {
		imgp_sqs_close(q);
		return NULL;
	}
	return q;
}

void
imgp_sqs_close(struct imgp_sqs *q)
{
	if (q == NULL)
		return;
	imgp_aws_json_close(q->service);
	imgp_json_free(q->answer);
	free(q->queue);
	free(q);
}

/* Ask SQS for ${action}: its answer, the caller's to free, or NULL. */
static struct imgp_json *
ask(struct imgp_sqs *q, const char *action, const struct imgp_json *request,
    int wait, struct imgp_err *e)
{
	char target[64];
	const struct imgp_aws_call call = { NULL, target, TYPE, wait + SECONDS };

	snprintf(target, sizeof target, "AmazonSQS.%s", action);
	return imgp_aws_json_ask(q->service, &call, request, e);
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
