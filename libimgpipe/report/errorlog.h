/*
 * Error logs (M64-M66): one object for each job with errors, with every error of the
 * file in any attempt.
 */
#ifndef IMGPIPE_ERRORLOG_H
#define IMGPIPE_ERRORLOG_H

#include "libimgpipe/job/job.h"
#include "libimgpipe/report/logs.h"
#include "libimgpipe/report/post.h"

struct imgp_errorlogs;

/* All three must outlive it.  Free with imgp_errorlogs_free(), NULL is fine. */
struct imgp_errorlogs *imgp_errorlogs_new(struct imgp_logs *logs,
	    struct imgp_post *post, struct imgp_trouble *t);
void	imgp_errorlogs_free(struct imgp_errorlogs *l);

/* The URL of a job's log, which the caller frees; NULL when no place is set, or after
 * noting a failure in the trouble. */
char	*imgp_errorlogs_url(struct imgp_errorlogs *l, struct imgp_job *job);
/*
 * Queue a job's log; ${facts} is from imgp_report_job().  A log that was written before
 * is replaced under its old key: ${kept}, which may come only from the record's notice
 * and never from a job line, or if that is NULL the key that the record gives at the
 * time of writing.
 */
void	imgp_errorlogs_queue(struct imgp_errorlogs *l, struct imgp_job *job,
	    const struct imgp_json *facts, const char *kept);
/* Write one log of the queue: nonzero while there are more. */
int	imgp_errorlogs_work(struct imgp_errorlogs *l);
/* Nonzero when the last twenty could not be written: their place is not reachable. */
int	imgp_errorlogs_is_stuck(const struct imgp_errorlogs *l);
/* Tell the record for which notices the logs are written. */
void	imgp_errorlogs_note(struct imgp_errorlogs *l);

#endif
