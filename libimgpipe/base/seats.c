#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/clock.h"
#include "libimgpipe/base/seats.h"

#define LOOK_MS		20	/* so often who waits looks for a free seat */
#define OVER_MS		200	/* after which what was not over when it was left is */

/*
 * Byte 0 is locked by the one process that looks for a seat, the others wait for it; byte
 * 1 + n by who holds seat n.  The file holds, for each seat, when it was left without
 * being over, or 0.  A process that closed another descriptor of the file would
 * lose its locks: it is opened here alone, and once.
 */
static int fd = -1;
static unsigned char held[IMGP_SEATS_MOST];

static int
lock(int cmd, short type, off_t at)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = at,
	    .l_len = 1 };
	int rc;

	while ((rc = fcntl(fd, cmd, &l)) == -1 && errno == EINTR)
		;
	return rc;
}

/* Nonzero when another process has locked the byte. */
static int
is_locked(off_t at)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at,
	    .l_len = 1 };

	return fcntl(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

int
imgp_seats_make(const char *path, struct imgp_err *e)
{
	int f = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (f == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", path);
	close(f);
	if (setenv(IMGP_SEATS, path, 1) == -1)
		imgp_oom();
	return 0;
}

static off_t
place(int seat)
{
	return (off_t)sizeof(int64_t) * seat;
}

/* Nonzero when what the seat was used for may not be over. */
static int
is_fresh(int seat)
{
	int64_t left = 0, now = imgp_clock_ms();

	return pread(fd, &left, sizeof left, place(seat)) == sizeof left &&
	    left > now - OVER_MS && left <= now;
}

/* The first free seat; -1: none. */
static int
find(int most)
{
	int i;

	for (i = 0; i < most; i++)
		if (!held[i] && lock(F_SETLK, F_WRLCK, 1 + i) == 0) {
			if (is_fresh(i)) {
				(void)lock(F_SETLK, F_UNLCK, 1 + i);
				continue;
			}
			held[i] = 1;
			return i;
		}
	return -1;
}

int
imgp_seat_take(int most, struct imgp_err *e)
{
	const char *path = getenv(IMGP_SEATS);
	int seat;

	if (path == NULL || *path == '\0')
		return IMGP_SEATS_MOST;
	if (fd == -1 && (fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", path);
	if (lock(F_SETLKW, F_WRLCK, 0) == -1)
		return imgp_fail_errno(e, IMGP_E_STORE_IO, "%s", path);
	while ((seat = find(most)) == -1)
		poll(NULL, 0, LOOK_MS);
	(void)lock(F_SETLK, F_UNLCK, 0);
	return seat;
}

void
imgp_seat_leave(int seat, int over)
{
	int64_t now = over ? 0 : imgp_clock_ms();

	if (seat < 0 || seat >= IMGP_SEATS_MOST)
		return;
	(void)!pwrite(fd, &now, sizeof now, place(seat));
	held[seat] = 0;
	(void)lock(F_SETLK, F_UNLCK, 1 + seat);
}

int
imgp_seats_wanted(int most)
{
	int i;

	if (fd == -1 || !is_locked(0))
		return 0;
	for (i = 0; i < most; i++)
		if (!held[i] && !is_locked(1 + i))
			return 0;
	return 1;
}
