/*
 * What the files of mark.c share: the working memory of one struct imgp_mark, and
 * the steps that are more than one's own.  Private to mark*.c.
 *
 *	mark.c		reads an object's head and makes its new data
 *	mark_recode.c	makes them by decoding and encoding, where it must
 *	mark_check.c	reads them again before they are believed
 *	mark_undo.c	notes the way back, and goes it
 *
 * Steps return 0, or -1 with the outcome and, where there is something to say,
 * the error of ${o} set.
 */
#ifndef IMGPIPE_MARK_PRIV_H
#define IMGPIPE_MARK_PRIV_H

#include "libimgpipe/archive/content.h"
#include "libimgpipe/archive/encode.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/stamp/mark.h"
#include "libimgpipe/stamp/stamp.h"

enum { SEEN_NOTHING, SEEN_HEAD, SEEN_ALL };

#define EDITS	5
#define SHAPES	64			/* of headers that are remembered */
#define CHUNK	4096
#define BIG	((size_t)128 << 10)

struct imgp_mark_work {
	const struct imgp_mark_opts *opts;
	const struct imgp_mark_src *src;
	struct imgp_content *content;
	struct imgp_deflate *deflate;
	struct imgp_encode *fast, *inner;
	struct imgp_dicom dicom, again;
	int		 seen;		/* of the new content ${again} has read:
					 * nothing, its head, all of it */
	uint64_t	 shown;		/* bytes of it that were fed to ${again} */
	uint64_t	 fed;		/* bytes of content fed to ${dicom} */
	int		 peeked;	/* deflate is at this object's stream */
	size_t		 ahead;		/* to peek at first; 0: not known yet */
	uint64_t	 shape[SHAPES];	/* headers that DCMTK has read already */
	size_t		 nshapes;
	struct imgp_deflate_fd from;
	struct imgp_deflate_src dsrc;
	struct imgp_deflate_plan plan;
	struct imgp_deflate_edit edit[EDITS];
	size_t		 edits;
	unsigned char	 bytes[EDITS][IMGP_DICOM_VALUE + 16];
	const char	*id;
	struct imgp_spill spill;
	struct imgp_buf	 head;
	/* while encoding: CRC and size of the new content */
	uint32_t	 crc;
	uint64_t	 size;
	uint32_t	 inner_crc;	/* and of the deflated data set in it */
	uint64_t	 inner_size;
	uint32_t	 old_inner_crc;	/* what that was */
	unsigned char	*big;
	struct imgp_buf	 old;		/* what the edits take away */
};

/* --- mark.c --- */

int	imgp_mark_decline(struct imgp_mark *o);		/* -1 */
/* An error that is the object's own, or the machine's and so everybody's: -1. */
int	imgp_mark_failed(struct imgp_mark *o, const struct imgp_err *e);
/* w->content is the source's, from its first byte. */
void	imgp_mark_open(struct imgp_mark_work *w);
/* Read w->src up to where the head ends: w->dicom is in a final state. */
int	imgp_mark_walk(struct imgp_mark *o);
/* The next piece of the new data; one without bytes is none. */
void	imgp_mark_add_piece(struct imgp_mark *o, const void *mem, int fd,
	    uint64_t off, uint64_t len);
/* The edits of stored data as pieces. */
int	imgp_mark_splice(struct imgp_mark *o);
/* The pieces, sizes and CRC that w->plan has. */
void	imgp_mark_take_plan(struct imgp_mark *o);

/* --- mark_recode.c --- */

/* How ${c} gets at what another content gives. */
struct imgp_mark_nested {
	struct imgp_content *from;
	uint64_t	 pos;		/* of from: the next byte it gives */
	uint32_t	*crc;
};
/* An imgp_deflate_read of it, in order; ${arg}: a struct imgp_mark_nested. */
int	imgp_mark_read_nested(void *arg, uint64_t off, void *buf, size_t len,
	    struct imgp_err *e);
/* Decode, change, encode: the new data are in w->spill. */
int	imgp_mark_recode(struct imgp_mark *o);

/* --- mark_check.c --- */

/* The new content is read again: from here on, by imgp_mark_read_again(). */
void	imgp_mark_begin_again(struct imgp_mark_work *w);
/* The next bytes of it, for a plan's see(); nonzero: that was enough, with trust
 * its head. */
int	imgp_mark_read_again(void *work, const unsigned char *p, size_t len);
/* All that the new content, ${o}'s, has was offered: was it seen to its end? */
void	imgp_mark_end_again(struct imgp_mark *o);
/* The new data are not what they should be: IMGP_E_STAMP_CHECK, -1. */
int	imgp_mark_differs(struct imgp_mark *o, const char *what);
/* Read the new data, as if they were written already, and judge them. */
int	imgp_mark_check(struct imgp_mark *o);

/* --- mark_undo.c --- */

/* Note in o->record what the edits take away, and how it was done. */
int	imgp_mark_record(struct imgp_mark *o, int encoded);

#endif
