/*
 * The cut, from where on the source's bytes are copied, and the phase, which must be
 * right for that: deflate.c says how.  This file must not know what the edits are.
 */
#include "libimgpipe/deflate/deflate_priv.h"

#define RESPELL_MAX	64		/* bits that a phase may cost at once */

/* How many bits mid is behind the source, modulo 8.  Not in a gap. */
static unsigned
phase(const struct imgp_deflate *d)
{
	return (unsigned)(d->from - d->mid.n) & 7;
}

void
imgp_deflate_cut(struct imgp_deflate *d)
{
	uint64_t up = (bitpos(d) + 7) >> 3;

	settle(d, up * 8);
	d->tail = up;
	d->done = 1;
}

/* Empty blocks of ${n} bits modulo 8. */
static void
put_filler(struct imgp_deflate *d, unsigned n)
{
	unsigned i;

	if (n & 1) {	/* 95 bits: codes {0: 0, 256: 1} and {0: 0, 1: 1} */
		put(&d->mid, 4, 3);			/* dynamic */
		put(&d->mid, 0 | 1 << 5 | 15 << 10, 14);/* 257, 2, 19 */
		for (i = 0; i < 19; i++)		/* 1 and 18: one bit */
			put(&d->mid, i == 2 || i == 17, 3);
		put(&d->mid, 0, 1);			/* 0: 1 */
		put(&d->mid, 1 | (138 - 11) << 1, 8);	/* 1..138: 0 */
		put(&d->mid, 1 | (117 - 11) << 1, 8);	/* 139..255: 0 */
		put(&d->mid, 0, 1);			/* 256: 1 */
		put(&d->mid, 0, 2);			/* 0 and 1: 1 */
		put(&d->mid, 1, 1);			/* end of block */
		n = (n - 95) & 7;
	}
	for (; n > 0; n = (n - 10) & 7)
		put(&d->mid, 2, 10);
}

int
imgp_deflate_mend_phase(struct imgp_deflate *d)
{
	const struct code *c = d->code;
	const unsigned char *s = d->op;
	const unsigned len = d->tok.len, dist = d->tok.dist;
	const unsigned own = (unsigned)(d->tok.end - d->tok.start);
	const unsigned db = imgp_deflate_dist_bits(c, dist), want = phase(d);
	unsigned best = own + RESPELL_MAX + 1, lits = 0, copies = 0;
	unsigned k, a, b, sum = 0;
	int rc;

	d->op = copy(d->op, len, dist);
	for (k = 1; k <= len && k <= 8 && c->llen[s[k - 1]] != 0; k++) {
		sum += c->llen[s[k - 1]];
		if (k < len && len - k < LEN_MIN)
			continue;
		a = k == len ? 0 : imgp_deflate_len_bits(c, len - k);
		if (k < len && a == 0)
			continue;
		b = sum + (k == len ? 0 : a + db);
		if (((b - own) & 7) == want && b < best) {
			best = b;
			lits = k;
		}
	}
	for (k = LEN_MIN; k + LEN_MIN <= len; k++) {
		a = imgp_deflate_len_bits(c, k);
		b = imgp_deflate_len_bits(c, len - k);
		if (a == 0 || b == 0)
			continue;
		b += a + 2 * db;
		if (((b - own) & 7) == want && b < best) {
			best = b;
			copies = k;
		}
	}
	if (lits == 0 && copies == 0)
		return 0;
	if ((rc = imgp_deflate_open_gap(d, d->tok.start)) != 0)
		return rc;
	if (copies > 0)
		imgp_deflate_put_copy(&d->mid, c, copies, dist);
	else
		imgp_deflate_put_literals(d, s, lits);
	if (copies > 0)
		lits = copies;
	if (lits < len)
		imgp_deflate_put_copy(&d->mid, c, len - lits, dist);
	imgp_deflate_close_gap(d, d->tok.end);
	return 0;
}

int
imgp_deflate_try_cut(struct imgp_deflate *d)
{
	unsigned n;
	int rc;

	d->cut_in_words = 1;
	if (phase(d) == 0) {
		imgp_deflate_cut(d);
		return 0;
	}
	if (content(d) < d->give_up)
		return 0;
	if ((rc = imgp_deflate_open_gap(d, bitpos(d))) != 0)
		return rc;
	put(&d->mid, d->code->lcode[EOB], d->code->llen[EOB]);
	imgp_deflate_clear_final(d);
	n = (unsigned)(bitpos(d) - d->mid.n - d->hdrbits) & 7;
	put_filler(d, n);
	imgp_deflate_reopen(d);
	imgp_deflate_close_gap(d, bitpos(d));
	imgp_deflate_cut(d);
	return 0;
}

int
imgp_deflate_try_cut_between(struct imgp_deflate *d)
{
	unsigned v, n;
	int rc;

	d->cut_in_words = 0;
	if ((n = phase(d)) == 0) {
		imgp_deflate_cut(d);
		return 0;
	}
	if ((rc = imgp_deflate_need_header(d)) != 0)
		return rc;
	REFILL(d->bits, d->nbits, d->ip);
	v = (unsigned)d->bits & 7;
	if (v >> 1 != 0 && (n & 1) && content(d) < d->give_up)
		return 0;	/* a cheaper way may be in the next block */
	if ((rc = imgp_deflate_open_gap(d, bitpos(d))) != 0)
		return rc;
	if (v >> 1 == 0) {		/* stored: its padding mends it */
		put(&d->mid, v, 3);
		put(&d->mid, 0, (8 - d->mid.n) & 7);
		take(d, 3);
		take(d, d->nbits & 7);
		if (is_past_end(d))
			return imgp_deflate_damaged(d,
			    "the stream is cut short");
	} else
		put_filler(d, n);
	imgp_deflate_close_gap(d, bitpos(d));
	imgp_deflate_cut(d);
	return 0;
}

int
imgp_deflate_finish(struct imgp_deflate *d)
{
	uint64_t p = content(d);
	int rc;

	if (d->idx < d->n || p < d->skip)
		return imgp_deflate_damaged(d,
		    "the content ends before the change");
	if ((bitpos(d) + 7) >> 3 != d->src->len)
		return imgp_deflate_decline(d,
		    "there are bytes behind the last block");
	imgp_deflate_crc_to(d, p);
	if (p != d->src->size || d->crc != d->src->crc)
		return imgp_deflate_damaged(d,
		    "the content is not what its CRC and size say");
	unread(d);
	d->cut_in_words = 0;
	if ((rc = imgp_deflate_open_gap(d, bitpos(d))) != 0)
		return rc;
	put(&d->mid, 0, (8 - d->mid.n) & 7);
	imgp_deflate_close_gap(d, d->src->len * 8);
	d->tail = d->src->len;
	d->done = 1;
	return 0;
}
