/*
 * Change the content of a gzip file (RFC 1952) without compressing it again
 * (deflate/respell.h), and undo the change, byte for byte.
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

/* What undoing needs besides the undo record of respell.h. */
struct imgp_regzip_end {
	unsigned char	 trailer[IMGP_GZIP_TRAILER];	/* the last member's */
	uint64_t	 zeros;		/* bytes behind it */
};

/* As in struct imgp_respell_trace. */
typedef void imgp_regzip_quiet(void *arg, const void *p, size_t len,
	    uint64_t *from, uint64_t *to);

/*
 * Unpack the file ${fd} of ${size} bytes to ${write}, and note in ${marks}, which is
 * empty before, the marks of respell.h, which make a change quick, all the more if
 * ${quiet} guesses well where it will be.  ${d} is working memory.  Returns 0; 1 when it
 * cannot be unpacked so (unpack it by gunzip.h, which finds any fault); -1 with the
 * error of ${write}, of reading or of noting.
 */
int	imgp_regzip_unpack(struct imgp_deflate *d, int fd, uint64_t size,
	    imgp_deflate_write *write, imgp_regzip_quiet *quiet, void *arg,
	    struct imgp_spill *marks, struct imgp_err *e);

struct imgp_regzip {
	int		 fd;		/* the old file, unpacked without error before */
	uint64_t	 size;		/* its size */
	int		 content;	/* a file with its content, */
	uint64_t	 contentsize;	/* of so many bytes */
	const struct imgp_spill *marks;	/* of imgp_regzip_unpack(), or NULL */
	struct imgp_edits *edits;	/* of the content */
	uint64_t	 newsize;	/* of the new content */
	uint32_t	 newcrc;	/* CRC-32 of the new content */
	imgp_deflate_write *write;	/* takes the new file */
	void		*arg;
	struct imgp_spill *undo;	/* gets the undo record, or NULL */
	struct imgp_regzip_end end;	/* filled in */
};

/*
 * Write the new file; ${d} is working memory.  ISA-L decodes it as it is written, to
 * compare it with ${newsize} and ${newcrc}.  Returns 0; 1 when this file cannot be changed
 * so, as ${e} says; -1 with IMGP_E_STAMP_CHECK when the comparison fails, or with the error
 * of ${write}, of reading or of the edits.  Discard the output unless it returns 0.
 */
int	imgp_regzip_write(struct imgp_deflate *d, struct imgp_regzip *g,
	    struct imgp_err *e);

/* Read the next bytes of an undo record: how many, 0 at its end, or -1 with ${e}. */
typedef long imgp_regzip_undo_read(void *arg, void *buf, size_t len,
	    struct imgp_err *e);
/*
 * Undo: ${fd}, of ${size} bytes, is a file that imgp_regzip_write() wrote, ${undo} reads
 * its undo record.  Writes the old file.  Returns 0; or -1 with IMGP_E_STAMP_CHECK when
 * the two do not fit each other, or with a callback's error.
 */
int	imgp_regzip_undo(int fd, uint64_t size, imgp_regzip_undo_read *undo,
	    const struct imgp_regzip_end *end, imgp_deflate_write *write,
	    void *arg, struct imgp_err *e);

#endif
