#include <string.h>

#include "libimgpipe/job/fault.h"

static int
is_one_of(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, s) == 0)
			return 1;
	return 0;
}

int
imgp_fault_is_fatal(const char *stage, const char *code)
{
	static const char *const after[] = { "finish", "notify", "digest",
	    NULL };
	static const char *const content[] = { "scan", "stamp", "extra", NULL };
	const struct imgp_error *row = imgp_error_find(code);

	if (is_one_of(stage, after))
		return 0;
	return !is_one_of(stage, content) || row == NULL || row->retryable ||
	    row->owner != IMGP_OWNER_UPLOAD;
}

/* A code of a site's own: its class is all that is known of it. */
static enum imgp_owner
owner_of_class(const char *class)
{
	static const char *const ours[] = { "denied", "config", "internal",
	    NULL };

	if (class == NULL)
		return IMGP_OWNER_UPLOAD;
	if (strcmp(class, "temporary") == 0)
		return IMGP_OWNER_SERVICE;
	return is_one_of(class, ours) ? IMGP_OWNER_OURS : IMGP_OWNER_UPLOAD;
}

enum imgp_owner
imgp_fault_owner(const struct imgp_json *entry)
{
	const struct imgp_error *row = imgp_error_find(imgp_json_str(
	    imgp_json_get(entry, "error_code")));

	return row != NULL ? row->owner : owner_of_class(imgp_json_str(
	    imgp_json_get(entry, "class")));
}

static int
is_fatal(const struct imgp_json *entry)
{
	return imgp_json_bool(imgp_json_get(entry, "fatal")) == 1;
}

int
imgp_fault_is_final(const struct imgp_json *entry)
{
	return is_fatal(entry) &&
	    imgp_json_bool(imgp_json_get(entry, "retryable")) != 1 &&
	    imgp_fault_owner(entry) == IMGP_OWNER_UPLOAD;
}

int
imgp_job_is_final(struct imgp_job *job)
{
	const struct imgp_json *i;

	for (i = imgp_json_first(imgp_job_get(job, "errors")); i != NULL;
	    i = imgp_json_next(i))
		if (imgp_fault_is_final(i))
			return 1;
	return 0;
}

static int
skip_exit(const char *skip)
{
	if (strcmp(skip, IMGP_E_SKIP_BUSY) == 0 ||
	    strcmp(skip, IMGP_E_SKIP_AWAITED) == 0 ||
	    strcmp(skip, IMGP_E_SKIP_PAUSED) == 0)
		return IMGP_EX_TEMPFAIL;
	return strcmp(skip, IMGP_E_SKIP_FAILED) == 0 ? IMGP_EX_ERRORS :
	    IMGP_EX_OK;
}

int
imgp_job_exit(struct imgp_job *job)
{
	const char *skip = imgp_job_str(job, "skip"), *stage;
	const struct imgp_json *i;
	int rc = IMGP_EX_OK;

	if (skip != NULL)
		return skip_exit(skip);
	for (i = imgp_json_first(imgp_job_get(job, "errors")); i != NULL;
	    i = imgp_json_next(i)) {
		stage = imgp_json_str(imgp_json_get(i, "stage"));
		rc = imgp_exit_worse(rc, (stage != NULL &&
		    strcmp(stage, "finish") == 0) || (is_fatal(i) &&
		    imgp_fault_owner(i) != IMGP_OWNER_UPLOAD) ?
		    IMGP_EX_TEMPFAIL : IMGP_EX_ERRORS);
	}
	return rc;
}

void
imgp_job_set_ok(struct imgp_job *job)
{
	int rc = imgp_job_exit(job);
	int ok = rc == IMGP_EX_OK || (rc == IMGP_EX_ERRORS &&
	    imgp_job_standing(job) == IMGP_GOING_ON);

	if (imgp_json_bool(imgp_job_get(job, "ok")) != ok)
		imgp_job_set_bool(job, "ok", ok);
}
