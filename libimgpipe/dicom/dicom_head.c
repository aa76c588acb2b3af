/*
 * The elements that say what an object is: which they are, where they stand, and
 * what comes of them, its kind or that it is declined.  Elements are told by tag and
 * place; this file must not know how they are coded, nested or fed.
 */
#include <string.h>

#include "libimgpipe/dicom/dicom_priv.h"

#define UID_DICOMDIR	"1.2.840.10008.1.3.10"

/* The elements noted aside, from IMGP_DICOM_ASIDE on. */
static const uint32_t aside[IMGP_DICOM_ELEMENTS - IMGP_DICOM_ASIDE] = {
	IMGP_TAG(0x0008, 0x0020), IMGP_TAG(0x0008, 0x0060),
	IMGP_TAG(0x0010, 0x0010), IMGP_TAG(0x0010, 0x0020),
};

int
imgp_dicom_uids_seen(const struct imgp_dicom *d)
{
	int i, n = 0;

	for (i = IMGP_DICOM_SOP_CLASS; i <= IMGP_DICOM_SERIES; i++)
		n += d->elem[i].present;
	return n;
}

/* Nothing says yet that it is DICOM: no preamble, no meta information, and not two of
 * the UIDs in their places. */
static int
is_guess(const struct imgp_dicom *d)
{
	return !d->preamble && !d->meta && imgp_dicom_uids_seen(d) < 2;
}

void
imgp_dicom_give_up(struct imgp_dicom *d, const char *code, const char *what)
{
	if (d->state == IMGP_DICOM_HEAD) {
		d->tail_lost = 1;
		return;
	}
	if (d->state != IMGP_DICOM_MORE)
		return;		/* the first reason stands */
	if (is_guess(d)) {
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

void
imgp_dicom_look_for(struct imgp_dicom *d, const struct imgp_dicom_want *want)
{
	struct imgp_dicom_elem *el = d->elem;
	uint32_t id = want->id;
	int i;

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

void
imgp_dicom_compare_creator(struct imgp_dicom *d, struct imgp_dicom_elem *el)
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

void
imgp_dicom_finish_head(struct imgp_dicom *d, uint64_t at)
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
		imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID,
		    "no private block is free");
		return;
	}
	for (i = IMGP_DICOM_SOP_CLASS; i <= IMGP_DICOM_SERIES; i++)
		n += imgp_dicom_uid(d, (enum imgp_dicom_which)i, uid) == 0;
	d->kind = is_directory(d) ? IMGP_DICOM_DIRECTORY :
	    n == 4 ? IMGP_DICOM_INSTANCE : IMGP_DICOM_NO_UID;
	if (is_guess(d) || (!d->preamble && !d->meta &&
	    d->kind == IMGP_DICOM_DIRECTORY)) {
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

int
imgp_dicom_is_of_head(const struct imgp_dicom *d, uint32_t tag)
{
	int i;

	for (i = 0; i < IMGP_DICOM_ASIDE; i++)
		if (d->elem[i].tag == tag && tag != 0 && i != IMGP_DICOM_GROUP &&
		    i != IMGP_DICOM_GROUP_END)
			return 1;
	return d->creator != NULL &&
	    tag >> 16 == d->elem[IMGP_DICOM_GROUP].tag >> 16;
}

void
imgp_dicom_note_aside(struct imgp_dicom *d, uint32_t tag, uint32_t len,
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

int
imgp_dicom_note(struct imgp_dicom *d, uint32_t tag, uint32_t len,
    uint64_t value)
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
			imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID,
			    "an element stands twice");
			return -1;
		}
		if (len == UNDEFINED && i != IMGP_DICOM_ID &&
		    i != IMGP_DICOM_CENTER) {
			imgp_dicom_give_up(d, IMGP_E_DICOM_INVALID,
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

int
imgp_dicom_is_wanting(const struct imgp_dicom *d, uint32_t tag)
{
	return tag >> 16 < 0x7fe0 && d->pos <= d->lim.head &&
	    imgp_dicom_uids_seen(d) < 4 && !is_directory(d);
}
