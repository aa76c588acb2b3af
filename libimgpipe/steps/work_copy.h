/*
 * The work copy: the job's upload as a file of the spool, at "local".
 */
#ifndef IMGPIPE_WORK_COPY_H
#define IMGPIPE_WORK_COPY_H

#include <limits.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

struct imgp_work_copy {
	int	dir;			/* the directory that holds it; -1: none */
	char	name[NAME_MAX + 1];	/* its name there */
	int	fd;			/* the file, open for reading; -1: not open */
};
#define IMGP_WORK_COPY_INIT	{ -1, "", -1 }

/*
 * Open the directory of the job's work copy, following no symbolic link below the spool.
 * Returns 0; or -1 with ${e} when "local" is absent, no file:///..., outside the spool, or
 * does not exist.  Release it with imgp_work_copy_close().
 */
int	imgp_work_copy_find(struct imgp_work_copy *w, struct imgp_job *job,
	    struct imgp_err *e);
/* After that, open the file, which must be a regular file: 0, or -1 with ${e}. */
int	imgp_work_copy_open(struct imgp_work_copy *w, struct imgp_err *e);
void	imgp_work_copy_close(struct imgp_work_copy *w);

/*
 * Open the operand ${file} of a plain command and set the job's "local"; for "-", copy
 * standard input to an unnamed file.  Returns a descriptor, or -1 with ${e}.
 */
int	imgp_work_operand(const char *file, struct imgp_job *job,
	    struct imgp_err *e);

/* RLIMIT_AS, in bytes, for a process that works on an upload with ${threads} threads
 * beside its first one. */
unsigned long long imgp_work_memory(int threads);
#define IMGP_WORK_CPU	86400u	/* RLIMIT_CPU of such a process, in seconds */

#endif
