/*
 * What lies below a directory: objects, and the temporaries of writers that are dead.
 * This file must not know what its caller does with them.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/store/store_file_priv.h"

/* Tell ${l} of what is no directory; nonzero: it wants no more. */
static int
tell(const struct listener *l, int dir, const char *name, const char *url,
    const struct stat *sb)
{
	struct imgp_object object = IMGP_OBJECT_UNKNOWN;
	struct imgp_unfinished u = { url, "", sb->st_mtime, sb->st_size };

	if (strncmp(name, HIDDEN, sizeof HIDDEN - 1) == 0)
		return l->left != NULL && imgp_store_file_is_temporary(name) &&
		    S_ISREG(sb->st_mode) && !imgp_store_file_is_locked(dir, name) &&
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

int
imgp_store_file_list(struct imgp_store *st, const char *prefix,
    const struct listener *l, struct imgp_err *e)
{
	char *inside = imgp_asprintf("%s/x", prefix);
	char *url = imgp_asprintf("file://%s", prefix);
	struct imgp_err why = { NULL, "" };
	const char *name;
	int dir, rc;

	if ((dir = imgp_store_file_descend(st, inside, 0, &name, &why)) != -1)
		rc = list_dir(dir, url, l, e);
	else if (strcmp(why.code, IMGP_E_STORE_NOT_FOUND) == 0)
		rc = 0;
	else
		rc = imgp_fail(e, why.code, "%s", why.msg);
	free(url);
	free(inside);
	return rc == -1 ? -1 : 0;
}
