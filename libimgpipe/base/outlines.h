/*
 * Whole lines from a pipe to standard output, counted.
 *
 * The process that makes the lines writes them to a pipe, and this one copies whole
 * lines on; so the count is right however that process ends.
 */
#ifndef IMGPIPE_OUTLINES_H
#define IMGPIPE_OUTLINES_H

#include <stddef.h>

#include "libimgpipe/base/buf.h"

struct imgp_outlines {
	int	 in;		/* the pipe; -1: none, or it has ended */
	size_t	 lines;		/* written whole, from all pipes so far */
	int	 broken;	/* errno of the write that failed; 0: none */

	struct imgp_buf buf;	/* read but not written yet */
	size_t	 whole;		/* bytes of buf up to its last newline */
};

#define IMGP_OUTLINES_INIT	{ -1, 0, 0, IMGP_BUF_INIT, 0 }

/* What to poll(2) for: nonzero when ${in} is to be read, or standard output to be
 * written.  Both are zero when all is done. */
int	imgp_outlines_reads(const struct imgp_outlines *o);
int	imgp_outlines_writes(const struct imgp_outlines *o);

/*
 * Read what the pipe has.  At its end the pipe is closed, and bytes behind the last
 * newline are dropped.  After a write failed all input is read and dropped.
 */
void	imgp_outlines_read(struct imgp_outlines *o);
/* Write as much as cannot block after poll(2) reported POLLOUT. */
void	imgp_outlines_write(struct imgp_outlines *o);

#endif
