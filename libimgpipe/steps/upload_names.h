/* Names of delivered files, for imgp-api's clients that do not make their own. */
#ifndef IMGPIPE_UPLOAD_NAMES_H
#define IMGPIPE_UPLOAD_NAMES_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"

/*
 * Make the destination's path and file name (job/names.h) for ${upload}, an object with
 * the columns of pipeline.upload, and its ${row} with id and ts_create.  The caller frees
 * both.  Returns 0, or -1 with ${e} as imgp_names_destination_name().
 */
int	imgp_upload_names(const struct imgp_json *upload,
	    const struct imgp_json *row, char **path, char **name,
	    struct imgp_err *e);

#endif
