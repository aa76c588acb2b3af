/*
 * The allow-list of job members for mails and logs (R67).
 *
 * A job line may hold data that must not be shown: members that other programs added, or
 * the first bytes of an unreadable line.  So mails, error logs and run logs use only
 * imgp_report_job(), which copies the members with IMGP_MEMBER_TOLD and no others.
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
	IMGP_UNFINISHED,	/* imgp-record finish did not end it */
	IMGP_PASSED_OVER,	/* skipped */
	IMGP_N_OUTCOMES
};

/* "delivered", "delivered with errors", … : static. */
const char *imgp_outcome_name(enum imgp_outcome o);
/* The outcome of a finished job. */
enum imgp_outcome imgp_report_outcome(struct imgp_job *job);

/*
 * The members of ${job} that may be shown: an object, which the caller frees.  Text is
 * made printable and cut at 1000 bytes.  Members of other types than in imgp-job(5) are
 * left out.  "scans" is reduced to counts, "replaced" to values with the form of an
 * ATRIUID; entries of "errors" and "warnings" keep their text only if their code is in
 * the dictionary.
 */
struct imgp_json *imgp_report_job(struct imgp_job *job);

/* Append the line "what  value"; nothing when ${v} is neither a string nor an integer. */
void	imgp_report_line(struct imgp_buf *b, const char *what,
	    const struct imgp_json *v);

/* Append such a line, beginning with ${indent}, for each optional member
 * (IMGP_MEMBER_OPTIONAL) of ${told}, which is from imgp_report_job(). */
void	imgp_report_optional(struct imgp_buf *b, const char *indent,
	    const struct imgp_json *told);

/*
 * Append one error, an entry of "errors" from imgp_report_job() or a row of the record
 * with the same members, for people: code, stage, meaning, action and message, each line
 * beginning with ${indent}.
 */
void	imgp_report_error(struct imgp_buf *out, const char *indent,
	    const struct imgp_json *error);

#endif
