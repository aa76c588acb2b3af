#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/out.h"
#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/worker.h"
#include "libimgpipe/base/write.h"

#define SMALL		((size_t)32 << 10)	/* more costs a small upload page faults, */
#define LARGE		((size_t)128 << 10)	/* and less a large one system calls */
#define GROWS		((uint64_t)512 << 10)
#define WRITE_BACK	((uint64_t)8 << 20)
#define SMALL_COPY	((uint64_t)64 << 10)	/* below it the buffer is faster */
#define LONG_COPY	((uint64_t)8 << 20)
#define ONE_COPY	((size_t)32 << 20)	/* the longest without a sign of life */
#define CHUNK		((size_t)1 << 20)
#define PAGE		4096u
#define AHEAD		((size_t)512)	/* a ZIP's local header, mostly */

void
imgp_out_init(struct imgp_out *o, int fd)
{
	memset(o, 0, sizeof *o);
	o->fd = fd;
	o->buf = imgp_alloc_bytes(SMALL);
	o->room = SMALL;
}

void
imgp_out_release(struct imgp_out *o)
{
	free(o->buf);
	o->buf = NULL;
	o->len = 0;
}

int
imgp_fail_write(struct imgp_err *e, const char *what)
{
	return imgp_fail_errno(e, errno == ENOSPC || errno == EDQUOT ||
	    errno == EFBIG ? IMGP_E_STORE_FULL : IMGP_E_STORE_IO, "%s", what);
}

static int
write_all(struct imgp_out *o, const unsigned char *p, size_t len,
    struct imgp_err *e)
{
	if (imgp_write_all(o->fd, p, len) == -1)
		return imgp_fail_write(e, "write");
	return 0;
}

/*
 * Start writing to the disk now, so that fsync() has little left to do.  A pipe
 * answers with an error that does not matter.
 */
static void
write_back(struct imgp_out *o)
{
	uint64_t n = o->n - o->len - o->behind;

	if (!o->durable || n < WRITE_BACK)
		return;
	(void)sync_file_range(o->fd, (off_t)o->behind, (off_t)n,
	    SYNC_FILE_RANGE_WRITE);
	o->behind += n;
}

/* The output is a large one: what is read ahead goes with the empty buffer. */
static void
grow(struct imgp_out *o)
{
	free(o->buf);
	o->buf = imgp_alloc_bytes(LARGE);
	o->room = LARGE;
	o->nahead = 0;
}

int
imgp_out_flush(struct imgp_out *o, struct imgp_err *e)
{
	size_t len = o->len;

	if (write_all(o, o->buf, len, e) == -1)
		return -1;
	o->len = 0;
	write_back(o);
	if (o->room == SMALL && o->n >= GROWS)
		grow(o);
	return 0;
}

int
imgp_out_write(struct imgp_out *o, const void *p, size_t len,
    struct imgp_err *e)
{
	if (len > o->room - o->len && imgp_out_flush(o, e) == -1)
		return -1;
	o->n += len;
	if (len >= o->room)
		return write_all(o, p, len, e);
	if (len > 0)
		o->nahead = 0;
	memcpy(o->buf + o->len, p, len);
	o->len += len;
	return 0;
}

int
imgp_out_hold(struct imgp_out *o, struct imgp_err *e)
{
	off_t at, end;

	if (imgp_out_flush(o, e) == -1)
		return -1;
	if ((at = lseek(o->fd, 0, SEEK_CUR)) == -1 ||
	    (end = lseek(o->fd, 0, SEEK_END)) == -1)
		return 0;
	if (end != at) {
		(void)lseek(o->fd, at, SEEK_SET);
		return 0;
	}
	if (ftruncate(o->fd, at) == -1)
		return 0;		/* a device */
	o->held = (uint64_t)at;
	o->held_n = o->n;
	return 1;
}

int
imgp_out_take_back(struct imgp_out *o, struct imgp_err *e)
{
	o->len = o->nahead = 0;
	if (ftruncate(o->fd, (off_t)o->held) == -1 ||
	    lseek(o->fd, (off_t)o->held, SEEK_SET) == -1)
		return imgp_fail_write(e, "taking back");
	o->n = o->held_n;
	if (o->behind > o->n)
		o->behind = o->n;
	return 0;
}

int
imgp_file_size(int fd, uint64_t *size, struct imgp_err *e)
{
	off_t n = lseek(fd, 0, SEEK_END);

	if (n == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "size");
	*size = (uint64_t)n;
	return 0;
}

int
imgp_pread(int fd, void *buf, size_t len, uint64_t off, struct imgp_err *e)
{
	char *p = buf;
	ssize_t n;

	while (len > 0) {
		n = pread(fd, p, len, (off_t)off);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return imgp_fail_errno(e, IMGP_E_STORE_IO, "read");
		if (n == 0)
			return imgp_fail(e, IMGP_E_STORE_IO,
			    "the file ends at byte %llu",
			    (unsigned long long)off);
		imgp_worker_beat();
		p += n;
		len -= (size_t)n;
		off += (uint64_t)n;
	}
	return 0;
}

/*
 * As imgp_pread(), into room for ${room} bytes: up to AHEAD bytes more, which
 * imgp_out_pread() may find.
 */
static int
read_ahead(struct imgp_out *o, int fd, unsigned char *p, size_t len, size_t room,
    uint64_t off, struct imgp_err *e)
{
	size_t most = room - len < AHEAD ? room : len + AHEAD;
	ssize_t n = pread(fd, p, most, (off_t)off);

	o->nahead = 0;
	if (n == -1 || (size_t)n < len)
		return imgp_pread(fd, p, len, off, e);	/* which tells why */
	imgp_worker_beat();
	o->ahead = p + len;
	o->nahead = (size_t)n - len;
	o->ahead_fd = fd;
	o->ahead_off = off + len;
	return 0;
}

int
imgp_out_pread(struct imgp_out *o, int fd, void *buf, size_t len, uint64_t off,
    struct imgp_err *e)
{
	if (o->nahead < len || o->ahead_fd != fd || o->ahead_off != off)
		return imgp_pread(fd, buf, len, off, e);
	memcpy(buf, o->ahead, len);
	return 0;
}

/*
 * Copy inside the kernel: 1, or 0 when it cannot and nothing was copied.  ${*off}
 * and ${*len} move on.
 */
static int
copy_range(struct imgp_out *o, int fd, uint64_t *off, uint64_t *len,
    struct imgp_err *e)
{
	off_t from = (off_t)*off;
	ssize_t n;

	if (o->no_cfr)
		return 0;
	n = copy_file_range(fd, &from, o->fd, NULL,
	    *len < ONE_COPY ? (size_t)*len : ONE_COPY, 0);
	if (n > 0) {
		imgp_worker_beat();
		*off += (uint64_t)n;
		*len -= (uint64_t)n;
		o->n += (uint64_t)n;
		write_back(o);
		return 1;
	}
	if (n == -1 && errno == EINTR)
		return 1;
	if (n == -1 && (errno == ENOSPC || errno == EDQUOT || errno == EIO))
		return imgp_fail_write(e, "copy");
	o->no_cfr = 1;		/* a pipe, another file system, an old kernel */
	return 0;
}

/*
 * Data that move by a part of a page: the kernel splits each page in two.  Chunks
 * that end at a page of the output cost a quarter less.
 */
static int
copy_shifted(struct imgp_out *o, int fd, uint64_t off, uint64_t len,
    struct imgp_err *e)
{
	unsigned char *chunk = imgp_alloc_bytes(CHUNK);
	size_t n;
	int rc = 0;

	for (; rc == 0 && len > 0; off += n, len -= n) {
		n = CHUNK - (size_t)(o->n % CHUNK);
		if (n > len)
			n = (size_t)len;
		if ((rc = imgp_pread(fd, chunk, n, off, e)) == 0 &&
		    (rc = write_all(o, chunk, n, e)) == 0) {
			o->n += n;
			write_back(o);
		}
	}
	free(chunk);
	return rc;
}

int
imgp_out_copy(struct imgp_out *o, int fd, uint64_t off, uint64_t len,
    struct imgp_err *e)
{
	size_t n;
	int rc;

	if (len > SMALL_COPY && imgp_out_flush(o, e) == -1)
		return -1;
	if (len > LONG_COPY && (off ^ o->n) % PAGE != 0)
		return copy_shifted(o, fd, off, len, e);
	while (len > 0) {
		if (len > SMALL_COPY && o->len == 0) {
			if ((rc = copy_range(o, fd, &off, &len, e)) == -1)
				return -1;
			if (rc == 1)
				continue;
		}
		if (o->len == o->room && imgp_out_flush(o, e) == -1)
			return -1;
		n = o->room - o->len;
		if (n > len)
			n = (size_t)len;
		if (read_ahead(o, fd, o->buf + o->len, n, o->room - o->len, off,
		    e) == -1)
			return -1;
		o->len += n;
		o->n += n;
		off += n;
		len -= n;
	}
	return 0;
}
