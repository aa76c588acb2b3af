/* imgp-s3cp, first way: a filter that moves the object of each job line. */
#include <string.h>

#include "cmd/s3cp.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/job/pool.h"
#include "libimgpipe/steps/transfer.h"

struct run {
	struct imgp_transfer *transfer;
	struct imgp_pool *pool;		/* -j: several jobs at once; else NULL */
};

static int
move(struct imgp_job *job, void *arg, struct imgp_err *e)
{
	return imgp_transfer_job(arg, job, e);
}

static int
step(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct run *r = arg;

	return r->pool != NULL ? imgp_pool_step(r->pool, f, job) :
	    imgp_transfer_job(r->transfer, job, e);
}

static int
ask(struct imgp_job *job, const char *code, void *arg, struct imgp_err *e)
{
	const struct run *r = arg;

	(void)code;
	return imgp_transfer_ask(r->transfer, job, e);
}

static int64_t
idle(struct imgp_filter *f, void *arg, int eof)
{
	struct run *r = arg;

	(void)eof;
	return imgp_pool_idle(r->pool, f);
}

int
s3cp_jobs(const char *from, const char *to, unsigned int flags)
{
	struct imgp_filter_ops ops = { .step = step, .ask = ask };
	struct imgp_err e = { NULL, "" };
	struct run r = { imgp_transfer_new(from, to, flags, &e), NULL };
	int rc;

	if (r.transfer == NULL)
		imgp_die(&e);
	ops.stage = imgp_transfer_stage(r.transfer);
	/* The first of a run's three asks for all, before a row is made. */
	if (strcmp(ops.stage, "fetch") == 0 &&
	    imgp_transfer_credentials(&e) == -1)
		imgp_die(&e);
	if (imgp_transfer_sees_failed(r.transfer))
		ops.flags = IMGP_SEES_FAILED;
	if (imgp_common.jobs > 1) {
		if ((r.pool = imgp_pool_new(imgp_common.jobs, move, r.transfer,
		    &e)) == NULL)
			imgp_die(&e);
		ops.idle = idle;
		ops.wake_fd = imgp_pool_fd(r.pool);
	}
	rc = imgp_filter_run(&ops, &r, imgp_common.jobs);
	imgp_pool_free(r.pool);
	s3cp_say_unprobed();
	s3cp_say_skew();
	imgp_transfer_free(r.transfer);
	return rc;
}
