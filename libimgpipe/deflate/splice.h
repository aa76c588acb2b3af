/*
 * Apply edits to a stream of bytes as they are fed, in constant memory.
 */
#ifndef IMGPIPE_SPLICE_H
#define IMGPIPE_SPLICE_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/deflate/deflate.h"

struct imgp_splice {
	const struct imgp_deflate_edit *edit;	/* sorted, see deflate.h */
	size_t		 n, next;
	uint64_t	 pos;			/* of the old bytes */
	imgp_deflate_write *write;
	void		*arg;
};

/* Begin at offset ${pos} of the old bytes; ${edit} must stay. */
void	imgp_splice_init(struct imgp_splice *s,
	    const struct imgp_deflate_edit *edit, size_t n, uint64_t pos,
	    imgp_deflate_write *write, void *arg);
/* Feed the next ${len} old bytes.  Returns 0, or -1 with the error of ${write}. */
int	imgp_splice_feed(struct imgp_splice *s, const void *p, size_t len,
	    struct imgp_err *e);
/* Call when the old bytes have ended: writes what is inserted at their end. */
int	imgp_splice_end(struct imgp_splice *s, struct imgp_err *e);

#endif
