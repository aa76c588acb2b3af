/*
 * The mail about a run as text, as a page and as CSV.
 */
#ifndef IMGPIPE_RUNMAIL_H
#define IMGPIPE_RUNMAIL_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/report/report.h"

struct imgp_failure {
	struct imgp_json *facts;	/* from imgp_report_job() */
	enum imgp_outcome outcome;
	char		 *url;		/* of its error log; NULL: none */
};

struct imgp_runmail {
	const char	*title;		/* such as the study's name */
	const char	*run;		/* its id; NULL: none */
	const int64_t	*counts;	/* jobs, by enum imgp_outcome */
	const int64_t	*codes;		/* errors, by index of imgp_error_at(), and
					 * behind them those of unknown codes */
	const struct imgp_failure *failures;
	size_t		 n;		/* of them */
	size_t		 all;		/* failures, of which these are the first */
	int64_t		 known;		/* failures mailed before, not among them */
	int		 late;		/* the run did not report them itself */
	int		 brief;		/* one line per failure */
};

/* "trial: errors with 3 of 10 files", the caller's to free. */
char	*imgp_runmail_subject(const struct imgp_runmail *m);
/* Append the mail's text, its page, its table. */
void	imgp_runmail_text(const struct imgp_runmail *m, struct imgp_buf *out);
void	imgp_runmail_html(const struct imgp_runmail *m, struct imgp_buf *out);
void	imgp_runmail_csv(const struct imgp_runmail *m, struct imgp_buf *out);

#endif
