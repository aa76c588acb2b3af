/*
 * The blocks of a stream, one after the other: their headers are read, and their
 * words decoded up to where there is something to do.  This file must not know what
 * becomes of the new words.
 */
#include "libimgpipe/deflate/deflate_priv.h"

#define BLOCKS_MAX	4096		/* in front of the cut, and one more */
#define BLOCK_MIN	1024		/* for so many bytes of content */

/* --- words ---------------------------------------------------------------- */

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
	if (d->log != NULL && to->low < d->pass->here.floor)
		to->low = d->pass->here.floor;
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
	if (d->pass != NULL && !d->alien &&
	    (rc = imgp_respell_jump(d)) != 0)
		return rc == 2 ? set_out(d, to) : rc;
	if (d->idx < d->n)
		to->soft = to->hard = d->ed[d->idx].at;
	else if (p < d->mark)
		to->soft = d->mark;
	else {
		to->searching = 1;
		to->soft = d->give_up;
		to->low = NOWHERE;
		return imgp_deflate_try_cut(d);
	}
	if (d->pass != NULL)
		to->soft = min64(to->soft, imgp_respell_ahead(d, p));
	return 0;
}

/* The literals from ${p} on, decoded from source bit ${from}, in a detour. */
static void
put_alien(struct imgp_deflate *d, uint64_t p, uint64_t from, enum stop stop)
{
	uint64_t had = bits_in(&d->mid);
	uint64_t to = stop == MORE ? bitpos(d) : d->tok.start;
	size_t n;

	for (; p < content(d); p += n) {
		n = (size_t)min64(content(d) - p, PASS_TEXT / 2);
		imgp_deflate_put_literals(d, imgp_deflate_text(d, p, n), n);
	}
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

int
imgp_deflate_words(struct imgp_deflate *d)
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
			rc = to.searching ? imgp_deflate_mend_phase(d) :
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

/* --- headers -------------------------------------------------------------- */

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
	return imgp_deflate_words(d);
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

	return rc != 0 ? rc : imgp_deflate_words(d);
}

/* --- blocks --------------------------------------------------------------- */

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
		return d->pass != NULL ? imgp_respell_ended(d) :
		    imgp_deflate_finish(d);
	if (d->idx == d->n && content(d) >= d->mark &&
	    ((rc = imgp_deflate_try_cut_between(d)) != 0 || d->done))
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
	rc = d->type == 0 ? imgp_deflate_stored(d) : d->type == 1 ? fixed(d) :
	    d->type == 2 ? dynamic(d) :
	    imgp_deflate_damaged(d, "invalid block type");
	if (rc == 0 && !d->done)
		d->last = last;
	return rc;
}

int
imgp_deflate_go(struct imgp_deflate *d)
{
	int rc = d->inlen > 0 ? 0 : imgp_deflate_fill(d);

	while (rc == 0 && !d->done)
		rc = block(d);
	return rc;
}
