/*
 * A fuzz target without libFuzzer, for the tests: each seed as it is, then
 * N changed ones in all, the same for the same number.
 *
 *	fuzz-TARGET N SEED-NUMBER FILE...
 *
 * An input that fails is kept in the file "failed".
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define MAX	((size_t)1 << 16)

static uint64_t state;
static uint8_t buf[MAX], other[MAX];
static size_t len_now;

static void
keep(int sig)
{
	int fd = open("failed", O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd == -1 || write(fd, buf, len_now) != (ssize_t)len_now)
		_exit(3);
	signal(sig, SIG_DFL);
	raise(sig);
}

static uint32_t
below(size_t n)
{
	state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((state >> 33) % (n == 0 ? 1 : n));
}

static size_t
load(const char *path, uint8_t *to)
{
	FILE *fp = fopen(path, "rb");
	size_t n;

	if (fp == NULL) {
		perror(path);
		exit(1);
	}
	n = fread(to, 1, MAX, fp);
	fclose(fp);
	return n;
}

/* One change; ${from} holds ${m} bytes of another seed. */
static size_t
change(uint8_t *p, size_t n, const uint8_t *from, size_t m)
{
	static const uint8_t odd[] = { 0, 1, 0x7f, 0x80, 0xfe, 0xff };
	size_t at = below(n), len = 1 + below(16), off;

	switch (below(7)) {
	case 0:
		p[at] ^= (uint8_t)(1u << below(8));
		return n;
	case 1:
		p[at] = (uint8_t)below(256);
		return n;
	case 2:
		p[at] = odd[below(sizeof odd)];
		return n;
	case 3:				/* take some out */
		len = len < n - at ? len : n - at;
		memmove(p + at, p + at + len, n - at - len);
		return n - len > 0 ? n - len : n;
	case 4:				/* say some twice */
		if (n + len > MAX || at + len > n)
			return n;
		memmove(p + at + len, p + at, n - at);
		return n + len;
	case 5:				/* some of another's */
		off = below(m);
		len = below(256);
		len = len < n - at ? len : n - at;
		len = len < m - off ? len : m - off;
		memcpy(p + at, from + off, len);
		return n;
	default:			/* cut it short */
		return below(20) == 0 ? at + 1 : n;
	}
}

int
main(int argc, char *argv[])
{
	long runs = argc > 3 ? atol(argv[1]) : 0, i;
	size_t n, m, files;
	int k;

	if (argc < 4)
		return 2;
	signal(SIGABRT, keep);
	signal(SIGSEGV, keep);
	state = (uint64_t)atoll(argv[2]);
	files = (size_t)argc - 3;
	for (i = 0; i < (long)files + runs; i++) {
		n = load(argv[3 + (i < (long)files ? (size_t)i : below(files))],
		    buf);
		m = load(argv[3 + below(files)], other);
		for (k = i < (long)files || n == 0 ? 0 : 1 + (int)below(6);
		    k > 0 && m > 0; k--)
			n = change(buf, n, other, m);
		len_now = n;
		(void)LLVMFuzzerTestOneInput(buf, n);
	}
	printf("%ld inputs\n", i);
	return 0;
}
