/*
 * Patching a deflate stream: how it works, and why it is right.
 *
 * A deflate stream is a row of blocks; a block is a header (3 bits, then in a
 * dynamic block its Huffman codes), then code words, then an end symbol.  A
 * word is a literal byte, or "copy len bytes from dist bytes back".  All is
 * bits without byte boundaries, but a stored block's bytes.  Two facts:
 *
 * 1. A copy reaches at most 32768 bytes back.  So a word that begins 32768
 *    bytes or more behind the last edit sees only bytes that all moved by the
 *    same amount: it needs no change, and nor does any word behind it.
 * 2. A word's meaning depends on nothing but the codes of its block.  So the
 *    words in front of the first edit need no change either.
 *
 * What is between is walked; of it only the words over which the edit passes
 * are spelt anew.  (A) is the first edit, here an insertion, (B) the cut:
 *
 *  content   |=========(A)------------- 32768 -------------(B)==============|
 *              words    words, some of them                  words
 *              kept     spelt anew                           kept
 *  source
 *   bytes    |.......|.......|.......|.......|...       |.......|.......|...|
 *   bits     hhhhhhhlllcccccccc:llllCCCCCCCCllllcc    ccccllll:cccccccclllcccE
 *                              ^ b = bit of (A)               ^ C = bit of (B)
 *  new
 *   bits     hhhhhhhlllcccccccc:LLLLLLllllddddddddllllcc  ccccll'll'l:cccccccE
 *                              |inserted   |distance grown  |respelt ^ N
 *   pieces   [ of the source ][ mid: in memory, bits from b on  ][ of the src ]
 *
 *	h header   l literal   c copy   C copy from in front of (A)   E end
 *
 * A copy C whose source lies in front of an edit, itself behind it, is split
 * where it or its source passes an edit; each part keeps its source, so its
 * distance grows by what was inserted between.  A part that the block's code
 * has no word for, that is shorter than 3 or farther than 32768, or whose
 * source was deleted, is written as literals, which are the decoded bytes.
 * When a byte has no word either, or words cost more than a detour, the block
 * is ended, a block with the fixed code, which has a word for everything, is
 * written, and the old block is opened again with a copy of its header.  So
 * nothing is declined for want of a word.
 *
 * The phase.  The tail can be copied as bytes only if N and C are equal
 * modulo 8.  They seldom are.  Behind the cut the difference is fixed, so the
 * walk goes on until it meets a copy that can be said in other words whose
 * length differs by just the bits that want (literals first and a shorter
 * copy; two copies): within 30 bytes in half of all cases, at the cost of 1 to
 * 3.  When none comes up in GIVE_UP bytes (a block of literals alone), the
 * block is ended, filler is written, and the block is opened again.  Filler is an
 * empty fixed block, 10 bits: what zlib's Z_PARTIAL_FLUSH writes; for an odd
 * difference also an empty dynamic block, 95 bits.  At a stored block nothing
 * is needed, as it pads to a byte.  So the tail is never shifted.
 *
 * Where a block is split, its first part must not say that it is the final
 * one.  If that header is in the copied prefix, its byte is a piece by itself.
 * A stored block gets a new length, or is split if that would pass 65535.
 *
 * The CRC.  With crc(AB) = crc32_combine(crc(A), crc(B), len(B)), linear in
 * both, crc(old head) and crc(new head) give the new content's CRC from the
 * old one's without a look at the tail.  Had the source other content than
 * its CRC says, then so has the copy: damage is never covered up.
 *
 * The walk checks all that zlib checks, is table driven, and holds the source
 * in a window of 24 KiB, the content in one of 96; the words in mid are what
 * 32 KiB of content need.  While it walks, it notes which bits of the source
 * it did not copy: with them the source can be had back (deflate_undo.c).
 * deflate_prove.c shares nothing with this file: it is the own check.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <isa-l/crc.h>
#include <zlib.h>

#include "libimgpipe/buf.h"
#include "libimgpipe/deflate_impl.h"

#define GIVE_UP		4096		/* bytes behind mark */
#define BLOCKS_MAX	4096		/* in front of the cut */
#define DETOURS		4		/* that are left at once */
#define RESPELL_MAX	64		/* bits that a phase may cost at once */

/* The step functions return 0 (go on), 1 (declined) or -1 (failed). */

static int
damaged(struct imgp_deflate *d, const char *what)
{
	return imgp_fail(d->e, IMGP_E_ARCHIVE_DAMAGED, "deflate: %s", what);
}

static int
decline(struct imgp_deflate *d, const char *what)
{
	imgp_fail(d->e, IMGP_E_ARCHIVE_LIMIT, "deflate: %s", what);
	return 1;
}

/* --- reading the source ------------------------------------------------- */

static uint64_t
bitpos(const struct imgp_deflate *d)
{
	return (d->inoff + (uint64_t)(d->ip - d->in)) * 8 - d->nbits;
}

static uint64_t
content(const struct imgp_deflate *d)
{
	return d->winoff + (uint64_t)(d->op - d->win);
}

static uint64_t
min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Give whole bytes back from the bit buffer. */
static void
unread(struct imgp_deflate *d)
{
	d->ip -= d->nbits >> 3;
	d->nbits &= 7;
	d->bits &= (1U << d->nbits) - 1;
}

/* The source bits [from, to), which must be in in[], to ${w}. */
static void
copy_bits(struct imgp_deflate *d, struct bitw *w, uint64_t from, uint64_t to)
{
	imgp_deflate_put_run(w, d->in + ((from >> 3) - d->inoff),
	    (unsigned)(from & 7), to - from);
}

/* All source bits up to ${to} go where they belong: to mid, or to old. */
static void
settle(struct imgp_deflate *d, uint64_t to)
{
	if (d->started)
		copy_bits(d, d->gap ? &d->old : &d->mid, d->from, to);
	d->from = to;
}

/* Read on; what is behind the current bit stays in in[]. */
static int
fill(struct imgp_deflate *d)
{
	size_t keep, n;

	if (d->eof)
		return damaged(d, "the stream is cut short");
	settle(d, bitpos(d));
	unread(d);
	if (d->ip > d->in) {
		size_t at = (size_t)(d->ip - d->in) - 1;

		keep = d->inlen - at;
		memmove(d->in, d->in + at, keep);
		d->inoff += at;
		d->ip = d->in + 1;
	} else
		keep = d->inlen;
	n = (size_t)min64(IN_SIZE - keep, d->src->len - d->inoff - keep);
	if (n > 0 && d->src->read(d->src->arg, d->inoff + keep, d->in + keep,
	    n, d->e) == -1)
		return -1;
	d->inlen = keep + n;
	d->eof = d->inoff + d->inlen == d->src->len;
	if (d->eof) {
		memset(d->in + d->inlen, 0, IN_PAD);
		d->iplim = d->in + d->inlen + IN_PAD - 16;
	} else
		d->iplim = d->in + d->inlen - 16;
	return 0;
}

/* See to it that a block header, if there is one, is in in[]. */
static int
need_header(struct imgp_deflate *d)
{
	if (!d->eof && d->in + d->inlen - d->ip < IN_HEADER + 16)
		return fill(d);
	return 0;
}

static int
is_past_end(const struct imgp_deflate *d)
{
	return d->eof && bitpos(d) > d->src->len * 8;
}

#define REFILL(bits, n, ip) \
	((bits) |= load64(ip) << (n), (ip) += (63 - (n)) >> 3, (n) |= 56)

/* ${n} (at most 16) bits of a header. */
static unsigned
take(struct imgp_deflate *d, unsigned n)
{
	unsigned v;

	REFILL(d->bits, d->nbits, d->ip);
	v = (unsigned)(d->bits & ((1U << n) - 1));
	d->bits >>= n;
	d->nbits -= n;
	return v;
}

/* Both CRCs up to content offset ${to}, which is in the window. */
static void
crc_to(struct imgp_deflate *d, uint64_t to)
{
	for (;;) {
		const unsigned char *p;
		uint64_t lim = to;
		const struct imgp_deflate_edit *x = &d->ed[d->crcidx];

		if (d->crcidx < d->n && x->at == d->crcpos) {
			d->newcrc = crc32_gzip_refl(d->newcrc, x->ins,
			    x->inslen);
			d->crcskip = x->at + x->del;
			d->crcidx++;
			continue;
		}
		if (d->crcpos == to)
			return;
		if (d->crcidx < d->n)
			lim = min64(lim, x->at);
		if (d->crcpos < d->crcskip)
			lim = min64(lim, d->crcskip);
		p = d->win + (d->crcpos - d->winoff);
		d->crc = crc32_gzip_refl(d->crc, p, lim - d->crcpos);
		if (d->crcidx == 0)
			d->newcrc = d->crc;
		else if (d->crcpos >= d->crcskip)
			d->newcrc = crc32_gzip_refl(d->newcrc, p,
			    lim - d->crcpos);
		d->crcpos = lim;
	}
}

/* Make room in the window. */
static void
slide(struct imgp_deflate *d)
{
	size_t at = (size_t)(d->op - d->win) - DIST_MAX;

	crc_to(d, content(d));
	memmove(d->win, d->win + at, DIST_MAX);
	d->winoff += at;
	d->op = d->win + DIST_MAX;
}

/* The copy that ${tok} says; there is room for it. */
static inline unsigned char *
copy(unsigned char *op, unsigned len, unsigned dist)
{
	const unsigned char *s = op - dist;
	unsigned char *end = op + len;

	if (dist >= 8)
		do {	/* up to 7 bytes too many: they are written again */
			memcpy(op, s, 8);
			op += 8;
			s += 8;
		} while (op < end);
	else if (dist == 1)
		memset(op, *s, len);
	else
		do {	/* dist bytes of the 8 are right, and make the next so */
			memcpy(op, s, 8);
			op += dist;
			s += dist;
		} while (op < end);
	return end;
}

enum stop {
	MORE,		/* at soft, or in[] or the window is used up */
	COPY,		/* tok is a copy that needs a look; not executed */
	END,		/* tok is the end of the block; taken */
	BAD_WORD,
	BAD_DIST
};

/*
 * Decode words of the block until content offset ${soft}; stop at a copy that
 * goes past ${hard} or whose source begins before ${floor}.
 */
static enum stop
decode(struct imgp_deflate *d, uint64_t soft, uint64_t hard, uint64_t floor)
{
	const uint32_t *lit = d->code->lit, *dst = d->code->dist;
	const unsigned char *ip = d->ip, *iplim = d->iplim;
	unsigned char *const win = d->win, *op = d->op;
	unsigned char *softp = win + min64(soft - d->winoff, WIN_CAP);
	unsigned char *hardp = win + min64(hard - d->winoff, sizeof(d->win));
	unsigned char *low = win + (floor <= d->winoff ? 0 :
	    min64(floor - d->winoff, sizeof(d->win)));
	uint64_t bits = d->bits;
	unsigned n = d->nbits, had, len, dist;
	enum stop stop = MORE;
	uint32_t e;

#define TAKE(k)		(bits >>= (k), n -= (k))
#define LOW(k)		(bits & ((UINT64_C(1) << (k)) - 1))
	while (op < softp && ip <= iplim) {
		REFILL(bits, n, ip);
		e = lit[LOW(LIT_ROOT)];
		if (e & LITERAL) {
			TAKE(E_TAKE(e));
			*op++ = (unsigned char)(e >> 16);
			if (softp - op < 2)
				continue;
			e = lit[LOW(LIT_ROOT)];
			if (e & LITERAL) {
				TAKE(E_TAKE(e));
				*op++ = (unsigned char)(e >> 16);
				e = lit[LOW(LIT_ROOT)];
				if (e & LITERAL) {
					TAKE(E_TAKE(e));
					*op++ = (unsigned char)(e >> 16);
					continue;
				}
			}
			if (op == softp)
				continue;
			REFILL(bits, n, ip);
		}
		had = n;
		if (e & SPECIAL) {
			if (e & SUBTABLE) {
				TAKE(LIT_ROOT);
				e = lit[E_VALUE(e) + LOW(E_WORD(e))];
			}
			if (e & LITERAL) {
				TAKE(E_TAKE(e));
				*op++ = (unsigned char)(e >> 16);
				continue;
			}
			if (e & SPECIAL) {
				TAKE(E_TAKE(e));
				stop = e & ENDS ? END : BAD_WORD;
				len = dist = 0;
				goto token;
			}
		}
		len = E_VALUE(e) + (unsigned)(LOW(E_TAKE(e)) >> E_WORD(e));
		TAKE(E_TAKE(e));
		e = dst[LOW(DIST_ROOT)];
		if (e & SPECIAL) {
			if (e & SUBTABLE) {
				TAKE(DIST_ROOT);
				e = dst[E_VALUE(e) + LOW(E_WORD(e))];
			}
			if (e & SPECIAL) {
				stop = BAD_WORD;
				break;
			}
		}
		dist = E_VALUE(e) + (unsigned)(LOW(E_TAKE(e)) >> E_WORD(e));
		TAKE(E_TAKE(e));
		if ((ptrdiff_t)dist > op - low || (ptrdiff_t)len > hardp - op) {
			stop = dist > d->winoff + (uint64_t)(op - win) ?
			    BAD_DIST : COPY;
			goto token;
		}
		op = copy(op, len, dist);
	}
	goto out;
token:
	d->tok.len = len;
	d->tok.dist = dist;
	d->tok.end = (d->inoff + (uint64_t)(ip - d->in)) * 8 - n;
	d->tok.start = d->tok.end - (had - n);
out:
	d->ip = ip;
	d->op = op;
	d->bits = bits;
	d->nbits = n;
	return stop;
#undef TAKE
#undef LOW
}

/* --- writing the new words ---------------------------------------------- */

/*
 * From source bit ${at} on mid is no copy of the source: a gap begins.
 * Nothing happens when we are in one.
 */
static int
open_gap(struct imgp_deflate *d, uint64_t at)
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
		return decline(d, "too much was changed");
	d->gap = 1;
	d->gapfrom = at;
	d->gapmid = bits_in(&d->mid);
	return 0;
}

/* From source bit ${at} on mid is a copy of the source again. */
static void
close_gap(struct imgp_deflate *d, uint64_t at)
{
	if (!d->gap)
		return;
	settle(d, at);
	d->gap = 0;
	d->gapdone = at;
}

/* The block at hand has been ended early: it is not the final one. */
static void
clear_final(struct imgp_deflate *d)
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
	clear_final(d);
	d->alien = 1;
	d->detours++;
	d->excess = 0;
}

/* Begin the source's block again, with a copy of its header. */
static void
reopen(struct imgp_deflate *d)
{
	d->hdrmid = bits_in(&d->mid);
	imgp_deflate_put_run(&d->mid, d->hdrbuf, 0, d->hdrbits);
}

static void
leave_alien(struct imgp_deflate *d)
{
	put(&d->mid, 0, 7);
	reopen(d);
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
static int
is_costly(const struct imgp_deflate *d)
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

static void
put_literals(struct imgp_deflate *d, const unsigned char *s, size_t len)
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
	put_literals(d, s, len);
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

/*
 * Spell ${len} bytes ${s} as copies from ${dist} back, in the block's own
 * words; 0 when some are missing.  With ${dry} nothing is written.
 */
static int
spell_copies(struct imgp_deflate *d, const unsigned char *s, unsigned len,
    unsigned dist, int dry)
{
	unsigned k;

	for (; len > 0; len -= k, s += k) {
		k = longest(d->code, len);
		if (k == 0) {
			k = 1;
			if (d->code->llen[*s] == 0)
				return 0;
			if (!dry)
				put_literals(d, s, 1);
		} else if (!dry)
			imgp_deflate_put_copy(&d->mid, d->code, k, dist);
	}
	return 1;
}

/* Spell ${len} (1..258) bytes ${s} that are also found ${dist} back. */
static void
spell_copy(struct imgp_deflate *d, const unsigned char *s, unsigned len,
    uint64_t dist)
{
	if (len < LEN_MIN || dist > DIST_MAX) {
		spell_literals(d, s, len);
		return;
	}
	if (!d->alien) {
		if (imgp_deflate_dist_bits(d->code, (unsigned)dist) != 0) {
			if (spell_copies(d, s, len, (unsigned)dist, 1)) {
				spell_copies(d, s, len, (unsigned)dist, 0);
				return;
			}
		} else if (literal_bits(d->code, s, len) <= detour(d)) {
			put_literals(d, s, len);
			return;
		}
		enter_alien(d);
	}
	imgp_deflate_put_copy(&d->mid, &d->fixed, len, (unsigned)dist);
}

/* --- the edits ---------------------------------------------------------- */

/* By how much content moved that lies behind ${i} edits. */
static int64_t
moved(const struct imgp_deflate *d, size_t i)
{
	return d->delta[i];
}

/* Edits that begin at or before content offset ${q}. */
static size_t
edits_before(const struct imgp_deflate *d, uint64_t q)
{
	size_t i = d->idx;

	while (i > 0 && d->ed[i - 1].at > q)
		i--;
	return i;
}

/* Write what the edits at content offset ${p} insert; we are in a gap. */
static void
insert_at(struct imgp_deflate *d, uint64_t p)
{
	for (; d->idx < d->n && d->ed[d->idx].at == p; d->idx++) {
		spell_literals(d, d->ed[d->idx].ins, d->ed[d->idx].inslen);
		d->skip = p + d->ed[d->idx].del;
	}
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
		const unsigned char *s = d->win + (p - d->winoff);

		insert_at(d, p);
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
			spell_literals(d, s, lim - p);
		} else {
			if (k < d->idx)
				lim = min64(lim, d->ed[k].at + d->tok.dist);
			spell_copy(d, s, (unsigned)(lim - p), d->tok.dist +
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

static int
do_copy(struct imgp_deflate *d)
{
	uint64_t p = content(d);
	int rc;

	d->op = copy(d->op, d->tok.len, d->tok.dist);
	if (!d->alien && !d->gap && is_unmoved(d, p))
		return 0;
	if ((rc = open_gap(d, d->tok.start)) != 0)
		return rc;
	respell_copy(d, p);
	if (!d->alien && content(d) >= d->skip)
		close_gap(d, d->tok.end);
	return 0;
}

/* --- the cut ------------------------------------------------------------ */

/* How many bits mid is behind the source, modulo 8.  Not in a gap. */
static unsigned
phase(const struct imgp_deflate *d)
{
	return (unsigned)(d->from - d->mid.n) & 7;
}

/* The rest of the stream is copied. */
static void
cut(struct imgp_deflate *d)
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

/*
 * The copy ${tok}, executed and kept, made the content from ${p} on.  Say it
 * in words that are phase() bits longer, modulo 8, if such are found.
 */
static int
mend_phase(struct imgp_deflate *d, uint64_t p)
{
	const struct code *c = d->code;
	const unsigned char *s = d->win + (p - d->winoff);
	const unsigned len = d->tok.len, dist = d->tok.dist;
	const unsigned own = (unsigned)(d->tok.end - d->tok.start);
	const unsigned db = imgp_deflate_dist_bits(c, dist), want = phase(d);
	unsigned best = own + RESPELL_MAX + 1, lits = 0, copies = 0;
	unsigned k, a, b, sum = 0;
	int rc;

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
	if ((rc = open_gap(d, d->tok.start)) != 0)
		return rc;
	if (copies > 0)
		imgp_deflate_put_copy(&d->mid, c, copies, dist);
	else
		put_literals(d, s, lits);
	if (copies > 0)
		lits = copies;
	if (lits < len)
		imgp_deflate_put_copy(&d->mid, c, len - lits, dist);
	close_gap(d, d->tok.end);
	return 0;
}

/* In a block behind mark: cut as soon as the phase is right. */
static int
try_cut(struct imgp_deflate *d)
{
	unsigned n;
	int rc;

	if (phase(d) == 0) {
		cut(d);
		return 0;
	}
	if (content(d) < d->give_up)
		return 0;
	if ((rc = open_gap(d, bitpos(d))) != 0)
		return rc;
	put(&d->mid, d->code->lcode[EOB], d->code->llen[EOB]);
	clear_final(d);
	n = (unsigned)(bitpos(d) - d->mid.n - d->hdrbits) & 7;
	put_filler(d, n);
	reopen(d);
	close_gap(d, bitpos(d));
	cut(d);
	return 0;
}

/* Between two blocks, behind mark. */
static int
try_cut_between(struct imgp_deflate *d)
{
	unsigned v, n;
	int rc;

	if ((n = phase(d)) == 0) {
		cut(d);
		return 0;
	}
	if ((rc = need_header(d)) != 0)
		return rc;
	REFILL(d->bits, d->nbits, d->ip);
	v = (unsigned)d->bits & 7;
	if (v >> 1 != 0 && (n & 1) && content(d) < d->give_up)
		return 0;	/* a cheaper way may be in the next block */
	if ((rc = open_gap(d, bitpos(d))) != 0)
		return rc;
	if (v >> 1 == 0) {		/* stored: its padding mends it */
		put(&d->mid, v, 3);
		put(&d->mid, 0, (8 - d->mid.n) & 7);
		take(d, 3);
		take(d, d->nbits & 7);
		if (is_past_end(d))
			return damaged(d, "the stream is cut short");
	} else
		put_filler(d, n);
	close_gap(d, bitpos(d));
	cut(d);
	return 0;
}

/* The stream ends here. */
static int
finish(struct imgp_deflate *d)
{
	uint64_t p = content(d);
	int rc;

	if (d->idx < d->n || p < d->skip)
		return damaged(d, "the content ends before the change");
	if ((bitpos(d) + 7) >> 3 != d->src->len)
		return decline(d, "there are bytes behind the last block");
	crc_to(d, p);
	if (p != d->src->size || d->crc != d->src->crc)
		return damaged(d, "the content is not what its CRC says");
	unread(d);
	if ((rc = open_gap(d, bitpos(d))) != 0)
		return rc;
	put(&d->mid, 0, (8 - d->mid.n) & 7);
	close_gap(d, d->src->len * 8);
	d->tail = d->src->len;
	d->done = 1;
	return 0;
}

/* --- blocks ------------------------------------------------------------- */

/* A block of words, its header read. */
static int
coded(struct imgp_deflate *d)
{
	uint64_t p, bit, soft, hard, low;
	int rc, deleting;
	enum stop stop;

	for (;;) {
		p = content(d);
		if (d->idx < d->n && d->ed[d->idx].at == p) {
			if ((rc = open_gap(d, bitpos(d))) != 0)
				return rc;
			insert_at(d, p);
		}
		deleting = p < d->skip;
		if (d->alien && !deleting && (is_costly(d) ||
		    (d->idx == d->n && p >= d->mark)))
			leave_alien(d);
		if (!d->alien && !deleting)
			close_gap(d, bitpos(d));
		soft = hard = NOWHERE;
		low = d->alien ? NOWHERE : d->skip;
		if (deleting) {
			if ((rc = open_gap(d, bitpos(d))) != 0)
				return rc;
			soft = hard = d->skip;
			low = 0;
		} else if (d->idx < d->n)
			soft = hard = d->ed[d->idx].at;
		else if (p < d->mark)
			soft = d->mark;
		else {
			if ((rc = try_cut(d)) != 0 || d->done)
				return rc;
			soft = d->give_up;
			low = NOWHERE;
		}

		bit = bitpos(d);
		stop = decode(d, soft, hard, low);
		if (stop == BAD_WORD || stop == BAD_DIST || is_past_end(d))
			return damaged(d, is_past_end(d) ?
			    "the stream is cut short" : stop == BAD_DIST ?
			    "invalid distance" : "invalid code");
		if (content(d) > d->src->size)
			return damaged(d, "more content than said");
		if (d->alien && !deleting) {
			const unsigned char *s = d->win + (p - d->winoff);
			uint64_t had = bits_in(&d->mid);

			put_literals(d, s, (size_t)(content(d) - p));
			d->excess += (int64_t)(bits_in(&d->mid) - had) -
			    (int64_t)((stop == MORE ? bitpos(d) :
			    d->tok.start) - bit);
		}
		if (d->mid.full)
			return decline(d, "too many words to be changed");

		if (stop == END) {
			if (d->alien) {
				put(&d->mid, 0, 7);
				if (d->final)
					d->midbuf[d->alienhdr >> 3] |=
					    (unsigned char)(1U <<
					    (d->alienhdr & 7));
				d->alien = 0;
				close_gap(d, d->tok.end);
			} else
				close_gap(d, d->tok.start);
			return 0;
		}
		if (stop == COPY) {
			p = content(d);
			if (low == NOWHERE && !d->alien) {
				d->op = copy(d->op, d->tok.len, d->tok.dist);
				rc = mend_phase(d, p);
			} else
				rc = do_copy(d);
			if (rc != 0)
				return rc;
		}
		if (d->op >= d->win + WIN_CAP)
			slide(d);
		if (d->ip > d->iplim && (rc = fill(d)) != 0)
			return rc;
	}
}

static int
fixed(struct imgp_deflate *d)
{
	d->code = &d->fixed;
	d->hdrbuf[0] = (unsigned char)(d->final | 2);
	d->hdrbits = 3;
	return coded(d);
}

/* Section 3.2.7. */
static int
dynamic(struct imgp_deflate *d)
{
	static const uint8_t order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5,
	    11, 4, 12, 3, 13, 2, 14, 1, 15 };
	uint8_t pre[19] = { 0 }, len[286 + 30 + 138];
	uint16_t t[128];
	unsigned i, n, nlit, ndist, npre, sym;
	struct code *c = &d->dynamic;
	struct bitw w = { .buf = d->hdrbuf, .max = IN_HEADER };
	const char *bad;

	nlit = take(d, 5) + 257;
	ndist = take(d, 5) + 1;
	npre = take(d, 4) + 4;
	if (nlit > 286 || ndist > 30)
		return damaged(d, "too many length or distance symbols");
	for (i = 0; i < npre; i++)
		pre[order[i]] = (uint8_t)take(d, 3);
	if ((bad = imgp_deflate_precode(t, pre)) != NULL)
		return damaged(d, bad);
	for (i = 0; i < nlit + ndist;) {
		REFILL(d->bits, d->nbits, d->ip);
		sym = t[d->bits & 127];
		take(d, sym & 15);
		sym >>= 4;
		if (sym < 16) {
			len[i++] = (uint8_t)sym;
			continue;
		}
		if (sym == 16 && i == 0)
			return damaged(d, "invalid repeat of a code length");
		n = sym == 16 ? 3 + take(d, 2) : sym == 17 ? 3 + take(d, 3) :
		    11 + take(d, 7);
		memset(len + i, sym == 16 ? len[i - 1] : 0, n);
		i += n;
	}
	if (i > nlit + ndist)
		return damaged(d, "invalid repeat of a code length");
	memset(c->llen, 0, sizeof(c->llen));
	memset(c->dlen, 0, sizeof(c->dlen));
	memcpy(c->llen, len, nlit);
	memcpy(c->dlen, len + nlit, ndist);
	if (is_past_end(d))
		return damaged(d, "the stream is cut short");
	if ((bad = imgp_deflate_code_make(c)) != NULL)
		return damaged(d, bad);
	d->code = c;
	d->hdrbits = bitpos(d) - d->hdr;
	copy_bits(d, &w, d->hdr, d->hdr + d->hdrbits);
	store64(w.buf + w.pos, w.acc);
	return coded(d);
}

/* A stored block of the new stream: header with ${len}. */
static void
put_stored(struct imgp_deflate *d, int final, unsigned len)
{
	put(&d->mid, (uint64_t)final, 3);
	put(&d->mid, 0, (8 - d->mid.n) & 7);
	put(&d->mid, len | (uint64_t)(len ^ 0xffff) << 16, 32);
}

/* A stored block of the source, as it is written. */
struct stored {
	uint64_t end;		/* content offset of its end */
	uint64_t left;		/* new bytes to write */
	uint64_t chunk;		/* of them under the header written last */
	uint64_t fixed;		/* of them behind the last edit */
};

/*
 * A header when the one before is used up.  All that is behind the last edit
 * comes under one header, so that the cut needs none.
 */
static void
stored_header(struct imgp_deflate *d, struct stored *b)
{
	if (b->chunk > 0 || b->left == 0)
		return;
	b->chunk = b->left <= STORED_MAX ? b->left :
	    min64(STORED_MAX, b->left - b->fixed);
	put_stored(d, d->final && b->chunk == b->left, (unsigned)b->chunk);
}

static void
stored_insert(struct imgp_deflate *d, struct stored *b)
{
	const struct imgp_deflate_edit *x = &d->ed[d->idx++];
	size_t i = 0, k;

	while (i < x->inslen) {
		stored_header(d, b);
		k = (size_t)min64(b->chunk, x->inslen - i);
		imgp_deflate_put_bytes(&d->mid,
		    (const unsigned char *)x->ins + i, k);
		b->chunk -= k;
		b->left -= k;
		i += k;
	}
	d->skip = x->at + x->del;
}

/* Take up to ${n} bytes of a stored block into the window. */
static int
stored_take(struct imgp_deflate *d, uint64_t n, uint64_t *got)
{
	int rc;

	if (d->op >= d->win + WIN_CAP)
		slide(d);
	if (d->ip >= d->in + d->inlen && (rc = fill(d)) != 0)
		return rc;
	n = min64(n, (uint64_t)(d->in + d->inlen - d->ip));
	n = min64(n, (uint64_t)(d->win + WIN_CAP - d->op));
	memcpy(d->op, d->ip, n);
	d->op += n;
	d->ip += n;
	*got = n;
	return 0;
}

/* How many bytes of [p, b->end) stay, what comes, and what is behind. */
static void
stored_sizes(const struct imgp_deflate *d, struct stored *b, uint64_t p)
{
	uint64_t at = p < d->skip ? min64(d->skip, b->end) : p;
	size_t i;

	b->left = b->end - at;
	for (i = d->idx; i < d->n && (d->ed[i].at < b->end ||
	    (d->final && d->ed[i].at == b->end)); i++) {
		at = min64(d->ed[i].at + d->ed[i].del, b->end);
		b->left += d->ed[i].inslen;
		b->left -= at - d->ed[i].at;
	}
	b->fixed = b->end - at;
}

static int
stored(struct imgp_deflate *d)
{
	struct stored b = { 0, 0, 0, 0 };
	uint64_t p = content(d), lim, got;
	unsigned len;
	int rc;

	take(d, d->nbits & 7);
	len = take(d, 16);
	if (take(d, 16) != (len ^ 0xffff))
		return damaged(d, "invalid length of a stored block");
	if (is_past_end(d))
		return damaged(d, "the stream is cut short");
	unread(d);
	b.end = p + len;
	if (b.end > d->src->size)
		return damaged(d, "more content than said");
	stored_sizes(d, &b, p);
	if (d->started || d->idx < d->n) {
		if (d->started || d->ed[d->idx].at < b.end ||
		    (d->final && d->ed[d->idx].at == b.end)) {
			if ((rc = open_gap(d, d->hdr)) != 0)
				return rc;
			if (b.left > 0)
				stored_header(d, &b);
			else if (len == 0 || d->final)
				put_stored(d, d->final, 0);
		}
	}
	for (;;) {
		p = content(d);
		if (d->idx < d->n && d->ed[d->idx].at == p &&
		    (p < b.end || d->final)) {
			if ((rc = open_gap(d, bitpos(d))) != 0)
				return rc;
			stored_insert(d, &b);
			continue;
		}
		if (d->mid.full)
			return decline(d, "too many words to be changed");
		if (p == b.end)
			break;
		lim = b.end - p;
		if (p < d->skip)
			lim = min64(lim, d->skip - p);
		else {
			if (d->started && b.chunk == 0) {
				if ((rc = open_gap(d, bitpos(d))) != 0)
					return rc;
				stored_header(d, &b);
			}
			close_gap(d, bitpos(d));
			if (d->idx < d->n)
				lim = min64(lim, d->ed[d->idx].at - p);
			else if (p >= d->mark) {
				cut(d);
				return 0;
			} else
				lim = min64(lim, d->mark - p);
			if (d->started)
				lim = min64(lim, b.chunk);
		}
		if ((rc = stored_take(d, lim, &got)) != 0)
			return rc;
		if (p >= d->skip && d->started) {
			b.chunk -= got;
			b.left -= got;
		}
	}
	close_gap(d, bitpos(d));
	return 0;
}

static int
block(struct imgp_deflate *d)
{
	unsigned type;
	int rc;

	if (d->last)
		return finish(d);
	if (d->idx == d->n && content(d) >= d->mark &&
	    ((rc = try_cut_between(d)) != 0 || d->done))
		return rc;
	if (d->blocks++ == BLOCKS_MAX)
		return decline(d, "too many blocks before the change");
	if ((rc = need_header(d)) != 0)
		return rc;
	if (d->mid.full)
		return decline(d, "too many words to be changed");
	d->hdr = bitpos(d);
	d->hdrmid = NOWHERE;
	d->final = (int)take(d, 1);
	type = take(d, 2);
	if (is_past_end(d))
		return damaged(d, "the stream is cut short");
	if (d->started) {
		settle(d, d->hdr);
		d->hdrmid = bits_in(&d->mid);
	}
	rc = type == 0 ? stored(d) : type == 1 ? fixed(d) :
	    type == 2 ? dynamic(d) : damaged(d, "invalid block type");
	if (rc == 0 && !d->done)
		d->last = d->final;
	return rc;
}

/* --- the plan ----------------------------------------------------------- */

/* Take over the edits that do something, if they are in order. */
static int
set_edits(struct imgp_deflate *d, const struct imgp_deflate_edit *edit,
    size_t n)
{
	uint64_t end = 0, all = 0;
	size_t i;

	if (n > IMGP_DEFLATE_EDITS)
		return imgp_fail(d->e, IMGP_E_INTERNAL, "deflate: %zu edits",
		    n);
	d->n = 0;
	d->delta[0] = 0;
	for (i = 0; i < n; i++) {
		if (edit[i].at < end || edit[i].at > d->src->size ||
		    edit[i].del > d->src->size - edit[i].at)
			return imgp_fail(d->e, IMGP_E_INTERNAL,
			    "deflate: edits out of order");
		end = edit[i].at + edit[i].del;
		if (edit[i].inslen > IMGP_DEFLATE_INSERT - all)
			return decline(d, "too much to insert");
		all += edit[i].inslen;
		if (edit[i].del == 0 && edit[i].inslen == 0)
			continue;
		d->ed[d->n] = edit[i];
		d->delta[d->n + 1] = d->delta[d->n] +
		    (int64_t)edit[i].inslen - (int64_t)edit[i].del;
		d->n++;
		d->mark = end + DIST_MAX;
		d->give_up = d->mark + GIVE_UP;
	}
	return 0;
}

static void
start(struct imgp_deflate *d)
{
	d->inoff = 0;
	d->inlen = 0;
	d->ip = d->in;
	d->bits = 0;
	d->nbits = 0;
	d->eof = 0;
	d->winoff = 0;
	d->op = d->win;
	d->crcpos = d->crcskip = 0;
	d->crcidx = 0;
	d->crc = d->newcrc = 0;
	d->blocks = 0;
	d->idx = 0;
	d->skip = 0;
	d->alien = 0;
	d->detours = 0;
	d->last = 0;
	d->done = 0;
	d->started = 0;
	d->gap = 0;
	d->from = 0;
	d->gapmid = NOWHERE;
	d->gapdone = d->gapprev = 0;
	d->cleared = 0;
	d->mid = (struct bitw){ .buf = d->midbuf, .max = MID_MAX };
	imgp_deflate_undo_start(d);
}

static void
copy_plan(struct imgp_deflate *d, struct imgp_deflate_plan *p)
{
	p->len = d->src->len;
	p->size = d->src->size;
	p->crc = d->src->crc;
	p->piece[0].mem = NULL;
	p->piece[0].off = 0;
	p->piece[0].len = d->src->len;
	p->pieces = 1;
}

int
imgp_deflate_plan(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    const struct imgp_deflate_edit *edit, size_t n,
    struct imgp_deflate_plan *p, struct imgp_err *e)
{
	int rc;

	memset(p, 0, sizeof(*p));
	d->src = src;
	d->e = e;
	start(d);
	if ((rc = set_edits(d, edit, n)) != 0)
		return rc;
	p->edit = edit;
	p->edits = n;
	if (src->len > UINT64_MAX / 16 || src->size > INT64_MAX / 2)
		return decline(d, "too large");
	if (d->n == 0) {
		copy_plan(d, p);
		imgp_deflate_undo_finish(d, p);
		return 0;
	}
	rc = fill(d);
	while (rc == 0 && !d->done)
		rc = block(d);
	if (rc != 0)
		return rc;
	if (d->gapmid != NOWHERE && imgp_deflate_undo_gap(d) == -1)
		return decline(d, "too much was changed");
	if (d->mid.full)
		return decline(d, "too many words to be changed");
	crc_to(d, content(d));
	p->head.len = content(d);
	p->head.crc = d->crc;
	p->newhead.len = p->head.len + (uint64_t)moved(d, d->n);
	p->newhead.crc = d->newcrc;
	if (p->head.len > src->size)
		return damaged(d, "more content than said");
	p->size = src->size + (uint64_t)moved(d, d->n);
	p->crc = p->head.crc ^ p->newhead.crc;
	if (src->size > p->head.len)	/* older zlibs get 0 wrong */
		p->crc = (uint32_t)crc32_combine(p->crc, 0,
		    (z_off_t)(src->size - p->head.len));
	p->crc ^= src->crc;
	if ((rc = imgp_deflate_pieces(d, p, 0)) != 0)
		return rc;
	imgp_deflate_undo_finish(d, p);
	return 0;
}

int
imgp_deflate_pieces(struct imgp_deflate *d, struct imgp_deflate_plan *p,
    int bit)
{
	struct imgp_deflate_piece *v = p->piece;
	uint64_t at = 0, hdr = d->cleared - 1;
	size_t i;

	if (d->cleared != 0 && hdr >> 3 < d->midoff) {
		if (d->src->read(d->src->arg, hdr >> 3, &d->patch, 1,
		    d->e) == -1)
			return -1;
		d->patch &= (unsigned char)~(1U << (hdr & 7));
		d->patch |= (unsigned char)((unsigned)bit << (hdr & 7));
		*v++ = (struct imgp_deflate_piece){ NULL, 0, hdr >> 3 };
		*v++ = (struct imgp_deflate_piece){ &d->patch, 0, 1 };
		at = (hdr >> 3) + 1;
	}
	*v++ = (struct imgp_deflate_piece){ NULL, at, d->midoff - at };
	*v++ = (struct imgp_deflate_piece){ d->midbuf, 0, d->mid.pos };
	*v++ = (struct imgp_deflate_piece){ NULL, d->tail,
	    d->src->len - d->tail };
	p->pieces = (size_t)(v - p->piece);
	p->len = 0;
	for (i = 0; i < p->pieces; i++)
		p->len += p->piece[i].len;
	return 0;
}

/* --- the rest of the interface ------------------------------------------ */

struct imgp_deflate *
imgp_deflate_new(void)
{
	struct imgp_deflate *d = imgp_alloc(sizeof(*d));

	imgp_deflate_code_fixed(&d->fixed);
	return d;
}

void
imgp_deflate_free(struct imgp_deflate *d)
{
	if (d == NULL)
		return;
	imgp_deflate_prover_free(d->prover);
	free(d);
}

int
imgp_deflate_read_fd(void *fd, uint64_t off, void *buf, size_t len,
    struct imgp_err *e)
{
	const struct imgp_deflate_fd *f = fd;
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = pread(f->fd, (char *)buf + got, len - got,
		    (off_t)(f->off + off + got));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return imgp_fail_errno(e, IMGP_E_STORE_IO,
			    "deflate: read");
		if (n == 0)
			return imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED,
			    "deflate: the file ends early");
		got += (size_t)n;
	}
	return 0;
}

int
imgp_deflate_read_mem(void *mem, uint64_t off, void *buf, size_t len,
    struct imgp_err *e)
{
	(void)e;
	memcpy(buf, (const unsigned char *)mem + off, len);
	return 0;
}
