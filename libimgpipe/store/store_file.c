#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/store/store_priv.h"

#define CHUNK	((size_t)1 << 20)	/* bytes read, summed, written at once */
#define SLOTS	64			/* writers of one object at once */
#define HIDDEN	".imgp-"		/* what every temporary begins with */

static void	file_close(struct imgp_store *);
static int	file_head(struct imgp_store *, const char *, int,
		    struct imgp_object *, struct imgp_err *);
static int	file_remove(struct imgp_store *, const char *,
		    struct imgp_err *);
static int	file_put(struct imgp_store *, const char *, const void *, size_t,
		    struct imgp_err *);
static int	file_ask(struct imgp_store *, const char *, struct imgp_err *);
static int	file_list(struct imgp_store *, const char *, imgp_store_found *,
		    void *, struct imgp_err *);
static int	file_list_unfinished(struct imgp_store *, const char *,
		    imgp_store_left *, void *, struct imgp_err *);
static int	file_abandon(struct imgp_store *, const char *, const char *,
		    struct imgp_err *);
static int	file_upload(struct imgp_store *, const char *, int,
		    struct imgp_move *, struct imgp_err *);

const struct imgp_store_kind imgp_store_file_kind = {
	file_close, file_head, file_remove, file_put, file_ask, file_list,
	file_list_unfinished, file_abandon, file_upload,
	NULL, NULL
};

static int
is_private(const struct imgp_store *st)
{
	return (st->flags & IMGP_STORE_PRIVATE) != 0;
}

/* --- the base and the way down from it ------------------------------------ */

/* Somebody who may write to the spool could replace what we read back. */
static int
check_private(int dir, const char *path, struct imgp_err *e)
{
	struct stat sb;

	if (fstat(dir, &sb) == -1)
		return imgp_store_errno(e, path);
	if (sb.st_uid != geteuid() || (sb.st_mode & 022) != 0)
		return imgp_fail(e, IMGP_E_STORE_DENIED,
		    "%.400s: not ours alone to write to", path);
	return 0;
}

int
imgp_store_file_open(struct imgp_store *st, struct imgp_err *e)
{
	const char *path = st->place.key;

	if (is_private(st) && mkdir(path, 0700) == -1 && errno != EEXIST)
		return imgp_store_errno(e, path);
	st->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (st->dir == -1)
		return errno == ENOENT || errno == ENOTDIR ?
		    imgp_fail_errno(e, IMGP_E_PLACE_MISSING, "%.400s", path) :
		    imgp_store_errno(e, path);
	st->kind = &imgp_store_file_kind;
	return is_private(st) ? check_private(st->dir, path, e) : 0;
}

static void
file_close(struct imgp_store *st)
{
	if (st->dir != -1)
		close(st->dir);
}

/* Some file systems cannot sync a directory and answer EINVAL. */
static int
sync_dir(int dir)
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
	} else if (!is_private(st) && sync_dir(dir) == -1)
		return -1;
	return openat(dir, name, flags);
}

/*
 * Go down from the base to the directory of ${key}, segment by segment, so
 * that no symbolic link is followed.  Its descriptor, the caller's to close,
 * with the last segment in ${*name}; -1, ${e} and errno.
 */
static int
descend(const struct imgp_store *st, const char *key, int make,
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

	if ((dir = descend(st, key, 0, &name, e)) == -1)
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

/*
 * Sum what can be read from ${fd}, and write it to ${out} (-1: nowhere).  0 and
 * ${got}, or -1 and errno.
 */
static int
pump(int fd, int out, const struct imgp_move *m, int64_t total,
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

/* What ${name} in ${dir} holds; -1 and errno. */
static int
sum_file(int dir, const char *name, struct stat *sb, struct imgp_object *got)
{
	int fd = open_regular(dir, name, sb), rc, saved;

	if (fd == -1)
		return -1;
	rc = pump(fd, -1, NULL, 0, got);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

/* Nonzero: nothing lies at ${key}, whatever links lead there. */
static int
is_missing(const struct imgp_store *st, const char *key)
{
	const char *p = key + strlen(st->place.key);
	struct stat sb;

	p += strspn(p, "/");
	return *p != '\0' && fstatat(st->dir, p, &sb,
	    AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT;
}

static int
file_head(struct imgp_store *st, const char *key, int sum,
    struct imgp_object *object, struct imgp_err *e)
{
	struct imgp_object got = IMGP_OBJECT_UNKNOWN;
	int64_t bytes;
	int fd, rc = 0;

	if (is_missing(st, key))
		return imgp_store_errno(e, key);
	if ((fd = imgp_store_file_read(st, key, &bytes, e)) == -1)
		return -1;
	got.bytes = bytes;
	if (sum && (rc = pump(fd, -1, NULL, 0, &got)) == -1)
		imgp_store_errno(e, key);
	if (rc == 0)
		*object = got;
	close(fd);
	return rc;
}

/* --- writing --------------------------------------------------------------- */

/* Nonzero: ${name} in ${dir} still names the file open at ${fd}. */
static int
is_same(int fd, int dir, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 &&
	    fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/*
 * Remove the file that has the name of the temporary ${t}, unless it is locked:
 * then its writer is alive.  0 when the name may be free now; -1 and errno,
 * EWOULDBLOCK where it is locked.
 */
static int
clear_slot(const struct imgp_temporary *t)
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
		if (clear_slot(t) == -1)
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
		t->dir = descend(st, key, 1, &t->target, e);
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

	if (sum_file(t->dir, t->target, &sb, &there) == -1) {
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

	if (sum_file(t->dir, t->target, &sb, &got) == -1)
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
	if (!is_private(st) && sync_dir(t->dir) == -1)
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

/* Nonzero: the source still has its size and time, so it did not change while
 * it was read. */
static int
is_unchanged(int fd, const struct stat *before)
{
	struct stat sb;

	return fstat(fd, &sb) == 0 && sb.st_size == before->st_size &&
	    sb.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	    sb.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

static int
file_upload(struct imgp_store *st, const char *key, int fd,
    struct imgp_move *m, struct imgp_err *e)
{
	struct imgp_object *got = &m->copied->object;
	struct imgp_temporary t;
	struct stat before;
	int rc = -1;

	if (fstat(fd, &before) == -1)
		return imgp_store_errno(e, key);
	if (imgp_store_file_begin(st, key, &t, e) == -1)
		return -1;
	if (imgp_store_file_room(&t, m, before.st_size, key, e) == -1)
		goto out;
	if (pump(fd, t.fd, m, before.st_size, got) == -1) {
		imgp_store_errno(e, key);
		goto out;
	}
	if (got->bytes != before.st_size || !is_unchanged(fd, &before)) {
		imgp_fail(e, IMGP_E_STORE_IO,
		    "%.400s: the source changed while it was read", key);
		goto out;
	}
	if (imgp_store_expected(m, got, key, e) == 0)
		rc = imgp_store_file_commit(st, key, &t, m, e);
out:
	imgp_store_file_end(&t);
	return rc;
}

static int
file_put(struct imgp_store *st, const char *key, const void *data, size_t len,
    struct imgp_err *e)
{
	struct imgp_copied copied = { .existed = 0 };
	struct imgp_move m = { .copied = &copied };
	struct imgp_temporary t;
	int rc = -1;

	copied.object.bytes = (int64_t)len;
	imgp_sha256_hex(data, len, copied.object.sha256);
	if (imgp_store_file_begin(st, key, &t, e) == -1)
		return -1;
	if (imgp_write_all(t.fd, data, len) == -1)
		imgp_store_errno(e, key);
	else
		rc = imgp_store_file_commit(st, key, &t, &m, e);
	imgp_store_file_end(&t);
	return rc;
}

static int
file_ask(struct imgp_store *st, const char *key, struct imgp_err *e)
{
	static const char page[4096];	/* a disk that is full has no room for */
	struct imgp_temporary t;
	int rc = 0;

	if (imgp_store_file_begin(st, key, &t, e) == -1)
		return -1;
	if (imgp_write_all(t.fd, page, sizeof page) == -1)
		rc = imgp_store_errno(e, key);
	imgp_store_file_end(&t);
	return rc;
}

/* --- removing and listing --------------------------------------------------- */

/* Remove the directories that are empty now: they are no objects. */
static void
remove_empty(struct imgp_store *st, const char *key)
{
	size_t base = strlen(st->place.key);
	char *path = imgp_strdup(key), *slash;
	const char *name;
	int dir;

	while ((slash = strrchr(path, '/')) != NULL &&
	    (size_t)(slash - path) > base) {
		*slash = '\0';
		if (slash[-1] == '/')
			continue;
		if ((dir = descend(st, path, 0, &name, NULL)) == -1)
			break;
		if (unlinkat(dir, name, AT_REMOVEDIR) == -1) {
			close(dir);
			break;
		}
		close(dir);
	}
	free(path);
}

static int
file_remove(struct imgp_store *st, const char *key, struct imgp_err *e)
{
	struct imgp_err why = { NULL, "" };
	const char *name;
	int dir, rc;

	if ((dir = descend(st, key, 0, &name, &why)) == -1) {
		if (strcmp(why.code, IMGP_E_STORE_NOT_FOUND) == 0)
			return 0;
		return imgp_fail(e, why.code, "%s", why.msg);
	}
	rc = unlinkat(dir, name, 0);
	if (rc == -1 && errno == ENOENT)
		rc = 0;
	else if (rc == -1)
		imgp_store_errno(e, key);
	else if (!is_private(st) && (rc = sync_dir(dir)) == -1)
		imgp_store_errno(e, key);
	close(dir);
	if (rc == 0)
		remove_empty(st, key);
	return rc;
}

/* Who is told of what a directory holds; each may be NULL. */
struct listener {
	imgp_store_found *found;	/* of objects */
	imgp_store_left	 *left;		/* of temporaries */
	void		 *arg;
};

/* Has ${name} the form that take_slot() gives a temporary? */
static int
is_temporary(const char *name)
{
	const char *sum = name + sizeof HIDDEN - 1;

	return strncmp(name, HIDDEN, sizeof HIDDEN - 1) == 0 &&
	    strspn(sum, "0123456789abcdef") == 24 && sum[24] == '.' &&
	    sum[25] != '\0' &&
	    strspn(sum + 25, "0123456789") == strlen(sum + 25);
}

/* Nonzero: the writer of the temporary ${name} in ${dir} lives. */
static int
is_locked(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
	    O_CLOEXEC), locked;

	if (fd == -1)
		return 0;	/* to remove it will tell why */
	locked = flock(fd, LOCK_EX | LOCK_NB) == -1;
	close(fd);
	return locked;
}

/* Tell ${l} of what is no directory; nonzero: it wants no more. */
static int
tell(const struct listener *l, int dir, const char *name, const char *url,
    const struct stat *sb)
{
	struct imgp_object object = IMGP_OBJECT_UNKNOWN;
	struct imgp_unfinished u = { url, "", sb->st_mtime, sb->st_size };

	if (strncmp(name, HIDDEN, sizeof HIDDEN - 1) == 0)
		return l->left != NULL && is_temporary(name) &&
		    S_ISREG(sb->st_mode) && !is_locked(dir, name) &&
		    l->left(l->arg, &u) != 0;
	object.bytes = S_ISREG(sb->st_mode) ? sb->st_size : -1;
	object.modified = sb->st_mtime > 0 ? sb->st_mtime : 0;
	return l->found != NULL && l->found(l->arg, url, &object) != 0;
}

/*
 * List what is in ${dir} (closed here), whose place is ${url}.  1: the caller
 * wants no more; -1 and ${e}, after all the rest was listed: something could not
 * be looked at.
 */
static int
list_dir(int dir, const char *url, const struct listener *l,
    struct imgp_err *e)
{
	struct dirent *d;
	struct stat sb;
	DIR *dp = fdopendir(dir);
	char *name;
	int rc = 0, worst = 0, fd;

	if (dp == NULL) {
		imgp_store_errno(e, url);
		close(dir);
		return -1;
	}
	rewinddir(dp);		/* the base's descriptor shares its position */
	while (rc != 1 && (errno = 0, d = readdir(dp)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
		    (l->left == NULL &&
		    strncmp(d->d_name, HIDDEN, sizeof HIDDEN - 1) == 0))
			continue;
		name = imgp_place_join(url, d->d_name);
		rc = 0;
		if (fstatat(dir, d->d_name, &sb, AT_SYMLINK_NOFOLLOW) == -1) {
			if (errno != ENOENT)
				rc = imgp_store_errno(e, name);
		} else if (!S_ISDIR(sb.st_mode)) {
			rc = tell(l, dir, d->d_name, name, &sb);
		} else {
			fd = openat(dir, d->d_name, O_RDONLY | O_DIRECTORY |
			    O_NOFOLLOW | O_CLOEXEC);
			if (fd != -1)
				rc = list_dir(fd, name, l, e);
			else if (errno != ENOENT)
				rc = imgp_store_errno(e, name);
		}
		free(name);
		if (rc == -1)
			worst = -1;
	}
	if (rc != 1 && errno != 0)
		worst = imgp_store_errno(e, url);
	closedir(dp);
	return rc == 1 ? 1 : worst;
}

static int
list_below(struct imgp_store *st, const char *prefix,
    const struct listener *l, struct imgp_err *e)
{
	char *inside = imgp_asprintf("%s/x", prefix);
	char *url = imgp_asprintf("file://%s", prefix);
	struct imgp_err why = { NULL, "" };
	const char *name;
	int dir, rc;

	if ((dir = descend(st, inside, 0, &name, &why)) != -1)
		rc = list_dir(dir, url, l, e);
	else if (strcmp(why.code, IMGP_E_STORE_NOT_FOUND) == 0)
		rc = 0;
	else
		rc = imgp_fail(e, why.code, "%s", why.msg);
	free(url);
	free(inside);
	return rc == -1 ? -1 : 0;
}

static int
file_list(struct imgp_store *st, const char *prefix, imgp_store_found *fn,
    void *arg, struct imgp_err *e)
{
	return list_below(st, prefix, &(struct listener){ fn, NULL, arg }, e);
}

/* --- temporaries that were left --------------------------------------------- */

static int
file_list_unfinished(struct imgp_store *st, const char *prefix,
    imgp_store_left *fn, void *arg, struct imgp_err *e)
{
	return list_below(st, prefix, &(struct listener){ NULL, fn, arg }, e);
}

static int
file_abandon(struct imgp_store *st, const char *key, const char *id,
    struct imgp_err *e)
{
	const char *name = strrchr(key, '/') + 1, *x;
	char *inside = imgp_asprintf("%.*sx", (int)(name - key), key);
	struct imgp_temporary t = { .fd = -1 };
	struct imgp_err why = { NULL, "" };
	int rc = 1;

	(void)id;
	if (!is_temporary(name))
		rc = imgp_fail(e, IMGP_E_PLACE_INVALID,
		    "%.400s: not the name of a temporary file", key);
	else if ((t.dir = descend(st, inside, 0, &x, &why)) == -1) {
		if (strcmp(why.code, IMGP_E_STORE_NOT_FOUND) != 0)
			rc = imgp_fail(e, why.code, "%s", why.msg);
	} else {
		snprintf(t.name, sizeof t.name, "%s", name);
		if (clear_slot(&t) == -1)
			rc = errno == EWOULDBLOCK ? 0 :
			    imgp_store_errno(e, key);
		close(t.dir);
	}
	if (rc == 1)
		remove_empty(st, key);
	free(inside);
	return rc;
}
