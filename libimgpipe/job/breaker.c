#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/job/breaker.h"
#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/run_id.h"

/* The code of the first entry after ${before} that is not the upload's, or NULL.
 * An archived object is one object's trouble, never the store's. */
static const char *
fault_since(struct imgp_job *job, size_t before)
{
	const struct imgp_json *i;
	const char *code;

	for (i = imgp_json_first(imgp_job_get(job, "errors")); i != NULL;
	    i = imgp_json_next(i)) {
		if (before > 0) {
			before--;
			continue;
		}
		code = imgp_json_str(imgp_json_get(i, "error_code"));
		if (imgp_fault_owner(i) != IMGP_OWNER_UPLOAD &&
		    strcmp(code, IMGP_E_STORE_ARCHIVED) != 0)
			return code;
	}
	return NULL;
}

int
imgp_breaker_note(struct imgp_breaker *b, struct imgp_job *job, size_t before,
    imgp_breaker_ask *ask, void *arg, struct imgp_err *e)
{
	const char *code = fault_since(job, before);

	if (code == NULL) {
		/* What the step passed on untouched says nothing. */
		if (imgp_job_standing(job) == IMGP_GOING_ON ||
		    imgp_json_count(imgp_job_get(job, "errors")) > before)
			memset(b, 0, sizeof *b);
		return 0;
	}
	if (b->in_a_row == 0 || strcmp(b->code, code) != 0) {
		snprintf(b->code, sizeof b->code, "%s", code);
		b->in_a_row = 0;
	}
	if (b->limit == 0)
		b->limit = IMGP_BREAKER_JOBS;
	if (++b->in_a_row < b->limit)
		return 0;
	if (ask(job, code, arg, e) == -1 &&
	    imgp_error_owner(e->code) != IMGP_OWNER_UPLOAD)
		return -1;
	b->in_a_row = 0;
	if (b->limit < 1u << 20)
		b->limit *= 2;
	return 0;
}

void
imgp_breaker_tell_run(struct imgp_job *job)
{
	const char *run = imgp_job_str(job, "run");
	const char *spool = imgp_conf(NULL, "spool");
	char *path;
	int fd;

	if (run == NULL || !imgp_run_id_is(run) || spool == NULL)
		return;
	path = imgp_asprintf("%s/%s/stopped", spool, run);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
	    0600)) != -1)
		close(fd);
	free(path);
}
