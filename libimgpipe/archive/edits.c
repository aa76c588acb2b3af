#include <stdlib.h>
#include <string.h>

#include "libimgpipe/archive/edits.h"
#include "libimgpipe/archive/encode.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/base/buf.h"

#define COMPARE	((size_t)64 << 10)	/* bytes, old and new, that are compared */
#define NEAR	4			/* equal bytes between two differences that
					 * are not worth an edit more */
#define BUFFER	((size_t)128 << 10)

struct imgp_edits {
	int		 fd;
	uint64_t	 size;
	uint64_t	 old;		/* the old file has been dealt with up to
					 * there, */
	struct imgp_buf	 new;		/* and this comes behind it */
	struct imgp_spill list;		/* heads, each with its bytes behind it */
	uint64_t	 at;		/* in the list: the next to be read */
	unsigned char	*buf;
	uint64_t	 bufoff;	/* while the new file is written buf has */
	size_t		 buflen;	/* so many old bytes from there on */
};

struct head {
	uint64_t	 at, del, inslen;
};

struct imgp_edits *
imgp_edits_new(int fd, uint64_t size, int dir)
{
	struct imgp_edits *l = imgp_alloc(sizeof *l);

	l->fd = fd;
	l->size = size;
	imgp_buf_init(&l->new);
	imgp_spill_init(&l->list, dir);
	l->buf = imgp_alloc_bytes(BUFFER);
	return l;
}

void
imgp_edits_free(struct imgp_edits *l)
{
	if (l == NULL)
		return;
	imgp_buf_release(&l->new);
	imgp_spill_release(&l->list);
	free(l->buf);
	free(l);
}

/* --- making ------------------------------------------------------------------ */

static int
add(struct imgp_edits *l, uint64_t at, uint64_t del, const void *p, size_t len,
    struct imgp_err *e)
{
	struct head h = { at, del, len };

	if (del == 0 && len == 0)
		return 0;
	return imgp_spill_write(&l->list, &h, sizeof h, e) == -1 ||
	    imgp_spill_write(&l->list, p, len, e) == -1 ? -1 : 0;
}

/* ${n} bytes become as many others: those that differ. */
static int
add_differences(struct imgp_edits *l, uint64_t at, const unsigned char *a,
    const unsigned char *b, size_t n, struct imgp_err *e)
{
	size_t i, end, k;

	for (i = 0; i < n; i = k) {
		for (; i < n && a[i] == b[i]; i++)
			;
		for (end = k = i; k < n && k - end < NEAR; k++)
			if (a[k] != b[k])
				end = k + 1;
		if (add(l, at + i, end - i, b + i, end - i, e) == -1)
			return -1;
	}
	return 0;
}

/* ${del} old bytes become ${len} new ones: what is equal at both ends stays. */
static int
add_compared(struct imgp_edits *l, size_t del, size_t len, struct imgp_err *e)
{
	const unsigned char *a = l->buf;
	const unsigned char *b = (const unsigned char *)l->new.s;
	uint64_t at = l->old;

	if (imgp_pread(l->fd, l->buf, del, at, e) == -1)
		return -1;
	if (del == len)
		return add_differences(l, at, a, b, len, e);
	for (; del > 0 && len > 0 && *a == *b; a++, b++, at++, del--, len--)
		;
	for (; del > 0 && len > 0 && a[del - 1] == b[len - 1]; del--, len--)
		;
	return add(l, at, del, b, len, e);
}

/* What was written comes in place of the old bytes up to ${upto}. */
static int
settle(struct imgp_edits *l, uint64_t upto, struct imgp_err *e)
{
	uint64_t del = upto - l->old;
	size_t len = l->new.len;
	int rc;

	if (upto < l->old || upto > l->size)
		return imgp_fail(e, IMGP_E_INTERNAL, "edits: out of order");
	if (del > 0 && len > 0 && del <= COMPARE && len <= COMPARE)
		rc = add_compared(l, (size_t)del, len, e);
	else
		rc = add(l, l->old, del, l->new.s, len, e);
	imgp_buf_clear(&l->new);
	l->old = upto;
	return rc;
}

int
imgp_edits_write(struct imgp_edits *l, const void *p, size_t len,
    struct imgp_err *e)
{
	if (l->new.len > COMPARE && settle(l, l->old, e) == -1)
		return -1;
	imgp_buf_add(&l->new, p, len);
	return 0;
}

int
imgp_edits_copy(struct imgp_edits *l, uint64_t off, uint64_t len,
    struct imgp_err *e)
{
	if (settle(l, off, e) == -1)
		return -1;
	if (len > l->size - off)
		return imgp_fail(e, IMGP_E_INTERNAL, "edits: out of order");
	l->old = off + len;
	return 0;
}

int
imgp_edits_end(struct imgp_edits *l, struct imgp_err *e)
{
	if (settle(l, l->size, e) == -1)
		return -1;
	return imgp_spill_done(&l->list, e);
}

/* --- reading ----------------------------------------------------------------- */

void
imgp_edits_rewind(struct imgp_edits *l)
{
	l->at = 0;
}

int
imgp_edits_inserted(void *list, uint64_t off, void *buf, size_t len,
    struct imgp_err *e)
{
	const struct imgp_edits *l = list;

	return imgp_spill_read(&l->list, off, buf, len, e);
}

int
imgp_edits_next(void *list, struct imgp_respell_edit *x, struct imgp_err *e)
{
	struct imgp_edits *l = list;
	struct head h;

	if (l->at == l->list.n)
		return 0;
	if (imgp_edits_inserted(l, l->at, &h, sizeof h, e) == -1)
		return -1;
	x->at = h.at;
	x->del = h.del;
	x->inslen = (size_t)h.inslen;
	x->ins = l->at + sizeof h;
	l->at = x->ins + h.inslen;
	return 1;
}

/* See to it that buf has the old byte at ${off}, and what follows it. */
static int
read_old(struct imgp_edits *l, uint64_t off, size_t want, struct imgp_err *e)
{
	const uint64_t left = l->size - off;

	if (off >= l->bufoff && off < l->bufoff + l->buflen)
		return 0;
	l->bufoff = off;
	l->buflen = left < want ? (size_t)left : want;
	return imgp_pread(l->fd, l->buf, l->buflen, off, e);
}

/* ${len} old bytes from ${off} on. */
static int
write_old(struct imgp_edits *l, uint64_t off, uint64_t len,
    imgp_deflate_write *write, void *arg, struct imgp_err *e)
{
	uint64_t left;
	size_t n;

	for (; len > 0; off += n, len -= n) {
		if (read_old(l, off, BUFFER, e) == -1)
			return -1;
		left = l->bufoff + l->buflen - off;
		n = (size_t)(len < left ? len : left);
		if (write(arg, l->buf + (off - l->bufoff), n, e) == -1)
			return -1;
	}
	return 0;
}

static int
write_new(struct imgp_edits *l, const struct imgp_respell_edit *x,
    imgp_deflate_write *write, void *arg, struct imgp_err *e)
{
	unsigned char buf[4096];
	size_t i, n;

	for (i = 0; i < x->inslen; i += n) {
		n = x->inslen - i < sizeof buf ? x->inslen - i : sizeof buf;
		if (imgp_edits_inserted(l, x->ins + i, buf, n, e) == -1 ||
		    write(arg, buf, n, e) == -1)
			return -1;
	}
	return 0;
}

int
imgp_edits_apply(struct imgp_edits *l, imgp_deflate_write *write, void *arg,
    struct imgp_err *e)
{
	struct imgp_respell_edit x;
	uint64_t pos = 0;
	int rc;

	imgp_edits_rewind(l);
	l->buflen = 0;
	while ((rc = imgp_edits_next(l, &x, e)) == 1) {
		if (write_old(l, pos, x.at - pos, write, arg, e) == -1 ||
		    write_new(l, &x, write, arg, e) == -1)
			return -1;
		pos = x.at + x.del;
	}
	return rc == -1 ? -1 : write_old(l, pos, l->size - pos, write, arg, e);
}

/* --- the CRC ------------------------------------------------------------------ */

/* ${crc} is that of the ${at} old bytes in front. */
struct prefix {
	uint64_t	 at;
	uint32_t	 crc;
};

/* ${p} becomes that of the first ${to} bytes, from what it is or from the sum that is
 * nearer. */
static int
prefix(struct imgp_edits *l, const struct imgp_spill *sums, struct prefix *p,
    uint64_t to, struct imgp_err *e)
{
	const uint64_t i = to / IMGP_EDITS_STEP;
	uint64_t n;

	if (to > l->size)
		return imgp_fail(e, IMGP_E_INTERNAL, "edits: out of order");
	if (p->at < i * IMGP_EDITS_STEP) {
		p->at = i * IMGP_EDITS_STEP;
		if (imgp_spill_read(sums, (i - 1) * sizeof p->crc, &p->crc,
		    sizeof p->crc, e) == -1)
			return -1;
	}
	for (; p->at < to; p->at += n) {
		if (read_old(l, p->at, (size_t)2 * IMGP_EDITS_STEP, e) == -1)
			return -1;
		n = l->bufoff + l->buflen - p->at;
		if (n > to - p->at)
			n = to - p->at;
		p->crc = imgp_crc32(p->crc, l->buf + (p->at - l->bufoff),
		    (size_t)n);
	}
	return 0;
}

static int
add_crc(void *arg, const void *p, size_t len, struct imgp_err *e)
{
	uint32_t *crc = arg;

	(void)e;
	*crc = imgp_crc32(*crc, p, len);
	return 0;
}

int
imgp_edits_crc(struct imgp_edits *l, const struct imgp_spill *sums,
    uint32_t *crc, uint64_t *size, struct imgp_err *e)
{
	struct imgp_respell_edit x;
	struct prefix p = { 0, 0 };
	uint64_t pos = 0;
	uint32_t before = 0;
	int rc;

	imgp_edits_rewind(l);
	l->buflen = 0;
	*crc = 0;
	*size = l->size;
	do {
		if ((rc = imgp_edits_next(l, &x, e)) == -1)
			return -1;
		if (rc == 0)
			x = (struct imgp_respell_edit){ .at = l->size };
		if (prefix(l, sums, &p, x.at, e) == -1)
			return -1;
		if (x.at > pos)
			*crc = imgp_crc32_rehead(p.crc, before, *crc,
			    x.at - pos);
		pos = x.at + x.del;
		*size += x.inslen - x.del;
		if (write_new(l, &x, add_crc, crc, e) == -1 ||
		    prefix(l, sums, &p, pos, e) == -1)
			return -1;
		before = p.crc;
	} while (rc == 1);
	return 0;
}
