/* PKGS: zlib libisal */
/*
 * A list of edits: the CRC-32 and size that edits.h reckons from sums of the old file
 * are those of the new file as it writes it.
 */
#include <stdlib.h>
#include <unistd.h>

#include "libimgpipe/archive/edits.h"
#include "libimgpipe/archive/encode.h"
#include "tests/c/tap.h"

#define MAX	((size_t)5 * IMGP_EDITS_STEP)

static unsigned char old[MAX], bytes[MAX];
static uint32_t state = 1;

static size_t
below(size_t n)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % n;
}

struct written {
	uint32_t crc;
	uint64_t size;
};

static int
count(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct written *w = arg;

	(void)e;
	w->crc = imgp_crc32(w->crc, p, len);
	w->size += len;
	return 0;
}

static int
add_sums(struct imgp_spill *sums, size_t size, struct imgp_err *e)
{
	uint32_t crc = 0;
	size_t i;

	for (i = 0; i + IMGP_EDITS_STEP <= size; i += IMGP_EDITS_STEP) {
		crc = imgp_crc32(crc, old + i, IMGP_EDITS_STEP);
		if (imgp_spill_write(sums, &crc, sizeof crc, e) == -1)
			return -1;
	}
	return imgp_spill_done(sums, e);
}

/* Copies and other bytes in turn, ${step} at most of each. */
static int
describe(struct imgp_edits *l, size_t size, size_t step, struct imgp_err *e)
{
	size_t at = below(3) == 0 ? 0 : below(size + 1), n;

	if (imgp_edits_copy(l, 0, at, e) == -1)
		return -1;
	while (at < size) {
		if (imgp_edits_write(l, bytes, below(step), e) == -1)
			return -1;
		at += below(4) == 0 ? 0 : below(step);
		at = at < size ? at : size;
		n = below(step);
		n = n < size - at ? n : size - at;
		if (imgp_edits_copy(l, at, n, e) == -1)
			return -1;
		at += n;
	}
	return imgp_edits_end(l, e);
}

/* A file of ${size} bytes: -1 where something fails, else whether both are equal. */
static int
try(int fd, size_t size, size_t step)
{
	struct imgp_edits *l = imgp_edits_new(fd, size, -1);
	struct written w = { 0, 0 };
	struct imgp_spill sums;
	struct imgp_err e;
	uint64_t newsize;
	uint32_t crc;
	int rc = -1;

	imgp_spill_init(&sums, -1);
	if (add_sums(&sums, size, &e) == 0 && describe(l, size, step, &e) == 0 &&
	    imgp_edits_crc(l, &sums, &crc, &newsize, &e) == 0 &&
	    imgp_edits_apply(l, count, &w, &e) == 0)
		rc = crc == w.crc && newsize == w.size;
	imgp_spill_release(&sums);
	imgp_edits_free(l);
	return rc;
}

int
main(void)
{
	FILE *f = tmpfile();
	size_t i, size, bad = 0, tries = 2000;

	for (i = 0; i < MAX; i++) {
		old[i] = (unsigned char)below(256);
		bytes[i] = (unsigned char)below(256);
	}
	if (f == NULL || write(fileno(f), old, MAX) != (ssize_t)MAX)
		return 2;
	for (i = 0; i < tries; i++) {
		size = i % 3 == 0 ? IMGP_EDITS_STEP * below(6) : below(MAX + 1);
		bad += try(fileno(f), size, 2 + below(i % 2 == 0 ? 40 : 9000)) !=
		    1;
	}
	ok(bad == 0, "%zu of %zu lists of edits: CRC and size of the new file",
	    tries - bad, tries);
	fclose(f);
	return done_testing();
}
