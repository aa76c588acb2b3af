#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/dicom/scan.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/steps/scan_job.h"
#include "libimgpipe/steps/work_copy.h"

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
	const char *wanted = dicom_setting(job);
	char *path = NULL;
	size_t i;
	int fd = s->fd, rc;

	(void)f;
	if (fd == -1) {
		if ((path = imgp_work_path(job, e)) == NULL)
			return -1;
		fd = imgp_work_open(path, e);
		free(path);
		if (fd == -1)
			return -1;
	}
	rc = imgp_scan_upload(fd, &s->lim, &r, e);
	if (fd != s->fd)
		close(fd);
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
		if (r.instances > 0 || strcmp(wanted, "no") != 0)
			imgp_job_add_faults(job, "scan", &r.faults,
			    imgp_scan_required(job, NULL));
	}
	imgp_scan_release(&r);
	return rc;
}

static int
confine(struct imgp_job *job, void *arg, struct imgp_err *e)
{
	const struct imgp_scan_job *s = arg;

	return imgp_work_confine(job, s->fd != -1, 0, 0, e);
}

static int
upload_fd(const void *arg)
{
	return ((const struct imgp_scan_job *)arg)->fd;
}

const struct imgp_filter_ops imgp_scan_ops = {
	.stage = "scan",
	.flags = IMGP_ISOLATED,
	.step = step,
	.confine = confine,
	.upload_fd = upload_fd,
	.required = imgp_scan_required,
	.seconds = 3600,
	.died = IMGP_E_DICOM_CRASH,
};
