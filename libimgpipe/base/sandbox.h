/*
 * Giving up rights before the first untrusted byte is read.
 *
 * A process opens what it needs first.  Afterwards it works on open descriptors
 * alone: seccomp allows a dozen system calls and is mandatory; Landlock, where the
 * kernel has it, refuses files and signals once more.  There is no way back for the
 * process and its threads.
 */
#ifndef IMGPIPE_SANDBOX_H
#define IMGPIPE_SANDBOX_H

#include <fcntl.h>

#include "libimgpipe/base/err.h"

/* The only flags that an open(2) may have then: the file has no name. */
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
 * What imgp_sandbox() can have here: 0; 1 where the kernel has no Landlock, and
 * ${e} says so (IMGP-SANDBOX); -1 and ${e} where it cannot be set up.  A process
 * is started to find out.
 */
int	imgp_sandbox_probe(struct imgp_err *e);

/* --no-sandbox: imgp_sandbox() does nothing from now on and returns 0. */
void	imgp_sandbox_off(void);

#endif
