/*
 * Explain what a run would do with an upload, and why: what the EDC and the record know
 * of it, its present or future names, what blocks it, its last error, and where its logs
 * are.  Nothing is written, and no store is accessed.
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
	struct imgp_db	*record;	/* NULL: there is none reached by libpq */
	const char	*source;	/* base place of the keys */
	const char	*pipeline;	/* which to take if several list a field; or
					 * NULL */
};

/*
 * The facts about the upload that ${job}, from imgp_lookup_accept(), names: an object as
 * described in imgp-run(1), which the caller frees.  ${job} is completed to the upload's
 * job line.  NULL with ${e} when a database could not be queried, or the job names a place
 * outside the source.
 */
struct imgp_json *imgp_explain(const struct imgp_explain_of *of,
	    struct imgp_job *job, struct imgp_err *e);
/* Nonzero when neither the EDC nor the record knows the upload. */
int	imgp_explain_is_unknown(const struct imgp_json *facts);
/* Append the facts as text for people. */
void	imgp_explain_text(const struct imgp_json *facts, struct imgp_buf *out);

/* Append the error dictionary's entry for ${code}, which may lack its "IMGP-" and be in
 * lower case: 0, or -1 when it has no such code. */
int	imgp_explain_code(const char *code, struct imgp_buf *out);

#endif
