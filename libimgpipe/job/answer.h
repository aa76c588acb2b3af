/*
 * What a process that read hostile bytes says of its job, taken with suspicion.
 *
 * It answers by the job line.  One table says which members the process of a
 * stage may add; their values are checked.  All else is our own: an answer that
 * says otherwise is refused whole.
 */
#ifndef IMGPIPE_ANSWER_H
#define IMGPIPE_ANSWER_H

#include <stddef.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

/*
 * Add to ${job} what the answer, ${len} bytes at ${line}, has to add as one of
 * ${stage}.  Its new errors are fatal where it says so, and where they are
 * retryable or not the upload's.  -1: the answer is refused, ${e} has the code
 * ${died}, and ${job} is as it was.
 */
int	imgp_answer_take(struct imgp_job *job, const char *stage,
	    const char *line, size_t len, const char *died,
	    struct imgp_err *e);

#endif
