/*
 * Stored blocks: their bytes are taken over, under headers of new lengths where an
 * edit changes them.  This file must not know codes.
 */
#include "libimgpipe/deflate/deflate_priv.h"

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
		imgp_deflate_cut(d);
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

int
imgp_deflate_stored(struct imgp_deflate *d)
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
