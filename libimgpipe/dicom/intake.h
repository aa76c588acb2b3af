/*
 * What an upload is, by its bytes and never by its name.
 *
 * "DICM" at 128 decides first, whatever the preamble looks like; then what else
 * its first bytes are: a data set without a preamble, ZIP, TAR, alone or within
 * gzip, another format.  Only what begins as none of these, or as a program, is
 * a ZIP if it ends as one.
 */
#ifndef IMGPIPE_INTAKE_H
#define IMGPIPE_INTAKE_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/archive/zip.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/dicom/dicom.h"

#define IMGP_INTAKE_FIRST	1024	/* bytes that tell a kind */

enum imgp_intake_kind {
	IMGP_INTAKE_EMPTY,
	IMGP_INTAKE_DICOM,	/* one object, with or without a preamble */
	IMGP_INTAKE_ZIP,
	IMGP_INTAKE_TAR,
	IMGP_INTAKE_TGZ,	/* TAR within gzip */
	IMGP_INTAKE_ARCHIVE,	/* of a kind that is not read: 7z, RAR, DICOM
				 * within gzip, … */
	IMGP_INTAKE_OTHER	/* no images */
};

struct imgp_intake {
	enum imgp_intake_kind kind;
	int		 fd;		/* the caller's */
	uint64_t	 size;
	const char	*what;		/* as in a listing: imgp_kind() */
};

/* Every budget of a run, from the settings limit_… (imgpipe.conf(5)). */
struct imgp_limits {
	struct imgp_dicom_limits dicom;
	struct imgp_zip_limits zip;	/* also for TAR */
	uint64_t	 series;
};
/* Fill ${l}; -1 with IMGP-CONFIG. */
int	imgp_limits_load(struct imgp_limits *l, struct imgp_err *e);

/*
 * Look at ${fd}, a regular file.  0, or -1 with IMGP-STORE-IO.
 */
int	imgp_intake_look(int fd, struct imgp_intake *u, struct imgp_err *e);

/*
 * The kind of what begins with these bytes (up to IMGP_INTAKE_FIRST are looked
 * at) and is not DICOM: "text", "pdf", "image", "nifti", "macos", "archive",
 * "empty", "other".  Static.
 */
const char *imgp_kind(const unsigned char *first, size_t len);

#endif
