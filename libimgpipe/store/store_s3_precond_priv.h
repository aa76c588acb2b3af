/*
 * Preconditions: which of them the service obeys.
 *
 * Create-only writes are made so by "If-None-Match: *".
 *
 * AWS obeys it with all of them, rgw with PUT alone and silently ignores it
 * with the others, Swift refuses it (501) but for Complete.  So it is found
 * out, once in a process for each way, with an object of our own in the
 * temporary place (imgp_store_probe_in()).  Where it is obeyed, nobody needs to
 * ask before a write whether something lies there; else, and where it cannot be
 * found out, one asks before and after.
 *
 * A copy is made of the very object that is meant by
 * "x-amz-copy-source-if-match", which rgw ignores as silently: it obeys a name
 * of its own, which is tried where the other is ignored.  Where one is obeyed
 * and the ETag was noted when the source was written, nobody needs to look at
 * the source first.
 *
 * Complete is not probed: what goes in parts is worth the question before, one
 * request among many.  The header is sent with it all the same.
 */
#ifndef IMGPIPE_STORE_S3_PRECOND_PRIV_H
#define IMGPIPE_STORE_S3_PRECOND_PRIV_H

#include "libimgpipe/store/store.h"

enum imgp_precond {
	IMGP_PRECOND_CREATE_PUT,
	IMGP_PRECOND_CREATE_COPY,
	IMGP_PRECOND_COPY_SOURCE,		/* the source's ETag */
	IMGP_PRECONDS
};

/*
 * Called with each such write or copy before it.  Nonzero: the service obeys.  May ask
 * it; from any thread.
 */
int	imgp_precond_obeyed(enum imgp_precond how);
/* The header that holds a copy to its source's ETag, as far as is known. */
const char *imgp_precond_copy_source_name(void);
/* Nonzero: it answers 501, so the header is of no use. */
int	imgp_precond_refused(enum imgp_precond how);
/* It has answered 501. */
void	imgp_precond_refuse(enum imgp_precond how);
/* ${st} is being closed. */
void	imgp_precond_forget(const struct imgp_store *st);

#endif
