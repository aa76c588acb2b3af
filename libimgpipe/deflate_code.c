/*
 * Huffman codes of RFC 1951: tables to decode by and words to write with,
 * made from the code lengths of a block header.  Which lengths are accepted
 * is zlib's judgement (inftrees.c): no over-subscribed code, and no incomplete
 * one but a literal or distance code with a single word of one bit, or a
 * distance code without any word.
 */
#include "libimgpipe/deflate_impl.h"

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

static uint16_t
reverse(unsigned v, unsigned n)
{
	v = (v & 0x5555) << 1 | (v & 0xaaaa) >> 1;
	v = (v & 0x3333) << 2 | (v & 0xcccc) >> 2;
	v = (v & 0x0f0f) << 4 | (v & 0xf0f0) >> 4;
	v = (v & 0x00ff) << 8 | (v & 0xff00) >> 8;
	return (uint16_t)(v >> (16 - n));
}

/*
 * Give each of ${n} symbols its canonical word (section 3.2.2), first bit
 * lowest.  The longest length, or -1 when over-subscribed; ${*left}: words of
 * 15 bits that are not used.
 */
static int
words(uint16_t *code, const uint8_t *len, unsigned n, unsigned *left)
{
	unsigned count[16] = { 0 }, next[16], i, max = 0, used = 0, word = 0;

	for (i = 0; i < n; i++)
		count[len[i]]++;
	count[0] = 0;
	for (i = 1; i < 16; i++) {
		if (count[i] != 0)
			max = i;
		used += count[i] << (15 - i);
		word = (word + count[i - 1]) << 1;
		next[i] = word;
	}
	if (used > 1U << 15)
		return -1;
	*left = (1U << 15) - used;
	for (i = 0; i < n; i++)
		code[i] = len[i] == 0 ? 0 : reverse(next[len[i]]++, len[i]);
	return (int)max;
}

static uint32_t
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

static uint32_t
dist_entry(unsigned sym)
{
	if (sym >= 30)
		return SPECIAL;
	return (uint32_t)dist_base[sym] << 16 | dist_extra[sym];
}

/* The words longer than ${root} bits: subtables behind ${t[1 << root]}. */
static int
subtables(uint32_t *t, unsigned root, unsigned entries, const uint16_t *code,
    const uint8_t *len, unsigned n, uint32_t (*entry)(unsigned))
{
	const unsigned mask = (1U << root) - 1;
	unsigned i, j, end = 1U << root;
	uint32_t *head, e;

	for (i = 0; i < n; i++) {
		if (len[i] <= root)
			continue;
		head = &t[code[i] & mask];
		if ((*head & SUBTABLE) == 0)
			*head = SPECIAL | SUBTABLE | root;
		if (E_WORD(*head) < len[i] - root)
			*head = SPECIAL | SUBTABLE | root |
			    (len[i] - root) << 8;
	}
	for (i = 0; i < n; i++) {
		if (len[i] <= root)
			continue;
		head = &t[code[i] & mask];
		if (E_VALUE(*head) == 0) {
			*head |= end << 16;
			end += 1U << E_WORD(*head);
			if (end > entries)
				return -1;
		}
		e = entry(i) + (len[i] - root) * 0x101;
		for (j = (unsigned)code[i] >> root; j < 1U << E_WORD(*head);
		    j += 1U << (len[i] - root))
			t[E_VALUE(*head) + j] = e;
	}
	return 0;
}

static int
table(uint32_t *t, unsigned root, unsigned entries, const uint16_t *code,
    const uint8_t *len, unsigned n, unsigned max, unsigned left,
    uint32_t (*entry)(unsigned))
{
	unsigned i, j;
	uint32_t e;

	if (left > 0)
		for (i = 0; i < 1U << root; i++)
			t[i] = SPECIAL;
	for (i = 0; i < n; i++) {
		if (len[i] == 0 || len[i] > root)
			continue;
		e = entry(i) + len[i] * 0x101U;
		for (j = code[i]; j < 1U << root; j += 1U << len[i])
			t[j] = e;
	}
	if (max <= root)
		return 0;
	for (i = 0; i < n; i++)		/* what an older table left there */
		if (len[i] > root)
			t[code[i] & ((1U << root) - 1)] = 0;
	return subtables(t, root, entries, code, len, n, entry);
}

const char *
imgp_deflate_code_make(struct code *c)
{
	unsigned left;
	int max;

	if (c->llen[EOB] == 0)
		return "a block without an end symbol";
	max = words(c->lcode, c->llen, 288, &left);
	if (max == -1 || (left > 0 && max != 1) || table(c->lit, LIT_ROOT,
	    LIT_ENTRIES, c->lcode, c->llen, 288, (unsigned)max, left,
	    lit_entry) == -1)
		return "invalid literal and length code";
	max = words(c->dcode, c->dlen, 32, &left);
	if (max == -1 || (left > 0 && max > 1) || table(c->dist, DIST_ROOT,
	    DIST_ENTRIES, c->dcode, c->dlen, 32, (unsigned)max, left,
	    dist_entry) == -1)
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
	uint16_t code[19];
	unsigned i, j, left;

	if (words(code, len, 19, &left) == -1 || left > 0)
		return "invalid code of code lengths";
	for (i = 0; i < 19; i++)
		if (len[i] != 0)
			for (j = code[i]; j < 128; j += 1U << len[i])
				t[j] = (uint16_t)(i << 4 | len[i]);
	return NULL;
}

unsigned
imgp_deflate_len_symbol(unsigned len)
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

unsigned
imgp_deflate_dist_symbol(unsigned dist)
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
	unsigned s = imgp_deflate_len_symbol(len);

	return c->llen[s] == 0 ? 0 : c->llen[s] + len_extra[s - 257];
}

unsigned
imgp_deflate_dist_bits(const struct code *c, unsigned dist)
{
	unsigned s = imgp_deflate_dist_symbol(dist);

	return c->dlen[s] == 0 ? 0 : c->dlen[s] + dist_extra[s];
}

void
imgp_deflate_put_copy(struct bitw *w, const struct code *c, unsigned len,
    unsigned dist)
{
	unsigned l = imgp_deflate_len_symbol(len);
	unsigned s = imgp_deflate_dist_symbol(dist);

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
