/*
 * The bytes of a TAR in a file, plain or within gzip, for imgp_tar_new(); the limits of
 * an archive apply.
 */
#ifndef IMGPIPE_TAR_FILE_H
#define IMGPIPE_TAR_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/archive/zip.h"
#include "libimgpipe/base/err.h"

struct imgp_tar_file;

/* Read ${fd} of ${size} bytes, which stays the caller's; never NULL.  ${lim} must stay. */
struct imgp_tar_file *imgp_tar_file_new(int fd, uint64_t size, int gzipped,
	    const struct imgp_zip_limits *lim);
void	imgp_tar_file_free(struct imgp_tar_file *f);	/* NULL is fine */
/* An imgp_tar_read, which may also fail with IMGP-ARCHIVE-LIMIT. */
long	imgp_tar_file_read(void *file, void *buf, size_t len,
	    struct imgp_err *e);

#endif
