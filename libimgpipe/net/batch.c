#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/net/aws_json.h"
#include "libimgpipe/net/batch.h"

#define SECONDS		30		/* for an answer */
#define PAGES		100		/* of a list: each has 100 jobs */

struct imgp_batch {
	struct imgp_aws_json	*service;
};

struct imgp_batch *
imgp_batch_open(struct imgp_err *e)
{
	struct imgp_batch *b = imgp_alloc(sizeof *b);

	b->service = imgp_aws_json_open("batch", "Batch", NULL, 0, e);
	if (b->service == NULL) {
		free(b);
		return NULL;
	}
	return b;
}

void
imgp_batch_close(struct imgp_batch *b)
{
	if (b == NULL)
		return;
	imgp_aws_json_close(b->service);
	free(b);
}

/* Ask Batch; ${request} is taken over. */
static struct imgp_json *
ask(struct imgp_batch *b, const char *path, struct imgp_json *request,
    struct imgp_err *e)
{
	const struct imgp_aws_call call = { path, NULL, "application/json",
	    SECONDS };
	struct imgp_json *answer = imgp_aws_json_ask(b->service, &call, request,
	    e);

	imgp_json_free(request);
	return answer;
}

static const char *
text(const struct imgp_json *obj, const char *key)
{
	const char *s = imgp_json_str(imgp_json_get(obj, key));

	return s == NULL ? "" : s;
}

static int
number(const struct imgp_json *obj, const char *key, int otherwise)
{
	int64_t n;

	return imgp_json_int(imgp_json_get(obj, key), &n) == -1 || n < 0 ||
	    n > IMGP_BATCH_ELEMENTS ? otherwise : (int)n;
}

int
imgp_batch_submit(struct imgp_batch *b, const struct imgp_batch_job *job,
    char id[64], struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object(), *answer;
	struct imgp_json *command = imgp_json_new_array();
	struct imgp_json *overrides = imgp_json_new_object(), *array;
	size_t i;
	int rc = 0;

	imgp_json_set_str(req, "jobName", job->name);
	imgp_json_set_str(req, "jobQueue", job->queue);
	imgp_json_set_str(req, "jobDefinition", job->definition);
	if (job->size > 1) {
		array = imgp_json_new_object();
		imgp_json_set_int(array, "size", job->size);
		imgp_json_set(req, "arrayProperties", array);
	}
	for (i = 0; job->command[i] != NULL; i++)
		imgp_json_append_str(command, job->command[i]);
	imgp_json_set(overrides, "command", command);
	imgp_json_set(req, "containerOverrides", overrides);
	if ((answer = ask(b, "/v1/submitjob", req, e)) == NULL)
		return -1;
	if ((size_t)snprintf(id, 64, "%s", text(answer, "jobId")) >= 64 ||
	    id[0] == '\0')
		rc = imgp_fail(e, IMGP_E_STORE_UNAVAILABLE,
		    "Batch's answer has no jobId");
	imgp_json_free(answer);
	return rc;
}

static int
has_ended(const struct imgp_json *job)
{
	const char *status = text(job, "status");

	return strcmp(status, "SUCCEEDED") == 0 || strcmp(status, "FAILED") == 0;
}

/* The detail of one job, in the answer ${*answer}, which the caller frees; NULL where
 * Batch does not know it. */
static int
describe(struct imgp_batch *b, const char *id, struct imgp_json **answer,
    const struct imgp_json **job, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object();
	struct imgp_json *ids = imgp_json_new_array();

	imgp_json_append_str(ids, id);
	imgp_json_set(req, "jobs", ids);
	if ((*answer = ask(b, "/v1/describejobs", req, e)) == NULL)
		return -1;
	*job = imgp_json_first(imgp_json_get(*answer, "jobs"));
	return 0;
}

int
imgp_batch_look(struct imgp_batch *b, const char *id,
    struct imgp_batch_state *s, struct imgp_err *e)
{
	const struct imgp_json *job, *array;
	struct imgp_json *answer;

	memset(s, 0, sizeof *s);
	if (describe(b, id, &answer, &job, e) == -1)
		return -1;
	if (job != NULL) {
		array = imgp_json_get(job, "arrayProperties");
		s->known = 1;
		s->ended = has_ended(job);
		s->cancelled = imgp_json_bool(imgp_json_get(job,
		    "isTerminated")) == 1 || imgp_json_bool(imgp_json_get(job,
		    "isCancelled")) == 1;
		s->elements = number(array, "size", 1);
		s->failed = imgp_json_is_object(array) ? number(imgp_json_get(
		    array, "statusSummary"), "FAILED", 0) :
		    strcmp(text(job, "status"), "FAILED") == 0;
	}
	imgp_json_free(answer);
	return 0;
}

/* The first element of an array that failed. */
static int
find_failed(struct imgp_batch *b, const char *id, struct imgp_json **answer,
    const struct imgp_json **job, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object();

	imgp_json_set_str(req, "arrayJobId", id);
	imgp_json_set_str(req, "jobStatus", "FAILED");
	imgp_json_set_int(req, "maxResults", 1);
	if ((*answer = ask(b, "/v1/listjobs", req, e)) == NULL)
		return -1;
	*job = imgp_json_first(imgp_json_get(*answer, "jobSummaryList"));
	return 0;
}

int
imgp_batch_why(struct imgp_batch *b, const char *id, int is_array, int *status,
    char words[256], struct imgp_err *e)
{
	const struct imgp_json *job = NULL, *container;
	struct imgp_json *answer = NULL;
	const char *reason, *more;
	char both[512];

	int rc = is_array ? find_failed(b, id, &answer, &job, e) :
	    describe(b, id, &answer, &job, e);

	if (rc == -1)
		return -1;
	container = imgp_json_get(job, "container");
	reason = text(job, "statusReason");
	more = text(container, "reason");
	*status = number(container, "exitCode", -1);
	snprintf(both, sizeof both, "%s%s%s", reason, reason[0] != '\0' &&
	    more[0] != '\0' ? ": " : "", more);
	imgp_printable(words, 256, both, strlen(both));
	imgp_json_free(answer);
	return 0;
}

int
imgp_batch_terminate(struct imgp_batch *b, const char *id, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object(), *answer;

	imgp_json_set_str(req, "jobId", id);
	imgp_json_set_str(req, "reason", "ended by imgp-engine-batch");
	if ((answer = ask(b, "/v1/terminatejob", req, e)) == NULL)
		return -1;
	imgp_json_free(answer);
	return 0;
}

/* One page of the jobs of that name; the caller frees it. */
static struct imgp_json *
list_page(struct imgp_batch *b, const char *queue, const char *name,
    const char *next, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object();
	struct imgp_json *filters = imgp_json_new_array();
	struct imgp_json *filter = imgp_json_new_object();
	struct imgp_json *values = imgp_json_new_array();

	imgp_json_set_str(req, "jobQueue", queue);
	imgp_json_append_str(values, name);
	imgp_json_set_str(filter, "name", "JOB_NAME");
	imgp_json_set(filter, "values", values);
	imgp_json_append(filters, filter);
	imgp_json_set(req, "filters", filters);
	imgp_json_set_int(req, "maxResults", 100);
	if (next != NULL)
		imgp_json_set_str(req, "nextToken", next);
	return ask(b, "/v1/listjobs", req, e);
}

int
imgp_batch_left(struct imgp_batch *b, const char *queue, const char *name,
    void (*fn)(void *arg, const char *id), void *arg, struct imgp_err *e)
{
	struct imgp_json *page = NULL;
	const struct imgp_json *job;
	char *next = NULL;
	int i = 0;

	do {
		page = list_page(b, queue, name, next, e);
		free(next);
		next = NULL;
		if (page == NULL)
			return -1;
		for (job = imgp_json_first(imgp_json_get(page,
		    "jobSummaryList")); job != NULL; job = imgp_json_next(job))
			if (!has_ended(job) && text(job, "jobId")[0] != '\0')
				fn(arg, text(job, "jobId"));
		if (text(page, "nextToken")[0] != '\0')
			next = imgp_strdup(text(page, "nextToken"));
		imgp_json_free(page);
	} while (next != NULL && ++i < PAGES);
	free(next);
	return 0;
}
