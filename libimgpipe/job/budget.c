#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/job/budget.h"
#include "libimgpipe/job/run_id.h"

#define ROOM		".room-"
#define SOON_MS		5	/* until the next look for room, */
#define LATE_MS		80	/* and in the end */

/* What is announced, beside one's own. */
struct taken {
	int64_t	bytes;
	int64_t	jobs;
};

static int64_t
number(const char *name, int64_t otherwise)
{
	const char *s = imgp_conf(NULL, name);

	return s == NULL ? otherwise : strtoll(s, NULL, 10);
}

void
imgp_budget_init(struct imgp_budget *b, const char *spool)
{
	struct statvfs v;
	int64_t half = INT64_MAX;

	if (statvfs(spool, &v) == 0 && v.f_blocks > 0)
		half = (int64_t)v.f_bavail * (int64_t)v.f_frsize / 2;
	b->bytes = number("spool_bytes", half);
	b->jobs = number("spool_jobs", INT64_MAX);
}

static int
enter(int dir, const char *name)
{
	return openat(dir, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* For as long as it is open: no other process looks, or makes a run. */
static int
lock_spool(int dir)
{
	int fd = openat(dir, ".lock",
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);

	while (fd != -1 && flock(fd, LOCK_EX) == -1)
		if (errno != EINTR) {
			close(fd);
			return -1;
		}
	return fd;
}

/* Nonzero when a process of the run whose directory is ${dir} holds its lock. */
static int
is_alive(int dir)
{
	int fd = openat(dir, "lock", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	int alive;

	if (fd == -1)
		return 0;
	alive = flock(fd, LOCK_SH | LOCK_NB) == -1;
	close(fd);
	return alive;
}

/* Add what is announced in the run's directory ${dir} (closed here), but for the
 * file ${own} (NULL: none). */
static void
add_run(int dir, const char *own, struct taken *t)
{
	const struct dirent *d;
	struct stat sb;
	DIR *dp = fdopendir(dir);

	if (dp == NULL) {
		close(dir);
		return;
	}
	while ((d = readdir(dp)) != NULL) {
		if (strncmp(d->d_name, ROOM, strlen(ROOM)) != 0 ||
		    (own != NULL && strcmp(d->d_name, own) == 0) ||
		    fstatat(dirfd(dp), d->d_name, &sb,
		    AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		t->jobs++;
		if (__builtin_add_overflow(t->bytes, sb.st_size, &t->bytes))
			t->bytes = INT64_MAX;
	}
	closedir(dp);
}

/* All that is announced in the spool but for the file ${own} of the run ${run}. */
static struct taken
add_up(int spool, const char *run, const char *own)
{
	struct taken t = { 0, 0 };
	const struct dirent *d;
	int copy = openat(spool, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir;
	DIR *dp = copy == -1 ? NULL : fdopendir(copy);
	int mine;

	if (dp == NULL) {
		if (copy != -1)
			close(copy);
		return t;
	}
	while ((d = readdir(dp)) != NULL) {
		if (!imgp_run_id_is(d->d_name) ||
		    (dir = enter(spool, d->d_name)) == -1)
			continue;
		mine = strcmp(d->d_name, run) == 0;
		if (mine || is_alive(dir))
			add_run(dir, mine ? own : NULL, &t);
		else
			close(dir);
	}
	closedir(dp);
	return t;
}

static int
fits(const struct imgp_budget *b, const struct taken *t, int64_t bytes)
{
	return t->jobs == 0 || (t->jobs < b->jobs && t->bytes <= b->bytes &&
	    bytes <= b->bytes - t->bytes);
}

/* Make the file ${name} of ${bytes} in the run's directory ${dir}. */
static void
announce(int dir, const char *name, int64_t bytes)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY |
	    O_CLOEXEC, 0600);

	if (fd == -1)
		return;
	while (ftruncate(fd, bytes) == -1 && errno == EINTR)
		;
	close(fd);
}

/* The directory of ${run} within the spool's, ${*spool}; -1 where no run made it, and
 * then the other is -1, too. */
static int
open_run(const char *path, const char *run, int *spool)
{
	int dir = -1;

	*spool = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*spool == -1)
		return -1;
	if ((dir = enter(*spool, run)) != -1 &&
	    faccessat(dir, "lock", F_OK, 0) == 0)
		return dir;
	if (dir != -1)
		close(dir);
	close(*spool);
	return *spool = -1;
}

static void
name_of(char name[64], int64_t id)
{
	snprintf(name, 64, ROOM "%lld", (long long)id);
}

int
imgp_budget_take(const struct imgp_budget *b, const char *spool,
    const char *run, int64_t id, int64_t bytes)
{
	int dir, all, lock, room = 1;
	struct taken t;
	char name[64];

	name_of(name, id);
	if (__builtin_mul_overflow(bytes, 2, &bytes))
		bytes = INT64_MAX;
	if ((dir = open_run(spool, run, &all)) == -1)
		return 1;
	if ((lock = lock_spool(all)) != -1) {
		t = add_up(all, run, name);
		if ((room = fits(b, &t, bytes)) != 0)
			announce(dir, name, bytes);
		close(lock);
	}
	close(dir);
	close(all);
	return room;
}

static int
is_unread(void)
{
	struct pollfd p = { STDOUT_FILENO, 0, 0 };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
}

int
imgp_budget_wait(const struct imgp_budget *b, const char *spool,
    const char *run, int64_t id, int64_t bytes)
{
	long ms = SOON_MS;

	while (!imgp_budget_take(b, spool, run, id, bytes)) {
		if (imgp_stop_asked() || is_unread())
			return -1;
		nanosleep(&(struct timespec){ 0, ms * 1000000 }, NULL);
		if (ms < LATE_MS)
			ms *= 2;
	}
	return 1;
}

void
imgp_budget_give(const char *spool, const char *run, int64_t id)
{
	int all, dir = open_run(spool, run, &all);
	char name[64];

	if (dir == -1)
		return;
	name_of(name, id);
	(void)unlinkat(dir, name, 0);
	close(dir);
	close(all);
}

void
imgp_budget_clear(const char *spool, const char *run)
{
	int all, dir = open_run(spool, run, &all);
	const struct dirent *d;
	DIR *dp;

	if (dir == -1)
		return;
	close(all);
	if ((dp = fdopendir(dir)) == NULL) {
		close(dir);
		return;
	}
	while ((d = readdir(dp)) != NULL)
		if (strncmp(d->d_name, ROOM, strlen(ROOM)) == 0)
			(void)unlinkat(dir, d->d_name, 0);
	closedir(dp);
}
