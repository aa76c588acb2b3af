/*
 * What the files of deflate.c share: Huffman codes, a writer of bits, and the
 * working memory.  Private to deflate*.c.
 */
#ifndef IMGPIPE_DEFLATE_PRIV_H
#define IMGPIPE_DEFLATE_PRIV_H

#include <endian.h>
#include <string.h>

#include "libimgpipe/deflate/deflate.h"
#include "libimgpipe/deflate/respell.h"

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
 *	0..5	bits to take: code word and extra bits; of a subtable: LIT_ROOT
 *		or DIST_ROOT
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
	uint16_t	lcode[288], dcode[32];	/* words, lowest bit first */
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

/* Bits that ${c} spends on a length 3..258 and on a distance 1..32768; 0 when it
 * has no such code word. */
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

/* --- a pass through a whole stream (respell.c) --- */
#define PASS_EDITS	4096		/* that can matter at once */
#define PASS_INSERT	4096		/* bytes inserted at once */
#define PASS_TEXT	8192		/* of content read at once */
#define PASS_AHEAD	(STORED_MAX + 1024U)	/* content from where we are,
					   of which the edits must be known */

struct pass {
	const struct imgp_respell *io;	/* one of the two */
	const struct imgp_respell_trace *trace;
	uint64_t	 due;		/* content of the next mark to be noted */
	uint64_t	 written;	/* content that has been written */
	uint64_t	 shown;		/* content that the caller has seen */
	struct imgp_respell_mark here;	/* the last one, where: */
	int		 has_here;
	struct imgp_respell_mark mark;	/* the next one, where: */
	int		 has_mark;
	int		 no_mark;	/* there is none left */
	uint32_t	 stored, finals;	/* blocks so far */
	struct imgp_deflate_src src;
	int		 all;		/* the last edit is among them */
	int		 failed;	/* a callback has, and filled in d->e */
	uint64_t	 textoff;	/* text[] has textlen bytes of content */
	size_t		 textlen;

	/* From here on not zeroed for a pass. */
	int64_t		 delta[PASS_EDITS + 1];	/* but for the first */
	imgp_respell_copy herelist[IMGP_RESPELL_COPIES];
	imgp_respell_copy list[IMGP_RESPELL_COPIES];
	struct imgp_deflate_edit ed[PASS_EDITS];	/* ins is not set */
	uint64_t	 ins[PASS_EDITS];	/* where io->inserted has it */
	unsigned char	 buf[PASS_INSERT + 8];
	unsigned char	 text[PASS_TEXT];
};

/*
 * A listed copy, lowest bits first: content and source bits since the mark; length,
 * distance, and bits of its words.
 */
#define C_MAKE(at, bit, len, dist, bits) \
	((uint64_t)(at) | (uint64_t)(bit) << 13 | (uint64_t)(len) << 30 | \
	    (uint64_t)(dist) << 39 | (uint64_t)(bits) << 55)
#define C_AT(c)		((c) & 0x1fff)
#define C_BIT(c)	((c) >> 13 & 0x1ffff)
#define C_LEN(c)	((unsigned)((c) >> 30 & 0x1ff))
#define C_DIST(c)	((unsigned)((c) >> 39 & 0xffff))
#define C_BITS(c)	((c) >> 55)

struct imgp_deflate {
	/* the call */
	const struct imgp_deflate_src *src;
	struct imgp_err	*e;
	struct pass	*pass;		/* NULL: a plan */
	struct pass	*room;		/* for it: NULL before the first */
	struct imgp_deflate_edit *ed;	/* few, or the pass's */
	size_t		 n;		/* edits that do something */
	int64_t		*delta;		/* behind edit i - 1 */
	struct imgp_deflate_edit few[IMGP_DEFLATE_EDITS];
	int64_t		 fewdelta[IMGP_DEFLATE_EDITS + 1];
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
	uint64_t	 origin;	/* content in front is no source of copies */
	imgp_respell_copy *log;		/* NULL; or a copy below floor goes there,
					 * and is executed */
	unsigned char	*op;		/* where the next byte goes */
	uint64_t	 crcpos;	/* both CRCs go up to here */
	uint64_t	 crcskip;
	size_t		 crcidx;
	uint32_t	 crc, newcrc;

	/* the block */
	uint64_t	 hdr;		/* bit where its header begins */
	int		 final;
	unsigned	 type;
	const struct code *code;	/* dynamic or fixed */
	unsigned char	 hdrbuf[IN_HEADER + 8];	/* the header's bits */
	uint64_t	 hdrbits;
	uint64_t	 hdrmid;	/* its bit in mid, or NOWHERE */
	uint64_t	 blocks;
	uint64_t	 known;		/* where the header of dynamic and
					 * hdrbuf stands, or NOWHERE */
	struct { uint64_t start, end; unsigned len, dist; } tok;

	/* where we are */
	size_t		 idx;		/* the next edit */
	uint64_t	 skip;		/* content to here is deleted or past */
	int		 alien;		/* writing a fixed block of our own */
	uint64_t	 alienhdr;	/* where in mid it begins, in bits */
	unsigned	 detours;	/* fixed blocks so far */
	int64_t		 excess;	/* bits lost by staying in it */
	int		 last;		/* the final block has been read */
	int		 done;		/* cut, or at the end */
	int		 peeking;	/* done by a peek that can be resumed */
	int		 cut_in_words;	/* cut between two words of a block */

	/* the new code words */
	int		 started;	/* mid begins at stream byte midoff */
	uint64_t	 midoff;
	struct bitw	 mid;
	uint64_t	 flushed;	/* bytes of mid that a pass has written */
	int		 gap;		/* source bits go to old, not to mid */
	uint64_t	 from;		/* source bits to here are dealt with */
	struct bitw	 old;		/* the source bits of this gap */
	uint64_t	 gapmid;	/* mid's bits when it began */
	uint64_t	 gapfrom;	/* source bit where it began */
	uint64_t	 gapdone;	/* source bit where it ended */
	uint64_t	 gapprev;	/* the same of the gap before that */
	uint64_t	 cleared;	/* BFINAL bit of the source + 1; or 0 */
	uint64_t	 tail;		/* source byte from which all is kept */
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

/* --- where we are in the source and in the content ----------------------- */

static inline uint64_t
bitpos(const struct imgp_deflate *d)
{
	return (d->inoff + (uint64_t)(d->ip - d->in)) * 8 - d->nbits;
}

static inline uint64_t
content(const struct imgp_deflate *d)
{
	return d->winoff + (uint64_t)(d->op - d->win);
}

static inline uint64_t
min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Bits of the new stream so far, from midoff on. */
static inline uint64_t
midbits(const struct imgp_deflate *d)
{
	return d->flushed * 8 + bits_in(&d->mid);
}

/* Give whole bytes back from the bit buffer. */
static inline void
unread(struct imgp_deflate *d)
{
	d->ip -= d->nbits >> 3;
	d->nbits &= 7;
	d->bits &= (1U << d->nbits) - 1;
}

/* The source bits [from, to), which must be in in[], to ${w}. */
static inline void
copy_bits(struct imgp_deflate *d, struct bitw *w, uint64_t from, uint64_t to)
{
	imgp_deflate_put_run(w, d->in + ((from >> 3) - d->inoff),
	    (unsigned)(from & 7), to - from);
}

/* All source bits up to ${to} go where they belong: to mid, or to old. */
static inline void
settle(struct imgp_deflate *d, uint64_t to)
{
	if (d->started)
		copy_bits(d, d->gap ? &d->old : &d->mid, d->from, to);
	d->from = to;
}

static inline int
is_past_end(const struct imgp_deflate *d)
{
	return d->eof && bitpos(d) > d->src->len * 8;
}

#define REFILL(bits, n, ip) \
	((bits) |= load64(ip) << (n), (ip) += (63 - (n)) >> 3, (n) |= 56)

/* ${n} (at most 16) bits of a header. */
static inline unsigned
take(struct imgp_deflate *d, unsigned n)
{
	unsigned v;

	REFILL(d->bits, d->nbits, d->ip);
	v = (unsigned)(d->bits & ((1U << n) - 1));
	d->bits >>= n;
	d->nbits -= n;
	return v;
}

/* The copy that ${tok} says; there is room for it. */
static inline unsigned char *
copy(unsigned char *op, unsigned len, unsigned dist)
{
	const unsigned char *s = op - dist;
	unsigned char *end = op + len;

	if (dist >= 16 && len <= 16) {	/* mostly; bytes too many, as below */
		memcpy(op, s, 16);
		return end;
	}
	if (dist >= 8)
		do {	/* up to 7 bytes too many: they are written again */
			memcpy(op, s, 8);
			op += 8;
			s += 8;
		} while (op < end);
	else if (dist == 1)
		memset(op, *s, len);
	else
		do {	/* dist of the 8 bytes are right: the next's source */
			memcpy(op, s, 8);
			op += dist;
			s += dist;
		} while (op < end);
	return end;
}

/* --- deflate.c ----------------------------------------------------------- */

/* Begin with the stream ${src}; NULL: the one we are at, once more. */
int	imgp_deflate_start(struct imgp_deflate *d,
	    const struct imgp_deflate_src *src, struct imgp_err *e);

/* --- deflate_block.c ----------------------------------------------------- */

/* On behind the first three bits of a dynamic block's header: its codes. */
int	imgp_deflate_read_codes(struct imgp_deflate *d);
void	imgp_deflate_fixed_codes(struct imgp_deflate *d);
/* Block by block, until the cut or the end. */
int	imgp_deflate_go(struct imgp_deflate *d);
/* A block of words, its header read: up to its end, or to the cut. */
int	imgp_deflate_words(struct imgp_deflate *d);

/* --- deflate_stored.c ---------------------------------------------------- */

/* A stored block, the first three bits of its header read. */
int	imgp_deflate_stored(struct imgp_deflate *d);

/* --- deflate_cut.c ------------------------------------------------------- */

/* The rest of the stream is copied. */
void	imgp_deflate_cut(struct imgp_deflate *d);
/* In a block behind mark: cut as soon as the phase is right. */
int	imgp_deflate_try_cut(struct imgp_deflate *d);
/* Between two blocks, behind mark: the same. */
int	imgp_deflate_try_cut_between(struct imgp_deflate *d);
/*
 * Execute the copy ${tok}; say it in words that are longer by the bits that the
 * phase wants, modulo 8, if such are found.
 */
int	imgp_deflate_mend_phase(struct imgp_deflate *d);
/* The stream ends here. */
int	imgp_deflate_finish(struct imgp_deflate *d);

/* --- respell.c ----------------------------------------------------------- */

int	imgp_respell_failed(struct imgp_deflate *d);	/* a callback has: -1 */

/* Know the edits up to PASS_AHEAD behind where we are; forget the oldest. */
int	imgp_respell_next_edits(struct imgp_deflate *d);
/* Write what has gathered in mid and old. */
int	imgp_respell_drain(struct imgp_deflate *d);
/* Write what the undo record has. */
int	imgp_respell_drain_undo(struct imgp_deflate *d);
/*
 * Bytes ${from} and on of what edit ${i} inserts, up to PASS_INSERT, in
 * ${*p}: how many; 0 where a callback failed, and mid is full then.
 */
size_t	imgp_respell_inserted(struct imgp_deflate *d, size_t i, size_t from,
	    const unsigned char **p);
int	imgp_respell_write_mid(struct imgp_deflate *d);
/* in[] is to hold ${need} bytes at ${at} of the source, or those that there are;
 * where it does not, ${want} are read. */
int	imgp_respell_load(struct imgp_deflate *d, uint64_t at, size_t need,
	    size_t want);
/* Go on at source bit ${bit}; at least what a header needs is there. */
int	imgp_respell_seek(struct imgp_deflate *d, uint64_t bit, size_t want);
/* The final block has ended: go on with the stream that follows, or end. */
int	imgp_respell_ended(struct imgp_deflate *d);

/* --- respell_marks.c ----------------------------------------------------- */

/* We are between two words, behind the last edit: over those that no edit
 * reaches, and those that a list says.  2: we are elsewhere now. */
int	imgp_respell_jump(struct imgp_deflate *d);
/* The ${len} bytes of content at ${p}, at most PASS_TEXT / 2; where a callback failed,
 * any others, and mid is full. */
const unsigned char *imgp_respell_text(struct imgp_deflate *d, uint64_t p,
	    size_t len);
/* The content offset of the next mark behind ${p}, or NOWHERE. */
uint64_t imgp_respell_ahead(const struct imgp_deflate *d, uint64_t p);
/* While decoding, between two words: note a mark where one is due. */
int	imgp_respell_note(struct imgp_deflate *d);
/* While decoding: show what content there is; 0: nobody looks. */
int	imgp_respell_show(struct imgp_deflate *d, uint64_t *from, uint64_t *to);
/* While decoding: write it. */
int	imgp_respell_write(struct imgp_deflate *d);
/* While decoding: the stream has ended; on with the one that follows, or end. */
int	imgp_respell_decoded(struct imgp_deflate *d);

/* --- deflate_read.c ------------------------------------------------------ */

/*
 * The step functions return 0 (go on), 1 (declined) or -1 (failed); the first
 * two here fill in the error.
 */
int	imgp_deflate_damaged(struct imgp_deflate *d, const char *what);
int	imgp_deflate_decline(struct imgp_deflate *d, const char *what);
/* mid or the undo record is full: 1 (declined), or -1 where a callback failed. */
int	imgp_deflate_give_up(struct imgp_deflate *d, const char *what);
#define TOO_MANY	"too many words to be changed"
/* Read on; what is behind the current bit stays in in[]. */
int	imgp_deflate_fill(struct imgp_deflate *d);
/* See to it that a block header, if there is one, is in in[]. */
int	imgp_deflate_need_header(struct imgp_deflate *d);
/* Both CRCs up to content offset ${to}, which is in the window. */
void	imgp_deflate_crc_to(struct imgp_deflate *d, uint64_t to);
/* Make room in the window. */
int	imgp_deflate_slide(struct imgp_deflate *d);

enum stop {
	MORE,		/* at soft, or in[] or the window is used up */
	COPY,		/* tok is a copy that needs a look; not executed */
	END,		/* tok is the end of the block; taken */
	BAD_WORD,
	BAD_DIST
};

/*
 * Decode words of the block until content offset ${soft}; stop at a copy that
 * goes past ${hard} or, without a log, whose source begins before ${floor}.
 */
enum stop imgp_deflate_decode(struct imgp_deflate *d, uint64_t soft,
	    uint64_t hard, uint64_t floor);

/* --- deflate_spell.c ----------------------------------------------------- */

/*
 * From source bit ${at} on mid is no copy of the source: a gap begins.
 * Nothing happens when we are in one.
 */
int	imgp_deflate_open_gap(struct imgp_deflate *d, uint64_t at);
/* From source bit ${at} on mid is a copy of the source again. */
void	imgp_deflate_close_gap(struct imgp_deflate *d, uint64_t at);
/* The block at hand has been ended early: it is not the final one. */
void	imgp_deflate_clear_final(struct imgp_deflate *d);
/* Insert what is due at the content's end, ${p}, in a block of our own. */
void	imgp_deflate_insert_last(struct imgp_deflate *d, uint64_t p);
/* Begin the source's block again, with a copy of its header. */
void	imgp_deflate_reopen(struct imgp_deflate *d);
/* Back from a fixed block of ours to the source's; is it worth it? */
void	imgp_deflate_leave_alien(struct imgp_deflate *d);
int	imgp_deflate_is_costly(const struct imgp_deflate *d);
/* Literals in the code we are in, which has words for them. */
void	imgp_deflate_put_literals(struct imgp_deflate *d,
	    const unsigned char *s, size_t len);
/* The ${len} bytes of content at ${p}, at most PASS_TEXT / 2; they have been decoded. */
const unsigned char *imgp_deflate_text(struct imgp_deflate *d, uint64_t p,
	    size_t len);
/* Write what the edits at content offset ${p} insert; we are in a gap. */
void	imgp_deflate_insert_at(struct imgp_deflate *d, uint64_t p);
/* Execute the copy ${tok}, and write it in other words where it must be. */
int	imgp_deflate_do_copy(struct imgp_deflate *d);
/* The same where it has been executed, and made the content from ${p} on. */
int	imgp_deflate_did_copy(struct imgp_deflate *d, uint64_t p);

/* By how much content moved that lies behind ${i} edits. */
static inline int64_t
moved(const struct imgp_deflate *d, size_t i)
{
	return d->delta[i];
}

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
