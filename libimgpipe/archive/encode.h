/*
 * Deflate (RFC 1951) of bytes that pass by, the CRC-32 of gzip and ZIP, and a
 * place to keep what is written until it is known to be right.
 */
#ifndef IMGPIPE_ENCODE_H
#define IMGPIPE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/deflate/deflate.h"

/*
 * Fast (ISA-L's level 1: near the speed of decoding, some 10 % larger than
 * zip -6) or ${small} (zlib's level 6).
 */
struct imgp_encode;
struct imgp_encode *imgp_encode_new(int small, imgp_deflate_write *write,
	    void *arg);
void	imgp_encode_free(struct imgp_encode *z);	/* NULL is fine */
/* Begin a stream; not needed for the first. */
void	imgp_encode_reset(struct imgp_encode *z);
/* 0, or -1: what write said. */
int	imgp_encode_feed(struct imgp_encode *z, const void *p, size_t len,
	    struct imgp_err *e);
int	imgp_encode_end(struct imgp_encode *z, struct imgp_err *e);

/* CRC-32 of ${len} more bytes; the first ${crc} is 0. */
uint32_t imgp_crc32(uint32_t crc, const void *p, size_t len);
/*
 * The CRC-32 of a content whose first bytes, with CRC ${oldhead}, were replaced
 * by others with CRC ${newhead}: ${crc} was that of the whole, ${tail} is how
 * many bytes follow the head.
 */
uint32_t imgp_crc32_rehead(uint32_t crc, uint32_t oldhead, uint32_t newhead,
	    uint64_t tail);

/* What stands behind a gzip member (RFC 1952): the CRC-32 and the length of what it
 * holds. */
#define IMGP_GZIP_TRAILER	8u
void	imgp_gzip_trailer(unsigned char trailer[IMGP_GZIP_TRAILER],
	    uint32_t crc, uint64_t size);

/*
 * Bytes kept in memory up to a ceiling, then in a file without a name in
 * the open directory ${dir}.
 */
struct imgp_spill {
	int		 dir;
	struct imgp_buf	 mem;
	int		 fd;		/* -1: all is in mem */
	uint64_t	 n;		/* bytes kept */
};
#define IMGP_SPILL_MEM	((size_t)1 << 20)

void	imgp_spill_init(struct imgp_spill *s, int dir);
void	imgp_spill_clear(struct imgp_spill *s);	/* empty, ready for use */
void	imgp_spill_release(struct imgp_spill *s);
/* An imgp_deflate_write; -1 with IMGP-STORE-IO or -FULL. */
int	imgp_spill_write(void *spill, const void *p, size_t len,
	    struct imgp_err *e);
/* What was kept is all there now: it can be read. */
int	imgp_spill_done(struct imgp_spill *s, struct imgp_err *e);
/* Read ${len} bytes at ${off}, all of which are there.  0, or -1 with ${e}. */
int	imgp_spill_read(const struct imgp_spill *s, uint64_t off, void *buf,
	    size_t len, struct imgp_err *e);

/* A file without a name in the open directory ${dir}, open for reading and writing, or -1; from any
 * thread, also behind a sandbox (base/sandbox.h) with ${dir} for scratch. */
int	imgp_tmpfile(int dir, struct imgp_err *e);
/*
 * Before a sandbox: where the file system of ${dir} has no unnamed files, open
 * ${n} (at most IMGP_TMPFILES) ahead for imgp_tmpfile().  1: it has them; 0: they
 * are open; -1 with IMGP-STORE-IO.
 */
int	imgp_tmpfile_ahead(int dir, size_t n, struct imgp_err *e);
#define IMGP_TMPFILES	128u

/* "zlib 1.2.13, ISA-L 2.30.0" */
const char *imgp_archive_version(void);

#endif
