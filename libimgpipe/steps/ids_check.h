/*
 * Check whether each instance of a delivered file carries the id of its series, by the
 * count of stamp/ids.h in a sandboxed process.
 */
#ifndef IMGPIPE_IDS_CHECK_H
#define IMGPIPE_IDS_CHECK_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/scans.h"
#include "libimgpipe/stamp/ids.h"

/*
 * Count the instances of the regular file ${path}, by the settings of ${pipeline}
 * (stamp_tag, limit_…, stall); ${scans} has the ids.  Returns 0 and ${ids}; or -1 with
 * IMGP-CONFIG, IMGP-SANDBOX, IMGP-MEMORY, IMGP-STORE-IO, IMGP-ARCHIVE-…, or
 * IMGP-DICOM-CRASH when the process died or was idle for too long.
 */
int	imgp_ids_check(const char *path, const char *pipeline,
	    const struct imgp_scans *scans, struct imgp_ids *ids,
	    struct imgp_err *e);
/* The same for ${fd}, a regular file open for reading, which stays open. */
int	imgp_ids_check_fd(int fd, const char *pipeline,
	    const struct imgp_scans *scans, struct imgp_ids *ids,
	    struct imgp_err *e);

#endif
