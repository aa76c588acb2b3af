/* A file that one process, and those it started, hold for themselves. */
#ifndef IMGPIPE_LOCK_H
#define IMGPIPE_LOCK_H

/*
 * Open the file ${name} in the directory ${dir}, made where it is missing, and take
 * its flock(2): ${how} is LOCK_EX, or LOCK_EX | LOCK_NB not to wait.  The
 * descriptor, close-on-exec, whose end gives the lock back; or -1 and errno, which
 * is EWOULDBLOCK where another has it.
 */
int	imgp_lock(int dir, const char *name, int how);

#endif
