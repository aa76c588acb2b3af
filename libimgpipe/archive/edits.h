/*
 * What changes between an old file and a new one that is written from its bytes
 * and others: a list of edits, as small as they can be, made while the new file
 * passes by, and read again in the same order.  The list is kept in memory up to a
 * ceiling (encode.h), then in an unnamed file.
 */
#ifndef IMGPIPE_EDITS_H
#define IMGPIPE_EDITS_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/deflate/respell.h"

struct imgp_edits;

/*
 * The old file is ${fd}, of ${size} bytes, which must stay open and as it is;
 * ${dir} is an open directory for an unnamed file.  Never NULL.
 */
struct imgp_edits *imgp_edits_new(int fd, uint64_t size, int dir);
void	imgp_edits_free(struct imgp_edits *l);		/* NULL is fine */

/*
 * The new file goes on with these bytes, or with ${len} bytes at ${off} of the
 * old one; ${off} may not be less than where the last copy ended (${len} may be
 * 0: what has been written stands in front of ${off}).  0, or -1 with ${e}.
 */
int	imgp_edits_write(struct imgp_edits *l, const void *p, size_t len,
	    struct imgp_err *e);
int	imgp_edits_copy(struct imgp_edits *l, uint64_t off, uint64_t len,
	    struct imgp_err *e);
/* The new file is complete.  The list can be read from here on. */
int	imgp_edits_end(struct imgp_edits *l, struct imgp_err *e);

/* From the first edit again. */
void	imgp_edits_rewind(struct imgp_edits *l);
/* The callbacks edit and inserted of respell.h; ${l} is a struct imgp_edits. */
int	imgp_edits_next(void *l, struct imgp_respell_edit *x,
	    struct imgp_err *e);
int	imgp_edits_inserted(void *l, uint64_t ins, void *buf, size_t len,
	    struct imgp_err *e);
/* Write the new file; 0, or -1: what ${write} said, or reading. */
int	imgp_edits_apply(struct imgp_edits *l, imgp_deflate_write *write,
	    void *arg, struct imgp_err *e);

#endif
