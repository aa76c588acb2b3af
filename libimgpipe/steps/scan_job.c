#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/dicom/scan.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/steps/confine.h"
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

/* What the upload's headers are held against; a plain command knows no EDC, and has
 * NULL.  -1 with IMGP-CONFIG. */
static int
new_checks(struct imgp_job *job, int is_plain, struct imgp_checks **c,
    struct imgp_err *e)
{
	const struct imgp_check_facts facts = {
		.participant_code = imgp_job_str(job, "participant_code"),
		.event_date = imgp_job_str(job, "event_date"),
		.ddcrf_name = imgp_job_str(job, "ddcrf_name"),
		.ddfile_name = imgp_job_str(job, "ddfile_name"),
	};

	*c = is_plain ? NULL : imgp_checks_new(imgp_job_str(job,
	    "pipeline_code"), &facts, e);
	return is_plain || *c != NULL ? 0 : -1;
}

/* Where no images are ${expected} and none came, only what disagrees is said. */
static void
tell_checks(struct imgp_job *job, const struct imgp_checks *c, int expected)
{
	enum imgp_check_level level;
	enum imgp_check which;
	struct imgp_err e;

	for (which = 0; c != NULL && which < IMGP_CHECK_KINDS; which++) {
		level = imgp_checks_tell(c, which, &e);
		if (level == IMGP_CHECK_OFF || (!expected &&
		    imgp_checks_count(c, which)->disagree == 0))
			continue;
		if (level == IMGP_CHECK_WARN)
			imgp_job_warn(job, "scan", &e);
		else
			imgp_job_error(job, "scan", &e,
			    level == IMGP_CHECK_REQUIRED);
	}
}

static void
take_result(struct imgp_job *job, struct imgp_scan_result *r,
    const struct imgp_checks *checks)
{
	struct imgp_err why;
	int expected;

	imgp_job_set_scans(job, &r->scans);
	set_listing(job, r);
	if (r->instances == 0 && r->faults.n == 0) {
		imgp_fail(&why, IMGP_E_DICOM_NONE,
		    "no DICOM instance was found");
		imgp_faults_add(&r->faults, 0, &why);
	}
	imgp_job_add_warnings(job, "scan", &r->warnings);
	/* Where no images are expected, none are missed. */
	expected = r->instances > 0 || strcmp(dicom_setting(job), "no") != 0;
	if (expected)
		imgp_job_add_faults(job, "scan", &r->faults,
		    imgp_scan_required(job, NULL));
	tell_checks(job, checks, expected);
}

static int
step(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	const struct imgp_scan_job *s = arg;
	struct imgp_checks *checks;
	struct imgp_scan_result r;
	int rc;

	(void)f;
	if (new_checks(job, s->fd != -1, &checks, e) == -1)
		return -1;
	if ((rc = imgp_scan_upload(s->work.fd, &s->lim, checks, &r, e)) == 0)
		take_result(job, &r, checks);
	imgp_checks_free(checks);
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

/* Did this stage say why there is nothing? */
static int
has_reason(struct imgp_job *job)
{
	const struct imgp_json *i = imgp_json_first(imgp_job_get(job, "errors"));

	for (; i != NULL; i = imgp_json_next(i))
		if (imgp_same_text(imgp_json_str(imgp_json_get(i, "stage")),
		    "scan"))
			return 1;
	return 0;
}

/* Here: silence is no answer, and what is required is not the process's to waive. */
static int
settle(struct imgp_job *job, int keep, void *arg, struct imgp_err *e)
{
	const struct imgp_json *scans = imgp_job_get(job, "scans");

	(void)keep;
	if (scans == NULL && !has_reason(job))
		return imgp_fail(e, IMGP_E_DICOM_CRASH,
		    "the process answered neither scans nor an error");
	if (imgp_json_count(scans) == 0 && imgp_scan_required(job, arg) &&
	    imgp_job_standing(job) != IMGP_FAILED)
		return imgp_fail(e, IMGP_E_DICOM_NONE,
		    "no DICOM instance was found");
	return 0;
}

static int
ask(struct imgp_job *job, const char *code, void *arg, struct imgp_err *e)
{
	(void)job;
	(void)code;
	(void)arg;
	return imgp_confine_ask(0, e);
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
		.settle = settle,
		.ask = ask,
		.required = imgp_scan_required,
		.seconds = seconds,
		.died = IMGP_E_DICOM_CRASH,
	};
}
