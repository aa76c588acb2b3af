/* A lock file, held by one process and the processes it started. */
#ifndef IMGPIPE_LOCK_H
#define IMGPIPE_LOCK_H

/*
 * Open the file ${name} in the directory ${dir}, creating it if it is missing, and
 * flock(2) it: ${how} is LOCK_EX, or LOCK_EX | LOCK_NB to return at once.  Returns a
 * close-on-exec descriptor, whose close(2) releases the lock; or -1 with errno,
 * EWOULDBLOCK when another process holds the lock.
 */
int	imgp_lock(int dir, const char *name, int how);

#endif
