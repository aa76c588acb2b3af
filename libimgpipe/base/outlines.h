/*
 * Whole lines from a pipe to standard output, counted.
 *
 * What is written and what is counted cannot differ, however the process that
 * made the lines ends: it does not write them to standard output itself.
 */
#ifndef IMGPIPE_OUTLINES_H
#define IMGPIPE_OUTLINES_H

#include <stddef.h>

#include "libimgpipe/base/buf.h"

struct imgp_outlines {
	int	 in;		/* the pipe; -1: none, or it is at its end */
	size_t	 lines;		/* written whole, from all pipes so far */
	int	 broken;	/* errno of the write that failed; 0: none */

	struct imgp_buf buf;	/* read, and not written yet */
	size_t	 whole;		/* bytes of buf up to its last newline */
};

#define IMGP_OUTLINES_INIT	{ -1, 0, 0, IMGP_BUF_INIT, 0 }

/* The descriptors to poll: whether ${in} is to be read, standard output to be
 * written.  Both are zero when all is done. */
int	imgp_outlines_reads(const struct imgp_outlines *o);
int	imgp_outlines_writes(const struct imgp_outlines *o);

/*
 * Read what there is; at the end of the pipe it is closed, and bytes behind the
 * last newline are dropped.  Once standard output is broken, all is dropped, so
 * that the pipe is read to its end.
 */
void	imgp_outlines_read(struct imgp_outlines *o);
/* Write so much as does not block once poll(2) has said POLLOUT. */
void	imgp_outlines_write(struct imgp_outlines *o);

#endif
