/*
 * What the EDC says of uploads: rows of the view pipeline.upload, asked for by
 * id or source key, many at once, and taken over into job lines.  Which of the
 * view's columns become members is said by job/members.h; others are left.
 */
#ifndef IMGPIPE_UPLOAD_H
#define IMGPIPE_UPLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/record/db.h"

struct imgp_uploads;		/* an answer */

#define IMGP_UPLOADS_NONE	((size_t)-1)

/* One upload that is asked for: by its key, or where that is NULL by its id. */
struct imgp_upload_ask {
	int64_t		 id;
	const char	*key;
};

/*
 * Ask for ${n} uploads in one round trip; in a second one for keys that are not
 * of the form folder/subject/record/..., or not found by it.  NULL and ${e} on
 * failure; free with imgp_uploads_free(), NULL is fine.
 */
struct imgp_uploads *imgp_uploads_get(struct imgp_db *db,
	    const struct imgp_upload_ask *ask, size_t n, struct imgp_err *e);
void	imgp_uploads_free(struct imgp_uploads *u);

/* The place of the ${ask}ed upload's first row, or IMGP_UPLOADS_NONE. */
size_t	imgp_uploads_find(const struct imgp_uploads *u,
	    const struct imgp_upload_ask *ask);

/*
 * Of an upload's rows, which begin at ${at} and are one for each pipeline that
 * lists its field, make ${*at} the one for ${pipeline}, or, when that is NULL,
 * the only one.  0; 1 when no pipeline fits; -1 with IMGP-LOOKUP-PIPELINES when
 * several do, with IMGP-LOOKUP-DATA when the key is that of several uploads or
 * the view has the same row twice.  ${*id} and ${*code} become the upload's id and the row's pipeline
 * (borrowed; NULL when no pipeline fits).
 */
int	imgp_uploads_choose(const struct imgp_uploads *u, const char *pipeline,
	    size_t *at, int64_t *id, const char **code, struct imgp_err *e);

/*
 * Set the job's members from the row at ${at}: the metadata, replica_lag_s,
 * and source below the place ${source}.  -1 with IMGP-LOOKUP-DATA, or why the
 * source is no place.
 */
int	imgp_uploads_take(const struct imgp_uploads *u, size_t at,
	    struct imgp_job *job, const char *source, struct imgp_err *e);

#endif
