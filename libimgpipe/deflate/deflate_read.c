/*
 * Reading for deflate_block.c: the source's bits, the content in its window with
 * both CRCs, and the decoding of code words.
 */
#include <isa-l/crc.h>

#include "libimgpipe/deflate/deflate_priv.h"

int
imgp_deflate_damaged(struct imgp_deflate *d, const char *what)
{
	return imgp_fail(d->e, IMGP_E_ARCHIVE_DAMAGED, "deflate: %s", what);
}

int
imgp_deflate_decline(struct imgp_deflate *d, const char *what)
{
	imgp_fail(d->e, IMGP_E_ARCHIVE_LIMIT, "deflate: %s", what);
	return 1;
}

int
imgp_deflate_give_up(struct imgp_deflate *d, const char *what)
{
	return d->pass != NULL && d->pass->failed ? -1 :
	    imgp_deflate_decline(d, what);
}

/* Read on; what is behind the current bit stays in in[]. */
int
imgp_deflate_fill(struct imgp_deflate *d)
{
	size_t keep, n;

	if (d->eof)
		return imgp_deflate_damaged(d, "the stream is cut short");
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
int
imgp_deflate_need_header(struct imgp_deflate *d)
{
	if (!d->eof && d->in + d->inlen - d->ip < IN_HEADER + 16)
		return imgp_deflate_fill(d);
	return 0;
}

/* Both CRCs up to content offset ${to}, which is in the window. */
void
imgp_deflate_crc_to(struct imgp_deflate *d, uint64_t to)
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
int
imgp_deflate_slide(struct imgp_deflate *d)
{
	size_t at = (size_t)(d->op - d->win) - DIST_MAX;
	uint64_t from, to;

	if (d->pass == NULL)
		imgp_deflate_crc_to(d, content(d));
	else if (d->pass->trace != NULL) {
		(void)imgp_respell_show(d, &from, &to);
		if (imgp_respell_write(d) == -1)
			return -1;
	}
	memmove(d->win, d->win + at, DIST_MAX);
	d->winoff += at;
	d->op = d->win + DIST_MAX;
	return 0;
}

/* A copy at ${op} whose ${bits} bits end ${left} bits in front of ${ip}. */
static inline imgp_respell_copy
listed(const struct imgp_deflate *d, const unsigned char *op,
    const unsigned char *ip, unsigned left, unsigned bits, unsigned len,
    unsigned dist)
{
	const struct imgp_respell_mark *m = &d->pass->here;
	uint64_t at = d->winoff + (uint64_t)(op - d->win);
	uint64_t end = (d->inoff + (uint64_t)(ip - d->in)) * 8 - left;

	return C_MAKE(at - m->at, end - bits - m->bit, len, dist, bits);
}

/*
 * Of ${n} only the lowest six bits are right: whole entries are taken from it.
 * The entry of a length or a distance has nothing above its value, and nothing
 * but the word's bits in the six from 8 on.
 */
static inline __attribute__((__always_inline__)) enum stop
decode(struct imgp_deflate *d, uint64_t soft, uint64_t hard, uint64_t floor)
{
	const uint32_t *lit = d->code->lit, *dst = d->code->dist;
	const unsigned char *ip = d->ip, *iplim = d->iplim;
	unsigned char *const win = d->win, *op = d->op, *end;
	unsigned char *softp = win + min64(soft - d->winoff, WIN_CAP);
	unsigned char *hardp = win + min64(hard - d->winoff, sizeof(d->win));
	const uintptr_t four = (uintptr_t)softp - 4, from = (uintptr_t)win +
	    (floor <= d->winoff ? 0 : min64(floor - d->winoff, sizeof(d->win)));
	uint64_t bits = d->bits;
	unsigned n = d->nbits, had, len, dist;
	imgp_respell_copy *log = d->log;
	enum stop stop = MORE;
	uint32_t e;

#define FILL()		(bits |= load64(ip) << (n & 63), \
			    ip += 7 - (n >> 3 & 7), n |= 56)
#define TAKE(k)		(bits >>= (k) & 63, n -= (k))
#define LOW(k)		(bits & ((UINT64_C(1) << (k)) - 1))
#define VALUE(e)	(((e) >> 16) + (unsigned)(LOW((e) & 63) >> \
			    ((e) >> 8 & 63)))
	while (op < softp && ip <= iplim) {
		FILL();
		e = lit[LOW(LIT_ROOT)];
		if (e & LITERAL) {
			TAKE(e);
			*op++ = (unsigned char)(e >> 16);
			if ((uintptr_t)op > four)
				continue;
			e = lit[LOW(LIT_ROOT)];
			if (e & LITERAL) {
				TAKE(e);
				*op++ = (unsigned char)(e >> 16);
				e = lit[LOW(LIT_ROOT)];
				if (e & LITERAL) {
					TAKE(e);
					*op++ = (unsigned char)(e >> 16);
					e = lit[LOW(LIT_ROOT)];
					if (e & LITERAL) {
						TAKE(e);
						*op++ = (unsigned char)(e >> 16);
						continue;
					}
				}
			}
			FILL();
		}
		had = n;
		if (e & SPECIAL) {
			if (e & SUBTABLE) {
				TAKE(LIT_ROOT);
				e = lit[E_VALUE(e) + LOW(E_WORD(e))];
			}
			if (e & LITERAL) {
				TAKE(e);
				*op++ = (unsigned char)(e >> 16);
				continue;
			}
			if (e & SPECIAL) {
				TAKE(e);
				stop = e & ENDS ? END : BAD_WORD;
				len = dist = 0;
				goto token;
			}
		}
		len = VALUE(e);
		TAKE(e);
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
		dist = VALUE(e);
		TAKE(e);
		end = op + len;
		if ((uintptr_t)op - dist < from || end > hardp) {
			stop = dist > d->winoff + (uint64_t)(op - win) -
			    d->origin ? BAD_DIST : COPY;
			if (stop == BAD_DIST || log == NULL)
				goto token;
			stop = MORE;
			*log++ = listed(d, op, ip, n & 63, (had - n) & 63, len,
			    dist);
		}
		copy(op, len, dist);
		op = end;
	}
	n &= 63;
	goto out;
token:
	n &= 63;
	d->tok.len = len;
	d->tok.dist = dist;
	d->tok.end = (d->inoff + (uint64_t)(ip - d->in)) * 8 - n;
	d->tok.start = d->tok.end - ((had - n) & 63);
out:
	d->ip = ip;
	d->op = op;
	d->bits = bits;
	d->nbits = n;
	d->log = log;
	return stop;
#undef FILL
#undef TAKE
#undef LOW
#undef VALUE
}

/*
 * The loop waits for nothing but its own shifts, which x86 has had in a faster
 * form since 2013.
 */
#if defined(__x86_64__)
__attribute__((__target__("bmi2"))) static enum stop
decode_bmi2(struct imgp_deflate *d, uint64_t soft, uint64_t hard,
    uint64_t floor)
{
	return decode(d, soft, hard, floor);
}
#endif

enum stop
imgp_deflate_decode(struct imgp_deflate *d, uint64_t soft, uint64_t hard,
    uint64_t floor)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("bmi2"))
		return decode_bmi2(d, soft, hard, floor);
#endif
	return decode(d, soft, hard, floor);
}
