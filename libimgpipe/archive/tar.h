/*
 * TAR archives (POSIX.1-2017 ustar and pax, GNU long names, v7): read with suspicion,
 * one member after the other, and headers rewritten for other sizes.
 *
 * Sparse files, archives in several parts, and whatever two readers could understand
 * differently are refused.  Names are checked for their form only.  Memory is constant.
 */
#ifndef IMGPIPE_TAR_H
#define IMGPIPE_TAR_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

#define IMGP_TAR_BLOCK		512
#define IMGP_TAR_PAX_MAX	((size_t)1 << 20)

enum imgp_tar_type { IMGP_TAR_FILE, IMGP_TAR_DIR, IMGP_TAR_LINK, IMGP_TAR_MAC,
	IMGP_TAR_SPECIAL, IMGP_TAR_LABEL };	/* LABEL: GNU's, of the volume */

struct imgp_tar_member {
	uint64_t	 start;		/* where its first header block begins */
	uint64_t	 pax;		/* its pax header block; equal to main: none */
	uint64_t	 main;		/* its own header block */
	uint64_t	 data;		/* where its data begin */
	uint64_t	 size;		/* bytes of data */
	uint64_t	 next;		/* behind data and padding */
	enum imgp_tar_type type;	/* MAC: told by the name alone */
	int		 pax_size;	/* the pax header gives the size */
	unsigned char	 block[IMGP_TAR_BLOCK];	/* at main */
};

/*
 * Read up to ${len} next bytes of the archive.  Returns how many, 0 at its end, or -1
 * with ${e}.  With ${buf} NULL, skip up to ${len} bytes.
 */
typedef long imgp_tar_read(void *arg, void *buf, size_t len,
	    struct imgp_err *e);

struct imgp_tar;

struct imgp_tar *imgp_tar_new(imgp_tar_read *read, void *arg);
void	imgp_tar_free(struct imgp_tar *t);		/* NULL is fine */

/*
 * Go to the next member, skipping the rest of the last one.  Returns 1; 0 at the end,
 * when only zeros follow; or -1 with
 * IMGP-ARCHIVE-DAMAGED	a header's checksum is wrong, or the archive is cut short
 * IMGP-ARCHIVE-UNSAFE	it could be read in two ways
 * IMGP-ARCHIVE-METHOD	sparse files, parts of an archive
 * or the error of ${read}.
 */
int	imgp_tar_next(struct imgp_tar *t, struct imgp_tar_member *m,
	    struct imgp_err *e);
/* Read the member's next data bytes; returns as imgp_content_read(). */
long	imgp_tar_data(struct imgp_tar *t, void *buf, size_t len,
	    struct imgp_err *e);

/* Nonzero when the checksum of the IMGP_TAR_BLOCK bytes at ${p} says it is a header. */
int	imgp_tar_is_header(const unsigned char *p);

/* Get the size in a header block: 0, or -1 when it is no number. */
int	imgp_tar_get_size(const unsigned char *block, uint64_t *size);
/*
 * Set size and checksum in the header ${block}, in the notation that it uses.  Returns
 * 0, or -1 with IMGP-ARCHIVE-LIMIT when the digits do not fit.
 */
int	imgp_tar_set_size(unsigned char block[IMGP_TAR_BLOCK], uint64_t size,
	    struct imgp_err *e);
/*
 * Append to ${out} the records ${old} (${len} bytes) of a pax header with the record
 * "size" set to ${size}.
 */
void	imgp_tar_pax_size(const char *old, size_t len, uint64_t size,
	    struct imgp_buf *out);

#endif
