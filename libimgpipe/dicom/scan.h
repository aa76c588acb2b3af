/*
 * Which images an upload holds: studies, series, Series Numbers and distinct instances;
 * and the kinds and counts of its other members.
 *
 * Of each member only the first kilobytes are decoded; pixels are read only of members
 * that share a SOP Instance UID and differ (dicom/copies.h).  An instance is a distinct
 * SOP Instance UID at the top level of a data set that also has SOP class, study and
 * series UID, and is no DICOMDIR.
 */
#ifndef IMGPIPE_SCAN_H
#define IMGPIPE_SCAN_H

#include <stddef.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/checks.h"
#include "libimgpipe/dicom/dicom.h"
#include "libimgpipe/dicom/faults.h"
#include "libimgpipe/dicom/limits.h"
#include "libimgpipe/dicom/scans.h"

#define IMGP_SCAN_KINDS	32

struct imgp_scan_result {
	struct imgp_scans scans;
	size_t		 instances;	/* distinct, in all series */
	/* kinds found: "dicom" (every copy), "dicomdir", "dicom_no_uid",
	 * "dicom_declined", "macos", "link", "label", "damaged", "nested_archive" and
	 * those of imgp_kind() */
	struct { const char *kind; size_t count; } listing[IMGP_SCAN_KINDS];
	size_t		 nlisting;
	struct imgp_faults faults;	/* errors of single members */
	struct imgp_faults warnings;	/* of members that are counted all the same */
};

/*
 * Scan the upload in the regular file ${fd}.  Fills ${r}, to be released with
 * imgp_scan_release() in any case, and counts its objects in ${checks} (NULL: check
 * nothing).  An archive that cannot be read wholly and safely gives a fault and no
 * scans at all.  Returns 0; -1 with ${e} only when reading failed (IMGP-STORE-IO) or the
 * upload passes a limit as a whole.
 */
int	imgp_scan_upload(int fd, const struct imgp_limits *lim,
	    struct imgp_checks *checks, struct imgp_scan_result *r,
	    struct imgp_err *e);

/* A callback for each instance, and each copy of one, as it is found. */
struct imgp_scan_visitor {
	const struct imgp_dicom_want *want;	/* what to note of it */
	void	(*instance)(void *arg, const struct imgp_dicom *d);
	void	*arg;
};
/* imgp_scan_upload() with a visitor and without checks. */
int	imgp_scan_visit(int fd, const struct imgp_limits *lim,
	    const struct imgp_scan_visitor *v, struct imgp_scan_result *r,
	    struct imgp_err *e);
void	imgp_scan_release(struct imgp_scan_result *r);

#endif
