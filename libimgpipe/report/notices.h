/*
 * Notices: what the record wants the admins told (sql/114_notice.sql).  A failure is
 * noted in the transaction that ends its attempt; its letter and its error log
 * come from whoever is there when its run is over: the run's own imgp-notify, else
 * the next run's or the digest.
 */
#ifndef IMGPIPE_NOTICES_H
#define IMGPIPE_NOTICES_H

#include "libimgpipe/report/errorlog.h"
#include "libimgpipe/report/runletter.h"

/* A job's notice: 1 with its number and whether the fault is known, or 0. */
int	imgp_notices_of(struct imgp_job *job, int64_t *id, int *known);

/*
 * Tell what the record still has of ${run} (NULL: of none): put failures that lack a letter into
 * ${letter}, write the error logs that lack writing.  0, or -1 with ${e} when the
 * record cannot be asked; then nothing is told.
 */
int	imgp_notices_collect(struct imgp_post *p, const char *run,
	    struct imgp_runletter *letter, struct imgp_errorlogs *logs,
	    struct imgp_err *e);
/*
 * The same for all other runs that are over, posting a letter for each.  ${run}
 * (NULL: none) is left out.  ${t} hears of what fails.
 */
void	imgp_notices_left(struct imgp_post *p, const char *run,
	    struct imgp_errorlogs *logs, struct imgp_trouble *t);

#endif
