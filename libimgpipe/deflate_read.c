/*
 * Reading for deflate.c: the source's bits, the content in its window with
 * both CRCs, and the decoding of code words.
 */
#include <isa-l/crc.h>

#include "libimgpipe/deflate_impl.h"

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
void
imgp_deflate_slide(struct imgp_deflate *d)
{
	size_t at = (size_t)(d->op - d->win) - DIST_MAX;

	imgp_deflate_crc_to(d, content(d));
	memmove(d->win, d->win + at, DIST_MAX);
	d->winoff += at;
	d->op = d->win + DIST_MAX;
}

static inline __attribute__((__always_inline__)) enum stop
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
			if (softp - op < 4)
				continue;
			e = lit[LOW(LIT_ROOT)];
			if (e & LITERAL) {
				TAKE(E_TAKE(e));
				*op++ = (unsigned char)(e >> 16);
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
			}
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
