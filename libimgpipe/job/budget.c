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
#define TAKEN		".rooms"	/* of a run: the sum of its files ${ROOM}ID */
#define SOON_MS		5	/* until the next look for room, */
#define LATE_MS		80	/* and in the end */

/* What is announced; as the file ${TAKEN} has it, too. */
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

/* What is in the directory ${dir}, to read; NULL where that cannot be. */
static DIR *
list(int dir)
{
	int copy = enter(dir, ".");
	DIR *dp = copy == -1 ? NULL : fdopendir(copy);

	if (dp == NULL && copy != -1)
		close(copy);
	return dp;
}

static int
is_room(const struct dirent *d)
{
	return strncmp(d->d_name, ROOM, strlen(ROOM)) == 0;
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

/* The file ${name} of the run's directory ${dir} is announced; 0 when it is not. */
static int
size_of(int dir, const char *name, int64_t *bytes)
{
	struct stat sb;

	if (fstatat(dir, name, &sb, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	*bytes = sb.st_size;
	return 1;
}

static void
add(struct taken *t, int64_t bytes, int64_t jobs)
{
	t->jobs += jobs;
	if (__builtin_add_overflow(t->bytes, bytes, &t->bytes))
		t->bytes = INT64_MAX;
}

/* Add up the files in the run's directory ${dir}. */
static void
count(int dir, struct taken *t)
{
	DIR *dp = list(dir);
	const struct dirent *d;
	int64_t bytes;

	if (dp == NULL)
		return;
	while ((d = readdir(dp)) != NULL)
		if (is_room(d) && size_of(dir, d->d_name, &bytes))
			add(t, bytes, 1);
	closedir(dp);
}

static int
open_sum(int dir, int flags)
{
	return openat(dir, TAKEN, flags | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
	    0600);
}

/*
 * What is announced in the run's directory ${dir}.  Its sum is empty while files
 * are made or removed, so that nothing but the files counts when a process dies
 * there; whoever comes next adds them up.
 */
static struct taken
sum_of(int dir)
{
	struct taken t = { 0, 0 }, sum;
	int fd = open_sum(dir, O_RDONLY);
	ssize_t n = fd == -1 ? -1 : pread(fd, &sum, sizeof sum, 0);

	if (fd != -1)
		close(fd);
	if (n == (ssize_t)sizeof sum && sum.jobs >= 0 && sum.bytes >= 0)
		return sum;
	count(dir, &t);
	return t;
}

/* The file of a sum of ${dir}, which begins to change; -1: it has none now. */
static int
open_change(int dir)
{
	int fd = open_sum(dir, O_RDWR | O_CREAT);

	if (fd != -1 && ftruncate(fd, 0) == -1) {
		close(fd);
		fd = -1;
	}
	if (fd == -1)
		(void)unlinkat(dir, TAKEN, 0);
	return fd;
}

/* It has changed to ${t}.  What is not written whole is not read. */
static void
close_change(int fd, const struct taken *t)
{
	if (fd == -1)
		return;
	if (t->bytes != INT64_MAX)
		(void)!pwrite(fd, t, sizeof *t, 0);
	close(fd);
}

/* All that is announced in the spool; ${*own} is the sum of the run ${run}. */
static struct taken
add_up(int spool, const char *run, struct taken *own)
{
	struct taken all = { 0, 0 }, t;
	const struct dirent *d;
	DIR *dp = list(spool);
	int dir, mine;

	if (dp == NULL)
		return all;
	while ((d = readdir(dp)) != NULL) {
		if (!imgp_run_id_is(d->d_name) ||
		    (dir = enter(spool, d->d_name)) == -1)
			continue;
		mine = strcmp(d->d_name, run) == 0;
		if (mine || is_alive(dir)) {
			t = sum_of(dir);
			add(&all, t.bytes, t.jobs);
			if (mine)
				*own = t;
		}
		close(dir);
	}
	closedir(dp);
	return all;
}

static int
fits(const struct imgp_budget *b, const struct taken *t, int64_t bytes)
{
	return t->jobs == 0 || (t->jobs < b->jobs && t->bytes <= b->bytes &&
	    bytes <= b->bytes - t->bytes);
}

/* Make the file ${name} of ${bytes} in the run's directory ${dir}, whose sum is
 * ${t} without it. */
static void
announce(int dir, const char *name, int64_t bytes, struct taken *t)
{
	int sum = open_change(dir);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY |
	    O_CLOEXEC, 0600);
	struct stat sb;

	if (fd != -1) {
		while (ftruncate(fd, bytes) == -1 && errno == EINTR)
			;
		if (fstat(fd, &sb) == 0)
			add(t, sb.st_size, 1);
		close(fd);
	}
	close_change(sum, t);
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
	struct taken all, own = { 0, 0 };
	int dir, top, lock, room = 1;
	int64_t before;
	char name[64];

	name_of(name, id);
	if (__builtin_mul_overflow(bytes, 2, &bytes))
		bytes = INT64_MAX;
	if ((dir = open_run(spool, run, &top)) == -1)
		return 1;
	if ((lock = lock_spool(top)) != -1) {
		all = add_up(top, run, &own);
		if (size_of(dir, name, &before)) {
			add(&all, -before, -1);
			add(&own, -before, -1);
		}
		if ((room = fits(b, &all, bytes)) != 0)
			announce(dir, name, bytes, &own);
		close(lock);
	}
	close(dir);
	close(top);
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
	int top, dir = open_run(spool, run, &top), lock, sum;
	struct taken own;
	int64_t bytes;
	char name[64];

	if (dir == -1)
		return;
	name_of(name, id);
	lock = lock_spool(top);
	if (size_of(dir, name, &bytes)) {
		own = sum_of(dir);
		sum = open_change(dir);
		if (unlinkat(dir, name, 0) == 0)
			add(&own, -bytes, -1);
		close_change(sum, &own);
	}
	if (lock != -1)
		close(lock);
	close(dir);
	close(top);
}

void
imgp_budget_clear(const char *spool, const char *run)
{
	int top, dir = open_run(spool, run, &top), lock;
	const struct dirent *d;
	DIR *dp;

	if (dir == -1)
		return;
	lock = lock_spool(top);
	(void)unlinkat(dir, TAKEN, 0);
	if ((dp = list(dir)) != NULL) {
		while ((d = readdir(dp)) != NULL)
			if (is_room(d))
				(void)unlinkat(dir, d->d_name, 0);
		closedir(dp);
	}
	if (lock != -1)
		close(lock);
	close(dir);
	close(top);
}
