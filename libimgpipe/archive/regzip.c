#include <stdlib.h>
#include <string.h>

#include <isa-l/igzip_lib.h>

#include "libimgpipe/archive/gunzip.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/archive/regzip.h"
#include "libimgpipe/base/buf.h"

#define TRAILER		IMGP_GZIP_TRAILER
#define HEADER		((size_t)128 << 10)	/* more than most headers have */
#define OUT		((size_t)128 << 10)
#define MARKS		((size_t)32 << 10)	/* bytes of marks read at once */

struct work {
	struct imgp_regzip *g;
	struct imgp_deflate_fd from;	/* the first stream */
	uint64_t	 marks;		/* bytes of them that were read, */
	size_t		 left;		/* and not yet taken: the last of buf */
	unsigned char	 buf[MARKS];
	/* The new stream as it is decoded. */
	struct inflate_state isal;
	uint64_t	 size;
	uint32_t	 crc;
	int		 bad;
	unsigned char	 out[OUT];
	unsigned char	 header[HEADER];
};

/* --- the check: what is written holds what it should ---------------------------- */

static void
begin_check(struct work *w)
{
	isal_inflate_init(&w->isal);
	w->isal.crc_flag = ISAL_DEFLATE;
}

static void
check(struct work *w, const void *p, size_t len)
{
	struct inflate_state *s = &w->isal;
	size_t n;

	s->next_in = (void *)(uintptr_t)p;
	s->avail_in = (uint32_t)len;
	do {
		if (w->bad || s->block_state == ISAL_BLOCK_FINISH)
			break;
		s->next_out = w->out;
		s->avail_out = OUT;
		w->bad = isal_inflate(s) < 0;
		n = OUT - s->avail_out;
		w->crc = imgp_crc32(w->crc, w->out, n);
		w->size += n;
	} while (s->avail_in > 0 || s->avail_out == 0);
	w->bad |= s->avail_in > 0;
}

static int
end_check(const struct work *w, struct imgp_err *e)
{
	const struct inflate_state *s = &w->isal;

	if (!w->bad && s->block_state == ISAL_BLOCK_FINISH &&
	    s->read_in_length < 8 && w->size == w->g->newsize &&
	    w->crc == w->g->newcrc)
		return 0;
	return imgp_fail(e, IMGP_E_STAMP_CHECK,
	    "gzip: the changed stream is not what was planned");
}

/* --- callbacks of respell.h ------------------------------------------------------ */

static int
read_stream(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	struct work *w = arg;

	return imgp_deflate_read_fd(&w->from, off, buf, len, e);
}

static int
next_edit(void *arg, struct imgp_respell_edit *x, struct imgp_err *e)
{
	struct work *w = arg;

	return imgp_edits_next(w->g->edits, x, e);
}

static int
inserted(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	struct work *w = arg;

	return imgp_edits_inserted(w->g->edits, off, buf, len, e);
}

static int
write_stream(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct work *w = arg;

	check(w, p, len);
	return w->g->write(w->g->arg, p, len, e);
}

static int
write_undo(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct work *w = arg;

	return imgp_spill_write(w->g->undo, p, len, e);
}

/* The next ${len} bytes of marks. */
static int
take_marks(struct work *w, void *to, size_t len, struct imgp_err *e)
{
	const struct imgp_spill *s = w->g->marks;
	unsigned char *p = to;
	size_t n;

	for (; len > 0; p += n, len -= n, w->left -= n) {
		if (w->left == 0) {
			n = s->n - w->marks < MARKS ?
			    (size_t)(s->n - w->marks) : MARKS;
			if (imgp_spill_read(s, w->marks, w->buf + MARKS - n, n,
			    e) == -1)
				return -1;
			w->left = n;
			w->marks += n;
		}
		n = w->left < len ? w->left : len;
		memcpy(p, w->buf + MARKS - w->left, n);
	}
	return 0;
}

static int
next_mark(void *arg, struct imgp_respell_mark *m, imgp_respell_copy *list,
    struct imgp_err *e)
{
	struct work *w = arg;

	if (w->marks == w->g->marks->n && w->left == 0)
		return 0;
	return take_marks(w, m, sizeof *m, e) == -1 ||
	    take_marks(w, list, m->copies * sizeof *list, e) == -1 ? -1 : 1;
}

static int
read_content(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	struct work *w = arg;

	return imgp_pread(w->g->content, buf, len, off, e);
}

/* The length of the header at ${off} of the file; 0: none that can be read here. */
static int
read_header(struct work *w, uint64_t off, size_t *len, struct imgp_err *e)
{
	uint64_t left = w->g->size - off;
	size_t n = left < HEADER ? (size_t)left : HEADER;

	if (imgp_pread(w->g->fd, w->header, n, off, e) == -1)
		return -1;
	*len = imgp_gunzip_header(w->header, n);
	return 0;
}

/* A member's stream ends in front of ${off}. */
static int
more(void *arg, uint64_t off, uint64_t *next, struct imgp_err *e)
{
	struct work *w = arg;
	struct imgp_regzip *g = w->g;
	uint64_t at = w->from.off + off;
	size_t n;

	if (g->size < TRAILER || at > g->size - TRAILER)
		return imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED,
		    "gzip: it is cut short");
	if (imgp_pread(g->fd, g->end.trailer, TRAILER, at, e) == -1)
		return -1;
	at += TRAILER;
	g->end.zeros = g->size - at;
	if (at == g->size)
		return 0;
	if (read_header(w, at, &n, e) == -1)
		return -1;
	if (w->header[0] == 0)		/* zeros to the end, as gunzip.h has seen */
		return 0;
	if (n == 0)
		return imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED,
		    "gzip: a header that is too long");
	*next = at + n - w->from.off;
	return 1;
}

/* --- unpacking ---------------------------------------------------------------------- */

struct unpacking {
	struct work	 w;
	struct imgp_regzip g;
	imgp_deflate_write *write;
	imgp_regzip_quiet *quiet;
	void		*arg;
	struct imgp_spill *marks;
};

static int
read_packed(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	struct unpacking *u = arg;

	return read_stream(&u->w, off, buf, len, e);
}

static int
write_content(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct unpacking *u = arg;

	u->w.crc = imgp_crc32(u->w.crc, p, len);
	u->w.size += len;
	return u->write(u->arg, p, len, e);
}

static int
note_mark(void *arg, const struct imgp_respell_mark *m,
    const imgp_respell_copy *list, struct imgp_err *e)
{
	struct unpacking *u = arg;

	return imgp_spill_write(u->marks, m, sizeof *m, e) == -1 ||
	    imgp_spill_write(u->marks, list, m->copies * sizeof *list, e) ==
	    -1 ? -1 : 0;
}

static void
where_quiet(void *arg, const void *p, size_t len, uint64_t *from, uint64_t *to)
{
	struct unpacking *u = arg;

	u->quiet(u->arg, p, len, from, to);
}

static int
more_packed(void *arg, uint64_t off, uint64_t *next, struct imgp_err *e)
{
	struct unpacking *u = arg;
	unsigned char t[TRAILER];
	int rc = more(&u->w, off, next, e);

	if (rc == -1)
		return -1;
	imgp_gzip_trailer(t, u->w.crc, u->w.size);
	if (memcmp(t, u->g.end.trailer, TRAILER) != 0)
		return imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED,
		    "gzip: a CRC is wrong");
	u->w.crc = 0;
	u->w.size = 0;
	return rc;
}

/* Is all behind the last member zeros?  1, 0, or -1. */
static int
is_padded(struct unpacking *u, struct imgp_err *e)
{
	uint64_t at = u->g.size - u->g.end.zeros;
	size_t i, n;

	for (; at < u->g.size; at += n) {
		n = u->g.size - at < HEADER ? (size_t)(u->g.size - at) : HEADER;
		if (imgp_pread(u->g.fd, u->w.header, n, at, e) == -1)
			return -1;
		for (i = 0; i < n; i++)
			if (u->w.header[i] != 0)
				return 0;
	}
	return 1;
}

static int
unpack(struct unpacking *u, struct imgp_deflate *d, struct imgp_err *e)
{
	struct imgp_respell_trace t = { read_packed, 0, more_packed,
	    write_content, note_mark, u->quiet == NULL ? NULL : where_quiet, u };
	size_t n;
	int rc;

	if (read_header(&u->w, 0, &n, e) == -1)
		return -1;
	if (n == 0)
		return 1;
	u->w.from.fd = u->g.fd;
	u->w.from.off = n;
	t.len = u->g.size - n;
	rc = imgp_respell_decode(d, &t, e);
	if (rc == 0 && (rc = is_padded(u, e)) != -1)
		rc = !rc;
	return rc == -1 && strcmp(e->code, IMGP_E_ARCHIVE_DAMAGED) == 0 ? 1 : rc;
}

int
imgp_regzip_unpack(struct imgp_deflate *d, int fd, uint64_t size,
    imgp_deflate_write *write, imgp_regzip_quiet *quiet, void *arg,
    struct imgp_spill *marks, struct imgp_err *e)
{
	struct unpacking *u = imgp_alloc(sizeof *u);
	int rc;

	u->w.g = &u->g;
	u->g.fd = fd;
	u->g.size = size;
	u->write = write;
	u->quiet = quiet;
	u->arg = arg;
	u->marks = marks;
	rc = unpack(u, d, e);
	if (rc == 0)
		rc = imgp_spill_done(marks, e);
	free(u);
	return rc;
}

/* --- there and back ---------------------------------------------------------------- */

static int
write_file(struct work *w, struct imgp_deflate *d, struct imgp_err *e)
{
	struct imgp_regzip *g = w->g;
	struct imgp_respell r = { read_stream, 0, more, next_edit, inserted,
	    write_stream, g->undo == NULL ? NULL : write_undo,
	    g->marks == NULL ? NULL : next_mark, read_content, g->contentsize,
	    w };
	unsigned char t[TRAILER];
	size_t n;
	int rc;

	if (read_header(w, 0, &n, e) == -1)
		return -1;
	if (n == 0) {
		imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "gzip: a header that is too long");
		return 1;
	}
	w->from.fd = g->fd;
	w->from.off = n;
	r.len = g->size - n;
	if (g->write(g->arg, w->header, n, e) == -1)
		return -1;
	begin_check(w);
	imgp_edits_rewind(g->edits);
	if ((rc = imgp_respell_stream(d, &r, e)) == -1)
		/* It could be decoded: then another decoder was less strict. */
		return strcmp(e->code, IMGP_E_ARCHIVE_DAMAGED) == 0 ? 1 : -1;
	if (rc == 1)
		return 1;
	if (end_check(w, e) == -1)
		return -1;
	imgp_gzip_trailer(t, g->newcrc, g->newsize);
	return g->write(g->arg, t, sizeof t, e);
}

int
imgp_regzip_write(struct imgp_deflate *d, struct imgp_regzip *g,
    struct imgp_err *e)
{
	struct work *w = imgp_alloc(sizeof *w);
	int rc;

	w->g = g;
	rc = write_file(w, d, e);
	free(w);
	return rc;
}

static int
write_zeros(uint64_t n, imgp_deflate_write *write, void *arg,
    struct imgp_err *e)
{
	static const unsigned char zero[4096];
	size_t k;

	for (; n > 0; n -= k) {
		k = n < sizeof zero ? (size_t)n : sizeof zero;
		if (write(arg, zero, k, e) == -1)
			return -1;
	}
	return 0;
}

struct undoing {
	struct imgp_deflate_fd from;
	imgp_regzip_undo_read *undo;
	imgp_deflate_write *write;
	void		*arg;
};

static int
read_changed(void *arg, uint64_t off, void *buf, size_t len, struct imgp_err *e)
{
	struct undoing *u = arg;

	return imgp_deflate_read_fd(&u->from, off, buf, len, e);
}

static long
read_undo(void *arg, void *buf, size_t len, struct imgp_err *e)
{
	struct undoing *u = arg;

	return u->undo(u->arg, buf, len, e);
}

static int
write_old(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	struct undoing *u = arg;

	return u->write(u->arg, p, len, e);
}

int
imgp_regzip_undo(int fd, uint64_t size, imgp_regzip_undo_read *undo,
    const struct imgp_regzip_end *end, imgp_deflate_write *write, void *arg,
    struct imgp_err *e)
{
	struct undoing u = { { fd, 0 }, undo, write, arg };
	struct imgp_respell_back b = { read_changed, 0, read_undo, write_old,
	    &u };
	size_t n = size < HEADER ? (size_t)size : HEADER;
	unsigned char *buf = imgp_alloc_bytes(HEADER);
	int rc = -1;

	if (imgp_pread(fd, buf, n, 0, e) == -1)
		goto out;
	n = imgp_gunzip_header(buf, n);
	if (n == 0 || size < n + TRAILER) {
		imgp_fail(e, IMGP_E_STAMP_CHECK,
		    "gzip: the provenance does not fit");
		goto out;
	}
	u.from.off = n;
	b.len = size - n - TRAILER;
	if (write(arg, buf, n, e) == -1 || imgp_respell_undo(&b, e) == -1 ||
	    write(arg, end->trailer, TRAILER, e) == -1)
		goto out;
	rc = write_zeros(end->zeros, write, arg, e);
out:
	free(buf);
	return rc;
}
