/*
 * The limits that one upload is read with.
 */
#ifndef IMGPIPE_LIMITS_H
#define IMGPIPE_LIMITS_H

#include <stdint.h>

#include "libimgpipe/archive/zip.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/dicom.h"

/* All limits, from the settings limit_… (imgpipe.conf(5)). */
struct imgp_limits {
	struct imgp_dicom_limits dicom;
	struct imgp_zip_limits zip;	/* also for TAR */
	uint64_t	 series;
};

/* Fill ${l} from the settings: 0, or -1 with IMGP-CONFIG. */
int	imgp_limits_load(struct imgp_limits *l, struct imgp_err *e);

#endif
