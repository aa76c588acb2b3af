/*
 * A gzip file (RFC 1952) with changed content, without compressing it again
 * (deflate/respell.h); and the way back to it, byte for byte.
 *
 * The new file has the first member's header as it is, one deflate stream with
 * what all members hold, and a new CRC-32 and length; zeros behind the last
 * member are left out.
 */
#ifndef IMGPIPE_REGZIP_H
#define IMGPIPE_REGZIP_H

#include <stdint.h>

#include "libimgpipe/archive/edits.h"
#include "libimgpipe/archive/encode.h"
#include "libimgpipe/base/err.h"

/* What the way back needs besides the record of respell.h. */
struct imgp_regzip_end {
	unsigned char	 trailer[IMGP_GZIP_TRAILER];	/* the last member's */
	uint64_t	 zeros;		/* bytes behind it */
};

/*
 * Unpack the file ${fd} of ${size} bytes, and note in ${marks}, which is empty,
 * what makes a change quick.  0; 1: not so: gunzip.h says what is wrong with it, if
 * anything; or -1: what ${write}, reading or noting said.
 */
int	imgp_regzip_unpack(int fd, uint64_t size, imgp_deflate_write *write,
	    void *arg, struct imgp_spill *marks, struct imgp_err *e);

struct imgp_regzip {
	int		 fd;		/* the old file, which was unpacked without */
	uint64_t	 size;		/* an error, by us or gunzip.h */
	int		 content;	/* what it holds: a file, */
	const struct imgp_spill *marks;	/* and the marks in it; or NULL */
	struct imgp_edits *edits;	/* of what it holds */
	uint64_t	 newsize;	/* of what the new file is to hold, and */
	uint32_t	 newcrc;	/* its CRC-32 */
	imgp_deflate_write *write;	/* takes the new file */
	void		*arg;
	struct imgp_spill *undo;	/* gets the record of respell.h; or NULL */
	struct imgp_regzip_end end;	/* is filled in */
};

/*
 * Write the new file; it is decoded by ISA-L as it is written, and must hold
 * what is said.  0; 1: this file cannot be changed so, ${e} says why; -1:
 * IMGP_E_STAMP_CHECK when it does not hold what is said, or what ${write},
 * reading or the edits said.  What was written is of no use unless it returns 0.
 */
int	imgp_regzip_write(struct imgp_regzip *g, struct imgp_err *e);

/* The next bytes of the record: how many, 0 at its end, or -1 with ${e}. */
typedef long imgp_regzip_undo_read(void *arg, void *buf, size_t len,
	    struct imgp_err *e);
/*
 * The way back: ${fd} of ${size} bytes is a file that was written so, ${undo}
 * gives its record.  Writes the old file.  0; or -1: IMGP_E_STAMP_CHECK when they
 * do not fit each other, or what a callback said.
 */
int	imgp_regzip_undo(int fd, uint64_t size, imgp_regzip_undo_read *undo,
	    const struct imgp_regzip_end *end, imgp_deflate_write *write,
	    void *arg, struct imgp_err *e);

#endif
