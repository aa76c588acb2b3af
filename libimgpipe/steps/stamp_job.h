/*
 * The step of imgp-stamp for one job.
 */
#ifndef IMGPIPE_STAMP_JOB_H
#define IMGPIPE_STAMP_JOB_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/intake.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/stamp/stamp.h"

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

#endif
