/*
 * Random deflate streams, by zlib, libdeflate, ISA-L and an encoder of our own that
 * writes whatever RFC 1951 permits.  It does not know what is done with them.
 *
 * make_stream() makes the next one by the random numbers from ${rng} on: from the same
 * ${rng} comes the same stream.
 */
#ifndef IMGPIPE_STREAMS_H
#define IMGPIPE_STREAMS_H

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <zlib.h>

#define CONTENT_MAX	(1 << 18)
#define STREAM_MAX	(2 * CONTENT_MAX + 65536)

typedef unsigned char byte;

static uint64_t rng;

static uint64_t
rnd(uint64_t n)		/* 0 .. n - 1 */
{
	uint64_t z = rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return n <= UINT32_MAX ? (z >> 32) * n >> 32 : z % n;
}

struct stream {
	byte	content[CONTENT_MAX];
	size_t	size;
	byte	z[STREAM_MAX];
	size_t	len;
	uint32_t crc;
	char	how[80];
};

/* --- content ------------------------------------------------------------ */

static void
make_content(struct stream *s)
{
	size_t i = 0, n, k, back;
	unsigned kind;

	s->size = rnd(UINT64_C(1) << (1 + rnd(18)));
	while (i < s->size) {
		kind = (unsigned)rnd(7);
		n = 1 + rnd(UINT64_C(1) << (1 + rnd(15)));
		if (n > s->size - i)
			n = s->size - i;
		back = i == 0 ? 0 : 1 + rnd(i < 40000 ? i : 40000);
		for (k = 0; k < n; k++, i++)
			switch (kind) {
			case 0: s->content[i] = (byte)rnd(256); break;
			case 1: s->content[i] = 0; break;
			case 2: s->content[i] = (byte)("1.2.840.10008."[
			    rnd(14)]); break;
			case 3: s->content[i] = (byte)(i & 1 ? rnd(2) :
			    128 + rnd(12) + rnd(12)); break;
			case 4: s->content[i] = back == 0 ? 7 :
			    s->content[i - back]; break;
			case 5: s->content[i] = back == 0 || rnd(9) == 0 ?
			    (byte)rnd(64) : s->content[i - back]; break;
			default: s->content[i] = (byte)rnd(3); break;
			}
	}
}

/* --- encoders ----------------------------------------------------------- */

static void
by_zlib(struct stream *s)
{
	static const int flush[] = { Z_NO_FLUSH, Z_NO_FLUSH, Z_PARTIAL_FLUSH,
	    Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_BLOCK };
	int level = (int)rnd(10), bits = 9 + (int)rnd(7), mem = 1 + (int)rnd(9);
	int strategy = (int)rnd(5), fl = flush[rnd(6)], rc;
	size_t at = 0, n;
	z_stream z;

	if (rnd(2) == 0) {
		bits = 15;
		mem = 8;
		strategy = Z_DEFAULT_STRATEGY;
	}
	memset(&z, 0, sizeof(z));
	if (deflateInit2(&z, level, Z_DEFLATED, -bits, mem, strategy) != Z_OK)
		errx(99, "deflateInit2");
	z.next_out = s->z;
	z.avail_out = sizeof(s->z);
	do {
		n = s->size - at;
		if (fl != Z_NO_FLUSH && n > 0)
			n = 1 + rnd(n < 20000 ? n : 20000);
		z.next_in = s->content + at;
		z.avail_in = (uInt)n;
		at += n;
		rc = deflate(&z, at == s->size ? Z_FINISH :
		    rnd(8) == 0 ? Z_SYNC_FLUSH : fl);
	} while (rc == Z_OK && at < s->size);
	if (rc != Z_STREAM_END)
		errx(99, "deflate: %d", rc);
	s->len = sizeof(s->z) - z.avail_out;
	deflateEnd(&z);
	snprintf(s->how, sizeof(s->how), "zlib level %d window %d memory %d "
	    "strategy %d flush %d", level, bits, mem, strategy, fl);
}

static void
by_libdeflate(struct stream *s)
{
	static struct libdeflate_compressor *c[13];
	int level = (int)rnd(13);

	if (c[level] == NULL && (c[level] = libdeflate_alloc_compressor(
	    level)) == NULL)
		errx(99, "libdeflate_alloc_compressor");
	s->len = libdeflate_deflate_compress(c[level], s->content, s->size,
	    s->z, sizeof(s->z));
	if (s->len == 0)
		errx(99, "libdeflate_deflate_compress");
	snprintf(s->how, sizeof(s->how), "libdeflate level %d", level);
}

static void
by_isal(struct stream *s)
{
	static byte level_buf[ISAL_DEF_LVL3_EXTRA_LARGE];
	static const uint32_t sizes[] = { 0, ISAL_DEF_LVL1_DEFAULT,
	    ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT };
	static struct isal_zstream z;
	uint32_t level = (uint32_t)rnd(4);
	uint16_t fl = (uint16_t)rnd(3);
	size_t at = 0, n;
	int rc;

	isal_deflate_init(&z);
	z.level = level;
	z.level_buf = level_buf;
	z.level_buf_size = sizes[level];
	z.hist_bits = (uint16_t)(rnd(2) == 0 ? 0 : 9 + rnd(7));
	z.next_out = s->z;
	z.avail_out = sizeof(s->z);
	do {
		n = s->size - at;
		if (fl != NO_FLUSH && n > 0)
			n = 1 + rnd(n < 20000 ? n : 20000);
		z.next_in = s->content + at;
		z.avail_in = (uint32_t)n;
		at += n;
		z.flush = fl;
		z.end_of_stream = at == s->size;
		if ((rc = isal_deflate(&z)) != COMP_OK)
			errx(99, "isal_deflate: %d", rc);
	} while (at < s->size);
	s->len = sizeof(s->z) - z.avail_out;
	snprintf(s->how, sizeof(s->how), "igzip level %u flush %u hist %u",
	    level, fl, z.hist_bits);
}

/* --- an encoder of our own: whatever RFC 1951 permits ------------------- */

struct bits {
	byte	*p;
	size_t	 n;		/* bits written */
};

static void
w(struct bits *b, uint32_t v, unsigned n)
{
	for (; n > 0; n--, v >>= 1, b->n++) {
		if ((b->n & 7) == 0)
			b->p[b->n >> 3] = 0;
		b->p[b->n >> 3] |= (byte)((v & 1) << (b->n & 7));
	}
}

struct huff {
	byte	 len[288];
	uint16_t code[288];
	unsigned used, sym[288];
};

static void
huff_codes(struct huff *h, unsigned n)
{
	unsigned l, i, j, c = 0;

	h->used = 0;
	for (l = 1; l < 16; l++, c <<= 1)
		for (i = 0; i < n; i++)
			if (h->len[i] == l) {
				uint16_t r = 0;

				for (j = 0; j < l; j++)
					r |= (uint16_t)((c >> j & 1) <<
					    (l - 1 - j));
				h->code[i] = r;
				c++;
				h->sym[h->used++] = i;
			}
}

/* A random complete code of ${m} of ${n} symbols, ${must} one of them. */
static void
huff_random(struct huff *h, unsigned n, unsigned m, unsigned must)
{
	byte leaf[288];
	unsigned leaves = 1, i, k;

	memset(h, 0, sizeof(*h));
	leaf[0] = 0;
	while (leaves < m) {
		k = (unsigned)rnd(leaves);
		if (rnd(3) > 0)		/* skewed: some words are long */
			k = leaves - 1;
		for (i = 0; leaf[k] == 15; i++)
			k = (k + 1) % leaves;
		leaf[k]++;
		leaf[leaves++] = leaf[k];
	}
	if (m == 1)
		leaf[0] = 1;
	for (i = 0; i < leaves; i++) {
		do
			k = i == 0 ? must : (unsigned)rnd(n);
		while (h->len[k] != 0);
		h->len[k] = leaf[i];
	}
	huff_codes(h, n);
}

static const unsigned lbase[] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19,
    23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258 };
static const unsigned lextra[] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2,
    2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };
static const unsigned dbase[] = { 1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65,
    97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
    8193, 12289, 16385, 24577 };
static const unsigned dextra[] = { 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5,
    6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13 };

/* Up to ${n} words, chosen at random among those that can be said here. */
static void
synth_words(struct stream *s, struct bits *b, const struct huff *l,
    const struct huff *d, size_t n)
{
	unsigned sym, ds, x, dx, i, len, dist;

	for (; n > 0 && s->size + 258 <= CONTENT_MAX &&
	    b->n / 8 + 4096 < STREAM_MAX; n--) {
		sym = l->sym[rnd(l->used)];
		if (sym == 256 || sym > 285)
			continue;
		if (sym < 256) {
			w(b, l->code[sym], l->len[sym]);
			s->content[s->size++] = (byte)sym;
			continue;
		}
		if (d->used == 0)
			continue;
		ds = d->sym[rnd(d->used)];
		if (ds > 29)
			continue;
		x = (unsigned)rnd(UINT64_C(1) << lextra[sym - 257]);
		dx = (unsigned)rnd(UINT64_C(1) << dextra[ds]);
		len = lbase[sym - 257] + x;	/* 284 + 31 is 258, too */
		dist = dbase[ds] + dx;
		if (dist > s->size)
			continue;
		w(b, l->code[sym], l->len[sym]);
		w(b, x, lextra[sym - 257]);
		w(b, d->code[ds], d->len[ds]);
		w(b, dx, dextra[ds]);
		for (i = 0; i < len; i++, s->size++)
			s->content[s->size] = s->content[s->size - dist];
	}
	w(b, l->code[256], l->len[256]);
}

static void
synth_dynamic(struct stream *s, struct bits *b)
{
	static const byte order[] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11,
	    4, 12, 3, 13, 2, 14, 1, 15 };
	struct huff l, d, p;
	unsigned i, n, run, nl = 286, nd = 30, used;
	byte all[316];

	huff_random(&l, 286, rnd(9) == 0 ? 1 + (unsigned)rnd(4) :
	    2 + (unsigned)rnd(284), 256);
	used = rnd(9) == 0 ? 0 : 1 + (unsigned)rnd(rnd(2) ? 30 : 4);
	if (used > 0)
		huff_random(&d, 30, used, (unsigned)rnd(30));
	else
		memset(&d, 0, sizeof(d));
	while (nl > 257 && l.len[nl - 1] == 0 && rnd(9) > 0)
		nl--;
	while (nd > 1 && d.len[nd - 1] == 0 && rnd(9) > 0)
		nd--;
	memset(&p, 0, sizeof(p));
	for (i = 0; i < 19; i++)	/* 13 of 4 bits, 6 of 5: complete */
		p.len[i] = i < 13 ? 4 : 5;
	huff_codes(&p, 19);
	w(b, 2, 2);
	w(b, nl - 257, 5);
	w(b, nd - 1, 5);
	w(b, 15, 4);
	for (i = 0; i < 19; i++)
		w(b, p.len[order[i]], 3);
	memcpy(all, l.len, nl);
	memcpy(all + nl, d.len, nd);
	n = nl + nd;
	for (i = 0; i < n; i += run) {
		for (run = 1; i + run < n && all[i + run] == all[i]; run++)
			;
		if (all[i] == 0 && run >= 11 && rnd(9) > 0) {
			run = run > 138 ? 138 : run;
			w(b, p.code[18], p.len[18]);
			w(b, run - 11, 7);
		} else if (all[i] == 0 && run >= 3 && rnd(9) > 0) {
			run = run > 10 ? 10 : run;
			w(b, p.code[17], p.len[17]);
			w(b, run - 3, 3);
		} else if (i > 0 && all[i] == all[i - 1] && run >= 3) {
			run = run > 6 ? 6 : run;
			w(b, p.code[16], p.len[16]);
			w(b, run - 3, 2);
		} else {
			run = 1;
			w(b, p.code[all[i]], p.len[all[i]]);
		}
	}
	synth_words(s, b, &l, &d, rnd(UINT64_C(1) << rnd(14)));
}

static void
synth_fixed(struct stream *s, struct bits *b)
{
	struct huff l, d;
	unsigned i;

	for (i = 0; i < 288; i++)
		l.len[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
	huff_codes(&l, 288);
	memset(d.len, 5, 32);
	huff_codes(&d, 32);
	w(b, 1, 2);
	synth_words(s, b, &l, &d, rnd(UINT64_C(1) << rnd(13)));
}

static void
synth_stored(struct stream *s, struct bits *b)
{
	uint32_t n = (uint32_t)rnd(UINT64_C(1) << rnd(17)), i;

	if (rnd(16) == 0)
		n = 65535;
	if (n > CONTENT_MAX - s->size)
		n = (uint32_t)(CONTENT_MAX - s->size);
	w(b, 0, 2);
	while ((b->n & 7) != 0)
		w(b, (uint32_t)rnd(2), 1);	/* padding may be anything */
	w(b, n, 16);
	w(b, ~n & 0xffff, 16);
	for (i = 0; i < n; i++) {
		s->content[s->size] = (byte)rnd(256);
		w(b, s->content[s->size++], 8);
	}
}

static void
by_synth(struct stream *s)
{
	struct bits b = { s->z, 0 };
	unsigned n = 1 + (unsigned)rnd(UINT64_C(1) << rnd(7));

	s->size = 0;
	for (; n > 0; n--) {
		if (s->size > CONTENT_MAX - 70000 ||
		    b.n / 8 > STREAM_MAX - 140000)
			n = 1;
		w(&b, n == 1, 1);
		switch (rnd(5)) {
		case 0: synth_stored(s, &b); break;
		case 1: synth_fixed(s, &b); break;
		default: synth_dynamic(s, &b); break;
		}
	}
	while ((b.n & 7) != 0)
		w(&b, (uint32_t)rnd(2), 1);
	s->len = b.n / 8;
	snprintf(s->how, sizeof(s->how), "synthetic");
}

static void
make_stream(struct stream *s)
{
	unsigned kind = (unsigned)rnd(10);

	if (kind < 8)
		make_content(s);
	if (kind < 4)
		by_zlib(s);
	else if (kind < 6)
		by_libdeflate(s);
	else if (kind < 8)
		by_isal(s);
	else
		by_synth(s);
	s->crc = (uint32_t)crc32(0, s->content, (uInt)s->size);
}

#endif
