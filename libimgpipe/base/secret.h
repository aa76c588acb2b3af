/*
 * Files that hold a secret: a token, a password, a private key.
 */
#ifndef IMGPIPE_SECRET_H
#define IMGPIPE_SECRET_H

#include <sys/types.h>

#include "libimgpipe/base/err.h"

/* Nonzero if the mode is private enough: only the owner may write, only owner and group
 * may read (0600, 0640, 0400). */
int	imgp_secret_mode(mode_t mode);

/*
 * Open ${path}, which must be a regular file of such a mode, for reading.  Returns a
 * descriptor, or -1 with IMGP-CONFIG.
 */
int	imgp_secret_open(const char *path, struct imgp_err *e);

#endif
