/* Start a program with known descriptors and signals. */
#ifndef IMGPIPE_CHILD_H
#define IMGPIPE_CHILD_H

#include <sys/types.h>

#include "libimgpipe/base/err.h"

struct imgp_child {
	char	*const *argv;	/* ended by NULL; argv[0] is the program's path */
	int	 in, out;	/* its standard input and output; the caller
				 * closes its own copies */
	int	 ready;		/* the pipe for imgp_ready(); -1: none */
	int	 ends;		/* nonzero: SIGTERM ends it, and it gets one
				 * when this process ends first */
	int	 binds;		/* nonzero: all its symbols are bound before it runs
				 * (LD_BIND_NOW, ld.so(8)), not by each process that it
				 * forks anew */
};

/*
 * Start the program.  Returns its process id, which the caller waits for, or -1 with
 * ${e} when the program cannot be executed.  The program ignores INT and HUP, and TERM
 * unless ${ends} is set, because this process passes a terminal's signals on.  All other
 * signals have their defaults, and none is blocked.  The program inherits descriptors
 * from 3 up that are not close-on-exec.  Only for a process with one thread.
 */
pid_t	imgp_child_start(const struct imgp_child *c, struct imgp_err *e);

/* Convert a status of waitpid(2) to a shell's: 0 to 255, or 128 + signal. */
int	imgp_child_status(int status);

#endif
