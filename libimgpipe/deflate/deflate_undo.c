/*
 * The undo record of a plan: how the source stream differs from the new one,
 * in bits.
 *
 *	1			version, a byte
 *	len size crc		of the new stream and its content
 *	len size crc		of the source and its content
 *	cleared			0, or 1 + the bit of the source that is set
 *				there and was cleared (the final block's mark)
 *	copy drop keep bytes	until the record's end: so many bits are the
 *				same; then so many of the new stream's go, and
 *				so many come in their place, lowest bit first,
 *				filled up to a byte
 *
 * CRCs are 4 bytes, lowest first; other numbers 7 bits a byte, lowest first,
 * the high bit set in all but the last.  Behind the last of these both streams
 * are at the same bit of a byte, and equal.
 */
#include "libimgpipe/deflate/deflate_priv.h"

#define NUMBER_MAX	10		/* bytes of a number */

static unsigned char *
put_number(unsigned char *p, uint64_t v)
{
	for (; v > 127; v >>= 7)
		*p++ = (unsigned char)(v | 128);
	*p++ = (unsigned char)v;
	return p;
}

static unsigned char *
put_crc(unsigned char *p, uint32_t v)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		*p++ = (unsigned char)(v >> 8 * i);
	return p;
}

void
imgp_deflate_undo_start(struct imgp_deflate *d)
{
	d->undopos = UNDO_HEAD;
	d->old = (struct bitw){ .buf = d->oldbuf, .max = OLD_MAX };
}

/* The gap that ended at gapdone is over: mid is a copy from there to from. */
int
imgp_deflate_undo_gap(struct imgp_deflate *d)
{
	unsigned char *p = d->undobuf + d->undopos;
	uint64_t keep = bits_in(&d->old);
	size_t len = (size_t)((keep + 7) >> 3);

	if (d->old.full ||
	    d->undopos > UNDO_MAX - 3 * NUMBER_MAX - len)
		return -1;
	p = put_number(p, d->gapfrom - d->gapprev);
	p = put_number(p, midbits(d) - d->gapmid - (d->from - d->gapdone));
	p = put_number(p, keep);
	put(&d->old, 0, (8 - d->old.n) & 7);
	memcpy(p, d->oldbuf, len);
	d->undopos = (size_t)(p + len - d->undobuf);
	d->gapprev = d->gapdone;
	d->old = (struct bitw){ .buf = d->oldbuf, .max = OLD_MAX };
	return d->pass == NULL ? 0 : imgp_respell_drain_undo(d);
}

void
imgp_deflate_undo_finish(struct imgp_deflate *d, struct imgp_deflate_plan *p)
{
	unsigned char head[UNDO_HEAD], *q = head;
	size_t len;

	*q++ = 1;
	q = put_number(q, p->len);
	q = put_number(q, p->size);
	q = put_crc(q, p->crc);
	q = put_number(q, d->src->len);
	q = put_number(q, d->src->size);
	q = put_crc(q, d->src->crc);
	q = put_number(q, d->cleared);
	len = (size_t)(q - head);
	memcpy(d->undobuf + UNDO_HEAD - len, head, len);
	p->undo = d->undobuf + UNDO_HEAD - len;
	p->undolen = d->undopos - UNDO_HEAD + len;
}

/* --- the way back ------------------------------------------------------- */

struct reader {
	const unsigned char *p, *end;
	int		 bad;
};

static uint64_t
get_number(struct reader *r)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 0; i < NUMBER_MAX && r->p < r->end; i++) {
		v |= (uint64_t)(*r->p & 127) << 7 * i;
		if ((*r->p++ & 128) == 0)
			return v;
	}
	r->bad = 1;
	return 0;
}

static uint32_t
get_crc(struct reader *r)
{
	uint32_t v;

	if (r->end - r->p < 4) {
		r->bad = 1;
		return 0;
	}
	v = (uint32_t)r->p[0] | (uint32_t)r->p[1] << 8 |
	    (uint32_t)r->p[2] << 16 | (uint32_t)r->p[3] << 24;
	r->p += 4;
	return v;
}

static int
unfit(struct imgp_deflate *d)
{
	return imgp_fail(d->e, IMGP_E_STAMP_CHECK,
	    "deflate: the undo record does not fit the stream");
}

/* The source bits [from, to) to mid; in[] holds a part of the source. */
static int
copy_source(struct imgp_deflate *d, uint64_t from, uint64_t to)
{
	uint64_t at, end;

	while (from < to) {
		at = from >> 3;
		if (d->inlen == 0 || at < d->inoff ||
		    at >= d->inoff + d->inlen) {
			d->inoff = at;
			d->inlen = (size_t)(d->src->len - at < IN_SIZE ?
			    d->src->len - at : IN_SIZE);
			if (d->src->read(d->src->arg, at, d->in, d->inlen,
			    d->e) == -1)
				return -1;
		}
		end = (d->inoff + d->inlen) * 8;
		if (end > to)
			end = to;
		imgp_deflate_put_run(&d->mid, d->in + (at - d->inoff),
		    (unsigned)(from & 7), end - from);
		if (d->mid.full)
			return unfit(d);
		from = end;
	}
	return 0;
}

/* One change: ${*new} and ${*old} are the bits that the streams are at. */
static int
undo_gap(struct imgp_deflate *d, struct reader *r, uint64_t *new,
    uint64_t *old, uint64_t oldbits)
{
	uint64_t copy = get_number(r), drop = get_number(r);
	uint64_t keep = get_number(r), bits = d->src->len * 8;

	if (r->bad || copy > bits - *new || drop > bits - *new - copy ||
	    copy > oldbits - *old || keep > oldbits - *old - copy ||
	    (keep + 7) >> 3 > (uint64_t)(r->end - r->p))
		return unfit(d);
	if (!d->started) {
		d->started = 1;
		d->midoff = copy >> 3;
		*new = copy & ~UINT64_C(7);
		*old = *new;
		copy &= 7;
	}
	if (copy_source(d, *new, *new + copy) == -1)
		return -1;
	*new += copy + drop;
	*old += copy + keep;
	for (; keep >= 8; keep -= 8)
		put(&d->mid, *r->p++, 8);
	if (keep > 0)
		put(&d->mid, *r->p++ & ((1U << keep) - 1), (unsigned)keep);
	return 0;
}

static int
undo(struct imgp_deflate *d, struct reader *r, struct imgp_deflate_plan *p)
{
	uint64_t new = 0, old = 0, newbits = d->src->len * 8, bit, len, up;

	if (r->p == r->end || *r->p++ != 1 || get_number(r) != d->src->len ||
	    get_number(r) != d->src->size || get_crc(r) != d->src->crc)
		return unfit(d);
	len = get_number(r);
	p->size = get_number(r);
	p->crc = get_crc(r);
	d->cleared = get_number(r);
	if (r->bad || len > UINT64_MAX / 16 || d->cleared > len * 8)
		return unfit(d);
	while (r->p < r->end)
		if (undo_gap(d, r, &new, &old, len * 8) == -1)
			return -1;
	if (newbits - new != len * 8 - old)
		return unfit(d);
	if (!d->started) {
		if (d->cleared != 0)
			return unfit(d);
		p->piece[0] = (struct imgp_deflate_piece){ NULL, 0, len };
		p->pieces = 1;
		p->len = len;
		return 0;
	}
	up = (new + 7) >> 3;
	if (copy_source(d, new, up * 8) == -1)
		return -1;
	if (d->mid.full || d->mid.n != 0)
		return unfit(d);
	d->tail = up;
	if (d->cleared != 0 && d->cleared - 1 >= d->midoff * 8) {
		bit = d->cleared - 1 - d->midoff * 8;
		if (bit >> 3 >= d->mid.pos)
			return unfit(d);
		d->midbuf[bit >> 3] |= (unsigned char)(1U << (bit & 7));
	}
	return imgp_deflate_pieces(d, p, 1);
}

int
imgp_deflate_undo(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    const unsigned char *rec, size_t reclen, struct imgp_deflate_plan *p,
    struct imgp_err *e)
{
	struct reader r = { rec, rec + reclen, 0 };

	memset(p, 0, sizeof(*p));
	d->src = src;
	d->e = e;
	d->inlen = 0;
	d->started = 0;
	d->mid = (struct bitw){ .buf = d->midbuf, .max = MID_MAX };
	if (src->len > UINT64_MAX / 16)
		return unfit(d);
	return undo(d, &r, p);
}
