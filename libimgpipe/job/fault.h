/*
 * Whose fault an error is, and what comes of it: the one rule that every stage,
 * the mails and the exit statuses go by (imgp-job(5), "How it stands").
 *
 *	owner (base/err.h)	the file		the row		status
 *	the upload's, in scan,
 *	  stamp or extra	delivered, has_error	Completed	1
 *	the upload's elsewhere,
 *	  or where required	not delivered		Failed; for good
 *							unless retryable 1
 *	ours, a service's	not delivered		open		75
 *
 * Errors of finish, notify and digest fail no job.
 */
#ifndef IMGPIPE_FAULT_H
#define IMGPIPE_FAULT_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/job/job.h"

/*
 * Nonzero when an error ${code} of ${stage} fails the job.  Not fatal are only
 * the final faults of the upload itself in scan, stamp and extra, and whatever
 * happens in finish, notify and digest.
 */
int	imgp_fault_is_fatal(const char *stage, const char *code);

/*
 * The owner of an entry of "errors".  The dictionary decides; of a code that it
 * does not have (an extra stage's own) the entry's class does.
 */
enum imgp_owner imgp_fault_owner(const struct imgp_json *entry);

/* Nonzero when an entry of "errors" fails its job for good: it is fatal, the
 * upload's, and no later try may succeed. */
int	imgp_fault_is_final(const struct imgp_json *entry);

/* Nonzero when ${job} has such an entry. */
int	imgp_job_is_final(struct imgp_job *job);

/* The status that ${job}, as it is written, asks for (imgpipe(7)). */
int	imgp_job_exit(struct imgp_job *job);

/*
 * Set "ok" of ${job}, in its place or at the end: true where its line asks for status
 * 0, or for 1 by errors that do not fail it.  Nothing decides by what it says.
 */
void	imgp_job_set_ok(struct imgp_job *job);

#endif
