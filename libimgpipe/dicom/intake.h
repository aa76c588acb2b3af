/*
 * What an upload is, by its bytes and never by its name.
 *
 * The rules in order: "DICM" at offset 128 makes it DICOM, whatever the preamble looks
 * like.  Else its first bytes tell: a data set without a preamble, ZIP, TAR, another
 * format; and within gzip one object, TAR, or another format.  A file that begins as
 * none of these, or as a program, is a ZIP if it ends as one.
 */
#ifndef IMGPIPE_INTAKE_H
#define IMGPIPE_INTAKE_H

#include <stdint.h>

#include "libimgpipe/base/err.h"

enum imgp_intake_kind {
	IMGP_INTAKE_EMPTY,
	IMGP_INTAKE_DICOM,	/* one object, with or without a preamble */
	IMGP_INTAKE_ZIP,
	IMGP_INTAKE_TAR,
	IMGP_INTAKE_TGZ,	/* TAR within gzip */
	IMGP_INTAKE_GZ,		/* one object within gzip */
	IMGP_INTAKE_ARCHIVE,	/* of a kind that is not read: 7z, RAR, ZIP
				 * within gzip, … */
	IMGP_INTAKE_OTHER	/* no images */
};

struct imgp_intake {
	enum imgp_intake_kind kind;
	int		 fd;		/* the caller's */
	uint64_t	 size;
	const char	*what;		/* its kind in a listing, as imgp_kind(); static */
	struct imgp_err	 why;		/* IMGP_INTAKE_ARCHIVE: it is not read for this */
};

/*
 * Look at ${fd}, a regular file.  0, or -1 with IMGP-STORE-IO.
 */
int	imgp_intake_look(int fd, struct imgp_intake *u, struct imgp_err *e);

#endif
