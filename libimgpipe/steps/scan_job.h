/*
 * The step of imgp-dcmscan for one job, which sets "scans" and "listing".
 *
 * It uses neither stamp/ nor DCMTK: imgp-dcmscan is linked without them.
 */
#ifndef IMGPIPE_SCAN_JOB_H
#define IMGPIPE_SCAN_JOB_H

#include "libimgpipe/dicom/limits.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/steps/work_copy.h"

struct imgp_scan_job {
	struct imgp_limits lim;
	int		 fd;		/* the upload; -1: the job's local */
	struct imgp_work_copy work;	/* private */
};

/*
 * The ops for imgp_filter_run(), whose arg is a struct imgp_scan_job.  Faults of single
 * members become entries in "errors".  A process that neither reads nor writes a byte for
 * ${seconds} is killed.
 */
struct imgp_filter_ops imgp_scan_ops(unsigned int seconds);

/* Nonzero when the job's pipeline has dicom = required; an imgp_filter_ops.required. */
int	imgp_scan_required(struct imgp_job *job, void *unused);

#endif
