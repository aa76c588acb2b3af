/*
 * What went wrong with the members of one upload, told once for each reason.
 *
 * An upload of a thousand instances with one fault each gives one entry: the
 * number of the first member (from 1, never its name), why, and how many more.
 */
#ifndef IMGPIPE_FAULTS_H
#define IMGPIPE_FAULTS_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

#define IMGP_FAULTS_MAX	32		/* reasons that are told apart */

struct imgp_faults {
	size_t	n;
	struct imgp_fault {
		struct imgp_err	 e;
		size_t		 member;	/* 0: the upload itself */
		size_t		 count;
		int		 fatal, mild;
	} *fault;				/* ${n} of them, owned; in order */
};

#define IMGP_FAULTS_INIT { 0, NULL }	/* as all bytes zero */

/* There is none any more. */
void	imgp_faults_release(struct imgp_faults *f);

void	imgp_faults_add(struct imgp_faults *f, size_t member,
	    const struct imgp_err *e);
/* The same, fatal to the job whatever its code. */
void	imgp_faults_add_fatal(struct imgp_faults *f, size_t member,
	    const struct imgp_err *e);
/* The same, which fails no job, not even where dicom = required. */
void	imgp_faults_add_mild(struct imgp_faults *f, size_t member,
	    const struct imgp_err *e);
/* The text of a fault with its member and count. */
void	imgp_fault_text(const struct imgp_fault *f, struct imgp_err *out);

#endif
