/*
 * How an object begins: with preamble and meta information or without, and how the
 * data set behind them is coded.  This file must not know what the data set holds.
 */
#include <string.h>

#include "libimgpipe/dicom/dicom_priv.h"

#define UID_IMPLICIT	"1.2.840.10008.1.2"
#define UID_BIG		"1.2.840.10008.1.2.2"
#define UID_DEFLATED	"1.2.840.10008.1.2.1.99"
#define UID_JPIP_DFL	"1.2.840.10008.1.2.4.95"
#define UID_JPIPHT_DFL	"1.2.840.10008.1.2.4.205"
/* GE's own: implicit little endian but for the pixels. */
#define UID_GE_IMPLICIT	"1.2.840.113619.5.2"

int
imgp_dicom_is_deflated(const char *ts)
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

void
imgp_dicom_begin_data(struct imgp_dicom *d, const unsigned char *h)
{
	const char *ts = d->syntax;

	d->phase = IN_DATA;
	d->data = d->pos;
	if (h != NULL && memcmp(h, "DICM", 4) == 0) {
		d->at = 0;
		imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID, DICM_TWICE);
		return;
	}
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
	else if (imgp_dicom_is_deflated(ts))
		d->deflated = 1;
	else if (ts[0] == '\0' && h != NULL)
		guess(h, &d->implicit, &d->big);
	d->frame[0].implicit = d->implicit != 0;
	d->frame[0].big = d->big != 0;
	d->frame[0].fresh = 1;
	d->frame[0].kind = ROOT;
}

void
imgp_dicom_meta_header(struct imgp_dicom *d)
{
	const unsigned char *h = d->hold;
	uint32_t len, tag = get_tag(h, 0);

	/* A second run of group 2 belongs to the data set if the length of the
	 * first one says so. */
	if (tag >> 16 != 0x0002 || (d->pos == d->meta_end && tag <= d->prev)) {
		imgp_dicom_begin_data(d, h);
		return;
	}
	d->at = tag;
	if (d->n_elem == 0)
		d->meta_implicit = !is_vr(h + 4);
	if (d->meta_implicit) {
		len = get32(h + 4, 0);
		d->shapeless = 1;
	} else if (!is_vr(h + 4)) {
		imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID,
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
	if (len == UNDEFINED) {
		imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID,
		    "the meta information has an element without a length");
		return;
	}
	if (d->pos > d->lim.head ||
	    len > d->lim.head - d->pos || ++d->n_elem > 10000) {
		imgp_dicom_give_up(d, IMGP_E_DICOM_LIMIT,
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
		imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID,
		    "two transfer syntaxes are stated");
	else
		strcpy(dst, uid);
}

void
imgp_dicom_meta_value(struct imgp_dicom *d, struct imgp_dicom_elem *el)
{
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
	    (tag >= IMGP_TAG(2, 2) && tag <= IMGP_TAG(2, 0x102) &&
	    len <= IMGP_UID_MAX));
}

/*
 * Do the 8 bytes at ${h} look like a data set's first element?  In explicit VR
 * one of a low group; in implicit VR a short one up to the images' group 0028, or a
 * sequence.
 */
static int
is_first(const unsigned char *h)
{
	uint32_t little = get16(h, 0), big = get16(h, 1), len = get32(h + 4, 0);

	if (is_vr(h + 4))
		return little <= 0xff || big <= 0xff;
	return little <= 0x28 && (len <= 0x1000 || len == UNDEFINED);
}

/*
 * The first 132 bytes (fewer when there are no more): "DICM" there decides,
 * whatever the preamble holds.  Without it, what looks like a data set's first
 * element is taken for one until it proves otherwise.
 */
int
imgp_dicom_start(struct imgp_dicom *d)
{
	const unsigned char *h = d->hold;
	size_t n = d->nhold;

	if (n == 132 && memcmp(h + 128, "DICM", 4) == 0) {
		d->preamble = 1;
		d->phase = IN_META;
		consume(d);
		return 0;
	}
	if (n >= 12 && memcmp(h, "DICM\2\0", 6) == 0) {
		d->preamble = 1;
		imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID,
		    "the 128 bytes in front of \"DICM\" are missing");
		return 0;
	}
	if (n >= 8 && is_meta(h)) {
		d->phase = IN_META;
	} else if (n >= 8 && is_first(h)) {
		imgp_dicom_begin_data(d, h);
	} else {
		d->state = IMGP_DICOM_NOT;
		return 0;
	}
	return 1;
}

void
imgp_dicom_keep_first(struct imgp_dicom *d, const void *p, size_t len)
{
	if (len > sizeof d->first - d->nfirst)
		len = sizeof d->first - d->nfirst;
	memcpy(d->first + d->nfirst, p, len);
	d->nfirst += len;
}

void
imgp_dicom_look_for_shift(struct imgp_dicom *d, int all)
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
