/*
 * What the files of dicom.c share: the bytes of an element's header, the shape, and
 * the steps that are more than one's own.  Private to dicom*.c.
 *
 *	dicom.c		feeds the walk: elements, sequences, the end
 *	dicom_start.c	how an object begins: preamble, meta information, coding
 *	dicom_head.c	the elements looked for, and the verdict
 *	dicom_value.c	what noted elements hold; elements as bytes
 *
 * A file calls those below it alone.
 */
#ifndef IMGPIPE_DICOM_PRIV_H
#define IMGPIPE_DICOM_PRIV_H

#include "libimgpipe/dicom/dicom.h"

enum { IN_START, IN_META, IN_DATA, IN_OTHER };	/* d->phase; -1: padding */
enum { ROOT, ITEM, SEQUENCE, FRAGMENTS };	/* a frame's kind */

#define UNDEFINED	UINT32_MAX
#define ENDLESS		UINT64_MAX

/* --- an element's header, as bytes ---------------------------------------- */

static inline uint32_t
get16(const unsigned char *p, int big)
{
	return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static inline uint32_t
get32(const unsigned char *p, int big)
{
	return big ? get16(p, 1) << 16 | get16(p + 2, 1) :
	    get16(p + 2, 0) << 16 | get16(p, 0);
}

static inline uint32_t
get_tag(const unsigned char *p, int big)
{
	return IMGP_TAG(get16(p, big), get16(p + 2, big));
}

static inline int
is_letters(const unsigned char *p)
{
	return p[0] >= 'A' && p[0] <= 'Z' && p[1] >= 'A' && p[1] <= 'Z';
}

/*
 * The VRs of PS3.5 6.2 by their first letter, a bit for each second one; looked
 * up twice an element, and so not searched for.
 */
extern const uint32_t imgp_dicom_vrs[26];
/* Those with two reserved bytes and a 32-bit length (PS3.5 7.1.2). */
extern const uint32_t imgp_dicom_long_vrs[26];

static inline int
is_among(const uint32_t set[26], const unsigned char *p)
{
	return is_letters(p) && (set[p[0] - 'A'] >> (p[1] - 'A') & 1);
}

static inline int
is_vr(const unsigned char *p)
{
	return is_among(imgp_dicom_vrs, p);
}

static inline int
is_long_vr(const unsigned char *p)
{
	return is_among(imgp_dicom_long_vrs, p);
}

/* --- the shape of the header ---------------------------------------------- */

#define LONG_VALUE	4096	/* DCMTK may leave such where they are */

static inline void
add_to_shape(struct imgp_dicom *d, uint64_t x)
{
	d->shape = (d->shape ^ x) * UINT64_C(0x9e3779b97f4a7c15);
	d->shape ^= d->shape >> 29;
}

/* A header of the head; ${vr}: NULL where it has none. */
static inline void
shape(struct imgp_dicom *d, uint32_t tag, const unsigned char *vr, uint32_t len)
{
	uint32_t alike = len == UNDEFINED ? 8 : (len == 0 ? 4u : 0) |
	    (len > LONG_VALUE ? 2u : 0) | (len & 1);

	if (d->state != IMGP_DICOM_MORE)
		return;
	add_to_shape(d, (uint64_t)tag << 32 | (vr == NULL ? 0 :
	    (uint32_t)vr[0] << 24 | (uint32_t)vr[1] << 16) | alike << 8 |
	    (d->nframe & 0xff));
}

/* The header in hold is read: begin the value that it announces. */
static inline void
consume(struct imgp_dicom *d)
{
	d->pos += d->nhold;
	d->nhold = 0;
	d->want = 8;
}

#define DICM_TWICE	"\"DICM\" stands a second time"

/* --- dicom_start.c -------------------------------------------------------- */

/* The object's first bytes are kept until it is known to be DICOM. */
void	imgp_dicom_keep_first(struct imgp_dicom *d, const void *p, size_t len);
/*
 * What is no DICOM may be a shifted file: that is not passed over in silence.  Its
 * first bytes tell; ${all}: there are no more.
 */
void	imgp_dicom_look_for_shift(struct imgp_dicom *d, int all);
/*
 * The first 132 bytes (fewer when there are no more) are in hold: what begins with
 * them?  Nonzero: what d->phase says now, and they are its own first bytes, which
 * it is yet to read.
 */
int	imgp_dicom_start(struct imgp_dicom *d);
/* The header of an element is in hold while the meta information lasts. */
void	imgp_dicom_meta_header(struct imgp_dicom *d);
/* The value of such an element is complete. */
void	imgp_dicom_meta_value(struct imgp_dicom *d, struct imgp_dicom_elem *el);
/* The meta information is over; ${h}: 8 bytes of what follows, or NULL. */
void	imgp_dicom_begin_data(struct imgp_dicom *d, const unsigned char *h);
/* Is the data set deflated in transfer syntax ${ts}? */
int	imgp_dicom_is_deflated(const char *ts);

/* --- dicom_head.c --------------------------------------------------------- */

/*
 * Stop here.  Without a preamble, meta information or UIDs DICOM was only a guess;
 * after the head only the tail stays unread.
 */
void	imgp_dicom_give_up(struct imgp_dicom *d, const char *code,
	    const char *what);
/* Before the first byte: the elements that ${want} is about. */
void	imgp_dicom_look_for(struct imgp_dicom *d,
	    const struct imgp_dicom_want *want);
/* Note a top-level element; -1 when the walk is over. */
int	imgp_dicom_note(struct imgp_dicom *d, uint32_t tag, uint32_t len,
	    uint64_t value);
/*
 * A top-level element of those noted aside?  Where its value is at ${p}, it is
 * kept; where that is to come (NULL), it is grabbed.
 */
void	imgp_dicom_note_aside(struct imgp_dicom *d, uint32_t tag, uint32_t len,
	    const unsigned char *p);
/* A creator was read: is it ours? */
void	imgp_dicom_compare_creator(struct imgp_dicom *d,
	    struct imgp_dicom_elem *el);
/* Is it one of those that say what an object is, or of the stamp's private
 * group?  (A group length is not.) */
int	imgp_dicom_is_of_head(const struct imgp_dicom *d, uint32_t tag);
/*
 * How many of the four UIDs of an instance were seen, usable or not.
 */
int	imgp_dicom_uids_seen(const struct imgp_dicom *d);
/*
 * Nonzero where an element of ${tag}, greater than all that is looked for, does
 * not end the head: a UID is still wanted and may stand behind it, out of order,
 * as far as to the pixels or to the limit of a header.
 */
int	imgp_dicom_is_wanting(const struct imgp_dicom *d, uint32_t tag);
/* The head ends at ${at}: what is this object? */
void	imgp_dicom_finish_head(struct imgp_dicom *d, uint64_t at);

#endif
