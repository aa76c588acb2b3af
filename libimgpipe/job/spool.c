#include <sys/file.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/dirs.h"
#include "libimgpipe/base/lock.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/job/spool.h"

static int
enter(int dir, const char *name)
{
	return openat(dir, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The run's directory and lock, while the spool's lock is held. */
static int
make_run(int dir, const char *spool, const char *run, struct imgp_err *e)
{
	int below, fd = -1;

	if (mkdirat(dir, run, 0700) == -1) {
		if (errno == EEXIST)
			return imgp_fail(e, IMGP_E_STORE_IO,
			    "%s/%s: is this run going on already?", spool, run);
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s/%s", spool,
		    run);
	}
	if ((below = enter(dir, run)) != -1) {
		fd = imgp_lock(below, "lock", LOCK_EX | LOCK_NB);
		close(below);
	}
	if (fd == -1 || fcntl(fd, F_SETFD, 0) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s/%s/lock", spool,
		    run);
	return fd;
}

/* Nonzero when no later try helps, but another path or another user. */
static int
is_wrong_path(int error)
{
	return error == EACCES || error == EPERM || error == ENOTDIR ||
	    error == EROFS || error == ELOOP;
}

int
imgp_spool_open(const char *spool, const char *run, struct imgp_err *e)
{
	int dir, all, fd = -1;

	if (imgp_dirs_make(spool) == -1)
		return imgp_fail_errno(e, is_wrong_path(errno) ?
		    IMGP_E_CONFIG : IMGP_E_STORE_IO, "IMGP_SPOOL: %s: it cannot "
		    "be made or reached", spool);
	dir = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1 || faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) == -1) {
		imgp_fail_errno(e, IMGP_E_CONFIG, "IMGP_SPOOL: %s: not a "
		    "directory that can be written", spool);
		goto out;
	}
	if ((all = imgp_lock(dir, ".lock", LOCK_EX)) == -1) {
		imgp_fail_errno(e, IMGP_E_STORE_IO, "%s/.lock", spool);
		goto out;
	}
	fd = make_run(dir, spool, run, e);
	close(all);
out:
	if (dir != -1)
		close(dir);
	return fd;
}

/* Nonzero when nobody holds the run's lock; it is held from now on. */
static int
is_dead(int dir, const char *run)
{
	int below, fd;

	if (!imgp_run_id_is(run) || (below = enter(dir, run)) == -1)
		return 0;
	fd = imgp_lock(below, "lock", LOCK_EX | LOCK_NB);
	close(below);
	return fd != -1;
}

char **
imgp_spool_dead(const char *spool)
{
	char **runs = imgp_alloc(sizeof *runs);
	const struct dirent *d;
	size_t n = 0;
	int all = -1;
	DIR *dir;

	if ((dir = opendir(spool)) == NULL)
		return runs;
	if ((all = imgp_lock(dirfd(dir), ".lock", LOCK_EX)) != -1)
		while ((d = readdir(dir)) != NULL)
			if (is_dead(dirfd(dir), d->d_name)) {
				runs[n++] = imgp_strdup(d->d_name);
				runs = imgp_realloc(runs, n + 1, sizeof *runs);
				runs[n] = NULL;
			}
	if (all != -1)
		close(all);
	closedir(dir);
	return runs;
}
