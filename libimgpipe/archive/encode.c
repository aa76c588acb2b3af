#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <isa-l.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include "libimgpipe/archive/encode.h"
#include "libimgpipe/archive/out.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/base/write.h"

#define OUT	((size_t)64 << 10)

struct imgp_encode {
	int		 small;
	z_stream	 zlib;
	struct isal_zstream isal;
	unsigned char	*level;
	imgp_deflate_write *write;
	void		*arg;
	unsigned char	 out[OUT];
};

struct imgp_encode *
imgp_encode_new(int small, imgp_deflate_write *write, void *arg)
{
	struct imgp_encode *z = imgp_alloc(sizeof *z);

	z->small = small;
	z->write = write;
	z->arg = arg;
	if (!small)
		z->level = imgp_alloc(ISAL_DEF_LVL1_DEFAULT);
	else if (deflateInit2(&z->zlib, 6, Z_DEFLATED, -15, 8,
	    Z_DEFAULT_STRATEGY) != Z_OK)
		imgp_oom();
	imgp_encode_reset(z);
	return z;
}

void
imgp_encode_free(struct imgp_encode *z)
{
	if (z == NULL)
		return;
	if (z->small)
		deflateEnd(&z->zlib);
	free(z->level);
	free(z);
}

void
imgp_encode_reset(struct imgp_encode *z)
{
	if (z->small) {
		deflateReset(&z->zlib);
		return;
	}
	isal_deflate_init(&z->isal);
	z->isal.level = 1;
	z->isal.level_buf = z->level;
	z->isal.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
}

static int
step_zlib(struct imgp_encode *z, int end, size_t *n)
{
	int rc;

	z->zlib.next_out = z->out;
	z->zlib.avail_out = OUT;
	rc = deflate(&z->zlib, end ? Z_FINISH : Z_NO_FLUSH);
	*n = OUT - z->zlib.avail_out;
	return end ? rc != Z_STREAM_END : z->zlib.avail_out == 0;
}

static int
step_isal(struct imgp_encode *z, int end, size_t *n)
{
	z->isal.next_out = z->out;
	z->isal.avail_out = OUT;
	z->isal.end_of_stream = (uint16_t)end;
	isal_deflate(&z->isal);
	*n = OUT - z->isal.avail_out;
	return end ? z->isal.internal_state.state != ZSTATE_END :
	    z->isal.avail_in != 0 || z->isal.avail_out == 0;
}

static int
run(struct imgp_encode *z, int end, struct imgp_err *e)
{
	size_t n;
	int more;

	do {
		more = z->small ? step_zlib(z, end, &n) : step_isal(z, end, &n);
		if (n > 0 && z->write(z->arg, z->out, n, e) == -1)
			return -1;
	} while (more);
	return 0;
}

int
imgp_encode_feed(struct imgp_encode *z, const void *p, size_t len,
    struct imgp_err *e)
{
	size_t n;

	for (; len > 0; len -= n, p = (const char *)p + n) {
		n = len < (1u << 20) ? len : 1u << 20;
		z->zlib.next_in = z->isal.next_in = (void *)(uintptr_t)p;
		z->zlib.avail_in = z->isal.avail_in = (uint32_t)n;
		if (run(z, 0, e) == -1)
			return -1;
	}
	return 0;
}

int
imgp_encode_end(struct imgp_encode *z, struct imgp_err *e)
{
	z->zlib.avail_in = z->isal.avail_in = 0;
	return run(z, 1, e);
}

uint32_t
imgp_crc32(uint32_t crc, const void *p, size_t len)
{
	return crc32_gzip_refl(crc, p, len);
}

uint32_t
imgp_crc32_rehead(uint32_t crc, uint32_t oldhead, uint32_t newhead,
    uint64_t tail)
{
	/* CRC-32 is linear: the whole minus the head's share is the tail's. */
	return (uint32_t)crc32_combine(oldhead ^ newhead, crc,
	    (z_off_t)tail);
}

void
imgp_gzip_trailer(unsigned char trailer[IMGP_GZIP_TRAILER], uint32_t crc,
    uint64_t size)
{
	int i;

	for (i = 0; i < 4; i++) {
		trailer[i] = (unsigned char)(crc >> (8 * i));
		trailer[4 + i] = (unsigned char)(size >> (8 * i));
	}
}

/* --- keeping --------------------------------------------------------------- */

void
imgp_spill_init(struct imgp_spill *s, int dir)
{
	s->n = 0;
	imgp_buf_init(&s->mem);
	s->dir = dir;
	s->most = IMGP_SPILL_MEM;
	s->fd = -1;
}

void
imgp_spill_clear(struct imgp_spill *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
	s->n = 0;
	imgp_buf_clear(&s->mem);
}

void
imgp_spill_release(struct imgp_spill *s)
{
	imgp_spill_clear(s);
	imgp_buf_release(&s->mem);
}

/* Opened ahead, for a file system without unnamed files. */
static int ahead[IMGP_TMPFILES];
static size_t nahead;

static int
open_unnamed(int dir)
{
	return openat(dir, ".", IMGP_SCRATCH_FLAGS, 0600);
}

static int
fail_tmp(struct imgp_err *e)
{
	return imgp_fail_write(e, "a temporary file");
}

/* After open_unnamed() failed. */
static int
is_without(void)
{
	return errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL;
}

static int
open_named(int dir, struct imgp_err *e)
{
	static unsigned int number;
	char name[64];
	int fd;

	do {
		snprintf(name, sizeof name, ".imgp.%ld.%u", (long)getpid(),
		    __atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
		fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	} while (fd == -1 && errno == EEXIST);
	if (fd == -1)
		return fail_tmp(e);
	if (unlinkat(dir, name, 0) == 0)
		return fd;
	fail_tmp(e);
	close(fd);
	return -1;
}

int
imgp_tmpfile(int dir, struct imgp_err *e)
{
	size_t i;
	int fd = open_unnamed(dir);

	if (fd != -1)
		return fd;
	if (!is_without())
		return fail_tmp(e);
	for (i = __atomic_load_n(&nahead, __ATOMIC_RELAXED); i > 0; )
		if (__atomic_compare_exchange_n(&nahead, &i, i - 1, 0,
		    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return ahead[i - 1];
	return open_named(dir, e);
}

int
imgp_tmpfile_ahead(int dir, size_t n, struct imgp_err *e)
{
	int fd = open_unnamed(dir);

	if (fd != -1) {
		close(fd);
		return 1;
	}
	if (!is_without())
		return fail_tmp(e);
	for (nahead = 0; nahead < n && nahead < IMGP_TMPFILES; nahead++)
		if ((ahead[nahead] = open_named(dir, e)) == -1)
			return -1;
	return 0;
}

static int
write_fd(int fd, const void *p, size_t len, struct imgp_err *e)
{
	if (imgp_write_all(fd, p, len) == -1)
		return imgp_fail_write(e, "temporary file");
	return 0;
}

int
imgp_spill_write(void *spill, const void *p, size_t len, struct imgp_err *e)
{
	struct imgp_spill *s = spill;

	s->n += len;
	if (s->mem.len + len > s->most) {
		if (s->fd == -1 && (s->fd = imgp_tmpfile(s->dir, e)) == -1)
			return -1;
		if (write_fd(s->fd, s->mem.s, s->mem.len, e) == -1)
			return -1;
		imgp_buf_clear(&s->mem);
		if (len > s->most / 2)
			return write_fd(s->fd, p, len, e);
	}
	imgp_buf_add(&s->mem, p, len);
	return 0;
}

int
imgp_spill_done(struct imgp_spill *s, struct imgp_err *e)
{
	if (s->fd == -1)
		return 0;
	if (write_fd(s->fd, s->mem.s, s->mem.len, e) == -1)
		return -1;
	imgp_buf_clear(&s->mem);
	return 0;
}

const char *
imgp_archive_version(void)
{
	static char s[64];

	snprintf(s, sizeof s, "zlib %s, ISA-L %d.%d.%d", zlibVersion(),
	    ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION);
	return s;
}

int
imgp_spill_read(const struct imgp_spill *s, uint64_t off, void *buf, size_t len,
    struct imgp_err *e)
{
	if (off > s->n || len > s->n - off)
		return imgp_fail(e, IMGP_E_INTERNAL, "spill: behind the end");
	if (s->fd != -1)
		return imgp_pread(s->fd, buf, len, off, e);
	memcpy(buf, s->mem.s + off, len);
	return 0;
}
