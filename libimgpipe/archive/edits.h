/*
 * The edits that turn an old file into a new one.  The new file is described in order,
 * as copies of old bytes and as other bytes; the list of edits, as small as possible, is
 * read back in the same order.  It is kept in memory up to a ceiling (imgp_spill in
 * encode.h), then in an unnamed file.
 */
#ifndef IMGPIPE_EDITS_H
#define IMGPIPE_EDITS_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/archive/encode.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/deflate/respell.h"

struct imgp_edits;

/*
 * A new list.  The old file is ${fd}, of ${size} bytes; it must stay open and unchanged.
 * ${dir} is an open directory for an unnamed file.  Never NULL.
 */
struct imgp_edits *imgp_edits_new(int fd, uint64_t size, int dir);
void	imgp_edits_free(struct imgp_edits *l);		/* NULL is fine */

/*
 * Continue the new file with ${len} bytes at ${p}, or with ${len} bytes at ${off} of the
 * old file.  ${off} must not lie before the end of the last copy; with ${len} 0 the bytes
 * written since are placed in front of ${off}.  Return 0, or -1 with ${e}.
 */
int	imgp_edits_write(struct imgp_edits *l, const void *p, size_t len,
	    struct imgp_err *e);
int	imgp_edits_copy(struct imgp_edits *l, uint64_t off, uint64_t len,
	    struct imgp_err *e);
/* The new file is complete; from now on the list can be read.  Returns 0, or -1 with
 * ${e}. */
int	imgp_edits_end(struct imgp_edits *l, struct imgp_err *e);

/* Read from the first edit again. */
void	imgp_edits_rewind(struct imgp_edits *l);
/* The callbacks edit and inserted of respell.h; ${l} is a struct imgp_edits. */
int	imgp_edits_next(void *l, struct imgp_respell_edit *x,
	    struct imgp_err *e);
int	imgp_edits_inserted(void *l, uint64_t ins, void *buf, size_t len,
	    struct imgp_err *e);
/*
 * The CRC-32 and the size of the new file.  ${sums} has the CRC-32 of the first
 * IMGP_EDITS_STEP bytes of the old file, of the first two times as many, and so on: a
 * uint32_t each.  What lies between two edits is not read.
 */
int	imgp_edits_crc(struct imgp_edits *l, const struct imgp_spill *sums,
	    uint32_t *crc, uint64_t *size, struct imgp_err *e);
#define IMGP_EDITS_STEP	4096u
/* Write the whole new file.  Returns 0, or -1 with the error of ${write} or of reading. */
int	imgp_edits_apply(struct imgp_edits *l, imgp_deflate_write *write,
	    void *arg, struct imgp_err *e);

#endif
