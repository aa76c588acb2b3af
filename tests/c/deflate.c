/* PKGS: zlib libdeflate libisal */
/*
 * libimgpipe/deflate against zlib, libdeflate and ISA-L.
 *
 *	deflate valid N SEED	N streams of those encoders and of one of our
 *				own, peeked at and edited at random: all three
 *				must decode the edited content; undo gives the
 *				source back
 *	deflate corrupt N SEED	N damaged streams: what is not refused must
 *				read as bad, or not be damaged at all
 *	deflate cases		single cases, as TAP
 *	deflate gzip N SEED	N patched streams as a gzip file on stdout
 *	deflate seeds DIR	write a corpus for tests/fuzz/deflate.c
 *
 * Stream i of SEED is stream 0 of SEED + i, so a failure is run again alone.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <zlib.h>

#include "libimgpipe/deflate/deflate.h"
#include "tests/c/streams.h"
#include "tests/c/tap.h"

#define NEW_MAX		(CONTENT_MAX + IMGP_DEFLATE_INSERT)

struct sink {
	byte	*p;
	size_t	 len, max;
};

static int
sink(void *arg, const void *buf, size_t len, struct imgp_err *e)
{
	struct sink *s = arg;

	if (len > s->max - s->len)
		return imgp_fail(e, IMGP_E_INTERNAL, "longer than planned");
	memcpy(s->p + s->len, buf, len);
	s->len += len;
	return 0;
}

/* A reader that knows the length, so that no byte outside is asked for. */
struct bounded {
	const byte *p;
	size_t	 len;
};

static int
read_bounded(void *arg, uint64_t off, void *buf, size_t len,
    struct imgp_err *e)
{
	const struct bounded *b = arg;

	(void)e;
	if (off > b->len || len > b->len - off)
		errx(99, "read outside of the stream");
	memcpy(buf, b->p + off, len);
	return 0;
}

/* --- edits -------------------------------------------------------------- */

struct edits {
	struct imgp_deflate_edit e[IMGP_DEFLATE_EDITS];
	size_t	n;
	byte	ins[IMGP_DEFLATE_INSERT];
};

static void
make_edits(struct edits *x, size_t size)
{
	size_t at = 0, pool = 0, left, room, i, j;
	struct imgp_deflate_edit *e;

	x->n = 1 + rnd(rnd(4) == 0 ? 8 : 3);
	for (i = 0; i < x->n; i++) {
		e = &x->e[i];
		left = size - at;
		room = left;
		if (room > 4000 && rnd(4) > 0)
			room = 4000;
		at += rnd(8) == 0 ? left : rnd(8) == 0 ? 0 : rnd(room + 1);
		e->at = at;
		left = size - at;
		switch (rnd(8)) {
		case 0: e->del = rnd(left + 1); break;
		case 1: e->del = rnd(left < 600 ? left + 1 : 600); break;
		case 2: case 3: e->del = left < 4 ? left : 4; break;
		default: e->del = 0; break;
		}
		room = IMGP_DEFLATE_INSERT - pool;
		switch (rnd(16)) {
		case 0: e->inslen = 0; break;
		case 1: e->inslen = rnd(room + 1); break;
		case 2: case 3: case 4: e->inslen = e->del < room ? e->del :
		    room; break;
		default: e->inslen = rnd(room < 80 ? room + 1 : 80); break;
		}
		e->ins = x->ins + pool;
		for (j = 0; j < e->inslen; j++)
			x->ins[pool + j] = rnd(3) > 0 ?
			    (byte)"0123456789."[rnd(11)] : (byte)rnd(256);
		pool += e->inslen;
		at += e->del;
	}
}

static size_t
apply(byte *out, const byte *in, size_t size, const struct edits *x)
{
	size_t at = 0, n = 0, i;

	for (i = 0; i < x->n; i++) {
		memcpy(out + n, in + at, x->e[i].at - at);
		n += x->e[i].at - at;
		memcpy(out + n, x->e[i].ins, x->e[i].inslen);
		n += x->e[i].inslen;
		at = x->e[i].at + x->e[i].del;
	}
	memcpy(out + n, in + at, size - at);
	return n + size - at;
}

/* --- decoders ----------------------------------------------------------- */

/* What zlib makes of it: 1 and the content, or 0. */
static int
zlib_decodes(const byte *z, size_t len, byte *out, size_t max, size_t *size)
{
	static z_stream s;
	static int made;
	int rc;

	if (!made && inflateInit2(&s, -15) != Z_OK)
		errx(99, "inflateInit2");
	made = 1;
	inflateReset(&s);
	s.next_in = (Bytef *)(uintptr_t)z;
	s.avail_in = (uInt)len;
	s.next_out = out;
	s.avail_out = (uInt)max;
	rc = inflate(&s, Z_FINISH);
	*size = max - s.avail_out;
	return rc == Z_STREAM_END && s.avail_in == 0;
}

static int
libdeflate_decodes(const byte *z, size_t len, byte *out, size_t max,
    size_t *size)
{
	static struct libdeflate_decompressor *d;
	size_t used;

	if (d == NULL && (d = libdeflate_alloc_decompressor()) == NULL)
		errx(99, "libdeflate_alloc_decompressor");
	return libdeflate_deflate_decompress_ex(d, z, len, out, max, &used,
	    size) == LIBDEFLATE_SUCCESS && used == len;
}

static int
isal_decodes(const byte *z, size_t len, byte *out, size_t max, size_t *size)
{
	static struct inflate_state s;

	isal_inflate_init(&s);
	s.next_in = (uint8_t *)(uintptr_t)z;
	s.avail_in = (uint32_t)len;
	s.next_out = out;
	s.avail_out = (uint32_t)max;
	if (isal_inflate_stateless(&s) != ISAL_DECOMP_OK)
		return 0;
	*size = max - s.avail_out;
	return s.avail_in == 0;
}

static const struct decoder {
	const char *name;
	int	(*decodes)(const byte *, size_t, byte *, size_t, size_t *);
} decoders[] = { { "zlib", zlib_decodes }, { "libdeflate", libdeflate_decodes },
    { "ISA-L", isal_decodes } };

/* --- judgement ---------------------------------------------------------- */

static struct stream s;
static struct edits x;
static byte want[NEW_MAX + 64], got[NEW_MAX + 64];
static byte out[STREAM_MAX + NEW_MAX], back[STREAM_MAX];
static struct {
	uint64_t ok, declined, refused, bad, harmless, mutants;
} count;

static int
wrong(const char *what, const struct imgp_err *e)
{
	size_t i;

	printf("# %s: %s; %s, content %zu, stream %zu\n", what,
	    e != NULL && e->code != NULL ? e->msg : "-", s.how, s.size, s.len);
	for (i = 0; i < x.n; i++)
		printf("#   at %llu delete %llu insert %zu\n",
		    (unsigned long long)x.e[i].at,
		    (unsigned long long)x.e[i].del, x.e[i].inslen);
	return -1;
}

static int
is_code(const struct imgp_err *e, const char *code)
{
	return e->code != NULL && strcmp(e->code, code) == 0;
}

/* out[], a stream made by ${p} of ${src}, must become that again. */
static int
undo_gives_back(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    const struct imgp_deflate_plan *p, const byte *z)
{
	static byte rec[1 << 20];
	struct bounded b = { out, p->len };
	struct imgp_deflate_src new = { read_bounded, &b, p->len, p->size,
	    p->crc };
	struct sink k = { back, 0, sizeof(back) };
	struct imgp_deflate_plan q;
	struct imgp_err e = { 0 };
	size_t reclen = p->undolen;

	memcpy(rec, p->undo, reclen);
	if (imgp_deflate_undo(d, &new, rec, reclen, &q, &e) == -1)
		return wrong("undo refused", &e);
	if (q.len != src->len || q.size != src->size || q.crc != src->crc)
		return wrong("undo gives another length or CRC", NULL);
	if (imgp_deflate_emit(d, &new, &q, sink, &k, &e) == -1)
		return wrong("undo not emitted", &e);
	if (k.len != src->len || memcmp(back, z, k.len) != 0)
		return wrong("undo does not give the source back", NULL);
	/* a record that is damaged may be refused or not, no more */
	rec[rnd(reclen)] ^= (byte)(1 << rnd(8));
	k.len = 0;
	if (imgp_deflate_undo(d, &new, rec, rnd(2) ? reclen : rnd(reclen), &q,
	    &e) == 0 && imgp_deflate_emit(d, &new, &q, sink, &k, &e) == 0 &&
	    k.len != q.len)
		return wrong("undo of a damaged record", NULL);
	return 0;
}

/*
 * A patch with one bit wrong must be caught (R60): by check when it shows up as
 * far as that looks; by verify wherever it is, but for codes that zlib refuses
 * and ISA-L takes, with the right content.
 */
static int
mutant_is_caught(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    const struct imgp_deflate_plan *p)
{
	const struct imgp_deflate_piece *m = &p->piece[rnd(p->pieces)];
	struct sink k = { out, 0, sizeof(out) };
	struct imgp_err e = { 0 };
	size_t size = (size_t)p->size, bit, n, same;
	int reads;

	while (m < p->piece + p->pieces && (m->mem == NULL || m->len == 0))
		m++;
	if (m == p->piece + p->pieces)
		return 0;
	bit = rnd(m->len * 8);
	((byte *)(uintptr_t)m->mem)[bit / 8] ^= (byte)(1 << (bit & 7));
	if (imgp_deflate_emit(d, src, p, sink, &k, &e) == -1)
		return wrong("emit", &e);
	reads = zlib_decodes(out, k.len, got, sizeof(got), &n);
	for (same = 0; same < n && same < size && got[same] == want[same];)
		same++;
	if (reads && n == size && same == n)
		goto out;		/* a bit that does not matter */
	count.mutants++;
	n = 0;
	if (!isal_decodes(out, k.len, got, sizeof(got), &n) || n != size ||
	    memcmp(got, want, n) != 0) {
		if (imgp_deflate_verify(d, src, p, &e) == 0 ||
		    !is_code(&e, IMGP_E_STAMP_CHECK))
			return wrong("verify misses a wrong patch", &e);
		if (n >= p->probe.len && memcmp(got, want, p->probe.len) &&
		    (imgp_deflate_glance(d, src, p, &e) == 0 ||
		    !is_code(&e, IMGP_E_STAMP_CHECK)))
			return wrong("glance misses a wrong patch", &e);
	} else if (reads)
		return wrong("ISA-L and zlib differ", NULL);
	if ((same < size || src->size <= p->head.len + IMGP_DEFLATE_BEYOND) &&
	    same < p->newhead.len + IMGP_DEFLATE_BEYOND &&
	    (imgp_deflate_check(d, src, p, IMGP_DEFLATE_BEYOND, &e) == 0 ||
	    !is_code(&e, IMGP_E_STAMP_CHECK)))
		return wrong("check misses a wrong patch", &e);
out:
	((byte *)(uintptr_t)m->mem)[bit / 8] ^= (byte)(1 << (bit & 7));
	k.len = 0;		/* out[] as it was */
	return imgp_deflate_emit(d, src, p, sink, &k, &e);
}

/*
 * Half of the time peek first, in one step or several; then plan on from there.
 * ${sound}: what was peeked at must be there, and be the content.
 */
static int
plan_on(struct imgp_deflate *d, const struct imgp_deflate_src *src,
    struct imgp_deflate_plan *p, int sound, struct imgp_err *e)
{
	const struct imgp_deflate_src *of = src;
	size_t want_len = 0, have;
	const byte *seen;
	int i, steps = (int)rnd(6) - 2, rc;

	for (i = 0; i < steps; i++) {
		want_len += 1 + rnd(UINT64_C(1) << (1 + rnd(16)));
		rc = imgp_deflate_peek(d, of, want_len, e);
		of = NULL;
		if (rc != 0 && (rc == 1 || !sound))
			break;
		if (rc != 0)
			return -2;
		have = imgp_deflate_seen(d, &seen);
		if (have > src->size || (have < src->size &&
		    have < want_len && have < IMGP_DEFLATE_PEEK) ||
		    (sound && memcmp(seen, s.content, have) != 0))
			return -2;
	}
	return imgp_deflate_plan(d, of, x.e, x.n, p, e);
}

/* What a check shows of the new content: from its first byte on, as wanted. */
static struct seeing {
	size_t	at, enough, size;
	int	bad;
} seeing;

static int
see(void *arg, const byte *p, size_t len)
{
	struct seeing *v = arg;

	if (v->at >= v->enough || len > v->size - v->at ||
	    memcmp(p, want + v->at, len) != 0)
		v->bad = 1;
	v->at += len;
	return v->at >= v->enough;
}

static void
watch(struct imgp_deflate_plan *p)
{
	p->see = rnd(4) == 0 ? NULL : see;
	p->see_arg = &seeing;
	seeing = (struct seeing){ 0, 1 + rnd(80000), (size_t)p->size, 0 };
}

/* Nothing but the content was shown, and no less of ${len} than enough. */
static int
saw(const struct imgp_deflate_plan *p, size_t len)
{
	return p->see == NULL || (!seeing.bad && (seeing.at >= len ||
	    seeing.at >= seeing.enough));
}

static int
judge_valid(struct imgp_deflate *d)
{
	struct bounded b = { s.z, s.len };
	struct imgp_deflate_src src = { read_bounded, &b, s.len, s.size,
	    s.crc };
	struct imgp_deflate_plan p;
	struct sink k = { out, 0, sizeof(out) };
	struct imgp_err e = { 0 };
	size_t size, n, i;
	int rc;

	rc = plan_on(d, &src, &p, 1, &e);
	if (rc == 1) {
		count.declined++;
		return 0;
	}
	if (rc != 0)
		return wrong(rc == -2 ? "peek" : "a valid stream is refused",
		    &e);
	size = apply(want, s.content, s.size, &x);
	if (p.size != size)
		return wrong("the size is not as planned", NULL);
	if (imgp_deflate_check(d, &src, &p, rnd(2) ? IMGP_DEFLATE_BEYOND :
	    rnd(100), &e) == -1)
		return wrong("check", &e);
	watch(&p);
	if (imgp_deflate_glance(d, &src, &p, &e) == -1)
		return wrong("glance", &e);
	if (!saw(&p, (size_t)p.probe.len))
		return wrong("glance shows something else", NULL);
	watch(&p);
	if (imgp_deflate_verify(d, &src, &p, &e) == -1)
		return wrong("verify", &e);
	if (!saw(&p, size))
		return wrong("verify shows something else", NULL);
	p.see = NULL;
	if (imgp_deflate_emit(d, &src, &p, sink, &k, &e) == -1)
		return wrong("emit", &e);
	if (k.len != p.len ||
	    p.crc != (uint32_t)crc32(0, want, (uInt)size))
		return wrong("length, size or CRC is not as planned", NULL);
	for (i = 0; i < 3; i++)
		if (!decoders[i].decodes(out, k.len, got, sizeof(got), &n) ||
		    n != size || memcmp(got, want, n) != 0)
			return wrong(decoders[i].name, NULL);
	count.ok++;
	if (rnd(4) == 0 && mutant_is_caught(d, &src, &p) == -1)
		return -1;
	return undo_gives_back(d, &src, &p, s.z);
}

static size_t
damage(byte *z, size_t len)
{
	unsigned n = 1 + (unsigned)rnd(3);
	size_t head = len < 3000 || rnd(2) ? len : 3000;

	for (; n > 0 && len > 0; n--)
		switch (rnd(8)) {
		case 0: z[rnd(head)] = (byte)rnd(256); break;
		case 1: len = rnd(len) + 1; head = head < len ? head : len;
			break;
		case 2: z[len++] = (byte)rnd(256); break;
		default: z[rnd(head)] ^= (byte)(1 << rnd(8)); break;
		}
	return len;
}

static int
judge_corrupt(struct imgp_deflate *d)
{
	static byte z[STREAM_MAX + 8];
	struct bounded b = { z, 0 };
	struct imgp_deflate_src src = { read_bounded, &b, 0, s.size, s.crc };
	struct imgp_deflate_plan p;
	struct sink k = { out, 0, sizeof(out) };
	struct imgp_err e = { 0 };
	size_t n;
	int rc, good, sound, verified;

	memcpy(z, s.z, s.len);
	src.len = b.len = damage(z, s.len);
	if (rnd(16) == 0)
		src.crc ^= 1U << rnd(32);
	if (rnd(16) == 0)
		src.size += rnd(3) - (src.size > 0);
	if (x.e[x.n - 1].at + x.e[x.n - 1].del > src.size)
		src.size = s.size;
	sound = zlib_decodes(z, src.len, got, sizeof(got), &n) &&
	    n == src.size && (uint32_t)crc32(0, got, (uInt)n) == src.crc;
	rc = plan_on(d, &src, &p, sound, &e);
	if (rc == -2)
		return wrong("peek", &e);
	if (rc != 0) {
		if (rc == -1 && !is_code(&e, IMGP_E_ARCHIVE_DAMAGED))
			return wrong("refused with another code", &e);
		if (rc == -1 && sound)
			return wrong("refused what zlib accepts", &e);
		count.refused++;
		return 0;
	}
	if (p.head.len < src.size && imgp_deflate_check(d, &src, &p, 0,
	    &e) == -1)
		return wrong("zlib does not take the head", &e);
	if (imgp_deflate_check(d, &src, &p, IMGP_DEFLATE_BEYOND, &e) == -1 &&
	    (sound || !is_code(&e, IMGP_E_ARCHIVE_DAMAGED)))
		return wrong("check", &e);
	if (imgp_deflate_glance(d, &src, &p, &e) == -1)
		return wrong("glance", &e);
	rc = imgp_deflate_verify(d, &src, &p, &e);
	if (rc == -1 && (sound || !is_code(&e, IMGP_E_ARCHIVE_DAMAGED)))
		return wrong("verify", &e);
	verified = rc == 0;
	if (imgp_deflate_emit(d, &src, &p, sink, &k, &e) == -1 ||
	    k.len != p.len)
		return wrong("emit", &e);
	good = zlib_decodes(out, k.len, got, sizeof(got), &n) &&
	    n == p.size && (uint32_t)crc32(0, got, (uInt)n) == p.crc;
	if (good && !sound)
		return wrong("LAUNDERED", NULL);
	/* ISA-L takes codes that zlib does not; then the content is right */
	if (verified && !sound && (!isal_decodes(z, src.len, got, sizeof(got),
	    &n) || n != src.size ||
	    (uint32_t)crc32(0, got, (uInt)n) != src.crc))
		return wrong("LAUNDERED by verify", NULL);
	if (!good && sound)
		return wrong("a sound stream was damaged", NULL);
	if (good)
		count.harmless++;
	else
		count.bad++;
	return undo_gives_back(d, &src, &p, z);
}

static int
run(const char *what, uint64_t n, uint64_t seed)
{
	struct imgp_deflate *d = imgp_deflate_new();
	int corrupt = strcmp(what, "corrupt") == 0, rc = 0;
	uint64_t i, failed = 0;
	unsigned k;

	for (i = 0; i < n && failed < 10; i++) {
		rng = seed + (corrupt ? i / 4 : i);
		rng = rnd(UINT64_MAX);
		make_stream(&s);
		make_edits(&x, s.size);
		if (!corrupt)
			rc = judge_valid(d);
		for (k = 0; corrupt && k < 4 && i < n && rc == 0; k++, i++)
			rc = judge_corrupt(d);
		i -= (uint64_t)corrupt;
		if (rc != 0) {
			printf("# failed: %s 4 %llu\n", what,
			    (unsigned long long)(seed + (corrupt ? i / 4 : i)));
			failed++;
			rc = 0;
			i |= corrupt ? 3 : 0;
		}
	}
	imgp_deflate_free(d);
	printf("%s: %llu streams from seed %llu, %llu failed: ", what,
	    (unsigned long long)i, (unsigned long long)seed,
	    (unsigned long long)failed);
	if (corrupt)
		printf("%llu refused, %llu read as bad, %llu were harmless\n",
		    (unsigned long long)count.refused,
		    (unsigned long long)count.bad,
		    (unsigned long long)count.harmless);
	else
		printf("%llu patched, %llu declined; %llu wrong patches "
		    "caught\n", (unsigned long long)count.ok,
		    (unsigned long long)count.declined,
		    (unsigned long long)count.mutants);
	return failed != 0;
}

/* --- single cases ------------------------------------------------------- */

static struct imgp_deflate *D;
static struct bounded B;
static struct imgp_deflate_src S;
static struct imgp_deflate_plan P;
static struct imgp_err E;
static uint64_t reached;	/* the highest offset read, + 1 */

static int
read_noting(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	if (off + len > reached)
		reached = off + len;
	return read_bounded(arg, off, buf, len, e);
}

static int
read_failing(void *arg, uint64_t off, void *buf, size_t len,
    struct imgp_err *e)
{
	(void)arg, (void)off, (void)buf, (void)len;
	return imgp_fail(e, IMGP_E_STORE_IO, "staged");
}

static int
write_failing(void *arg, const void *buf, size_t len, struct imgp_err *e)
{
	(void)arg, (void)buf, (void)len;
	return imgp_fail(e, IMGP_E_STORE_FULL, "staged");
}

/* ${size} bytes of a text that compresses, by zlib. */
static void
text(size_t size, int level, int strategy)
{
	uint64_t was = rng;
	z_stream z;
	size_t i;

	rng = 1;
	for (i = 0; i < size; i++)
		s.content[i] = (byte)(i % 7 == 0 ? rnd(256) :
		    i < 100 || rnd(3) == 0 ? 'a' + rnd(20) :
		    s.content[i - 1 - rnd(99)]);
	s.size = size;
	memset(&z, 0, sizeof(z));
	if (deflateInit2(&z, level, Z_DEFLATED, -15, 8, strategy) != Z_OK)
		errx(99, "deflateInit2");
	z.next_in = s.content;
	z.avail_in = (uInt)size;
	z.next_out = s.z;
	z.avail_out = sizeof(s.z);
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		errx(99, "deflate");
	s.len = sizeof(s.z) - z.avail_out;
	deflateEnd(&z);
	s.crc = (uint32_t)crc32(0, s.content, (uInt)size);
	B = (struct bounded){ s.z, s.len };
	S = (struct imgp_deflate_src){ read_noting, &B, s.len, s.size, s.crc };
	rng = was;
}

static void
edit(uint64_t at, uint64_t del, size_t inslen)
{
	memset(x.ins, '7', sizeof(x.ins));
	x.e[0] = (struct imgp_deflate_edit){ at, del, x.ins, inslen };
	x.n = 1;
}

static int
plan(void)
{
	E.code = NULL;
	return imgp_deflate_plan(D, &S, x.e, x.n, &P, &E);
}

static int
refused(int rc, const char *code)
{
	return rc == -1 && is_code(&E, code);
}

static void
edges(void)
{
	static const struct { int level, strategy; const char *what; } k[] = {
	    { 0, 0, "stored" }, { 6, Z_FIXED, "fixed" }, { 6, 0, "dynamic" },
	    { 6, Z_HUFFMAN_ONLY, "literals alone" } };
	size_t i, size;

	for (i = 0; i < 4; i++)
		for (size = 1; size <= 100000; size *= 10) {
			int good;

			text(size, k[i].level, k[i].strategy);
			edit(0, 0, 16);
			good = judge_valid(D) == 0;
			edit(size, 0, 16);
			good &= judge_valid(D) == 0;
			edit(0, size, 0);
			good &= judge_valid(D) == 0;
			edit(size / 2, size - size / 2, 60000);
			good &= judge_valid(D) == 0;
			edit(size - 1, 1, 1);
			good &= judge_valid(D) == 0;
			ok(good, "%zu bytes, %s: first, last and all bytes",
			    size, k[i].what);
		}
}

static void
wrong_edits(void)
{
	text(1000, 6, 0);
	edit(1001, 0, 1);
	ok(refused(plan(), IMGP_E_INTERNAL), "an edit behind the end");
	edit(999, 2, 1);
	ok(refused(plan(), IMGP_E_INTERNAL), "a deletion over the end");
	edit(UINT64_MAX, UINT64_MAX, 1);
	ok(refused(plan(), IMGP_E_INTERNAL), "an edit past all numbers");
	edit(10, 5, 1);
	x.e[1] = x.e[0];
	x.e[1].at = 14;
	x.n = 2;
	ok(refused(plan(), IMGP_E_INTERNAL), "edits that overlap");
	x.n = IMGP_DEFLATE_EDITS + 1;
	ok(refused(plan(), IMGP_E_INTERNAL), "too many edits");
	edit(10, 0, IMGP_DEFLATE_INSERT + 1);
	ok(plan() == 1 && E.code != NULL, "an insertion too long is declined");
}

static void
wrong_sources(void)
{
	struct sink k = { out, 0, sizeof(out) };
	size_t i;

	text(200000, 6, 0);
	edit(1000, 0, 16);
	S.size++;
	ok(plan() == 0 && refused(imgp_deflate_verify(D, &S, &P, &E),
	    IMGP_E_ARCHIVE_DAMAGED), "a size too large: verify tells (R60)");
	S.size = 20000;
	ok(refused(plan(), IMGP_E_ARCHIVE_DAMAGED), "a size too small");
	text(200000, 6, 0);
	S.crc ^= 4;
	ok(plan() == 0 && refused(imgp_deflate_verify(D, &S, &P, &E),
	    IMGP_E_ARCHIVE_DAMAGED), "a wrong CRC: verify tells (R60)");
	ok(imgp_deflate_check(D, &S, &P, IMGP_DEFLATE_BEYOND, &E) == 0,
	    "a wrong CRC: check does not look at it");
	text(1000, 6, 0);
	S.crc ^= 4;
	ok(refused(plan(), IMGP_E_ARCHIVE_DAMAGED),
	    "a wrong CRC of a stream that is walked to its end");
	text(200000, 6, 0);
	S.len = B.len = s.len + 1;
	ok(plan() == 0 && refused(imgp_deflate_verify(D, &S, &P, &E),
	    IMGP_E_ARCHIVE_DAMAGED), "a byte behind the end: verify tells");
	text(1000, 6, 0);
	S.len = B.len = s.len + 1;
	ok(plan() == 1, "a byte behind an end that is seen is declined");
	text(200000, 6, 0);
	x.n = 0;
	ok(plan() == 0 && P.pieces == 1 && P.len == s.len && P.crc == s.crc &&
	    imgp_deflate_verify(D, &S, &P, &E) == 0 &&
	    imgp_deflate_emit(D, &S, &P, sink, &k, &E) == 0 &&
	    undo_gives_back(D, &S, &P, s.z) == 0,
	    "no edit: a copy, and verify judges a stream as it is");
	/* 4100 empty stored blocks: deflate_block.c takes 4096. */
	memset(s.z, 0, 20500);
	for (i = 0; i < 20500; i += 5)
		s.z[i + 3] = s.z[i + 4] = 255;
	S.len = B.len = 20500;
	S.size = 1;
	edit(1, 0, 1);
	ok(plan() == 1, "more empty blocks than are taken are declined (R58)");
}

static void
failing(void)
{
	struct sink k = { out, 0, sizeof(out) };
	struct imgp_deflate_fd f = { -1, 7 };
	char name[] = "deflate.XXXXXX";
	int rc;

	text(200000, 6, 0);
	edit(1000, 0, 16);
	reached = 0;
	rc = plan();
	ok(rc == 0 && reached <= 50000 && s.len > 100000,
	    "a plan reads the head alone: %llu of %zu bytes",
	    (unsigned long long)reached, s.len);
	ok(P.len >= s.len && P.len <= s.len + 24,
	    "16 bytes in, %d more out", (int)(P.len - s.len));
	ok(P.undolen < 1500, "an undo record of %zu bytes", P.undolen);
	S.read = read_failing;
	ok(refused(imgp_deflate_verify(D, &S, &P, &E), IMGP_E_STORE_IO) &&
	    refused(imgp_deflate_check(D, &S, &P, 9, &E), IMGP_E_STORE_IO) &&
	    refused(imgp_deflate_glance(D, &S, &P, &E), IMGP_E_STORE_IO) &&
	    refused(imgp_deflate_emit(D, &S, &P, sink, &k, &E),
	    IMGP_E_STORE_IO) && refused(plan(), IMGP_E_STORE_IO),
	    "a reader that fails");
	S.read = read_bounded;
	ok(plan() == 0 && refused(imgp_deflate_emit(D, &S, &P, write_failing,
	    NULL, &E), IMGP_E_STORE_FULL), "a writer that fails");
	if ((f.fd = mkstemp(name)) == -1 || unlink(name) == -1 ||
	    pwrite(f.fd, s.z, s.len, 7) != (ssize_t)s.len)
		err(99, "%s", name);
	S.read = imgp_deflate_read_fd;
	S.arg = &f;
	ok(plan() == 0 && imgp_deflate_verify(D, &S, &P, &E) == 0 &&
	    imgp_deflate_emit(D, &S, &P, sink, &k, &E) == 0 &&
	    zlib_decodes(out, k.len, got, sizeof(got), &k.max) &&
	    k.max == P.size, "from a file, at an offset");
	if (ftruncate(f.fd, 20000) == -1)
		err(99, "%s", name);
	ok(refused(imgp_deflate_verify(D, &S, &P, &E),
	    IMGP_E_STORE_IO), "a file that became short");
	close(f.fd);
}

static int
cases(void)
{
	D = imgp_deflate_new();
	edges();
	wrong_edits();
	wrong_sources();
	failing();
	imgp_deflate_free(D);
	imgp_deflate_free(NULL);
	return done_testing();
}

/*
 * Patched streams as members of a gzip file (RFC 1952), for gzip(1), whose
 * inflate is not zlib's.  One in four is of literals alone, so that filler
 * blocks are among them.
 */
static int
gzip(uint64_t n, uint64_t seed)
{
	static const byte head[10] = { 31, 139, 8, 0, 0, 0, 0, 0, 0, 255 };
	struct sink k = { out, 0, sizeof(out) };
	byte end[8];
	uint64_t i;
	unsigned j;

	D = imgp_deflate_new();
	for (i = 0; i < n; i++) {
		rng = seed + i;
		rng = rnd(UINT64_MAX);
		if (i % 4 == 0)
			text(60000 + rnd(9999), 6, Z_HUFFMAN_ONLY);
		else
			make_stream(&s);
		B = (struct bounded){ s.z, s.len };
		S = (struct imgp_deflate_src){ read_bounded, &B, s.len,
		    s.size, s.crc };
		make_edits(&x, s.size < 1000 ? s.size : 1000);
		if (plan() == 1)
			continue;
		k.len = 0;
		if (P.len == 0 || imgp_deflate_emit(D, &S, &P, sink, &k,
		    &E) == -1)
			errx(1, "%s", E.msg);
		for (j = 0; j < 4; j++) {
			end[j] = (byte)(P.crc >> 8 * j);
			end[4 + j] = (byte)(P.size >> 8 * j);
		}
		if (fwrite(head, sizeof(head), 1, stdout) != 1 ||
		    fwrite(out, 1, k.len, stdout) != k.len ||
		    fwrite(end, sizeof(end), 1, stdout) != 1)
			err(1, "stdout");
	}
	imgp_deflate_free(D);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* A corpus as tests/fuzz/deflate.c reads it: 8 bytes that choose, a stream. */
static int
seeds(const char *dir)
{
	char name[4096];
	byte head[8];
	unsigned i, n;
	FILE *fp;

	for (i = n = 0; n < 300; i++) {
		rng = i;
		rng = rnd(UINT64_MAX);
		make_stream(&s);
		if (s.len > 3000)
			continue;
		for (size_t j = 0; j < sizeof(head); j++)
			head[j] = (byte)rnd(256);
		snprintf(name, sizeof(name), "%s/seed-%03u", dir, n++);
		if ((fp = fopen(name, "w")) == NULL || fwrite(head, 8, 1,
		    fp) != 1 || fwrite(s.z, 1, s.len, fp) != s.len ||
		    fclose(fp) != 0)
			err(1, "%s", name);
	}
	return 0;
}

int
main(int argc, char *argv[])
{
	if (argc == 4 && strcmp(argv[1], "gzip") == 0)
		return gzip(strtoull(argv[2], NULL, 10),
		    strtoull(argv[3], NULL, 10));
	if (argc == 4)
		return run(argv[1], strtoull(argv[2], NULL, 10),
		    strtoull(argv[3], NULL, 10));
	if (argc == 2 && strcmp(argv[1], "cases") == 0)
		return cases();
	if (argc == 3 && strcmp(argv[1], "seeds") == 0)
		return seeds(argv[2]);
	errx(2, "usage: deflate valid|corrupt|gzip N SEED | cases | "
	    "seeds DIR");
}
