/*
 * The envelope in which the pipeline's functions and its API answer:
 * {"success", "error_code", "error", "data"}.
 */
#ifndef IMGPIPE_ENVELOPE_H
#define IMGPIPE_ENVELOPE_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/record/db.h"

/*
 * Take the data out of an answer.  Returns 0 with a copy in ${*data}, an object that the
 * caller frees; or -1 with the error of a refusal (IMGP-DB-REQUEST for an unknown code),
 * or with IMGP-DB-QUERY when ${answer} is NULL or no such envelope.  On failure ${*data} is
 * not touched.
 */
int	imgp_envelope_open(const struct imgp_json *answer,
	    struct imgp_json **data, struct imgp_err *e);
/* imgp_envelope_open() for the only field of a query's result. */
int	imgp_envelope_read(const struct imgp_rows *rows,
	    struct imgp_json **data, struct imgp_err *e);

#endif
