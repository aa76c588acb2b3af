/*
 * Files that hold a secret: a token, a password, a private key.
 */
#ifndef IMGPIPE_SECRET_H
#define IMGPIPE_SECRET_H

#include <sys/types.h>

#include "libimgpipe/base/err.h"

/* Nonzero for a mode that keeps others out: nobody but the owner may write, only
 * owner and group read (0600, 0640, 0400). */
int	imgp_secret_mode(mode_t mode);

/*
 * Open ${path}, a regular file of such a mode, for reading: a descriptor, or -1
 * with IMGP-CONFIG.
 */
int	imgp_secret_open(const char *path, struct imgp_err *e);

#endif
