/*
 * What a run would do with an upload, and why: what the EDC and the record know of
 * it, the names it has or will get, what keeps it, what went wrong last and where
 * the logs lie.  Nothing is written, and no store is asked.
 */
#ifndef IMGPIPE_EXPLAIN_H
#define IMGPIPE_EXPLAIN_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/record/db.h"

struct imgp_explain_of {
	struct imgp_db	*edc;
	struct imgp_db	*record;	/* NULL: libpq does not reach it */
	const char	*source;	/* base place of the keys */
	const char	*pipeline;	/* where several list a field; or NULL */
};

/*
 * The facts about the upload that ${job} of imgp_lookup_accept() names, an object
 * as imgp-run(1) describes it, the caller's; ${job} becomes its job line.  NULL
 * with ${e} when a database could not be asked, or the job names a place outside.
 */
struct imgp_json *imgp_explain(const struct imgp_explain_of *of,
	    struct imgp_job *job, struct imgp_err *e);
/* Nonzero when neither the EDC nor the record knows the upload. */
int	imgp_explain_is_unknown(const struct imgp_json *facts);
/* The facts for people. */
void	imgp_explain_text(const struct imgp_json *facts, struct imgp_buf *out);

/* All that the error dictionary says of ${code}, which may lack its "IMGP-" and be
 * in lower case; -1: it has no such code. */
int	imgp_explain_code(const char *code, struct imgp_buf *out);

#endif
