/*
 * The work copy: the job's upload as a file of the spool, at "local".
 */
#ifndef IMGPIPE_WORK_COPY_H
#define IMGPIPE_WORK_COPY_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

/*
 * The path of the job's work copy, the caller's to free; NULL and ${e} where
 * "local" is absent, no file:///... or outside the spool.
 */
char	*imgp_work_path(struct imgp_job *job, struct imgp_err *e);
/* Open that ${path} to read, unless it is a symbolic link; -1 and ${e}. */
int	imgp_work_open(const char *path, struct imgp_err *e);

/*
 * Open ${file} for a plain command and set the job's "local"; or, with "-", keep
 * what comes on standard input in an unnamed file.  -1 and ${e}.
 */
int	imgp_work_operand(const char *file, struct imgp_job *job,
	    struct imgp_err *e);

/*
 * Give up all rights but to the job's file (none when it ${is_open} already)
 * and, with ${write}, its directory.
 */
int	imgp_work_confine(struct imgp_job *job, int is_open, int write,
	    int threads, struct imgp_err *e);

#endif
