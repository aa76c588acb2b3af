/*
 * The steps of imgp-dcmscan and imgp-stamp for one job.
 */
#ifndef IMGPIPE_SCAN_JOB_H
#define IMGPIPE_SCAN_JOB_H

#include "libimgpipe/err.h"
#include "libimgpipe/job.h"
#include "libimgpipe/stamp.h"
#include "libimgpipe/intake.h"

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

struct imgp_stamp_job {
	struct imgp_limits lim;
	struct imgp_stamp_opts opts;	/* scans, tmpdir, center, tag, lim: set
					 * by us */
	const char	*tag;		/* --tag; NULL: the setting */
	const char	*provenance;	/* plain command: FILE to write, or with
					 * unstamp, to read */
	int		 unstamp;
	int		 recoded;	/* by us: some was compressed anew */
	int		 has_crc;	/* by us: what was within gzip */
	uint32_t	 old_crc;
	int		 dry_run;
};

/* Set what opts takes from the settings of ${pipeline}; -1 with IMGP-CONFIG. */
int	imgp_stamp_settings(struct imgp_stamp_job *s, const char *pipeline,
	    struct imgp_err *e);

/* Size and SHA-256 of all of ${fd}; -1 with IMGP-STORE-IO. */
int	imgp_stamp_sum(int fd, char hex[65], int64_t *bytes,
	    struct imgp_err *e);

/*
 * Stamp the file at "local" and put the result in its place, atomically; set
 * sha256.local and bytes.local, and write its provenance (prov.h) beside it as
 * <local>.prov.  Where nothing is to be done, or nothing can be,
 * it stays as it is.  -1 and ${e} when it failed.
 */
int	imgp_stamp_job(struct imgp_stamp_job *s, struct imgp_job *job,
	    struct imgp_err *e);

/*
 * Give up all rights but to the job's file (none when it ${is_open} already)
 * and, with ${write}, its directory.
 */
int	imgp_scan_confine(struct imgp_job *job, int is_open, int write,
	    int threads, struct imgp_err *e);
/* Nonzero when the job's pipeline says dicom = required. */
int	imgp_scan_required(struct imgp_job *job);

#endif
