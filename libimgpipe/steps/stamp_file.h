/*
 * imgp-stamp as a plain command: one file in, one file out.
 */
#ifndef IMGPIPE_STAMP_FILE_H
#define IMGPIPE_STAMP_FILE_H

#include "libimgpipe/steps/stamp_job.h"

/*
 * Stamp ${in} into ${out} ("-": standard output), with the ids of the job line
 * in the file ${scans} or, when that is NULL, s->opts.only_id.  ${out} and the
 * provenance appear when both are complete, or not at all.  An upload that
 * cannot be stamped is copied as it is, unless it carries a foreign id.  What is to be said is said
 * on standard error; returns the exit status.
 */
int	imgp_stamp_file(struct imgp_stamp_job *s, const char *in,
	    const char *out, const char *scans);

#endif
