/*
 * Jobs worked on in processes of their own, several at once.
 *
 * A process that dies, hangs or answers what it must not costs its job a second
 * try, alone: no other runs meanwhile, so that memory which did not suffice for
 * all may suffice for one.  A job that did so in an earlier run is tried alone
 * twice; if it fails then, too, it has done so three times.
 */
#ifndef IMGPIPE_ISOLATE_H
#define IMGPIPE_ISOLATE_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

struct imgp_isolate;

/* What a worker's work returns where its step has made something to be kept. */
#define IMGP_ISOLATE_KEEP	10

struct imgp_isolate_ops {
	const char	*stage;
	unsigned int	 seconds;	/* without a byte read or written; 0: any */
	int		 fd;		/* a descriptor for the process; -1: none */
	const char	*died;		/* the code when it dies, hangs or lies */
	/* In the process: work on ${job}; 0 or IMGP_ISOLATE_KEEP. */
	int		(*work)(struct imgp_job *job, void *arg);
	/*
	 * Here: ${job}, which is taken over, is done; it had ${before} entries
	 * of "errors".  ${keep}: its step has made something to be kept.  With
	 * ${e} the job is as it was, and that is why.
	 */
	void		(*done)(struct imgp_job *job, size_t before, int keep,
	    const struct imgp_err *e, void *arg);
};

/* For ${n} processes; ${ops} must stay. */
struct imgp_isolate *imgp_isolate_new(const struct imgp_isolate_ops *ops,
	    void *arg, size_t n);
void	imgp_isolate_free(struct imgp_isolate *s);	/* NULL is fine */

/* Nonzero when imgp_isolate_put() must not be called now. */
int	imgp_isolate_is_full(const struct imgp_isolate *s);
/* Start a process for ${job}, which is taken over. */
void	imgp_isolate_put(struct imgp_isolate *s, struct imgp_job *job);
/* How many jobs are not done; for NULL 0. */
size_t	imgp_isolate_jobs(const struct imgp_isolate *s);

/*
 * Fill ${p}, which has room for all processes, with what to wait for: how many;
 * ${*wait} (ms, -1: for ever) becomes shorter where need be.
 */
size_t	imgp_isolate_poll(const struct imgp_isolate *s, struct pollfd *p,
	    int64_t *wait);
/* After poll(2): take answers, and kill who does nothing. */
void	imgp_isolate_turn(struct imgp_isolate *s, const struct pollfd *p);

/* End all processes. */
void	imgp_isolate_kill(struct imgp_isolate *s);

#endif
