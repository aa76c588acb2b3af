/*
 * Whose fault an error is, and what follows from it: the one rule for all stages, mails
 * and exit statuses (imgp-job(5), "How it stands").
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
 * Nonzero when an error ${code} of ${stage} fails the job.  Not fatal are only final
 * faults of the upload itself in scan, stamp and extra, and all errors in finish, notify
 * and digest.
 */
int	imgp_fault_is_fatal(const char *stage, const char *code);

/*
 * The owner of an entry of "errors", by the dictionary, or by the entry's class when the
 * dictionary does not have its code (an extra program's own).
 */
enum imgp_owner imgp_fault_owner(const struct imgp_json *entry);

/* Nonzero when an entry of "errors" fails its job for good: it is fatal, the
 * upload's, and no later try may succeed. */
int	imgp_fault_is_final(const struct imgp_json *entry);

/* Nonzero when ${job} has such an entry. */
int	imgp_job_is_final(struct imgp_job *job);

/* The exit status for ${job} as it is now (imgpipe(7)). */
int	imgp_job_exit(struct imgp_job *job);

/*
 * Set "ok" of ${job}, in its place or at the end: true when the job's exit status is 0, or
 * 1 because of errors that do not fail it.  imgpipe itself never reads it.
 */
void	imgp_job_set_ok(struct imgp_job *job);

#endif
