/* PKGS: zlib libisal */
/*
 * libFuzzer: 8 bytes that choose the edits and what the container says, then
 * a stream, good or bad.  What zlib reads must not be refused, what it does
 * not read must not read as good when it is patched; undo gives it back.
 * make fuzz-deflate [FUZZ_SECONDS=60]; a corpus: .build/tests/deflate seeds
 * .build/fuzz/corpus-deflate.  Many whole streams: tests/fuzz/deflate-streams.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "libimgpipe/deflate/deflate.h"

#define MAX	(1 << 20)

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
	unsigned char	*p;
	size_t		 len;
};

static int
sink(void *arg, const void *buf, size_t len, struct imgp_err *e)
{
	struct sink *s = arg;

	(void)e;
	if (len > MAX - s->len)
		abort();
	memcpy(s->p + s->len, buf, len);
	s->len += len;
	return 0;
}

struct part {
	const unsigned char *p;
	size_t		 len;
};

static int
reader(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	const struct part *s = arg;

	(void)e;
	if (off > s->len || len > s->len - off)
		abort();
	memcpy(buf, s->p + off, len);
	return 0;
}

/* 1 when zlib takes it whole; ${*n}: bytes of content. */
static int
reads(const unsigned char *p, size_t len, unsigned char *out, size_t *n)
{
	z_stream z;
	int rc;

	memset(&z, 0, sizeof(z));
	if (inflateInit2(&z, -15) != Z_OK)
		abort();
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)len;
	z.next_out = out;
	z.avail_out = MAX;
	rc = inflate(&z, Z_FINISH);
	*n = MAX - z.avail_out;
	inflateEnd(&z);
	return rc == Z_STREAM_END && z.avail_in == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char out[MAX], new[MAX], back[MAX], rec[1 << 17];
	static struct imgp_deflate *d;
	unsigned char ins[300];
	struct imgp_deflate_edit x[2];
	struct imgp_deflate_plan p;
	struct imgp_deflate_src src, made;
	struct imgp_err e = { 0 };
	struct sink k = { new, 0 }, b = { back, 0 };
	struct part part, newpart;
	int sound, rc;
	size_t n, reclen;

	if (d == NULL)
		d = imgp_deflate_new();
	if (size < 8)
		return 0;
	part = (struct part){ data + 8, size - 8 };
	sound = reads(part.p, part.len, out, &n);
	src = (struct imgp_deflate_src){ reader, &part, part.len, n,
	    (uint32_t)crc32(0, out, (uInt)n) };
	if (data[0] & 1) {
		src.size += data[7];
		sound &= data[7] == 0;
	}
	memset(ins, data[6], sizeof(ins));
	x[0].at = (data[1] * UINT64_C(251) + data[2]) % (src.size + 1);
	x[0].del = data[3] < src.size - x[0].at ? data[3] : 0;
	x[0].ins = ins;
	x[0].inslen = data[4] + 1;
	x[1].at = src.size - (src.size - x[0].at - x[0].del) * data[5] / 255;
	x[1].del = data[0] & 2 ? (src.size - x[1].at) / 2 : 0;
	x[1].ins = ins;
	x[1].inslen = data[0] >> 2;
	rc = data[5] & 1 ? 1 : imgp_deflate_peek(d, &src, data[5] * 16u, &e);
	if (rc == -1 && sound)
		abort();
	if (rc == 0 && data[5] & 2)
		rc = imgp_deflate_peek(d, NULL, data[5] * 64u, &e);
	if (rc == -1 && sound)
		abort();
	rc = imgp_deflate_plan(d, rc == 0 ? NULL : &src, x, 2, &p, &e);
	if (rc == -1 && sound)
		abort();
	if (rc != 0)
		return 0;
	if ((imgp_deflate_verify(d, &src, &p, &e) == -1 ||
	    imgp_deflate_check(d, &src, &p, 1 << 18, &e) == -1) && sound)
		abort();
	if (imgp_deflate_glance(d, &src, &p, &e) == -1 ||
	    imgp_deflate_emit(d, &src, &p, sink, &k, &e) == -1 ||
	    k.len != p.len)
		abort();
	reclen = p.undolen;
	memcpy(rec, p.undo, reclen);
	rc = reads(new, k.len, out, &n) && n == p.size &&
	    (uint32_t)crc32(0, out, (uInt)n) == p.crc;
	if (rc != sound && n < MAX)
		abort();
	newpart = (struct part){ new, k.len };
	made = (struct imgp_deflate_src){ reader, &newpart, k.len, p.size,
	    p.crc };
	if (imgp_deflate_undo(d, &made, rec, reclen, &p, &e) == -1 ||
	    imgp_deflate_emit(d, &made, &p, sink, &b, &e) == -1 ||
	    b.len != part.len || memcmp(back, part.p, b.len) != 0)
		abort();
	if (data[0] & 1)
		rec[data[1] * 7U % reclen] ^= data[2];
	if (imgp_deflate_undo(d, &made, rec, reclen, &p, &e) == 0) {
		b.len = 0;
		(void)imgp_deflate_emit(d, &made, &p, sink, &b, &e);
	}
	return 0;
}
