/*
 * Write a whole buffer, although write(2) may write a part or be interrupted.
 */
#ifndef IMGPIPE_WRITE_H
#define IMGPIPE_WRITE_H

#include <stddef.h>

/* Write ${len} bytes at ${p} to ${fd}.  Returns 0, or -1 with errno after writing a part
 * or nothing. */
int	imgp_write_all(int fd, const void *p, size_t len);

#endif
