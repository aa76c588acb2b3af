/*
 * Stopping a stage that meets the same fault of ours, or of a service, in job
 * after job: a wrong secret is not tried on ten thousand uploads.
 *
 * Three jobs in a row with the same code trip it.  Then the thing itself is
 * asked once, without an upload: the place, the login, the sandbox.  If it works,
 * what failed were single objects (archived, a key or a right of their own), and
 * the stage goes on; it asks again after twice as many.
 */
#ifndef IMGPIPE_BREAKER_H
#define IMGPIPE_BREAKER_H

#include <stddef.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

#define IMGP_BREAKER_JOBS	3u

struct imgp_breaker {
	char		code[48];	/* of the jobs in a row */
	unsigned int	in_a_row;
	unsigned int	limit;		/* 0: IMGP_BREAKER_JOBS */
};

/*
 * Asks the thing that ${code} is about, which failed for ${job} last: 0 when it
 * works, -1 and ${e} when it fails, too; a code of the upload's own faults says
 * nothing about the thing.  It touches no upload and writes nothing that stays.
 */
typedef int imgp_breaker_ask(struct imgp_job *job, const char *code, void *arg,
	    struct imgp_err *e);

/*
 * Note a job as its step left it, with ${before} entries of "errors" when it
 * came.  A fault of the upload proves that all else works, as success does.
 * 0, or -1 and ${e} when the breaker tripped and ${ask} failed: no more jobs
 * are to be taken.
 */
int	imgp_breaker_note(struct imgp_breaker *b, struct imgp_job *job,
	    size_t before, imgp_breaker_ask *ask, void *arg,
	    struct imgp_err *e);

/*
 * Let the run of ${job} know that jobs are left which nobody failed: the file
 * "stopped" in its directory of the spool, where it has one.
 */
void	imgp_breaker_tell_run(struct imgp_job *job);

#endif
