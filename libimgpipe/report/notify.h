/*
 * The wing report/: what people are told.  It asks the record, reads job lines, and
 * writes letters, logs and lists.
 *
 * It must not know how a step does its work, nor change a row of an upload: of
 * the record it writes the outbox, digests, ends of runs, and which notices are
 * told.
 *
 * This file: the end of a run for those who look after it.  An error log for each
 * job with errors (errorlog.h), a log of the run for each pipeline (runlog.h), and
 * one mail to the admins when something new went wrong (runletter.h, notices.h;
 * M74).
 */
#ifndef IMGPIPE_NOTIFY_H
#define IMGPIPE_NOTIFY_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/report/trouble.h"

struct imgp_notify;

/*
 * ${complain} is told of each failure.  With ${dry_run} nothing is written or
 * sent, and the mails' text goes to ${show}.  NULL with IMGP-CONFIG when the
 * settings are such that no mail could ever be sent; free with
 * imgp_notify_free(), NULL is fine.
 */
struct imgp_notify *imgp_notify_new(imgp_complaint *complain,
	    int dry_run, void (*show)(const char *text), struct imgp_err *e);
void	imgp_notify_free(struct imgp_notify *n);

/* Nonzero when nobody but this process can tell of the run's failures: the pipeline
 * API notes none, and there is no setting ledger. */
int	imgp_notify_is_alone(const struct imgp_notify *n);

/* Take note of a finished job.  Keeps nothing of it, and seldom writes. */
void	imgp_notify_see(struct imgp_notify *n, struct imgp_job *job);

/* Write one error log of those that wait: nonzero while there are more. */
int	imgp_notify_work(struct imgp_notify *n);

/*
 * The run is over: write the logs, then send the mails, then tell what runs before
 * this one left untold.  The exit status: 0, 75 when what failed may work later,
 * else 1.
 */
int	imgp_notify_end(struct imgp_notify *n);

#endif
