/*
 * imgp-extra: a site's own program on each stamped upload; only imgp-run starts it.
 *
 *	imgp-extra [--with CMD] <jobs
 */
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/program.h"
#include "libimgpipe/base/stop.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/job/pool.h"
#include "libimgpipe/steps/extra_job.h"

enum { OPT_WITH = 256 };

static const struct imgp_opt opts[] = {
	{ OPT_WITH, "with", "CMD", "the program, in place of extra_command" },
	{ 0, NULL, NULL, NULL }
};
static const char *const synopsis[] = { "[--with CMD] <jobs", NULL };
static const struct imgp_tool tool = { "imgp-extra", synopsis,
	"Have a site's own program work on each stamped upload.", opts, NULL, 0
};

struct run {
	struct imgp_extra extra;
	struct imgp_pool *pool;		/* several at once; else NULL */
};

static int
work(struct imgp_job *job, void *arg, struct imgp_err *e)
{
	return imgp_extra_job(arg, job, e);
}

static int
step(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct run *r = arg;

	return r->pool != NULL ? imgp_pool_step(r->pool, f, job) :
	    imgp_extra_job(&r->extra, job, e);
}

static int64_t
idle(struct imgp_filter *f, void *arg, int eof)
{
	struct run *r = arg;

	(void)eof;
	return imgp_pool_idle(r->pool, f);
}

int
main(int argc, char *argv[])
{
	struct imgp_filter_ops ops = { .stage = "extra", .step = step,
	    .required = imgp_extra_required };
	struct run r = { { NULL, NULL }, NULL };
	struct imgp_err e;
	long long jobs;
	int ch, rc;

	while ((ch = imgp_opt(&tool, argc, argv)) != -1)
		if (ch == OPT_WITH)
			r.extra.with = optarg;
	if (optind != argc)
		imgp_usage(&tool, "jobs come on standard input");
	if (imgp_conf_load(&e) == -1 || imgp_extra_check(&r.extra, &e) == -1)
		imgp_die(&e);
	imgp_stop_init();
	r.extra.tools = imgp_program_tools();
	if (imgp_parse_int(imgp_conf(NULL, "extra_jobs"), 1, 1024, &jobs) == 0 &&
	    jobs > 1) {
		if ((r.pool = imgp_pool_new((int)jobs, work, &r.extra,
		    &e)) == NULL)
			imgp_die(&e);
		ops.idle = idle;
		ops.wake_fd = imgp_pool_fd(r.pool);
	}
	rc = imgp_filter_run(&ops, &r, (int)jobs);
	imgp_pool_free(r.pool);
	return rc;
}
