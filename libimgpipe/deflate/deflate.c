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
 *	deflate.c	the edits, the plan
 *	deflate_block.c	blocks, their headers, their words
 *	deflate_stored.c	stored blocks
 *	deflate_cut.c	the cut, the phase
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
#define PROBE		256		/* bytes behind the cut */
#define PROBE_STREAM	1024		/* bytes of stream that hold them */

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

/* Stopped by a peek: go on. */
static int
resume(struct imgp_deflate *d)
{
	int rc;

	if (d->last)
		return 0;	/* that was all */
	d->done = 0;
	if (d->cut_in_words) {
		if ((rc = imgp_deflate_words(d)) != 0)
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
	free(d->room);
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
