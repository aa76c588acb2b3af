/* Starting a program with descriptors and signals that are known. */
#ifndef IMGPIPE_CHILD_H
#define IMGPIPE_CHILD_H

#include <sys/types.h>

#include "libimgpipe/base/err.h"

struct imgp_child {
	char	*const *argv;	/* argv[0] is the program's path; NULL ended */
	int	 in, out;	/* its standard input and output; they stay open
				 * here */
	int	 ready;		/* the pipe for imgp_ready(); -1: none */
	int	 ends;		/* nonzero: SIGTERM ends it, and it gets one
				 * when this process ends first */
};

/*
 * Start it: its process id, to be waited for, or -1 with ${e} where the program
 * cannot be executed.  It ignores INT and HUP, and without ${ends} TERM: signals
 * of a terminal are this process's to pass on.  All other signals are set to
 * their defaults, and none is blocked.  Descriptors of 3 and above that are not
 * close-on-exec are passed on.  Only for a process with one thread.
 */
pid_t	imgp_child_start(const struct imgp_child *c, struct imgp_err *e);

/* A status of waitpid(2) as a shell gives it: 0 to 255, or 128 + signal. */
int	imgp_child_status(int status);

#endif
