#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/edits.h"
#include "libimgpipe/archive/encode.h"
#include "libimgpipe/archive/gunzip.h"
#include "libimgpipe/archive/regzip.h"
#include "libimgpipe/archive/tar.h"
#include "libimgpipe/archive/tar_file.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/stamp/mark_priv.h"
#include "libimgpipe/stamp/stamp_priv.h"

/*
 * A TAR is stamped from a file that can be read at any place; what is within gzip,
 * a TAR or one object, is first unpacked into an unnamed file.  A TAR is written
 * with new bytes in between.  Within gzip what would be written becomes a list of
 * edits, by which the compressed stream is changed (archive/regzip.h); where that
 * is impossible, and for the way back from what was, all of it is encoded again, by
 * the fast encoder and under the old header.
 */

#define BUFFER	((size_t)128 << 10)

struct job {
	struct imgp_stamp *s;
	const struct imgp_intake *u;
	int		 fd;		/* the plain TAR */
	uint64_t	 size;
	uint64_t	 pos;		/* of it: written up to there */
	struct imgp_spill marks;	/* of the gzip that was unpacked, if: */
	int		 has_marks;
	struct imgp_edits *edits;	/* within gzip: what to change; else NULL */
	struct imgp_encode *gzip;	/* where all of it is encoded */
	uint32_t	 old_crc;	/* of what came out of gzip, */
	struct imgp_spill sums;		/* and on the way, as edits.h asks for */
	uint32_t	 crc;		/* of what goes into gzip, */
	uint64_t	 n;		/* and how much */
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

static int
write_out(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	return imgp_out_write(arg, p, len, e);
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

/* --- gzip ------------------------------------------------------------------------ */

/* Members are followed to know where they will be changed: a guess, for speed. */
struct unpacked {
	struct job	*j;
	struct imgp_out	 out;
	uint64_t	 seen;		/* so many bytes */
	uint64_t	 next;		/* the next header; NOWHERE: none is seen */
	unsigned char	 header[IMGP_TAR_BLOCK];
	uint64_t	 from, to;	/* no change between these */
};

#define NOWHERE	UINT64_MAX
#define HEAD	3072			/* most stamps are in so many bytes */

/* The header at u->next has passed by. */
static void
follow(struct unpacked *u)
{
	uint64_t size, data = u->next + IMGP_TAR_BLOCK;

	u->from = data + HEAD;
	u->to = u->next = NOWHERE;
	if (!imgp_tar_is_header(u->header) ||
	    imgp_tar_get_size(u->header, &size) == -1 || size > INT64_MAX / 2)
		return;
	u->to = data + size;
	u->next = u->to + (IMGP_TAR_BLOCK - size % IMGP_TAR_BLOCK) %
	    IMGP_TAR_BLOCK;
}

static void
quiet(void *arg, const void *p, size_t len, uint64_t *quiet_from,
    uint64_t *quiet_to)
{
	struct unpacked *u = arg;
	const uint64_t at = u->seen;
	const unsigned char *b = p;
	uint64_t from, to;

	while (u->next < at + len) {
		from = u->next < at ? at : u->next;
		to = u->next + IMGP_TAR_BLOCK;
		if (to > at + len)
			to = at + len;
		memcpy(u->header + (from - u->next), b + (from - at),
		    (size_t)(to - from));
		if (to < u->next + IMGP_TAR_BLOCK)
			break;
		follow(u);
	}
	u->seen = at + len;
	*quiet_from = u->from;
	*quiet_to = u->to;
}

/* ${len} bytes that lie at ${at}. */
static int
add_sums(struct job *j, uint64_t at, const unsigned char *p, size_t len,
    struct imgp_err *e)
{
	size_t n;

	for (; len > 0; at += n, p += n, len -= n) {
		n = IMGP_EDITS_STEP - (size_t)(at % IMGP_EDITS_STEP);
		if (n > len)
			n = len;
		j->old_crc = imgp_crc32(j->old_crc, p, n);
		if ((at + n) % IMGP_EDITS_STEP == 0 &&
		    imgp_spill_write(&j->sums, &j->old_crc, sizeof j->old_crc,
		    e) == -1)
			return -1;
	}
	return 0;
}

static int
put_unpacked(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct unpacked *u = arg;
	const struct imgp_zip_limits *lim = &u->j->s->opts->lim->zip;
	uint64_t n = u->out.n + len;

	if (n > lim->bytes || (n > lim->ratio_from &&
	    n / lim->ratio > u->j->u->size))
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "it unpacks to too much");
	if (add_sums(u->j, u->out.n, p, len, e) == -1)
		return -1;
	return imgp_out_write(&u->out, p, len, e);
}

/* By the reader that says what is wrong. */
static int
unpack_by_reader(struct job *j, struct unpacked *u, struct imgp_err *e)
{
	struct imgp_tar_file *f = imgp_tar_file_new(j->u->fd, j->u->size, 1,
	    &j->s->opts->lim->zip);
	long n;

	while ((n = imgp_tar_file_read(f, j->buf, BUFFER, e)) > 0)
		if (put_unpacked(u, j->buf, (size_t)n, e) == -1) {
			n = -1;
			break;
		}
	imgp_tar_file_free(f);
	return n == 0 ? 0 : -1;
}

/* Unpack the upload into an unnamed file: 0, 1 when our own reader declines, or -1
 * and ${e}. */
static int
unpack_once(struct job *j, struct imgp_err *e)
{
	struct unpacked u = { .j = j };
	int fd = imgp_tmpfile(j->s->opts->tmpdir, e), rc;

	if (fd == -1)
		return -1;
	if (j->fd != j->u->fd)
		close(j->fd);
	j->fd = fd;
	imgp_out_init(&u.out, fd);
	j->old_crc = 0;
	imgp_spill_clear(&j->sums);
	rc = j->has_marks ? imgp_regzip_unpack(j->u->fd, j->u->size,
	    put_unpacked, quiet, &u, &j->marks, e) : unpack_by_reader(j, &u, e);
	if (rc == 0 && (imgp_out_flush(&u.out, e) == -1 ||
	    imgp_spill_done(&j->sums, e) == -1))
		rc = -1;
	j->size = u.out.n;
	imgp_out_release(&u.out);
	return rc;
}

static int
unpack(struct job *j, struct imgp_err *e)
{
	int rc;

	j->has_marks = j->s->opts->undo == NULL;
	if ((rc = unpack_once(j, e)) == 1) {
		j->has_marks = 0;
		rc = unpack_once(j, e);
	}
	return rc;
}

/* What goes into gzip: counted and encoded. */
static int
put_within(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct job *j = arg;

	j->crc = imgp_crc32(j->crc, p, len);
	j->n += len;
	return imgp_encode_feed(j->gzip, p, len, e);
}

/* All of it is encoded again, behind the old header: its time and name stay. */
static int
encode(struct job *j, struct imgp_err *e)
{
	const struct imgp_intake *u = j->u;
	size_t n = u->size < BUFFER ? (size_t)u->size : BUFFER;
	unsigned char t[IMGP_GZIP_TRAILER];

	if (imgp_pread(u->fd, j->buf, n, 0, e) == -1)
		return -1;
	n = imgp_gunzip_header(j->buf, n);
	if (imgp_out_write(j->s->out, j->buf, n, e) == -1)
		return -1;
	j->gzip = imgp_encode_new(0, write_out, j->s->out);
	j->crc = 0;
	j->n = 0;
	if (imgp_edits_apply(j->edits, put_within, j, e) == -1 ||
	    imgp_encode_end(j->gzip, e) == -1)
		return -1;
	imgp_gzip_trailer(t, j->crc, j->n);
	return imgp_out_write(j->s->out, t, sizeof t, e);
}

/* The way back from what was changed: to the provenance, in pieces. */
static int
note_record(struct job *j, const struct imgp_spill *undo, struct imgp_err *e)
{
	uint64_t off;
	size_t n;

	for (off = 0; off < undo->n; off += n) {
		n = undo->n - off < IMGP_PROV_STREAM ?
		    (size_t)(undo->n - off) : IMGP_PROV_STREAM;
		if (imgp_spill_read(undo, off, j->buf, n, e) == -1 ||
		    imgp_prov_put_stream(j->s->opts->note, j->buf, n,
		    e) == -1)
			return -1;
	}
	return 0;
}

/*
 * Change the stream: 0; 1 where it must be encoded.  It is kept beside until it is
 * complete and has been proved.
 */
static int
change(struct job *j, struct imgp_err *e)
{
	struct imgp_stamp *s = j->s;
	struct imgp_spill undo;
	struct imgp_regzip g;
	struct imgp_out out;
	int fd, rc;

	memset(&g, 0, sizeof g);
	if (imgp_edits_crc(j->edits, &j->sums, &j->crc, &j->n, e) == -1 ||
	    (fd = imgp_tmpfile(s->opts->tmpdir, e)) == -1)
		return -1;
	imgp_spill_init(&undo, s->opts->tmpdir);
	imgp_out_init(&out, fd);
	g.fd = j->u->fd;
	g.size = j->u->size;
	g.content = j->fd;
	g.contentsize = j->size;
	g.marks = j->has_marks ? &j->marks : NULL;
	g.edits = j->edits;
	g.newsize = j->n;
	g.newcrc = j->crc;
	g.write = write_out;
	g.arg = &out;
	g.undo = s->opts->note == NULL ? NULL : &undo;
	rc = imgp_regzip_write(&g, e);
	if (rc == 0 && (imgp_out_flush(&out, e) == -1 ||
	    imgp_spill_done(&undo, e) == -1 ||
	    imgp_out_copy(s->out, fd, 0, out.n, e) == -1 ||
	    (g.undo != NULL && note_record(j, &undo, e) == -1)))
		rc = -1;
	s->r->gzip_changed = rc == 0;
	s->r->gzip_end = g.end;
	imgp_out_release(&out);
	imgp_spill_release(&undo);
	close(fd);
	return rc;
}

/* Write what the edits make of the old gzip. */
static int
end_gzip(struct job *j, struct imgp_err *e)
{
	struct imgp_stamp *s = j->s;
	int rc = 1;

	if (imgp_edits_end(j->edits, e) == -1)
		return -1;
	if (s->opts->undo == NULL)
		rc = change(j, e);
	if (rc == 1)
		rc = encode(j, e);
	s->r->inner_encoded = s->encoded;
	s->encoded = 1;
	s->r->has_crc = 1;
	s->r->old_crc = j->old_crc;
	s->r->new_crc = j->crc;
	return rc;
}

static long
read_record(void *arg, void *buf, size_t len, struct imgp_err *e)
{
	struct job *j = arg;

	return imgp_prov_read_stream(j->s->opts->undo, buf, len, e);
}

static int
put_back(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct job *j = arg;

	return imgp_out_write(j->s->out, p, len, e);
}

/* The way back, where the stream was changed: what was done to the objects in it
 * needs no look. */
static int
change_back(struct job *j, struct imgp_err *e)
{
	struct imgp_prov *p = j->s->opts->undo;
	const struct imgp_prov_record *r;
	int rc;

	while ((rc = imgp_prov_peek(p, &r, e)) == 1) {
		j->s->r->stamped++;
		imgp_prov_next(p);
	}
	return rc == -1 ? -1 : imgp_regzip_undo(j->u->fd, j->u->size,
	    read_record, &imgp_prov_sum(p)->gzip_end, put_back, j, e);
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
	if (u->kind == IMGP_INTAKE_TGZ)
		j->edits = imgp_edits_new(j->fd, j->size,
		    j->s->opts->tmpdir);
	if ((rc = run(j, 0, e)) != 0)
		return rc;
	if (j->s->r->stamped == 0)
		return imgp_out_copy(j->s->out, u->fd, 0, u->size, e);
	if (copy_up_to(j, j->size, e) == -1)
		return -1;
	return j->edits == NULL ? 0 : end_gzip(j, e);
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
	j->edits = imgp_edits_new(j->fd, j->size, j->s->opts->tmpdir);
	if (write_pieces(j, e) == -1 ||
	    imgp_stamp_note(j->s, j->mark, 0, e) == -1)
		return -1;
	return end_gzip(j, e);
}

int
imgp_stamp_tar(struct imgp_stamp *s, const struct imgp_intake *u,
    struct imgp_err *e)
{
	struct job j;
	struct imgp_err why;
	int rc;

	memset(&j, 0, sizeof j);
	j.s = s;
	j.u = u;
	j.fd = u->fd;
	j.size = u->size;
	j.buf = imgp_alloc_bytes(BUFFER);
	if (s->opts->undo != NULL && u->kind != IMGP_INTAKE_TAR &&
	    imgp_prov_sum(s->opts->undo)->gzip_changed) {
		rc = change_back(&j, e);
		free(j.buf);
		return rc;
	}
	j.mark = imgp_mark_new(&s->oo);
	imgp_spill_init(&j.marks, s->opts->tmpdir);
	imgp_spill_init(&j.sums, s->opts->tmpdir);
	if (u->kind != IMGP_INTAKE_TAR && unpack(&j, &why) == -1)
		rc = imgp_stamp_untouched(s, &why, e);
	else if (u->kind == IMGP_INTAKE_GZ)
		rc = stamp_alone(&j, e);
	else
		rc = stamp_plain(&j, u, e);
	if (j.fd != u->fd && j.fd != -1)
		close(j.fd);
	imgp_spill_release(&j.marks);
	imgp_spill_release(&j.sums);
	imgp_edits_free(j.edits);
	imgp_encode_free(j.gzip);
	imgp_mark_free(j.mark);
	free(j.buf);
	return rc;
}
