#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/dicom/scan.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/steps/scan_job.h"

static const char *
dicom_setting(struct imgp_job *job)
{
	return imgp_conf(imgp_job_str(job, "pipeline_code"), "dicom");
}

int
imgp_scan_required(struct imgp_job *job, void *unused)
{
	(void)unused;
	return strcmp(dicom_setting(job), "required") == 0;
}

static void
set_listing(struct imgp_job *job, const struct imgp_scan_result *r)
{
	struct imgp_json *o = imgp_json_new_object();
	size_t i;

	for (i = 0; i < r->nlisting; i++)
		imgp_json_set_int(o, r->listing[i].kind,
		    (int64_t)r->listing[i].count);
	imgp_job_set(job, "listing", o);
}

static int
step(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	const struct imgp_scan_job *s = arg;
	struct imgp_scan_result r;
	struct imgp_err why;
	size_t i;
	int rc;

	(void)f;
	rc = imgp_scan_upload(s->work.fd, &s->lim, &r, e);
	if (rc == 0) {
		imgp_job_set_scans(job, &r.scans);
		set_listing(job, &r);
		if (r.instances == 0 && r.faults.n == 0) {
			imgp_fail(&why, IMGP_E_DICOM_NONE,
			    "no DICOM instance was found");
			imgp_faults_add(&r.faults, 0, &why);
		}
		for (i = 0; i < r.warnings.n; i++) {
			imgp_fault_text(&r.warnings.fault[i], &why);
			imgp_job_warn(job, "scan", &why);
		}
		/* Where no images are expected, none are missed. */
		if (r.instances > 0 || strcmp(dicom_setting(job), "no") != 0)
			imgp_job_add_faults(job, "scan", &r.faults,
			    imgp_scan_required(job, NULL));
	}
	imgp_scan_release(&r);
	return rc;
}

static int
upload_fd(const void *arg)
{
	return ((const struct imgp_scan_job *)arg)->fd;
}

static int
confine(struct imgp_job *job, void *arg, struct imgp_err *e)
{
	struct imgp_scan_job *s = arg;
	const struct imgp_rights r = { .scratch = -1,
	    .cpu_seconds = IMGP_WORK_CPU, .memory = imgp_work_memory(0) };

	s->work.dir = -1;
	s->work.fd = s->fd;
	if (s->fd == -1 && (imgp_work_copy_find(&s->work, job, e) == -1 ||
	    imgp_work_copy_open(&s->work, e) == -1))
		return -1;
	if (s->work.dir != -1)
		close(s->work.dir);
	s->work.dir = -1;
	return imgp_sandbox(&r, e);
}

struct imgp_filter_ops
imgp_scan_ops(unsigned int seconds)
{
	return (struct imgp_filter_ops){
		.stage = "scan",
		.flags = IMGP_ISOLATED,
		.upload_fd = upload_fd,
		.confine = confine,
		.step = step,
		.required = imgp_scan_required,
		.seconds = seconds,
		.died = IMGP_E_DICOM_CRASH,
	};
}
