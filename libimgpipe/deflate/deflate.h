/*
 * The wing deflate: bytes changed inside a deflate stream.  It must not know ZIP
 * and gzip, which wrap such streams.
 *
 * This file: change a few bytes near the head of what a raw deflate stream (RFC 1951)
 * holds, without compressing it again.
 *
 * The code words up to some 32 KiB behind the last change are walked, the few
 * that the change touches are spelt anew, and everything behind is copied byte
 * for byte.  deflate.c explains why that is right.  The steps, in order:
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
 * 0, or -1 with ${e} filled in.  Only asked for what lies within src.len.
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
 * At content offset ${at} (of the content as it is): ${del} bytes go, and
 * ${inslen} bytes of ${ins} come in their place.  A list of edits is sorted
 * and does not overlap: the next ${at} is not below this at + del.  Edits at
 * the same place insert in their order.  at + del may be src.size.
 */
struct imgp_deflate_edit {
	uint64_t	 at;
	uint64_t	 del;
	const void	*ins;
	size_t		 inslen;
};

/*
 * A piece of the new stream: ${mem}, or, when that is NULL, of the source.
 * What was read of the source already comes as ${mem}.
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
	 * To be filled in between plan and verify or glance, or left NULL: is
	 * shown the new content from its first byte on, as the check decodes
	 * it and so before it is judged, until it answers nonzero.
	 */
	int		(*see)(void *arg, const unsigned char *p, size_t len);
	void		*see_arg;
};

struct imgp_deflate *imgp_deflate_new(void);
void	imgp_deflate_free(struct imgp_deflate *d);	/* NULL is fine */

/*
 * Decode the beginning of ${src}, ${want} bytes of content (at most
 * IMGP_DEFLATE_PEEK) or all where there are fewer.  0; or as
 * imgp_deflate_plan().  NULL for ${src} is the stream that was just peeked at:
 * more of it.
 */
int	imgp_deflate_peek(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src, size_t want,
	    struct imgp_err *e);

/*
 * The content's first bytes, as far as the last peek (no less than was wanted)
 * or plan has decoded them: their number, and in ${p} where they are until the
 * next call.  0 where the plan had to go on so far that they are gone.
 */
size_t	imgp_deflate_seen(const struct imgp_deflate *d,
	    const unsigned char **p);

/*
 * Fill ${p} for ${src} changed by ${edit[0 .. n-1]} (n may be 0: a copy).
 * NULL for ${src} is the stream that was just peeked at, of which nothing is
 * read again.  0, or:
 * 1	declined, ${e} says why: the change passes a limit; the stream may be
 *	quite right.  Decode and encode instead.
 * -1	IMGP_E_ARCHIVE_DAMAGED: the head is not what zlib's inflate() takes
 *	for valid, or ends too early, or is the whole and fails its CRC;
 *	IMGP_E_INTERNAL: the edits are not as said above; or what src.read
 *	said.
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
 * 0, or -1: IMGP_E_ARCHIVE_DAMAGED when the source itself does not hold what
 * src.size and src.crc say (it is decoded too in that case, to tell), else
 * IMGP_E_STAMP_CHECK, or what src.read said.
 */
int	imgp_deflate_verify(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const struct imgp_deflate_plan *p, struct imgp_err *e);

/*
 * The cheapest own check: decode the new stream (with ISA-L, or zlib when it is
 * long) up to a little behind newhead.len, and compare the CRC with that of
 * what the plan read and the edits made of it.  It proves that the patch holds
 * what it should and that the tail goes on from it, not that the source or its
 * tail is sound.
 * 0, or -1: IMGP_E_STAMP_CHECK, or what src.read said.
 */
int	imgp_deflate_glance(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const struct imgp_deflate_plan *p, struct imgp_err *e);

/*
 * The head and more of it, without src.crc: decode the source and the new
 * stream with zlib, side by side, up to ${beyond} bytes of content behind
 * head.len (or to the end), and compare byte by byte with the edits applied.
 * 0, or -1 as imgp_deflate_verify().
 */
int	imgp_deflate_check(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const struct imgp_deflate_plan *p, uint64_t beyond,
	    struct imgp_err *e);

/* Write the new stream: plan.len bytes.  0, or -1: what read or write said. */
int	imgp_deflate_emit(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const struct imgp_deflate_plan *p,
	    imgp_deflate_write *write, void *arg, struct imgp_err *e);

/*
 * The way back: ${src} is a stream that was emitted by a plan, ${undo} that
 * plan's undo record.  Fills in of ${p} len, piece and pieces; size and crc
 * become the source's of then, as the record says.  imgp_deflate_emit() gives
 * the source stream of then, bit for bit.  0, or -1: IMGP_E_STAMP_CHECK when
 * ${undo} does not fit ${src}, or what src.read said.
 */
int	imgp_deflate_undo(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src,
	    const unsigned char *undo, size_t undolen,
	    struct imgp_deflate_plan *p, struct imgp_err *e);

#endif
