/*
 * The wing deflate: bytes changed inside a deflate stream.  It must not know ZIP
 * and gzip, which wrap such streams.
 *
 * This file: change a few bytes near the head of what a raw deflate stream (RFC 1951)
 * holds, without compressing it again.
 *
 * It decodes the code words up to some 32 KiB behind the last change, writes the few
 * that the change touches anew, and copies everything behind byte for byte.  deflate.c
 * explains why that is right.  The steps, in order:
 *
 *	d = imgp_deflate_new();			one per thread, to be reused
 *	imgp_deflate_peek(d, &src, want, e)	where the edits depend on the
 *	imgp_deflate_seen(d, &p)		  content's first bytes
 *	imgp_deflate_plan(d, &src, edits, n, &plan, e)
 *						reads the head only; now the new
 *						length, size and CRC are known
 *	imgp_deflate_verify(d, &src, &plan, e)	default: decodes the whole new
 *	  or imgp_deflate_glance(...)		with trust: the new head only
 *	  or imgp_deflate_check(...)		the same with two decoders
 *	write the container's header
 *	imgp_deflate_emit(d, &src, &plan, write, arg, e)
 *						or copy the pieces of the plan
 *						oneself (copy_file_range)
 *
 * Offsets and lengths are bytes.  "Content" is what the stream holds.  All
 * functions are safe on any input bytes, and use at most IMGP_DEFLATE_MEMORY
 * bytes for one struct imgp_deflate, whatever the stream.
 */
#ifndef IMGPIPE_DEFLATE_H
#define IMGPIPE_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"

#define IMGP_DEFLATE_MEMORY	(1 << 20)	/* bytes, all together */
#define IMGP_DEFLATE_EDITS	16		/* at most in one plan */
#define IMGP_DEFLATE_INSERT	65536		/* bytes of all edits */
#define IMGP_DEFLATE_BEYOND	65536		/* see imgp_deflate_check() */
#define IMGP_DEFLATE_PEEK	65536		/* see imgp_deflate_peek() */

struct imgp_deflate;				/* working memory */

/*
 * Read exactly ${len} bytes at ${off} of the compressed stream into ${buf}.
 * Returns 0, or -1 with ${e} filled in.  Never called for bytes beyond src.len.
 */
typedef int imgp_deflate_read(void *arg, uint64_t off, void *buf, size_t len,
	    struct imgp_err *e);
/* Take ${len} bytes of the new stream.  0, or -1 with ${e} filled in. */
typedef int imgp_deflate_write(void *arg, const void *buf, size_t len,
	    struct imgp_err *e);

/* A stream, and what its container says of its content. */
struct imgp_deflate_src {
	imgp_deflate_read *read;
	void		*arg;
	uint64_t	 len;		/* of the stream, compressed */
	uint64_t	 size;		/* of the content */
	uint32_t	 crc;		/* CRC-32 of the content */
};

/* A ready-made ${read} for a file: pread() with a pointer to this. */
struct imgp_deflate_fd {
	int		 fd;
	uint64_t	 off;		/* of the stream's first byte */
};
int	imgp_deflate_read_fd(void *fd, uint64_t off, void *buf, size_t len,
	    struct imgp_err *e);

/*
 * Replace ${del} bytes at offset ${at} of the old content by the ${inslen} bytes at
 * ${ins}.  A list of edits is sorted and without overlap: the next ${at} is not below
 * this at + del.  Edits at the same offset insert in their order.  at + del may be
 * src.size.
 */
struct imgp_deflate_edit {
	uint64_t	 at;
	uint64_t	 del;
	const void	*ins;
	size_t		 inslen;
};

/*
 * A piece of the new stream: ${len} bytes at ${mem}, or, when that is NULL, at ${off}
 * of the source stream.  Source bytes that are in memory already come as ${mem}.
 */
struct imgp_deflate_piece {
	const unsigned char *mem;
	uint64_t	 off;		/* in the source stream */
	uint64_t	 len;
};

#define IMGP_DEFLATE_PIECES	10		/* at most */

/*
 * What the new stream will be.  The memory in it belongs to the
 * struct imgp_deflate and is good until its next plan, undo or free.
 */
struct imgp_deflate_plan {
	uint64_t	 len;		/* of the new stream, compressed */
	uint64_t	 size;		/* of the new content */
	uint32_t	 crc;		/* of the new content (below) */
	struct imgp_deflate_piece piece[IMGP_DEFLATE_PIECES];
						/* in order; their sum is len */
	size_t		 pieces;

	/*
	 * From content offset head.len on, old and new content are the same
	 * bytes, and so are the two streams from the last piece on.
	 *	crc = crc32_combine(head.crc ^ newhead.crc, src.crc,
	 *	    src.size - head.len)
	 * so a source that is not what its CRC says stays wrong in the copy.
	 */
	struct { uint64_t len; uint32_t crc; } head, newhead;
	/*
	 * newhead and a little of what follows it, for imgp_deflate_glance(),
	 * and how much of the new stream holds that.
	 */
	struct { uint64_t len, stream; uint32_t crc; } probe;

	/*
	 * How to get the source stream back, bit for bit, from the new one:
	 * to be kept for imgp_deflate_undo().  Some hundred bytes.
	 */
	const unsigned char *undo;
	size_t		 undolen;

	/* For imgp_deflate_check(): as given; must live as long as the plan. */
	const struct imgp_deflate_edit *edit;
	size_t		 edits;

	/*
	 * A callback that the caller may set before verify or glance, or NULL.
	 * It gets the new content from its first byte on while the check
	 * decodes it, so before the check has passed, until it returns nonzero.
	 */
	int		(*see)(void *arg, const unsigned char *p, size_t len);
	void		*see_arg;
};

struct imgp_deflate *imgp_deflate_new(void);
void	imgp_deflate_free(struct imgp_deflate *d);	/* NULL is fine */

/*
 * Decode the first ${want} bytes of content of ${src} (at most IMGP_DEFLATE_PEEK), or
 * all if there are fewer.  With NULL for ${src}, decode more of the stream peeked at
 * last.  Returns as imgp_deflate_plan().
 */
int	imgp_deflate_peek(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src, size_t want,
	    struct imgp_err *e);

/*
 * The content's first bytes, as far as the last peek (at least what it wanted) or plan
 * decoded them.  Returns their number and sets ${*p}, which is valid until the next
 * call; 0 when the plan went so far that they are no longer in memory.
 */
size_t	imgp_deflate_seen(const struct imgp_deflate *d,
	    const unsigned char **p);

/*
 * Fill ${p} for ${src} changed by ${edit[0 .. n-1]} (n may be 0: a copy).  NULL for
 * ${src} means the stream peeked at last, of which nothing is read again.  Returns:
 * 0	the plan is ready
 * 1	declined, ${e} says why: the change passes a limit, though the stream may be
 *	valid.  Decode and encode it instead.
 * -1	IMGP_E_ARCHIVE_DAMAGED: the head is not valid for zlib's inflate(), or is cut
 *	short, or is the whole stream and fails its CRC; IMGP_E_INTERNAL: the edits are
 *	not sorted or overlap; or the error of src.read.
 */
int	imgp_deflate_plan(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const struct imgp_deflate_edit *edit, size_t n,
	    struct imgp_deflate_plan *p, struct imgp_err *e);

/*
 * Decode the whole new stream with ISA-L and compare length and CRC with the
 * plan.  As the plan's CRC is derived from what the container says of the
 * source, this one pass proves both: that the source was sound, and that the
 * new stream holds exactly the changed content.  (ISA-L takes some codes that
 * zlib refuses; the content is proved all the same.)
 * Returns 0; or -1 with IMGP_E_ARCHIVE_DAMAGED when the source itself does not match
 * src.size and src.crc (after a mismatch the source is decoded, too, to tell), else
 * with IMGP_E_STAMP_CHECK, or the error of src.read.
 */
int	imgp_deflate_verify(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const struct imgp_deflate_plan *p, struct imgp_err *e);

/*
 * The cheapest check: decode the new stream (with ISA-L, or zlib when it is long) up to
 * a little behind newhead.len, and compare the CRC with that of the old content with
 * the edits applied.  It proves that the patch is right and that the tail continues it,
 * not that the source or its tail is sound.
 * Returns 0; or -1 with IMGP_E_STAMP_CHECK, or the error of src.read.
 */
int	imgp_deflate_glance(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const struct imgp_deflate_plan *p, struct imgp_err *e);

/*
 * A check without src.crc: decode source and new stream with zlib side by side, up to
 * ${beyond} bytes of content behind head.len (or to the end), and compare them byte by
 * byte with the edits applied.  Returns as imgp_deflate_verify().
 */
int	imgp_deflate_check(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const struct imgp_deflate_plan *p, uint64_t beyond,
	    struct imgp_err *e);

/* Write the new stream, plan.len bytes.  Returns 0, or -1 with the error of read or
 * write. */
int	imgp_deflate_emit(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const struct imgp_deflate_plan *p,
	    imgp_deflate_write *write, void *arg, struct imgp_err *e);

/*
 * Undo: ${src} is a stream that a plan emitted, ${undo} that plan's undo record.  Fills
 * in len, piece and pieces of ${p}, and as size and crc those of the original source,
 * which the record holds.  imgp_deflate_emit() then writes the original stream, bit for
 * bit.  Returns 0; or -1 with IMGP_E_STAMP_CHECK when ${undo} does not fit ${src}, or
 * the error of src.read.
 */
int	imgp_deflate_undo(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const unsigned char *undo, size_t undolen,
	    struct imgp_deflate_plan *p, struct imgp_err *e);

#endif
