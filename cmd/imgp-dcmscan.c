/*
 * imgp-dcmscan: which images does an upload hold?
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/archive/encode.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/sandbox.h"
#include "libimgpipe/dicom/check_rule.h"
#include "libimgpipe/steps/confine.h"
#include "libimgpipe/steps/scan_job.h"
#include "libimgpipe/steps/work_copy.h"

enum { OPT_NO_SANDBOX = 256 };

static const struct imgp_opt opts[] = {
	{ OPT_NO_SANDBOX, "no-sandbox", NULL,
	    "keep all rights while hostile bytes are read" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = {
	"[-q] [-j N] [--no-sandbox] [--pretty]",
	"[-q] [--no-sandbox] [--pretty] FILE | -",
	NULL
};
static const char *(*const libs[])(void) = { imgp_archive_version, NULL };
static const struct imgp_tool tool = {
	"imgp-dcmscan", synopsis,
	"Find the DICOM studies, series and instances in each job's upload; or in\n"
	"FILE, or in what comes on standard input.", opts, libs,
	IMGP_USES_JOBS | IMGP_USES_QUIET | IMGP_USES_PRETTY
};

/* How long a process may stand still; what is to be said of its sandbox is. */
static unsigned int
confine(void)
{
	struct imgp_err e = { NULL, "" };
	unsigned int seconds;
	int rc = imgp_confine_begin(&seconds, &e);

	if (rc == -1)
		imgp_die(&e);
	if (rc == 1 && !imgp_common.quiet)
		imgp_complain(&e);
	return seconds;
}

int
main(int argc, char *argv[])
{
	struct imgp_scan_job s = { .fd = -1 };
	struct imgp_filter_ops ops;
	struct imgp_err e = { NULL, "" };
	struct imgp_job *job;
	struct stat st;
	/* Asked before imgp_opt() opens something in its place. */
	int ch, closed = fcntl(STDOUT_FILENO, F_GETFD) == -1;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		if (ch == OPT_NO_SANDBOX)
			imgp_sandbox_off();
	if (argc - optind > 1)
		imgp_usage(&tool, "one operand at most: FILE or -");
	if (closed)
		imgp_usage(&tool, "standard output is closed");
	if (imgp_conf_load(&e) == -1 ||
	    imgp_conf_check(imgp_check_settings, &e) == -1 ||
	    imgp_limits_load(&s.lim, &e) == -1)
		imgp_die(&e);
	if (optind == argc) {
		ops = imgp_scan_ops(confine());
		return imgp_filter_run(&ops, &s, imgp_common.jobs);
	}
	/* Asked first: a pipe would wait for its writer. */
	if (strcmp(argv[optind], "-") != 0 && stat(argv[optind], &st) == 0 &&
	    !S_ISREG(st.st_mode)) {
		imgp_fail(&e, IMGP_E_STORE_NOT_FOUND,
		    "%s: not a regular file", argv[optind]);
		imgp_die(&e);
	}
	job = imgp_job_new();
	if ((s.fd = imgp_work_operand(argv[optind], job, &e)) == -1)
		imgp_die(&e);
	ops = imgp_scan_ops(confine());
	return imgp_filter_one(&ops, &s, job);
}
