/*
 * Whether each instance of a file carries the id of its series.
 *
 * It reads the delivered file as a lab would, and does not ask what a stamp would do.
 */
#ifndef IMGPIPE_IDS_H
#define IMGPIPE_IDS_H

#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/limits.h"
#include "libimgpipe/dicom/scans.h"
#include "libimgpipe/stamp/stamp.h"

/* Counts of instances, copies included. */
struct imgp_ids {
	uint64_t	right;		/* with the id of their series */
	uint64_t	without;	/* without any */
	uint64_t	other;		/* with another value */
	uint64_t	unknown;	/* of a series that has no id */
};

/*
 * Count the instances in the regular file ${fd}, of any kind of upload, by their element
 * ${tag}, into ${ids}, which the caller sets to 0; ${scans} has the ids of the series.
 * Returns 0; or -1 with IMGP-STORE-IO when reading failed, or IMGP-ARCHIVE-… when an
 * archive cannot be read wholly and safely.
 */
int	imgp_ids_count(int fd, const struct imgp_limits *lim,
	    const struct imgp_stamp_tag *tag, const struct imgp_scans *scans,
	    struct imgp_ids *ids, struct imgp_err *e);

#endif
