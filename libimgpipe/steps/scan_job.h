/*
 * The step of imgp-dcmscan for one job, and what it shares with imgp-stamp's
 * (stamp_job.h).  Nothing here needs stamp.h or DCMTK: imgp-dcmscan is linked
 * without them.
 */
#ifndef IMGPIPE_SCAN_JOB_H
#define IMGPIPE_SCAN_JOB_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/intake.h"
#include "libimgpipe/job/job.h"

struct imgp_scan_job {
	struct imgp_limits lim;
	int		 fd;		/* the upload; -1: the job's local */
};

/*
 * Set "scans" and "listing".  What is wrong with single members becomes
 * entries in "errors"; -1 and ${e} when the upload could not be scanned.
 */
int	imgp_scan_job(struct imgp_scan_job *s, struct imgp_job *job,
	    struct imgp_err *e);

/*
 * Open ${file} for a plain command and set the job's "local"; or, with "-", keep
 * what comes on standard input in an unnamed file.  -1 and ${e}.
 */
int	imgp_scan_open(const char *file, struct imgp_job *job,
	    struct imgp_err *e);

/*
 * The path of the job's work copy, the caller's to free; NULL and ${e} where
 * "local" is absent, no file:///... or outside the spool.
 */
char	*imgp_scan_local_path(struct imgp_job *job, struct imgp_err *e);
/* Open that ${path} to read, unless it is a symbolic link; -1 and ${e}. */
int	imgp_scan_open_local(const char *path, struct imgp_err *e);

/*
 * Give up all rights but to the job's file (none when it ${is_open} already)
 * and, with ${write}, its directory.
 */
int	imgp_scan_confine(struct imgp_job *job, int is_open, int write,
	    int threads, struct imgp_err *e);
/* Nonzero when the job's pipeline says dicom = required. */
int	imgp_scan_required(struct imgp_job *job);

#endif
