/*
 * Failures of reporting itself.  They fail no job: each is named to the operator at
 * once and counts for the exit status.
 */
#ifndef IMGPIPE_TROUBLE_H
#define IMGPIPE_TROUBLE_H

#include "libimgpipe/base/err.h"

/* Names a failure to the operator. */
typedef void imgp_complaint(const struct imgp_err *);

struct imgp_trouble {
	imgp_complaint	*complain;
	int		 status;	/* 0, 75 when a later try may succeed, else 1 */
};

/* Report ${e}, and raise the status accordingly. */
void	imgp_trouble_note(struct imgp_trouble *t, const struct imgp_err *e);

#endif
