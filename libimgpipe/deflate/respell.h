/*
 * Change a whole raw deflate stream (RFC 1951) in any number of places in one pass,
 * without compressing it again; and undo the change, bit for bit.
 *
 * Code words are copied as they are, except those that an edit touches, which are
 * written anew (deflate.c explains how).  Streams that follow one another, as in a gzip
 * file of several members, become one.  Memory is constant: that of struct imgp_deflate
 * and less than 300 KiB more.
 *
 * Offsets and lengths are bytes.  "Content" is what the streams hold, one after
 * the other.  Any input bytes are safe.  Nothing is verified here: the caller decodes
 * the output and compares it with the expected content.
 */
#ifndef IMGPIPE_RESPELL_H
#define IMGPIPE_RESPELL_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/deflate/deflate.h"

/*
 * Replace ${del} bytes at content offset ${at} by ${inslen} bytes, which the callback
 * ${inserted} below reads at its offset ${ins}.
 */
struct imgp_respell_edit {
	uint64_t	 at, del;
	uint64_t	 ins;
	size_t		 inslen;
};

/*
 * A place between two code words from which a pass can decode without reading those in
 * front of it.
 */
struct imgp_respell_mark {
	uint64_t	 at;		/* content offset */
	uint64_t	 bit;		/* of the source */
	uint64_t	 header;	/* the bit at which its block begins */
	uint32_t	 type;		/* of the block */
	uint32_t	 stored;	/* stored blocks in front of it */
	uint32_t	 finals;	/* final ones up to its own, and streams that
					 * have ended */
	/*
	 * Behind it, up to the next mark, all copies are listed whose source begins
	 * in front of content offset ${floor}; UINT64_MAX: none is.
	 */
	uint64_t	 floor;
	uint32_t	 copies;	/* so many */
};

/* A copy of such a list, whose form is the library's own. */
typedef uint64_t imgp_respell_copy;
#define IMGP_RESPELL_COPIES	1536u	/* there are fewer in a list */

/* Called when a stream has ended; ${off} is the first byte behind it.  Returns 1 when
 * another stream begins at ${*next}, which is not below ${off}; 0 when that was the
 * last; -1 with ${e} filled in. */
typedef int imgp_respell_more(void *arg, uint64_t off, uint64_t *next,
	    struct imgp_err *e);

/*
 * Decode streams, and note marks in them, about one every 4 KiB of content.  Each
 * callback returns 0, or -1 with ${e} filled in.
 */
struct imgp_respell_trace {
	imgp_deflate_read *read;	/* of the source, as below */
	uint64_t	 len;
	imgp_respell_more *more;	/* all in front of it has been written */
	imgp_deflate_write *write;	/* takes the content */
	int		(*mark)(void *arg, const struct imgp_respell_mark *m,
			    const imgp_respell_copy *list, struct imgp_err *e);
	/*
	 * Guess, from the ${len} bytes of content at ${p} and those that were shown
	 * before, where edits will be: none from offset ${*from} to ${*to}.  Copies
	 * are listed there.  A wrong guess costs time alone.  NULL: no lists.
	 */
	void		(*quiet)(void *arg, const void *p, size_t len,
			    uint64_t *from, uint64_t *to);
	void		*arg;
};
/* Returns as imgp_respell_stream(). */
int	imgp_respell_decode(struct imgp_deflate *d,
	    const struct imgp_respell_trace *t, struct imgp_err *e);

/* Each callback returns 0 unless told otherwise, or -1 with ${e} filled in. */
struct imgp_respell {
	imgp_deflate_read *read;	/* of the source, */
	uint64_t	 len;		/* which has so many bytes; the first
					 * stream begins at 0 */
	imgp_respell_more *more;
	/* Get the next edit, sorted as in deflate.h: 1, or 0 when none is left. */
	int		(*edit)(void *arg, struct imgp_respell_edit *x,
			    struct imgp_err *e);
	imgp_deflate_read *inserted;
	imgp_deflate_write *write;	/* takes the new stream */
	imgp_deflate_write *undo;	/* takes the undo record; NULL: none wanted */
	/*
	 * If imgp_respell_decode() was run before: ${mark} gets the next mark and
	 * its list, which has room for IMGP_RESPELL_COPIES (1, or 0 when none is
	 * left), and ${content} reads the decoded content.  Code words that no edit
	 * reaches, and those between listed copies, are then copied undecoded.
	 * NULL: decode all.
	 */
	int		(*mark)(void *arg, struct imgp_respell_mark *m,
			    imgp_respell_copy *list, struct imgp_err *e);
	imgp_deflate_read *content;
	uint64_t	 size;		/* of the content, for that */
	void		*arg;		/* of all of them */
};

/*
 * Write the new stream.  Returns 0; 1 when it declines, as ${e} says, because a limit is
 * passed, though the stream may be valid; -1 with IMGP_E_ARCHIVE_DAMAGED when the stream
 * is not valid for zlib, with IMGP_E_INTERNAL when the edits are not sorted, or with a
 * callback's error.  Discard the output unless it returns 0.
 */
int	imgp_respell_stream(struct imgp_deflate *d, const struct imgp_respell *r,
	    struct imgp_err *e);

/*
 * Undo: ${read} reads the ${len} bytes that imgp_respell_stream() wrote.  ${undo} reads
 * on in its undo record: it returns how many bytes it put into ${buf}, at most its
 * ${len}, 0 at the end, or -1 with ${e}.
 */
struct imgp_respell_back {
	imgp_deflate_read *read;
	uint64_t	 len;
	long		(*undo)(void *arg, void *buf, size_t len,
			    struct imgp_err *e);
	imgp_deflate_write *write;	/* takes the source, from the first
					 * stream's first byte to the last
					 * stream's end */
	void		*arg;
};

/*
 * Returns 0; or -1 with IMGP_E_STAMP_CHECK when stream and record do not fit each other,
 * or with a callback's error.
 */
int	imgp_respell_undo(const struct imgp_respell_back *b,
	    struct imgp_err *e);

#endif
