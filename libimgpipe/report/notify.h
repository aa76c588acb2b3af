/*
 * The end of a run for those who look after it: an error log object for each
 * job with errors (M64-M66), one log of the run for each pipeline (M67), and one
 * mail to the admins when something went wrong (M74).
 *
 * Nothing of it is ever the fault of a job: what fails here is complained of
 * and counts for the exit status alone.
 */
#ifndef IMGPIPE_NOTIFY_H
#define IMGPIPE_NOTIFY_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"

#define IMGP_NOTIFY_MOST	100	/* failures told one by one (R49) */

struct imgp_notify;

/*
 * ${complain} is told of each failure.  With ${dry_run} nothing is written or
 * sent, and the mails' text goes to ${show}.  NULL with IMGP-CONFIG when the
 * settings are such that no mail could ever be sent; free with
 * imgp_notify_free(), NULL is fine.
 */
struct imgp_notify *imgp_notify_new(void (*complain)(const struct imgp_err *),
	    int dry_run, void (*show)(const char *text), struct imgp_err *e);
void	imgp_notify_free(struct imgp_notify *n);

/* Take note of a finished job.  Keeps nothing of it, and seldom writes. */
void	imgp_notify_see(struct imgp_notify *n, struct imgp_job *job);

/* Write one error log that waits: nonzero while there are more. */
int	imgp_notify_work(struct imgp_notify *n);

/*
 * The run is over: write what waits, then the run logs, then send the mails.
 * The exit status: 0, 75 when what failed may work later, else 1.
 */
int	imgp_notify_end(struct imgp_notify *n);

#endif
