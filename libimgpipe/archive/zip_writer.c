#include <stdlib.h>
#include <string.h>

#include "libimgpipe/archive/zip_priv.h"
#include "libimgpipe/base/buf.h"

/* What becomes of a member. */
struct fate {
	uint64_t	 local, csize, size;
	uint32_t	 crc;
};

struct imgp_zip_writer {
	struct imgp_zip	*z;
	struct imgp_out	*out;
	struct fate	*fate;		/* by position in the directory */
	uint64_t	 start;		/* of the archive in out */
	uint64_t	 pos;		/* of the source: written up to there */
	uint64_t	 data;		/* of out: where the open data began */
	size_t		 next;		/* in order: fate's offset not known */
	size_t		 open;		/* the begun member, or SIZE_MAX */
	unsigned char	*buf;		/* one record */
	struct imgp_zip_history history;
};

struct imgp_zip_writer *
imgp_zip_writer_new(struct imgp_zip *z, struct imgp_out *out)
{
	struct imgp_zip_writer *w = imgp_alloc(sizeof *w);
	size_t i;

	w->z = z;
	w->out = out;
	w->start = out->n;
	w->open = SIZE_MAX;
	w->fate = imgp_alloc(z->n * sizeof *w->fate);
	w->buf = imgp_alloc_bytes(WINDOW);
	for (i = 0; i < z->n; i++) {
		w->fate[i].crc = z->m[i].crc;
		w->fate[i].csize = z->m[i].csize;
		w->fate[i].size = z->m[i].size;
	}
	return w;
}

void
imgp_zip_writer_history(struct imgp_zip_writer *w,
    const struct imgp_zip_history *h)
{
	w->history = *h;
}

void
imgp_zip_writer_free(struct imgp_zip_writer *w)
{
	if (w == NULL)
		return;
	free(w->buf);
	free(w->fate);
	free(w);
}

/* The offset of the next byte, as the archive states offsets. */
static uint64_t
stated(const struct imgp_zip_writer *w)
{
	return w->out->n - w->start - w->z->at.base;
}

/* Copy the source up to ${upto}, and note the new offsets of its members. */
static int
copy_up_to(struct imgp_zip_writer *w, uint64_t upto, struct imgp_err *e)
{
	struct imgp_zip *z = w->z;
	uint64_t local;

	for (; w->next < z->n; w->next++) {
		local = z->m[z->order[w->next]].local;
		if (local > upto)
			break;
		w->fate[z->order[w->next]].local = stated(w) + local - w->pos;
	}
	if (imgp_out_copy(w->out, z->fd, w->pos, upto - w->pos, e) == -1)
		return -1;
	w->pos = upto;
	return 0;
}

int
imgp_zip_writer_fits(const struct imgp_zip_writer *w, size_t i, uint64_t csize,
    uint64_t size, struct imgp_err *e)
{
	const struct imgp_zip_member *m = &w->z->m[i];

	if ((m->csize < MAX32 && csize >= MAX32) ||
	    (m->size < MAX32 && size >= MAX32))
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "it would grow over 4 GiB");
	if (m->local < w->z->tight && stated(w) + (w->z->tight - w->pos) +
	    csize - m->csize >= MAX32)
		return imgp_fail(e, IMGP_E_ARCHIVE_LIMIT,
		    "one behind it would lie over 4 GiB, and has no room to "
		    "say so");
	return 0;
}

/* Set a size in a local header: the field, or its zip64 value. */
static void
set_size(unsigned char *field, uint64_t v, int later, unsigned char **x,
    size_t *n)
{
	if (get32(field) == MAX32 && *x != NULL && *n >= 8) {
		if (!later || get64(*x) != 0)
			put64(*x, v);
		*x += 8;
		*n -= 8;
	} else if (!later || (get32(field) != 0 && get32(field) != MAX32))
		put32(field, v);
}

int
imgp_zip_writer_begin(struct imgp_zip_writer *w, size_t i, uint32_t crc,
    uint64_t csize, uint64_t size, struct imgp_err *e)
{
	const struct imgp_zip_member *m = &w->z->m[i];
	size_t len = (size_t)(m->data - m->local), n = 0;
	unsigned char *h = w->buf, *x;
	int later;

	if (w->open != SIZE_MAX || m->local < w->pos)
		return imgp_fail(e, IMGP_E_INTERNAL,
		    "zip: members out of order");
	if (imgp_zip_writer_fits(w, i, csize, size, e) == -1 ||
	    copy_up_to(w, m->local, e) == -1 ||
	    imgp_out_pread(w->out, w->z->fd, h, len, m->local, e) == -1)
		return -1;
	later = (get16(h + 6) & FLAG_DESCRIPTOR) != 0;
	x = imgp_zip_extra(h + LOCAL + get16(h + 26), get16(h + 28), EXTRA64,
	    &n);
	if (!later || get32(h + 14) != 0)
		put32(h + 14, crc);
	/* In a zip64 field the size stands before the compressed size. */
	set_size(h + 22, size, later, &x, &n);
	set_size(h + 18, csize, later, &x, &n);
	if (imgp_out_write(w->out, h, len, e) == -1)
		return -1;
	w->fate[i].crc = crc;
	w->fate[i].csize = csize;
	w->fate[i].size = size;
	w->open = i;
	w->data = w->out->n;
	return 0;
}

int
imgp_zip_writer_end(struct imgp_zip_writer *w, struct imgp_err *e)
{
	const struct imgp_zip_member *m = &w->z->m[w->open];
	const struct fate *f = &w->fate[w->open];
	unsigned char d[24], *p = d;

	if (w->out->n - w->data != f->csize)
		return imgp_fail(e, IMGP_E_INTERNAL,
		    "zip: %llu bytes of data instead of %llu",
		    (unsigned long long)(w->out->n - w->data),
		    (unsigned long long)f->csize);
	if (m->descriptor == 16 || m->descriptor == 24) {
		put32(p, SIG_DESCRIPTOR);
		p += 4;
	}
	put32(p, f->crc);
	if (m->descriptor >= 20) {
		put64(p + 4, f->csize);
		put64(p + 12, f->size);
	} else {
		put32(p + 4, f->csize);
		put32(p + 8, f->size);
	}
	w->open = SIZE_MAX;
	w->pos = m->end;
	return imgp_out_write(w->out, d, m->descriptor, e);
}

/*
 * Set ${*field} to ${v}.  What was in the zip64 field stays there, and what has
 * become too large goes there: append it to ${*y}.
 */
static void
move_field(unsigned char *field, uint64_t v, unsigned char **y)
{
	if (get32(field) != MAX32 && v < MAX32) {
		put32(field, v);
		return;
	}
	put32(field, MAX32);
	put64(*y, v);
	*y += 8;
}

static int
not_grown(struct imgp_err *e)
{
	return imgp_fail(e, IMGP_E_STAMP_CHECK,
	    "check: the directory never gained what the provenance says");
}

/*
 * The offset in the record ${c} moves to ${y} as move_field() does, and ${g} is
 * what the record gained by that; or, where it ${was} so grown and can be
 * without again, back into its field.  g->wrapped: the field had it modulo 2^32.
 * 1 when it moved, 0, -1 and ${e}.
 */
static int
move_offset(unsigned char *c, uint64_t v, unsigned char **y, int was,
    struct imgp_zip_growth *g, struct imgp_err *e)
{
	int full = get32(c + 42) == MAX32;

	if (was && !full)
		return not_grown(e);
	if (was && (v < MAX32 || g->wrapped)) {
		put32(c + 42, v & MAX32);
		put16(c + 6, g->version);
		return 1;
	}
	move_field(c + 42, v, y);
	if (full || v < MAX32)
		return 0;
	g->version = (uint16_t)get16(c + 6);
	if (g->version < 45)
		put16(c + 6, 45);	/* version needed: zip64 */
	return 1;
}

/*
 * Bring the directory record of ${len} bytes in w->buf up to date; its new
 * length, or 0 and ${e}.  It grows only when its offset passes 4 GiB by the
 * stamps, and shrinks when that is undone: ${g}, if it ${was} so grown.
 */
static size_t
update_central(struct imgp_zip_writer *w, const struct fate *f, size_t len,
    int was, struct imgp_zip_growth *g, struct imgp_err *e)
{
	unsigned char *c = w->buf, *x, y[4 + 24 + EXTRA64_MAX], *yend = y + 4;
	unsigned char *at = c + CENTRAL + get16(c + 28);
	size_t xlen = get16(c + 30), n = 0, old = 0, new, used;
	int moved;

	x = imgp_zip_extra(at, xlen, EXTRA64, &n);
	used = (get32(c + 24) == MAX32 ? 8u : 0u) +
	    (get32(c + 20) == MAX32 ? 8u : 0u) +
	    (get32(c + 42) == MAX32 ? 8u : 0u);
	put32(c + 16, f->crc);
	move_field(c + 24, f->size, &yend);
	move_field(c + 20, f->csize, &yend);
	if ((moved = move_offset(c, f->local, &yend, was, g, e)) == -1)
		return 0;
	if (x != NULL) {	/* what follows in it, a disk number, is kept */
		memcpy(yend, x + used, n - used);
		yend += n - used;
		old = n + 4;
	}
	new = (size_t)(yend - y);
	if (moved && was && g->made) {
		/* It was put in front, and held nothing else. */
		if (x != at + 4 || new != 4) {
			not_grown(e);
			return 0;
		}
		new = 0;
	} else if (new == 4 && old == 0)
		return len;
	if (x != NULL)
		at = x - 4;
	put16(y, EXTRA64);
	put16(y + 2, (uint32_t)(new - 4));
	memmove(at + new, at + old, len - (size_t)(at - c) - old);
	memcpy(at, y, new);
	put16(c + 30, (uint32_t)(xlen + new - old));
	if (moved && !was) {
		g->made = x == NULL;
		if (w->history.note_growth != NULL && w->history.note_growth(w->history.arg,
		    g, e) == -1)
			return 0;
	}
	return len + new - old;
}

/* Was ${record} grown when the source was written?  1 and ${g}, 0, -1. */
static int
was_grown(struct imgp_zip_writer *w, uint64_t record,
    struct imgp_zip_growth *g, struct imgp_err *e)
{
	memset(g, 0, sizeof *g);
	g->record = record;
	return w->history.was_grown == NULL ? 0 :
	    w->history.was_grown(w->history.arg, record, g, e);
}

/* The directory of the source, read on in large pieces. */
struct window {
	const struct imgp_zip *z;
	unsigned char	*buf;		/* WINDOW bytes */
	uint64_t	 pos;
	size_t		 len;		/* of what is in buf, from pos on */
};

/* The ${len} bytes at ${pos}, or NULL and ${e}. */
static const unsigned char *
see(struct window *v, uint64_t pos, size_t len, struct imgp_err *e)
{
	uint64_t end = v->z->at.cd + v->z->at.cd_size;

	if (pos < v->pos || pos + len > v->pos + v->len) {
		v->pos = pos;
		v->len = end - pos < WINDOW ? (size_t)(end - pos) : WINDOW;
		if (imgp_pread(v->z->fd, v->buf, v->len, pos, e) == -1)
			return NULL;
	}
	return v->buf + (pos - v->pos);
}

/* Each record brought up to date. */
static int
write_records(struct imgp_zip_writer *w, struct window *v, struct imgp_err *e)
{
	const struct imgp_zip *z = w->z;
	struct imgp_zip_growth g;
	const unsigned char *c;
	uint64_t pos;
	size_t i, len;
	int was;

	for (i = 0; i < z->n; i++) {
		pos = z->m[i].central;
		if ((c = see(v, pos, CENTRAL, e)) == NULL)
			return -1;
		/* Behind the last one there may be a signature. */
		len = CENTRAL + get16(c + 28) + get16(c + 30) + get16(c + 32);
		if ((c = see(v, pos, len, e)) == NULL)
			return -1;
		memcpy(w->buf, c, len);
		w->pos = pos + len;
		if ((was = was_grown(w, i + 1, &g, e)) == -1)
			return -1;
		if (!was)
			g.wrapped = z->at.wrapped && z->m[i].local > MAX32;
		if ((len = update_central(w, &w->fate[i], len, was, &g,
		    e)) == 0 || imgp_out_write(w->out, w->buf, len, e) == -1)
			return -1;
	}
	return 0;
}

static int
write_directory(struct imgp_zip_writer *w, struct imgp_err *e)
{
	struct imgp_zip *z = w->z;
	struct window v = { z, imgp_alloc_bytes(WINDOW), 0, 0 };
	int rc = write_records(w, &v, e);

	free(v.buf);
	return rc == -1 ? -1 : imgp_out_copy(w->out, z->fd, w->pos,
	    z->at.cd + z->at.cd_size - w->pos, e);
}

/* The zip64 end record and its locator: as they were, or made new. */
static int
write_end64(struct imgp_zip_writer *w, uint64_t cd, uint64_t cd_size,
    struct imgp_err *e)
{
	struct imgp_zip *z = w->z;
	unsigned char *r = w->buf, loc[LOCATOR];
	size_t len = END64;
	uint64_t at = stated(w);

	memset(loc, 0, sizeof loc);
	memset(r, 0, END64);
	if (z->at.end64 != 0) {
		len = (size_t)(z->at.end - LOCATOR - z->at.end64);
		if (imgp_pread(z->fd, r, END64, z->at.end64, e) == -1 ||
		    imgp_pread(z->fd, loc, LOCATOR, z->at.end - LOCATOR,
		    e) == -1)
			return -1;
	} else {
		put32(r, SIG_END64);
		put64(r + 4, END64 - 12);
		put16(r + 12, 45);
		put16(r + 14, 45);
		put64(r + 24, z->n);
		put64(r + 32, z->n);
		put32(loc, SIG_LOCATOR);
		put32(loc + 16, 1);
	}
	put64(r + 40, cd_size);
	put64(r + 48, cd);
	put64(loc + 8, at);
	if (imgp_out_write(w->out, r, END64, e) == -1 ||
	    imgp_out_copy(w->out, z->fd, z->at.end64 + END64, len - END64,
	    e) == -1)
		return -1;
	return imgp_out_write(w->out, loc, LOCATOR, e);
}

/* Set an end record's ${field}, which says ${v}; 1 when that is full now. */
static int
set_end(unsigned char *field, uint64_t v, int was_moved)
{
	int full = get32(field) == MAX32;

	if (!full || was_moved)
		put32(field, v < MAX32 ? v : MAX32);
	return !full && v >= MAX32;
}

/* The number of members: in this part, and in all. */
static void
set_count(unsigned char *end, uint32_t n)
{
	put16(end + 8, n);
	put16(end + 10, n);
}

/* The end record, with the zip64 ones where they are needed. */
static int
write_end(struct imgp_zip_writer *w, uint64_t cd, uint64_t cd_size,
    struct imgp_err *e)
{
	struct imgp_zip *z = w->z;
	int had = z->at.end64 != 0, needs;
	int counts = z->n > MAX16 && !had;
	struct imgp_zip_growth g;
	unsigned char end[END];
	int was;

	if (imgp_pread(z->fd, end, END, z->at.end, e) == -1 ||
	    (was = was_grown(w, 0, &g, e)) == -1)
		return -1;
	if (was && (!had || (g.offset && get32(end + 16) != MAX32) ||
	    (g.size && get32(end + 12) != MAX32) ||
	    (g.count && get16(end + 10) != MAX16)))
		return not_grown(e);
	needs = (cd >= MAX32 && !(was && g.wrapped)) || cd_size >= MAX32 ||
	    counts;
	if (was) {
		set_end(end + 16, g.wrapped ? cd & MAX32 : cd, g.offset);
		set_end(end + 12, cd_size, g.size);
		if (g.count)
			set_count(end, (uint32_t)z->n & MAX16);
		had &= !g.made;
		if (!had && !needs && (get32(end + 16) == MAX32 ||
		    get32(end + 12) == MAX32))
			return not_grown(e);
	} else {
		g.made = !had && needs;
		g.wrapped = z->at.wrapped;
		g.offset = set_end(end + 16, cd, 0);
		g.size = set_end(end + 12, cd_size, 0);
		if ((g.count = counts))
			set_count(end, MAX16);
		if ((g.offset || g.size || g.count) && w->history.note_growth != NULL &&
		    w->history.note_growth(w->history.arg, &g, e) == -1)
			return -1;
	}
	if ((had || needs) && write_end64(w, cd, cd_size, e) == -1)
		return -1;
	return imgp_out_write(w->out, end, END, e);
}

int
imgp_zip_writer_finish(struct imgp_zip_writer *w, struct imgp_err *e)
{
	struct imgp_zip *z = w->z;
	uint64_t cd, cd_size, tail = z->at.end + END;

	if (w->open != SIZE_MAX)
		return imgp_fail(e, IMGP_E_INTERNAL, "zip: a member is open");
	if (copy_up_to(w, z->at.cd, e) == -1)
		return -1;
	cd = stated(w);
	if (write_directory(w, e) == -1)
		return -1;
	cd_size = stated(w) - cd;
	if (write_end(w, cd, cd_size, e) == -1)
		return -1;
	return imgp_out_copy(w->out, z->fd, tail, z->size - tail, e);
}
