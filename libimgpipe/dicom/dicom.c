#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/dicom/dicom.h"

enum { IN_START, IN_META, IN_DATA, IN_OTHER };
enum { ROOT, ITEM, SEQUENCE, FRAGMENTS };

#define UNDEFINED	UINT32_MAX
#define ENDLESS		UINT64_MAX

#define TAG_ITEM	IMGP_TAG(0xfffe, 0xe000)
#define TAG_ITEM_END	IMGP_TAG(0xfffe, 0xe00d)
#define TAG_SEQ_END	IMGP_TAG(0xfffe, 0xe0dd)
#define TAG_SIGNATURES	IMGP_TAG(0xfffa, 0xfffa)
/* Every signature names a MAC of this sequence, which stands before pixels. */
#define TAG_MACS	IMGP_TAG(0x4ffe, 0x0001)
#define TAG_PIXELS	IMGP_TAG(0x7fe0, 0x0010)
/* Directory Record Sequence. */
#define TAG_RECORDS	IMGP_TAG(0x0004, 0x1220)

#define UID_DICOMDIR	"1.2.840.10008.1.3.10"
#define UID_IMPLICIT	"1.2.840.10008.1.2"
#define UID_BIG		"1.2.840.10008.1.2.2"
#define UID_DEFLATED	"1.2.840.10008.1.2.1.99"
#define UID_JPIP_DFL	"1.2.840.10008.1.2.4.95"
#define UID_JPIPHT_DFL	"1.2.840.10008.1.2.4.205"
/* GE's own: implicit little endian but for the pixels. */
#define UID_GE_IMPLICIT	"1.2.840.113619.5.2"

const struct imgp_dicom_limits imgp_dicom_limits = {
	.depth = IMGP_DICOM_DEPTH,
	.elements = 1000000,
	.items = 100000,
	.disorder = 64,
	.head = (uint64_t)16 << 20,
	.ratio = 200,
	.ratio_from = (uint64_t)64 << 20,
};
const struct imgp_dicom_want imgp_dicom_want = { IMGP_TAG_SERIES_ID, NULL, 0 };

static void data_feed(struct imgp_dicom *d, const unsigned char *p, size_t len);

/* The elements noted aside, from IMGP_DICOM_ASIDE on. */
static const uint32_t aside[IMGP_DICOM_ELEMENTS - IMGP_DICOM_ASIDE] = {
	IMGP_TAG(0x0008, 0x0020), IMGP_TAG(0x0008, 0x0060),
	IMGP_TAG(0x0010, 0x0010), IMGP_TAG(0x0010, 0x0020),
};

static uint32_t
get16(const unsigned char *p, int big)
{
	return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t
get32(const unsigned char *p, int big)
{
	return big ? get16(p, 1) << 16 | get16(p + 2, 1) :
	    get16(p + 2, 0) << 16 | get16(p, 0);
}

static uint32_t
get_tag(const unsigned char *p, int big)
{
	return IMGP_TAG(get16(p, big), get16(p + 2, big));
}

static int
is_letters(const unsigned char *p)
{
	return p[0] >= 'A' && p[0] <= 'Z' && p[1] >= 'A' && p[1] <= 'Z';
}

/*
 * The VRs of PS3.5 6.2 by their first letter, a bit for each second one; looked
 * up twice an element, and so not searched for.
 */
#define B(c)	(1u << ((c) - 'A'))
static const uint32_t vrs[26] = {
	['A' - 'A'] = B('E') | B('S') | B('T'),
	['C' - 'A'] = B('S'),
	['D' - 'A'] = B('A') | B('S') | B('T'),
	['F' - 'A'] = B('D') | B('L'),
	['I' - 'A'] = B('S'),
	['L' - 'A'] = B('O') | B('T'),
	['O' - 'A'] = B('B') | B('D') | B('F') | B('L') | B('V') | B('W'),
	['P' - 'A'] = B('N'),
	['S' - 'A'] = B('H') | B('L') | B('Q') | B('S') | B('T') | B('V'),
	['T' - 'A'] = B('M'),
	['U' - 'A'] = B('C') | B('I') | B('L') | B('N') | B('R') | B('S') |
	    B('T') | B('V'),
};
/* Those with two reserved bytes and a 32-bit length (PS3.5 7.1.2). */
static const uint32_t long_vrs[26] = {
	['O' - 'A'] = B('B') | B('D') | B('F') | B('L') | B('V') | B('W'),
	['S' - 'A'] = B('Q') | B('V'),
	['U' - 'A'] = B('C') | B('N') | B('R') | B('T') | B('V'),
};
#undef B

static int
is_among(const uint32_t set[26], const unsigned char *p)
{
	return is_letters(p) && (set[p[0] - 'A'] >> (p[1] - 'A') & 1);
}

static int
is_vr(const unsigned char *p)
{
	return is_among(vrs, p);
}

static int
is_long_vr(const unsigned char *p)
{
	return is_among(long_vrs, p);
}

/*
 * Stop here.  Without a preamble or meta information DICOM was only a guess; after
 * the head only the tail stays unread.
 */
static void
give_up(struct imgp_dicom *d, const char *code, const char *what)
{
	if (d->state == IMGP_DICOM_HEAD) {
		d->tail_lost = 1;
		return;
	}
	if (d->state != IMGP_DICOM_MORE)
		return;		/* the first reason stands */
	if (!d->preamble && !d->meta) {
		d->state = IMGP_DICOM_NOT;
		return;
	}
	d->state = IMGP_DICOM_BAD;
	if (d->at == 0)
		imgp_fail(&d->err, code, "%s at byte %llu of the header", what,
		    (unsigned long long)d->pos);
	else
		imgp_fail(&d->err, code, "%s in (%04X,%04X), at byte %llu of the "
		    "header", what, d->at >> 16, d->at & 0xffff,
		    (unsigned long long)d->pos);
}

static int
is_over(const struct imgp_dicom *d)
{
	return d->state == IMGP_DICOM_NOT || d->state == IMGP_DICOM_BAD ||
	    d->tail_lost;
}

void
imgp_dicom_init(struct imgp_dicom *d, const struct imgp_dicom_want *want,
    const struct imgp_dicom_limits *lim)
{
	struct imgp_dicom_elem *el = d->elem;
	uint32_t id;
	int i;

	/* The values and the hold need no clearing, and this is called for
	 * every member of an archive. */
	memset(d, 0, offsetof(struct imgp_dicom, elem));
	memset(d->syntax, 0, sizeof *d - offsetof(struct imgp_dicom, syntax));
	for (i = 0; i < IMGP_DICOM_ELEMENTS; i++) {
		memset(&el[i], 0, offsetof(struct imgp_dicom_elem, value));
		el[i].off = ENDLESS;
	}
	if (want == NULL)
		want = &imgp_dicom_want;
	d->lim = lim == NULL ? imgp_dicom_limits : *lim;
	if (d->lim.depth > IMGP_DICOM_DEPTH)
		d->lim.depth = IMGP_DICOM_DEPTH;
	id = want->id;
	el[IMGP_DICOM_SOP_CLASS].tag = IMGP_TAG(0x0008, 0x0016);
	el[IMGP_DICOM_SOP_INSTANCE].tag = IMGP_TAG(0x0008, 0x0018);
	el[IMGP_DICOM_STUDY].tag = IMGP_TAG(0x0020, 0x000d);
	el[IMGP_DICOM_SERIES].tag = IMGP_TAG(0x0020, 0x000e);
	el[IMGP_DICOM_NUMBER].tag = IMGP_TAG(0x0020, 0x0011);
	el[IMGP_DICOM_GROUP].tag = id & 0xffff0000u;
	el[IMGP_DICOM_ID].tag = id;
	el[IMGP_DICOM_GROUP_END].tag = id | 0xffff;
	if (id == IMGP_TAG_SERIES_ID)
		el[IMGP_DICOM_CENTER].tag = IMGP_TAG_CENTER;
	if (want->creator != NULL) {
		/* Until the block is found: behind all creators, and behind
		 * the whole group.  The low byte of the tag waits in len. */
		d->creator = want->creator;
		el[IMGP_DICOM_CREATOR].tag = (id & 0xffff0000u) | 0xff;
		el[IMGP_DICOM_ID].tag = id | 0xffff;
		el[IMGP_DICOM_ID].len = id & 0xff;
	}
	d->aside = UINT32_MAX;
	for (i = IMGP_DICOM_ASIDE; want->aside != 0 && i < IMGP_DICOM_ELEMENTS;
	    i++)
		if (want->aside & IMGP_DICOM_WANTS(i)) {
			el[i].tag = aside[i - IMGP_DICOM_ASIDE];
			d->aside = 0;
			d->asides = 1;
		}
	d->stop = el[IMGP_DICOM_NUMBER].tag;
	if (el[IMGP_DICOM_ID].tag > d->stop)
		d->stop = el[IMGP_DICOM_ID].tag;
	d->state = IMGP_DICOM_MORE;
	d->meta_end = ENDLESS;
	d->want = 132;
	d->frame[0].end = ENDLESS;
}

void
imgp_dicom_release(struct imgp_dicom *d)
{
	if (d->inflate != NULL) {
		inflateEnd(d->inflate);
		free(d->inflate);
		d->inflate = NULL;
	}
}

/* --- the shape of the header ---------------------------------------------- */

#define LONG_VALUE	4096	/* DCMTK may leave such where they are */

static void
add_to_shape(struct imgp_dicom *d, uint64_t x)
{
	d->shape = (d->shape ^ x) * UINT64_C(0x9e3779b97f4a7c15);
	d->shape ^= d->shape >> 29;
}

/* A header of the head; ${vr}: NULL where it has none. */
static void
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

/* --- the private block ---------------------------------------------------- */

static int
uses_block(struct imgp_dicom *d, uint32_t tag)
{
	uint32_t e = tag & 0xffff;

	if (d->creator == NULL || tag >> 16 != d->elem[IMGP_DICOM_GROUP].tag >> 16)
		return 0;
	if (e >= 0x1000)
		d->block[e >> 11] |= (unsigned char)(1u << (e >> 8 & 7));
	else if (e >= 0x10 && e <= 0xff)
		d->block[e >> 3] |= (unsigned char)(1u << (e & 7));
	return e >= 0x10 && e <= 0xff &&
	    !d->elem[IMGP_DICOM_CREATOR].present;
}

/*
 * An element of ${tag}, or the head's end, is at ${pos}: what would stand before
 * it, and not before an earlier one, would stand there.
 */
static void
note_blocks(struct imgp_dicom *d, uint32_t tag, uint64_t pos)
{
	const struct imgp_dicom_elem *id = &d->elem[IMGP_DICOM_ID];
	uint32_t group = d->elem[IMGP_DICOM_GROUP].tag, low = id->len;

	if (d->creator == NULL || d->elem[IMGP_DICOM_CREATOR].present)
		return;
	for (; d->creators <= 0xff && tag > (group | d->creators);
	    d->creators++)
		d->creator_off[d->creators] = pos;
	for (; d->ids <= 0xff && tag > (group | d->ids << 8 | low); d->ids++)
		d->id_off[d->ids] = pos;
}

/* A creator was read: is it ours? */
static void
compare_creator(struct imgp_dicom *d, struct imgp_dicom_elem *el)
{
	struct imgp_dicom_elem *id = &d->elem[IMGP_DICOM_ID];
	uint32_t n = el->kept;

	while (n > 0 && (el->value[n - 1] == ' ' || el->value[n - 1] == '\0'))
		n--;
	if (el->kept != el->len || n != strlen(d->creator) ||
	    memcmp(el->value, d->creator, n) != 0) {
		el->present = 0;
		el->off = ENDLESS;
		el->tag |= 0xff;
		return;
	}
	id->tag = (id->tag & 0xffff0000u) | (el->tag & 0xff) << 8 | id->len;
}

/* No block is ours: take the first free one; the head ends at ${at}. */
static int
choose_block(struct imgp_dicom *d, uint64_t at)
{
	struct imgp_dicom_elem *cr = &d->elem[IMGP_DICOM_CREATOR];
	struct imgp_dicom_elem *id = &d->elem[IMGP_DICOM_ID];
	uint32_t b = 0x10;

	while (b <= 0xff && d->block[b >> 3] >> (b & 7) & 1)
		b++;
	if (b > 0xff)
		return -1;
	note_blocks(d, UINT32_MAX, at);
	cr->tag = (cr->tag & 0xffff0000u) | b;
	cr->off = cr->end = d->creator_off[b];
	id->tag = (id->tag & 0xffff0000u) | b << 8 | id->len;
	id->off = id->end = d->id_off[b];
	return 0;
}

/* --- the end of the head -------------------------------------------------- */

/* How many of the four UIDs of an instance were seen, usable or not. */
static int
uids_seen(const struct imgp_dicom *d)
{
	int i, n = 0;

	for (i = IMGP_DICOM_SOP_CLASS; i <= IMGP_DICOM_SERIES; i++)
		n += d->elem[i].present;
	return n;
}

/* A DICOMDIR is known by its SOP class, by its records only where no SOP class
 * is stated. */
static int
is_directory(const struct imgp_dicom *d)
{
	char uid[IMGP_UID_MAX + 1];

	if (imgp_dicom_uid(d, IMGP_DICOM_SOP_CLASS, uid) == 0)
		return strcmp(uid, UID_DICOMDIR) == 0;
	if (d->media[0] != '\0')
		return strcmp(d->media, UID_DICOMDIR) == 0;
	return d->records;
}

static void
finish_head(struct imgp_dicom *d, uint64_t at)
{
	struct imgp_dicom_elem *el;
	char uid[IMGP_UID_MAX + 1];
	const char *s;
	int i, n = 0;

	for (i = 0; i < IMGP_DICOM_ASIDE; i++) {
		el = &d->elem[i];
		if (el->tag != 0 && !el->present && el->off == ENDLESS)
			el->off = el->end = at;
	}
	if (d->creator != NULL && !d->elem[IMGP_DICOM_CREATOR].present &&
	    choose_block(d, at) == -1) {
		give_up(d, IMGP_E_DICOM_INVALID, "no private block is free");
		return;
	}
	for (i = IMGP_DICOM_SOP_CLASS; i <= IMGP_DICOM_SERIES; i++)
		n += imgp_dicom_uid(d, (enum imgp_dicom_which)i, uid) == 0;
	d->kind = is_directory(d) ? IMGP_DICOM_DIRECTORY :
	    n == 4 ? IMGP_DICOM_INSTANCE : IMGP_DICOM_NO_UID;
	if (!d->preamble && !d->meta && (n != 4 ||
	    d->kind != IMGP_DICOM_INSTANCE)) {
		d->state = IMGP_DICOM_NOT;
		return;
	}
	d->head = d->pos + d->nhold;
	for (s = d->syntax; *s != '\0'; s++)
		add_to_shape(d, (unsigned char)*s);
	d->shape = d->shapeless || d->mismatch || d->nested_bad ? 0 :
	    d->shape | 1;
	d->state = IMGP_DICOM_HEAD;
}

/* --- elements ------------------------------------------------------------- */

/* Is it one of those that say what an object is?  (A group length does not.) */
static int
is_of_head(const struct imgp_dicom *d, uint32_t tag)
{
	int i;

	for (i = 0; i < IMGP_DICOM_ASIDE; i++)
		if (d->elem[i].tag == tag && tag != 0 && i != IMGP_DICOM_GROUP &&
		    i != IMGP_DICOM_GROUP_END)
			return 1;
	return 0;
}

/*
 * A top-level element of those noted aside?  Where its value is at ${p}, it is
 * kept; where that is to come (NULL), it is grabbed.
 */
static void
note_aside(struct imgp_dicom *d, uint32_t tag, uint32_t len,
    const unsigned char *p)
{
	struct imgp_dicom_elem *el;
	int i;

	d->aside = UINT32_MAX;
	for (i = IMGP_DICOM_ASIDE; i < IMGP_DICOM_ELEMENTS; i++) {
		el = &d->elem[i];
		if (el->tag > tag && el->tag < d->aside)
			d->aside = el->tag;
		if (el->tag != tag)
			continue;
		if (el->present || len == UNDEFINED) {
			el->present = 2;
			continue;
		}
		el->present = 1;
		el->len = len;
		if (p == NULL)
			d->grab = el;
		else {
			el->kept = len < IMGP_DICOM_VALUE ? len :
			    IMGP_DICOM_VALUE;
			memcpy(el->value, p, el->kept);
		}
	}
}

/* Note a top-level element; -1 when the walk is over. */
static int
note(struct imgp_dicom *d, uint32_t tag, uint32_t len, uint64_t value)
{
	struct imgp_dicom_elem *el;
	int creator, i, match;

	/* Most elements are neither wanted nor right behind a wanted one. */
	if (tag > d->noted && tag < d->watch && d->creator == NULL)
		return 0;
	creator = uses_block(d, tag);
	note_blocks(d, tag, d->pos);
	for (i = 0; i < IMGP_DICOM_ASIDE; i++) {
		el = &d->elem[i];
		if (el->tag == 0)
			continue;
		match = i == IMGP_DICOM_CREATOR ? creator : el->tag == tag;
		if (!match) {
			if (tag > el->tag && !el->present && el->off == ENDLESS)
				el->off = el->end = d->pos;
			continue;
		}
		if (el->present) {
			give_up(d, IMGP_E_DICOM_INVALID,
			    "an element stands twice");
			return -1;
		}
		if (len == UNDEFINED && i != IMGP_DICOM_ID &&
		    i != IMGP_DICOM_CENTER) {
			give_up(d, IMGP_E_DICOM_INVALID,
			    "an element has no length");
			return -1;
		}
		el->tag = tag;
		el->present = 1;
		el->off = d->pos;
		el->end = len == UNDEFINED ? value : value + len;
		el->len = len;
		el->kept = 0;
		d->grab = len == UNDEFINED ? NULL : el;
		if (i == IMGP_DICOM_GROUP && (tag | 0xffff) > d->stop)
			d->stop = tag | 0xffff;
	}
	if (tag > d->noted)
		d->noted = tag;
	d->watch = UINT32_MAX;
	for (i = 0; i < IMGP_DICOM_ASIDE; i++) {
		el = &d->elem[i];
		if (el->tag > d->noted && el->tag < d->watch)
			d->watch = el->tag;
	}
	return 0;
}

/*
 * A nested data set does not fit into the length that contains it.  The outer
 * length is believed, the inside is passed over.
 */
static void
nested_bad(struct imgp_dicom *d)
{
	unsigned int n = d->nframe;

	while (n > 0 && d->frame[n].open)
		n--;
	if (n == 0 || d->frame[n].end < d->pos + d->nhold) {
		give_up(d, IMGP_E_DICOM_INVALID, d->nframe == 0 ?
		    "an element is damaged" : "a sequence is damaged");
		return;
	}
	d->nframe = n;
	d->nested_bad = 1;
	d->skip = d->frame[d->nframe].end - d->pos - d->nhold;
	d->pos += d->nhold;
	d->nhold = 0;
	d->want = 8;
}

static void
push(struct imgp_dicom *d, int kind, uint64_t end, int implicit, int big)
{
	struct imgp_dicom_frame *f;

	if (d->nframe >= d->lim.depth) {
		give_up(d, IMGP_E_DICOM_LIMIT, "sequences are nested too deep");
		return;
	}
	f = &d->frame[++d->nframe];
	f->open = end == ENDLESS;
	f->end = f->open ? f[-1].end : end;
	f->un = f[-1].un;
	f->kind = (unsigned char)kind;
	f->implicit = implicit != 0;
	f->big = big != 0;
	f->fresh = kind == ITEM;
}

/* The header in hold is read: begin the value that it announces. */
static void
consume(struct imgp_dicom *d)
{
	d->pos += d->nhold;
	d->nhold = 0;
	d->want = 8;
}

/* An item or a delimiter. */
static void
delimiter(struct imgp_dicom *d, struct imgp_dicom_frame *f, uint32_t tag,
    uint32_t len)
{
	uint64_t end = len == UNDEFINED ? ENDLESS : d->pos + 8 + len;

	shape(d, tag, NULL, len);
	if (tag == TAG_ITEM && f->kind == SEQUENCE) {
		if (++d->n_item > d->lim.items) {
			give_up(d, IMGP_E_DICOM_LIMIT, "too many items");
			return;
		}
		if (end != ENDLESS && end > f->end) {
			nested_bad(d);
			return;
		}
		consume(d);
		push(d, ITEM, end, f->implicit, f->big);
	} else if (tag == TAG_ITEM && f->kind == FRAGMENTS &&
	    len != UNDEFINED) {
		if (++d->n_item > d->lim.items && d->state == IMGP_DICOM_MORE) {
			give_up(d, IMGP_E_DICOM_LIMIT, "too many items");
			return;
		}
		consume(d);
		d->skip = len;
	} else if ((tag == TAG_SEQ_END && (f->kind == SEQUENCE ||
	    f->kind == FRAGMENTS)) || (tag == TAG_ITEM_END && f->kind == ITEM)) {
		/* Some writers end a sequence of defined length so, too. */
		if (!f->open && d->pos + 8 != f->end) {
			nested_bad(d);
			return;
		}
		if (f->kind == FRAGMENTS && d->nframe == 1 && d->pixels_end == ENDLESS)
			d->pixels_end = d->pos;
		consume(d);
		d->nframe--;
	} else
		nested_bad(d);
}

/*
 * Nonzero where an element of ${tag}, greater than all that is looked for, does
 * not end the head: a UID is still wanted and may stand behind it, out of order,
 * as far as to the pixels or to the limit of a header.
 */
static int
is_wanting(const struct imgp_dicom *d, uint32_t tag)
{
	return tag >> 16 < 0x7fe0 && d->pos <= d->lim.head &&
	    uids_seen(d) < 4 && !is_directory(d);
}

/* Float, Double Float and plain Pixel Data. */
static int
is_pixels(uint32_t tag)
{
	return tag == TAG_PIXELS || tag == IMGP_TAG(0x7fe0, 0x0008) ||
	    tag == IMGP_TAG(0x7fe0, 0x0009);
}

static void
element(struct imgp_dicom *d, struct imgp_dicom_frame *f, uint32_t tag,
    const unsigned char *vr, uint32_t len)
{
	uint64_t value = d->pos + d->nhold, end;
	int pixels = 0, seq, un, implicit = f->implicit, big = f->big;

	shape(d, tag, vr, len);
	d->shapeless |= implicit;
	un = vr != NULL && memcmp(vr, "UN", 2) == 0;
	seq = vr != NULL && memcmp(vr, "SQ", 2) == 0;
	if (len == UNDEFINED) {
		pixels = vr != NULL ? vr[0] == 'O' : tag == TAG_PIXELS;
		if (vr != NULL && !pixels && !seq && !un) {
			nested_bad(d);
			return;
		}
		seq = !pixels;
		if (un) {	/* PS3.5 6.2.2, note 4 */
			implicit = 1;
			big = 0;
		}
	}
	end = len == UNDEFINED ? ENDLESS : value + len;
	if (end != ENDLESS && end > f->end) {
		nested_bad(d);
		return;
	}
	if (++d->n_elem > d->lim.elements) {
		give_up(d, IMGP_E_DICOM_LIMIT, "too many elements");
		return;
	}
	if (d->nframe == 0) {
		if (d->state == IMGP_DICOM_MORE) {
			if (tag <= d->prev && ++d->n_disorder > d->lim.disorder) {
				give_up(d, IMGP_E_DICOM_LIMIT,
				    "too many elements are out of order");
				return;
			}
			d->disordered = d->n_disorder != 0;
			d->prev = tag;
			d->records |= tag == TAG_RECORDS;
			if (tag > d->stop && !is_wanting(d, tag))
				finish_head(d, d->pos);
			else if (note(d, tag, len, value) == -1)
				return;
			else if (d->asides)
				note_aside(d, tag, len, NULL);
		} else if (is_of_head(d, tag) || (d->creator != NULL &&
		    tag >> 16 == d->elem[IMGP_DICOM_GROUP].tag >> 16))
			d->late = tag;
		if (tag == TAG_SIGNATURES || tag == TAG_MACS)
			d->is_signed = 1;
		if (tag >> 16 == 0x7fe0)
			d->at_pixels = 1;
		if (is_pixels(tag) && d->pixels == 0) {
			d->pixels = value;
			d->pixels_end = end;
		}
	}
	if (is_over(d))
		return;
	if (d->state == IMGP_DICOM_MORE && end != ENDLESS && end > d->lim.head) {
		give_up(d, IMGP_E_DICOM_LIMIT, "a header element is too long");
		return;
	}
	consume(d);
	if (pixels)
		push(d, FRAGMENTS, end, implicit, big);
	else if (seq && len != 0) {
		push(d, SEQUENCE, end, implicit, big);
		d->frame[d->nframe].un |= (unsigned char)(un != 0);
	} else
		d->skip = len == UNDEFINED ? 0 : len;
}

/* May ${len} be the length of a data set's first element, or is it a VR that is
 * none in front of a length of 16 bits? */
static int
is_length(const struct imgp_dicom *d, const struct imgp_dicom_frame *f,
    uint32_t len)
{
	return len == UNDEFINED || (d->nframe == 0 ? len <= 0x1000 :
	    len < 1u << 24 && len <= f->end - d->pos - 8);
}

/* The actual coding of the data set that begins with the 8 bytes in hold. */
static void
look(struct imgp_dicom *d, struct imgp_dicom_frame *f)
{
	const unsigned char *h = d->hold;
	int implicit = f->implicit;

	f->fresh = 0;
	if (get_tag(h, f->big) >> 16 == 0xfffe)
		return;
	if (!implicit && !is_letters(h + 4) && !f->big)
		f->implicit = is_length(d, f, get32(h + 4, 0)) != 0;
	else if (implicit && (d->nframe == 0 || f->un) && is_vr(h + 4))
		f->implicit = 0;
	if (d->nframe == 0 && f->implicit != implicit) {
		d->mismatch = 1;
		d->implicit = f->implicit;
	}
}

/*
 * A header in hold whose VR is none of PS3.5, among explicit ones.  Readers
 * agree where it is no two capitals ("??", "--", blanks, NULs): 16 bits of
 * length follow.  Where what follows is zero, these bytes may be an implicit
 * length instead.  Behind two capitals, VRs to come have two zero bytes and 32
 * bits of length: then it is not known where the value ends.
 */
static void
no_vr(struct imgp_dicom *d, struct imgp_dicom_frame *f, uint32_t tag)
{
	const unsigned char *h = d->hold;
	uint32_t len = get16(h + 6, f->big);

	if (len != 0 || (h[4] == 0 && h[5] == 0))
		element(d, f, tag, h + 4, len);
	else if (d->mismatch && d->nframe == 0)
		give_up(d, IMGP_E_DICOM_INVALID,
		    "explicit and implicit VRs are mixed");
	else if (h[4] < ' ' || h[5] < ' ')
		element(d, f, tag, NULL, get32(h + 4, f->big));
	else if (!is_letters(h + 4))
		element(d, f, tag, h + 4, 0);
	else if (d->nframe > 0)
		nested_bad(d);
	else
		give_up(d, IMGP_E_DICOM_INVALID, "a VR that does not exist");
}

/* At least 8 bytes of a header are in hold: act, or ask for the rest. */
static void
header(struct imgp_dicom *d)
{
	struct imgp_dicom_frame *f = &d->frame[d->nframe];
	const unsigned char *h = d->hold;
	unsigned char ahead[4];
	uint32_t tag;

	if (f->fresh)
		look(d, f);
	d->at = tag = get_tag(h, f->big);
	if (d->nframe == 0 && d->state == IMGP_DICOM_MORE && d->pos > d->lim.head) {
		give_up(d, IMGP_E_DICOM_LIMIT, "the header is too long");
		return;
	}
	if (tag >> 16 == 0xfffe || f->kind == SEQUENCE || f->kind == FRAGMENTS) {
		delimiter(d, f, tag, get32(h + 4, f->big));
		return;
	}
	if (f->implicit) {
		/* An implicit sequence of defined length is known by its
		 * first item only: so look at four more bytes. */
		if (d->nhold == 8 && get32(h + 4, 0) >= 8 &&
		    get32(h + 4, 0) != UNDEFINED && f->end - d->pos >= 16 &&
		    d->state == IMGP_DICOM_MORE && (d->nframe > 0 ||
		    tag <= d->stop || is_wanting(d, tag))) {
			d->want = 12;
			return;
		}
		if (d->nhold == 12) {
			memcpy(ahead, h + 8, 4);
			d->nhold = 8;
			element(d, f, tag, get_tag(ahead, 0) == TAG_ITEM ?
			    (const unsigned char *)"SQ" : NULL,
			    get32(h + 4, 0));
			data_feed(d, ahead, 4);	/* of the value */
			return;
		}
		element(d, f, tag, NULL, get32(h + 4, 0));
		return;
	}
	if (!is_vr(h + 4)) {
		no_vr(d, f, tag);
		return;
	}
	if (!is_long_vr(h + 4)) {
		element(d, f, tag, h + 4, get16(h + 6, f->big));
		return;
	}
	if (d->nhold < 12) {
		if (f->end - d->pos < 12)
			nested_bad(d);
		else
			d->want = 12;
		return;
	}
	element(d, f, tag, h + 4, get32(h + 8, f->big));
}

/* --- meta information and where the data set begins ----------------------- */

static int
is_deflated(const char *ts)
{
	return strcmp(ts, UID_DEFLATED) == 0 || strcmp(ts, UID_JPIP_DFL) == 0 ||
	    strcmp(ts, UID_JPIPHT_DFL) == 0;
}

/* No syntax is stated: what does the first element look like? */
static void
guess(const unsigned char *h, int *implicit, int *big)
{
	*implicit = !is_vr(h + 4);
	*big = !*implicit && get16(h, 0) >= 0x0100;
}

/* The meta information is over; ${h}: 8 bytes of what follows, or NULL. */
static void
begin_data(struct imgp_dicom *d, const unsigned char *h)
{
	const char *ts = d->syntax;

	d->phase = IN_DATA;
	d->data = d->pos;
	/* DCMTK goes by where the meta information says that it ends. */
	add_to_shape(d, d->meta_end == ENDLESS ? 1 : d->meta_end - d->data);
	add_to_shape(d, d->preamble != 0);
	d->n_elem = 0;
	d->prev = 0;
	d->want = 8;
	if (strcmp(ts, UID_IMPLICIT) == 0 || strcmp(ts, UID_GE_IMPLICIT) == 0)
		d->implicit = 1;
	else if (strcmp(ts, UID_BIG) == 0)
		d->big = 1;
	else if (is_deflated(ts))
		d->deflated = 1;
	else if (ts[0] == '\0' && h != NULL)
		guess(h, &d->implicit, &d->big);
	d->frame[0].implicit = d->implicit != 0;
	d->frame[0].big = d->big != 0;
	d->frame[0].fresh = 1;
	d->frame[0].kind = ROOT;
}

static void
meta_header(struct imgp_dicom *d)
{
	const unsigned char *h = d->hold;
	uint32_t len, tag = get_tag(h, 0);

	/* A second run of group 2 belongs to the data set if the length of the
	 * first one says so. */
	if (tag >> 16 != 0x0002 || (d->pos == d->meta_end && tag <= d->prev)) {
		begin_data(d, h);
		return;
	}
	d->at = tag;
	if (d->n_elem == 0)
		d->meta_implicit = !is_vr(h + 4);
	if (d->meta_implicit) {
		len = get32(h + 4, 0);
		d->shapeless = 1;
	} else if (!is_vr(h + 4)) {
		give_up(d, IMGP_E_DICOM_INVALID,
		    "the meta information is not explicit little endian");
		return;
	} else if (is_long_vr(h + 4)) {
		if (d->nhold < 12) {
			d->want = 12;
			return;
		}
		len = get32(h + 8, 0);
	} else
		len = get16(h + 6, 0);
	shape(d, tag, d->meta_implicit ? NULL : h + 4, len);
	d->prev = tag;
	if (tag == IMGP_TAG(2, 0))
		add_to_shape(d, len);
	d->pos += d->nhold;
	d->nhold = 0;
	d->want = 8;
	if (len == UNDEFINED || d->pos > d->lim.head ||
	    len > d->lim.head - d->pos || ++d->n_elem > 10000) {
		give_up(d, IMGP_E_DICOM_LIMIT,
		    "the meta information is too long");
		return;
	}
	d->meta |= !d->meta_implicit;
	d->skip = len;
	if (tag != IMGP_TAG(2, 0) && tag != IMGP_TAG(2, 2) &&
	    tag != IMGP_TAG(2, 0x10))
		return;
	/* Borrow a slot that is not in use before the data set. */
	d->grab = &d->elem[IMGP_DICOM_SOP_CLASS];
	d->grab->kept = 0;
	d->grab->len = len;
	d->syntax_grab = (int)(tag & 0xff) + 1;
}

/* The borrowed slot has the value of (0002,0002) or (0002,0010). */
static void
meta_uid(struct imgp_dicom *d, char dst[IMGP_UID_MAX + 1])
{
	struct imgp_dicom_elem *el = &d->elem[IMGP_DICOM_SOP_CLASS];
	char uid[IMGP_UID_MAX + 1];

	el->present = 1;
	if (imgp_dicom_uid(d, IMGP_DICOM_SOP_CLASS, uid) == -1)
		uid[0] = '\0';
	el->present = 0;
	if (uid[0] != '\0')
		d->meta = 1;	/* now it is, in implicit VR as well */
	if (dst == d->syntax && dst[0] != '\0' && strcmp(dst, uid) != 0)
		give_up(d, IMGP_E_DICOM_INVALID,
		    "two transfer syntaxes are stated");
	else
		strcpy(dst, uid);
}

/* The value of a noted element is complete. */
static void
grabbed(struct imgp_dicom *d)
{
	struct imgp_dicom_elem *el = d->grab;

	d->grab = NULL;
	if (d->phase != IN_META) {
		if (el == &d->elem[IMGP_DICOM_CREATOR] && d->creator != NULL)
			compare_creator(d, el);
		return;
	}
	if (d->syntax_grab == 1) {
		if (el->len == 4)
			d->meta_end = d->pos + get32(el->value, 0);
	} else
		meta_uid(d, d->syntax_grab == 0x11 ? d->syntax : d->media);
	el->kept = el->len = 0;
}

/* Do the 8 bytes at ${h} begin meta information, in explicit or implicit VR? */
static int
is_meta(const unsigned char *h)
{
	uint32_t tag = get_tag(h, 0), len = get32(h + 4, 0);

	return tag >> 16 == 0x0002 && (is_vr(h + 4) ||
	    (tag == IMGP_TAG(2, 0) && len == 4) ||
	    (tag == IMGP_TAG(2, 1) && len == 2) ||
	    ((tag == IMGP_TAG(2, 2) || tag == IMGP_TAG(2, 3) ||
	    tag == IMGP_TAG(2, 0x10)) && len > 0 && len <= IMGP_UID_MAX));
}

/*
 * Do the 8 bytes at ${h} look like a data set's first element?  In explicit VR
 * one of a low group; in implicit VR a short one of those that stand in front of
 * the SOP class, or in its group.
 */
static int
is_first(const unsigned char *h)
{
	uint32_t little = get16(h, 0), big = get16(h, 1);

	if (is_vr(h + 4))
		return little <= 0xff || big <= 0xff;
	return (little == 0x0000 || little == 0x0004 || little == 0x0008) &&
	    get32(h + 4, 0) <= 0x1000;
}

/*
 * The first 132 bytes (fewer when there are no more): "DICM" there decides,
 * whatever the preamble holds.  Without it, what looks like a data set's first
 * element is taken for one until it proves otherwise.
 */
static void
start(struct imgp_dicom *d)
{
	unsigned char first[132];
	const unsigned char *h = d->hold;
	size_t n = d->nhold;

	if (n == 132 && memcmp(h + 128, "DICM", 4) == 0) {
		d->preamble = 1;
		d->phase = IN_META;
		consume(d);
		return;
	}
	if (n >= 12 && memcmp(h, "DICM\2\0", 6) == 0) {
		d->preamble = 1;
		give_up(d, IMGP_E_DICOM_INVALID,
		    "the 128 bytes in front of \"DICM\" are missing");
		return;
	}
	if (n >= 8 && is_meta(h)) {
		d->phase = IN_META;
	} else if (n >= 8 && is_first(h)) {
		begin_data(d, h);
	} else {
		d->state = IMGP_DICOM_NOT;
		return;
	}
	memcpy(first, h, n);
	d->nhold = 0;
	d->want = 8;
	data_feed(d, first, n);
}

int
imgp_dicom_expands(const struct imgp_dicom_limits *lim, uint64_t size,
    uint64_t csize)
{
	return size > lim->ratio_from && size / lim->ratio > csize;
}

/* --- feeding -------------------------------------------------------------- */

static void
inflate_feed(struct imgp_dicom *d, const unsigned char *p, size_t len)
{
	unsigned char out[8192];
	z_stream *z = d->inflate;
	int rc;

	if (z == NULL) {
		z = d->inflate = imgp_alloc(sizeof *z);
		if (inflateInit2(z, -15) != Z_OK)
			imgp_oom();
	}
	d->zin += len;
	z->next_in = (unsigned char *)(uintptr_t)p;
	z->avail_in = (unsigned int)len;
	do {
		z->next_out = out;
		z->avail_out = sizeof out;
		rc = inflate(z, Z_NO_FLUSH);
		if (rc == Z_MEM_ERROR)
			imgp_oom();
		data_feed(d, out, sizeof out - z->avail_out);
		if (rc == Z_STREAM_END)
			d->phase = -1;	/* what follows is padding */
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
			give_up(d, IMGP_E_DICOM_INVALID,
			    "the deflated data set is damaged");
		else if (imgp_dicom_expands(&d->lim, d->pos, d->zin))
			give_up(d, IMGP_E_DICOM_LIMIT,
			    "the deflated data set unpacks to too much");
	} while (rc == Z_OK && z->avail_out == 0 && !is_over(d));
}

/* Step over ${*len} bytes at ${*p} as far as skip goes. */
static void
pass(struct imgp_dicom *d, const unsigned char **p, size_t *len)
{
	struct imgp_dicom_elem *el = d->grab;
	size_t n = d->skip < *len ? (size_t)d->skip : *len, k;

	if (el != NULL) {
		k = IMGP_DICOM_VALUE - el->kept < n ?
		    IMGP_DICOM_VALUE - el->kept : n;
		memcpy(el->value + el->kept, *p, k);
		el->kept += (uint32_t)k;
	}
	d->skip -= n;
	d->pos += n;
	*p += n;
	*len -= n;
}

/* An element of the top level that only its header's shape is kept of. */
static int
is_ordinary(const struct imgp_dicom *d, uint32_t tag)
{
	if (tag >= TAG_MACS || d->n_elem >= d->lim.elements)
		return 0;
	if (d->state == IMGP_DICOM_HEAD)
		return tag > d->stop;
	return tag > d->prev && tag > d->noted && tag < d->watch &&
	    tag <= d->stop && tag != TAG_RECORDS && d->pos <= d->lim.head;
}

/*
 * Most of a header: such elements, whole in the ${*len} bytes at ${*p}.  They
 * are stepped over where they lie; all else is left to header() and element(),
 * which do the same to them.
 */
static void
step_over(struct imgp_dicom *d, const unsigned char **p, size_t *len)
{
	const struct imgp_dicom_frame *f = d->frame;
	const unsigned char *h = *p, *end = h + *len;
	uint32_t tag, n, head;

	if (d->creator != NULL || f->fresh || f->implicit ||
	    (d->deflated && d->inflate == NULL))
		return;
	while (end - h >= 12) {
		tag = get_tag(h, f->big);
		if (!is_ordinary(d, tag) || !is_vr(h + 4) ||
		    memcmp(h + 4, "SQ", 2) == 0)
			break;
		head = is_long_vr(h + 4) ? 12 : 8;
		n = head == 12 ? get32(h + 8, f->big) : get16(h + 6, f->big);
		if (n > (size_t)(end - h) - head ||
		    (d->state == IMGP_DICOM_MORE &&
		    d->pos + head + n > d->lim.head))
			break;
		shape(d, tag, h + 4, n);
		d->n_elem++;
		d->at = tag;
		if (d->state == IMGP_DICOM_MORE) {
			if (tag >= d->aside)
				note_aside(d, tag, n, h + head);
			d->prev = tag;
		}
		d->pos += head + n;
		h += head + n;
	}
	*len = (size_t)(end - h);
	*p = h;
}

static void
data_feed(struct imgp_dicom *d, const unsigned char *p, size_t len)
{
	unsigned char held[16];
	size_t n;

	for (;;) {
		if (is_over(d))
			return;
		if (d->skip > 0) {
			if (len == 0)
				return;
			pass(d, &p, &len);
			if (d->skip > 0)
				return;
		}
		if (d->grab != NULL)
			grabbed(d);
		if (d->phase == IN_DATA && d->nhold == 0) {
			while (d->nframe > 0 &&
			    d->frame[d->nframe].end == d->pos) {
				/* What has no length ended with what holds it,
				 * not by its own delimiter. */
				d->nested_bad |= d->frame[d->nframe].open;
				d->nframe--;
			}
			if (d->frame[d->nframe].end - d->pos < 8) {
				nested_bad(d);
				continue;
			}
			if (d->nframe == 0)
				step_over(d, &p, &len);
		}
		if (d->phase == IN_META && d->pos == d->meta_end &&
		    d->nhold == 0 && is_deflated(d->syntax))
			begin_data(d, NULL);
		else if (d->nhold < d->want) {
			n = d->want - d->nhold < len ? d->want - d->nhold : len;
			memcpy(d->hold + d->nhold, p, n);
			d->nhold += n;
			p += n;
			len -= n;
			if (d->nhold < d->want)
				return;
		}
		if (d->phase == IN_START) {
			start(d);
			if (d->inflate != NULL) {	/* already in its data */
				imgp_dicom_feed(d, p, len);
				return;
			}
		} else if (d->phase == IN_META)
			meta_header(d);
		else if (!d->deflated || d->inflate != NULL)
			header(d);
		if (d->phase == IN_DATA && d->deflated && d->inflate == NULL) {
			n = d->nhold;
			memcpy(held, d->hold, n);
			d->nhold = 0;
			if (n > 0)
				inflate_feed(d, held, n);
			inflate_feed(d, p, len);
			return;
		}
	}
}

/* The object's first bytes are kept until it is known to be DICOM. */
static void
keep_first(struct imgp_dicom *d, const void *p, size_t len)
{
	if (len > sizeof d->first - d->nfirst)
		len = sizeof d->first - d->nfirst;
	memcpy(d->first + d->nfirst, p, len);
	d->nfirst += len;
}

/*
 * What is no DICOM may be a shifted file: that is not passed over in silence.  Its
 * first bytes tell; ${all}: there are no more.
 */
static void
look_for_shift(struct imgp_dicom *d, int all)
{
	size_t at;

	if (!all && d->nfirst < sizeof d->first) {
		d->phase = IN_OTHER;
		d->state = IMGP_DICOM_MORE;
		return;
	}
	d->state = IMGP_DICOM_NOT;
	if ((at = imgp_kind_shifted(d->first, d->nfirst)) == 0)
		return;
	d->state = IMGP_DICOM_BAD;
	imgp_fail(&d->err, IMGP_E_DICOM_INVALID,
	    "\"DICM\" stands at byte %zu instead of 128", at);
}

enum imgp_dicom_state
imgp_dicom_feed(struct imgp_dicom *d, const void *p, size_t len)
{
	size_t n;

	if (d->state == IMGP_DICOM_MORE && !d->preamble && !d->meta)
		keep_first(d, p, len);
	if (d->phase == IN_OTHER) {
		if (d->state == IMGP_DICOM_MORE)
			look_for_shift(d, 0);
		return d->state;
	}
	if (d->inflate == NULL)
		data_feed(d, p, len);
	else
		for (; len > 0 && d->phase != -1 && !is_over(d); len -= n) {
			n = len < (1u << 20) ? len : 1u << 20;
			inflate_feed(d, p, n);
			p = (const char *)p + n;
		}
	if (d->state == IMGP_DICOM_NOT)
		look_for_shift(d, 0);
	return d->state;
}

uint64_t
imgp_dicom_idle(const struct imgp_dicom *d)
{
	return d->state != IMGP_DICOM_HEAD || d->deflated || d->grab != NULL ?
	    0 : d->skip;
}

void
imgp_dicom_skip(struct imgp_dicom *d, uint64_t n)
{
	d->skip -= n;
	d->pos += n;
}

static void
finish(struct imgp_dicom *d)
{
	if (d->phase == IN_START && d->state == IMGP_DICOM_MORE)
		start(d);
	if (d->state == IMGP_DICOM_HEAD)
		d->cut = !d->tail_lost && (d->skip > 0 || d->nframe > 0 ||
		    (d->deflated && d->phase != -1));
	if (d->state != IMGP_DICOM_MORE)
		return;
	if (d->skip != 0 || d->nhold != 0 || d->nframe != 0 ||
	    d->phase == IN_META || (d->deflated && d->phase != -1)) {
		if (d->phase == IN_META && d->skip == 0 && d->nhold == 0) {
			begin_data(d, NULL);	/* meta and nothing else */
			finish_head(d, d->pos);
		} else {
			give_up(d, IMGP_E_DICOM_TRUNCATED, "it ends");
		}
		return;
	}
	finish_head(d, d->pos);
}

enum imgp_dicom_state
imgp_dicom_end(struct imgp_dicom *d)
{
	if (d->phase != IN_OTHER)
		finish(d);
	if (d->state == IMGP_DICOM_NOT || (d->phase == IN_OTHER &&
	    d->state == IMGP_DICOM_MORE))
		look_for_shift(d, 1);
	return d->state;
}

/* --- values --------------------------------------------------------------- */

int
imgp_dicom_text(const struct imgp_dicom *d, enum imgp_dicom_which w, char *out,
    size_t size)
{
	const struct imgp_dicom_elem *el = &d->elem[w];
	const unsigned char *s = el->value;
	size_t n = el->kept, i;

	if (!el->present || el->kept != el->len)
		return -1;
	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\0'))
		n--;
	while (n > 0 && s[0] == ' ') {
		s++;
		n--;
	}
	if (n >= size)
		return -1;
	for (i = 0; i < n; i++)
		if (s[i] < 0x20 || s[i] > 0x7e)
			return -1;
	memcpy(out, s, n);
	out[n] = '\0';
	return (int)n;
}

int
imgp_dicom_uid(const struct imgp_dicom *d, enum imgp_dicom_which w,
    char out[IMGP_UID_MAX + 1])
{
	if (imgp_dicom_text(d, w, out, IMGP_UID_MAX + 1) < 1)
		return -1;
	return strchr(out, ' ') == NULL ? 0 : -1;
}

int
imgp_dicom_number(const struct imgp_dicom *d, int32_t *n)
{
	const struct imgp_dicom_elem *el = &d->elem[IMGP_DICOM_NUMBER];
	char s[32], *end;
	double v;
	int len;

	if (!el->present || el->len == 0 ||
	    (len = imgp_dicom_text(d, IMGP_DICOM_NUMBER, s, sizeof s)) == 0)
		return -1;
	if (len < 0 || strspn(s, "+-.eE0123456789") != (size_t)len)
		return 1;
	v = strtod(s, &end);	/* exact for what fits into 32 bits */
	if (end == s || *end != '\0' || v < INT32_MIN || v > INT32_MAX ||
	    v != (double)(int32_t)v)
		return 1;
	*n = (int32_t)v;
	return 0;
}

/* What keeps the UID ${w} from being one, or NULL. */
static const char *
fault_of(const struct imgp_dicom *d, enum imgp_dicom_which w, char *out,
    size_t size)
{
	const struct imgp_dicom_elem *el = &d->elem[w];
	char uid[IMGP_UID_MAX + 1];
	uint32_t len = el->len;

	if (imgp_dicom_uid(d, w, uid) == 0)
		return NULL;
	if (!el->present)
		return "is missing";
	if (len <= el->kept)
		while (len > 0 && (el->value[len - 1] == '\0' ||
		    el->value[len - 1] == ' '))
			len--;
	if (len == 0)
		return "is empty";
	if (len <= IMGP_UID_MAX)
		return "has characters that no UID has";
	snprintf(out, size, "has %lu characters, and a UID at most %d",
	    (unsigned long)len, IMGP_UID_MAX);
	return out;
}

void
imgp_dicom_why_no_uid(const struct imgp_dicom *d, char *out, size_t size)
{
	static const char *const name[] = { "SOP Class UID",
	    "SOP Instance UID", "Study Instance UID", "Series Instance UID" };
	char text[64];
	const char *why;
	size_t n = 0;
	int i;

	out[0] = '\0';
	for (i = IMGP_DICOM_SOP_CLASS; i <= IMGP_DICOM_SERIES; i++) {
		why = fault_of(d, (enum imgp_dicom_which)i, text, sizeof text);
		if (why != NULL && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s %s",
			    n == 0 ? "" : ", ", name[i], why);
	}
}

static unsigned char *
put16(unsigned char *p, uint32_t v, int big)
{
	p[big ? 0 : 1] = (unsigned char)(v >> 8);
	p[big ? 1 : 0] = (unsigned char)v;
	return p + 2;
}

size_t
imgp_dicom_code(const struct imgp_dicom *d, uint32_t tag, const char *vr,
    const void *value, size_t len, unsigned char *out)
{
	const unsigned char *letters = (const unsigned char *)vr;
	uint32_t padded = (uint32_t)(len + (len & 1));
	unsigned char *p = out;

	p = put16(p, tag >> 16, d->big);
	p = put16(p, tag & 0xffff, d->big);
	if (!d->implicit) {
		memcpy(p, vr, 2);
		p = put16(p + 2, is_long_vr(letters) ? 0 : padded, d->big);
	}
	if (d->implicit || is_long_vr(letters)) {
		p = put16(p, d->big ? padded >> 16 : padded & 0xffff, d->big);
		p = put16(p, d->big ? padded & 0xffff : padded >> 16, d->big);
	}
	memcpy(p, value, len);
	p += len;
	if (len & 1)
		*p++ = ' ';
	return (size_t)(p - out);
}
