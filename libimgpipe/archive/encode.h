/*
 * A deflate (RFC 1951) encoder, the CRC-32 of gzip and ZIP, and a buffer that spills to
 * an unnamed file.
 */
#ifndef IMGPIPE_ENCODE_H
#define IMGPIPE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/deflate/deflate.h"

/*
 * A new encoder that writes to ${write}: fast (ISA-L's level 1, near the speed of
 * decoding, output some 10 % larger than zip -6) or, if ${small}, zlib's level 6.
 */
struct imgp_encode;
struct imgp_encode *imgp_encode_new(int small, imgp_deflate_write *write,
	    void *arg);
void	imgp_encode_free(struct imgp_encode *z);	/* NULL is fine */
/* Begin another stream; not needed for the first. */
void	imgp_encode_reset(struct imgp_encode *z);
/* Feed bytes, and end the stream.  Return 0, or -1 with the error of ${write}. */
int	imgp_encode_feed(struct imgp_encode *z, const void *p, size_t len,
	    struct imgp_err *e);
int	imgp_encode_end(struct imgp_encode *z, struct imgp_err *e);

/* Continue ${crc}, which is 0 at first, with ${len} bytes. */
uint32_t imgp_crc32(uint32_t crc, const void *p, size_t len);
/*
 * The CRC-32 of a content with the CRC ${crc} after its first bytes, with the CRC
 * ${oldhead}, are replaced by others with the CRC ${newhead}; ${tail} is the number of
 * bytes that follow them.
 */
uint32_t imgp_crc32_rehead(uint32_t crc, uint32_t oldhead, uint32_t newhead,
	    uint64_t tail);

/* The trailer of a gzip member (RFC 1952): CRC-32 and length of its content. */
#define IMGP_GZIP_TRAILER	8u
void	imgp_gzip_trailer(unsigned char trailer[IMGP_GZIP_TRAILER],
	    uint32_t crc, uint64_t size);

/*
 * Bytes kept in memory up to ${most}, then in an unnamed file in the open directory
 * ${dir}.  imgp_spill_init() sets ${most} to IMGP_SPILL_MEM; a caller that will write and
 * read in order sets less, for a file costs less than fresh memory then.
 */
struct imgp_spill {
	int		 dir;
	size_t		 most;
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
/* All bytes are written; from now on they can be read.  Returns 0, or -1 with ${e}. */
int	imgp_spill_done(struct imgp_spill *s, struct imgp_err *e);
/* Read ${len} bytes at ${off}, which must exist.  Returns 0, or -1 with ${e}. */
int	imgp_spill_read(const struct imgp_spill *s, uint64_t off, void *buf,
	    size_t len, struct imgp_err *e);

/* Open an unnamed file in the open directory ${dir} for reading and writing.  Returns a
 * descriptor, or -1 with ${e}.  From any thread, also in a sandbox (base/sandbox.h) that
 * has ${dir} as its scratch. */
int	imgp_tmpfile(int dir, struct imgp_err *e);
/*
 * Call before imgp_sandbox().  If the file system of ${dir} cannot make unnamed files,
 * open ${n} (at most IMGP_TMPFILES) in advance for imgp_tmpfile().  Returns 1 when it can
 * make them, 0 when they are open, -1 with IMGP-STORE-IO.
 */
int	imgp_tmpfile_ahead(int dir, size_t n, struct imgp_err *e);
#define IMGP_TMPFILES	128u

/* "zlib 1.2.13, ISA-L 2.30.0" */
const char *imgp_archive_version(void);

#endif
