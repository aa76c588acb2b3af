/*
 * Seats: the processes of a run share a number of them, and whoever holds a connection to
 * a database has one.
 *
 * They are locks in a file that the environment names: the kernel gives back those of a
 * process that is gone.  Who waits for one gets the next that is free, before those that
 * come later.  Nobody may keep one while it waits for another process of the run, other
 * than by leaving it as soon as imgp_seats_wanted().  One thread of a process at a time.
 */
#ifndef IMGPIPE_SEATS_H
#define IMGPIPE_SEATS_H

#include "libimgpipe/base/err.h"

/* The environment variable that names the file; without it there are seats for all. */
#define IMGP_SEATS	"IMGP_SEATS"
#define IMGP_SEATS_MOST	1024

/* Make the file ${path}, and name it in the environment for the programs that will be
 * started.  Returns 0, or -1 with ${e}. */
int	imgp_seats_make(const char *path, struct imgp_err *e);
/* Take one of ${most} seats, 1 to IMGP_SEATS_MOST, and wait until one is free.  Returns
 * its number, for imgp_seat_leave(), or -1 with ${e}. */
int	imgp_seat_take(int most, struct imgp_err *e);
/* With ${over} nonzero the seat may be taken at once.  Else whoever takes it does so a
 * fifth of a second later, and takes another where there is one: its last use may still
 * come to its end elsewhere. */
void	imgp_seat_leave(int seat, int over);
/* Nonzero when another process waits for one of ${most} seats and none is free. */
int	imgp_seats_wanted(int most);

#endif
