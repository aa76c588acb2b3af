/*
 * Huffman codes of RFC 1951: tables to decode by and words to write with,
 * made from the code lengths of a block header.  Which lengths are accepted
 * is zlib's judgement (inftrees.c): no over-subscribed code, and no incomplete
 * one but a literal or distance code with a single word of one bit, or a
 * distance code without any word.
 */
#include "libimgpipe/deflate/deflate_priv.h"

static const uint16_t len_base[29] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15,
    17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
    258 };
static const uint8_t len_extra[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2,
    2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };
static const uint16_t dist_base[30] = { 1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33,
    49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
    6145, 8193, 12289, 16385, 24577 };
static const uint8_t dist_extra[30] = { 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4,
    5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13 };

/*
 * The words of a code in their order (section 3.2.2): symbols by length, and by
 * number where it is the same; those without a word come last.
 */
struct words {
	uint16_t	sym[288];
	unsigned	n, max;		/* symbols that have one; its bits */
	unsigned	left;		/* words of 15 bits that are not used */
};

/*
 * Give each of ${n} symbols its canonical word, first bit lowest.  -1: the code
 * is over-subscribed.
 */
static int
words(struct words *w, uint16_t *code, const uint8_t *len, unsigned n)
{
	unsigned count[16] = { 0 }, at[16], i, l, used = 0, word = 0, bit;

	for (i = 0; i < n; i++)
		count[len[i]]++;
	w->n = w->max = 0;
	for (l = 1; l < 16; l++) {
		at[l] = w->n;
		w->n += count[l];
		used += count[l] << (15 - l);
		if (count[l] != 0)
			w->max = l;
	}
	at[0] = w->n;
	if (used > 1U << 15)
		return -1;
	w->left = (1U << 15) - used;
	for (i = 0; i < n; i++)
		w->sym[at[len[i]]++] = (uint16_t)i;
	memset(code, 0, n * sizeof(*code));
	for (i = 0; i < w->n; i++) {
		code[w->sym[i]] = (uint16_t)word;
		/* One is added from the first bit on, which is the lowest. */
		bit = word ^ ((1U << len[w->sym[i]]) - 1);
		if (bit == 0)
			break;		/* all ones: that was the last */
		bit = 1U << (31 - (unsigned)__builtin_clz(bit));
		word = (word & (bit - 1)) | bit;
	}
	return 0;
}

static inline uint32_t
lit_entry(unsigned sym)
{
	if (sym < EOB)
		return LITERAL | sym << 16;
	if (sym == EOB)
		return SPECIAL | ENDS;
	if (sym - 257 >= 29)
		return SPECIAL;
	return (uint32_t)len_base[sym - 257] << 16 | len_extra[sym - 257];
}

static inline uint32_t
dist_entry(unsigned sym)
{
	if (sym >= 30)
		return SPECIAL;
	return (uint32_t)dist_base[sym] << 16 | dist_extra[sym];
}

/*
 * Words ${i} and on, which are longer than ${root} bits: subtables behind
 * ${t[1 << root]}.
 */
static int
subtables(uint32_t *t, unsigned root, unsigned entries, const struct words *w,
    unsigned i, const uint16_t *code, const uint8_t *len, int lits)
{
	const unsigned mask = (1U << root) - 1;
	unsigned j, k, sym, end = 1U << root;
	uint32_t *head, e;

	for (k = i; k < w->n; k++)	/* what stands there is no subtable */
		t[code[w->sym[k]] & mask] = 0;
	for (k = i; k < w->n; k++)	/* the last one of a row is the longest */
		t[code[w->sym[k]] & mask] = SPECIAL | SUBTABLE | root |
		    (len[w->sym[k]] - root) << 8;
	for (; i < w->n; i++) {
		sym = w->sym[i];
		head = &t[code[sym] & mask];
		if (E_VALUE(*head) == 0) {
			*head |= end << 16;
			end += 1U << E_WORD(*head);
			if (end > entries)
				return -1;
		}
		e = (lits ? lit_entry(sym) : dist_entry(sym)) +
		    (len[sym] - root) * 0x101;
		for (j = (unsigned)code[sym] >> root; j < 1U << E_WORD(*head);
		    j += 1U << (len[sym] - root))
			t[E_VALUE(*head) + j] = e;
	}
	return 0;
}

/* Twice as long: the next bit changes nothing so far. */
static unsigned
twice(uint32_t *t, unsigned bits)
{
	memcpy(t + (1U << bits), t, sizeof(*t) << bits);
	return bits + 1;
}

static int
table(uint32_t *t, unsigned root, unsigned entries, const struct words *w,
    const uint16_t *code, const uint8_t *len, int lits)
{
	unsigned i, sym, bits = 0;

	t[0] = SPECIAL;			/* where no word will be */
	for (i = 0; i < w->n; i++) {
		sym = w->sym[i];
		if (len[sym] > root)
			break;
		while (bits < len[sym])
			bits = twice(t, bits);
		t[code[sym]] = (lits ? lit_entry(sym) : dist_entry(sym)) +
		    len[sym] * 0x101U;
	}
	while (bits < root)
		bits = twice(t, bits);
	return i == w->n ? 0 :
	    subtables(t, root, entries, w, i, code, len, lits);
}

const char *
imgp_deflate_code_make(struct code *c)
{
	struct words w;

	if (c->llen[EOB] == 0)
		return "a block without an end symbol";
	if (words(&w, c->lcode, c->llen, 288) == -1 ||
	    (w.left > 0 && w.max != 1) || table(c->lit, LIT_ROOT, LIT_ENTRIES,
	    &w, c->lcode, c->llen, 1) == -1)
		return "invalid literal and length code";
	if (words(&w, c->dcode, c->dlen, 32) == -1 ||
	    (w.left > 0 && w.max > 1) || table(c->dist, DIST_ROOT,
	    DIST_ENTRIES, &w, c->dcode, c->dlen, 0) == -1)
		return "invalid distance code";
	return NULL;
}

void
imgp_deflate_code_fixed(struct code *c)
{
	memset(c->llen, 8, 144);
	memset(c->llen + 144, 9, 112);
	memset(c->llen + 256, 7, 24);
	memset(c->llen + 280, 8, 8);
	memset(c->dlen, 5, 32);
	(void)imgp_deflate_code_make(c);
}

const char *
imgp_deflate_precode(uint16_t t[128], const uint8_t len[19])
{
	struct words w;
	uint16_t code[19];
	unsigned i, j;

	if (words(&w, code, len, 19) == -1 || w.left > 0)
		return "invalid code of code lengths";
	for (i = 0; i < 19; i++)
		if (len[i] != 0)
			for (j = code[i]; j < 128; j += 1U << len[i])
				t[j] = (uint16_t)(i << 4 | len[i]);
	return NULL;
}

static unsigned
len_symbol(unsigned len)
{
	unsigned log;

	if (len == LEN_MAX)
		return 285;
	len -= LEN_MIN;
	if (len < 8)
		return 257 + len;
	log = 31 - (unsigned)__builtin_clz(len);
	return 257 + 4 * (log - 1) + (len >> (log - 2) & 3);
}

static unsigned
dist_symbol(unsigned dist)
{
	unsigned log;

	dist--;
	if (dist < 4)
		return dist;
	log = 31 - (unsigned)__builtin_clz(dist);
	return 2 * log + (dist >> (log - 1) & 1);
}

unsigned
imgp_deflate_len_bits(const struct code *c, unsigned len)
{
	unsigned s = len_symbol(len);

	return c->llen[s] == 0 ? 0 : c->llen[s] + len_extra[s - 257];
}

unsigned
imgp_deflate_dist_bits(const struct code *c, unsigned dist)
{
	unsigned s = dist_symbol(dist);

	return c->dlen[s] == 0 ? 0 : c->dlen[s] + dist_extra[s];
}

void
imgp_deflate_put_copy(struct bitw *w, const struct code *c, unsigned len,
    unsigned dist)
{
	unsigned l = len_symbol(len);
	unsigned s = dist_symbol(dist);

	put(w, c->lcode[l], c->llen[l]);
	put(w, len - len_base[l - 257], len_extra[l - 257]);
	put(w, c->dcode[s], c->dlen[s]);
	put(w, dist - dist_base[s], dist_extra[s]);
}

void
imgp_deflate_put_bytes(struct bitw *w, const unsigned char *p, uint64_t len)
{
	if (len > w->max || w->pos > w->max - len) {
		w->full = 1;
		return;
	}
	memcpy(w->buf + w->pos, p, len);
	w->pos += len;
}

void
imgp_deflate_put_run(struct bitw *w, const unsigned char *p, unsigned first,
    uint64_t n)
{
	uint64_t v;

	p += first >> 3;
	first &= 7;
	if (first == w->n && n >= 64) {	/* same phase: whole bytes */
		put(w, (uint64_t)*p >> first, 8 - first);
		p++;
		n -= 8 - first;
		imgp_deflate_put_bytes(w, p, n >> 3);
		p += n >> 3;
		first = 0;
		n &= 7;
	}
	if (n > 512 && n >> 3 < w->max && w->pos < w->max - (n >> 3) - 16) {
		const unsigned have = w->n;

		for (; n > 128; n -= 64, p += 8, w->pos += 8) {
			v = load64(p) >> first | (uint64_t)p[8] << 1 <<
			    (63 - first);
			store64(w->buf + w->pos, w->acc | v << have);
			w->acc = v >> 1 >> (63 - have);
		}
	}
	for (; n > 56; n -= 56) {
		put(w, load64(p) >> first & ((UINT64_C(1) << 56) - 1), 56);
		p += 7;
	}
	put(w, load64(p) >> first & ((UINT64_C(1) << n) - 1), (unsigned)n);
}
