/*
 * What images an upload holds: studies, series, numbers, distinct instances,
 * and what was no image, by kind and count.
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
	struct imgp_faults faults;	/* which cost no more than themselves */
	struct imgp_faults warnings;	/* which cost nothing */
};

/*
 * Scan the upload that ${fd}, a regular file, holds; ${r} is filled, release it
 * with imgp_scan_release(), and its objects are counted in ${checks} (NULL:
 * nothing is checked).  An archive that cannot be read wholly and safely
 * is a fault, and gives no scans at all.  -1 and ${e} only when reading failed
 * (IMGP-STORE-IO) or ran into a limit of the whole.
 */
int	imgp_scan_upload(int fd, const struct imgp_limits *lim,
	    struct imgp_checks *checks, struct imgp_scan_result *r,
	    struct imgp_err *e);

/* Who looks at each instance (each copy) as it is found. */
struct imgp_scan_visitor {
	const struct imgp_dicom_want *want;	/* what to note of it */
	void	(*instance)(void *arg, const struct imgp_dicom *d);
	void	*arg;
};
/* The same, with a visitor and without checks. */
int	imgp_scan_visit(int fd, const struct imgp_limits *lim,
	    const struct imgp_scan_visitor *v, struct imgp_scan_result *r,
	    struct imgp_err *e);
void	imgp_scan_release(struct imgp_scan_result *r);

#endif
