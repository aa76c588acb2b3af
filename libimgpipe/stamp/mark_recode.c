/*
 * Decode and encode again what mark.c can neither splice nor patch.
 */
#include <string.h>

#include "libimgpipe/deflate/splice.h"
#include "libimgpipe/stamp/mark_priv.h"

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

	w->inner_crc = imgp_crc32(w->inner_crc, p, len);
	w->inner_size += len;
	return imgp_encode_feed(w->inner, p, len, e);
}

/* CRC-32 and length of a data set, as gzip has them behind the stream. */
static void
make_trailer(unsigned char b[8], uint32_t crc, uint64_t size)
{
	int k;

	for (k = 0; k < 4; k++) {
		b[k] = (unsigned char)(crc >> 8 * k);
		b[4 + k] = (unsigned char)(size >> 8 * k);
	}
}

/*
 * What follows the old data set of ${size} bytes: 1: a trailer as above, which
 * some write; 0: nothing.  A zero that pads it may come yet.
 */
static int
read_trailer(struct imgp_content *c, uint32_t crc, uint64_t size,
    struct imgp_err *e)
{
	unsigned char b[10], want[8];
	long n = imgp_content_rest(c, b, sizeof b, e);
	long k;

	if (n == -1)
		return -1;
	make_trailer(want, crc, size);
	k = n >= 8 && memcmp(b, want, 8) == 0 ? 8 : 0;
	if (n == k || (n == k + 1 && b[k] == 0))
		return k != 0;
	return imgp_fail(e, IMGP_E_DICOM_INVALID,
	    "something follows its deflated data set");
}

int
imgp_mark_read_nested(void *arg, uint64_t off, void *buf, size_t len,
    struct imgp_err *e)
{
	struct imgp_mark_nested *t = arg;
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
 * deflated again, padded to an even length (PS3.5 A.5), with a trailer of its own
 * where it had one.
 */
static int
recode_dataset(struct imgp_mark_work *w, uint32_t *crc, struct imgp_err *e)
{
	struct imgp_mark_nested t = { w->content, w->dicom.data, crc };
	struct imgp_content *c = imgp_content_new();
	uint64_t left = w->src->size - w->dicom.data, start, size = 0;
	unsigned char trailer[8];
	struct imgp_splice s;
	uint32_t old = 0;
	long n;
	int has_trailer, rc = -1;

	if (w->inner == NULL)
		w->inner = imgp_encode_new(1, write_content, w);
	imgp_encode_reset(w->inner);
	imgp_splice_init(&s, w->edit, w->edits, w->dicom.data, write_dataset,
	    w);
	start = w->size;
	w->inner_crc = 0;
	w->inner_size = 0;
	imgp_content_open(c, imgp_mark_read_nested, &t, left,
	    IMGP_CONTENT_UNKNOWN, 1);
	for (;;) {
		if ((n = imgp_content_read(c, w->big, BIG, e)) == -1)
			goto out;
		if (n == 0)
			break;
		old = imgp_crc32(old, w->big, (size_t)n);
		size += (uint64_t)n;
		if (imgp_dicom_expands(w->opts->lim, size, left)) {
			imgp_fail(e, IMGP_E_DICOM_LIMIT,
			    "the deflated data set unpacks to too much");
			goto out;
		}
		if (imgp_splice_feed(&s, w->big, (size_t)n, e) == -1)
			goto out;
	}
	w->old_inner_crc = old;
	if ((has_trailer = read_trailer(c, old, size, e)) == -1)
		goto out;
	if (imgp_splice_end(&s, e) == -1 || imgp_encode_end(w->inner, e) == -1)
		goto out;
	make_trailer(trailer, w->inner_crc, w->inner_size);
	if (has_trailer && write_content(w, trailer, sizeof trailer, e) == -1)
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
int
imgp_mark_recode(struct imgp_mark *o)
{
	struct imgp_mark_work *w = o->work;
	const struct imgp_mark_src *src = w->src;
	struct imgp_splice s;
	struct imgp_err e;
	uint32_t crc = 0;
	int rc;

	if (w->big == NULL)
		w->big = imgp_alloc_bytes(BIG);
	if (w->fast == NULL)
		w->fast = imgp_encode_new(0, write_spill, &w->spill);
	imgp_encode_reset(w->fast);
	imgp_spill_clear(&w->spill);
	w->crc = 0;
	w->size = 0;
	imgp_mark_open(w);
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
		return imgp_mark_failed(o, &e);
	o->csize = w->spill.n;
	o->size = w->size;
	o->crc = w->crc;
	imgp_mark_add_piece(o, w->spill.fd == -1 ?
	    (const unsigned char *)w->spill.mem.s : NULL, w->spill.fd, 0,
	    w->spill.n);
	return 0;
}
