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

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/job/budget.h"
#include "libimgpipe/job/run_id.h"

#define ROOMS		".rooms"	/* of a run: its reservations */
#define SOON_MS		5	/* until the next look for room, */
#define LATE_MS		80	/* and in the end */

/* What is reserved for the row ${id}; 0: for none. */
struct room {
	int64_t	id;
	int64_t	bytes;
};
/* The reservations of a run; a place in the array is one in the file. */
struct rooms {
	struct room *r;
	size_t	n;
};
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

static int
open_rooms(int dir, int flags)
{
	return openat(dir, ROOMS, flags | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
	    0600);
}

/* All that is in the file ${fd}; -1: it cannot be opened, and nothing is. */
static struct rooms
read_rooms(int fd)
{
	struct rooms all = { NULL, 0 };
	struct stat sb;
	ssize_t n;

	if (fd == -1 || fstat(fd, &sb) == -1 || sb.st_size <= 0)
		return all;
	all.r = imgp_alloc((size_t)sb.st_size + sizeof *all.r);
	while ((n = pread(fd, all.r, (size_t)sb.st_size, 0)) == -1 && errno == EINTR)
		;
	all.n = n == -1 ? 0 : (size_t)n / sizeof *all.r;
	return all;
}

static void
add(struct taken *t, const struct rooms *rooms)
{
	size_t i;

	for (i = 0; i < rooms->n; i++) {
		if (rooms->r[i].id == 0)
			continue;
		t->jobs++;
		if (__builtin_add_overflow(t->bytes, rooms->r[i].bytes, &t->bytes))
			t->bytes = INT64_MAX;
	}
}

/* The place of ${id}; all.n: it has none. */
static size_t
find(const struct rooms *all, int64_t id)
{
	size_t i;

	for (i = 0; i < all->n && all->r[i].id != id; i++)
		;
	return i;
}

/* What others than the run ${run} have reserved in the spool. */
static void
add_others(int spool, const char *run, struct taken *t)
{
	const struct dirent *d;
	struct rooms rooms;
	DIR *dp = list(spool);
	int dir, fd;

	if (dp == NULL)
		return;
	while ((d = readdir(dp)) != NULL) {
		if (!imgp_run_id_is(d->d_name) || strcmp(d->d_name, run) == 0 ||
		    (dir = enter(spool, d->d_name)) == -1)
			continue;
		if (is_alive(dir) && (fd = open_rooms(dir, O_RDONLY)) != -1) {
			rooms = read_rooms(fd);
			add(t, &rooms);
			free(rooms.r);
			close(fd);
		}
		close(dir);
	}
	closedir(dp);
}

static int
fits(const struct imgp_budget *b, const struct taken *t, int64_t bytes)
{
	return t->jobs == 0 || (t->jobs < b->jobs && t->bytes <= b->bytes &&
	    bytes <= b->bytes - t->bytes);
}

/* At once, so that a process that dies leaves the one or the other; that it cannot be
 * written shows when the work copy cannot. */
static void
write_room(int fd, size_t i, int64_t id, int64_t bytes)
{
	const struct room r = { id, bytes };

	while (pwrite(fd, &r, sizeof r, (off_t)(i * sizeof r)) == -1 &&
	    errno == EINTR)
		;
}

/* Reserve ${bytes} for ${id} in the file ${fd} of ${run} if there is room. */
static int
take(const struct imgp_budget *b, int spool, int fd, const char *run, int64_t id,
    int64_t bytes)
{
	struct rooms own = read_rooms(fd);
	struct taken all = { 0, 0 };
	size_t i = find(&own, id);
	int room;

	if (i < own.n)
		own.r[i].id = 0;	/* is replaced */
	add(&all, &own);
	add_others(spool, run, &all);
	if ((room = fits(b, &all, bytes)) != 0 && fd != -1)
		write_room(fd, i < own.n ? i : find(&own, 0), id, bytes);
	free(own.r);
	return room;
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

int
imgp_budget_take(const struct imgp_budget *b, const char *spool,
    const char *run, int64_t id, int64_t bytes)
{
	int dir, top, lock, fd, room = 1;

	if (__builtin_mul_overflow(bytes, 2, &bytes))
		bytes = INT64_MAX;
	if ((dir = open_run(spool, run, &top)) == -1)
		return 1;
	if ((lock = lock_spool(top)) != -1) {
		fd = open_rooms(dir, O_RDWR | O_CREAT);
		room = take(b, top, fd, run, id, bytes);
		if (fd != -1)
			close(fd);
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
	int top, dir = open_run(spool, run, &top), lock, fd;
	struct rooms own;
	size_t i;

	if (dir == -1)
		return;
	lock = lock_spool(top);
	if ((fd = open_rooms(dir, O_RDWR)) != -1) {
		own = read_rooms(fd);
		if ((i = find(&own, id)) < own.n)
			write_room(fd, i, 0, 0);
		free(own.r);
		close(fd);
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

	if (dir == -1)
		return;
	lock = lock_spool(top);
	(void)unlinkat(dir, ROOMS, 0);
	if (lock != -1)
		close(lock);
	close(dir);
	close(top);
}
