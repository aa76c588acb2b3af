/*
 * What the parsers found (dicom/scans.h, dicom/faults.h) as members of a job
 * line: "scans" and "errors".
 */
#ifndef IMGPIPE_JOB_DICOM_H
#define IMGPIPE_JOB_DICOM_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/faults.h"
#include "libimgpipe/dicom/scans.h"
#include "libimgpipe/job/job.h"

/* Read "scans", as imgp_scans_parse() does; a job without it gives none. */
int	imgp_job_get_scans(struct imgp_job *job, struct imgp_scans *s,
	    struct imgp_err *e);
/* Set "scans", with "atri_uid" where there is one. */
void	imgp_job_set_scans(struct imgp_job *job, const struct imgp_scans *s);
/*
 * Add each fault to "errors" as one of ${stage}'s.  Fatal are those marked so,
 * those that job/fault.h says and, when ${required}, all but the mild.  What an
 * earlier stage told in the same words, and took as seriously, is not told again.
 */
void	imgp_job_add_faults(struct imgp_job *job, const char *stage,
	    const struct imgp_faults *f, int required);
/* Add each to "warnings" likewise. */
void	imgp_job_add_warnings(struct imgp_job *job, const char *stage,
	    const struct imgp_faults *f);

#endif
