#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "libimgpipe/deflate/splice.h"
#include "libimgpipe/stamp/mark_priv.h"

#define PEEK	((size_t)3072)		/* bytes of content at once */
/* Look so far behind the head, before the pixels. */
#define BEHIND	((uint64_t)1 << 20)
/* DCMTK takes some 30 bytes for each of a header. */
#define REFEREE_MAX	((uint64_t)1 << 20)

struct imgp_mark *
imgp_mark_new(const struct imgp_mark_opts *opts)
{
	struct imgp_mark *o = imgp_alloc(sizeof *o);
	struct imgp_mark_work *w = imgp_alloc(sizeof *w);

	o->work = w;
	w->opts = opts;
	w->content = imgp_content_new();
	w->deflate = imgp_deflate_new();
	imgp_spill_init(&w->spill, opts->tmpdir);
	imgp_buf_init(&w->head);
	imgp_buf_init(&w->old);
	w->head.max = REFEREE_MAX;
	return o;
}

void
imgp_mark_free(struct imgp_mark *o)
{
	struct imgp_mark_work *w;

	if (o == NULL)
		return;
	w = o->work;
	imgp_content_free(w->content);
	imgp_deflate_free(w->deflate);
	imgp_encode_free(w->fast);
	imgp_encode_free(w->inner);
	imgp_dicom_release(&w->dicom);
	imgp_dicom_release(&w->again);
	imgp_spill_release(&w->spill);
	imgp_buf_release(&w->head);
	imgp_buf_release(&w->old);
	free(w->big);
	free(w);
	free(o);
}

int
imgp_mark_decline(struct imgp_mark *o)
{
	o->outcome = IMGP_MARK_DECLINED;
	return -1;
}

/* An error that is the object's own, or the machine's and so everybody's. */
int
imgp_mark_failed(struct imgp_mark *o, const struct imgp_err *e)
{
	o->err = *e;
	o->outcome = imgp_error_owner(e->code) == IMGP_OWNER_UPLOAD ?
	    IMGP_MARK_DECLINED : IMGP_MARK_FAILED;
	return -1;
}

/* --- reading the head --------------------------------------------------- */

void
imgp_mark_open(struct imgp_mark_work *w)
{
	const struct imgp_mark_src *src = w->src;

	w->from.fd = src->fd;
	w->from.off = src->off;
	imgp_content_open(w->content, imgp_deflate_read_fd, &w->from,
	    src->csize, src->size, src->deflated);
}

/*
 * Can anything that matters follow the head?  A signature, or an element of the
 * head once more, which other readers might take.
 */
static int
may_come(const struct imgp_mark_work *w)
{
	const struct imgp_dicom *d = &w->dicom;

	return d->state == IMGP_DICOM_HEAD && !d->at_pixels && !d->tail_lost &&
	    w->fed < d->head + BEHIND && w->fed < w->src->size;
}

/* Feed what the patcher has decoded of the content. */
static void
feed_seen(struct imgp_mark_work *w)
{
	const unsigned char *p;
	size_t n = imgp_deflate_seen(w->deflate, &p);

	if (n > w->fed)
		imgp_dicom_feed(&w->dicom, p + w->fed, n - w->fed);
	if (n > w->fed)
		w->fed = n;
}

/*
 * Read the head of a deflated object with the patcher, which decodes it anyway.
 * 1: it is in w->dicom; 0: it does not end there.
 */
static int
walk_by_peeks(struct imgp_mark_work *w)
{
	struct imgp_dicom *d = &w->dicom;
	struct imgp_err e;
	size_t want = w->ahead != 0 ? w->ahead : PEEK;
	int again = 0;

	w->dsrc = (struct imgp_deflate_src){ imgp_deflate_read_fd, &w->from,
	    w->src->csize, w->src->size, w->src->crc };
	for (; want <= IMGP_DEFLATE_PEEK; want += PEEK, again = 1) {
		if (imgp_deflate_peek(w->deflate, again ? NULL : &w->dsrc,
		    want, &e) != 0)
			return 0;
		feed_seen(w);
		if (w->fed == w->src->size)
			imgp_dicom_end(d);
		if (d->state == IMGP_DICOM_MORE)
			continue;
		/* The next object's head is hardly longer. */
		if (d->state == IMGP_DICOM_HEAD)
			w->ahead = d->head < PEEK ? (size_t)d->head + 64 : PEEK;
		return w->peeked = 1;
	}
	return 0;
}

enum how_far { TO_PIXELS, TO_END };

/* Must the walk continue behind the head? */
static int
goes_on(const struct imgp_mark_work *w, enum how_far far)
{
	return far == TO_PIXELS ? may_come(w) :
	    w->dicom.state == IMGP_DICOM_HEAD && !w->dicom.tail_lost;
}

/* Read the whole head, and what follows it. */
static int
walk_by_reading(struct imgp_mark *o, enum how_far far)
{
	struct imgp_mark_work *w = o->work;
	struct imgp_dicom *d = &w->dicom;
	unsigned char buf[CHUNK];
	struct imgp_err e;
	long n;

	imgp_dicom_release(d);
	imgp_dicom_init(d, &w->opts->want, w->opts->lim);
	w->fed = 0;
	imgp_mark_open(w);
	while (d->state == IMGP_DICOM_MORE || goes_on(w, far)) {
		n = imgp_content_read(w->content, buf, sizeof buf, &e);
		if (n == -1 && d->state == IMGP_DICOM_HEAD &&
		    strcmp(e.code, IMGP_E_ARCHIVE_DAMAGED) == 0)
			break;		/* the check of the whole finds it */
		if (n == -1)
			return imgp_mark_failed(o, &e);
		if (n == 0) {
			imgp_dicom_end(d);
			break;
		}
		w->fed += (uint64_t)n;
		imgp_dicom_feed(d, buf, (size_t)n);
	}
	return 0;
}

int
imgp_mark_walk(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;

	w->fed = 0;
	w->peeked = 0;
	w->seen = SEEN_NOTHING;
	w->from.fd = w->src->fd;
	w->from.off = w->src->off;
	imgp_dicom_release(&w->dicom);
	imgp_dicom_init(&w->dicom, &w->opts->want, w->opts->lim);
	if (w->src->deflated && walk_by_peeks(w))
		return 0;
	return walk_by_reading(o, TO_PIXELS);
}

static int
decline_late(struct imgp_mark *o, uint32_t tag)
{
	imgp_fail(&o->err, IMGP_E_DICOM_INVALID,
	    "(%04X,%04X) stands twice, or not in its place",
	    (unsigned int)(tag >> 16), (unsigned int)(tag & 0xffff));
	return imgp_mark_decline(o);
}

/*
 * Look between head and pixels: in what the plan has decoded, or by reading.
 */
static int
look_behind(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;

	if (may_come(w) && w->peeked)
		feed_seen(w);
	if (may_come(w) && w->peeked && walk_by_reading(o, TO_PIXELS) == -1)
		return -1;
	return w->dicom.late ? decline_late(o, w->dicom.late) : 0;
}

/* Stored data from element to element, without what stands in long ones. */
static int
hop_to_end(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_mark_src *src = w->src;
	unsigned char buf[CHUNK];
	struct imgp_err e;
	uint64_t left, n;

	while (goes_on(w, TO_END) && w->fed < src->size) {
		left = src->size - w->fed;
		n = imgp_dicom_idle(&w->dicom);
		if (n > left)
			return 0;
		if (n > 0)
			imgp_dicom_skip(&w->dicom, n);
		else {
			n = left < sizeof buf ? left : sizeof buf;
			if (imgp_pread(src->fd, buf, (size_t)n,
			    src->off + w->fed, &e) == -1)
				return imgp_mark_failed(o, &e);
			imgp_dicom_feed(&w->dicom, buf, (size_t)n);
		}
		w->fed += n;
	}
	imgp_dicom_end(&w->dicom);
	return 0;
}

/*
 * What stands behind the head, to the end of the object: is it signed there, is
 * it cut?  Known from what has passed by for the check.  Where nothing had to,
 * the element headers of stored data are read, and the deflated syntax is
 * inflated unless trusted; of other deflated data lengths tell what they can.
 */
static int
look_through(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_dicom *d = &w->dicom;
	int rc = 0;

	if (w->seen == SEEN_ALL)
		d = &w->again;
	else if (d->deflated)
		rc = w->opts->trust ? 0 : walk_by_reading(o, TO_END);
	else if (!w->src->deflated)
		rc = hop_to_end(o);
	if (rc == -1)
		return -1;
	o->is_signed = d->is_signed;
	o->is_cut = d->cut || (d->at_pixels &&
	    imgp_dicom_idle(d) > w->src->size - w->fed);
	return d->late ? decline_late(o, d->late) : 0;
}

/* Is it an instance, and of which series? */
static int
identify(struct imgp_mark *o)
{
	const struct imgp_dicom *d = &o->work->dicom;
	char why[300];

	if (d->state == IMGP_DICOM_NOT || (d->state == IMGP_DICOM_HEAD &&
	    d->kind == IMGP_DICOM_DIRECTORY))
		return -1;
	if (d->state == IMGP_DICOM_BAD) {
		o->err = d->err;
		return imgp_mark_decline(o);
	}
	if (d->kind == IMGP_DICOM_NO_UID) {
		imgp_dicom_why_no_uid(d, why, sizeof why);
		imgp_fail(&o->err, IMGP_E_DICOM_NO_UID, "%s", why);
		return imgp_mark_decline(o);
	}
	imgp_dicom_uid(d, IMGP_DICOM_STUDY, o->study);
	imgp_dicom_uid(d, IMGP_DICOM_SERIES, o->series);
	imgp_dicom_uid(d, IMGP_DICOM_SOP_INSTANCE, o->instance);
	o->is_instance = 1;
	return 0;
}

/* --- what to change ----------------------------------------------------- */

static void
add_edit(struct imgp_mark_work *w, uint64_t at, uint64_t del, size_t len)
{
	struct imgp_deflate_edit *d = &w->edit[w->edits];

	d->at = at;
	d->del = del;
	d->ins = w->bytes[w->edits++];
	d->inslen = len;
}

/* Is one of the values in ${text} an ATRIUID other than ${id}?  It is copied to
 * ${foreign} then. */
static int
find_foreign(const char *text, const char *id,
    char foreign[IMGP_UID_MAX + 1])
{
	size_t n;

	for (;; text += n + 1) {
		text += strspn(text, " ");
		n = strcspn(text, "\\ ");
		snprintf(foreign, IMGP_UID_MAX + 1, "%.*s", (int)n, text);
		if (n <= IMGP_UID_MAX && imgp_is_atri_uid(foreign) &&
		    strcmp(foreign, id) != 0)
			return 1;
		n = strcspn(text, "\\");
		if (text[n] == '\0')
			return 0;
	}
}

/* May the present value be replaced?  1: it is the id already; 0: yes; -1: no. */
static int
judge_value(struct imgp_mark *o)
{
	const struct imgp_mark_work *w = o->work;
	const struct imgp_dicom_elem *id = &w->dicom.elem[IMGP_DICOM_ID];
	char text[IMGP_DICOM_VALUE + 1], foreign[IMGP_UID_MAX + 1];
	int n, atri;

	if (id->len == UINT32_MAX) {
		imgp_fail(&o->err, IMGP_E_DICOM_INVALID,
		    "(%04X,%04X) has no length", id->tag >> 16,
		    id->tag & 0xffff);
		return imgp_mark_decline(o);
	}
	n = imgp_dicom_text(&w->dicom, IMGP_DICOM_ID, text, sizeof text);
	if (n == 0)
		return 0;
	if (n > 0 && strcmp(text, w->id) == 0)
		return 1;
	/* Never show a value of other elements, such as Patient ID. */
	atri = n > 0 && find_foreign(text, w->id, foreign) &&
	    (id->tag == IMGP_TAG(0x12, 0x71) ||
	    w->opts->want.creator != NULL);
	if (w->opts->replace) {
		if (atri)
			memcpy(o->old, foreign, sizeof foreign);
		return 0;
	}
	if (atri) {
		o->is_fatal = 1;
		imgp_fail(&o->err, IMGP_E_STAMP_FOREIGN,
		    "it carries %s, and its series is %s", foreign, w->id);
	} else
		imgp_fail(&o->err, IMGP_E_STAMP_VALUE,
		    "(%04X,%04X) holds another value", id->tag >> 16,
		    id->tag & 0xffff);
	return imgp_mark_decline(o);
}

static int
by_place(const void *a, const void *b)
{
	const struct imgp_deflate_edit *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->ins < y->ins ? -1 : 1;	/* as they were added */
}

/* A group length becomes what its group has. */
static int
raise_group(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_dicom_elem *g = &w->dicom.elem[IMGP_DICOM_GROUP];
	const struct imgp_dicom_elem *end =
	    &w->dicom.elem[IMGP_DICOM_GROUP_END];
	unsigned char *b = w->bytes[w->edits];
	int big = w->dicom.big, k;
	uint32_t n;
	size_t i;

	if (!g->present || w->edits == 0)
		return 0;
	if (g->len != 4) {
		imgp_fail(&o->err, IMGP_E_DICOM_INVALID,
		    "(%04X,0000) has %lu bytes in place of 4", g->tag >> 16,
		    (unsigned long)g->len);
		return imgp_mark_decline(o);
	}
	n = (uint32_t)(end->end - g->end);
	for (i = 0; i < w->edits; i++)
		n += (uint32_t)w->edit[i].inslen - (uint32_t)w->edit[i].del;
	for (k = 0; k < 4; k++)
		b[k] = (unsigned char)(n >> (big ? 24 - 8 * k : 8 * k));
	add_edit(w, g->end - 4, 4, 4);
	return 0;
}

/* Fill w->edit; no edit: the object is right already. */
static int
plan_edits(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_mark_opts *opts = w->opts;
	const struct imgp_dicom *d = &w->dicom;
	const struct imgp_dicom_elem *center = &d->elem[IMGP_DICOM_CENTER];
	const struct imgp_dicom_elem *creator = &d->elem[IMGP_DICOM_CREATOR];
	const struct imgp_dicom_elem *id = &d->elem[IMGP_DICOM_ID];
	int same = 0;

	w->edits = 0;
	if (id->present && (same = judge_value(o)) == -1)
		return -1;
	if (center->tag != 0 && !center->present)
		add_edit(w, center->off, 0, imgp_dicom_code(d, center->tag,
		    "LO", opts->center, strlen(opts->center),
		    w->bytes[w->edits]));
	if (creator->tag != 0 && !creator->present)
		add_edit(w, creator->off, 0, imgp_dicom_code(d, creator->tag,
		    "LO", opts->want.creator, strlen(opts->want.creator),
		    w->bytes[w->edits]));
	if (!same)
		add_edit(w, id->off, id->end - id->off, imgp_dicom_code(d,
		    id->tag, opts->vr, w->id, strlen(w->id),
		    w->bytes[w->edits]));
	if (raise_group(o) == -1)
		return -1;
	qsort(w->edit, w->edits, sizeof *w->edit, by_place);
	return 0;
}

/* --- the new data ------------------------------------------------------- */

void
imgp_mark_add_piece(struct imgp_mark *o, const void *mem, int fd, uint64_t off,
    uint64_t len)
{
	struct imgp_mark_piece *p;

	if (len == 0)
		return;
	p = &o->piece[o->pieces++];
	p->mem = mem;
	p->fd = fd;
	p->off = off;
	p->len = len;
}

static int
write_crc(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	uint32_t *crc = arg;

	(void)e;
	*crc = imgp_crc32(*crc, p, len);
	return 0;
}

/* The CRC of the new content follows from that of the old one. */
static int
derive_crc(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_deflate_edit *last = &w->edit[w->edits - 1];
	uint64_t head = last->at + last->del, left;
	uint32_t old = 0, new = 0;
	unsigned char buf[CHUNK];
	struct imgp_splice s;
	struct imgp_err e;
	long n;

	imgp_mark_open(w);
	imgp_splice_init(&s, w->edit, w->edits, 0, write_crc, &new);
	for (left = head; left > 0; left -= (uint64_t)n) {
		n = imgp_content_read(w->content, buf,
		    left < sizeof buf ? (size_t)left : sizeof buf, &e);
		if (n <= 0)
			return imgp_mark_failed(o, &e);
		old = imgp_crc32(old, buf, (size_t)n);
		imgp_splice_feed(&s, buf, (size_t)n, &e);
	}
	if (imgp_splice_end(&s, &e) == -1)
		return imgp_mark_failed(o, &e);
	o->crc = imgp_crc32_rehead(w->src->crc, old, new,
	    w->src->size - head);
	return 0;
}

/* Stored data: the old bytes with the new ones in between. */
int
imgp_mark_splice(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_mark_src *src = w->src;
	uint64_t pos = 0;
	size_t i;

	o->size = src->size;
	for (i = 0; i < w->edits; i++) {
		imgp_mark_add_piece(o, NULL, src->fd, src->off + pos,
		    w->edit[i].at - pos);
		imgp_mark_add_piece(o, w->edit[i].ins, -1, 0, w->edit[i].inslen);
		pos = w->edit[i].at + w->edit[i].del;
		o->size += w->edit[i].inslen;
		o->size -= w->edit[i].del;
	}
	imgp_mark_add_piece(o, NULL, src->fd, src->off + pos, src->size - pos);
	o->csize = o->size;
	return src->has_crc ? derive_crc(o) : 0;
}

/* The plan's stream is the new data. */
void
imgp_mark_take_plan(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_mark_src *src = w->src;
	const struct imgp_deflate_piece *p;
	size_t i;

	for (i = 0; i < w->plan.pieces; i++) {
		p = &w->plan.piece[i];
		imgp_mark_add_piece(o, p->mem, p->mem == NULL ? src->fd : -1,
		    p->mem == NULL ? src->off + p->off : 0, p->len);
	}
	o->csize = w->plan.len;
	o->size = w->plan.size;
	o->crc = w->plan.crc;
	o->is_patched = 1;
}

/* Deflated data: 0: patched; 1: it must be encoded; -1: o says why not. */
static int
patch(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	struct imgp_err e;
	int rc;

	rc = imgp_deflate_plan(w->deflate, w->peeked ? NULL : &w->dsrc,
	    w->edit, w->edits, &w->plan, &e);
	if (rc == 1)
		return 1;
	if (rc == -1)
		return imgp_mark_failed(o, &e);
	imgp_mark_begin_again(w);
	w->plan.see = imgp_mark_read_again;
	w->plan.see_arg = w;
	rc = w->opts->trust ?
	    imgp_deflate_glance(w->deflate, &w->dsrc, &w->plan, &e) :
	    imgp_deflate_verify(w->deflate, &w->dsrc, &w->plan, &e);
	if (rc == -1)
		return imgp_mark_failed(o, &e);
	imgp_mark_take_plan(o);
	imgp_mark_end_again(o);
	return 0;
}

void
imgp_mark_prepare(struct imgp_mark *o, const struct imgp_mark_src *src)
{
	struct imgp_mark_work *w = o->work;
	int rc, encoded;

	o->outcome = IMGP_MARK_OTHER;
	o->is_fatal = o->is_instance = o->is_patched = 0;
	o->is_signed = o->is_cut = 0;
	o->old[0] = '\0';
	o->pieces = 0;
	w->src = src;
	if (imgp_mark_walk(o) == -1 || identify(o) == -1)
		return;
	w->id = w->opts->id_of(w->opts->arg, o->study, o->series, &o->err);
	if (w->id == NULL) {
		imgp_mark_decline(o);
		return;
	}
	if (plan_edits(o) == -1)
		return;
	if (w->edits == 0) {
		if (look_behind(o) == 0 && look_through(o) == 0)
			o->outcome = IMGP_MARK_ALREADY;
		return;
	}
	if (w->dicom.deflated)
		rc = 1;
	else
		rc = src->deflated ? patch(o) : imgp_mark_splice(o);
	if ((encoded = rc == 1))
		rc = imgp_mark_recode(o);
	if (rc == 0 && look_behind(o) == 0 && imgp_mark_check(o) == 0 &&
	    look_through(o) == 0 && (!w->opts->provenance ||
	    imgp_mark_record(o, encoded) == 0))
		o->outcome = IMGP_MARK_STAMPED;
}
