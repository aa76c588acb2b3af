/*
 * The own check, for mark.c: the new data are read again before they are
 * believed (R60, R61), by us and, for their head, by DCMTK (R62).
 */
#include <string.h>

#include "libimgpipe/stamp/dcm.h"
#include "libimgpipe/stamp/mark_priv.h"

/* The new head, read again: see check_head(). */
void
imgp_mark_begin_again(struct imgp_mark_work *w)
{
	struct imgp_dicom *d = &w->again;

	imgp_dicom_release(d);
	imgp_dicom_init(d, &w->opts->want, w->opts->lim);
	/* The stamp itself must not break a limit. */
	d->lim.head += 4096;
	d->lim.elements += EDITS;
	imgp_buf_clear(&w->head);
	w->seen = SEEN_NOTHING;
	w->shown = 0;
}

/* Feed its next bytes; nonzero: no more are needed. */
int
imgp_mark_read_again(void *arg, const unsigned char *p, size_t len)
{
	struct imgp_mark_work *w = arg;
	size_t n;

	w->shown += len;
	for (; len > 0 && w->again.state == IMGP_DICOM_MORE; len -= n, p += n) {
		n = len < CHUNK ? len : CHUNK;
		imgp_buf_add(&w->head, p, n);
		imgp_dicom_feed(&w->again, p, n);
	}
	if (w->again.state != IMGP_DICOM_HEAD)
		return w->again.state != IMGP_DICOM_MORE;
	w->seen = SEEN_HEAD;
	if (w->opts->trust || w->again.tail_lost)
		return 1;
	imgp_dicom_feed(&w->again, p, len);
	return 0;
}

void
imgp_mark_end_again(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;

	if (w->opts->trust || w->shown != o->size)
		return;
	imgp_dicom_end(&w->again);
	if (w->again.state == IMGP_DICOM_HEAD)
		w->seen = SEEN_ALL;
}


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

int
imgp_mark_differs(struct imgp_mark *o, const char *what)
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
		w->big = imgp_alloc_bytes(BIG);
	imgp_content_open(w->content, read_pieces, o, o->csize, o->size,
	    w->src->deflated);
	imgp_mark_begin_again(w);
	while ((n = imgp_content_read(w->content, w->big, BIG, &e)) > 0) {
		crc = imgp_crc32(crc, w->big, (size_t)n);
		imgp_mark_read_again(w, w->big, (size_t)n);
	}
	if (n == -1)
		return strcmp(e.code, IMGP_E_ARCHIVE_DAMAGED) == 0 ?
		    imgp_mark_differs(o, "the new data cannot be decoded") :
		    imgp_mark_failed(o, &e);
	if (crc == o->crc) {
		imgp_mark_end_again(o);
		return 0;
	}
	/* Whose fault is it? */
	imgp_mark_open(w);
	crc = 0;
	while ((n = imgp_content_read(w->content, w->big, BIG, &e)) > 0)
		crc = imgp_crc32(crc, w->big, (size_t)n);
	if (n == -1)
		return imgp_mark_failed(o, &e);
	if (crc == w->src->crc)
		return imgp_mark_differs(o, "the new data have another CRC");
	imgp_fail(&o->err, IMGP_E_ARCHIVE_DAMAGED,
	    "its CRC does not fit its data");
	return imgp_mark_decline(o);
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
 * but the header's shape: one answer holds for a thousand slices of one shape.
 * (With implicit VRs it also depends on the creators of private blocks: such
 * headers have no shape.)
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
 * Ask DCMTK, the second reader.  Where it finds another id or none, the instance is
 * not stamped: DCMTK's users would not find the id.  It is not asked where it would
 * have to guess the syntax or to inflate, nor where the data set is coded otherwise
 * than stated: it cannot read those.  The syntax that meta information in implicit VR
 * states it finds by its dictionary, which it does not have here: it would guess.
 */
static int
ask_referee(struct imgp_mark *o, const struct imgp_dicom *d)
{
	struct imgp_mark_work *w = o->work;
	char value[IMGP_DICOM_VALUE];
	uint32_t tag = d->elem[IMGP_DICOM_ID].tag;
	struct imgp_err e;
	int rc;

	if (w->head.len < d->head || d->mismatch || d->deflated ||
	    d->syntax[0] == '\0' || (d->meta_implicit && d->big) ||
	    is_known(w, d))
		return 0;
	rc = imgp_dcm_value(w->head.s, w->head.len, tag, value, sizeof value);
	if (rc == 1 && strcmp(value, w->id) == 0) {
		remember(w, d);
		return 0;
	}
	if (rc == IMGP_DCM_MEMORY)
		imgp_fail(&e, IMGP_E_MEMORY, "DCMTK: out of memory");
	else if (rc == IMGP_DCM_LIMIT)
		imgp_fail(&e, IMGP_E_DICOM_LIMIT,
		    "DCMTK takes too much memory for the header");
	else if (rc != IMGP_DCM_UNREADABLE && d->disordered)
		imgp_fail(&e, IMGP_E_DICOM_INVALID, "(%04X,%04X) stands out of"
		    " order, where readers do not look for it",
		    (unsigned int)(tag >> 16), (unsigned int)(tag & 0xffff));
	else
		imgp_fail(&e, IMGP_E_DICOM_INVALID, rc == IMGP_DCM_UNREADABLE ?
		    "DCMTK cannot read the header with the id in it" :
		    "DCMTK does not find the id where we do");
	return imgp_mark_failed(o, &e);
}

/*
 * Read the new head again: the same object, now with its id.  The check of a
 * patched stream has shown it, as it was decoded, to imgp_mark_read_again().
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

	if (w->seen == SEEN_NOTHING) {
		imgp_mark_begin_again(w);
		imgp_content_open(w->content, read_pieces, o, o->csize,
		    o->size, w->src->deflated);
	}
	while (d->state == IMGP_DICOM_MORE) {
		n = imgp_content_read(w->content, buf, sizeof buf, &e);
		if (n == -1)
			return imgp_mark_failed(o, &e);
		if (n == 0)
			imgp_dicom_end(d);
		else
			imgp_mark_read_again(w, buf, (size_t)n);
	}
	if (d->state != IMGP_DICOM_HEAD || d->kind != IMGP_DICOM_INSTANCE ||
	    !same_uid(d, IMGP_DICOM_STUDY, o->study) ||
	    !same_uid(d, IMGP_DICOM_SERIES, o->series) ||
	    !same_uid(d, IMGP_DICOM_SOP_INSTANCE, o->instance) ||
	    d->data != w->dicom.data || strcmp(d->syntax, w->dicom.syntax) != 0)
		return imgp_mark_differs(o, "it is another object now");
	if (imgp_dicom_text(d, IMGP_DICOM_ID, value, sizeof value) < 1 ||
	    strcmp(value, w->id) != 0)
		return imgp_mark_differs(o, "it does not hold the id");
	return ask_referee(o, d);
}

int
imgp_mark_check(struct imgp_mark *o)
{
	const struct imgp_mark_work *w = o->work;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < o->pieces; i++)
		n += o->piece[i].len;
	if (n != o->csize)
		return imgp_mark_differs(o, "the pieces do not add up");
	/* A patched stream has been checked by deflate.c. */
	if (w->src->has_crc && !o->is_patched &&
	    (!w->opts->trust || w->src->deflated) && check_crc(o) == -1)
		return -1;
	return check_head(o);
}
