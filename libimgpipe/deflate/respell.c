/*
 * A pass through a whole stream, for respell.h.  deflate_block.c's walk does it: it
 * makes no cut, mid is written as it fills, and edits come as they are needed.
 * No phase has to be mended, as all bits are moved.  A pass ends no block of
 * the source as the final one, for by then the words in front are gone; an empty
 * block of its own ends the stream.
 *
 * The way back is the row of gaps that deflate_undo.c describes, without its
 * head: copy drop keep bytes, until both streams end.
 */
#include <stdlib.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/deflate/deflate_priv.h"

#define FLUSH	((size_t)64 << 10)	/* of mid */
#define NEED	(IN_HEADER + 16)	/* bytes that are read at a place */
#define BACK	((size_t)32 << 10)	/* of the new stream, on the way back */
#define FORGET	256			/* edits; divides PASS_EDITS */
#define GAP	((uint64_t)4096 * 8)	/* bits of the source; with what is read
					 * at once less than OLD_MAX */

int
imgp_respell_failed(struct imgp_deflate *d)
{
	d->pass->failed = 1;
	d->mid.full = 1;
	return -1;
}

/* --- edits ---------------------------------------------------------------- */

/* Edits that no copy from here on can reach are of no use any more. */
static void
forget(struct imgp_deflate *d)
{
	struct pass *s = d->pass;
	uint64_t p = content(d);
	size_t n = 0;

	while (n < d->idx && s->ed[n].at + s->ed[n].del + DIST_MAX <= p)
		n++;
	if (n == 0)
		return;
	memmove(s->ed, s->ed + n, (d->n - n) * sizeof(*s->ed));
	memmove(s->ins, s->ins + n, (d->n - n) * sizeof(*s->ins));
	memmove(s->delta, s->delta + n, (d->n - n + 1) * sizeof(*s->delta));
	d->n -= n;
	d->idx -= n;
}

static int
add_edit(struct imgp_deflate *d, const struct imgp_respell_edit *x)
{
	struct pass *s = d->pass;
	struct imgp_deflate_edit *to = &s->ed[d->n];
	uint64_t p = content(d), end = p > d->skip ? p : d->skip;

	if (d->n > 0 && d->idx < d->n)
		end = to[-1].at + to[-1].del;
	if (x->at < end || x->at > INT64_MAX / 4 || x->del > INT64_MAX / 4 ||
	    x->inslen > INT64_MAX / 4) {
		imgp_fail(d->e, IMGP_E_INTERNAL, "deflate: edits out of order");
		return imgp_respell_failed(d);
	}
	if (x->del == 0 && x->inslen == 0)
		return 0;
	*to = (struct imgp_deflate_edit){ x->at, x->del, NULL, x->inslen };
	s->ins[d->n] = x->ins;
	s->delta[d->n + 1] = s->delta[d->n] + (int64_t)x->inslen -
	    (int64_t)x->del;
	d->n++;
	return 0;
}

int
imgp_respell_next_edits(struct imgp_deflate *d)
{
	const uint64_t upto = content(d) + PASS_AHEAD;
	struct pass *s = d->pass;
	struct imgp_respell_edit x;
	int rc;

	while (!s->all && (d->idx == d->n || s->ed[d->n - 1].at <= upto)) {
		if (d->n % FORGET == 0)
			forget(d);
		if (d->n == PASS_EDITS)
			return imgp_deflate_decline(d, "too many edits");
		if ((rc = s->io->edit(s->io->arg, &x, d->e)) == -1)
			return imgp_respell_failed(d);
		if (rc == 0)
			s->all = 1;
		else if (add_edit(d, &x) == -1)
			return -1;
	}
	return 0;
}

size_t
imgp_respell_inserted(struct imgp_deflate *d, size_t i, size_t from,
    const unsigned char **p)
{
	struct pass *s = d->pass;
	size_t n = (size_t)min64(s->ed[i].inslen - from, PASS_INSERT);

	if (s->failed)
		return 0;
	if ((d->mid.pos > FLUSH && imgp_respell_drain(d) != 0) ||
	    s->io->inserted(s->io->arg, s->ins[i] + from, s->buf, n,
	    d->e) == -1) {
		imgp_respell_failed(d);
		return 0;
	}
	*p = s->buf;
	return n;
}

/* --- writing -------------------------------------------------------------- */

int
imgp_respell_drain_undo(struct imgp_deflate *d)
{
	const struct imgp_respell *io = d->pass->io;
	size_t n = d->undopos - UNDO_HEAD;

	d->undopos = UNDO_HEAD;
	if (io->undo == NULL || n == 0)
		return 0;
	return io->undo(io->arg, d->undobuf + UNDO_HEAD, n, d->e) == -1 ?
	    imgp_respell_failed(d) : 0;
}

/* End the gap at the last source bit that went to old, and begin another. */
static int
split_gap(struct imgp_deflate *d)
{
	d->gapdone = d->from;
	if (imgp_deflate_undo_gap(d) == -1)
		return imgp_deflate_give_up(d, "too much was changed");
	d->gapfrom = d->from;
	d->gapmid = midbits(d);
	return 0;
}

int
imgp_respell_write_mid(struct imgp_deflate *d)
{
	const struct imgp_respell *io = d->pass->io;
	size_t n = d->mid.pos;

	d->flushed += n;
	d->mid.pos = 0;
	return n > 0 && io->write(io->arg, d->midbuf, n, d->e) == -1 ?
	    imgp_respell_failed(d) : 0;
}

int
imgp_respell_drain(struct imgp_deflate *d)
{
	int rc;

	if (d->mid.full)
		return imgp_deflate_give_up(d, "too much at once");
	if (bits_in(&d->old) > GAP && (d->gap || d->from == d->gapdone) &&
	    (rc = split_gap(d)) != 0)
		return rc;
	return d->mid.pos > FLUSH ? imgp_respell_write_mid(d) : 0;
}

/* --- reading elsewhere ---------------------------------------------------- */

int
imgp_respell_load(struct imgp_deflate *d, uint64_t at, size_t need, size_t want)
{
	const uint64_t left = d->src->len - at;
	size_t n = (size_t)min64(left, want);

	if (at >= d->inoff && at + min64(left, need) <= d->inoff + d->inlen)
		return 0;
	d->inoff = at;
	d->inlen = n;
	if (d->src->read(d->src->arg, at, d->in, n, d->e) == -1)
		return imgp_respell_failed(d);
	d->eof = n == left;
	if (d->eof)
		memset(d->in + n, 0, IN_PAD);
	d->iplim = d->in + n + (d->eof ? IN_PAD : 0) - 16;
	return 0;
}

int
imgp_respell_seek(struct imgp_deflate *d, uint64_t bit, size_t want)
{
	if (imgp_respell_load(d, bit >> 3, NEED, want) == -1)
		return -1;
	d->ip = d->in + ((bit >> 3) - d->inoff);
	d->bits = 0;
	d->nbits = 0;
	if (bit & 7)
		take(d, bit & 7);
	return 0;
}

/* --- where a stream ends -------------------------------------------------- */

/* Source bits up to byte ${to} go to old; they need not be in in[]. */
static int
pass_over(struct imgp_deflate *d, uint64_t to)
{
	const struct imgp_respell *io = d->pass->io;
	unsigned char buf[1024 + 8] = { 0 };
	uint64_t at;
	size_t n;
	int rc;

	while (d->from < to * 8) {
		at = d->from >> 3;
		n = (size_t)min64(to - at, sizeof(buf) - 8);
		if (io->read(io->arg, at, buf, n, d->e) == -1)
			return imgp_respell_failed(d);
		imgp_deflate_put_run(&d->old, buf, (unsigned)(d->from & 7),
		    (at + n) * 8 - d->from);
		d->from = (at + n) * 8;
		if ((rc = imgp_respell_drain(d)) != 0)
			return rc;
	}
	return 0;
}

/* On with the stream that begins at byte ${at}, as if it were the same. */
static int
go_on(struct imgp_deflate *d, uint64_t at)
{
	int rc;

	if ((rc = pass_over(d, at)) != 0)
		return rc;
	d->gap = 0;
	d->gapdone = d->from;
	d->origin = content(d);
	d->last = 0;
	d->pass->finals++;
	return imgp_respell_seek(d, at * 8, IN_SIZE);
}

static int
end_pass(struct imgp_deflate *d, uint64_t end)
{
	uint64_t p = content(d);
	int rc;

	if ((rc = imgp_respell_next_edits(d)) != 0)
		return rc;
	if (d->idx < d->n && d->ed[d->idx].at == p)
		imgp_deflate_insert_last(d, p);
	if (d->idx < d->n || p < d->skip)
		return imgp_deflate_damaged(d,
		    "the content ends before the change");
	put(&d->mid, 3, 10);
	put(&d->mid, 0, (8 - d->mid.n) & 7);
	if ((rc = pass_over(d, end)) != 0)
		return rc;
	d->gap = 0;
	d->gapdone = d->from;
	if (d->mid.full || imgp_deflate_undo_gap(d) == -1)
		return imgp_deflate_give_up(d, "too much was changed");
	d->done = 1;
	return imgp_respell_write_mid(d);
}

int
imgp_respell_ended(struct imgp_deflate *d)
{
	const struct imgp_respell *io = d->pass->io;
	uint64_t end, next;
	int rc;

	if (is_past_end(d))
		return imgp_deflate_damaged(d, "the stream is cut short");
	if (d->pass->trace != NULL)
		return imgp_respell_decoded(d);
	if ((rc = imgp_deflate_open_gap(d, bitpos(d))) != 0)
		return rc;
	end = (bitpos(d) + 7) >> 3;
	if ((rc = io->more(io->arg, end, &next, d->e)) == -1)
		return imgp_respell_failed(d);
	if (rc == 0)
		return end_pass(d, end);
	if (next < end || next >= io->len)
		return imgp_deflate_damaged(d, "the stream is cut short");
	return go_on(d, next);
}

/* A pass through ${len} bytes that ${read} gives. */
static int
run(struct imgp_deflate *d, struct pass *s, imgp_deflate_read *read, void *arg,
    uint64_t len, struct imgp_err *e)
{
	int rc;

	s->src = (struct imgp_deflate_src){ read, arg, len, INT64_MAX / 4, 0 };
	d->pass = s;
	d->ed = s->ed;
	d->delta = s->delta;
	if ((rc = imgp_deflate_start(d, &s->src, e)) == 0) {
		d->mark = d->give_up = NOWHERE;
		d->started = s->trace == NULL;
		d->midoff = 0;
		d->gapfrom = d->gapmid = 0;	/* a gap at 0 goes on from that */
		rc = imgp_deflate_go(d);
	}
	d->pass = NULL;
	d->log = NULL;
	d->src = NULL;
	d->ed = d->few;
	d->delta = d->fewdelta;
	return rc;
}

/* In the memory of the last one, if there was one. */
static struct pass *
new_pass(struct imgp_deflate *d)
{
	if (d->room == NULL)
		d->room = imgp_alloc(sizeof(*d->room));
	memset(d->room, 0, offsetof(struct pass, delta));
	d->room->delta[0] = 0;
	return d->room;
}

int
imgp_respell_stream(struct imgp_deflate *d, const struct imgp_respell *r,
    struct imgp_err *e)
{
	struct pass *s = new_pass(d);

	s->io = r;
	return run(d, s, r->read, r->arg, r->len, e);
}

int
imgp_respell_decode(struct imgp_deflate *d, const struct imgp_respell_trace *t,
    struct imgp_err *e)
{
	struct pass *s = new_pass(d);

	s->trace = t;
	return run(d, s, t->read, t->arg, t->len, e);
}

/* --- the way back --------------------------------------------------------- */

struct back {
	const struct imgp_respell_back *io;
	struct imgp_err	*e;
	uint64_t	 pos;		/* bits of the new stream so far */
	uint64_t	 inoff;		/* in[] has inlen bytes from there */
	size_t		 inlen;
	size_t		 reclen, recpos;
	struct bitw	 out;
	unsigned char	 in[BACK + 8], rec[4096 + 8];
	unsigned char	 outbuf[2 * BACK + 8];
};

static int
no_fit(struct back *b)
{
	return imgp_fail(b->e, IMGP_E_STAMP_CHECK,
	    "deflate: the undo record does not fit the stream");
}

/* The record's next byte: 0..255; -2 at its end; -1. */
static int
next_byte(struct back *b)
{
	long n;

	if (b->recpos == b->reclen) {
		n = b->io->undo(b->io->arg, b->rec, sizeof(b->rec) - 8, b->e);
		if (n <= 0)
			return n == 0 ? -2 : -1;
		b->reclen = (size_t)n;
		b->recpos = 0;
	}
	return b->rec[b->recpos++];
}

/* 1; 0 where the record ends, if it ${may}; -1. */
static int
next_number(struct back *b, uint64_t *v, int may)
{
	unsigned shift;
	int c;

	*v = 0;
	for (shift = 0; shift < 63; shift += 7) {
		if ((c = next_byte(b)) == -1)
			return -1;
		if (c == -2)
			return may && shift == 0 ? 0 : no_fit(b);
		*v |= (uint64_t)(c & 127) << shift;
		if ((c & 128) == 0)
			return 1;
	}
	return no_fit(b);
}

/* Write what is there, if it is more than ${most} bytes. */
static int
write_out(struct back *b, size_t most)
{
	size_t n = b->out.pos;

	if (n <= most)
		return 0;
	b->out.pos = 0;
	return b->io->write(b->io->arg, b->outbuf, n, b->e);
}

/* ${n} bits of the new stream are the source's. */
static int
copy_new(struct back *b, uint64_t n)
{
	const uint64_t to = b->pos + n;
	uint64_t at, end;

	while (b->pos < to) {
		at = b->pos >> 3;
		if (at < b->inoff || at >= b->inoff + b->inlen) {
			b->inoff = at;
			b->inlen = (size_t)min64(b->io->len - at, BACK);
			if (b->io->read(b->io->arg, at, b->in, b->inlen,
			    b->e) == -1)
				return -1;
		}
		end = min64(to, (b->inoff + b->inlen) * 8);
		imgp_deflate_put_run(&b->out, b->in + (at - b->inoff),
		    (unsigned)(b->pos & 7), end - b->pos);
		b->pos = end;
		if (write_out(b, BACK / 2) == -1)
			return -1;
	}
	return 0;
}

/* ${n} bits of the source are in the record. */
static int
take_old(struct back *b, uint64_t n)
{
	unsigned k;
	int c;

	for (; n > 0; n -= k) {
		if ((c = next_byte(b)) < 0)
			return c == -1 ? -1 : no_fit(b);
		k = n < 8 ? (unsigned)n : 8;
		put(&b->out, (unsigned)c & ((1U << k) - 1), k);
		/* Not later: copy_new() adds BACK at once. */
		if (write_out(b, BACK / 2) == -1)
			return -1;
	}
	return 0;
}

static int
go_back(struct back *b)
{
	uint64_t copy, drop, keep, bits = b->io->len * 8;
	int rc;

	while ((rc = next_number(b, &copy, 1)) == 1) {
		if (next_number(b, &drop, 0) == -1 ||
		    next_number(b, &keep, 0) == -1)
			return -1;
		if (copy > bits - b->pos || drop > bits - b->pos - copy)
			return no_fit(b);
		if (copy_new(b, copy) == -1 || take_old(b, keep) == -1)
			return -1;
		b->pos += drop;
	}
	if (rc == -1)
		return -1;
	if (b->pos != bits || b->out.n != 0 || b->out.full)
		return no_fit(b);
	return write_out(b, 0);
}

int
imgp_respell_undo(const struct imgp_respell_back *io, struct imgp_err *e)
{
	struct back *b = imgp_alloc_bytes(sizeof(*b));
	int rc;

	memset(b, 0, offsetof(struct back, in));
	b->io = io;
	b->e = e;
	b->out = (struct bitw){ .buf = b->outbuf, .max = 2 * BACK };
	rc = io->len > UINT64_MAX / 16 ? no_fit(b) : go_back(b);
	free(b);
	return rc;
}
