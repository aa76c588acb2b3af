/* PKGS: libcjson */
/*
 * libFuzzer: a byte that chooses a member, then an archive.  It is refused with
 * a reason, or its members lie apart within it, a copy of it is equal, and when
 * a member's data are replaced and put back it is the same again (R50-R57).
 * make fuzz-zip [FUZZ_SECONDS=60]
 */
#include "libimgpipe/archive/zip.h"
#include "tests/fuzz/fuzz.h"

static const struct imgp_zip_limits lim = { 64, 1 << 24, 200, 1 << 20 };
static const char new[] = "not what it was";

static void
must_lie_apart(const struct imgp_zip *z, size_t size)
{
	const struct imgp_zip_member *m;
	uint64_t end = 0;
	size_t k;

	must(imgp_zip_count(z) <= lim.members);
	for (k = 0; k < imgp_zip_count(z); k++) {
		m = imgp_zip_at(z, imgp_zip_in_order(z, k));
		must(m->local >= end && m->data >= m->local + 30 &&
		    m->end == m->data + m->csize + m->descriptor &&
		    m->end <= size && m->central >= m->end &&
		    m->central + 46 <= size);
		must(m->method != IMGP_ZIP_STORED || m->csize == m->size);
		end = m->end;
	}
}

/*
 * Write ${z} anew; member ${i} (SIZE_MAX: none) holds ${data}, ${len} bytes,
 * then.  Returns where it is, or -1.
 */
static int
write_new(struct imgp_zip *z, size_t i, const void *data, size_t len,
    uint64_t size, uint32_t crc)
{
	struct imgp_zip_writer *w;
	struct imgp_out out;
	struct imgp_err e = { NULL, "" };
	int fd = fuzz_file("", 0);

	imgp_out_init(&out, fd);
	w = imgp_zip_writer_new(z, &out);
	if (i != SIZE_MAX) {
		must(imgp_zip_writer_begin(w, i, crc, len, size, &e) == 0);
		must(imgp_out_write(&out, data, len, &e) == 0 &&
		    imgp_zip_writer_end(w, &e) == 0);
	}
	must(imgp_zip_writer_finish(w, &e) == 0 &&
	    imgp_out_flush(&out, &e) == 0);
	imgp_zip_writer_free(w);
	imgp_out_release(&out);
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct imgp_zip_member *m, *n;
	struct imgp_err e = { NULL, "" };
	struct imgp_zip *z, *y;
	size_t i, k;
	int fd, again, back;

	if (size < 1 || size > 1 << 20)
		return 0;
	fd = fuzz_file(data + 1, size - 1);
	if ((z = imgp_zip_open(fd, &lim, &e)) == NULL) {
		must(e.code != NULL);
		(void)imgp_zip_probe(fd, &e);
		close(fd);
		return 0;
	}
	must_lie_apart(z, size - 1);
	again = write_new(z, SIZE_MAX, NULL, 0, 0, 0);
	must(fuzz_holds(again, data + 1, size - 1));
	close(again);
	if (imgp_zip_count(z) > 0) {
		i = data[0] % imgp_zip_count(z);
		m = imgp_zip_at(z, i);
		if (m->size == 0 || m->csize == 0)
			goto out;	/* never stamped */
		again = write_new(z, i, new, sizeof new, m->method ==
		    IMGP_ZIP_STORED ? sizeof new : m->size, 0x12345678);
		y = imgp_zip_open(again, &lim, &e);
		must(y != NULL && imgp_zip_count(y) == imgp_zip_count(z));
		for (k = 0; k < imgp_zip_count(z); k++) {
			m = imgp_zip_at(z, k);
			n = imgp_zip_at(y, k);
			must(m->method == n->method && m->type == n->type &&
			    m->descriptor == n->descriptor &&
			    m->data - m->local == n->data - n->local);
			must(k == i ? n->crc == 0x12345678 : n->crc == m->crc &&
			    n->csize == m->csize && n->size == m->size);
		}
		m = imgp_zip_at(z, i);
		back = write_new(y, i, data + 1 + m->data, (size_t)m->csize,
		    m->size, m->crc);
		must(fuzz_holds(back, data + 1, size - 1));
		close(back);
		imgp_zip_free(y);
		close(again);
	}
out:
	imgp_zip_free(z);
	close(fd);
	return 0;
}
