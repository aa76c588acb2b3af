/*
 * The way down from a directory store's base, by which no symbolic link is followed,
 * and what is read at its end.  This file must not know who writes there, nor how.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/store/store_file_priv.h"

#define CHUNK	((size_t)1 << 20)	/* bytes read, summed, written at once */

int
imgp_store_file_sync_dir(int dir)
{
	return fsync(dir) == -1 && errno != EINVAL ? -1 : 0;
}

/* The directory ${name} in ${dir}, made where it may be; -1 and errno. */
static int
enter(const struct imgp_store *st, int dir, const char *name, int make)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(dir, name, flags);

	if (fd != -1 || errno != ENOENT || !make)
		return fd;
	if (mkdirat(dir, name, is_private(st) ? 0700 : 0777) == -1) {
		if (errno != EEXIST)
			return -1;
	} else if (!is_private(st) && imgp_store_file_sync_dir(dir) == -1)
		return -1;
	return openat(dir, name, flags);
}

int
imgp_store_file_descend(const struct imgp_store *st, const char *key, int make,
    const char **name, struct imgp_err *e)
{
	const char *p = key + strlen(st->place.key), *end;
	char segment[NAME_MAX + 1];
	int dir, next, why;

	if ((dir = fcntl(st->dir, F_DUPFD_CLOEXEC, 3)) == -1)
		return imgp_store_errno(e, key);
	for (;;) {
		p += strspn(p, "/");
		end = p + strcspn(p, "/");
		if (*end == '\0')
			break;
		if ((size_t)(end - p) > NAME_MAX) {
			errno = ENAMETOOLONG;
			goto fail;
		}
		memcpy(segment, p, (size_t)(end - p));
		segment[end - p] = '\0';
		if ((next = enter(st, dir, segment, make)) == -1)
			goto fail;
		close(dir);
		dir = next;
		p = end;
	}
	if (*p == '\0' || strncmp(p, HIDDEN, sizeof HIDDEN - 1) == 0) {
		close(dir);
		errno = EINVAL;
		return imgp_fail(e, IMGP_E_PLACE_INVALID,
		    "%.400s: not the name of an object", key);
	}
	*name = p;
	return dir;
fail:
	/* For a link in place of a directory errno is ENOTDIR. */
	why = errno;
	imgp_store_errno(e, key);
	close(dir);
	errno = why;
	return -1;
}

/* --- reading --------------------------------------------------------------- */

/* Open ${name} in ${dir}; only a regular file will do.  -1 and errno. */
static int
open_regular(int dir, const char *name, struct stat *sb)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_NOCTTY | O_CLOEXEC);

	if (fd == -1)
		return -1;
	if (fstat(fd, sb) == -1 || !S_ISREG(sb->st_mode)) {
		if (!S_ISREG(sb->st_mode))
			errno = EACCES;
		close(fd);
		return -1;
	}
	return fd;
}

int
imgp_store_file_read(struct imgp_store *st, const char *key, int64_t *bytes,
    struct imgp_err *e)
{
	struct stat sb = { 0 };
	const char *name;
	int dir, fd;

	if ((dir = imgp_store_file_descend(st, key, 0, &name, e)) == -1)
		return -1;
	fd = open_regular(dir, name, &sb);
	if (fd == -1 && (errno == ELOOP || (sb.st_mode != 0 &&
	    !S_ISREG(sb.st_mode))))
		imgp_fail(e, IMGP_E_STORE_DENIED, "%.400s: not a regular file",
		    key);
	else if (fd == -1)
		imgp_store_errno(e, key);
	else
		*bytes = sb.st_size;
	close(dir);
	return fd;
}

static ssize_t
read_some(int fd, char *buf, size_t size)
{
	ssize_t n;

	do
		n = read(fd, buf, size);
	while (n == -1 && errno == EINTR);
	return n;
}

int
imgp_store_file_pump(int fd, int out, const struct imgp_move *m, int64_t total,
    struct imgp_object *got)
{
	struct imgp_sha256 *h = imgp_sha256_new();
	char *buf = imgp_alloc_bytes(CHUNK);
	int64_t sum = 0;
	ssize_t n;

	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while ((n = read_some(fd, buf, CHUNK)) > 0) {
		imgp_sha256_add(h, buf, (size_t)n);
		if (out != -1 && imgp_write_all(out, buf, (size_t)n) == -1) {
			n = -1;
			break;
		}
		sum += n;
		if (m != NULL)
			imgp_store_progress(m, sum, total);
	}
	if (n == 0) {
		got->bytes = sum;
		imgp_sha256_end_hex(h, got->sha256);
	}
	imgp_sha256_free(h);
	free(buf);
	return n == 0 ? 0 : -1;
}

int
imgp_store_file_sum(int dir, const char *name, struct stat *sb,
    struct imgp_object *got)
{
	int fd = open_regular(dir, name, sb), rc, saved;

	if (fd == -1)
		return -1;
	rc = imgp_store_file_pump(fd, -1, NULL, 0, got);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}
