/*
 * Lists for the labs, written to the destination beside the quarantine tree (F30), by a
 * pipeline's setting manifest.
 *
 * With manifest = yes the destination gets
 *	manifests/CODE/SHA256SUMS	all delivered files there, for "sha256sum -c" run
 *					in that place
 *	manifests/CODE/SHA256SUMS.elsewhere	"SUM  PLACE" for files delivered
 *					elsewhere, if there are any
 *	manifests/CODE/new-YYYYMMDDTHHMMSSZ-N.csv	what was new in the digest N
 * With manifest = needed it gets only the last, for a letter that does not hold the whole
 * list.  For a window of time (imgp-digest --since --send) "since-YYYYMMDDTHHMMSSZ"
 * replaces N.
 *
 * With file_manifest = yes each delivered file FILE gets FILE.manifest.json beside it,
 * with what the digest's JSON says of it.
 */
#ifndef IMGPIPE_MANIFEST_H
#define IMGPIPE_MANIFEST_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/report/post.h"

/* The place of the list of what is new for ${pipeline} in the digest ${content}; the
 * caller frees it.  NULL with manifest = no, or without a destination. */
char	*imgp_manifest_place(const struct imgp_json *content,
	    const char *pipeline);
/* Write only that list, for a letter that refers to it: 0, or -1 with ${e}. */
int	imgp_manifest_list(const struct imgp_json *content,
	    const char *pipeline, struct imgp_err *e);

/*
 * Write the lists of every pipeline in the digest ${content} whose settings ask for it:
 * of what is new, and with ${all} the sums of all that is delivered.
 * ${complain} is called for each that cannot be written; the others are written all the
 * same.  Returns the exit status, 0 when all is well.  It can be repeated for a digest.
 */
int	imgp_manifest_write(struct imgp_post *p,
	    const struct imgp_json *content, int all,
	    void (*complain)(const struct imgp_err *));

/*
 * Write FILE.manifest.json for each of ${files}, an array as in a digest, that is
 * delivered and whose pipeline's settings ask for it; an existing one is left alone.
 * ${complain} and the result are as above.
 */
int	imgp_manifest_beside(const struct imgp_json *files,
	    void (*complain)(const struct imgp_err *));

#endif
