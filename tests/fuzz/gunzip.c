/* PKGS: zlib libisal */
/*
 * libFuzzer: a byte that chooses how much is read at once, then gzip.  What is
 * taken is what zlib reads, member by member, and zeros behind them; and it is the
 * same however it is read.  make fuzz-gunzip [FUZZ_SECONDS=60]
 */
#include <zlib.h>

#include "libimgpipe/archive/gunzip.h"
#include "tests/fuzz/fuzz.h"

#define MAX	((size_t)1 << 22)

/* All of it, up to MAX; -1 when it is refused, -2 when it is too much. */
static long
ours(int fd, unsigned char *out, size_t step)
{
	struct imgp_gunzip *g = imgp_gunzip_new(fd);
	struct imgp_err e = { NULL, "" };
	size_t have = 0;
	long n;

	do {
		n = imgp_gunzip_read(g, out + have,
		    step < MAX - have ? step : MAX - have, &e);
		if (n > 0)
			have += (size_t)n;
	} while (n > 0 && have < MAX);
	must(n != -1 || e.code != NULL);
	must(imgp_gunzip_count(g) == have);
	imgp_gunzip_free(g);
	return n == -1 ? -1 : have == MAX ? -2 : (long)have;
}

static int
are_zeros(const uint8_t *data, size_t size)
{
	while (size > 0 && data[size - 1] == 0)
		size--;
	return size == 0;
}

static long
theirs(const uint8_t *data, size_t size, unsigned char *out)
{
	size_t have = 0;
	z_stream z;
	int rc;

	do {
		memset(&z, 0, sizeof z);
		must(inflateInit2(&z, 15 + 16) == Z_OK);
		z.next_in = (Bytef *)(uintptr_t)data;
		z.avail_in = (uInt)size;
		z.next_out = out + have;
		z.avail_out = (uInt)(MAX - have);
		rc = inflate(&z, Z_FINISH);
		have = MAX - z.avail_out;
		data += size - z.avail_in;
		size = z.avail_in;
		inflateEnd(&z);
	} while (rc == Z_STREAM_END && !are_zeros(data, size) && have < MAX);
	return have == MAX ? -2 : rc == Z_STREAM_END ? (long)have : -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char a[MAX], b[MAX];
	size_t header, step;
	long n, m;
	int fd;

	if (size < 2 || size > 1 << 20)
		return 0;
	step = (size_t)1 << (data++[0] & 15);
	size--;
	header = imgp_gunzip_header(data, size);
	must(header <= size);
	fd = fuzz_file(data, size);
	n = ours(fd, a, 65536);
	must(ours(fd, b, step) == n);
	must(n < 0 || memcmp(a, b, (size_t)n) == 0);
	if (n >= 0) {
		m = theirs(data, size, b);
		must(m == n && memcmp(a, b, (size_t)n) == 0);
		must(header != 0);
	}
	close(fd);
	return 0;
}
