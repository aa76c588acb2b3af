/*
 * What the EDC says of uploads: query rows of the view pipeline.upload by id or source
 * key, many at once, and copy them into job lines.  job/members.h says which of the
 * view's columns become members; others are ignored.
 */
#ifndef IMGPIPE_UPLOAD_H
#define IMGPIPE_UPLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/record/db.h"

struct imgp_uploads;		/* the rows found */

#define IMGP_UPLOADS_NONE	((size_t)-1)

/* An upload to query: by its key or, if that is NULL, by its id. */
struct imgp_upload_ask {
	int64_t		 id;
	const char	*key;
};

/*
 * Query ${n} uploads in one round trip; a second one follows for keys that do not have the
 * form folder/subject/record/..., or are not found by it.  NULL with ${e} on failure; free
 * with imgp_uploads_free(), NULL is fine.
 */
struct imgp_uploads *imgp_uploads_get(struct imgp_db *db,
	    const struct imgp_upload_ask *ask, size_t n, struct imgp_err *e);
void	imgp_uploads_free(struct imgp_uploads *u);

/* The index of the first row for ${ask}, or IMGP_UPLOADS_NONE. */
size_t	imgp_uploads_find(const struct imgp_uploads *u,
	    const struct imgp_upload_ask *ask);

/*
 * Choose among an upload's rows, which begin at ${*at}, one for each pipeline that lists
 * its field: set ${*at} to the row for ${pipeline} or, when that is NULL, to the only row.
 * Returns 0; 1 when no pipeline fits; -1 with IMGP-LOOKUP-PIPELINES when several do, with
 * IMGP-LOOKUP-DATA when several uploads have the key or the view has a row twice.  ${*id}
 * gets the upload's id, ${*code} the row's pipeline (borrowed; NULL when none fits).
 */
int	imgp_uploads_choose(const struct imgp_uploads *u, const char *pipeline,
	    size_t *at, int64_t *id, const char **code, struct imgp_err *e);

/*
 * Set the job's members from the row at ${at}: the metadata, replica_lag_s, and source
 * below the place ${source}.  Returns 0; or -1 with IMGP-LOOKUP-DATA, or with the error
 * of a source that is no valid place.
 */
int	imgp_uploads_take(const struct imgp_uploads *u, size_t at,
	    struct imgp_job *job, const char *source, struct imgp_err *e);

#endif
