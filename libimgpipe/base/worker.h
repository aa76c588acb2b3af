/*
 * A child process that does one piece of work on hostile bytes.  It is killed when it
 * neither reads nor writes a byte for some time, and it ends when its parent does.
 *
 * The work may take any time in all.  Only time in which the parent was awake counts as
 * idle: when the machine or the terminal's job is stopped, so is the worker.
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
	/* Called in the worker: do the work, write the answer to ${fd}, return an exit
	 * status.  Any other than 0 and ${also} counts as failure. */
	int		(*work)(int fd, void *arg);
	void		*arg;
	int		 also;		/* another good status; 0: none */
	unsigned int	 seconds;	/* without a byte read or written; 0: no limit */
	int		 keep[IMGP_WORKER_KEEPS]; /* descriptors that it keeps; */
	size_t		 nkeep;		/* all others are closed in it */
	/* A descriptor that the worker writes to for another reader, or -1: waiting for
	 * that reader does not count as idle. */
	int		 reader;
	const char	*died;		/* the error code when it dies or hangs */
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
 * Start a worker; ${w} must outlive it.  Its standard descriptors are /dev/null.
 * Returns 0, or -1 with IMGP-MEMORY.
 */
int	imgp_worker_start(struct imgp_worker *c, const struct imgp_work *w,
	    struct imgp_err *e);

/* Milliseconds until imgp_worker_watch() must be called; -1: never. */
int64_t	imgp_worker_due(const struct imgp_worker *c);
/* Kill the worker if it has been idle for too long. */
void	imgp_worker_watch(struct imgp_worker *c);

/* Read the whole answer into ${answer} while watching the worker; an answer above the
 * buffer's ceiling kills it. */
void	imgp_worker_read(struct imgp_worker *c, struct imgp_buf *answer);
/*
 * Wait for the worker's end and close ${c->fd}; call it after the answer was read to its
 * end or the worker was killed.  Returns its status, 0 or w->also; or -1 with
 * IMGP-MEMORY if it ran out of memory, else with the code w->died.
 */
int	imgp_worker_end(struct imgp_worker *c, struct imgp_err *e);

/* Tell the parent that some bytes were read or written; does nothing in other
 * processes. */
void	imgp_worker_beat(void);

#endif
