/*
 * Several jobs at once within the line loop: threads that do the steps, for
 * tools that wait on the network or the disk rather than compute.
 */
#ifndef IMGPIPE_POOL_H
#define IMGPIPE_POOL_H

#include <stdint.h>

#include "libimgpipe/job/filter.h"

struct imgp_pool;

/* Does the tool's one thing to ${job}, in any thread: 0, or -1 and ${e}. */
typedef int imgp_pool_work(struct imgp_job *job, void *arg,
	    struct imgp_err *e);

/* ${n} threads at most, each started when there is work that no other is free for;
 * NULL with IMGP-MEMORY where not one can be had. */
struct imgp_pool *imgp_pool_new(int n, imgp_pool_work *work, void *arg,
	    struct imgp_err *e);
/* Wait for the threads to end; no job may be held any more. */
void	imgp_pool_free(struct imgp_pool *p);	/* NULL is fine */

/*
 * A step's part: hold ${job} and give it to a thread.  While all are busy and
 * as many jobs wait for them it waits, giving back what is finished.  Returns
 * IMGP_STEP_HELD.
 */
int	imgp_pool_step(struct imgp_pool *p, struct imgp_filter *f,
	    struct imgp_job *job);
/* idle's part: give back what is finished.  A job that failed because a signal
 * asked to stop (stop.h) is not: it is dropped without a line, and so is each that
 * no thread has begun when the loop has stopped (filter.h). */
int64_t	imgp_pool_idle(struct imgp_pool *p, struct imgp_filter *f);
/* The descriptor for ops.wake_fd: readable when a job is finished. */
int	imgp_pool_fd(const struct imgp_pool *p);

#endif
