#include <stdlib.h>
#include <string.h>

#include "libimgpipe/archive/edits.h"
#include "libimgpipe/archive/tar.h"
#include "libimgpipe/archive/tar_file.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/stamp/mark_priv.h"
#include "libimgpipe/stamp/stamp_gzip.h"
#include "libimgpipe/stamp/stamp_priv.h"

/*
 * A TAR is stamped from a file that can be read at any place; what is within gzip,
 * a TAR or one object, is first unpacked.  A TAR is written with new bytes in between.
 * Within gzip what would be written becomes a list of edits.
 */

#define BUFFER	((size_t)128 << 10)

struct job {
	struct imgp_stamp *s;
	const struct imgp_intake *u;
	int		 fd;		/* the plain TAR */
	uint64_t	 size;
	uint64_t	 pos;		/* of it: written up to there */
	struct imgp_stamp_gzip *gzip;	/* around it, or NULL */
	struct imgp_edits *edits;	/* within gzip: what to change; else NULL */
	unsigned char	*buf;
	struct imgp_mark *mark;
};

/* --- writing ----------------------------------------------------------------- */

static int
put(struct job *j, const void *p, size_t len, struct imgp_err *e)
{
	return j->edits == NULL ? imgp_out_write(j->s->out, p, len, e) :
	    imgp_edits_write(j->edits, p, len, e);
}

static int
copy(struct job *j, int fd, uint64_t off, uint64_t len, struct imgp_err *e)
{
	size_t n;

	if (j->edits == NULL)
		return imgp_out_copy(j->s->out, fd, off, len, e);
	if (fd == j->fd)
		return imgp_edits_copy(j->edits, off, len, e);
	for (; len > 0; off += n, len -= n) {
		n = len < BUFFER ? (size_t)len : BUFFER;
		if (imgp_pread(fd, j->buf, n, off, e) == -1 ||
		    put(j, j->buf, n, e) == -1)
			return -1;
	}
	return 0;
}

static int
copy_up_to(struct job *j, uint64_t upto, struct imgp_err *e)
{
	uint64_t from = j->pos;

	j->pos = upto;
	return copy(j, j->fd, from, upto - from, e);
}

static int
pad(struct job *j, uint64_t len, struct imgp_err *e)
{
	static const unsigned char zero[IMGP_TAR_BLOCK];

	len = (IMGP_TAR_BLOCK - len % IMGP_TAR_BLOCK) % IMGP_TAR_BLOCK;
	return put(j, zero, (size_t)len, e);
}

/*
 * The pax header of ${m}: its block, the records in it, and how many bytes of
 * these there are.  The caller's to free; NULL and ${e}.
 */
static char *
read_pax(struct job *j, const struct imgp_tar_member *m,
    unsigned char block[IMGP_TAR_BLOCK], uint64_t *len, struct imgp_err *e)
{
	size_t size = (size_t)(m->main - m->pax - IMGP_TAR_BLOCK);
	char *old = imgp_alloc(size);

	if (imgp_pread(j->fd, block, IMGP_TAR_BLOCK, m->pax, e) == 0 &&
	    imgp_pread(j->fd, old, size, m->pax + IMGP_TAR_BLOCK, e) == 0) {
		if (imgp_tar_get_size(block, len) == 0 && *len <= size)
			return old;
		imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED, "tar: a size is broken");
	}
	free(old);
	return NULL;
}

/* The pax header with another size, in place of the old one. */
static int
write_pax(struct job *j, const struct imgp_tar_member *m, uint64_t size,
    struct imgp_err *e)
{
	unsigned char block[IMGP_TAR_BLOCK];
	struct imgp_buf new = IMGP_BUF_INIT;
	uint64_t len;
	char *old;
	int rc = -1;

	if (copy_up_to(j, m->pax, e) == -1 ||
	    (old = read_pax(j, m, block, &len, e)) == NULL)
		return -1;
	imgp_tar_pax_size(old, (size_t)len, size, &new);
	if (imgp_tar_set_size(block, new.len, e) == -1 ||
	    put(j, block, sizeof block, e) == -1 ||
	    put(j, new.s, new.len, e) == -1 || pad(j, new.len, e) == -1)
		goto out;
	j->pos += sizeof block + len + (IMGP_TAR_BLOCK - len %
	    IMGP_TAR_BLOCK) % IMGP_TAR_BLOCK;
	rc = 0;
out:
	imgp_buf_release(&new);
	free(old);
	return rc;
}

static int
no_way_back(struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_ARCHIVE_UNSAFE,
	    "tar: what stands around it could not be brought back");
}

/* ${len} bytes at ${off} are padded with zeros, as we will pad them. */
static int
check_padding(struct job *j, uint64_t off, uint64_t len, struct imgp_err *e)
{
	static const unsigned char zero[IMGP_TAR_BLOCK];
	unsigned char buf[IMGP_TAR_BLOCK];
	size_t n = (size_t)(IMGP_TAR_BLOCK - len % IMGP_TAR_BLOCK) %
	    IMGP_TAR_BLOCK;

	if (imgp_pread(j->fd, buf, n, off + len, e) == -1)
		return -1;
	return memcmp(buf, zero, n) == 0 ? 0 : no_way_back(e);
}

/* Set ${block} to ${size}; -1 when it could not be set back. */
static int
set_size(unsigned char block[IMGP_TAR_BLOCK], uint64_t size,
    struct imgp_err *e)
{
	unsigned char back[IMGP_TAR_BLOCK], old[IMGP_TAR_BLOCK];
	uint64_t before;

	memcpy(old, block, sizeof old);
	if (imgp_tar_get_size(block, &before) == -1 ||
	    imgp_tar_set_size(block, size, e) == -1)
		return -1;
	memcpy(back, block, sizeof back);
	if (imgp_tar_set_size(back, before, e) == -1)
		return -1;
	return memcmp(back, old, sizeof back) == 0 ? 0 : no_way_back(e);
}

/* The pax header can take ${size}, and give back what it has. */
static int
check_pax(struct job *j, const struct imgp_tar_member *m, uint64_t size,
    struct imgp_err *e)
{
	struct imgp_buf new = IMGP_BUF_INIT, back = IMGP_BUF_INIT;
	unsigned char block[IMGP_TAR_BLOCK];
	uint64_t len;
	char *old;
	int rc;

	if ((old = read_pax(j, m, block, &len, e)) == NULL)
		return -1;
	imgp_tar_pax_size(old, (size_t)len, size, &new);
	imgp_tar_pax_size(new.s, new.len, m->size, &back);
	rc = back.len == len && memcmp(back.s, old, back.len) == 0 ?
	    set_size(block, new.len, e) : no_way_back(e);
	if (rc == 0)
		rc = check_padding(j, m->pax + IMGP_TAR_BLOCK, len, e);
	imgp_buf_release(&new);
	imgp_buf_release(&back);
	free(old);
	return rc;
}

/*
 * The header as it will be; -1 when it has no room for the new size, or what
 * stands there could not be brought back when the stamp is undone.
 */
static int
new_header(struct job *j, const struct imgp_tar_member *m, uint64_t size,
    unsigned char block[IMGP_TAR_BLOCK], struct imgp_err *e)
{
	uint64_t own;

	memcpy(block, m->block, IMGP_TAR_BLOCK);
	if (check_padding(j, m->data, m->size, e) == -1 ||
	    (m->pax_size && check_pax(j, m, size, e) == -1))
		return -1;
	/* Where pax holds the size, the field may hold something else. */
	if (m->pax_size && imgp_tar_get_size(block, &own) == 0 &&
	    own != m->size)
		return 0;
	return set_size(block, size, e);
}

/* The stamped object's bytes. */
static int
write_pieces(struct job *j, struct imgp_err *e)
{
	const struct imgp_mark *o = j->mark;
	const struct imgp_mark_piece *p;
	size_t i;
	int rc = 0;

	for (i = 0; i < o->pieces && rc == 0; i++) {
		p = &o->piece[i];
		rc = p->mem != NULL ? put(j, p->mem, (size_t)p->len, e) :
		    copy(j, p->fd, p->off, p->len, e);
	}
	return rc;
}

static int
write_stamped(struct job *j, const struct imgp_tar_member *m,
    const unsigned char *block, struct imgp_err *e)
{
	if (m->pax_size && write_pax(j, m, j->mark->size, e) == -1)
		return -1;
	if (copy_up_to(j, m->main, e) == -1 ||
	    put(j, block, IMGP_TAR_BLOCK, e) == -1)
		return -1;
	if (write_pieces(j, e) == -1)
		return -1;
	j->pos = m->next;
	return pad(j, j->mark->size, e);
}

/* --- members ------------------------------------------------------------------- */

static int
stamp_member(struct job *j, const struct imgp_tar_member *m, size_t number,
    struct imgp_err *e)
{
	unsigned char block[IMGP_TAR_BLOCK];
	struct imgp_mark_src src;
	struct imgp_mark *o = j->mark;
	struct imgp_err why;
	int rc;

	memset(&src, 0, sizeof src);
	src.fd = j->fd;
	src.off = m->data;
	src.csize = src.size = m->size;
	imgp_stamp_prepare(j->s, o, &src, number);
	if (o->outcome == IMGP_MARK_STAMPED &&
	    new_header(j, m, o->size, block, &why) == -1)
		imgp_mark_failed(o, &why);
	if ((rc = imgp_stamp_take(j->s, o, number, e)) != 0 ||
	    o->outcome != IMGP_MARK_STAMPED)
		return rc;
	if (write_stamped(j, m, block, e) == -1)
		return -1;
	return imgp_stamp_note(j->s, o, number, e);
}

/* Pass through the whole archive: check it (${look}), or stamp it. */
static int
run(struct job *j, int look, struct imgp_err *e)
{
	const struct imgp_zip_limits *lim = &j->s->opts->lim->zip;
	struct imgp_tar_file *file = imgp_tar_file_new(j->fd, j->size, 0, lim);
	struct imgp_tar *t = imgp_tar_new(imgp_tar_file_read, file);
	struct imgp_tar_member m;
	size_t i = 0;
	int rc;

	while ((rc = imgp_tar_next(t, &m, e)) == 1) {
		if (++i > lim->members) {
			rc = imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
			    "it has more than %llu members",
			    (unsigned long long)lim->members);
			break;
		}
		/* Links, folders and devices have no bytes. */
		if (look || m.size == 0)
			continue;
		if ((rc = stamp_member(j, &m, i, e)) != 0)
			break;
	}
	imgp_tar_free(t);
	imgp_tar_file_free(file);
	return rc;
}

/* --- all of it --------------------------------------------------------------------- */

static int
stamp_plain(struct job *j, const struct imgp_intake *u, struct imgp_err *e)
{
	struct imgp_err why;
	int rc;

	/* Check all of it before anything is written. */
	if (run(j, 1, &why) == -1)
		return imgp_stamp_untouched(j->s, &why, e);
	if ((rc = run(j, 0, e)) != 0)
		return rc;
	if (j->s->r->stamped == 0)
		return imgp_out_copy(j->s->out, u->fd, 0, u->size, e);
	if (copy_up_to(j, j->size, e) == -1)
		return -1;
	return j->gzip == NULL ? 0 : imgp_stamp_gzip_write(j->gzip, e);
}

/* What came out of gzip is one object. */
static int
stamp_alone(struct job *j, struct imgp_err *e)
{
	struct imgp_mark_src src;
	int rc;

	memset(&src, 0, sizeof src);
	src.fd = j->fd;
	src.csize = src.size = j->size;
	imgp_stamp_prepare(j->s, j->mark, &src, 0);
	if ((rc = imgp_stamp_take(j->s, j->mark, 0, e)) != 0)
		return rc;
	if (j->mark->outcome != IMGP_MARK_STAMPED)
		return imgp_out_copy(j->s->out, j->u->fd, 0, j->u->size, e);
	if (write_pieces(j, e) == -1 ||
	    imgp_stamp_note(j->s, j->mark, 0, e) == -1)
		return -1;
	return imgp_stamp_gzip_write(j->gzip, e);
}

/* Unpack what is within gzip: 0, or as imgp_stamp_untouched(). */
static int
open_gzip(struct job *j, struct imgp_err *e)
{
	struct imgp_err why;

	j->gzip = imgp_stamp_gzip_unpack(j->s, j->u, &why);
	if (j->gzip == NULL)
		return imgp_stamp_untouched(j->s, &why, e);
	j->fd = j->gzip->fd;
	j->size = j->gzip->size;
	j->edits = j->gzip->edits;
	return 0;
}

int
imgp_stamp_tar(struct imgp_stamp *s, const struct imgp_intake *u,
    struct imgp_err *e)
{
	struct job j;
	int rc = 0;

	if (s->opts->undo != NULL && u->kind != IMGP_INTAKE_TAR &&
	    imgp_prov_sum(s->opts->undo)->gzip_changed)
		return imgp_stamp_gzip_undo(s, u, e);
	memset(&j, 0, sizeof j);
	j.s = s;
	j.u = u;
	j.fd = u->fd;
	j.size = u->size;
	j.buf = imgp_alloc_bytes(BUFFER);
	j.mark = imgp_mark_new(&s->oo);
	if (u->kind != IMGP_INTAKE_TAR)
		rc = open_gzip(&j, e);
	if (rc == 0)
		rc = u->kind == IMGP_INTAKE_GZ ? stamp_alone(&j, e) :
		    stamp_plain(&j, u, e);
	imgp_stamp_gzip_free(j.gzip);
	imgp_mark_free(j.mark);
	free(j.buf);
	return rc;
}
