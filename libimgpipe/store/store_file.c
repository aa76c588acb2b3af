/*
 * The store that is a directory: what store.c asks of it.  This file must not know
 * how the way down from the base is gone, nor how a file gets its name.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/write.h"
#include "libimgpipe/store/store_file_priv.h"

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

/* --- the base ---------------------------------------------------------------- */

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

/* --- reading --------------------------------------------------------------- */

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
	if (sum && (rc = imgp_store_file_pump(fd, -1, NULL, 0, &got)) == -1)
		imgp_store_errno(e, key);
	if (rc == 0)
		*object = got;
	close(fd);
	return rc;
}

/* --- writing --------------------------------------------------------------- */

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
	if (imgp_store_file_pump(fd, t.fd, m, before.st_size, got) == -1) {
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
		if ((dir = imgp_store_file_descend(st, path, 0, &name, NULL)) == -1)
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

	if ((dir = imgp_store_file_descend(st, key, 0, &name, &why)) == -1) {
		if (strcmp(why.code, IMGP_E_STORE_NOT_FOUND) == 0)
			return 0;
		return imgp_fail(e, why.code, "%s", why.msg);
	}
	rc = unlinkat(dir, name, 0);
	if (rc == -1 && errno == ENOENT)
		rc = 0;
	else if (rc == -1)
		imgp_store_errno(e, key);
	else if (!is_private(st) && (rc = imgp_store_file_sync_dir(dir)) == -1)
		imgp_store_errno(e, key);
	close(dir);
	if (rc == 0)
		remove_empty(st, key);
	return rc;
}

/* --- listing, and temporaries that were left --------------------------------- */

static int
file_list(struct imgp_store *st, const char *prefix, imgp_store_found *fn,
    void *arg, struct imgp_err *e)
{
	return imgp_store_file_list(st, prefix, &(struct listener){ fn, NULL, arg }, e);
}

static int
file_list_unfinished(struct imgp_store *st, const char *prefix,
    imgp_store_left *fn, void *arg, struct imgp_err *e)
{
	return imgp_store_file_list(st, prefix, &(struct listener){ NULL, fn, arg }, e);
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
	if (!imgp_store_file_is_temporary(name))
		rc = imgp_fail(e, IMGP_E_PLACE_INVALID,
		    "%.400s: not the name of a temporary file", key);
	else if ((t.dir = imgp_store_file_descend(st, inside, 0, &x, &why)) == -1) {
		if (strcmp(why.code, IMGP_E_STORE_NOT_FOUND) != 0)
			rc = imgp_fail(e, why.code, "%s", why.msg);
	} else {
		snprintf(t.name, sizeof t.name, "%s", name);
		if (imgp_store_file_clear(&t) == -1)
			rc = errno == EWOULDBLOCK ? 0 :
			    imgp_store_errno(e, key);
		close(t.dir);
	}
	if (rc == 1)
		remove_empty(st, key);
	free(inside);
	return rc;
}
