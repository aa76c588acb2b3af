/*
 * Work on jobs in processes of their own, several at once.
 *
 * A job whose process dies, hangs or has its answer refused is tried a second time alone,
 * while no other process runs, as memory that is too little for several may suffice for
 * one.  A job to which this happened in an earlier run is tried alone, twice; after that
 * it has failed three times.
 */
#ifndef IMGPIPE_ISOLATE_H
#define IMGPIPE_ISOLATE_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

struct imgp_isolate;

/* Returned by ${work} when the step has made something to keep. */
#define IMGP_ISOLATE_KEEP	10

struct imgp_isolate_ops {
	const char	*stage;
	unsigned int	 seconds;	/* without a byte read or written; 0: any */
	int		 fd;		/* a descriptor that it inherits; -1: none */
	const char	*died;		/* the error code when it dies or hangs, or its
				 * answer is refused */
	/* Called in the process: work on ${job}; returns 0 or IMGP_ISOLATE_KEEP. */
	int		(*work)(struct imgp_job *job, void *arg);
	/*
	 * Called in our own process when ${job}, which it now owns, is done.  The
	 * job had ${before} entries of "errors" before.  ${keep}: its step has made
	 * something to keep.  If ${e} is not NULL, the job is unchanged, and ${e}
	 * says why.
	 */
	void		(*done)(struct imgp_job *job, size_t before, int keep,
	    const struct imgp_err *e, void *arg);
};

/* For at most ${n} processes at once; ${ops} is not copied. */
struct imgp_isolate *imgp_isolate_new(const struct imgp_isolate_ops *ops,
	    void *arg, size_t n);
void	imgp_isolate_free(struct imgp_isolate *s);	/* NULL is fine */

/* Nonzero when imgp_isolate_put() must not be called now. */
int	imgp_isolate_is_full(const struct imgp_isolate *s);
/* Start a process for ${job}, which is owned by ${s} from now on. */
void	imgp_isolate_put(struct imgp_isolate *s, struct imgp_job *job);
/* The number of jobs that are not done; 0 for NULL. */
size_t	imgp_isolate_jobs(const struct imgp_isolate *s);

/*
 * Fill ${p}, which has room for all processes, with what to poll(2) for, and return how
 * many entries it has; shorten ${*wait} (milliseconds, -1: for ever) as needed.
 */
size_t	imgp_isolate_poll(const struct imgp_isolate *s, struct pollfd *p,
	    int64_t *wait);
/* Call after poll(2): reads answers, and kills processes that hang. */
void	imgp_isolate_turn(struct imgp_isolate *s, const struct pollfd *p);

/* Kill all processes. */
void	imgp_isolate_kill(struct imgp_isolate *s);

#endif
