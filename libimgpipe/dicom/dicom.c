/*
 * The walk: the elements and sequences of a data set, stepped through as they are
 * fed.  This file must not know which elements are looked for, nor what for.
 */
#include <string.h>
#include <stdlib.h>
#include <zlib.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/dicom/dicom_priv.h"

#define TAG_ITEM	IMGP_TAG(0xfffe, 0xe000)
#define TAG_ITEM_END	IMGP_TAG(0xfffe, 0xe00d)
#define TAG_SEQ_END	IMGP_TAG(0xfffe, 0xe0dd)
#define TAG_SIGNATURES	IMGP_TAG(0xfffa, 0xfffa)
/* Every signature names a MAC of this sequence, which stands before pixels. */
#define TAG_MACS	IMGP_TAG(0x4ffe, 0x0001)
#define TAG_PIXELS	IMGP_TAG(0x7fe0, 0x0010)
#define TAG_NUMBER	IMGP_TAG(0x0020, 0x0011)
/* Directory Record Sequence. */
#define TAG_RECORDS	IMGP_TAG(0x0004, 0x1220)
/* The bytes "DICM", where a second preamble of zeros was stepped through. */
#define TAG_DICM	IMGP_TAG(0x4944, 0x4d43)
#define ZSTEP		4096u	/* bytes of a deflated data set */

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
	imgp_dicom_look_for(d, want);
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

/* --- elements ------------------------------------------------------------- */

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
		imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID, d->nframe == 0 ?
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
		imgp_dicom_give_up(d, IMGP_E_DICOM_LIMIT, "sequences are nested too deep");
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

/* An item or a delimiter. */
static void
delimiter(struct imgp_dicom *d, struct imgp_dicom_frame *f, uint32_t tag,
    uint32_t len)
{
	uint64_t end = len == UNDEFINED ? ENDLESS : d->pos + 8 + len;

	shape(d, tag, NULL, len);
	if (tag == TAG_ITEM && f->kind == SEQUENCE) {
		if (++d->n_item > d->lim.items) {
			imgp_dicom_give_up(d, IMGP_E_DICOM_LIMIT, "too many items");
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
			imgp_dicom_give_up(d, IMGP_E_DICOM_LIMIT, "too many items");
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
		imgp_dicom_give_up(d, IMGP_E_DICOM_LIMIT, "too many elements");
		return;
	}
	if (d->nframe == 0) {
		if (d->state == IMGP_DICOM_MORE) {
			if (tag <= d->prev && ++d->n_disorder > d->lim.disorder) {
				imgp_dicom_give_up(d, IMGP_E_DICOM_LIMIT,
				    "too many elements are out of order");
				return;
			}
			d->disordered = d->n_disorder != 0;
			d->prev = tag;
			d->records |= tag == TAG_RECORDS;
			if (tag == TAG_DICM && imgp_dicom_uids_seen(d) == 0) {
				d->at = 0;
				imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID, DICM_TWICE);
				return;
			}
			if (tag > d->stop && !imgp_dicom_is_wanting(d, tag))
				imgp_dicom_finish_head(d, d->pos);
			else if (imgp_dicom_note(d, tag, len, value) == -1)
				return;
			else if (d->asides)
				imgp_dicom_note_aside(d, tag, len, NULL);
			if (tag == TAG_NUMBER && vr != NULL && is_vr(vr))
				memcpy(d->number_vr, vr, 2);
		} else if (imgp_dicom_is_of_head(d, tag))
			d->late = tag;
		if (tag == TAG_SIGNATURES || tag == TAG_MACS)
			d->is_signed = 1;
		if (tag >> 16 == 0x7fe0)
			d->at_pixels = 1;
		if (is_pixels(tag) && d->pixels == 0) {
			d->pixels = value;
			d->pixels_end = end;
			d->in_fragments = pixels;
		}
	}
	if (is_over(d))
		return;
	if (d->state == IMGP_DICOM_MORE && end != ENDLESS && end > d->lim.head) {
		imgp_dicom_give_up(d, IMGP_E_DICOM_LIMIT, "a header element is too long");
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

	if (get_tag(h, 0) == 0 && get32(h + 4, 0) == 0)
		return;		/* zeros are an element in either */
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

static void
mixed(struct imgp_dicom *d)
{
	imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID,
	    "explicit and implicit VRs are mixed");
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
		mixed(d);
	else if (h[4] < ' ' || h[5] < ' ')
		element(d, f, tag, NULL, get32(h + 4, f->big));
	else if (!is_letters(h + 4))
		element(d, f, tag, h + 4, 0);
	else if (d->nframe > 0)
		nested_bad(d);
	else
		imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID, "a VR that does not exist");
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
		imgp_dicom_give_up(d, IMGP_E_DICOM_LIMIT, "the header is too long");
		return;
	}
	if (tag >> 16 == 0xfffe || f->kind == SEQUENCE || f->kind == FRAGMENTS) {
		delimiter(d, f, tag, get32(h + 4, f->big));
		return;
	}
	if (f->implicit) {
		/* No length of a head's element is one of these. */
		if (d->mismatch && d->nframe == 0 && is_vr(h + 4) &&
		    d->state == IMGP_DICOM_MORE) {
			mixed(d);
			return;
		}
		/* An implicit sequence of defined length is known by its
		 * first item only: so look at four more bytes. */
		if (d->nhold == 8 && get32(h + 4, 0) >= 8 &&
		    get32(h + 4, 0) != UNDEFINED && f->end - d->pos >= 16 &&
		    d->state == IMGP_DICOM_MORE && (d->nframe > 0 ||
		    tag <= d->stop || imgp_dicom_is_wanting(d, tag))) {
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

int
imgp_dicom_expands(const struct imgp_dicom_limits *lim, uint64_t size,
    uint64_t csize)
{
	return size > lim->ratio_from && size / lim->ratio > csize;
}

/* --- feeding -------------------------------------------------------------- */

/* The value of a noted element is complete. */
static void
grabbed(struct imgp_dicom *d)
{
	struct imgp_dicom_elem *el = d->grab;

	d->grab = NULL;
	if (d->phase != IN_META) {
		if (el == &d->elem[IMGP_DICOM_CREATOR] && d->creator != NULL)
			imgp_dicom_compare_creator(d, el);
		return;
	}
	imgp_dicom_meta_value(d, el);
}

/* The first bytes: find out what they are, and read them as that. */
static void
start(struct imgp_dicom *d)
{
	unsigned char first[132];
	size_t n = d->nhold;

	if (!imgp_dicom_start(d))
		return;
	memcpy(first, d->hold, n);
	d->nhold = 0;
	d->want = 8;
	data_feed(d, first, n);
}

static void
inflate_some(struct imgp_dicom *d, const unsigned char *p, size_t len)
{
	unsigned char out[8192];
	z_stream *z = d->inflate;
	int rc;

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
			imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID,
			    "the deflated data set is damaged");
	} while (rc == Z_OK && z->avail_out == 0 && !is_over(d));
	if (d->phase == -1)
		d->zin -= z->avail_in;
}

/* The ratio is looked at after the same bytes in whatever chunks they come: each
 * ZSTEP of them, and where the stream ends. */
static void
inflate_feed(struct imgp_dicom *d, const unsigned char *p, size_t len)
{
	size_t n;

	if (d->inflate == NULL) {
		d->inflate = imgp_alloc(sizeof(z_stream));
		if (inflateInit2((z_stream *)d->inflate, -15) != Z_OK)
			imgp_oom();
	}
	for (; len > 0 && d->phase != -1 && !is_over(d); p += n, len -= n) {
		n = ZSTEP - (size_t)(d->zin % ZSTEP);
		if (n > len)
			n = len;
		inflate_some(d, p, n);
		if (!is_over(d) && (d->phase == -1 || d->zin % ZSTEP == 0) &&
		    imgp_dicom_expands(&d->lim, d->pos, d->zin))
			imgp_dicom_give_up(d, IMGP_E_DICOM_LIMIT,
			    "the deflated data set unpacks to too much");
	}
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
				imgp_dicom_note_aside(d, tag, n, h + head);
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
		    d->nhold == 0 && imgp_dicom_is_deflated(d->syntax))
			imgp_dicom_begin_data(d, NULL);
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
			imgp_dicom_meta_header(d);
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

enum imgp_dicom_state
imgp_dicom_feed(struct imgp_dicom *d, const void *p, size_t len)
{
	if (d->state == IMGP_DICOM_MORE && !d->preamble && !d->meta)
		imgp_dicom_keep_first(d, p, len);
	if (d->phase == IN_OTHER) {
		if (d->state == IMGP_DICOM_MORE)
			imgp_dicom_look_for_shift(d, 0);
		return d->state;
	}
	if (d->inflate == NULL)
		data_feed(d, p, len);
	else
		inflate_feed(d, p, len);
	if (d->state == IMGP_DICOM_NOT)
		imgp_dicom_look_for_shift(d, 0);
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

/* What is in hold begins another element: it is more than padding or a line's end. */
static int
is_begun(const struct imgp_dicom *d)
{
	size_t i;

	for (i = 0; i < d->nhold; i++)
		if (d->hold[i] != '\0' && memchr(" \r\n\x1a", d->hold[i], 4) == NULL)
			return 1;
	return 0;
}

/* The data set ends within the header of an element, and what it is stands before. */
static int
is_known_so_far(const struct imgp_dicom *d)
{
	return d->skip == 0 && d->nframe == 0 && imgp_dicom_uids_seen(d) == 4 &&
	    d->phase == (d->deflated ? -1 : IN_DATA);
}

static void
finish(struct imgp_dicom *d)
{
	if (d->phase == IN_START && d->state == IMGP_DICOM_MORE)
		start(d);
	if (d->state == IMGP_DICOM_HEAD)
		d->cut = !d->tail_lost && (d->skip > 0 || d->nframe > 0 ||
		    is_begun(d) || (d->deflated && d->phase != -1));
	if (d->state != IMGP_DICOM_MORE)
		return;
	if (d->skip != 0 || d->nhold != 0 || d->nframe != 0 ||
	    d->phase == IN_META || (d->deflated && d->phase != -1)) {
		if (d->phase == IN_META && d->skip == 0 && d->nhold == 0) {
			imgp_dicom_begin_data(d, NULL);	/* meta and nothing else */
			imgp_dicom_finish_head(d, d->pos);
		} else if (is_known_so_far(d)) {
			imgp_dicom_finish_head(d, d->pos);
			d->cut = is_begun(d);
		} else {
			imgp_dicom_give_up(d, IMGP_E_DICOM_TRUNCATED, "it ends");
		}
		return;
	}
	imgp_dicom_finish_head(d, d->pos);
}

enum imgp_dicom_state
imgp_dicom_end(struct imgp_dicom *d)
{
	if (d->phase != IN_OTHER)
		finish(d);
	if (d->state == IMGP_DICOM_NOT || (d->phase == IN_OTHER &&
	    d->state == IMGP_DICOM_MORE))
		imgp_dicom_look_for_shift(d, 1);
	return d->state;
}
