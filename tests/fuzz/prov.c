/* PKGS: libcjson libcrypto */
/*
 * libFuzzer: whatever is given for the provenance of a stamp, it is refused
 * with a reason, or what was read is written and read as the same (F40).
 * make fuzz-prov [FUZZ_SECONDS=60]
 */
#include <stdio.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/stamp/prov.h"
#include "tests/fuzz/fuzz.h"

static struct imgp_prov *
open_fd(int fd, struct imgp_err *e)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return imgp_prov_open(path, e);
}

static int
same(const struct imgp_prov_record *a, const struct imgp_prov_record *b)
{
	size_t i;

	if (a->member != b->member || a->how != b->how ||
	    a->has_crc != b->has_crc || a->crc != b->crc ||
	    a->edits != b->edits || a->undolen != b->undolen ||
	    (a->undolen > 0 && memcmp(a->undo, b->undo, a->undolen) != 0))
		return 0;
	for (i = 0; i < a->edits; i++)
		if (a->edit[i].at != b->edit[i].at ||
		    a->edit[i].del != b->edit[i].del ||
		    a->edit[i].inslen != b->edit[i].inslen ||
		    memcmp(a->edit[i].ins, b->edit[i].ins,
		    a->edit[i].inslen) != 0 ||
		    memcmp(a->old[i], b->old[i], (size_t)a->edit[i].del) != 0)
			return 0;
	return 1;
}

static int
same_growth(const struct imgp_zip_growth *a, const struct imgp_zip_growth *b)
{
	return a->record == b->record && a->made == b->made &&
	    a->offset == b->offset && a->size == b->size &&
	    a->version == b->version;
}

/* The next line: 1 a record, 2 a growth, 0 none of them, -1. */
static int
peek(struct imgp_prov *p, const struct imgp_prov_record **r,
    const struct imgp_zip_growth **g, struct imgp_err *e)
{
	int rc = imgp_prov_peek(p, r, e);

	if (rc != 0)
		return rc;
	rc = imgp_prov_peek_growth(p, g, e);
	return rc == 1 ? 2 : rc;
}

/* Read ${fd} to its end and write it to ${out}: 1 when that could be done. */
static int
copy(int fd, int to)
{
	const struct imgp_prov_record *r;
	const struct imgp_zip_growth *g;
	struct imgp_err e = { NULL, "" };
	struct imgp_prov *p = open_fd(fd, &e);
	struct imgp_out out;
	int rc = -1;

	if (p == NULL) {
		must(e.code != NULL);
		return 0;
	}
	imgp_out_init(&out, to);
	must(imgp_prov_begin(&out, &e) == 0);
	while ((rc = peek(p, &r, &g, &e)) > 0) {
		must(rc == 2 || r->edits <= IMGP_PROV_EDITS);
		must((rc == 1 ? imgp_prov_put(&out, r, &e) :
		    imgp_prov_put_growth(&out, g, &e)) == 0);
		imgp_prov_next(p);
	}
	must(rc == 0 || e.code != NULL);
	if (rc == 0)
		must(imgp_prov_finish(&out, imgp_prov_sum(p), &e) == 0);
	imgp_out_release(&out);
	imgp_prov_free(p);
	return rc == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct imgp_prov_record *a, *b;
	const struct imgp_zip_growth *g, *h;
	struct imgp_err e = { NULL, "" };
	struct imgp_prov *p, *q;
	int fd, to, more;

	if (size > 1 << 16)
		return 0;
	fd = fuzz_file(data, size);
	to = fuzz_file("", 0);
	if (copy(fd, to)) {
		p = open_fd(fd, &e);
		q = open_fd(to, &e);
		must(p != NULL && q != NULL);
		do {
			more = peek(p, &a, &g, &e);
			must(more != -1 && peek(q, &b, &h, &e) == more);
			must(more != 1 || same(a, b));
			must(more != 2 || same_growth(g, h));
			imgp_prov_next(p);
			imgp_prov_next(q);
		} while (more);
		must(memcmp(imgp_prov_sum(p), imgp_prov_sum(q),
		    sizeof *imgp_prov_sum(p)) == 0);
		imgp_prov_free(p);
		imgp_prov_free(q);
	}
	close(fd);
	close(to);
	return 0;
}
