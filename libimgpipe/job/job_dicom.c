#include <stddef.h>
#include <string.h>

#include "libimgpipe/job/fault.h"
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

/* Does ${list} have this, ${fatal} (-1: not looked at) or more than that? */
static int
is_told(struct imgp_job *job, const char *list, const struct imgp_err *e,
    int fatal)
{
	const struct imgp_json *i = imgp_json_first(imgp_job_get(job, list));
	const char *code, *said;

	for (; i != NULL; i = imgp_json_next(i)) {
		code = imgp_json_str(imgp_json_get(i, "error_code"));
		said = imgp_json_str(imgp_json_get(i, "error"));
		if (code != NULL && strcmp(code, e->code) == 0 &&
		    said != NULL && strcmp(said, e->msg) == 0 &&
		    imgp_json_bool(imgp_json_get(i, "fatal")) >= fatal)
			return 1;
	}
	return 0;
}

void
imgp_job_add_faults(struct imgp_job *job, const char *stage,
    const struct imgp_faults *f, int required)
{
	struct imgp_err e;
	size_t i;
	int fatal;

	for (i = 0; i < f->n; i++) {
		imgp_fault_text(&f->fault[i], &e);
		fatal = (required && !f->fault[i].mild) || f->fault[i].fatal ||
		    imgp_fault_is_fatal(stage, e.code);
		if (!is_told(job, "errors", &e, fatal))
			imgp_job_error(job, stage, &e, fatal);
	}
}

void
imgp_job_add_warnings(struct imgp_job *job, const char *stage,
    const struct imgp_faults *f)
{
	struct imgp_err e;
	size_t i;

	for (i = 0; i < f->n; i++) {
		imgp_fault_text(&f->fault[i], &e);
		if (!is_told(job, "warnings", &e, -1))
			imgp_job_warn(job, stage, &e);
	}
}
