/*
 * The wing archive: ZIP, TAR and gzip, read with suspicion and written by copying.
 * It must not know what a member holds, DICOM among it.
 *
 * This file: the content of an archive's member, decoded only as far as it is read.
 */
#ifndef IMGPIPE_CONTENT_H
#define IMGPIPE_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/deflate/deflate.h"

struct imgp_content;

struct imgp_content *imgp_content_new(void);
void	imgp_content_free(struct imgp_content *c);	/* NULL is fine */

/* A ${size} for a deflate stream whose content may have any length, and which other
 * streams may follow. */
#define IMGP_CONTENT_UNKNOWN	UINT64_MAX

/*
 * Begin a content of ${size} bytes: the ${csize} bytes that ${read} reads from offset 0
 * on, which are raw deflate (RFC 1951) if ${deflated}.  ${c} can be opened again and
 * again.
 */
void	imgp_content_open(struct imgp_content *c, imgp_deflate_read *read,
	    void *arg, uint64_t csize, uint64_t size, int deflated);
/*
 * Read up to ${len} next bytes.  Returns how many, 0 at the end; or -1 with
 * IMGP-ARCHIVE-DAMAGED when the data cannot be decoded or hold more or fewer than
 * ${size} bytes, or with the error of ${read}.
 */
long	imgp_content_read(struct imgp_content *c, void *buf, size_t len,
	    struct imgp_err *e);
/*
 * At the end of a deflated content of IMGP_CONTENT_UNKNOWN bytes: read up to ${len} of
 * the bytes behind its stream.  Returns how many, or -1 with the error of ${read}.
 */
long	imgp_content_rest(struct imgp_content *c, unsigned char *buf,
	    size_t len, struct imgp_err *e);

#endif
