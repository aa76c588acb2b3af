/*
 * Whether each instance of a delivered file carries the id of its series: the count of
 * stamp/ids.h, made in a process without rights.
 */
#ifndef IMGPIPE_IDS_CHECK_H
#define IMGPIPE_IDS_CHECK_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/scans.h"
#include "libimgpipe/stamp/ids.h"

/*
 * Count the instances of the regular file ${path}, by the settings of ${pipeline}
 * (stamp_tag, limit_…, stall); ${scans} have the ids.  0; or -1 and ${e}:
 * IMGP-CONFIG, IMGP-SANDBOX, IMGP-MEMORY, IMGP-STORE-IO, IMGP-ARCHIVE-…, or
 * IMGP-DICOM-CRASH where the process died or did nothing for too long.
 */
int	imgp_ids_check(const char *path, const char *pipeline,
	    const struct imgp_scans *scans, struct imgp_ids *ids,
	    struct imgp_err *e);
/* The same of ${fd}, a regular file that is open to read and stays so. */
int	imgp_ids_check_fd(int fd, const char *pipeline,
	    const struct imgp_scans *scans, struct imgp_ids *ids,
	    struct imgp_err *e);

#endif
