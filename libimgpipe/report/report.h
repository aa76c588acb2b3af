/*
 * The allow-list of job members for mails and logs (R67).
 *
 * A job line may hold what people must not read: members that other programs added,
 * the first bytes of an unreadable line.  So mails, error logs and run logs take a
 * job only from imgp_report_job(), which copies the members with IMGP_MEMBER_TOLD
 * and no others.
 */
#ifndef IMGPIPE_REPORT_H
#define IMGPIPE_REPORT_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/job/job.h"

enum imgp_outcome {
	IMGP_DELIVERED,
	IMGP_WITH_ERRORS,	/* delivered, with an error that is not fatal (M42) */
	IMGP_TO_RETRY,		/* failed; a later run may deliver it */
	IMGP_FOR_GOOD,		/* failed; another try does not help */
	IMGP_UNFINISHED,	/* neither: imgp-record finish did not end it */
	IMGP_PASSED_OVER,	/* skipped */
	IMGP_N_OUTCOMES
};

/* "delivered", "delivered with errors", … : static. */
const char *imgp_outcome_name(enum imgp_outcome o);
enum imgp_outcome imgp_report_outcome(struct imgp_job *job);

/*
 * What may be told of ${job}: an object, the caller's to free.  Text is made
 * printable and cut at 1000 bytes; members of other types than imgp-job(5) gives
 * them are left out.  Of "scans" only counts are told, of "replaced" only what
 * has the form of an ATRIUID, of "errors" and "warnings" only entries with a code
 * of the dictionary keep their text.
 */
struct imgp_json *imgp_report_job(struct imgp_job *job);

/* Append "what  value" and a line end; nothing when ${v} is neither a string nor
 * an integer. */
void	imgp_report_line(struct imgp_buf *b, const char *what,
	    const struct imgp_json *v);

/* Append such a line, which begins with ${indent}, for each member of ${told} that
 * a site's view may give (IMGP_MEMBER_OPTIONAL). */
void	imgp_report_optional(struct imgp_buf *b, const char *indent,
	    const struct imgp_json *told);

/*
 * Append one error (an entry of a told job's "errors", or a row of the record
 * with the same members) for a person: code, stage, what it means, what to do,
 * what was said, each line beginning with ${indent}.
 */
void	imgp_report_error(struct imgp_buf *out, const char *indent,
	    const struct imgp_json *error);

#endif
