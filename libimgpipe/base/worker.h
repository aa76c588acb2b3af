/*
 * A process of our own that does one piece of work with hostile bytes, watched:
 * it is killed when it neither reads nor writes a byte for some time, and it ends
 * when we do.
 *
 * How long the work takes in all does not matter.  Only time in which we were
 * awake counts: what stopped the machine or the terminal stopped the worker, too.
 */
#ifndef IMGPIPE_WORKER_H
#define IMGPIPE_WORKER_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

#define IMGP_WORKER_KEEPS	8u	/* descriptors */

/* What to start, set by the caller. */
struct imgp_work {
	/* In the worker: do it, write the answer to ${fd}, return a status; all but
	 * 0 and ${also} count as failure. */
	int		(*work)(int fd, void *arg);
	void		*arg;
	int		 also;		/* 0: none */
	unsigned int	 seconds;	/* without a byte read or written; 0: any */
	int		 keep[IMGP_WORKER_KEEPS]; /* descriptors that it keeps; */
	size_t		 nkeep;		/* all others are closed in it */
	/* -1, or what it writes to for somebody else: a reader that does not read
	 * is no fault of the worker. */
	int		 reader;
	const char	*died;		/* the code when it dies or hangs */
};

struct imgp_worker {
	pid_t		 pid;		/* 0: none runs */
	int		 fd;		/* its answer: read it to its end */
	int		 hung;		/* it was killed for doing nothing */
	const struct imgp_work *w;
	uint64_t	*beats;		/* shared with it */
	uint64_t	 seen;
	int64_t		 looked, idle;	/* ms */
};

/*
 * Start a worker; ${w} must stay.  Its standard descriptors are /dev/null.
 * -1: IMGP-MEMORY.
 */
int	imgp_worker_start(struct imgp_worker *c, const struct imgp_work *w,
	    struct imgp_err *e);

/* In how many milliseconds imgp_worker_watch() is to be called; -1: never. */
int64_t	imgp_worker_due(const struct imgp_worker *c);
/* Kill it if it has done nothing for too long. */
void	imgp_worker_watch(struct imgp_worker *c);

/* Read its answer to its end into ${answer} (what is above its ceiling kills it),
 * watching it. */
void	imgp_worker_read(struct imgp_worker *c, struct imgp_buf *answer);
/*
 * Wait for its end, once its answer is at its end or it was killed, and close
 * that.  Its status, 0 or w->also; or -1, and ${e} says why: IMGP-MEMORY where it
 * ran out of that, else w->died.
 */
int	imgp_worker_end(struct imgp_worker *c, struct imgp_err *e);

/* Called by whoever has read or written some bytes, in any process. */
void	imgp_worker_beat(void);

#endif
