/*
 * imgp-notify: tell the admins what a run came to (imgp-notify(1)).
 *
 * Every line goes on at once; what is to be written and sent is done while no
 * line waits, and at the end.
 */
#include <stdio.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/mail/carrier.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/report/notify.h"

static int
step(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	(void)f;
	(void)e;
	imgp_notify_see(arg, job);
	return 0;
}

static int64_t
idle(struct imgp_filter *f, void *arg, int eof)
{
	(void)f;
	/* After the end of input all is done by imgp_notify_end(). */
	return !eof && imgp_notify_work(arg) ? 0 : -1;
}

static int
rest(void *arg, int64_t ms)
{
	return imgp_notify_rest(arg, ms);
}

static void
show(const char *text)
{
	fprintf(stderr, "%s\n", text);
}

static const struct imgp_filter_ops ops = {
	.stage = "notify",
	.flags = IMGP_SEES_FAILED | IMGP_SEES_SKIPPED,
	.step = step,
	.idle = idle,
	.rest = rest,
};
static const struct imgp_opt opts[] = { { 0, NULL, NULL, NULL } };
static const char *const synopsis[] = { "[-nq] <jobs", NULL };
static const char *(*const libs[])(void) = { imgp_db_version,
    imgp_carrier_version, NULL };
static const struct imgp_tool tool = { "imgp-notify", synopsis,
	"Pass jobs on; at their end write error logs and mail the admins.",
	opts, libs,
	IMGP_USES_DRY_RUN | IMGP_USES_QUIET | IMGP_USES_PRETTY
};

int
main(int argc, char *argv[])
{
	struct imgp_notify *n;
	struct imgp_err e;
	int rc;

	imgp_conf_want(IMGP_SECRETS_RECORD | IMGP_SECRETS_MAIL);
	while (imgp_opt(&tool, argc, argv) != -1)
		;
	if (optind != argc)
		imgp_usage(&tool, "jobs come on standard input");
	n = imgp_notify_new(imgp_complain, imgp_common.dry_run, show, &e);
	if (n == NULL)
		imgp_die(&e);
	if (imgp_notify_is_alone(n) && !imgp_common.dry_run &&
	    !imgp_common.quiet)
		fprintf(stderr, "imgp-notify: the pipeline API notes no failures, "
		    "and no ledger is set: those of a run that is killed are "
		    "not mailed\n");
	rc = imgp_filter_run(&ops, n, imgp_common.jobs);
	rc = imgp_exit_worse(rc, imgp_notify_end(n));
	imgp_notify_free(n);
	return rc;
}
