/*
 * Check the answer of a process that worked on hostile bytes.
 *
 * The answer is the job line.  A table lists the members that the process of each stage
 * may add, and their values are checked.  All other members must be unchanged; otherwise
 * the whole answer is refused.
 */
#ifndef IMGPIPE_ANSWER_H
#define IMGPIPE_ANSWER_H

#include <stddef.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

/*
 * Take over into ${job} what the answer of ${stage}, ${len} bytes at ${line}, adds.  Its
 * new errors are fatal if they say so, if they are retryable, or if their owner is not
 * the upload.  Returns 0; or -1 when the answer is refused, with the code ${died} and
 * ${job} unchanged.
 */
int	imgp_answer_take(struct imgp_job *job, const char *stage,
	    const char *line, size_t len, const char *died,
	    struct imgp_err *e);

#endif
