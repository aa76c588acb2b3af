/* PKGS: libcjson libcrypto */
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
 *	ziptool grow FILE PROV [K ...]	as copy; what the directory gained is noted
 *					in PROV
 *	ziptool shrink FILE PROV [K ...] the data become "img\n" instead, and what
 *					the directory gained is taken away
 *
 * A member of more than 1 GiB is taken to be a hole, and stays one where
 * standard output is a file.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/zip.h"
#include "libimgpipe/stamp/prov.h"

#define HOLE	((uint64_t)1 << 30)
#define BLOCK	5		/* before the text in a stored block */

/* A text as one stored block of deflate, and its CRC-32. */
static const struct content {
	unsigned char	 deflated[16];
	size_t		 len;		/* of the text */
	uint32_t	 crc;
} imgpipe = {
	{ 1, 8, 0, 0xf7, 0xff, 'i', 'm', 'g', 'p', 'i', 'p', 'e', '\n' },
	8, 0x464430d4
}, img = {
	{ 1, 4, 0, 0xfb, 0xff, 'i', 'm', 'g', '\n' }, 4, 0xed0c2b98
};

static const struct imgp_prov_sum sum = {
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0, 0, 0, 0,
	0, { { 0 }, 0 }
};

/* What is done, and to what. */
struct task {
	struct imgp_zip	*z;
	const struct content *new;
	uint64_t	 before;
	struct imgp_out	 notes;		/* grow; fd -1: no */
	struct imgp_prov *undo;		/* shrink, or NULL */
};

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
replace(const struct content *new, struct imgp_zip_writer *w,
    struct imgp_out *out, const struct imgp_zip_member *m, size_t i,
    struct imgp_err *e)
{
	size_t skip = m->method == IMGP_ZIP_STORED ? BLOCK : 0;
	size_t len = new->len + BLOCK - skip;

	if (imgp_zip_writer_begin(w, i, new->crc, len, new->len, e) == -1 ||
	    imgp_out_write(out, new->deflated + skip, len, e) == -1)
		return -1;
	return imgp_zip_writer_end(w, e);
}

/* The hole that ${m} is, again. */
static int
leave_hole(struct imgp_zip_writer *w, struct imgp_out *out,
    const struct imgp_zip_member *m, size_t i, struct imgp_err *e)
{
	if (imgp_zip_writer_begin(w, i, m->crc, m->csize, m->size, e) == -1 ||
	    imgp_out_flush(out, e) == -1)
		return -1;
	if (lseek(out->fd, (off_t)m->csize, SEEK_CUR) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "lseek");
	out->n += m->csize;
	return imgp_zip_writer_end(w, e);
}

static int
write_members(struct task *t, struct imgp_zip_writer *w, struct imgp_out *out,
    char **k, struct imgp_err *e)
{
	int seeks = lseek(out->fd, 0, SEEK_CUR) != -1, rc = 0;
	const struct imgp_zip_member *m;
	size_t i, n;

	for (n = 0; rc == 0 && n < imgp_zip_count(t->z); n++) {
		i = imgp_zip_in_order(t->z, n);
		m = imgp_zip_at(t->z, i);
		if (*k != NULL && (size_t)atoi(*k) == n + 1) {
			rc = replace(t->new, w, out, m, i, e);
			k++;
		} else if (seeks && m->csize > HOLE)
			rc = leave_hole(w, out, m, i, e);
	}
	return rc;
}

static int
note_growth(void *arg, const struct imgp_zip_growth *g, struct imgp_err *e)
{
	struct task *t = arg;

	return t->notes.fd == -1 ? 0 : imgp_prov_put_growth(&t->notes, g, e);
}

static int
was_grown(void *arg, uint64_t record, struct imgp_zip_growth *g,
    struct imgp_err *e)
{
	struct task *t = arg;
	const struct imgp_zip_growth *next;
	int rc;

	if (t->undo == NULL)
		return 0;
	if ((rc = imgp_prov_peek_growth(t->undo, &next, e)) != 1 ||
	    next->record != record)
		return rc == -1 ? -1 : 0;
	*g = *next;
	imgp_prov_next(t->undo);
	return 1;
}

static int
copy(struct task *t, char **k, struct imgp_err *e)
{
	const struct imgp_zip_history history = { note_growth, was_grown, t };
	struct imgp_zip_writer *w;
	struct imgp_out out;
	int rc = -1;

	imgp_out_init(&out, STDOUT_FILENO);
	w = imgp_zip_writer_new(t->z, &out);
	imgp_zip_writer_history(w, &history);
	out.n += t->before;
	if (write_members(t, w, &out, k, e) == 0 &&
	    imgp_zip_writer_finish(w, e) == 0)
		rc = imgp_out_flush(&out, e);
	imgp_zip_writer_free(w);
	imgp_out_release(&out);
	return rc;
}

static int
grow(struct task *t, const char *prov, char **k, struct imgp_err *e)
{
	int fd = open(prov, O_WRONLY | O_CREAT | O_TRUNC, 0600), rc;

	if (fd == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", prov);
	imgp_out_init(&t->notes, fd);
	rc = imgp_prov_begin(&t->notes, e) == -1 || copy(t, k, e) == -1 ||
	    imgp_prov_finish(&t->notes, &sum, e) == -1 ? -1 : 0;
	imgp_out_release(&t->notes);
	close(fd);
	return rc;
}

static int
shrink(struct task *t, const char *prov, char **k, struct imgp_err *e)
{
	int rc;

	t->new = &img;
	if ((t->undo = imgp_prov_open(prov, e)) == NULL)
		return -1;
	rc = copy(t, k, e);
	imgp_prov_free(t->undo);
	return rc;
}

int
main(int argc, char *argv[])
{
	struct task t = { NULL, &imgpipe, 0, { .fd = -1 }, NULL };
	struct imgp_err e;
	int fd, rc;

	if (argc < 3 || (fd = open(argv[2], O_RDONLY)) == -1)
		return 2;
	if ((t.z = imgp_zip_open(fd, NULL, &e)) == NULL) {
		fprintf(stderr, "%s: %s\n", e.code, e.msg);
		return 1;
	}
	if (strcmp(argv[1], "far") == 0)
		t.before = ((uint64_t)1 << 32) - 10;
	if (strcmp(argv[1], "list") == 0)
		rc = list(t.z);
	else if (strcmp(argv[1], "grow") == 0 && argc > 3)
		rc = grow(&t, argv[3], argv + 4, &e);
	else if (strcmp(argv[1], "shrink") == 0 && argc > 3)
		rc = shrink(&t, argv[3], argv + 4, &e);
	else
		rc = copy(&t, argv + 3, &e);
	if (rc == -1)
		fprintf(stderr, "%s: %s\n", e.code, e.msg);
	imgp_zip_free(t.z);
	close(fd);
	return rc != 0;
}
