/*
 * The labs' lists, beside the quarantine tree (F30).
 *
 * Where a pipeline's setting manifest is yes, the place of its setting
 * destination gets manifests/CODE/SHA256SUMS, all delivered files in the form
 * that "sha256sum -c" checks, started in that place, and for each digest
 * manifests/CODE/new-YYYYMMDDTHHMMSSZ-N.csv, what was new in it; N is the digest's
 * number.
 */
#ifndef IMGPIPE_MANIFEST_H
#define IMGPIPE_MANIFEST_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/report/post.h"

/*
 * Write both for every pipeline of the digest ${content} that asks for it.
 * ${complain} is told of what could not be written; the rest is.  The exit
 * status, 0 when all is well.  Writing the same digest's again is no harm.
 */
int	imgp_manifest_write(struct imgp_post *p,
	    const struct imgp_json *content,
	    void (*complain)(const struct imgp_err *));

#endif
