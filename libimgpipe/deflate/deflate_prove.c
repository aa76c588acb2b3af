/*
 * Proof that a plan's stream is right, by decoders that are not ours, and the
 * writing of it.  Nothing here knows how the plan came about.
 */
#include <stdlib.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/deflate/deflate_priv.h"

#define OUT_SIZE	131072
#define PULL_SIZE	16384

/* The bytes of a row of pieces, in order. */
struct feed {
	const struct imgp_deflate_src *src;
	const struct imgp_deflate_piece *piece;
	size_t		 left;		/* pieces */
	uint64_t	 at;		/* in the piece at hand */
};

/* A zlib decoder of a feed. */
struct pull {
	struct feed	 feed;
	z_stream	 z;
	int		 made, done, bad;
	unsigned char	 in[PULL_SIZE], out[PULL_SIZE];
	size_t		 pos, len;	/* of what is in out[] */
};

struct prover {
	struct inflate_state isal;
	struct pull	 old, new;
	unsigned char	 io[IO_SIZE], out[OUT_SIZE];
};

_Static_assert(sizeof(struct imgp_deflate) + sizeof(struct prover) +
    2 * 49152 /* of zlib */ <= IMGP_DEFLATE_MEMORY, "memory as said");

static struct prover *
prover(struct imgp_deflate *d)
{
	if (d->prover == NULL)
		d->prover = imgp_alloc(sizeof(*d->prover));
	return d->prover;
}

void
imgp_deflate_prover_free(struct prover *v)
{
	if (v == NULL)
		return;
	if (v->old.made)
		inflateEnd(&v->old.z);
	if (v->new.made)
		inflateEnd(&v->new.z);
	free(v);
}

/* Up to ${size} bytes into ${buf}: how many, 0 at the end, or -1. */
static ssize_t
feed(struct feed *f, unsigned char *buf, size_t size, struct imgp_err *e)
{
	const struct imgp_deflate_piece *p;
	size_t got = 0, n;

	while (got < size && f->left > 0) {
		p = f->piece;
		if (f->at == p->len) {
			f->piece++;
			f->left--;
			f->at = 0;
			continue;
		}
		n = size - got;
		if (n > p->len - f->at)
			n = (size_t)(p->len - f->at);
		if (p->mem != NULL)
			memcpy(buf + got, p->mem + f->at, n);
		else if (f->src->read(f->src->arg, p->off + f->at, buf + got,
		    n, e) == -1)
			return -1;
		f->at += n;
		got += n;
	}
	return (ssize_t)got;
}

static int
is_empty(const struct feed *f)
{
	uint64_t at = f->at;
	size_t i;

	for (i = 0; i < f->left; i++, at = 0)
		if (f->piece[i].len > at)
			return 0;
	return 1;
}

/* Show ${p}'s ${see} what is decoded; NULL once it has seen enough. */
static const struct imgp_deflate_plan *
show(const struct imgp_deflate_plan *p, const unsigned char *s, size_t len)
{
	return p != NULL && p->see != NULL && len > 0 &&
	    p->see(p->see_arg, s, len) == 0 ? p : NULL;
}

/*
 * 1: the feed holds what is said; 0: it does not; -1: it cannot be read.
 * ${shown} (or NULL) is the plan that wants to see it.
 */
static int
holds(struct prover *v, struct feed f, uint64_t size, uint32_t crc,
    const struct imgp_deflate_plan *shown, struct imgp_err *e)
{
	struct inflate_state *s = &v->isal;
	uint64_t total = 0;
	uint32_t have = 0;
	ssize_t n;
	size_t got;

	isal_inflate_init(s);
	s->crc_flag = ISAL_DEFLATE;
	do {
		if (s->avail_in == 0) {
			if ((n = feed(&f, v->io, sizeof(v->io), e)) == -1)
				return -1;
			s->next_in = v->io;
			s->avail_in = (uint32_t)n;
		}
		s->next_out = v->out;
		s->avail_out = sizeof(v->out);
		if (isal_inflate(s) < 0)
			return 0;
		got = sizeof(v->out) - s->avail_out;
		have = crc32_gzip_refl(have, v->out, got);
		if (shown != NULL && got > 0)
			shown = show(shown, v->out, got);
		total += got;
		if (total > size)
			return 0;
		if (got == 0 && s->avail_in == 0 && is_empty(&f) &&
		    s->block_state != ISAL_BLOCK_FINISH)
			return 0;
	} while (s->block_state != ISAL_BLOCK_FINISH);
	/* nothing may follow, be it unread or read ahead */
	if (s->avail_in > 0 || s->read_in_length >= 8 ||
	    !is_empty(&f))
		return 0;
	return total == size && have == crc;
}

static int
damaged_source(struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED,
	    "deflate: the content is not what its CRC and size say");
}

int
imgp_deflate_verify(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    const struct imgp_deflate_plan *p, struct imgp_err *e)
{
	struct imgp_deflate_piece all = { NULL, 0, src->len };
	struct prover *v = prover(d);
	int rc;

	rc = holds(v, (struct feed){ src, p->piece, p->pieces, 0 }, p->size,
	    p->crc, p, e);
	if (rc != 0)
		return rc == 1 ? 0 : -1;
	rc = holds(v, (struct feed){ src, &all, 1, 0 }, src->size, src->crc,
	    NULL, e);
	if (rc == -1)
		return -1;
	return rc == 0 ? damaged_source(e) : imgp_fail(e, IMGP_E_STAMP_CHECK,
	    "deflate: the patched stream is not what was planned");
}

/* --- content as it comes, by zlib --------------------------------------- */

static int
pull_start(struct pull *s, const struct imgp_deflate_src *src,
    const struct imgp_deflate_piece *piece, size_t n, struct imgp_err *e)
{
	s->feed = (struct feed){ src, piece, n, 0 };
	s->z.next_in = s->in;
	s->z.avail_in = 0;
	s->pos = s->len = 0;
	s->done = s->bad = 0;
	if (!s->made && inflateInit2(&s->z, -15) != Z_OK)
		return imgp_fail(e, IMGP_E_MEMORY, "deflate: inflateInit");
	s->made = 1;
	inflateReset(&s->z);
	return 0;
}

/*
 * See to it that there is content in out[pos .. len-1].  1: there is; 0: the
 * stream has ended; -1: it cannot be read; -2: what follows is not a valid
 * stream.
 */
static int
pull(struct pull *s, struct imgp_err *e)
{
	ssize_t n;
	int rc;

	while (s->pos == s->len) {
		if (s->done || s->bad)
			return s->bad ? -2 : 0;
		if (s->z.avail_in == 0) {
			n = feed(&s->feed, s->in, sizeof(s->in), e);
			if (n == -1)
				return -1;
			s->z.next_in = s->in;
			s->z.avail_in = (uInt)n;
		}
		s->z.next_out = s->out;
		s->z.avail_out = sizeof(s->out);
		rc = inflate(&s->z, Z_NO_FLUSH);
		if (rc == Z_MEM_ERROR)
			imgp_oom();
		s->done = rc == Z_STREAM_END;
		s->bad = s->done ? s->z.avail_in > 0 || !is_empty(&s->feed) :
		    rc != Z_OK;
		s->pos = 0;
		s->len = sizeof(s->out) - s->z.avail_out;
	}
	return 1;
}

/* --- a glance ----------------------------------------------------------- */

/*
 * The CRC of the probe; both its content and the stream that holds it fit the
 * buffers.  isal_inflate() would decode up to
 * 64 KiB ahead; this stops where out[] ends.  1, or as pull().
 */
static int
crc_of_short(struct prover *v, struct feed *f,
    const struct imgp_deflate_plan *p, uint32_t *crc, struct imgp_err *e)
{
	struct inflate_state *s = &v->isal;
	const uint64_t len = p->probe.len;
	ssize_t n;

	if ((n = feed(f, v->io, (size_t)p->probe.stream, e)) == -1)
		return -1;
	isal_inflate_init(s);
	s->next_in = v->io;
	s->avail_in = (uint32_t)n;
	s->next_out = v->out;
	s->avail_out = (uint32_t)len;
	/* what it says of the stream behind out[]'s end is of no interest */
	(void)isal_inflate_stateless(s);
	if (s->avail_out > 0)
		return -2;
	*crc = crc32_gzip_refl(0, v->out, len);
	show(p, v->out, len);
	return 1;
}

/* The same, of any length: with zlib. */
static int
crc_of_long(struct pull *new, const struct imgp_deflate_plan *p, uint32_t *crc,
    struct imgp_err *e)
{
	const struct imgp_deflate_plan *shown = p;
	uint64_t len = p->probe.len;
	size_t n;
	int rc;

	for (*crc = 0; len > 0; len -= n) {
		if ((rc = pull(new, e)) != 1)
			return rc == 0 ? -2 : rc;
		n = (size_t)min64(len, new->len - new->pos);
		*crc = crc32_gzip_refl(*crc, new->out + new->pos, n);
		shown = show(shown, new->out + new->pos, n);
		new->pos += n;
	}
	return 1;
}

int
imgp_deflate_glance(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    const struct imgp_deflate_plan *p, struct imgp_err *e)
{
	struct feed f = { src, p->piece, p->pieces, 0 };
	struct prover *v = prover(d);
	uint32_t crc = 0;
	int rc;

	if (p->probe.len == 0)
		return 0;
	if (p->probe.stream <= sizeof(v->io) && p->probe.len <= sizeof(v->out))
		rc = crc_of_short(v, &f, p, &crc, e);
	else if ((rc = pull_start(&v->new, src, p->piece, p->pieces, e)) == 0)
		rc = crc_of_long(&v->new, p, &crc, e);
	if (rc == -2 || (rc == 1 && crc != p->probe.crc))
		return imgp_fail(e, IMGP_E_STAMP_CHECK,
		    "deflate: the patched stream is not what was planned");
	return rc == 1 ? 0 : -1;
}

/* --- the source and the new stream -------------------------------------- */

static int
differ(struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_STAMP_CHECK,
	    "deflate: the patched stream does not hold what was intended");
}

/* The new content goes on with these bytes: 0, or -1. */
static int
expect(struct pull *new, const unsigned char *s, size_t len,
    struct imgp_err *e)
{
	size_t n;
	int rc;

	for (; len > 0; len -= n, s += n) {
		if ((rc = pull(new, e)) == -1)
			return -1;
		n = new->len - new->pos;
		if (n > len)
			n = len;
		if (rc != 1 || memcmp(new->out + new->pos, s, n) != 0)
			return differ(e);
		new->pos += n;
	}
	return 0;
}

/* Compare as imgp_deflate_check() says, up to ${end} of the old content. */
static int
compare(struct pull *old, struct pull *new, const struct imgp_deflate_src *src,
    const struct imgp_deflate_plan *p, uint64_t end, struct imgp_err *e)
{
	const struct imgp_deflate_edit *x = p->edit, *last = x + p->edits;
	uint64_t at = 0, skip = 0;
	size_t n;
	int rc;

	for (;;) {
		for (; x < last && x->at == at; x++) {
			if (expect(new, x->ins, x->inslen, e) == -1)
				return -1;
			skip = at + x->del;
		}
		if (at == end)
			break;
		if ((rc = pull(old, e)) == -1)
			return -1;
		if (rc != 1)
			return damaged_source(e);
		n = old->len - old->pos;
		if (n > end - at)
			n = (size_t)(end - at);
		if (x < last && n > x->at - at)
			n = (size_t)(x->at - at);
		if (at < skip && n > skip - at)
			n = (size_t)(skip - at);
		if (at >= skip && expect(new, old->out + old->pos, n, e) == -1)
			return -1;
		old->pos += n;
		at += n;
	}
	if (at < src->size)
		return 0;
	if ((rc = pull(old, e)) != 0)
		return rc == -1 ? -1 : damaged_source(e);
	if ((rc = pull(new, e)) != 0)
		return rc == -1 ? -1 : differ(e);
	return 0;
}

int
imgp_deflate_check(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    const struct imgp_deflate_plan *p, uint64_t beyond, struct imgp_err *e)
{
	struct imgp_deflate_piece all = { NULL, 0, src->len };
	struct prover *v = prover(d);
	uint64_t end = p->head.len;

	end = beyond < src->size - end ? end + beyond : src->size;
	if (pull_start(&v->old, src, &all, 1, e) == -1 ||
	    pull_start(&v->new, src, p->piece, p->pieces, e) == -1)
		return -1;
	return compare(&v->old, &v->new, src, p, end, e);
}

int
imgp_deflate_emit(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    const struct imgp_deflate_plan *p, imgp_deflate_write *write, void *arg,
    struct imgp_err *e)
{
	struct feed f = { src, p->piece, p->pieces, 0 };
	struct prover *v = prover(d);
	ssize_t n;

	while ((n = feed(&f, v->io, sizeof(v->io), e)) > 0)
		if (write(arg, v->io, (size_t)n, e) == -1)
			return -1;
	return (int)n;
}
