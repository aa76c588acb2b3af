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
	struct imgp_stamp_opts opts;	/* scans, tmpdir, center, tag and lim are
					 * set here */
	const char	*tag;		/* --tag; NULL: the setting */
	const char	*provenance;	/* plain command: the file to write or,
					 * with unstamp, to read */
	int		 unstamp;
	int		 recoded;	/* set here: some data were compressed anew */
	int		 has_crc;	/* set here: old_crc, of gzip's content */
	uint32_t	 old_crc;
	int		 gzip_changed;	/* set here: gzip_end, needed to undo */
	struct imgp_regzip_end gzip_end;
	int		 dry_run;

	/* Set here, in the process of a job: */
	struct imgp_work_copy work;
	int		 to, note;	/* the result and its provenance */
	size_t		 series;
	int		 stale;		/* the line's sums may be of other bytes */
};

/* Set opts by the settings of ${pipeline}: 0, or -1 with IMGP-CONFIG. */
int	imgp_stamp_settings(struct imgp_stamp_job *s, const char *pipeline,
	    struct imgp_err *e);

/* Get size and SHA-256 of the file ${fd}: 0, or -1 with IMGP-STORE-IO. */
int	imgp_stamp_sum(int fd, char hex[65], int64_t *bytes,
	    struct imgp_err *e);

/*
 * The ops for imgp_filter_run(), whose arg is a struct imgp_stamp_job.  The step stamps
 * the file at "local" and replaces it by the result, atomically; it sets sha256.local and
 * bytes.local, and writes the provenance (prov.h) to <local>.prov.  If nothing is to be
 * stamped, or nothing can be, the file stays as it is.  A process that neither reads nor
 * writes a byte for ${seconds} is killed.
 */
struct imgp_filter_ops imgp_stamp_ops(unsigned int seconds);

#endif
