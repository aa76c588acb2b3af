/*
 * Apply edits to bytes that pass by.
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

void	imgp_splice_init(struct imgp_splice *s,
	    const struct imgp_deflate_edit *edit, size_t n, uint64_t pos,
	    imgp_deflate_write *write, void *arg);
/* The next ${len} old bytes: 0, or -1: what write said. */
int	imgp_splice_feed(struct imgp_splice *s, const void *p, size_t len,
	    struct imgp_err *e);
/* The old bytes have ended: what is inserted at the end comes now. */
int	imgp_splice_end(struct imgp_splice *s, struct imgp_err *e);

#endif
