/* PKGS: libcjson */
/*
 * Every code of the dictionary, raised in every stage: a line each of code, owner,
 * retryable, stage, and what came of it: fatal, final, the status asked for.
 */
#include <stdio.h>

#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/job.h"

static void
raise_in(const char *stage, const struct imgp_error *row)
{
	static const char *const owners[] = { "-", "upload", "ours",
	    "service" };
	struct imgp_job *job = imgp_job_new();
	const struct imgp_json *entry;
	struct imgp_err e;

	imgp_fail(&e, row->code, "raised");
	imgp_job_error(job, stage, &e, 0);
	entry = imgp_json_first(imgp_job_get(job, "errors"));
	printf("%s %s %d %s %d %d %d\n", row->code, owners[row->owner],
	    row->retryable, stage,
	    imgp_json_bool(imgp_json_get(entry, "fatal")) == 1,
	    imgp_fault_is_final(entry), imgp_job_exit(job));
	imgp_job_free(job);
}

int
main(void)
{
	static const char *const stages[] = { "lookup", "start", "fetch",
	    "scan", "scans", "stamp", "stage", "extra", "deliver", "finish",
	    "notify", "digest" };
	const struct imgp_error *row;
	size_t i, s;

	for (i = 0; (row = imgp_error_at(i)) != NULL; i++)
		for (s = 0; s < sizeof stages / sizeof *stages; s++)
			if (row->owner != IMGP_OWNER_NONE)
				raise_in(stages[s], row);
	return 0;
}
