/*
 * Stores: the places where objects lie, file:// and s3:// behind one contract.
 *
 * An object appears whole or not at all.  Every transfer sums the bytes that
 * pass (SHA-256) and is verified before it counts as done.  What a killed
 * process leaves of a file store is named .imgp-…, is never taken for an
 * object, and goes with the next attempt at the same object.
 *
 * Errors: IMGP-STORE-NOT-FOUND, -DENIED, -EXISTS, -FULL, -IO, -INTEGRITY,
 * IMGP-PLACE-INVALID and -OUTSIDE, IMGP-NAME-TOO-LONG; messages name the place
 * and the cause.
 */
#ifndef IMGPIPE_STORE_H
#define IMGPIPE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/sha256.h"

struct imgp_store;

/* What is known of an object's content. */
struct imgp_object {
	int64_t	bytes;				/* -1: not known */
	char	sha256[IMGP_SHA256_HEX];	/* "": not known */
	/* What S3 called it when it was written, or "": who promises them
	 * saves the look at the source. */
	char	etag[128];
	char	version[128];
};
#define IMGP_OBJECT_UNKNOWN	{ -1, "", "", "" }

/*
 * Open the store below ${base}: only what lies below it can be reached, and in
 * a file store no symbolic link below it is followed.  A file store's directory
 * must be there.  NULL and ${e} on failure; close with imgp_store_close().  One
 * store may be used by many threads at once.
 */
#define IMGP_STORE_PRIVATE	1u	/* spool: owned by us, nobody else may
					 * read, made when not there, and not
					 * durable: no fsync */
struct imgp_store *imgp_store_open(const char *base, unsigned int flags,
	    struct imgp_err *e);
void	imgp_store_close(struct imgp_store *st);	/* NULL is fine */
/* The account that must own an S3 store's bucket (M18); NULL: any. */
void	imgp_store_set_owner(struct imgp_store *st, const char *account);

/*
 * ${st}, a temporary place in S3, is where this process may find out with an
 * object of its own, .imgp-probe-…, whether the service has create-only writes
 * (IMGP_COPY_CREATE); each of them costs one request less then.  The first such
 * place counts, until it is closed; others than S3 are passed over.
 */
void	imgp_store_probe_in(struct imgp_store *st);
/* Why it could not be found out; NULL: it could, or nobody asked. */
const char *imgp_store_probe_failed(void);

/* Told of a transfer's progress now and then, from the thread that runs it. */
struct imgp_progress {
	void	(*moved)(void *arg, int64_t bytes, int64_t total);
	void	*arg;
};

#define IMGP_COPY_CREATE	1u	/* never replace: other bytes there are
					 * IMGP-STORE-EXISTS, the same are fine */
#define IMGP_COPY_READBACK	2u	/* read all of it again and sum it */

struct imgp_copied {
	struct imgp_object object;	/* what now lies at the target */
	int	existed;		/* it lay there before (IMGP_COPY_CREATE) */
	int64_t	retries;		/* requests that had to be repeated */
	int64_t	resumed;		/* bytes that a killed attempt had sent */
	int	by_length;		/* nothing told what its sum should be */
};

/*
 * Copy the object ${from} of ${src} to ${to} of ${dst}.  ${expect} (NULL:
 * nothing is known) is what it must hold: other bytes are IMGP-STORE-INTEGRITY
 * and nothing is published.  Free space is checked before a byte is moved.
 * ${progress} may be NULL.  On failure there is no trace at ${to}.
 */
int	imgp_store_copy(struct imgp_store *src, const char *from,
	    struct imgp_store *dst, const char *to, unsigned int flags,
	    const struct imgp_object *expect,
	    const struct imgp_progress *progress, struct imgp_copied *copied,
	    struct imgp_err *e);

/*
 * Put ${len} bytes at ${url}, in place of what may lie there (logs).
 */
int	imgp_store_put(struct imgp_store *st, const char *url, const void *data,
	    size_t len, struct imgp_err *e);

/*
 * What lies at ${url}.  With ${sum} the SHA-256 is found out whatever it costs
 * (a file is read); without, it may stay unknown.
 */
int	imgp_store_head(struct imgp_store *st, const char *url, int sum,
	    struct imgp_object *object, struct imgp_err *e);

/* Remove ${url}.  0 also when nothing lay there. */
int	imgp_store_remove(struct imgp_store *st, const char *url,
	    struct imgp_err *e);

/*
 * Tell ${fn} of every object below ${prefix} (a place ending with '/' or the
 * base itself), in no particular order; a nonzero answer ends the listing with
 * success.  In a directory also of what is neither regular file nor directory,
 * with -1 bytes; one that cannot be read fails it once all others are told.
 */
typedef int imgp_store_found(void *arg, const char *url,
	    const struct imgp_object *object);
int	imgp_store_list(struct imgp_store *st, const char *prefix,
	    imgp_store_found *fn, void *arg, struct imgp_err *e);

#endif
