/*
 * The gzip around an upload, a TAR or one object, that is stamped.  What is within is
 * unpacked into an unnamed file; a list of edits of that says what it becomes; by them
 * the compressed stream is changed (archive/regzip.h).  Where that is impossible, and for
 * the way back from what was, all of it is encoded again, by the fast encoder and under
 * the old header.
 */
#ifndef IMGPIPE_STAMP_GZIP_H
#define IMGPIPE_STAMP_GZIP_H

#include "libimgpipe/archive/edits.h"
#include "libimgpipe/stamp/stamp_priv.h"

struct imgp_stamp_gzip {
	int		 fd;		/* what was within */
	uint64_t	 size;
	struct imgp_edits *edits;	/* of it: the caller's to make */

	/* private */
	struct imgp_stamp *s;
	const struct imgp_intake *u;
	struct imgp_deflate *d;
	struct imgp_spill marks;	/* where has_marks */
	int		 has_marks;
	uint32_t	 old_crc;	/* of what was within, */
	struct imgp_spill sums;		/* and on the way, as edits.h asks for */
	uint32_t	 crc;		/* of what will be within, */
	uint64_t	 n;		/* and how much */
	struct imgp_encode *encode;	/* where all of it is encoded */
	unsigned char	*buf;
};

/* Unpack ${u}: NULL with ${e} when that is impossible. */
struct imgp_stamp_gzip *imgp_stamp_gzip_unpack(struct imgp_stamp *s,
	    const struct imgp_intake *u, struct imgp_err *e);
void	imgp_stamp_gzip_free(struct imgp_stamp_gzip *g);	/* NULL is fine */
/* The edits are made: write what they make of ${u}.  Returns 0, or -1 with ${e}. */
int	imgp_stamp_gzip_write(struct imgp_stamp_gzip *g, struct imgp_err *e);
/*
 * The way back, where the stream of ${u} was changed: what was done to the objects in it
 * needs no look.  Returns 0, or -1 with ${e}.
 */
int	imgp_stamp_gzip_undo(struct imgp_stamp *s, const struct imgp_intake *u,
	    struct imgp_err *e);

#endif
