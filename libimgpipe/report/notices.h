/*
 * Notices: the record's list of failures to report (sql/114_notice.sql).  The
 * transaction that ends an attempt adds its failure.  The run's own imgp-notify mails
 * it and writes its error log; if that one was killed, the next run's imgp-notify or
 * imgp-digest does.
 */
#ifndef IMGPIPE_NOTICES_H
#define IMGPIPE_NOTICES_H

#include "libimgpipe/report/errorlog.h"
#include "libimgpipe/report/runletter.h"

/* A job's notice: 1 with its number and whether the fault is known, or 0. */
int	imgp_notices_of(struct imgp_job *job, int64_t *id, int *known);

/*
 * Take the open notices of ${run} (NULL: of none): add failures without a letter to
 * ${letter}, and queue error logs that are not written.  0, or -1 with ${e} when the
 * record cannot be asked; then ${letter} may lack some.
 */
int	imgp_notices_collect(struct imgp_post *p, const char *run,
	    struct imgp_runletter *letter, struct imgp_errorlogs *logs,
	    struct imgp_err *e);
/*
 * Do so for all other runs that are over, and post a letter for each.  ${run} (NULL:
 * none) is left out.  Failures are noted in ${t}.
 */
void	imgp_notices_left(struct imgp_post *p, const char *run,
	    struct imgp_errorlogs *logs, struct imgp_trouble *t);

#endif
