/*
 * The wing report: letters, logs and lists for people, made from job lines and from the
 * record.
 *
 * It must not know how a step does its work, and must not change an upload's row: in
 * the record it writes only the outbox, digests, ends of runs, and which notices
 * were reported.
 *
 * This file: the report at a run's end.  An error log for each job with errors
 * (errorlog.h), a run log for each pipeline (runlog.h), and one mail to the admins if
 * there are new failures (runletter.h, notices.h; M74).
 */
#ifndef IMGPIPE_NOTIFY_H
#define IMGPIPE_NOTIFY_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/report/trouble.h"

struct imgp_notify;

/*
 * ${complain} is called for each failure.  With ${dry_run} nothing is written or sent, and
 * the mails' text goes to ${show}.  NULL with IMGP-CONFIG when no mail could ever be sent
 * with these settings; free with imgp_notify_free(), NULL is fine.
 */
struct imgp_notify *imgp_notify_new(imgp_complaint *complain,
	    int dry_run, void (*show)(const char *text), struct imgp_err *e);
void	imgp_notify_free(struct imgp_notify *n);

/* Nonzero when the run's failures are lost if this process dies: the pipeline API
 * keeps no notices, and the setting ledger is not set. */
int	imgp_notify_is_alone(const struct imgp_notify *n);

/* Note a finished job, which stays the caller's.  Writes something only when many error
 * logs wait. */
void	imgp_notify_see(struct imgp_notify *n, struct imgp_job *job);

/* Write one error log of those that wait: nonzero while there are more. */
int	imgp_notify_work(struct imgp_notify *n);
/* Nothing was written for ${ms}: imgp_db_idle() with the record's connection. */
int	imgp_notify_rest(struct imgp_notify *n, int64_t ms);

/*
 * The run is over: write the logs, send the mails, then report what earlier runs did not
 * report.  Returns the exit status: 0; 75 when what failed may work later; else 1.
 */
int	imgp_notify_end(struct imgp_notify *n);

#endif
