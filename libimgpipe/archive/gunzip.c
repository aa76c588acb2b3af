#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <isa-l/igzip_lib.h>

#include "libimgpipe/archive/gunzip.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/worker.h"

#define IN		((size_t)64 << 10)
#define RESERVED	0xe0	/* flags; RFC 1952: must be zero */
#define FOLLOWS		"what follows its data is neither gzip nor zeros"

struct imgp_gunzip {
	int		 fd;
	uint64_t	 pos;		/* of the file: read up to there */
	uint64_t	 count;
	int		 eof;		/* of the file */
	int		 begun;		/* the first member has */
	struct inflate_state isal;
	unsigned char	*in;		/* IN bytes */
};

struct imgp_gunzip *
imgp_gunzip_new(int fd)
{
	struct imgp_gunzip *g = imgp_alloc(sizeof *g);

	g->fd = fd;
	g->in = imgp_alloc_bytes(IN);
	isal_inflate_init(&g->isal);
	g->isal.next_in = g->in;
	g->isal.crc_flag = ISAL_GZIP;
	return g;
}

void
imgp_gunzip_free(struct imgp_gunzip *g)
{
	if (g == NULL)
		return;
	free(g->in);
	free(g);
}

uint64_t
imgp_gunzip_count(const struct imgp_gunzip *g)
{
	return g->count;
}

static long
damaged(struct imgp_err *e, const char *what)
{
	imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED, "gzip: %s", what);
	return -1;
}

/* Read more input behind what is not used yet. */
static int
fill(struct imgp_gunzip *g, struct imgp_err *e)
{
	ssize_t n;

	memmove(g->in, g->isal.next_in, g->isal.avail_in);
	do
		n = pread(g->fd, g->in + g->isal.avail_in,
		    IN - g->isal.avail_in, (off_t)g->pos);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "read");
	imgp_worker_beat();
	g->eof = n == 0;
	g->pos += (uint64_t)n;
	g->isal.next_in = g->in;
	g->isal.avail_in += (uint32_t)n;
	return 0;
}

/* The rest is zeros, as tapes and block devices pad: 0, or -1. */
static int
pass_zeros(struct imgp_gunzip *g, struct imgp_err *e)
{
	for (;;) {
		for (; g->isal.avail_in > 0; g->isal.next_in++,
		    g->isal.avail_in--)
			if (*g->isal.next_in != 0)
				return (int)damaged(e, FOLLOWS);
		if (g->eof)
			return 0;
		if (fill(g, e) == -1)
			return -1;
	}
}

/* ISA-L does not look at them. */
static int
check_flags(const struct imgp_gunzip *g, struct imgp_err *e)
{
	return g->isal.avail_in >= 4 && (g->isal.next_in[3] & RESERVED) ?
	    (int)damaged(e, "a reserved flag is set") : 0;
}

static int
begin(struct imgp_gunzip *g, struct imgp_err *e)
{
	g->begun = 1;
	while (g->isal.avail_in < 4 && !g->eof)
		if (fill(g, e) == -1)
			return -1;
	return check_flags(g, e);
}

/* After a member: 1 when another begins, 0 when only zeros follow. */
static int
next_member(struct imgp_gunzip *g, struct imgp_err *e)
{
	unsigned char *in;
	uint32_t n;

	if (g->isal.avail_in < 4 && !g->eof && fill(g, e) == -1)
		return -1;
	in = g->isal.next_in;
	n = g->isal.avail_in;
	if (n == 0)
		return 0;
	if (in[0] == 0)
		return pass_zeros(g, e);
	if (n < 2 || in[0] != 0x1f || in[1] != 0x8b)
		return (int)damaged(e, FOLLOWS);
	if (check_flags(g, e) == -1)
		return -1;
	isal_inflate_reset(&g->isal);
	g->isal.crc_flag = ISAL_GZIP;
	g->isal.next_in = in;
	g->isal.avail_in = n;
	return 1;
}

long
imgp_gunzip_read(struct imgp_gunzip *g, void *buf, size_t len,
    struct imgp_err *e)
{
	size_t n = 0;
	int rc;

	if (len > 1u << 30)
		len = 1u << 30;
	if (!g->begun && begin(g, e) == -1)
		return -1;
	while (n == 0 && len > 0) {
		if (g->isal.block_state == ISAL_BLOCK_FINISH) {
			if ((rc = next_member(g, e)) <= 0)
				return rc;
			continue;
		}
		if (g->isal.avail_in == 0 && !g->eof && fill(g, e) == -1)
			return -1;
		g->isal.next_out = buf;
		g->isal.avail_out = (uint32_t)len;
		rc = isal_inflate(&g->isal);
		n = len - g->isal.avail_out;
		if (rc < 0)
			return damaged(e, rc == ISAL_INCORRECT_CHECKSUM ?
			    "a CRC is wrong" : "it cannot be decoded");
		if (n == 0 && g->isal.avail_in == 0 && g->eof &&
		    g->isal.block_state != ISAL_BLOCK_FINISH)
			return damaged(e, "it is cut short");
	}
	g->count += n;
	return (long)n;
}

size_t
imgp_gunzip_header(const unsigned char *p, size_t len)
{
	size_t n = 10;
	int flags;

	if (len < 10 || p[0] != 0x1f || p[1] != 0x8b || p[2] != 8)
		return 0;
	flags = p[3];
	if (flags & RESERVED)
		return 0;
	if (flags & 4)		/* extra field */
		n = len < 12 ? len + 1 : 12u + p[10] + (size_t)p[11] * 256;
	for (int bit = 8; bit <= 16; bit *= 2) {	/* name, comment */
		if (!(flags & bit))
			continue;
		while (n < len && p[n] != '\0')
			n++;
		n++;
	}
	if (flags & 2)		/* CRC of the header */
		n += 2;
	return n <= len ? n : 0;
}
