/*
 * What one upload may cost: the budgets of all that reads it.
 */
#ifndef IMGPIPE_LIMITS_H
#define IMGPIPE_LIMITS_H

#include <stdint.h>

#include "libimgpipe/archive/zip.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/dicom.h"

/* Every budget of a run, from the settings limit_… (imgpipe.conf(5)). */
struct imgp_limits {
	struct imgp_dicom_limits dicom;
	struct imgp_zip_limits zip;	/* also for TAR */
	uint64_t	 series;
};

/* Fill ${l}; -1 with IMGP-CONFIG. */
int	imgp_limits_load(struct imgp_limits *l, struct imgp_err *e);

#endif
