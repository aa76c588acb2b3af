/*
 * Writing all of it: write(2) may take only a part, or be interrupted.
 */
#ifndef IMGPIPE_WRITE_H
#define IMGPIPE_WRITE_H

#include <stddef.h>

/* Write ${len} bytes at ${p} to ${fd}.  0, or -1 with errno; then a part of
 * them may be written. */
int	imgp_write_all(int fd, const void *p, size_t len);

#endif
