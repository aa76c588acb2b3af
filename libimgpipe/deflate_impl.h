/*
 * What the files of deflate.c share: Huffman codes, a writer of bits, and the
 * working memory.  Private to deflate*.c.
 */
#ifndef IMGPIPE_DEFLATE_IMPL_H
#define IMGPIPE_DEFLATE_IMPL_H

#include <endian.h>
#include <string.h>

#include "libimgpipe/deflate.h"

/* --- numbers of RFC 1951 --- */
#define DIST_MAX	32768		/* the farthest a copy reaches back */
#define LEN_MIN		3
#define LEN_MAX		258
#define EOB		256		/* the symbol that ends a block */
#define STORED_MAX	65535

static inline uint64_t
load64(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void
store64(unsigned char *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

/* --- writing bits, the lowest first (RFC 1951 section 3.1.1) --- */
struct bitw {
	unsigned char	*buf;		/* max + 8 bytes are there */
	size_t		 max;
	size_t		 pos;		/* whole bytes in buf */
	uint64_t	 acc;		/* the n bits of the byte begun */
	unsigned	 n;		/* 0..7 */
	int		 full;		/* something did not fit: all is void */
};

/* Append the low ${n} (at most 56) bits of ${v}, which has no higher ones. */
static inline void
put(struct bitw *w, uint64_t v, unsigned n)
{
	if (w->pos + 8 > w->max) {
		w->full = 1;
		return;
	}
	w->acc |= v << w->n;
	w->n += n;
	store64(w->buf + w->pos, w->acc);
	w->pos += w->n >> 3;
	w->acc >>= w->n & ~7U;
	w->n &= 7;
}

static inline uint64_t
bits_in(const struct bitw *w)
{
	return (uint64_t)w->pos * 8 + w->n;
}

/*
 * Append ${n} bits that begin ${first} (0..7) bits into ${p}; 8 bytes past
 * the last may be read.
 */
void	imgp_deflate_put_run(struct bitw *w, const unsigned char *p,
	    unsigned first, uint64_t n);

/* Append ${len} whole bytes; ${w} must be between two. */
void	imgp_deflate_put_bytes(struct bitw *w, const unsigned char *p,
	    uint64_t len);

/* --- Huffman codes, to read and to write --- */

/*
 * An entry of a decoding table:
 *	31	LITERAL: 16..23 is the byte
 *	16..30	the base of a length or a distance, or a subtable's index
 *	15	SPECIAL: not a length or distance; then
 *		14 SUBTABLE, 13 ENDS the block, neither: no such code word
 *	8..11	bits of the code word; of a subtable: bits of its index
 *	0..5	bits to take: code word and extra bits; of a subtable: the root's
 */
#define LITERAL		0x80000000U
#define SPECIAL		0x00008000U
#define SUBTABLE	0x00004000U
#define ENDS		0x00002000U
#define E_VALUE(e)	((e) >> 16 & 0x7fff)
#define E_WORD(e)	((e) >> 8 & 15)
#define E_TAKE(e)	((e) & 63)

#define LIT_ROOT	11		/* bits looked up at once */
#define DIST_ROOT	8
#define LIT_ENTRIES	(2048 + 1024)	/* root and subtables; 2342 is the */
#define DIST_ENTRIES	(256 + 256)	/* most that a code can need; 402 */

struct code {
	uint32_t	lit[LIT_ENTRIES];
	uint32_t	dist[DIST_ENTRIES];
	uint16_t	lcode[288], dcode[32];	/* as written: lowest bit first */
	uint8_t		llen[288], dlen[32];	/* 0: no code word */
};

/*
 * Make the tables of ${c} from llen[] and dlen[] (unused symbols are 0).
 * NULL, or what zlib would have against them.
 */
const char *imgp_deflate_code_make(struct code *c);
void	imgp_deflate_code_fixed(struct code *c);	/* section 3.2.6 */

/*
 * The 19 lengths ${len} of the code in which a block header gives the other
 * two.  ${table[0 .. 127]}: symbol << 4 | bits of its code word.
 */
const char *imgp_deflate_precode(uint16_t table[128], const uint8_t len[19]);

/* Symbols and extra bits of a length 3..258 and of a distance 1..32768. */
unsigned imgp_deflate_len_symbol(unsigned len);
unsigned imgp_deflate_dist_symbol(unsigned dist);
/* Bits that ${c} spends on them; 0 when it has no such code word. */
unsigned imgp_deflate_len_bits(const struct code *c, unsigned len);
unsigned imgp_deflate_dist_bits(const struct code *c, unsigned dist);
/* Write a copy; both code words must be there. */
void	imgp_deflate_put_copy(struct bitw *w, const struct code *c,
	    unsigned len, unsigned dist);

/* --- the working memory --- */
#define IN_SIZE		24576		/* of the source stream at once: mostly
						   all that is walked */
#define IN_PAD		1024		/* zeros behind its end: > a header */
#define IN_HEADER	600		/* no block header is longer, bytes */
#define WIN_CAP		(DIST_MAX + 65536)	/* of content at once */
#define MID_MAX		(320 * 1024)	/* new code words */
#define UNDO_HEAD	80
#define OLD_MAX		(32 * 1024)	/* source bits of one change */
#define UNDO_MAX	(64 * 1024)
#define IO_SIZE		65536

struct prover;				/* of deflate_prove.c */

struct imgp_deflate {
	/* the call */
	const struct imgp_deflate_src *src;
	struct imgp_err	*e;
	struct imgp_deflate_edit ed[IMGP_DEFLATE_EDITS];
	size_t		 n;		/* edits that do something */
	int64_t		 delta[IMGP_DEFLATE_EDITS + 1];	/* behind edit i - 1 */
	uint64_t	 mark;		/* content from here on sees no edit */
	uint64_t	 give_up;	/* look for the phase until here */

	/* reading bits: bits[0 .. nbits-1] come before *ip */
	uint64_t	 inoff;		/* of in[0] in the stream */
	size_t		 inlen;
	const unsigned char *ip, *iplim;
	uint64_t	 bits;
	unsigned	 nbits;
	int		 eof;		/* in[] holds the end of the stream */

	/* content */
	uint64_t	 winoff;	/* of win[0] in the content */
	unsigned char	*op;		/* where the next byte goes */
	uint64_t	 crcpos;	/* both CRCs go up to here */
	uint64_t	 crcskip;
	size_t		 crcidx;
	uint32_t	 crc, newcrc;

	/* the block */
	uint64_t	 hdr;		/* bit where its header begins */
	int		 final;
	const struct code *code;	/* dynamic or fixed */
	unsigned char	 hdrbuf[IN_HEADER + 8];	/* the header's bits */
	uint64_t	 hdrbits;
	uint64_t	 hdrmid;	/* its bit in mid; NOWHERE: not in mid */
	unsigned	 blocks;
	struct { uint64_t start, end; unsigned len, dist; } tok;

	/* where we are */
	size_t		 idx;		/* the next edit */
	uint64_t	 skip;		/* content up to here is deleted or past */
	int		 alien;		/* writing a fixed block of our own */
	uint64_t	 alienhdr;	/* where in mid it begins, in bits */
	unsigned	 detours;	/* fixed blocks so far */
	int64_t		 excess;	/* bits lost by staying in it */
	int		 last;		/* the final block has been read */
	int		 done;		/* cut, or at the end */

	/* the new code words */
	int		 started;	/* mid begins at stream byte midoff */
	uint64_t	 midoff;
	struct bitw	 mid;
	int		 gap;		/* source bits now go to old, not to mid */
	uint64_t	 from;		/* source bits up to here went somewhere */
	struct bitw	 old;		/* the source bits of this gap */
	uint64_t	 gapmid;	/* mid's bits when it began */
	uint64_t	 gapfrom;	/* source bit where it began */
	uint64_t	 gapdone;	/* source bit where it ended */
	uint64_t	 gapprev;	/* the same of the gap before that */
	uint64_t	 cleared;	/* BFINAL bit of the source + 1; or 0 */
	uint64_t	 tail;		/* stream byte from which all is copied */
	size_t		 undopos;

	unsigned char	 patch;		/* the byte with that bit, changed */
	struct code	 fixed, dynamic;
	struct prover	*prover;

	unsigned char	 win[WIN_CAP + LEN_MAX + 16];
	unsigned char	 in[IN_SIZE + IN_PAD];
	unsigned char	 midbuf[MID_MAX + 8];
	unsigned char	 oldbuf[OLD_MAX + 8];
	unsigned char	 undobuf[UNDO_MAX + 16];
};

#define NOWHERE		UINT64_MAX

/* deflate_undo.c: the record that goes with a plan. */
void	imgp_deflate_undo_start(struct imgp_deflate *d);
int	imgp_deflate_undo_gap(struct imgp_deflate *d);	/* -1: no room */
void	imgp_deflate_undo_finish(struct imgp_deflate *d,
	    struct imgp_deflate_plan *p);
/* Give ${p} its pieces: prefix, the changed bit in it, mid, tail. */
int	imgp_deflate_pieces(struct imgp_deflate *d,
	    struct imgp_deflate_plan *p, int bit);

/* deflate_prove.c */
void	imgp_deflate_prover_free(struct prover *v);

#endif
