#include <stddef.h>

#include "libimgpipe/job/job_dicom.h"

int
imgp_job_get_scans(struct imgp_job *job, struct imgp_scans *s,
    struct imgp_err *e)
{
	return imgp_scans_parse(imgp_job_get(job, "scans"), s, e);
}

void
imgp_job_set_scans(struct imgp_job *job, const struct imgp_scans *s)
{
	imgp_job_set(job, "scans", imgp_scans_json(s, 0));
}

void
imgp_job_add_faults(struct imgp_job *job, const char *stage,
    const struct imgp_faults *f, int required)
{
	struct imgp_err e;
	size_t i;

	for (i = 0; i < f->n; i++) {
		imgp_fault_text(&f->fault[i], &e);
		imgp_job_error(job, stage, &e, (required &&
		    !f->fault[i].mild) || f->fault[i].fatal);
	}
}
