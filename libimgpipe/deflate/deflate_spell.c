/*
 * Writing for deflate_block.c: gaps, that is, stretches in which the new stream is
 * not a copy of the source; the detours through fixed blocks; literals and
 * copies in other words; and what edits do to a copy.
 */
#include "libimgpipe/deflate/deflate_priv.h"

#define DETOURS		4		/* that are left at once */
#define RUN_MIN		12		/* bytes that are written as a run */

/*
 * From source bit ${at} on mid is no copy of the source: a gap begins.
 * Nothing happens when we are in one.
 */
int
imgp_deflate_open_gap(struct imgp_deflate *d, uint64_t at)
{
	if (d->gap)
		return 0;
	if (!d->started) {
		d->started = 1;
		d->midoff = at >> 3;
		d->from = at & ~UINT64_C(7);
	} else if (d->from == at && d->gapdone == at) {
		d->gap = 1;		/* the gap before goes on */
		return 0;
	}
	settle(d, at);
	if (d->gapmid != NOWHERE && imgp_deflate_undo_gap(d) == -1)
		return imgp_deflate_give_up(d, "too much was changed");
	d->gap = 1;
	d->gapfrom = at;
	d->gapmid = midbits(d);
	return 0;
}

/* From source bit ${at} on mid is a copy of the source again. */
void
imgp_deflate_close_gap(struct imgp_deflate *d, uint64_t at)
{
	if (!d->gap)
		return;
	settle(d, at);
	d->gap = 0;
	d->gapdone = at;
}

/* The block at hand has been ended early: it is not the final one. */
void
imgp_deflate_clear_final(struct imgp_deflate *d)
{
	uint64_t at = d->hdrmid;

	if (!d->final)
		return;
	if (at == NOWHERE) {
		d->cleared = d->hdr + 1;
		if (d->hdr >> 3 < d->midoff)
			return;		/* imgp_deflate_pieces() does it */
		at = d->hdr - d->midoff * 8;
	} else if (d->cleared == 0)
		d->cleared = d->hdr + 1;
	d->midbuf[at >> 3] &= (unsigned char)~(1U << (at & 7));
}

/* End the block, and begin one with the fixed code. */
static void
enter_alien(struct imgp_deflate *d)
{
	put(&d->mid, d->code->lcode[EOB], d->code->llen[EOB]);
	d->alienhdr = bits_in(&d->mid);
	put(&d->mid, 2, 3);
	imgp_deflate_clear_final(d);
	d->alien = 1;
	d->detours++;
	d->excess = 0;
}

/* Begin the source's block again, with a copy of its header. */
void
imgp_deflate_reopen(struct imgp_deflate *d)
{
	d->hdrmid = bits_in(&d->mid);
	imgp_deflate_put_run(&d->mid, d->hdrbuf, 0, d->hdrbits);
}

void
imgp_deflate_leave_alien(struct imgp_deflate *d)
{
	put(&d->mid, 0, 7);
	imgp_deflate_reopen(d);
	d->alien = 0;
}

/* Bits that a detour through a fixed block costs, but for what is in it. */
static uint64_t
detour(const struct imgp_deflate *d)
{
	return d->code->llen[EOB] + 3U + 7U + d->hdrbits;
}

/*
 * Better back to the block's own code?  At once; but in a block where one
 * detour follows the other, only when staying has cost as much as another.
 */
int
imgp_deflate_is_costly(const struct imgp_deflate *d)
{
	return d->detours <= DETOURS || d->excess >= (int64_t)detour(d);
}

static const struct code *
code_now(const struct imgp_deflate *d)
{
	return d->alien ? &d->fixed : d->code;
}

/* Bits that ${c} needs for the bytes, or NOWHERE when one has no word. */
static uint64_t
literal_bits(const struct code *c, const unsigned char *s, size_t len)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (c->llen[s[i]] == 0)
			return NOWHERE;
		sum += c->llen[s[i]];
	}
	return sum;
}

const unsigned char *
imgp_deflate_text(struct imgp_deflate *d, uint64_t p, size_t len)
{
	return d->pass != NULL && d->pass->io->mark != NULL ?
	    imgp_respell_text(d, p, len) : d->win + (p - d->winoff);
}

void
imgp_deflate_put_literals(struct imgp_deflate *d, const unsigned char *s,
    size_t len)
{
	const struct code *c = code_now(d);
	size_t i;

	for (i = 0; i < len; i++)
		put(&d->mid, c->lcode[s[i]], c->llen[s[i]]);
}

static void
spell_literals(struct imgp_deflate *d, const unsigned char *s, size_t len)
{
	uint64_t own;

	if (!d->alien && len > 0) {
		own = literal_bits(d->code, s, len);
		if (own == NOWHERE || own > detour(d) +
		    literal_bits(&d->fixed, s, len))
			enter_alien(d);
	}
	imgp_deflate_put_literals(d, s, len);
}

/* The longest copy not above ${len} that the block has a word for, or 0. */
static unsigned
longest(const struct code *c, unsigned len)
{
	for (; len >= LEN_MIN; len--)
		if (imgp_deflate_len_bits(c, len) != 0)
			return len;
	return 0;
}

/* What a copy makes: bytes at ${s}, or, where that is NULL, the content at ${p}. */
struct made {
	const unsigned char *s;
	uint64_t	 p;
};

static const unsigned char *
bytes_of(struct imgp_deflate *d, const struct made *m, unsigned at, unsigned len)
{
	return m->s != NULL ? m->s + at : imgp_deflate_text(d, m->p + at, len);
}

/*
 * Spell the ${len} bytes ${m} as copies from ${dist} back, in the block's own
 * words; 0 when some are missing.  With ${dry} nothing is written.
 */
static int
spell_copies(struct imgp_deflate *d, const struct made *m, unsigned len,
    unsigned dist, int dry)
{
	const unsigned char *s;
	unsigned i, k;

	for (i = 0; i < len; i += k) {
		k = longest(d->code, len - i);
		if (k == 0) {
			k = 1;
			s = bytes_of(d, m, i, 1);
			if (d->code->llen[*s] == 0)
				return 0;
			if (!dry)
				imgp_deflate_put_literals(d, s, 1);
		} else if (!dry)
			imgp_deflate_put_copy(&d->mid, d->code, k, dist);
	}
	return 1;
}

/* Spell the ${len} (1..258) bytes ${m} that are also found ${dist} back. */
static void
spell_copy(struct imgp_deflate *d, const struct made *m, unsigned len,
    uint64_t dist)
{
	const unsigned char *s;

	if (len < LEN_MIN || dist > DIST_MAX) {
		spell_literals(d, bytes_of(d, m, 0, len), len);
		return;
	}
	if (!d->alien) {
		if (imgp_deflate_dist_bits(d->code, (unsigned)dist) != 0) {
			if (spell_copies(d, m, len, (unsigned)dist, 1)) {
				spell_copies(d, m, len, (unsigned)dist, 0);
				return;
			}
		} else {
			s = bytes_of(d, m, 0, len);
			if (literal_bits(d->code, s, len) <= detour(d)) {
				imgp_deflate_put_literals(d, s, len);
				return;
			}
		}
		enter_alien(d);
	}
	imgp_deflate_put_copy(&d->mid, &d->fixed, len, (unsigned)dist);
}

/* --- the edits ---------------------------------------------------------- */

/* Edits that begin at or before content offset ${q}. */
static size_t
edits_before(const struct imgp_deflate *d, uint64_t q)
{
	size_t i = d->idx;

	while (i > 0 && d->ed[i - 1].at > q)
		i--;
	return i;
}

/* How many of the ${len} bytes ${s} are equal to the first. */
static size_t
run_of(const unsigned char *s, size_t len)
{
	size_t n = 1;

	while (n < len && s[n] == s[0])
		n++;
	return n;
}

/* What is inserted: literals, and long runs of one byte as copies. */
static void
spell_inserted(struct imgp_deflate *d, const unsigned char *s, size_t len)
{
	size_t k, n = 0, run;

	while (n < len) {
		run = run_of(s + n, len - n);
		if (run < RUN_MIN) {
			n += run;
			if (n < len)
				continue;
			run = 0;
		}
		k = n + (run > 0);	/* its first byte is a literal, too */
		spell_literals(d, s, k);
		s += k;
		len -= k;
		for (n = run > 0 ? run - 1 : 0; n > 0; n -= k) {
			k = n < LEN_MAX ? n : LEN_MAX;
			spell_copy(d, &(struct made){ s, 0 }, (unsigned)k, 1);
			s += k;
			len -= k;
		}
	}
}

/* Write what the edits at content offset ${p} insert; we are in a gap. */
void
imgp_deflate_insert_at(struct imgp_deflate *d, uint64_t p)
{
	const struct imgp_deflate_edit *x;
	const unsigned char *s;
	size_t i, k;

	for (; d->idx < d->n && d->ed[d->idx].at == p; d->idx++) {
		x = &d->ed[d->idx];
		for (i = 0; i < x->inslen; i += k) {
			s = (const unsigned char *)x->ins + i;
			k = x->inslen;
			if (d->pass != NULL &&
			    (k = imgp_respell_inserted(d, d->idx, i, &s)) == 0)
				break;
			spell_inserted(d, s, k);
		}
		d->skip = p + x->del;
	}
}

void
imgp_deflate_insert_last(struct imgp_deflate *d, uint64_t p)
{
	put(&d->mid, 2, 3);
	d->alien = 1;
	imgp_deflate_insert_at(d, p);
	put(&d->mid, 0, 7);
	d->alien = 0;
}

/*
 * Spell the copy ${tok} anew, which was executed and made the content from
 * ${p} on; it may pass edits.  We are in a gap.
 */
static void
respell_copy(struct imgp_deflate *d, uint64_t p)
{
	const uint64_t end = p + d->tok.len;
	uint64_t q, lim;
	size_t k;

	while (p < end) {
		imgp_deflate_insert_at(d, p);
		if (p < d->skip) {
			p = min64(d->skip, end);
			continue;
		}
		lim = end;
		if (d->idx < d->n)
			lim = min64(lim, d->ed[d->idx].at);
		q = p - d->tok.dist;
		k = edits_before(d, q);
		if (k > 0 && q < d->ed[k - 1].at + d->ed[k - 1].del) {
			/* deleted, with what follows it up to the end there */
			lim = min64(lim, d->ed[k - 1].at + d->ed[k - 1].del +
			    d->tok.dist);
			spell_literals(d, imgp_deflate_text(d, p, lim - p),
			    lim - p);
		} else {
			if (k < d->idx)
				lim = min64(lim, d->ed[k].at + d->tok.dist);
			spell_copy(d, &(struct made){ NULL, p },
			    (unsigned)(lim - p), d->tok.dist +
			    (uint64_t)(moved(d, d->idx) - moved(d, k)));
		}
		p = lim;
	}
}

/* Would respell_copy() give the same distance for all of it? */
static int
is_unmoved(const struct imgp_deflate *d, uint64_t p)
{
	uint64_t q = p - d->tok.dist;
	size_t k = edits_before(d, q);

	return p >= d->skip &&
	    (d->idx == d->n || p + d->tok.len <= d->ed[d->idx].at) &&
	    (k == 0 || q >= d->ed[k - 1].at + d->ed[k - 1].del) &&
	    (k == d->idx || q + d->tok.len <= d->ed[k].at) &&
	    moved(d, d->idx) == moved(d, k);
}

int
imgp_deflate_did_copy(struct imgp_deflate *d, uint64_t p)
{
	int rc;

	if (!d->alien && !d->gap && is_unmoved(d, p))
		return 0;
	if ((rc = imgp_deflate_open_gap(d, d->tok.start)) != 0)
		return rc;
	respell_copy(d, p);
	if (!d->alien && content(d) >= d->skip)
		imgp_deflate_close_gap(d, d->tok.end);
	return 0;
}

int
imgp_deflate_do_copy(struct imgp_deflate *d)
{
	uint64_t p = content(d);

	d->op = copy(d->op, d->tok.len, d->tok.dist);
	return imgp_deflate_did_copy(d, p);
}
