/*
 * Preconditions: which of them the S3 service obeys.
 *
 * "If-None-Match: *" makes a write create-only.  AWS obeys it with every write;
 * rgw obeys it with PutObject alone and ignores it silently with the others;
 * Swift answers 501 but to CompleteMultipartUpload.  So imgpipe finds out, once
 * in a process for each kind of request, with an object of its own in the
 * temporary place (imgp_store_probe_in()).  If the service obeys, a write needs no HEAD
 * of the target first; if it does not, or that cannot be found out, the target is looked
 * at before and after the write.
 *
 * "x-amz-copy-source-if-match" makes a copy fail unless its source still has the ETag
 * given.  rgw silently ignores it and obeys a header of its own, which is tried second.
 * If one of them is obeyed, and the ETag was noted when the source was written, a copy
 * needs no HEAD of the source.
 *
 * CompleteMultipartUpload is not probed: among its many requests a HEAD hardly counts.
 * The header is sent with it all the same.
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
 * Nonzero when the service is known to obey.  Call it before each such request, from any
 * thread: it counts them, and may make the probe.
 */
int	imgp_precond_obeyed(enum imgp_precond how);
/* The name of the header that is obeyed for a copy's source. */
const char *imgp_precond_copy_source_name(void);
/* Nonzero when the service answered 501 before, so that the header must not be sent. */
int	imgp_precond_refused(enum imgp_precond how);
/* Note that it answered 501. */
void	imgp_precond_refuse(enum imgp_precond how);
/* Do not probe in ${st} any more, as it is about to be closed. */
void	imgp_precond_forget(const struct imgp_store *st);

#endif
