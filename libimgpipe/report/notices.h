/*
 * Notices: the record's list of failures to report (sql/114_notice.sql).  The
 * transaction that ends a failed attempt adds one.  The run's own imgp-notify mails it and
 * writes its error log; if that process was killed, the next imgp-notify or imgp-digest
 * does.
 */
#ifndef IMGPIPE_NOTICES_H
#define IMGPIPE_NOTICES_H

#include "libimgpipe/report/errorlog.h"
#include "libimgpipe/report/runletter.h"

/* Get a job's notice: 1 with its number and whether the fault was reported before; 0 when
 * it has none. */
int	imgp_notices_of(struct imgp_job *job, int64_t *id, int *known);

/*
 * Process the open notices of ${run} (NULL: those without a run): add failures that no
 * letter reported to ${letter}, and queue error logs that are not written.  Returns 0; or
 * -1 with ${e} when the record cannot be asked, when ${letter} may lack some.
 */
int	imgp_notices_collect(struct imgp_post *p, const char *run,
	    struct imgp_runletter *letter, struct imgp_errorlogs *logs,
	    struct imgp_err *e);
/*
 * Do the same for all runs that are over, except ${run} (NULL: none), and post a letter
 * for each.  Failures are noted in ${t}.
 */
void	imgp_notices_left(struct imgp_post *p, const char *run,
	    struct imgp_errorlogs *logs, struct imgp_trouble *t);

#endif
