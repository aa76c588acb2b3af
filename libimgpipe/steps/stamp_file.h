/*
 * imgp-stamp as a plain command: one file in, one file out.
 */
#ifndef IMGPIPE_STAMP_FILE_H
#define IMGPIPE_STAMP_FILE_H

#include "libimgpipe/steps/stamp_job.h"

/* The kinds of messages about one file. */
enum imgp_stamp_word {
	IMGP_STAMP_FAULT,	/* an instance was not stamped; e has a code */
	IMGP_STAMP_WARNING,	/* it was stamped, but …; e has a code */
	IMGP_STAMP_NOTE,	/* about the result; e has only a msg */
	IMGP_STAMP_COUNTS	/* counts of objects, as e->msg */
};
typedef void imgp_stamp_said(enum imgp_stamp_word word,
    const struct imgp_err *e);

/*
 * Stamp ${in} into ${out} ("-": standard output), with the ids of the job line in the
 * file ${scans} or, when that is NULL, with s->opts.only_id.  ${out} and the provenance
 * appear when both are complete, or not at all.  An upload that cannot be stamped is
 * copied as it is, unless it carries another id.  Messages go to ${said}.  Returns the
 * exit status, or -1 with ${e}.
 */
int	imgp_stamp_file(struct imgp_stamp_job *s, const char *in,
	    const char *out, const char *scans, imgp_stamp_said *said,
	    struct imgp_err *e);

#endif
