/*
 * Read gzip (RFC 1952), also of several members, and with zeros behind the last, which
 * gzip(1) ignores as well.
 */
#ifndef IMGPIPE_GUNZIP_H
#define IMGPIPE_GUNZIP_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"

struct imgp_gunzip;

/* Read ${fd} from offset 0 on; never NULL.  The descriptor stays the caller's. */
struct imgp_gunzip *imgp_gunzip_new(int fd);
void	imgp_gunzip_free(struct imgp_gunzip *g);	/* NULL is fine */
/*
 * Read up to ${len} next bytes.  Returns how many, 0 at the end; or -1 with
 * IMGP-ARCHIVE-DAMAGED (it cannot be decoded, a CRC is wrong, it is cut short, or
 * something else follows it) or IMGP-STORE-IO.
 */
long	imgp_gunzip_read(struct imgp_gunzip *g, void *buf, size_t len,
	    struct imgp_err *e);
/* How many bytes were read so far. */
uint64_t imgp_gunzip_count(const struct imgp_gunzip *g);

/*
 * The length of the gzip header with which the ${len} bytes at ${p} begin; 0 when they
 * do not begin with a whole one.
 */
size_t	imgp_gunzip_header(const unsigned char *p, size_t len);

#endif
