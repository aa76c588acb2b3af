/* The names of a file that imgp-api makes for clients which bring none. */
#ifndef IMGPIPE_UPLOAD_NAMES_H
#define IMGPIPE_UPLOAD_NAMES_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"

/*
 * The destination's path and file name (names.h) for ${upload}, an object with the
 * columns of pipeline.upload, and its ${row} with id and ts_create; each the caller's
 * to free.  0, or -1 and ${e} as imgp_names_destination_name().
 */
int	imgp_upload_names(const struct imgp_json *upload,
	    const struct imgp_json *row, char **path, char **name,
	    struct imgp_err *e);

#endif
