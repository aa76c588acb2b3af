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
	int	fd;			/* itself, open to read; -1: not open */
};
#define IMGP_WORK_COPY_INIT	{ -1, "", -1 }

/*
 * Open the directory of the job's work copy: of what lies below the spool no
 * symbolic link is followed.  -1 and ${e} where "local" is absent, no file:///...,
 * outside the spool or not there.  Release it with imgp_work_copy_close().
 */
int	imgp_work_copy_find(struct imgp_work_copy *w, struct imgp_job *job,
	    struct imgp_err *e);
/* Then open itself, a regular file and no link; -1 and ${e}. */
int	imgp_work_copy_open(struct imgp_work_copy *w, struct imgp_err *e);
void	imgp_work_copy_close(struct imgp_work_copy *w);

/*
 * Open ${file} for a plain command and set the job's "local"; or, with "-", keep
 * what comes on standard input in an unnamed file.  -1 and ${e}.
 */
int	imgp_work_operand(const char *file, struct imgp_job *job,
	    struct imgp_err *e);

/* RLIMIT_AS for a process that works on it with ${threads} threads, 0 for none. */
unsigned long long imgp_work_memory(int threads);
#define IMGP_WORK_CPU	86400u	/* seconds; what goes on longer is no work */

#endif
