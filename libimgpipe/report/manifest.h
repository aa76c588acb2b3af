/*
 * The labs' lists, beside the quarantine tree (F30), by a pipeline's setting manifest.
 *
 * With yes the place of its setting destination gets manifests/CODE/SHA256SUMS, all
 * delivered files that lie there, in the form that "sha256sum -c" checks, started in
 * that place; manifests/CODE/SHA256SUMS.elsewhere, "SUM  PLACE" of those that lie
 * elsewhere, where there are such; and for each digest
 * manifests/CODE/new-YYYYMMDDTHHMMSSZ-N.csv, what was new in it, N being the digest's
 * number.  With needed it gets the last alone, for a letter that does not hold all of
 * it.  The list of a window of time (imgp-digest --since --send) has
 * "since-YYYYMMDDTHHMMSSZ" for N.
 *
 * With the setting file_manifest = yes each delivered file FILE gets beside it
 * FILE.manifest.json, what the digest's JSON says of it.
 */
#ifndef IMGPIPE_MANIFEST_H
#define IMGPIPE_MANIFEST_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/report/post.h"

/* The place of the list of what is new in the digest ${content} of ${pipeline}, the
 * caller's to free; NULL where the setting manifest is no, or there is no
 * destination. */
char	*imgp_manifest_place(const struct imgp_json *content,
	    const char *pipeline);
/* Write that list alone, for a letter that refers to it; 0 or -1. */
int	imgp_manifest_list(const struct imgp_json *content,
	    const char *pipeline, struct imgp_err *e);

/*
 * Write both for every pipeline of the digest ${content} that asks for it.
 * ${complain} is told of what could not be written; the rest is.  The exit
 * status, 0 when all is well.  Writing the same digest's again is no harm.
 */
int	imgp_manifest_write(struct imgp_post *p,
	    const struct imgp_json *content,
	    void (*complain)(const struct imgp_err *));

/*
 * Write the manifest beside each of ${files}, an array as a digest has it, that is
 * delivered and whose pipeline asks for it; one that is there is left alone.  As above.
 */
int	imgp_manifest_beside(const struct imgp_json *files,
	    void (*complain)(const struct imgp_err *));

#endif
