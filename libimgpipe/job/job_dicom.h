/*
 * The parsers' results (dicom/scans.h, dicom/faults.h) as members of a job line: "scans",
 * "errors" and "warnings".
 */
#ifndef IMGPIPE_JOB_DICOM_H
#define IMGPIPE_JOB_DICOM_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/faults.h"
#include "libimgpipe/dicom/scans.h"
#include "libimgpipe/job/job.h"

/* Parse "scans" as imgp_scans_parse() does; ${s} is empty for a job without it. */
int	imgp_job_get_scans(struct imgp_job *job, struct imgp_scans *s,
	    struct imgp_err *e);
/* Set "scans", with "atri_uid" where there is one. */
void	imgp_job_set_scans(struct imgp_job *job, const struct imgp_scans *s);
/*
 * Add each fault to "errors" as an error of ${stage}.  Fatal are faults marked so, those
 * that are by job/fault.h and, with ${required}, all but the mild ones.  A fault that an
 * earlier stage has reported with the same text and the same severity is not added.
 */
void	imgp_job_add_faults(struct imgp_job *job, const char *stage,
	    const struct imgp_faults *f, int required);
/* Add each to "warnings" likewise. */
void	imgp_job_add_warnings(struct imgp_job *job, const char *stage,
	    const struct imgp_faults *f);

#endif
