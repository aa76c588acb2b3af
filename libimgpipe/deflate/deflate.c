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
 * block is ended, filler is written, and the block is opened again.  Filler is
 * an empty fixed block, 10 bits: what zlib's Z_PARTIAL_FLUSH writes; for an
 * odd difference also an empty dynamic block, 95 bits.  At a stored block
 * nothing is needed, as it pads to a byte.  So the tail is never shifted.
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
 * it did not copy: with them the source can be had back.
 *
 *	deflate.c	blocks, the cut, the plan
 *	deflate_read.c	the source's bits, and decoding
 *	deflate_spell.c	what is written in place of the source's words
 *	deflate_code.c	Huffman codes
 *	deflate_undo.c	the way back
 *	respell.c	a pass through a whole stream, and its way back
 *	deflate_prove.c	the own check; it shares nothing with these but types
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <isa-l/crc.h>
#include <zlib.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/worker.h"
#include "libimgpipe/deflate/deflate_priv.h"

#define GIVE_UP		4096		/* bytes behind mark */
#define BLOCKS_MAX	4096		/* in front of the cut, and one more */
#define BLOCK_MIN	1024		/* for so many bytes of content */
#define TOO_MANY	"too many words to be changed"
#define PROBE		256		/* bytes behind the cut */
#define PROBE_STREAM	1024		/* bytes of stream that hold them */
#define RESPELL_MAX	64		/* bits that a phase may cost at once */

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
 * Execute the copy ${tok}; say it in words that are phase() bits longer, modulo
 * 8, if such are found.
 */
static int
mend_phase(struct imgp_deflate *d)
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

/* In a block behind mark: cut as soon as the phase is right. */
static int
try_cut(struct imgp_deflate *d)
{
	unsigned n;
	int rc;

	d->cut_in_words = 1;
	if (phase(d) == 0) {
		cut(d);
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
	cut(d);
	return 0;
}

/* Between two blocks, behind mark. */
static int
try_cut_between(struct imgp_deflate *d)
{
	unsigned v, n;
	int rc;

	d->cut_in_words = 0;
	if ((n = phase(d)) == 0) {
		cut(d);
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
		return imgp_deflate_damaged(d,
		    "the content ends before the change");
	if ((bitpos(d) + 7) >> 3 != d->src->len)
		return imgp_deflate_decline(d,
		    "there are bytes behind the last block");
	imgp_deflate_crc_to(d, p);
	if (p != d->src->size || d->crc != d->src->crc)
		return imgp_deflate_damaged(d,
		    "the content is not what its CRC says");
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

/* --- blocks ------------------------------------------------------------- */

/* How far to decode, and which copies to look at: see imgp_deflate_decode(). */
struct reach {
	uint64_t soft, hard, low;
	int	deleting;	/* what is decoded is not written */
	int	searching;	/* behind mark, for the phase */
};

/* In a pass that decodes. */
static int
note_or_go(struct imgp_deflate *d, struct reach *to)
{
	int rc = imgp_respell_note(d);

	*to = (struct reach){ d->pass->due, NOWHERE, d->origin, 0, 0 };
	return rc;
}

/*
 * Between two words: insert what is due here, leave a detour, and say how far
 * to go from here.
 */
static int
set_out(struct imgp_deflate *d, struct reach *to)
{
	const uint64_t p = content(d);
	int rc;

	if (d->pass != NULL && d->pass->trace != NULL)
		return note_or_go(d, to);
	if (d->pass != NULL && ((rc = imgp_respell_drain(d)) != 0 ||
	    (rc = imgp_respell_next_edits(d)) != 0))
		return rc;
	if (d->idx < d->n && d->ed[d->idx].at == p) {
		if ((rc = imgp_deflate_open_gap(d, bitpos(d))) != 0)
			return rc;
		imgp_deflate_insert_at(d, p);
	}
	*to = (struct reach){ NOWHERE, NOWHERE, d->skip, 0, 0 };
	if (to->low < d->origin)
		to->low = d->origin;
	if (p < d->skip) {
		to->deleting = 1;
		to->soft = to->hard = d->skip;
		to->low = d->origin;
		return imgp_deflate_open_gap(d, bitpos(d));
	}
	if (d->alien && (imgp_deflate_is_costly(d) ||
	    (d->idx == d->n && p >= d->mark)))
		imgp_deflate_leave_alien(d);
	if (d->alien)
		to->low = NOWHERE;
	else
		imgp_deflate_close_gap(d, bitpos(d));
	if (d->pass != NULL && !d->alien) {
		if ((rc = imgp_respell_jump(d)) != 0)
			return rc;
		if (to->low < d->origin)
			to->low = d->origin;
	}
	if (d->idx < d->n)
		to->soft = to->hard = d->ed[d->idx].at;
	else if (p < d->mark)
		to->soft = d->mark;
	else {
		to->searching = 1;
		to->soft = d->give_up;
		to->low = NOWHERE;
		return try_cut(d);
	}
	return 0;
}

/* The literals from ${p} on, decoded from source bit ${from}, in a detour. */
static void
put_alien(struct imgp_deflate *d, uint64_t p, uint64_t from, enum stop stop)
{
	uint64_t had = bits_in(&d->mid);
	uint64_t to = stop == MORE ? bitpos(d) : d->tok.start;

	imgp_deflate_put_literals(d, d->win + (p - d->winoff),
	    (size_t)(content(d) - p));
	d->excess += (int64_t)(bits_in(&d->mid) - had) - (int64_t)(to - from);
}

/* The source's block is at its end. */
static void
end_block(struct imgp_deflate *d)
{
	if (!d->alien) {
		imgp_deflate_close_gap(d, d->tok.start);
		return;
	}
	put(&d->mid, 0, 7);
	if (d->final)
		d->midbuf[d->alienhdr >> 3] |=
		    (unsigned char)(1U << (d->alienhdr & 7));
	d->alien = 0;
	imgp_deflate_close_gap(d, d->tok.end);
}

static const char *
what_is_wrong(const struct imgp_deflate *d, enum stop stop)
{
	if (is_past_end(d))
		return "the stream is cut short";
	if (stop == BAD_WORD)
		return "invalid code";
	if (stop == BAD_DIST)
		return "invalid distance";
	if (content(d) > d->src->size)
		return "more content than said";
	return NULL;
}

/* A block of words, its header read. */
static int
coded(struct imgp_deflate *d)
{
	const char *bad;
	struct reach to;
	uint64_t p, from;
	enum stop stop;
	int rc;

	for (;;) {
		if ((rc = set_out(d, &to)) != 0 || d->done)
			return rc;
		p = content(d);
		from = bitpos(d);
		stop = imgp_deflate_decode(d, to.soft, to.hard, to.low);
		if ((bad = what_is_wrong(d, stop)) != NULL)
			return imgp_deflate_damaged(d, bad);
		if (d->alien && !to.deleting)
			put_alien(d, p, from, stop);
		if (d->mid.full)
			return imgp_deflate_give_up(d, TOO_MANY);
		if (stop == END) {
			end_block(d);
			return 0;
		}
		if (stop == COPY && d->pass != NULL && d->started &&
		    (rc = imgp_respell_next_edits(d)) != 0)
			return rc;
		if (stop == COPY) {
			rc = to.searching ? mend_phase(d) :
			    imgp_deflate_do_copy(d);
			if (rc != 0)
				return rc;
		}
		if (d->op >= d->win + WIN_CAP && imgp_deflate_slide(d) == -1)
			return -1;
		if (d->ip > d->iplim && (rc = imgp_deflate_fill(d)) != 0)
			return rc;
	}
}

void
imgp_deflate_fixed_codes(struct imgp_deflate *d)
{
	d->code = &d->fixed;
	d->known = NOWHERE;
	d->hdrbuf[0] = (unsigned char)(d->final | 2);
	d->hdrbits = 3;
}

static int
fixed(struct imgp_deflate *d)
{
	imgp_deflate_fixed_codes(d);
	return coded(d);
}

/* The header that was read last, read again: on behind it. */
static void
pass_header(struct imgp_deflate *d)
{
	uint64_t to = d->hdr + d->hdrbits;

	d->ip = d->in + ((to >> 3) - d->inoff);
	d->bits = 0;
	d->nbits = 0;
	take(d, (unsigned)to & 7);
}

/* Section 3.2.7. */
int
imgp_deflate_read_codes(struct imgp_deflate *d)
{
	static const uint8_t order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5,
	    11, 4, 12, 3, 13, 2, 14, 1, 15 };
	uint8_t pre[19] = { 0 }, len[286 + 30 + 138];
	uint16_t t[128];
	unsigned i, n, nlit, ndist, npre, sym;
	struct code *c = &d->dynamic;
	struct bitw w = { .buf = d->hdrbuf, .max = IN_HEADER };
	const char *bad;

	d->code = c;
	if (d->known == d->hdr) {
		pass_header(d);
		return 0;
	}
	d->known = NOWHERE;
	nlit = take(d, 5) + 257;
	ndist = take(d, 5) + 1;
	npre = take(d, 4) + 4;
	if (nlit > 286 || ndist > 30)
		return imgp_deflate_damaged(d,
		    "too many length or distance symbols");
	for (i = 0; i < npre; i++)
		pre[order[i]] = (uint8_t)take(d, 3);
	if ((bad = imgp_deflate_precode(t, pre)) != NULL)
		return imgp_deflate_damaged(d, bad);
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
			return imgp_deflate_damaged(d,
			    "invalid repeat of a code length");
		n = sym == 16 ? 3 + take(d, 2) : sym == 17 ? 3 + take(d, 3) :
		    11 + take(d, 7);
		memset(len + i, sym == 16 ? len[i - 1] : 0, n);
		i += n;
	}
	if (i > nlit + ndist)
		return imgp_deflate_damaged(d,
		    "invalid repeat of a code length");
	memset(c->llen, 0, sizeof(c->llen));
	memset(c->dlen, 0, sizeof(c->dlen));
	memcpy(c->llen, len, nlit);
	memcpy(c->dlen, len + nlit, ndist);
	if (is_past_end(d))
		return imgp_deflate_damaged(d, "the stream is cut short");
	if ((bad = imgp_deflate_code_make(c)) != NULL)
		return imgp_deflate_damaged(d, bad);
	d->hdrbits = bitpos(d) - d->hdr;
	copy_bits(d, &w, d->hdr, d->hdr + d->hdrbits);
	store64(w.buf + w.pos, w.acc);
	if (d->pass != NULL)
		d->hdrbuf[0] &= 0xfe;
	d->known = d->hdr;
	return 0;
}

static int
dynamic(struct imgp_deflate *d)
{
	int rc = imgp_deflate_read_codes(d);

	return rc != 0 ? rc : coded(d);
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
	const struct imgp_deflate_edit *x = &d->ed[d->idx];
	const unsigned char *s;
	size_t i = 0, k;

	while (i < x->inslen) {
		stored_header(d, b);
		s = (const unsigned char *)x->ins + i;
		k = x->inslen - i;
		if (d->pass != NULL &&
		    (k = imgp_respell_inserted(d, d->idx, i, &s)) == 0)
			return;
		k = (size_t)min64(b->chunk, k);
		imgp_deflate_put_bytes(&d->mid, s, k);
		b->chunk -= k;
		b->left -= k;
		i += k;
	}
	d->skip = x->at + x->del;
	d->idx++;
}

/* Take up to ${n} bytes of a stored block into the window. */
static int
stored_take(struct imgp_deflate *d, uint64_t n, uint64_t *got)
{
	int rc;

	if (d->op >= d->win + WIN_CAP && imgp_deflate_slide(d) == -1)
		return -1;
	if (d->ip >= d->in + d->inlen && (rc = imgp_deflate_fill(d)) != 0)
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

/*
 * At content offset ${p} of a stored block: how many bytes to take from here
 * at once.  A header is written where one is needed, and the cut made if this
 * is the place.
 */
static int
stored_next(struct imgp_deflate *d, struct stored *b, uint64_t p, uint64_t *n)
{
	int rc;

	*n = b->end - p;
	if (p < d->skip) {
		*n = min64(*n, d->skip - p);
		return 0;
	}
	if (d->started && b->chunk == 0) {
		if ((rc = imgp_deflate_open_gap(d, bitpos(d))) != 0)
			return rc;
		stored_header(d, b);
	}
	imgp_deflate_close_gap(d, bitpos(d));
	if (d->idx < d->n)
		*n = min64(*n, d->ed[d->idx].at - p);
	else if (p < d->mark)
		*n = min64(*n, d->mark - p);
	else {
		d->cut_in_words = 0;
		cut(d);
	}
	if (d->started)
		*n = min64(*n, b->chunk);
	return 0;
}

/* Is the next edit in this block?  One at its end is, when it is the last. */
static int
is_stored_edit(const struct imgp_deflate *d, const struct stored *b)
{
	return d->idx < d->n && (d->ed[d->idx].at < b->end ||
	    (d->final && d->ed[d->idx].at == b->end));
}

/* The header of a stored block, and of what becomes of it. */
static int
stored_start(struct imgp_deflate *d, struct stored *b)
{
	unsigned len;
	int rc;

	take(d, d->nbits & 7);
	len = take(d, 16);
	if (take(d, 16) != (len ^ 0xffff))
		return imgp_deflate_damaged(d,
		    "invalid length of a stored block");
	if (is_past_end(d))
		return imgp_deflate_damaged(d, "the stream is cut short");
	unread(d);
	b->chunk = 0;
	b->end = content(d) + len;
	if (b->end > d->src->size)
		return imgp_deflate_damaged(d, "more content than said");
	if (d->pass != NULL && d->started &&
	    (rc = imgp_respell_next_edits(d)) != 0)
		return rc;
	stored_sizes(d, b, content(d));
	if (!d->started && !is_stored_edit(d, b))
		return 0;
	if ((rc = imgp_deflate_open_gap(d, d->hdr)) != 0)
		return rc;
	if (b->left > 0)
		stored_header(d, b);
	else if (len == 0 || d->final)
		put_stored(d, d->final, 0);
	return 0;
}

static int
stored(struct imgp_deflate *d)
{
	uint64_t p, n, got;
	struct stored b;
	int rc;

	if ((rc = stored_start(d, &b)) != 0)
		return rc;
	for (;;) {
		p = content(d);
		if (is_stored_edit(d, &b) && d->ed[d->idx].at == p) {
			if ((rc = imgp_deflate_open_gap(d, bitpos(d))) != 0)
				return rc;
			stored_insert(d, &b);
			if (!d->mid.full)
				continue;
		}
		if (d->mid.full)
			return imgp_deflate_give_up(d, TOO_MANY);
		if (d->pass != NULL && d->started &&
		    (rc = imgp_respell_drain(d)) != 0)
			return rc;
		if (p == b.end)
			break;
		if ((rc = stored_next(d, &b, p, &n)) != 0 || d->done ||
		    (rc = stored_take(d, n, &got)) != 0)
			return rc;
		if (p >= d->skip && d->started) {
			b.chunk -= got;
			b.left -= got;
		}
	}
	imgp_deflate_close_gap(d, bitpos(d));
	return 0;
}

/*
 * In a pass no block of the source is the last one: one of its own is.  A stored
 * block gets another header anyway.
 */
static int
pass_final(struct imgp_deflate *d)
{
	int rc;

	d->detours = 0;
	d->pass->stored += d->type == 0;
	d->pass->finals += (unsigned)d->final;
	if (!d->final)
		return 0;
	d->final = 0;
	if (d->type == 0 || d->pass->trace != NULL)
		return 0;
	if ((rc = imgp_deflate_open_gap(d, d->hdr)) != 0)
		return rc;
	put(&d->mid, 0, 1);
	imgp_deflate_close_gap(d, d->hdr + 1);
	return 0;
}

static int
block(struct imgp_deflate *d)
{
	int rc, last;

	if (d->last)
		return d->pass != NULL ? imgp_respell_ended(d) : finish(d);
	if (d->idx == d->n && content(d) >= d->mark &&
	    ((rc = try_cut_between(d)) != 0 || d->done))
		return rc;
	if (d->pass == NULL &&
	    d->blocks++ >= BLOCKS_MAX + content(d) / BLOCK_MIN)
		return imgp_deflate_decline(d,
		    "too many small blocks before the change");
	if ((rc = imgp_deflate_need_header(d)) != 0)
		return rc;
	if (d->mid.full)
		return imgp_deflate_give_up(d, TOO_MANY);
	if (d->pass != NULL && d->started &&
	    (rc = imgp_respell_drain(d)) != 0)
		return rc;
	d->hdr = bitpos(d);
	d->hdrmid = NOWHERE;
	d->final = (int)take(d, 1);
	d->type = take(d, 2);
	if (is_past_end(d))
		return imgp_deflate_damaged(d, "the stream is cut short");
	if (d->started) {
		settle(d, d->hdr);
		d->hdrmid = bits_in(&d->mid);
	}
	last = d->final;
	if (d->pass != NULL && (rc = pass_final(d)) != 0)
		return rc;
	rc = d->type == 0 ? stored(d) : d->type == 1 ? fixed(d) :
	    d->type == 2 ? dynamic(d) :
	    imgp_deflate_damaged(d, "invalid block type");
	if (rc == 0 && !d->done)
		d->last = last;
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

	d->ed = d->few;
	d->delta = d->fewdelta;
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
			return imgp_deflate_decline(d, "too much to insert");
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

/* Begin with the stream ${src}; NULL: the one we are at, once more. */
int
imgp_deflate_start(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    struct imgp_err *e)
{
	d->e = e;
	d->peeking = 0;
	if (src != NULL) {
		d->src = src;
		d->known = NOWHERE;
	}
	if (src != NULL || d->inoff > 0) {
		d->inoff = 0;
		d->inlen = 0;
		d->eof = 0;
	}
	d->ip = d->in;
	d->bits = 0;
	d->nbits = 0;
	d->n = 0;
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
	d->origin = 0;
	d->flushed = 0;
	d->done = 0;
	d->started = 0;
	d->gap = 0;
	d->from = 0;
	d->gapmid = NOWHERE;
	d->gapdone = d->gapprev = 0;
	d->cleared = 0;
	d->mid = (struct bitw){ .buf = d->midbuf, .max = MID_MAX };
	imgp_deflate_undo_start(d);
	if (d->src->len > UINT64_MAX / 16 || d->src->size > INT64_MAX / 2)
		return imgp_deflate_decline(d, "too large");
	return 0;
}

/* Block by block, until the cut or the end. */
int
imgp_deflate_go(struct imgp_deflate *d)
{
	int rc = d->inlen > 0 ? 0 : imgp_deflate_fill(d);

	while (rc == 0 && !d->done)
		rc = block(d);
	return rc;
}

/* Stopped by a peek: go on. */
static int
resume(struct imgp_deflate *d)
{
	int rc;

	if (d->last)
		return 0;	/* that was all */
	d->done = 0;
	if (d->cut_in_words) {
		if ((rc = coded(d)) != 0)
			return rc;
		if (!d->done)
			d->last = d->final;
	}
	return imgp_deflate_go(d);
}

int
imgp_deflate_peek(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    size_t want, struct imgp_err *e)
{
	const int again = src == NULL && d->peeking;
	int rc = 0;

	d->pass = NULL;
	if (!again && (rc = imgp_deflate_start(d, src, e)) != 0)
		return rc;
	/* A plan without edits, the cut where the wish is fulfilled. */
	d->e = e;
	d->mark = d->give_up = min64(want, IMGP_DEFLATE_PEEK);
	rc = again ? resume(d) : imgp_deflate_go(d);
	/* In a stored block it cannot be gone on. */
	d->peeking = rc == 0 && d->type != 0;
	if (rc != 0)
		return rc;
	return content(d) <= d->src->size ? 0 :
	    imgp_deflate_damaged(d, "more content than said");
}

size_t
imgp_deflate_seen(const struct imgp_deflate *d, const unsigned char **p)
{
	*p = d->win;
	return d->winoff > 0 ? 0 : (size_t)(d->op - d->win);
}

/* Read on behind the cut, for a word or some that only the tail has. */
static void
probe(struct imgp_deflate *d, struct imgp_deflate_plan *p)
{
	unsigned char *from = d->op;
	enum stop stop = MORE;

	if (d->cut_in_words)
		stop = imgp_deflate_decode(d, content(d) + PROBE, NOWHERE, 0);
	if (stop == BAD_WORD || stop == BAD_DIST || is_past_end(d) ||
	    content(d) > d->src->size)
		d->op = from;
	p->probe.len = p->newhead.len + (uint64_t)(d->op - from);
	p->probe.crc = crc32_gzip_refl(d->newcrc, from,
	    (uint64_t)(d->op - from));
}

/* What lies in in[] is taken from there. */
static void
take_from_memory(struct imgp_deflate *d, struct imgp_deflate_plan *p)
{
	const uint64_t from = d->inoff, to = d->inoff + d->inlen;
	struct imgp_deflate_piece old[IMGP_DEFLATE_PIECES], *v = p->piece;
	size_t i, n = p->pieces;
	uint64_t k;

	memcpy(old, p->piece, sizeof(old));
	for (i = 0; i < n; i++) {
		struct imgp_deflate_piece x = old[i];

		if (x.mem != NULL || x.off >= to || x.off + x.len <= from) {
			*v++ = x;
			continue;
		}
		if (x.off < from) {
			*v = x;
			v->len = from - x.off;
			x.off += v->len;
			x.len -= v->len;
			v++;
		}
		k = min64(x.len, to - x.off);
		*v++ = (struct imgp_deflate_piece){ d->in + (x.off - from), 0,
		    k };
		x.off += k;
		x.len -= k;
		if (x.len > 0)
			*v++ = x;
	}
	p->pieces = (size_t)(v - p->piece);
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
	d->pass = NULL;
	if ((rc = imgp_deflate_start(d, src, e)) != 0 ||
	    (rc = set_edits(d, edit, n)) != 0)
		return rc;
	src = d->src;
	p->edit = edit;
	p->edits = n;
	if (d->n == 0) {
		copy_plan(d, p);
		imgp_deflate_undo_finish(d, p);
		return 0;
	}
	if ((rc = imgp_deflate_go(d)) != 0)
		return rc;
	if (d->gapmid != NOWHERE && imgp_deflate_undo_gap(d) == -1)
		return imgp_deflate_decline(d, "too much was changed");
	if (d->mid.full)
		return imgp_deflate_give_up(d, TOO_MANY);
	imgp_deflate_crc_to(d, content(d));
	p->head.len = content(d);
	p->head.crc = d->crc;
	p->newhead.len = p->head.len + (uint64_t)moved(d, d->n);
	p->newhead.crc = d->newcrc;
	probe(d, p);
	if (p->head.len > src->size)
		return imgp_deflate_damaged(d, "more content than said");
	p->size = src->size + (uint64_t)moved(d, d->n);
	p->crc = p->head.crc ^ p->newhead.crc;
	if (src->size > p->head.len)	/* older zlibs get 0 wrong */
		p->crc = (uint32_t)crc32_combine(p->crc, 0,
		    (z_off_t)(src->size - p->head.len));
	p->crc ^= src->crc;
	if ((rc = imgp_deflate_pieces(d, p, 0)) != 0)
		return rc;
	p->probe.stream = min64(p->len, p->len - (src->len - d->tail) +
	    PROBE_STREAM);
	take_from_memory(d, p);
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

int
imgp_deflate_give_up(struct imgp_deflate *d, const char *what)
{
	return d->pass != NULL && d->pass->failed ? -1 :
	    imgp_deflate_decline(d, what);
}

/* --- the rest of the interface ------------------------------------------ */

struct imgp_deflate *
imgp_deflate_new(void)
{
	struct imgp_deflate *d = imgp_alloc(sizeof(*d));

	imgp_deflate_code_fixed(&d->fixed);
	d->ed = d->few;
	d->delta = d->fewdelta;
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
			return imgp_fail(e, IMGP_E_STORE_IO,
			    "deflate: the file became shorter");
		imgp_worker_beat();
		got += (size_t)n;
	}
	return 0;
}
