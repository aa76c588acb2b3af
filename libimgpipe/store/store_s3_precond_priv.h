/*
 * Preconditions: which of them the S3 service obeys.
 *
 * "If-None-Match: *" makes a write create-only.  AWS obeys it with every write;
 * rgw obeys it with PutObject alone and ignores it silently with the others;
 * Swift answers 501 but to CompleteMultipartUpload.  So imgpipe finds out, once
 * in a process for each kind of request, with an object of its own in the
 * temporary place (imgp_store_probe_in()).  Where the service obeys, no write
 * needs to look first at what lies there; where it does not, or where that
 * cannot be found out, one looks before and after.
 *
 * "x-amz-copy-source-if-match" holds a copy to the very object that is meant.
 * rgw ignores it as silently and obeys a name of its own, which is tried second.
 * Where one of them is obeyed, and the ETag was noted when the source was
 * written, no copy needs to look at the source first.
 *
 * CompleteMultipartUpload is not probed: looking first is one request among
 * many.  The header is sent with it all the same.
 */
#ifndef IMGPIPE_STORE_S3_PRECOND_PRIV_H
#define IMGPIPE_STORE_S3_PRECOND_PRIV_H

#include "libimgpipe/store/store.h"

enum imgp_precond {
	IMGP_PRECOND_CREATE_PUT,
	IMGP_PRECOND_CREATE_COPY,
	IMGP_PRECOND_COPY_SOURCE,	/* the ETag of a copy's source */
	IMGP_PRECONDS
};

/*
 * Nonzero: the service is known to obey.  To be called before each such request,
 * as it counts them, and may make the probe; from any thread.
 */
int	imgp_precond_obeyed(enum imgp_precond how);
/* The name of the header that holds a copy to its source's ETag. */
const char *imgp_precond_copy_source_name(void);
/* Nonzero: the service answered 501, so the header must not be sent. */
int	imgp_precond_refused(enum imgp_precond how);
/* Note that it answered 501. */
void	imgp_precond_refuse(enum imgp_precond how);
/* ${st} is about to be closed: probe there no more. */
void	imgp_precond_forget(const struct imgp_store *st);

#endif
