#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "libimgpipe/archive/content.h"
#include "libimgpipe/base/buf.h"

/*
 * zlib decodes no further than it is asked.  ISA-L decodes up to 64 KB ahead: three
 * times the cost for a header.
 */
struct imgp_content {
	imgp_deflate_read *read;
	void		*arg;
	uint64_t	 pos, csize;	/* of the data */
	uint64_t	 left;		/* of the content */
	int		 deflated, ended;
	z_stream	 z;
	size_t		 chunk;		/* grows: heads are short, the rest long */
	unsigned char	 in[65536];
};

#define FIRST_CHUNK	4096

struct imgp_content *
imgp_content_new(void)
{
	struct imgp_content *c = imgp_alloc_bytes(sizeof *c);

	memset(c, 0, offsetof(struct imgp_content, in));
	if (inflateInit2(&c->z, -15) != Z_OK)
		imgp_oom();
	return c;
}

void
imgp_content_free(struct imgp_content *c)
{
	if (c == NULL)
		return;
	inflateEnd(&c->z);
	free(c);
}

void
imgp_content_open(struct imgp_content *c, imgp_deflate_read *read, void *arg,
    uint64_t csize, uint64_t size, int deflated)
{
	c->read = read;
	c->arg = arg;
	c->pos = 0;
	c->csize = csize;
	c->left = size;
	c->deflated = deflated;
	c->ended = 0;
	c->chunk = FIRST_CHUNK;
	if (deflated) {
		inflateReset(&c->z);
		c->z.avail_in = 0;
	}
}

static int
fill(struct imgp_content *c, struct imgp_err *e)
{
	size_t n = c->chunk;

	if (n > c->csize - c->pos)
		n = (size_t)(c->csize - c->pos);
	if (n > 0 && c->read(c->arg, c->pos, c->in, n, e) == -1)
		return -1;
	c->pos += n;
	c->z.next_in = c->in;
	c->z.avail_in = (unsigned int)n;
	if (c->chunk < sizeof c->in)
		c->chunk *= 2;
	return 0;
}

static long
damaged(struct imgp_err *e, const char *what)
{
	imgp_fail(e, IMGP_E_ARCHIVE_DAMAGED, "%s", what);
	return -1;
}

static long
read_deflated(struct imgp_content *c, unsigned char *buf, size_t len,
    struct imgp_err *e)
{
	size_t n;
	int rc;

	c->z.next_out = buf;
	c->z.avail_out = (unsigned int)len;
	while (c->z.avail_out == len && !c->ended) {
		if (c->z.avail_in == 0) {
			if (c->pos == c->csize)
				return damaged(e, "its data end too early");
			if (fill(c, e) == -1)
				return -1;
		}
		rc = inflate(&c->z, Z_SYNC_FLUSH);
		if (rc == Z_MEM_ERROR)
			imgp_oom();
		if (rc == Z_STREAM_END)
			c->ended = 1;
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
			return damaged(e, "its data cannot be decoded");
	}
	n = len - c->z.avail_out;
	if (c->left == IMGP_CONTENT_UNKNOWN)
		return (long)n;
	if (n > c->left)
		return damaged(e, "it holds more than it says");
	c->left -= n;
	if (n == 0 && c->left > 0)
		return damaged(e, "it holds less than it says");
	if (n == 0 && (c->z.avail_in > 0 || c->pos < c->csize))
		return damaged(e, "something follows its data");
	return (long)n;
}

long
imgp_content_read(struct imgp_content *c, void *buf, size_t len,
    struct imgp_err *e)
{
	if (len > 1u << 30)
		len = 1u << 30;
	if (c->deflated)
		return len == 0 ? 0 : read_deflated(c, buf, len, e);
	if (len > c->csize - c->pos)
		len = (size_t)(c->csize - c->pos);
	if (len > 0 && c->read(c->arg, c->pos, buf, len, e) == -1)
		return -1;
	c->pos += len;
	return (long)len;
}

long
imgp_content_rest(struct imgp_content *c, unsigned char *buf, size_t len,
    struct imgp_err *e)
{
	size_t n = 0;

	while (n < len) {
		if (c->z.avail_in == 0 && c->pos == c->csize)
			break;
		if (c->z.avail_in == 0 && fill(c, e) == -1)
			return -1;
		buf[n++] = *c->z.next_in++;
		c->z.avail_in--;
	}
	return (long)n;
}
