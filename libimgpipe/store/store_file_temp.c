/*
 * Temporaries: files that are written beside their targets, locked while their writer
 * lives, and take a target's name when they are complete.  This file must not know
 * where their bytes come from.
 */
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/store/store_file_priv.h"

#define SLOTS	64			/* writers of one object at once */

/* --- names and locks -------------------------------------------------------- */

/* Has ${name} the form that take_slot() gives a temporary? */
int
imgp_store_file_is_temporary(const char *name)
{
	const char *sum = name + sizeof HIDDEN - 1;

	return strncmp(name, HIDDEN, sizeof HIDDEN - 1) == 0 &&
	    strspn(sum, "0123456789abcdef") == 24 && sum[24] == '.' &&
	    sum[25] != '\0' &&
	    strspn(sum + 25, "0123456789") == strlen(sum + 25);
}

int
imgp_store_file_is_locked(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC), locked;

	if (fd == -1)
		return 0;	/* to remove it will tell why */
	locked = flock(fd, LOCK_EX | LOCK_NB) == -1;
	close(fd);
	return locked;
}

/* Nonzero: ${name} in ${dir} still names the file open at ${fd}. */
static int
is_same(int fd, int dir, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 &&
	    fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int
imgp_store_file_clear(const struct imgp_temporary *t)
{
	struct stat sb;
	int fd, rc = -1;

	if (fstatat(t->dir, t->name, &sb, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISREG(sb.st_mode))
		return unlinkat(t->dir, t->name, 0);
	fd = openat(t->dir, t->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		rc = is_same(fd, t->dir, t->name) ?
		    unlinkat(t->dir, t->name, 0) : 0;
	close(fd);
	return rc;
}

/*
 * Make the temporary in the first slot that is free or whose writer is dead.  A
 * lock ends with the process that held it, so it tells which.
 */
static int
take_slot(struct imgp_temporary *t, mode_t mode)
{
	char sum[IMGP_SHA256_HEX];
	int slot = 0, tries = 0;

	imgp_sha256_hex(t->target, strlen(t->target), sum);
	while (slot < SLOTS && tries++ < 4 * SLOTS) {
		snprintf(t->name, sizeof t->name, HIDDEN "%.24s.%d", sum, slot);
		t->fd = openat(t->dir, t->name, O_RDWR | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, mode);
		if (t->fd != -1) {
			/* Another process removed it between the two calls. */
			if (flock(t->fd, LOCK_EX | LOCK_NB) == -1 &&
			    errno == EWOULDBLOCK) {
				close(t->fd);
				continue;
			}
			if (is_same(t->fd, t->dir, t->name))
				return 0;
			close(t->fd);
			continue;
		}
		if (errno != EEXIST)
			return -1;
		if (imgp_store_file_clear(t) == -1)
			slot++;
	}
	t->fd = -1;
	errno = EBUSY;
	return -1;
}

int
imgp_store_file_begin(struct imgp_store *st, const char *key,
    struct imgp_temporary *t, struct imgp_err *e)
{
	mode_t mode = st->flags & (IMGP_STORE_PRIVATE | IMGP_STORE_CLOSED) ?
	    0600 : 0666;
	int tries, why;

	t->fd = -1;
	/* A remove() of its last object may take a directory away, before or
	 * after we are in it. */
	for (tries = 0; tries < 8; tries++) {
		t->dir = imgp_store_file_descend(st, key, 1, &t->target, e);
		if (t->dir != -1 && take_slot(t, mode) == 0)
			return 0;
		why = errno;
		if (t->dir != -1) {
			imgp_store_errno(e, key);
			close(t->dir);
		}
		if (why != ENOENT)
			break;
	}
	return -1;
}

/* --- the target ------------------------------------------------------------- */

int
imgp_store_file_room(const struct imgp_temporary *t,
    const struct imgp_move *m, int64_t bytes, const char *key,
    struct imgp_err *e)
{
	struct statvfs v;

	if (m->room != NULL && m->room(m->room_arg, bytes, e) == -1)
		return -1;
	if (bytes <= 0 || fstatvfs(t->fd, &v) == -1 || v.f_blocks == 0)
		return 0;	/* then writing will tell */
	if ((uint64_t)v.f_bavail * v.f_frsize < (uint64_t)bytes)
		return imgp_fail(e, IMGP_E_STORE_FULL,
		    "%.300s: %lld bytes, and only %llu are free", key,
		    (long long)bytes,
		    (unsigned long long)v.f_bavail * v.f_frsize);
	return 0;
}

/*
 * Give the temporary its name unless something has it: by a hard link, or on
 * file systems without them by a rename that does not replace.
 */
static int
publish_new(struct imgp_temporary *t)
{
	if (linkat(t->dir, t->name, t->dir, t->target, 0) == 0) {
		(void)unlinkat(t->dir, t->name, 0);
		return 0;
	}
	if (errno == EEXIST || (errno != EPERM && errno != EOPNOTSUPP &&
	    errno != EMLINK))
		return -1;
	return renameat2(t->dir, t->name, t->dir, t->target, RENAME_NOREPLACE);
}

/* The target exists: 0 when it holds the same bytes. */
static int
compare_existing(const char *key, const struct imgp_temporary *t,
    struct imgp_copied *copied, struct imgp_err *e)
{
	struct imgp_object there = IMGP_OBJECT_UNKNOWN;
	struct stat sb = { 0 };

	if (imgp_store_file_sum(t->dir, t->target, &sb, &there) == -1) {
		if (errno == EACCES || errno == ELOOP)
			return imgp_fail(e, IMGP_E_STORE_EXISTS,
			    "%.400s: something that cannot be read is there",
			    key);
		return imgp_store_errno(e, key);
	}
	if (there.bytes != copied->object.bytes ||
	    strcmp(there.sha256, copied->object.sha256) != 0)
		return imgp_fail(e, IMGP_E_STORE_EXISTS, "%.300s: holds %lld "
		    "other bytes, SHA-256 %.12s...", key,
		    (long long)there.bytes, there.sha256);
	copied->existed = 1;
	return 0;
}

/* Read it back; from the disk, if the system dropped its cache. */
static int
read_back(const char *key, const struct imgp_temporary *t,
    const struct imgp_object *want, struct imgp_err *e)
{
	struct imgp_object got = IMGP_OBJECT_UNKNOWN;
	struct stat sb = { 0 };

	if (imgp_store_file_sum(t->dir, t->target, &sb, &got) == -1)
		return imgp_store_errno(e, key);
	if (got.bytes == want->bytes && strcmp(got.sha256, want->sha256) == 0)
		return 0;
	(void)unlinkat(t->dir, t->target, 0);
	return imgp_fail(e, IMGP_E_STORE_INTEGRITY,
	    "%.300s: read back as %lld bytes, SHA-256 %.12s...; %lld, %.12s... "
	    "were written", key, (long long)got.bytes, got.sha256,
	    (long long)want->bytes, want->sha256);
}

/* Sync the temporary, so that nothing is lost once it has its name. */
static int
make_durable(struct imgp_store *st, struct imgp_temporary *t)
{
	int fd = t->fd;

	if (is_private(st)) {
		t->fd = -1;
		return close(fd);
	}
	if (fsync(fd) == -1)
		return -1;
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

int
imgp_store_file_commit(struct imgp_store *st, const char *key,
    struct imgp_temporary *t, struct imgp_move *m, struct imgp_err *e)
{
	int rc;

	if (make_durable(st, t) == -1)
		return imgp_store_errno(e, key);
	rc = m->flags & IMGP_COPY_CREATE ? publish_new(t) :
	    renameat(t->dir, t->name, t->dir, t->target);
	if (rc == -1 && errno == EEXIST && (m->flags & IMGP_COPY_CREATE))
		return compare_existing(key, t, m->copied, e);
	if (rc == -1)
		return imgp_store_errno(e, key);
	t->name[0] = '\0';
	if (!is_private(st) && imgp_store_file_sync_dir(t->dir) == -1)
		return imgp_store_errno(e, key);
	return m->flags & IMGP_COPY_READBACK ?
	    read_back(key, t, &m->copied->object, e) : 0;
}

void
imgp_store_file_end(struct imgp_temporary *t)
{
	if (t->name[0] != '\0')
		(void)unlinkat(t->dir, t->name, 0);
	if (t->fd != -1)
		close(t->fd);
	close(t->dir);
}
