/*
 * TAR archives (POSIX.1-2017 ustar and pax, GNU long names, v7), read with
 * suspicion, one member after the other, and headers made for other sizes.
 *
 * Sparse files, archives in several parts and whatever two readers could
 * understand in two ways are refused.  Names are not looked at beyond their
 * form.  Memory is constant.
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
	uint64_t	 pax;		/* its pax header's block; = main: none */
	uint64_t	 main;		/* the header block proper */
	uint64_t	 data;
	uint64_t	 size;		/* bytes of data */
	uint64_t	 next;		/* behind data and padding */
	enum imgp_tar_type type;	/* MAC: by name only */
	int		 pax_size;	/* the size stands in the pax header */
	unsigned char	 block[IMGP_TAR_BLOCK];	/* at main */
};

/*
 * The next bytes of the archive, up to ${len}: how many, 0 at its end, -1 and
 * ${e}.  ${buf} NULL: pass over them, as many as possible.
 */
typedef long imgp_tar_read(void *arg, void *buf, size_t len,
	    struct imgp_err *e);

struct imgp_tar;

struct imgp_tar *imgp_tar_new(imgp_tar_read *read, void *arg);
void	imgp_tar_free(struct imgp_tar *t);		/* NULL is fine */

/*
 * The next member, past what is left of the last one: 1; 0 at the end, when all
 * that follows is zeros; or -1 with ${e}:
 * IMGP-ARCHIVE-DAMAGED	a header's sum is wrong, or it is cut short
 * IMGP-ARCHIVE-UNSAFE	it could be read in two ways
 * IMGP-ARCHIVE-METHOD	sparse files, parts of an archive
 * or what read said.
 */
int	imgp_tar_next(struct imgp_tar *t, struct imgp_tar_member *m,
	    struct imgp_err *e);
/* The next bytes of the member's data, as imgp_content_read(). */
long	imgp_tar_data(struct imgp_tar *t, void *buf, size_t len,
	    struct imgp_err *e);

/* Nonzero when the block at ${p} is a header by its sum. */
int	imgp_tar_is_header(const unsigned char *p);

/* The size in a header block; -1 when it is none. */
int	imgp_tar_get_size(const unsigned char *block, uint64_t *size);
/*
 * Set size and sum in the header ${block}, as it is written there.  -1 with
 * IMGP-ARCHIVE-LIMIT when there is no room for the digits.
 */
int	imgp_tar_set_size(unsigned char block[IMGP_TAR_BLOCK], uint64_t size,
	    struct imgp_err *e);
/*
 * The records ${old} of a pax header with another size, appended to ${out}.
 */
void	imgp_tar_pax_size(const char *old, size_t len, uint64_t size,
	    struct imgp_buf *out);

#endif
