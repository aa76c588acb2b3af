/*
 * A circuit breaker: it stops a stage that meets the same fault of ours, or of a service,
 * in job after job, so that a wrong secret is not tried on ten thousand uploads.
 *
 * Three jobs in a row with the same code trip it.  Then a callback tests the thing itself
 * (the place, the login, the sandbox) once, without an upload.  If that works, only
 * single objects failed (archived ones, or ones with keys or permissions of their own):
 * the stage goes on, and the callback is called again after twice as many jobs.
 */
#ifndef IMGPIPE_BREAKER_H
#define IMGPIPE_BREAKER_H

#include <stddef.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

#define IMGP_BREAKER_JOBS	3u

struct imgp_breaker {
	char		code[48];	/* the error code of the jobs in a row */
	unsigned int	in_a_row;
	unsigned int	limit;		/* 0: IMGP_BREAKER_JOBS */
};

/*
 * Tests the thing that ${code} is about and that failed for ${job} last.  Returns 0 when
 * it works, or -1 with ${e} when it fails, too; an ${e} whose owner is the upload says
 * nothing about the thing.  It touches no upload and leaves nothing behind.
 */
typedef int imgp_breaker_ask(struct imgp_job *job, const char *code, void *arg,
	    struct imgp_err *e);

/*
 * Note a job after its step; it had ${before} entries of "errors" before.  A fault of the
 * upload counts as success, since it proves that everything else works.  Returns 0; or
 * -1 with ${e} when the breaker tripped and ${ask} failed: take no more jobs.
 */
int	imgp_breaker_note(struct imgp_breaker *b, struct imgp_job *job,
	    size_t before, imgp_breaker_ask *ask, void *arg,
	    struct imgp_err *e);

/*
 * Tell the run of ${job} that jobs are left without having failed, by the file "stopped"
 * in the run's directory in the spool, if there is one.
 */
void	imgp_breaker_tell_run(struct imgp_job *job);

#endif
