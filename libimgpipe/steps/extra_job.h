/*
 * The step of imgp-extra for one job: a site's own program works on the stamped
 * upload before it leaves the spool (M35).
 *
 * The program reads the job line and writes one; what it adds is judged as the
 * answer of a process that read an upload is (job/answer.h).  What it did to the
 * work copy is not believed: the file is summed again, and where its bytes are
 * others its images are counted again, and its provenance says so.
 */
#ifndef IMGPIPE_EXTRA_JOB_H
#define IMGPIPE_EXTRA_JOB_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

struct imgp_extra {
	const char	*with;		/* --with: for all pipelines; NULL: the
					 * setting extra_command */
	char		*tools;		/* the directory of imgp-dcmscan */
};

/* The programs of all pipelines can be started: 0, or -1 with IMGP-CONFIG. */
int	imgp_extra_check(const struct imgp_extra *x, struct imgp_err *e);

/* In any thread: 0, or -1 and ${e}, which is one of IMGP-EXTRA-…. */
int	imgp_extra_job(const struct imgp_extra *x, struct imgp_job *job,
	    struct imgp_err *e);
/* extra = required, of the job's pipeline; an imgp_filter_ops.required. */
int	imgp_extra_required(struct imgp_job *job, void *unused);

#endif
