/* PKGS: libcjson */
/*
 * What tests/zip.t drives: list an archive as our reader sees it, or write it
 * again with some members' content replaced.
 *
 *	ziptool list FILE		number, type, method, sizes, CRC of each
 *	ziptool copy FILE [K ...]	to stdout; the data of member K (from 1, in
 *					the file's order) become "imgpipe\n",
 *					stored bytes of a deflated stream too
 *	ziptool far FILE [K ...]	the same, as if 4 GiB less 10 bytes had
 *					been written before
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/zip.h"

/* "imgpipe\n" as one stored block of deflate, and its CRC-32. */
static const unsigned char deflated[] = {
	1, 8, 0, 0xf7, 0xff, 'i', 'm', 'g', 'p', 'i', 'p', 'e', '\n'
};
#define CRC	0x464430d4u

static int
list(struct imgp_zip *z)
{
	const struct imgp_zip_member *m;
	size_t i;

	for (i = 0; i < imgp_zip_count(z); i++) {
		m = imgp_zip_at(z, i);
		printf("%zu %d %u %llu %llu %08x\n", i + 1, m->type, m->method,
		    (unsigned long long)m->csize, (unsigned long long)m->size,
		    m->crc);
	}
	return 0;
}

static int
replace(struct imgp_zip_writer *w, struct imgp_out *out,
    const struct imgp_zip_member *m, size_t i, struct imgp_err *e)
{
	size_t skip = m->method == IMGP_ZIP_STORED ? 5 : 0;

	if (imgp_zip_writer_begin(w, i, CRC, sizeof deflated - skip, 8, e) == -1 ||
	    imgp_out_write(out, deflated + skip, sizeof deflated - skip, e) == -1)
		return -1;
	return imgp_zip_writer_end(w, e);
}

static int
copy(struct imgp_zip *z, char **k, uint64_t before, struct imgp_err *e)
{
	struct imgp_zip_writer *w;
	struct imgp_out out;
	size_t i;
	int rc = -1;

	imgp_out_init(&out, STDOUT_FILENO);
	w = imgp_zip_writer_new(z, &out);
	out.n += before;
	for (; *k != NULL; k++) {
		i = imgp_zip_in_order(z, (size_t)atoi(*k) - 1);
		if (replace(w, &out, imgp_zip_at(z, i), i, e) == -1)
			goto out;
	}
	if (imgp_zip_writer_finish(w, e) == 0)
		rc = imgp_out_flush(&out, e);
out:
	imgp_zip_writer_free(w);
	imgp_out_release(&out);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct imgp_err e;
	struct imgp_zip *z;
	int fd, rc;

	if (argc < 3 || (fd = open(argv[2], O_RDONLY)) == -1)
		return 2;
	if ((z = imgp_zip_open(fd, NULL, &e)) == NULL) {
		fprintf(stderr, "%s: %s\n", e.code, e.msg);
		return 1;
	}
	rc = strcmp(argv[1], "list") == 0 ? list(z) : copy(z, argv + 3,
	    strcmp(argv[1], "far") == 0 ? ((uint64_t)1 << 32) - 10 : 0, &e);
	if (rc == -1)
		fprintf(stderr, "%s: %s\n", e.code, e.msg);
	imgp_zip_free(z);
	close(fd);
	return rc != 0;
}
