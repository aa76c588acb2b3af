#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/encode.h"
#include "libimgpipe/archive/gunzip.h"
#include "libimgpipe/archive/regzip.h"
#include "libimgpipe/archive/tar.h"
#include "libimgpipe/archive/tar_file.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/stamp/stamp_gzip.h"

#define BUFFER	((size_t)128 << 10)
#define MARKS	((size_t)64 << 10)	/* of them in memory */

static int
write_out(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	return imgp_out_write(arg, p, len, e);
}

/* --- unpacking --------------------------------------------------------------- */

/* A TAR's members are followed to know where they will be changed: a guess, for
 * speed. */
struct unpacked {
	struct imgp_stamp_gzip *g;
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
add_sums(struct imgp_stamp_gzip *g, uint64_t at, const unsigned char *p,
    size_t len, struct imgp_err *e)
{
	size_t n;

	for (; len > 0; at += n, p += n, len -= n) {
		n = IMGP_EDITS_STEP - (size_t)(at % IMGP_EDITS_STEP);
		if (n > len)
			n = len;
		g->old_crc = imgp_crc32(g->old_crc, p, n);
		if ((at + n) % IMGP_EDITS_STEP == 0 &&
		    imgp_spill_write(&g->sums, &g->old_crc, sizeof g->old_crc,
		    e) == -1)
			return -1;
	}
	return 0;
}

static int
put_unpacked(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct unpacked *u = arg;
	struct imgp_stamp_gzip *g = u->g;
	const struct imgp_zip_limits *lim = &g->s->opts->lim->zip;
	uint64_t n = u->out.n + len;

	if (n > lim->bytes || (n > lim->ratio_from &&
	    n / lim->ratio > g->u->size))
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "it unpacks to too much");
	if (add_sums(g, u->out.n, p, len, e) == -1)
		return -1;
	return imgp_out_write(&u->out, p, len, e);
}

/* By the reader that says what is wrong. */
static int
unpack_by_reader(struct imgp_stamp_gzip *g, struct unpacked *u,
    struct imgp_err *e)
{
	struct imgp_tar_file *f = imgp_tar_file_new(g->u->fd, g->u->size, 1,
	    &g->s->opts->lim->zip);
	long n;

	while ((n = imgp_tar_file_read(f, g->buf, BUFFER, e)) > 0)
		if (put_unpacked(u, g->buf, (size_t)n, e) == -1) {
			n = -1;
			break;
		}
	imgp_tar_file_free(f);
	return n == 0 ? 0 : -1;
}

/* Unpack the upload into an unnamed file: 0, 1 when our own reader declines, or -1
 * and ${e}. */
static int
unpack_once(struct imgp_stamp_gzip *g, struct imgp_err *e)
{
	struct unpacked u = { .g = g };
	int rc;

	if (g->fd != -1)
		close(g->fd);
	if ((g->fd = imgp_tmpfile(g->s->opts->tmpdir, e)) == -1)
		return -1;
	imgp_out_init(&u.out, g->fd);
	g->old_crc = 0;
	imgp_spill_clear(&g->sums);
	rc = g->has_marks ? imgp_regzip_unpack(g->d, g->u->fd, g->u->size,
	    put_unpacked, quiet, &u, &g->marks, e) :
	    unpack_by_reader(g, &u, e);
	if (rc == 0 && (imgp_out_flush(&u.out, e) == -1 ||
	    imgp_spill_done(&g->sums, e) == -1))
		rc = -1;
	g->size = u.out.n;
	imgp_out_release(&u.out);
	return rc;
}

static int
unpack(struct imgp_stamp_gzip *g, struct imgp_err *e)
{
	int rc;

	g->has_marks = g->s->opts->undo == NULL;
	if ((rc = unpack_once(g, e)) == 1) {
		g->has_marks = 0;
		rc = unpack_once(g, e);
	}
	return rc;
}

struct imgp_stamp_gzip *
imgp_stamp_gzip_unpack(struct imgp_stamp *s, const struct imgp_intake *u,
    struct imgp_err *e)
{
	struct imgp_stamp_gzip *g = imgp_alloc(sizeof *g);

	g->s = s;
	g->u = u;
	g->fd = -1;
	g->d = imgp_deflate_new();
	g->buf = imgp_alloc_bytes(BUFFER);
	imgp_spill_init(&g->marks, s->opts->tmpdir);
	g->marks.most = MARKS;
	imgp_spill_init(&g->sums, s->opts->tmpdir);
	if (unpack(g, e) == -1) {
		imgp_stamp_gzip_free(g);
		return NULL;
	}
	g->edits = imgp_edits_new(g->fd, g->size, s->opts->tmpdir);
	return g;
}

void
imgp_stamp_gzip_free(struct imgp_stamp_gzip *g)
{
	if (g == NULL)
		return;
	if (g->fd != -1)
		close(g->fd);
	imgp_deflate_free(g->d);
	imgp_spill_release(&g->marks);
	imgp_spill_release(&g->sums);
	imgp_edits_free(g->edits);
	imgp_encode_free(g->encode);
	free(g->buf);
	free(g);
}

/* --- encoding ---------------------------------------------------------------- */

/* What goes into gzip: counted and encoded. */
static int
put_within(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct imgp_stamp_gzip *g = arg;

	g->crc = imgp_crc32(g->crc, p, len);
	g->n += len;
	return imgp_encode_feed(g->encode, p, len, e);
}

/* All of it is encoded again, behind the old header: its time and name stay. */
static int
encode(struct imgp_stamp_gzip *g, struct imgp_err *e)
{
	const struct imgp_intake *u = g->u;
	size_t n = u->size < BUFFER ? (size_t)u->size : BUFFER;
	unsigned char t[IMGP_GZIP_TRAILER];

	if (imgp_pread(u->fd, g->buf, n, 0, e) == -1)
		return -1;
	n = imgp_gunzip_header(g->buf, n);
	if (imgp_out_write(g->s->out, g->buf, n, e) == -1)
		return -1;
	g->encode = imgp_encode_new(0, write_out, g->s->out);
	g->crc = 0;
	g->n = 0;
	if (imgp_edits_apply(g->edits, put_within, g, e) == -1 ||
	    imgp_encode_end(g->encode, e) == -1)
		return -1;
	imgp_gzip_trailer(t, g->crc, g->n);
	return imgp_out_write(g->s->out, t, sizeof t, e);
}

/* --- changing ---------------------------------------------------------------- */

/* The way back from what was changed: to the provenance, in pieces. */
static int
note_record(struct imgp_stamp_gzip *g, const struct imgp_spill *undo,
    struct imgp_err *e)
{
	uint64_t off;
	size_t n;

	for (off = 0; off < undo->n; off += n) {
		n = undo->n - off < IMGP_PROV_STREAM ?
		    (size_t)(undo->n - off) : IMGP_PROV_STREAM;
		if (imgp_spill_read(undo, off, g->buf, n, e) == -1 ||
		    imgp_prov_put_stream(g->s->opts->note, g->buf, n,
		    e) == -1)
			return -1;
	}
	return 0;
}

/* The changed stream to ${out}: 0, and only then it is complete and has been proved; 1
 * where it must be encoded; -1 and ${e}. */
static int
write_changed(struct imgp_stamp_gzip *g, struct imgp_out *out,
    struct imgp_err *e)
{
	struct imgp_stamp *s = g->s;
	struct imgp_spill undo;
	struct imgp_regzip z;
	int rc;

	memset(&z, 0, sizeof z);
	imgp_spill_init(&undo, s->opts->tmpdir);
	z.fd = g->u->fd;
	z.size = g->u->size;
	z.content = g->fd;
	z.contentsize = g->size;
	z.marks = g->has_marks ? &g->marks : NULL;
	z.edits = g->edits;
	z.newsize = g->n;
	z.newcrc = g->crc;
	z.write = write_out;
	z.arg = out;
	z.undo = s->opts->note == NULL ? NULL : &undo;
	rc = imgp_regzip_write(g->d, &z, e);
	if (rc == 0 && (imgp_spill_done(&undo, e) == -1 ||
	    (z.undo != NULL && note_record(g, &undo, e) == -1)))
		rc = -1;
	s->r->gzip_changed = rc == 0;
	s->r->gzip_end = z.end;
	imgp_spill_release(&undo);
	return rc;
}

/* Where the output can take back what is not proved, it needs no second place. */
static int
change_in_place(struct imgp_stamp_gzip *g, struct imgp_err *e)
{
	struct imgp_err why;
	int rc = write_changed(g, g->s->out, e);

	if (rc != 0 && imgp_out_take_back(g->s->out, rc == 1 ? e : &why) == -1)
		rc = -1;
	return rc;
}

/* It is kept beside until it is complete and has been proved. */
static int
change_beside(struct imgp_stamp_gzip *g, struct imgp_err *e)
{
	int fd = imgp_tmpfile(g->s->opts->tmpdir, e), rc;
	struct imgp_out out;

	if (fd == -1)
		return -1;
	imgp_out_init(&out, fd);
	rc = write_changed(g, &out, e);
	if (rc == 0 && (imgp_out_flush(&out, e) == -1 ||
	    imgp_out_copy(g->s->out, fd, 0, out.n, e) == -1))
		rc = -1;
	imgp_out_release(&out);
	close(fd);
	return rc;
}

/* Change the stream: 0; 1 where it must be encoded; -1 and ${e}. */
static int
change(struct imgp_stamp_gzip *g, struct imgp_err *e)
{
	int rc;

	if (imgp_edits_crc(g->edits, &g->sums, &g->crc, &g->n, e) == -1 ||
	    (rc = imgp_out_hold(g->s->out, e)) == -1)
		return -1;
	return rc == 1 ? change_in_place(g, e) : change_beside(g, e);
}

int
imgp_stamp_gzip_write(struct imgp_stamp_gzip *g, struct imgp_err *e)
{
	struct imgp_stamp *s = g->s;
	int rc = 1;

	if (imgp_edits_end(g->edits, e) == -1)
		return -1;
	if (s->opts->undo == NULL)
		rc = change(g, e);
	if (rc == 1)
		rc = encode(g, e);
	s->r->inner_encoded = s->encoded;
	s->encoded = 1;
	s->r->has_crc = 1;
	s->r->old_crc = g->old_crc;
	s->r->new_crc = g->crc;
	return rc;
}

/* --- the way back ------------------------------------------------------------ */

static long
read_record(void *arg, void *buf, size_t len, struct imgp_err *e)
{
	struct imgp_stamp *s = arg;

	return imgp_prov_read_stream(s->opts->undo, buf, len, e);
}

static int
put_back(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct imgp_stamp *s = arg;

	return imgp_out_write(s->out, p, len, e);
}

int
imgp_stamp_gzip_undo(struct imgp_stamp *s, const struct imgp_intake *u,
    struct imgp_err *e)
{
	struct imgp_prov *p = s->opts->undo;
	const struct imgp_prov_record *r;
	int rc;

	while ((rc = imgp_prov_peek(p, &r, e)) == 1) {
		s->r->stamped++;
		imgp_prov_next(p);
	}
	return rc == -1 ? -1 : imgp_regzip_undo(u->fd, u->size, read_record,
	    &imgp_prov_sum(p)->gzip_end, put_back, s, e);
}
