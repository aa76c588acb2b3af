/*
 * The step of imgp-extra for one job: a site's own program works on the stamped upload
 * before it leaves the spool (M35).
 *
 * The program reads the job line and writes one, whose additions are checked like the
 * answer of a process that read an upload (job/answer.h).  The work copy is hashed again
 * afterwards; if its bytes have changed, its images are counted again, and its provenance
 * notes the change.
 */
#ifndef IMGPIPE_EXTRA_JOB_H
#define IMGPIPE_EXTRA_JOB_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

struct imgp_extra {
	const char	*with;		/* --with, for all pipelines; NULL: the
					 * setting extra_command */
	char		*tools;		/* the directory of imgp-dcmscan */
};

/* Check that the programs of all pipelines can be started: 0, or -1 with IMGP-CONFIG. */
int	imgp_extra_check(const struct imgp_extra *x, struct imgp_err *e);

/* Do the step, in any thread.  Returns 0, or -1 with a code IMGP-EXTRA-…. */
int	imgp_extra_job(const struct imgp_extra *x, struct imgp_job *job,
	    struct imgp_err *e);
/* Nonzero when the job's pipeline has extra = required; an imgp_filter_ops.required. */
int	imgp_extra_required(struct imgp_job *job, void *unused);

#endif
