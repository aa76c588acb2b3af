/*
 * A whole raw deflate stream (RFC 1951), changed in any number of places in one
 * pass, without compressing it again; and the way back, bit for bit.
 *
 * Code words are copied as they are, but for those over which an edit passes, which
 * are spelt anew (deflate.c explains how).  Streams that
 * follow one another, as in a gzip file of several members, become one.  Memory
 * is constant: what struct imgp_deflate has, and less than 300 KiB more.
 *
 * Offsets and lengths are bytes.  "Content" is what the streams hold, one after
 * the other.  Any input bytes are safe.  Nothing is proved here: the caller
 * decodes what is written and compares it with what it should hold.
 */
#ifndef IMGPIPE_RESPELL_H
#define IMGPIPE_RESPELL_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/deflate/deflate.h"

/*
 * At content offset ${at} ${del} bytes go, and ${inslen} others come in their
 * place, which ${inserted} below gives from its offset ${ins} on.
 */
struct imgp_respell_edit {
	uint64_t	 at, del;
	uint64_t	 ins;
	size_t		 inslen;
};

/*
 * A place between two code words: a pass can go on from there without those in
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
};

/* A stream has ended; ${off} is the first byte behind it.  1: the next begins at
 * ${*next}, not below ${off}; 0: that was the last; -1 with ${e} filled in. */
typedef int imgp_respell_more(void *arg, uint64_t off, uint64_t *next,
	    struct imgp_err *e);

/*
 * Decode streams, and note marks in them: some each 8 KiB of content.  Each
 * callback: 0, or -1 with ${e} filled in.
 */
struct imgp_respell_trace {
	imgp_deflate_read *read;	/* of the source, as below */
	uint64_t	 len;
	imgp_respell_more *more;	/* all in front of it has been written */
	imgp_deflate_write *write;	/* takes the content */
	int		(*mark)(void *arg, const struct imgp_respell_mark *m,
			    struct imgp_err *e);
	void		*arg;
};
/* 0, or as imgp_respell_stream(). */
int	imgp_respell_decode(struct imgp_deflate *d,
	    const struct imgp_respell_trace *t, struct imgp_err *e);

/* Each callback: 0 where nothing else is said, or -1 with ${e} filled in. */
struct imgp_respell {
	imgp_deflate_read *read;	/* of the source, */
	uint64_t	 len;		/* which has so many bytes; the first
					 * stream begins at 0 */
	imgp_respell_more *more;
	/* The next edit, sorted as in deflate.h: 1; 0: there is none left. */
	int		(*edit)(void *arg, struct imgp_respell_edit *x,
			    struct imgp_err *e);
	imgp_deflate_read *inserted;
	imgp_deflate_write *write;	/* takes the new stream */
	imgp_deflate_write *undo;	/* takes the way back; NULL: not wanted */
	/*
	 * Where the streams were decoded before: the next mark of them: 1; 0:
	 * there is none left; and a read of the content.  With these no word is
	 * walked that no edit reaches.  NULL: all are.
	 */
	int		(*mark)(void *arg, struct imgp_respell_mark *m,
			    struct imgp_err *e);
	imgp_deflate_read *content;
	void		*arg;		/* of all of them */
};

/*
 * Write the new stream.  0; 1: declined, ${e} says why: it passes a limit, and
 * may be quite right; -1: IMGP_E_ARCHIVE_DAMAGED when it is not what zlib takes
 * for valid, IMGP_E_INTERNAL when the edits are not sorted, or what a callback
 * said.  Whatever was written is of no use unless it returns 0.
 */
int	imgp_respell_stream(struct imgp_deflate *d, const struct imgp_respell *r,
	    struct imgp_err *e);

/*
 * The way back: ${read} gives the ${len} bytes that imgp_respell_stream() has written,
 * and ${undo} what it gave for that: the next bytes of it, up to ${len}; how
 * many, 0 at the end, or -1 with ${e}.
 */
struct imgp_respell_back {
	imgp_deflate_read *read;
	uint64_t	 len;
	long		(*undo)(void *arg, void *buf, size_t len,
			    struct imgp_err *e);
	imgp_deflate_write *write;	/* takes the source: all from the first
					 * stream's first byte to the last one's
					 * end, and what was between */
	void		*arg;
};

/*
 * 0; or -1: IMGP_E_STAMP_CHECK when the two do not fit each other, or what a
 * callback said.
 */
int	imgp_respell_undo(const struct imgp_respell_back *b,
	    struct imgp_err *e);

#endif
