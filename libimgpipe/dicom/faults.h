/*
 * The faults of one upload's members, one entry per reason.
 *
 * An upload of a thousand instances with the same fault has one entry: the number of the
 * first member (from 1, never its name), the reason, and how many more.
 */
#ifndef IMGPIPE_FAULTS_H
#define IMGPIPE_FAULTS_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

#define IMGP_FAULTS_MAX	32		/* entries; further codes count with the last one */

struct imgp_faults {
	size_t	n;
	struct imgp_fault {
		struct imgp_err	 e;
		size_t		 member;	/* 0: the upload itself */
		size_t		 count;
		int		 fatal, mild;
	} *fault;				/* ${n} of them, owned; in order of adding */
};

#define IMGP_FAULTS_INIT { 0, NULL }	/* as all bytes zero */

/* Free the entries; empty and ready for use again. */
void	imgp_faults_release(struct imgp_faults *f);

void	imgp_faults_add(struct imgp_faults *f, size_t member,
	    const struct imgp_err *e);
/* Add a fault that fails the job whatever its code. */
void	imgp_faults_add_fatal(struct imgp_faults *f, size_t member,
	    const struct imgp_err *e);
/* Add a fault that never fails the job, not even with dicom = required. */
void	imgp_faults_add_mild(struct imgp_faults *f, size_t member,
	    const struct imgp_err *e);
/* The text of a fault with its member and count. */
void	imgp_fault_text(const struct imgp_fault *f, struct imgp_err *out);

#endif
