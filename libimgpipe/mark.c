#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/buf.h"
#include "libimgpipe/content.h"
#include "libimgpipe/dcm.h"
#include "libimgpipe/encode.h"
#include "libimgpipe/mark.h"
#include "libimgpipe/out.h"
#include "libimgpipe/splice.h"
#include "libimgpipe/stamp.h"

#define EDITS	5
#define SHAPES	64			/* of headers that are remembered */
#define CHUNK	4096
#define BIG	((size_t)128 << 10)
#define PEEK	((size_t)3072)		/* bytes of content at once */
/* How far behind the head signs of a signature are looked for. */
#define BEHIND	((uint64_t)64 << 10)
/* DCMTK takes some 30 bytes for each of a header. */
#define REFEREE_MAX	((uint64_t)1 << 20)

struct imgp_mark_work {
	const struct imgp_mark_opts *opts;
	const struct imgp_mark_src *src;
	struct imgp_content *content;
	struct imgp_deflate *deflate;
	struct imgp_encode *fast, *inner;
	struct imgp_dicom dicom, again;
	uint64_t	 fed;		/* bytes of content that dicom has had */
	int		 peeked;	/* deflate is at this object's stream */
	uint64_t	 shape[SHAPES];	/* that the second reader has read */
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
	/* while encoding: what is counted of the new content */
	uint32_t	 crc;
	uint64_t	 size;
	unsigned char	*big;
	struct imgp_buf	 old;		/* what the edits take away */
};

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

static int
decline(struct imgp_mark *o)
{
	o->outcome = IMGP_MARK_DECLINED;
	return -1;
}

/* An error that is the object's own, or the machine's and so everybody's. */
static int
failed(struct imgp_mark *o, const struct imgp_err *e)
{
	const struct imgp_error *row = imgp_error_find(e->code);

	o->err = *e;
	o->outcome = row != NULL && strcmp(row->class, "data") == 0 ?
	    IMGP_MARK_DECLINED : IMGP_MARK_FAILED;
	return -1;
}

/* --- reading the head ------------------------------------------------------ */

static void
open_content(struct imgp_mark_work *w)
{
	const struct imgp_mark_src *src = w->src;

	w->from.fd = src->fd;
	w->from.off = src->off;
	imgp_content_open(w->content, imgp_deflate_read_fd, &w->from,
	    src->csize, src->size, src->deflated);
}

/* Behind the head: may signs of a signature still come? */
static int
may_be_signed(const struct imgp_mark_work *w)
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
 * The head of a deflated object by the patcher, which will come by there in any
 * case.  1: it is in w->dicom; 0: it was not found so.
 */
static int
walk_by_peeks(struct imgp_mark_work *w)
{
	struct imgp_dicom *d = &w->dicom;
	struct imgp_err e;
	size_t want;

	w->dsrc = (struct imgp_deflate_src){ imgp_deflate_read_fd, &w->from,
	    w->src->csize, w->src->size, w->src->crc };
	for (want = PEEK; want <= IMGP_DEFLATE_PEEK; want += PEEK) {
		if (imgp_deflate_peek(w->deflate, want == PEEK ? &w->dsrc :
		    NULL, want, &e) != 0)
			return 0;
		feed_seen(w);
		if (w->fed == w->src->size)
			imgp_dicom_end(d);
		if (d->state != IMGP_DICOM_MORE)
			return w->peeked = 1;
	}
	return 0;
}

/*
 * The head by reading: all of it, and where ${on} on a little for signs of a
 * signature.
 */
static int
walk_by_reading(struct imgp_mark *o, int on)
{
	struct imgp_mark_work *w = o->work;
	struct imgp_dicom *d = &w->dicom;
	unsigned char buf[CHUNK];
	struct imgp_err e;
	long n;

	imgp_dicom_release(d);
	imgp_dicom_init(d, &w->opts->want, w->opts->lim);
	w->fed = 0;
	open_content(w);
	while (d->state == IMGP_DICOM_MORE || (on && may_be_signed(w))) {
		n = imgp_content_read(w->content, buf, sizeof buf, &e);
		if (n == -1 && d->state == IMGP_DICOM_HEAD &&
		    strcmp(e.code, IMGP_E_ARCHIVE_DAMAGED) == 0)
			break;		/* the check of the whole will tell */
		if (n == -1)
			return failed(o, &e);
		if (n == 0) {
			imgp_dicom_end(d);
			break;
		}
		w->fed += (uint64_t)n;
		imgp_dicom_feed(d, buf, (size_t)n);
	}
	return 0;
}

static int
walk(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;

	w->fed = 0;
	w->peeked = 0;
	w->from.fd = w->src->fd;
	w->from.off = w->src->off;
	imgp_dicom_release(&w->dicom);
	imgp_dicom_init(&w->dicom, &w->opts->want, w->opts->lim);
	if (w->src->deflated && walk_by_peeks(w))
		return 0;
	return walk_by_reading(o, 1);
}

/* Is it signed?  Looked for in what the plan has decoded, or by reading. */
static int
look_for_signature(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;

	if (may_be_signed(w) && w->peeked)
		feed_seen(w);
	if (may_be_signed(w) && w->peeked && walk_by_reading(o, 1) == -1)
		return -1;
	o->is_signed = w->dicom.is_signed;
	return 0;
}

/* Is it an instance, and of what? */
static int
identify(struct imgp_mark *o)
{
	const struct imgp_dicom *d = &o->work->dicom;

	if (d->state == IMGP_DICOM_NOT || (d->state == IMGP_DICOM_HEAD &&
	    d->kind == IMGP_DICOM_DIRECTORY))
		return -1;
	if (d->state == IMGP_DICOM_BAD) {
		o->err = d->err;
		return decline(o);
	}
	if (d->kind == IMGP_DICOM_NO_UID) {
		imgp_fail(&o->err, IMGP_E_DICOM_NO_UID, "SOP class, SOP "
		    "instance, study or series UID is missing");
		return decline(o);
	}
	imgp_dicom_uid(d, IMGP_DICOM_STUDY, o->study);
	imgp_dicom_uid(d, IMGP_DICOM_SERIES, o->series);
	imgp_dicom_uid(d, IMGP_DICOM_SOP_INSTANCE, o->instance);
	o->is_instance = 1;
	return 0;
}

/* --- what to change --------------------------------------------------------- */

static void
add_edit(struct imgp_mark_work *w, uint64_t at, uint64_t del, size_t len)
{
	struct imgp_deflate_edit *d = &w->edit[w->edits];

	d->at = at;
	d->del = del;
	d->ins = w->bytes[w->edits++];
	d->inslen = len;
}

/* May the value that is there go?  1: it is the id already; 0: yes; -1: no. */
static int
judge_value(struct imgp_mark *o)
{
	const struct imgp_mark_work *w = o->work;
	char text[IMGP_UID_MAX + 1];
	int n, atri;

	n = imgp_dicom_text(&w->dicom, IMGP_DICOM_ID, text, sizeof text);
	if (n == 0)
		return 0;
	if (n > 0 && strcmp(text, w->id) == 0)
		return 1;
	atri = n > 0 && imgp_is_atri_uid(text);
	if (w->opts->replace) {
		if (atri)
			memcpy(o->old, text, sizeof text);
		return 0;
	}
	if (atri) {
		o->is_fatal = 1;
		imgp_fail(&o->err, IMGP_E_STAMP_FOREIGN,
		    "it carries %s, and its series is %s", text, w->id);
	} else
		imgp_fail(&o->err, IMGP_E_STAMP_VALUE,
		    "the element holds another value");
	return decline(o);
}

static int
by_place(const void *a, const void *b)
{
	const struct imgp_deflate_edit *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->ins < y->ins ? -1 : 1;	/* as they were added */
}

/* A group length that is there grows with its group. */
static int
raise_group(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_dicom_elem *g = &w->dicom.elem[IMGP_DICOM_GROUP];
	const unsigned char *v = g->value;
	unsigned char *b = w->bytes[w->edits];
	int big = w->dicom.big, k;
	uint32_t n = 0;
	size_t i;

	if (!g->present || w->edits == 0)
		return 0;
	if (g->len != 4) {
		imgp_fail(&o->err, IMGP_E_DICOM_INVALID,
		    "a group length is not 4 bytes long");
		return decline(o);
	}
	for (k = 0; k < 4; k++)
		n |= (uint32_t)v[k] << (big ? 24 - 8 * k : 8 * k);
	for (i = 0; i < w->edits; i++)
		n += (uint32_t)w->edit[i].inslen - (uint32_t)w->edit[i].del;
	for (k = 0; k < 4; k++)
		b[k] = (unsigned char)(n >> (big ? 24 - 8 * k : 8 * k));
	add_edit(w, g->end - 4, 4, 4);
	return 0;
}

/* Fill w->edit; none means that the object is as it should be. */
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

/* --- the new data ------------------------------------------------------------ */

static void
add_piece(struct imgp_mark *o, const void *mem, int fd, uint64_t off,
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

	open_content(w);
	imgp_splice_init(&s, w->edit, w->edits, 0, write_crc, &new);
	for (left = head; left > 0; left -= (uint64_t)n) {
		n = imgp_content_read(w->content, buf,
		    left < sizeof buf ? (size_t)left : sizeof buf, &e);
		if (n <= 0)
			return failed(o, &e);
		old = imgp_crc32(old, buf, (size_t)n);
		imgp_splice_feed(&s, buf, (size_t)n, &e);
	}
	if (imgp_splice_end(&s, &e) == -1)
		return failed(o, &e);
	o->crc = imgp_crc32_rehead(w->src->crc, old, new,
	    w->src->size - head);
	return 0;
}

/* Stored data: the old bytes with the new ones in between. */
static int
splice_stored(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_mark_src *src = w->src;
	uint64_t pos = 0;
	size_t i;

	o->size = src->size;
	for (i = 0; i < w->edits; i++) {
		add_piece(o, NULL, src->fd, src->off + pos,
		    w->edit[i].at - pos);
		add_piece(o, w->edit[i].ins, -1, 0, w->edit[i].inslen);
		pos = w->edit[i].at + w->edit[i].del;
		o->size += w->edit[i].inslen;
		o->size -= w->edit[i].del;
	}
	add_piece(o, NULL, src->fd, src->off + pos, src->size - pos);
	o->csize = o->size;
	return src->has_crc ? derive_crc(o) : 0;
}

/* The plan's stream is the new data. */
static void
take_plan(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_mark_src *src = w->src;
	const struct imgp_deflate_piece *p;
	size_t i;

	for (i = 0; i < w->plan.pieces; i++) {
		p = &w->plan.piece[i];
		add_piece(o, p->mem, p->mem == NULL ? src->fd : -1,
		    p->mem == NULL ? src->off + p->off : 0, p->len);
	}
	o->csize = w->plan.len;
	o->size = w->plan.size;
	o->crc = w->plan.crc;
	o->is_patched = 1;
}

/* The new head, read again: see check_head(). */
static void
begin_again(struct imgp_mark_work *w)
{
	struct imgp_dicom *d = &w->again;

	imgp_dicom_release(d);
	imgp_dicom_init(d, &w->opts->want, w->opts->lim);
	/* The stamp itself must not break a limit. */
	d->lim.head += 4096;
	d->lim.elements += EDITS;
	imgp_buf_clear(&w->head);
}

/* The next bytes of it; nonzero: that was enough. */
static int
read_again(void *arg, const unsigned char *p, size_t len)
{
	struct imgp_mark_work *w = arg;
	size_t n;

	for (; len > 0 && w->again.state == IMGP_DICOM_MORE; len -= n, p += n) {
		n = len < CHUNK ? len : CHUNK;
		imgp_buf_add(&w->head, p, n);
		imgp_dicom_feed(&w->again, p, n);
	}
	return w->again.state != IMGP_DICOM_MORE;
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
		return failed(o, &e);
	begin_again(w);
	w->plan.see = read_again;
	w->plan.see_arg = w;
	rc = w->opts->trust ?
	    imgp_deflate_glance(w->deflate, &w->dsrc, &w->plan, &e) :
	    imgp_deflate_verify(w->deflate, &w->dsrc, &w->plan, &e);
	if (rc == -1)
		return failed(o, &e);
	take_plan(o);
	return 0;
}

/* --- decoding and encoding again ---------------------------------------------- */

/* The new content passes by: counted, then encoded or kept. */
static int
write_content(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct imgp_mark_work *w = arg;

	w->crc = imgp_crc32(w->crc, p, len);
	w->size += len;
	return w->src->deflated ? imgp_encode_feed(w->fast, p, len, e) :
	    imgp_spill_write(&w->spill, p, len, e);
}

/* The inflated data set of the deflated syntax passes by, spliced. */
static int
write_dataset(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct imgp_mark_work *w = arg;

	return imgp_encode_feed(w->inner, p, len, e);
}

/* How ${c} gets at what another content gives. */
struct nested {
	struct imgp_content *from;
	uint64_t	 pos;		/* of from: the next byte it gives */
	uint32_t	*crc;
};

static int
read_nested(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	struct nested *t = arg;
	unsigned char *p = buf;
	long n;

	(void)off;		/* in order */
	while (len > 0) {
		if ((n = imgp_content_read(t->from, p, len, e)) <= 0)
			return n == 0 ? imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED,
			    "its data end too early") : -1;
		*t->crc = imgp_crc32(*t->crc, p, (size_t)n);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Splice ${size} bytes of content ${c}, adding to ${*crc} what is read. */
static int
splice_through(struct imgp_mark_work *w, struct imgp_content *c,
    uint64_t size, struct imgp_splice *s, uint32_t *crc, struct imgp_err *e)
{
	long n;

	for (; size > 0; size -= (uint64_t)n) {
		n = imgp_content_read(c, w->big, size < BIG ? (size_t)size :
		    BIG, e);
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		if (crc != NULL)
			*crc = imgp_crc32(*crc, w->big, (size_t)n);
		if (imgp_splice_feed(s, w->big, (size_t)n, e) == -1)
			return -1;
	}
	return 0;
}

/*
 * An object of the deflated syntax: its data set is inflated, spliced and
 * deflated again, padded to an even length (PS3.5 A.5).
 */
static int
recode_dataset(struct imgp_mark_work *w, uint32_t *crc, struct imgp_err *e)
{
	struct nested t = { w->content, w->dicom.data, crc };
	struct imgp_content *c = imgp_content_new();
	uint64_t left = w->src->size - w->dicom.data, start;
	struct imgp_splice s;
	long n;
	int rc = -1;

	if (w->inner == NULL)
		w->inner = imgp_encode_new(1, write_content, w);
	imgp_encode_reset(w->inner);
	imgp_splice_init(&s, w->edit, w->edits, w->dicom.data, write_dataset,
	    w);
	start = w->size;
	imgp_content_open(c, read_nested, &t, left, IMGP_CONTENT_UNKNOWN, 1);
	for (;;) {
		if ((n = imgp_content_read(c, w->big, BIG, e)) == -1)
			goto out;
		if (n == 0)
			break;
		if (imgp_splice_feed(&s, w->big, (size_t)n, e) == -1)
			goto out;
	}
	if (imgp_splice_end(&s, e) == -1 || imgp_encode_end(w->inner, e) == -1)
		goto out;
	if ((w->size - start) % 2 != 0 && write_content(w, "", 1, e) == -1)
		goto out;
	/* What is left of the old: padding. */
	while ((n = imgp_content_read(w->content, w->big, BIG, e)) > 0)
		*crc = imgp_crc32(*crc, w->big, (size_t)n);
	rc = n == -1 ? -1 : 0;
out:
	imgp_content_free(c);
	return rc;
}

static int
write_spill(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	return imgp_spill_write(arg, p, len, e);
}

/* Decode everything, splice, encode everything, and keep it. */
static int
recode(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_mark_src *src = w->src;
	struct imgp_splice s;
	struct imgp_err e;
	uint32_t crc = 0;
	int rc;

	if (w->big == NULL)
		w->big = imgp_alloc(BIG);
	if (w->fast == NULL)
		w->fast = imgp_encode_new(0, write_spill, &w->spill);
	imgp_encode_reset(w->fast);
	imgp_spill_clear(&w->spill);
	w->crc = 0;
	w->size = 0;
	open_content(w);
	if (w->dicom.deflated) {
		imgp_splice_init(&s, NULL, 0, 0, write_content, w);
		rc = splice_through(w, w->content, w->dicom.data, &s, &crc, &e);
		if (rc == 0)
			rc = recode_dataset(w, &crc, &e);
	} else {
		imgp_splice_init(&s, w->edit, w->edits, 0, write_content, w);
		rc = splice_through(w, w->content, UINT64_MAX, &s, &crc, &e);
		if (rc == 0)
			rc = imgp_splice_end(&s, &e);
	}
	if (rc == 0 && src->has_crc && crc != src->crc)
		rc = imgp_fail(&e, IMGP_E_ARCHIVE_DAMAGED,
		    "its CRC does not fit its data");
	if (rc == 0 && src->deflated)
		rc = imgp_encode_end(w->fast, &e);
	if (rc == -1 || imgp_spill_done(&w->spill, &e) == -1)
		return failed(o, &e);
	o->csize = w->spill.n;
	o->size = w->size;
	o->crc = w->crc;
	add_piece(o, w->spill.fd == -1 ?
	    (const unsigned char *)w->spill.mem.s : NULL, w->spill.fd, 0,
	    w->spill.n);
	return 0;
}

/* --- the check ------------------------------------------------------------------ */

/* Read the new data as if they were written already. */
static int
read_pieces(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	const struct imgp_mark *o = arg;
	const struct imgp_mark_piece *p = o->piece;
	unsigned char *b = buf;
	size_t n;

	while (len > 0) {
		for (; off >= p->len; p++)
			off -= p->len;
		n = p->len - off < len ? (size_t)(p->len - off) : len;
		if (p->mem != NULL)
			memcpy(b, p->mem + off, n);
		else if (imgp_pread(p->fd, b, n, p->off + off, e) == -1)
			return -1;
		off += n;
		b += n;
		len -= n;
	}
	return 0;
}

static int
differs(struct imgp_mark *o, const char *what)
{
	imgp_fail(&o->err, IMGP_E_STAMP_CHECK, "check: %s", what);
	o->outcome = IMGP_MARK_FAILED;
	return -1;
}

/*
 * The whole new content against the CRC that was derived from the source's: it
 * proves that the source was sound and that nothing else has changed.
 */
static int
check_crc(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	struct imgp_err e;
	uint32_t crc = 0;
	long n;

	if (w->big == NULL)
		w->big = imgp_alloc(BIG);
	imgp_content_open(w->content, read_pieces, o, o->csize, o->size,
	    w->src->deflated);
	while ((n = imgp_content_read(w->content, w->big, BIG, &e)) > 0)
		crc = imgp_crc32(crc, w->big, (size_t)n);
	if (n == -1)
		return strcmp(e.code, IMGP_E_ARCHIVE_DAMAGED) == 0 ?
		    differs(o, "the new data cannot be decoded") :
		    failed(o, &e);
	if (crc == o->crc)
		return 0;
	/* Whose fault is it? */
	open_content(w);
	crc = 0;
	while ((n = imgp_content_read(w->content, w->big, BIG, &e)) > 0)
		crc = imgp_crc32(crc, w->big, (size_t)n);
	if (n == -1)
		return failed(o, &e);
	if (crc == w->src->crc)
		return differs(o, "the new data have another CRC");
	imgp_fail(&o->err, IMGP_E_ARCHIVE_DAMAGED,
	    "its CRC does not fit its data");
	return decline(o);
}

static int
same_uid(const struct imgp_dicom *d, enum imgp_dicom_which which,
    const char *uid)
{
	char s[IMGP_UID_MAX + 1];

	return imgp_dicom_uid(d, which, s) == 0 && strcmp(s, uid) == 0;
}

/*
 * How DCMTK finds its way through a header of explicit VRs depends on nothing
 * but the header's shape: where it has found it once, it finds it again, and
 * needs not be asked for each of a thousand slices.  (With implicit ones, where it
 * goes by the creators of private blocks too, headers have no shape.)
 */
static int
is_known(const struct imgp_mark_work *w, const struct imgp_dicom *d)
{
	size_t i, n = w->nshapes < SHAPES ? w->nshapes : SHAPES;

	for (i = 0; i < n; i++)
		if (w->shape[i] == d->shape)
			return d->shape != 0;
	return 0;
}

static void
remember(struct imgp_mark_work *w, const struct imgp_dicom *d)
{
	w->shape[w->nshapes++ % SHAPES] = d->shape;
}

/*
 * What does the second reader find?  Where that is not the id, or nothing, it costs
 * the instance: whoever reads with DCMTK would not find the id either.  It is not
 * asked where it would have to guess the syntax, or to inflate, nor where the data
 * set is coded otherwise than stated: it cannot read such at all.
 */
static int
ask_referee(struct imgp_mark *o, const struct imgp_dicom *d)
{
	struct imgp_mark_work *w = o->work;
	char value[IMGP_DICOM_VALUE];
	uint32_t tag = d->elem[IMGP_DICOM_ID].tag;
	int rc;

	if (w->head.len < d->head || d->mismatch || d->deflated ||
	    d->syntax[0] == '\0' || is_known(w, d))
		return 0;
	rc = imgp_dcm_value(w->head.s, w->head.len, tag, value, sizeof value);
	if (rc == 1 && strcmp(value, w->id) == 0) {
		remember(w, d);
		return 0;
	}
	imgp_fail(&o->err, IMGP_E_DICOM_INVALID, rc == -1 ?
	    "DCMTK cannot read the header with the id in it" :
	    "DCMTK does not find the id where we do");
	return decline(o);
}

/*
 * Read the new head again: the same object, now with its id.  The check of a
 * patched stream has shown it, as it was decoded, to read_again().
 */
static int
check_head(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	struct imgp_dicom *d = &w->again;
	char value[IMGP_UID_MAX + 1];
	unsigned char buf[CHUNK];
	struct imgp_err e;
	long n;

	if (!o->is_patched || d->state == IMGP_DICOM_MORE) {
		begin_again(w);
		imgp_content_open(w->content, read_pieces, o, o->csize,
		    o->size, w->src->deflated);
	}
	while (d->state == IMGP_DICOM_MORE) {
		n = imgp_content_read(w->content, buf, sizeof buf, &e);
		if (n == -1)
			return failed(o, &e);
		if (n == 0)
			imgp_dicom_end(d);
		else
			read_again(w, buf, (size_t)n);
	}
	if (d->state != IMGP_DICOM_HEAD || d->kind != IMGP_DICOM_INSTANCE ||
	    !same_uid(d, IMGP_DICOM_STUDY, o->study) ||
	    !same_uid(d, IMGP_DICOM_SERIES, o->series) ||
	    !same_uid(d, IMGP_DICOM_SOP_INSTANCE, o->instance) ||
	    d->data != w->dicom.data || strcmp(d->syntax, w->dicom.syntax) != 0)
		return differs(o, "it is another object now");
	if (imgp_dicom_text(d, IMGP_DICOM_ID, value, sizeof value) < 1 ||
	    strcmp(value, w->id) != 0)
		return differs(o, "it does not hold the id");
	return ask_referee(o, d);
}

static int
check(struct imgp_mark *o)
{
	const struct imgp_mark_work *w = o->work;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < o->pieces; i++)
		n += o->piece[i].len;
	if (n != o->csize)
		return differs(o, "the pieces do not add up");
	/* A patched stream has been checked by deflate.c. */
	if (w->src->has_crc && !o->is_patched &&
	    (!w->opts->trust || w->src->deflated) && check_crc(o) == -1)
		return -1;
	return check_head(o);
}

/* --- provenance, and the way back -------------------------------------------------- */

/* Read ${len} bytes of ${c} at ${at}, behind ${*pos}, to w->old. */
static int
read_at(struct imgp_mark *o, struct imgp_content *c, uint64_t *pos, uint64_t at,
    uint64_t len)
{
	struct imgp_mark_work *w = o->work;
	unsigned char buf[CHUNK];
	struct imgp_err e;
	uint64_t want;
	long n;

	for (; *pos < at + len; *pos += (uint64_t)n) {
		want = (*pos < at ? at : at + len) - *pos;
		n = imgp_content_read(c, buf, want < sizeof buf ?
		    (size_t)want : sizeof buf, &e);
		if (n == -1)
			return failed(o, &e);
		if (n == 0)
			return differs(o, "the object is too short");
		if (*pos >= at)
			imgp_buf_add(&w->old, buf, (size_t)n);
	}
	return 0;
}

/* What the edits take away, to w->old, one after the other. */
static int
read_old(struct imgp_mark *o, struct imgp_content *c, uint64_t pos)
{
	struct imgp_mark_work *w = o->work;
	size_t i;

	for (i = 0; i < w->edits; i++)
		if (read_at(o, c, &pos, w->edit[i].at, w->edit[i].del) == -1)
			return -1;
	return 0;
}

/* The same where offsets count in the inflated data set. */
static int
read_old_inflated(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	struct imgp_content *c = imgp_content_new();
	uint64_t data = w->dicom.data, pos = 0;
	uint32_t crc = 0;
	struct nested t = { w->content, data, &crc };
	int rc = -1;

	if (read_at(o, w->content, &pos, data, 0) == 0) {
		imgp_content_open(c, read_nested, &t, w->src->size - data,
		    IMGP_CONTENT_UNKNOWN, 1);
		rc = read_old(o, c, data);
	}
	imgp_content_free(c);
	return rc;
}

/* Note what the edits take away, and how it was done. */
static int
record(struct imgp_mark *o, int encoded)
{
	struct imgp_mark_work *w = o->work;
	struct imgp_prov_record *r = &o->record;
	uint64_t n = 0;
	size_t i;

	imgp_buf_clear(&w->old);
	imgp_buf_add(&w->old, "", 0);
	for (i = 0; i < w->edits; i++)
		n += w->edit[i].del;
	if (n > 0) {
		open_content(w);
		if ((w->dicom.deflated ? read_old_inflated(o) :
		    read_old(o, w->content, 0)) == -1)
			return -1;
	}
	r->how = encoded ? IMGP_PROV_ENCODED : o->is_patched ?
	    IMGP_PROV_PATCHED : IMGP_PROV_SPLICED;
	r->edits = w->edits;
	for (i = 0, n = 0; i < w->edits; n += w->edit[i++].del) {
		r->edit[i] = w->edit[i];
		r->old[i] = (const unsigned char *)w->old.s + n;
	}
	r->undo = w->plan.undo;
	r->undolen = w->plan.undolen;
	return 0;
}

/*
 * Turn the edits round: w->edit undoes them, in the ${size} bytes that there
 * are.
 */
static int
turn_round(struct imgp_mark *o, const struct imgp_prov_record *r,
    uint64_t size)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_deflate_edit *d;
	uint64_t shift = 0, end = 0;
	size_t i;

	if (r->edits > EDITS)
		return differs(o, "the provenance does not fit");
	for (i = 0; i < r->edits; i++) {
		d = &r->edit[i];
		w->edit[i].at = d->at + shift;
		w->edit[i].del = d->inslen;
		w->edit[i].ins = r->old[i];
		w->edit[i].inslen = (size_t)d->del;
		if (d->at < end || w->edit[i].at > size ||
		    d->inslen > size - w->edit[i].at)
			return differs(o, "the provenance does not fit");
		end = d->at + d->del;
		shift += d->inslen - d->del;
	}
	w->edits = r->edits;
	return 0;
}

/* Is what was put in still there? */
static int
check_inserted(struct imgp_mark *o, const struct imgp_prov_record *r)
{
	struct imgp_mark_work *w = o->work;
	uint64_t pos = 0;
	size_t i;

	open_content(w);
	for (i = 0; i < r->edits; i++) {
		imgp_buf_clear(&w->old);
		if (read_at(o, w->content, &pos, w->edit[i].at,
		    w->edit[i].del) == -1)
			return -1;
		if (w->old.len > 0 && memcmp(w->old.s, r->edit[i].ins,
		    w->old.len) != 0)
			return differs(o, "the provenance does not fit");
	}
	return 0;
}

static int
unpatch(struct imgp_mark *o, const struct imgp_prov_record *r)
{
	struct imgp_mark_work *w = o->work;
	struct imgp_err e;

	w->dsrc.read = imgp_deflate_read_fd;
	w->dsrc.arg = &w->from;
	w->from.fd = w->src->fd;
	w->from.off = w->src->off;
	w->dsrc.len = w->src->csize;
	w->dsrc.size = w->src->size;
	w->dsrc.crc = w->src->crc;
	if (imgp_deflate_undo(w->deflate, &w->dsrc, r->undo, r->undolen,
	    &w->plan, &e) == -1)
		return failed(o, &e);
	take_plan(o);
	return 0;
}

void
imgp_mark_undo(struct imgp_mark *o, const struct imgp_mark_src *src,
    const struct imgp_prov_record *r)
{
	struct imgp_mark_work *w = o->work;
	int rc;

	o->outcome = IMGP_MARK_FAILED;
	o->is_fatal = o->is_instance = o->is_signed = o->is_patched = 0;
	o->old[0] = '\0';
	o->pieces = 0;
	w->src = src;
	if (r->how == IMGP_PROV_PATCHED)
		rc = src->deflated ? unpatch(o, r) :
		    differs(o, "the provenance does not fit");
	else if (r->how == IMGP_PROV_SPLICED)
		rc = src->deflated ? differs(o, "the provenance does not fit") :
		    turn_round(o, r, src->size) == -1 ||
		    check_inserted(o, r) == -1 ? -1 : splice_stored(o);
	else if (walk(o) == -1)
		return;
	else if (w->dicom.deflated)	/* how much it inflates to, we will see */
		rc = turn_round(o, r, INT64_MAX) == -1 ? -1 : recode(o);
	else
		rc = turn_round(o, r, src->size) == -1 ||
		    check_inserted(o, r) == -1 ? -1 : recode(o);
	if (rc == 0)
		o->outcome = IMGP_MARK_STAMPED;
	else if (o->outcome == IMGP_MARK_DECLINED)
		o->outcome = IMGP_MARK_FAILED;
}

void
imgp_mark_prepare(struct imgp_mark *o, const struct imgp_mark_src *src)
{
	struct imgp_mark_work *w = o->work;
	int rc, encoded;

	o->outcome = IMGP_MARK_OTHER;
	o->is_fatal = o->is_instance = o->is_signed = o->is_patched = 0;
	o->old[0] = '\0';
	o->pieces = 0;
	w->src = src;
	if (walk(o) == -1 || identify(o) == -1)
		return;
	w->id = w->opts->id_of(w->opts->arg, o->study, o->series, &o->err);
	if (w->id == NULL) {
		decline(o);
		return;
	}
	if (plan_edits(o) == -1)
		return;
	if (w->edits == 0) {
		o->outcome = IMGP_MARK_ALREADY;
		return;
	}
	if (w->dicom.deflated)
		rc = 1;
	else
		rc = src->deflated ? patch(o) : splice_stored(o);
	if ((encoded = rc == 1))
		rc = recode(o);
	if (rc == 0)
		rc = look_for_signature(o);
	if (rc == 0 && check(o) == 0 && (!w->opts->provenance ||
	    record(o, encoded) == 0))
		o->outcome = IMGP_MARK_STAMPED;
}
