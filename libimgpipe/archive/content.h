/*
 * The wing archive: ZIP, TAR and gzip, read with suspicion and written by copying.
 * It must not know what a member holds, DICOM among it.
 *
 * This file: what a member of an archive holds, decoded only as far as it is asked for.
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

/* A ${size} for a stream that may end anywhere, and be followed by others. */
#define IMGP_CONTENT_UNKNOWN	UINT64_MAX

/*
 * Begin: ${csize} bytes that ${read} gives from offset 0 on, raw deflate when
 * ${deflated}, which hold ${size} bytes.  Used again and again.
 */
void	imgp_content_open(struct imgp_content *c, imgp_deflate_read *read,
	    void *arg, uint64_t csize, uint64_t size, int deflated);
/*
 * The next bytes, up to ${len}: how many, 0 at the end; or -1 with ${e}:
 * IMGP-ARCHIVE-DAMAGED when the data cannot be decoded or hold more or fewer
 * than ${size} bytes, or what ${read} said.
 */
long	imgp_content_read(struct imgp_content *c, void *buf, size_t len,
	    struct imgp_err *e);
/*
 * At the end of a deflated content of IMGP_CONTENT_UNKNOWN bytes: up to ${len} of
 * the bytes that follow its stream.  How many, or -1: what ${read} said.
 */
long	imgp_content_rest(struct imgp_content *c, unsigned char *buf,
	    size_t len, struct imgp_err *e);

#endif
