/*
 * The step of imgp-stamp for one job.
 */
#ifndef IMGPIPE_STAMP_JOB_H
#define IMGPIPE_STAMP_JOB_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/limits.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/stamp/stamp.h"
#include "libimgpipe/steps/work_copy.h"

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
	int		 gzip_changed;	/* by us: its way back */
	struct imgp_regzip_end gzip_end;
	int		 dry_run;

	/* By us, in the process of a job: */
	struct imgp_work_copy work;
	int		 to, note;	/* the result and its provenance */
	size_t		 series;
	int		 stale;		/* the line's sums may be another's */
};

/* Set what opts takes from the settings of ${pipeline}; -1 with IMGP-CONFIG. */
int	imgp_stamp_settings(struct imgp_stamp_job *s, const char *pipeline,
	    struct imgp_err *e);

/* Size and SHA-256 of all of ${fd}; -1 with IMGP-STORE-IO. */
int	imgp_stamp_sum(int fd, char hex[65], int64_t *bytes,
	    struct imgp_err *e);

/*
 * For imgp_filter_run(), whose arg is a struct imgp_stamp_job.  The step stamps
 * the file at "local" and puts the result in its place, atomically; it sets
 * sha256.local and bytes.local, and writes its provenance (prov.h) beside it as
 * <local>.prov.  Where nothing is to be done, or nothing can be, the file stays
 * as it is.  A process that neither reads nor writes a byte for ${seconds} is
 * killed.
 */
struct imgp_filter_ops imgp_stamp_ops(unsigned int seconds);

#endif
