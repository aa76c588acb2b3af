/*
 * Several jobs at once within the line loop: threads that do the steps, for
 * tools that wait on the network or the disk rather than compute.
 */
#ifndef IMGPIPE_POOL_H
#define IMGPIPE_POOL_H

#include <stdint.h>

#include "libimgpipe/job/filter.h"

struct imgp_pool;

/* Does the tool's work on ${job}, in any thread.  Returns 0, or -1 with ${e}. */
typedef int imgp_pool_work(struct imgp_job *job, void *arg,
	    struct imgp_err *e);

/* At most ${n} threads, each started when there is work and all others are busy.  NULL
 * with IMGP-MEMORY when not even one can be started. */
struct imgp_pool *imgp_pool_new(int n, imgp_pool_work *work, void *arg,
	    struct imgp_err *e);
/* Wait for the threads to end, and free it; no job may be held any more. */
void	imgp_pool_free(struct imgp_pool *p);	/* NULL is fine */

/*
 * For imgp_filter_ops.step: hold ${job} and give it to a thread.  While all threads are
 * busy and as many jobs wait for them, it waits and gives back finished jobs.  Returns
 * IMGP_STEP_HELD.
 */
int	imgp_pool_step(struct imgp_pool *p, struct imgp_filter *f,
	    struct imgp_job *job);
/* For imgp_filter_ops.idle: give back finished jobs.  A job that failed because a signal
 * asks to stop (stop.h) is dropped without a line, and so is each job that no thread has
 * begun when the loop has stopped (filter.h). */
int64_t	imgp_pool_idle(struct imgp_pool *p, struct imgp_filter *f);
/* For imgp_filter_ops.wake_fd: a descriptor that is readable when a job is finished. */
int	imgp_pool_fd(const struct imgp_pool *p);

#endif
