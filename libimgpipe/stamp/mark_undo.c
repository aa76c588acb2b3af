/*
 * Provenance, for mark.c: record the bytes that a stamp replaces; restore them.
 */
#include <string.h>

#include "libimgpipe/stamp/mark_priv.h"

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
			return imgp_mark_failed(o, &e);
		if (n == 0)
			return imgp_mark_differs(o, "the object is too short");
		if (*pos >= at)
			imgp_buf_add(&w->old, buf, (size_t)n);
	}
	return 0;
}

/* Append the bytes that the edits replace to w->old. */
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
	struct imgp_mark_nested t = { w->content, data, &crc };
	int rc = -1;

	if (read_at(o, w->content, &pos, data, 0) == 0) {
		imgp_content_open(c, imgp_mark_read_nested, &t, w->src->size - data,
		    IMGP_CONTENT_UNKNOWN, 1);
		rc = read_old(o, c, data);
	}
	imgp_content_free(c);
	return rc;
}

/* Note what the edits take away, and how it was done. */
int
imgp_mark_record(struct imgp_mark *o, int encoded)
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
		imgp_mark_open(w);
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
	r->has_crc = w->dicom.deflated || w->src->has_crc;
	r->crc = w->dicom.deflated ? w->old_inner_crc : w->src->crc;
	r->undo = w->plan.undo;
	r->undolen = w->plan.undolen;
	return 0;
}

/*
 * Reverse the edits: w->edit then undoes them in an object of ${size} bytes.
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
		return imgp_mark_differs(o, "the provenance does not fit");
	for (i = 0; i < r->edits; i++) {
		d = &r->edit[i];
		w->edit[i].at = d->at + shift;
		w->edit[i].del = d->inslen;
		w->edit[i].ins = r->old[i];
		w->edit[i].inslen = (size_t)d->del;
		if (d->at < end || w->edit[i].at > size ||
		    d->inslen > size - w->edit[i].at)
			return imgp_mark_differs(o, "the provenance does not fit");
		end = d->at + d->del;
		shift += d->inslen - d->del;
	}
	w->edits = r->edits;
	return 0;
}

/* Are the inserted bytes still there? */
static int
check_inserted(struct imgp_mark *o, const struct imgp_prov_record *r)
{
	struct imgp_mark_work *w = o->work;
	uint64_t pos = 0;
	size_t i;

	imgp_mark_open(w);
	for (i = 0; i < r->edits; i++) {
		imgp_buf_clear(&w->old);
		if (read_at(o, w->content, &pos, w->edit[i].at,
		    w->edit[i].del) == -1)
			return -1;
		if (w->old.len > 0 && memcmp(w->old.s, r->edit[i].ins,
		    w->old.len) != 0)
			return imgp_mark_differs(o, "the provenance does not fit");
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
		return imgp_mark_failed(o, &e);
	imgp_mark_take_plan(o);
	return 0;
}

/* Only compressed data can be encoded again. */
static int
unencode(struct imgp_mark *o, const struct imgp_prov_record *r)
{
	struct imgp_mark_work *w = o->work;

	if (imgp_mark_walk(o) == -1)
		return -1;
	if (w->dicom.deflated)	/* its inflated size is not known yet */
		return turn_round(o, r, INT64_MAX) == -1 ? -1 :
		    imgp_mark_recode(o);
	if (!w->src->deflated)
		return imgp_mark_differs(o, "the provenance does not fit");
	return turn_round(o, r, w->src->size) == -1 ||
	    check_inserted(o, r) == -1 ? -1 : imgp_mark_recode(o);
}

/* Has the result the CRC of the upload as it came? */
static int
check_crc(struct imgp_mark *o, const struct imgp_prov_record *r)
{
	struct imgp_mark_work *w = o->work;
	int inner = r->how == IMGP_PROV_ENCODED && w->dicom.deflated;

	if (!r->has_crc || (!inner && !w->src->has_crc) ||
	    r->crc == (inner ? w->inner_crc : o->crc))
		return 0;
	return imgp_mark_differs(o, "what was undone is not what came");
}

void
imgp_mark_undo(struct imgp_mark *o, const struct imgp_mark_src *src,
    const struct imgp_prov_record *r)
{
	struct imgp_mark_work *w = o->work;
	int rc;

	o->outcome = IMGP_MARK_FAILED;
	o->is_fatal = o->is_instance = o->is_patched = 0;
	o->is_signed = o->is_cut = 0;
	o->old[0] = '\0';
	o->pieces = 0;
	w->src = src;
	if (r->how == IMGP_PROV_PATCHED)
		rc = src->deflated ? unpatch(o, r) :
		    imgp_mark_differs(o, "the provenance does not fit");
	else if (r->how == IMGP_PROV_SPLICED)
		rc = src->deflated ? imgp_mark_differs(o, "the provenance does not fit") :
		    turn_round(o, r, src->size) == -1 ||
		    check_inserted(o, r) == -1 ? -1 : imgp_mark_splice(o);
	else
		rc = unencode(o, r);
	if (rc == 0)
		rc = check_crc(o, r);
	if (rc == 0)
		o->outcome = IMGP_MARK_STAMPED;
	else if (o->outcome == IMGP_MARK_DECLINED)
		o->outcome = IMGP_MARK_FAILED;
}
