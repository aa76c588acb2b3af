/*
 * Giving up rights before the first untrusted byte is read.
 *
 * A process opens what it needs first and afterwards works on open descriptors alone.
 * seccomp(2), which is mandatory, allows a dozen system calls; landlock(7), where the
 * kernel has it, refuses files and signals as a second barrier.  Neither can be undone,
 * for the process and its threads.
 */
#ifndef IMGPIPE_SANDBOX_H
#define IMGPIPE_SANDBOX_H

#include <fcntl.h>

#include "libimgpipe/base/err.h"

/* The only flags that open(2) may have in the sandbox: they make an unnamed file. */
#define IMGP_SCRATCH_FLAGS	(O_TMPFILE | O_RDWR | O_CLOEXEC)

struct imgp_rights {
	int		 writes;	/* it may write files that are open, */
	int		 scratch;	/* make unnamed ones in this open directory (-1:
					 * no), */
	int		 threads;	/* and start threads */
	unsigned int	 cpu_seconds;	/* RLIMIT_CPU; 0: as it is */
	unsigned long long memory;	/* RLIMIT_AS in bytes; 0: as it is */
};

/*
 * From here on: no file by its name, no network, no program, no other process,
 * no memory that can be run, no core dump.  0, or -1 with IMGP-SANDBOX.
 */
int	imgp_sandbox(const struct imgp_rights *r, struct imgp_err *e);

/*
 * Find out, in a child process, whether imgp_sandbox() works here.  0: it does; 1: it
 * does, but the kernel has no Landlock, as ${e} says (IMGP-SANDBOX); -1 with ${e}: it
 * does not.
 */
int	imgp_sandbox_probe(struct imgp_err *e);

/* --no-sandbox: imgp_sandbox() does nothing from now on and returns 0. */
void	imgp_sandbox_off(void);

#endif
