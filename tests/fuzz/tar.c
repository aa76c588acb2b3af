/* PKGS: libcjson libisal */
/*
 * libFuzzer: a byte, then a TAR, in gzip when the byte is odd.  Members come
 * one after the other and cover all of it; it makes no difference whether data
 * are read or passed over, and how; a size can be set and set back (R56).
 * make fuzz-tar [FUZZ_SECONDS=60]
 */
#include "libimgpipe/archive/tar.h"
#include "libimgpipe/archive/tar_file.h"
#include "tests/fuzz/fuzz.h"

#define MEMBERS	64

static const struct imgp_zip_limits lim = { MEMBERS, 1 << 22, 200, 1 << 18 };

struct list {
	struct imgp_tar_member m[MEMBERS];
	size_t		 n;
	int		 rc;
	struct imgp_err	 e;
};

/* ${step} 0: pass over the data, else read that much at once. */
static void
list(int fd, size_t size, int gzipped, size_t step, struct list *l)
{
	struct imgp_tar_file *f = imgp_tar_file_new(fd, size, gzipped, &lim);
	struct imgp_tar *t = imgp_tar_new(imgp_tar_file_read, f);
	static char buf[4096];
	uint64_t read;
	long n = 0;

	memset(&l->e, 0, sizeof l->e);
	for (l->n = 0; l->n < MEMBERS; l->n++) {
		l->rc = imgp_tar_next(t, &l->m[l->n], &l->e);
		if (l->rc != 1)
			break;
		for (read = 0; step > 0; read += (uint64_t)n)
			if ((n = imgp_tar_data(t, buf, step, &l->e)) <= 0)
				break;
		if (n == -1) {
			l->rc = -1;
			break;
		}
		must(step == 0 || read == l->m[l->n].size);
	}
	must(l->rc != -1 || l->e.code != NULL);
	imgp_tar_free(t);
	imgp_tar_file_free(f);
}

static void
must_be_whole(const struct list *l, size_t size, int gzipped)
{
	const struct imgp_tar_member *m;
	uint64_t pos = 0;
	size_t i;

	for (i = 0; i < l->n; i++) {
		m = &l->m[i];
		must(m->start == pos && m->pax >= m->start &&
		    m->main >= m->pax && m->data == m->main + 512 &&
		    m->next - m->data >= m->size &&
		    m->next - m->data - m->size < 512);
		must(m->type == IMGP_TAR_FILE || m->type == IMGP_TAR_MAC ||
		    m->size == 0);
		pos = m->next;
	}
	must(gzipped || l->rc != 0 || pos + 512 <= size);
}

static void
set_back(const struct imgp_tar_member *m)
{
	unsigned char block[IMGP_TAR_BLOCK];
	struct imgp_err e;

	if (m->pax_size || m->type != IMGP_TAR_FILE || m->size == 0)
		return;
	memcpy(block, m->block, sizeof block);
	if (imgp_tar_set_size(block, m->size + 38, &e) == -1)
		return;
	must(imgp_tar_is_header(block));
	must(imgp_tar_set_size(block, m->size, &e) == 0 &&
	    memcmp(block, m->block, sizeof block) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct list a, b;
	int fd, gzipped;
	size_t i;

	if (size < 1 || size > 1 << 20)
		return 0;
	gzipped = data[0] & 1;
	fd = fuzz_file(data + 1, size - 1);
	list(fd, size - 1, gzipped, 0, &a);
	must_be_whole(&a, size - 1, gzipped);
	list(fd, size - 1, gzipped, 1u + (data[0] >> 1) * 31u, &b);
	/* Where it breaks off within data, one sees it sooner. */
	must(a.rc == b.rc && (a.rc == -1 || a.n == b.n));
	for (i = 0; i < b.n && i < a.n; i++) {
		must(memcmp(&a.m[i], &b.m[i], sizeof a.m[i]) == 0);
		set_back(&a.m[i]);
	}
	close(fd);
	return 0;
}
