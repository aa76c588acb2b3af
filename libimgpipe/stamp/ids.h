/*
 * Whether each instance of a file carries the id of its series.
 *
 * Only read: what a stamp would do is not asked, but what a lab finds.
 */
#ifndef IMGPIPE_IDS_H
#define IMGPIPE_IDS_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/limits.h"
#include "libimgpipe/dicom/scans.h"
#include "libimgpipe/stamp/stamp.h"

/* Files that are instances, copies included. */
struct imgp_ids {
	uint64_t	right;		/* with the id of their series */
	uint64_t	without;	/* without any */
	uint64_t	other;		/* with another value */
	uint64_t	unknown;	/* of a series that has no id */
};

/*
 * Count the instances of ${fd}, a regular file of any kind that is uploaded, by the
 * element ${tag}, into ${ids}, which is all 0 before; ${scans} have the ids.  0; or -1 and ${e}: reading failed
 * (IMGP-STORE-IO), or an archive cannot be read wholly and safely (IMGP-ARCHIVE-…).
 */
int	imgp_ids_count(int fd, const struct imgp_limits *lim,
	    const struct imgp_stamp_tag *tag, const struct imgp_scans *scans,
	    struct imgp_ids *ids, struct imgp_err *e);

#endif
