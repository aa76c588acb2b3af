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
 * Take the data out of an answer: 0 with a copy of it in ${*data}, an object, the
 * caller's to free.  -1 with the error that a refusal names (IMGP-DB-REQUEST for a
 * code that nobody knows), or IMGP-DB-QUERY where ${answer} (NULL: there is none)
 * is no such envelope; ${*data} is not touched.
 */
int	imgp_envelope_open(const struct imgp_json *answer,
	    struct imgp_json **data, struct imgp_err *e);
/* The same for the one field of a query's answer. */
int	imgp_envelope_read(const struct imgp_rows *rows,
	    struct imgp_json **data, struct imgp_err *e);

#endif
