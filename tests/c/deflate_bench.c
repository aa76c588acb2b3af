/* PKGS: zlib libdeflate libisal */
/*
 * What it costs to put 16 bytes into a deflated DICOM instance, in CPU time:
 * the patch, and decoding and encoding again with zlib, libdeflate and ISA-L.
 * Run by tests/bench/deflate.
 *
 *	deflate_bench ROUNDS
 *
 * In a round each way does all instances in turn; of the rounds the median
 * counts.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <zlib.h>

#include "libimgpipe/deflate/deflate.h"

#define CONTENT_MAX	(600 * 1024)
#define INSTANCES	24
#define ROUNDS_MAX	99
#define AT		1870

struct instance {
	unsigned char *p, *z;
	size_t	size, len;
	uint32_t crc;
};

static struct instance inst[INSTANCES];
static unsigned char ins[16] = "\x12\0\x71\0LO\x8\0" "1201.123";
static unsigned char raw[CONTENT_MAX + 64], out[2 * CONTENT_MAX];
static size_t outlen;
static uint64_t rng = 1;
static volatile uint32_t kept;

static int
read_mem(void *mem, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	(void)e;
	memcpy(buf, (const unsigned char *)mem + off, len);
	return 0;
}

static uint32_t
rnd(void)
{
	rng = rng * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return (uint32_t)(rng >> 33);
}

/* Tags and VRs, UIDs and numbers; behind 2200 bytes something private. */
static unsigned char
header_byte(size_t i)
{
	static const char uid[] = "1.2.840.113619.2.55.3.2831868886.";
	static const char vr[] = "UILODACS";
	size_t k = i % 29;

	if (k < 4)
		return (unsigned char)(rnd() % 40);
	if (k < 8)
		return (unsigned char)vr[i / 29 % 4 * 2 + i % 2];
	if (i > 2200)
		return (unsigned char)(i % 400 < 200 ? 0 : rnd() % 64);
	if (k < 20)
		return (unsigned char)uid[(i / 29 * 5 + k) %
		    (sizeof(uid) - 1)];
	return (unsigned char)('0' + rnd() % 10);
}

/* Header with elements of text, a private part, an image with noise. */
static void
make(struct instance *x, unsigned side, size_t private)
{
	size_t i, head = 2200 + private;
	unsigned noise;

	x->size = head + (size_t)side * side * 2;
	x->p = malloc(x->size);
	x->z = malloc(x->size + 1024);
	if (x->p == NULL || x->z == NULL)
		err(1, NULL);
	for (i = 0; i < head; i++)
		x->p[i] = header_byte(i);
	for (i = 0; i < (size_t)side * side; i++) {
		noise = (rnd() & 15) + (rnd() & 15) + (rnd() & 15);
		noise += (unsigned)(i % side * 3 + i / side * 2);
		x->p[head + 2 * i] = (unsigned char)noise;
		x->p[head + 2 * i + 1] = (unsigned char)(noise >> 8);
	}
	x->crc = crc32_gzip_refl(0, x->p, x->size);
}

static size_t
by_zlib(const unsigned char *p, size_t size, int level, unsigned char *to,
    size_t max)
{
	z_stream z;

	memset(&z, 0, sizeof(z));
	if (deflateInit2(&z, level, Z_DEFLATED, -15, 8, 0) != Z_OK)
		errx(1, "deflateInit2");
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)size;
	z.next_out = to;
	z.avail_out = (uInt)max;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		errx(1, "deflate");
	deflateEnd(&z);
	return max - z.avail_out;
}

static void
zlib_decode(const struct instance *x)
{
	z_stream z;

	memset(&z, 0, sizeof(z));
	if (inflateInit2(&z, -15) != Z_OK)
		errx(1, "inflateInit2");
	z.next_in = x->z;
	z.avail_in = (uInt)x->len;
	z.next_out = raw;
	z.avail_out = sizeof(raw);
	if (inflate(&z, Z_FINISH) != Z_STREAM_END)
		errx(1, "inflate");
	inflateEnd(&z);
}

static void
isal_decode(const struct instance *x)
{
	static struct inflate_state s;

	isal_inflate_init(&s);
	s.next_in = x->z;
	s.avail_in = (uint32_t)x->len;
	s.next_out = raw;
	s.avail_out = sizeof(raw);
	if (isal_inflate_stateless(&s) != 0)
		errx(1, "isal_inflate");
}

static void
libdeflate_decode(const struct instance *x)
{
	static struct libdeflate_decompressor *d;
	size_t n;

	if (d == NULL)
		d = libdeflate_alloc_decompressor();
	if (libdeflate_deflate_decompress(d, x->z, x->len, raw, sizeof(raw),
	    &n) != LIBDEFLATE_SUCCESS)
		errx(1, "libdeflate_deflate_decompress");
}

static void
splice(const struct instance *x)
{
	memmove(raw + AT + sizeof(ins), raw + AT, x->size - AT);
	memcpy(raw + AT, ins, sizeof(ins));
	kept = crc32_gzip_refl(0, raw, x->size + sizeof(ins));
}

/* --- the ways ----------------------------------------------------------- */

static void
copy(const struct instance *x)
{
	memcpy(out, x->z, x->len);
	outlen = x->len;
}

static int
take(void *arg, const void *buf, size_t len, struct imgp_err *e)
{
	(void)arg, (void)e;
	memcpy(out + outlen, buf, len);
	outlen += len;
	return 0;
}

enum { TRUST, GLANCE, CHECK, VERIFY };

static void
patch(const struct instance *x, int how)
{
	static struct imgp_deflate *d;
	struct imgp_deflate_src src = { read_mem, x->z, x->len,
	    x->size, x->crc };
	struct imgp_deflate_edit edit = { AT, 0, ins, sizeof(ins) };
	struct imgp_deflate_plan p;
	struct imgp_err e;

	if (d == NULL)
		d = imgp_deflate_new();
	outlen = 0;
	if (imgp_deflate_plan(d, &src, &edit, 1, &p, &e) != 0 ||
	    (how == GLANCE && imgp_deflate_glance(d, &src, &p, &e) == -1) ||
	    (how == CHECK && imgp_deflate_check(d, &src, &p,
	    IMGP_DEFLATE_BEYOND, &e) == -1) ||
	    (how == VERIFY && imgp_deflate_verify(d, &src, &p, &e) == -1) ||
	    imgp_deflate_emit(d, &src, &p, take, NULL, &e) == -1)
		errx(1, "%s", e.msg);
}

static void
patch_trust(const struct instance *x)
{
	patch(x, TRUST);
}

static void
patch_glance(const struct instance *x)
{
	patch(x, GLANCE);
}

static void
patch_check(const struct instance *x)
{
	patch(x, CHECK);
}

static void
patch_verify(const struct instance *x)
{
	patch(x, VERIFY);
}

static void
test_zlib(const struct instance *x)
{
	zlib_decode(x);
	kept = (uint32_t)crc32(0, raw, (uInt)x->size);
	outlen = 0;
}

static void
test_isal(const struct instance *x)
{
	isal_decode(x);
	kept = crc32_gzip_refl(0, raw, x->size);
	outlen = 0;
}

static void
igzip_1(const struct instance *x)
{
	static unsigned char level_buf[ISAL_DEF_LVL1_DEFAULT];
	struct isal_zstream z;

	isal_decode(x);
	splice(x);
	isal_deflate_stateless_init(&z);
	z.level = 1;
	z.level_buf = level_buf;
	z.level_buf_size = sizeof(level_buf);
	z.next_in = raw;
	z.avail_in = (uint32_t)(x->size + sizeof(ins));
	z.next_out = out;
	z.avail_out = sizeof(out);
	z.end_of_stream = 1;
	if (isal_deflate_stateless(&z) != COMP_OK)
		errx(1, "isal_deflate_stateless");
	outlen = sizeof(out) - z.avail_out;
}

static void
libdeflate_n(const struct instance *x, int level)
{
	static struct libdeflate_compressor *c[13];

	if (c[level] == NULL)
		c[level] = libdeflate_alloc_compressor(level);
	libdeflate_decode(x);
	splice(x);
	outlen = libdeflate_deflate_compress(c[level], raw,
	    x->size + sizeof(ins), out, sizeof(out));
}

static void
libdeflate_1(const struct instance *x)
{
	libdeflate_n(x, 1);
}

static void
libdeflate_6(const struct instance *x)
{
	libdeflate_n(x, 6);
}

static void
zlib_1(const struct instance *x)
{
	zlib_decode(x);
	splice(x);
	outlen = by_zlib(raw, x->size + sizeof(ins), 1, out, sizeof(out));
}

static void
zlib_6(const struct instance *x)
{
	zlib_decode(x);
	splice(x);
	outlen = by_zlib(raw, x->size + sizeof(ins), 6, out, sizeof(out));
}

static const struct way {
	const char *name;
	void	(*run)(const struct instance *);
} ways[] = {
	{ "copy of the entry", copy },
	{ "patch, trust", patch_trust },
	{ "patch, verify", patch_verify },
	{ "patch, glance", patch_glance },
	{ "patch, check", patch_check },
	{ "zlib decode and CRC alone", test_zlib },
	{ "ISA-L decode and CRC alone", test_isal },
	{ "ISA-L decode, igzip 1", igzip_1 },
	{ "libdeflate decode, encode 1", libdeflate_1 },
	{ "libdeflate decode, encode 6", libdeflate_6 },
	{ "zlib decode, encode 1", zlib_1 },
	{ "zlib decode, encode 6", zlib_6 },
};
#define WAYS	(sizeof(ways) / sizeof(ways[0]))

static double
cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
bench(const char *name, unsigned side, size_t private, int rounds)
{
	static double t[WAYS][ROUNDS_MAX];
	double sum[WAYS] = { 0 }, len = 0, size = 0, m[WAYS];
	size_t i, k;
	int r;

	for (i = 0; i < INSTANCES; i++) {
		make(&inst[i], side, private);
		inst[i].len = by_zlib(inst[i].p, inst[i].size, 6, inst[i].z,
		    inst[i].size + 1024);
		len += (double)inst[i].len;
		size += (double)inst[i].size;
	}
	for (r = 0; r < rounds; r++)
		for (k = 0; k < WAYS; k++) {
			t[k][r] = -cpu();
			for (i = 0; i < INSTANCES; i++) {
				ways[k].run(&inst[i]);
				if (r == 0)
					sum[k] += (double)outlen;
			}
			t[k][r] += cpu();
		}
	for (k = 0; k < WAYS; k++) {
		qsort(t[k], (size_t)rounds, sizeof(double), ascending);
		m[k] = t[k][rounds / 2] / INSTANCES;
	}
	printf("%s: %.0f KB, deflated %.0f KB\n", name, size / INSTANCES / 1e3,
	    len / INSTANCES / 1e3);
	for (k = 0; k < WAYS; k++) {
		printf("  %-28s %8.0f us %7.2f x trust %7.2f x verify",
		    ways[k].name, m[k], m[k] / m[1], m[k] / m[2]);
		if (sum[k] > 0)
			printf("  size %.4f", sum[k] / len);
		putchar('\n');
	}
	for (i = 0; i < INSTANCES; i++) {
		free(inst[i].p);
		free(inst[i].z);
	}
}

int
main(int argc, char *argv[])
{
	int rounds = argc > 1 ? atoi(argv[1]) : 5;

	if (rounds < 1 || rounds > ROUNDS_MAX)
		errx(2, "usage: deflate_bench ROUNDS");
	printf("zlib %s, libdeflate %s, medians of %d rounds of %d "
	    "instances\n", zlibVersion(), LIBDEFLATE_VERSION_STRING, rounds,
	    INSTANCES);
	bench("SMALL", 112, 11000, rounds);
	bench("MR", 192, 11000, rounds);
	bench("PET", 400, 0, rounds);
	bench("CT", 512, 0, rounds);
	return 0;
}
