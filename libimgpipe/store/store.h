/*
 * The wing store: objects in a directory or in an S3 bucket, behind one
 * contract.
 *
 * It knows places and bytes.  It must not know what an object means: no job line, no
 * pipeline, no archive and no image.  It reads only settings about S3 itself
 * (s3_part_bytes and others).
 *
 * An object appears whole or not at all.  Every transfer computes the SHA-256 of its
 * bytes and is verified before it counts as done.  A killed process may leave files
 * named .imgp-…; they never count as objects, and the next attempt at the same object
 * removes them.
 *
 * Errors: IMGP-STORE-NOT-FOUND, -ARCHIVED, -UNAVAILABLE, -DENIED, -CREDENTIALS,
 * -UNSUPPORTED, -EXISTS, -FULL, -IO, -INTEGRITY, -METADATA, IMGP-PLACE-INVALID,
 * -OUTSIDE and -MISSING, IMGP-NAME-TOO-LONG, IMGP-CONFIG.  Messages name the place and
 * the cause.
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
	/* What S3 called the object when it was written, or "".  Passing them
	 * to a copy spares the HEAD of the source. */
	char	etag[128];
	char	version[128];
	int64_t	modified;			/* Unix seconds; set by
						 * imgp_store_list() only, else 0 */
};
#define IMGP_OBJECT_UNKNOWN	{ -1, "", "", "", 0 }

/*
 * Open the store at the place ${base}.  Only objects below it can be reached, and in a
 * directory no symbolic link below it is followed.  The directory must exist.  NULL with
 * ${e} on failure; close it with imgp_store_close().  Many threads may use one store at
 * once.
 */
#define IMGP_STORE_PRIVATE	1u	/* for a spool: a directory that is ours
					 * and that nobody else may read; made if
					 * it is missing; no fsync(2) */
#define IMGP_STORE_CLOSED	2u	/* new files have mode 0600 */
struct imgp_store *imgp_store_open(const char *base, unsigned int flags,
	    struct imgp_err *e);
void	imgp_store_close(struct imgp_store *st);	/* NULL is fine */
/* The account that must own an S3 store's bucket (M18); NULL: any. */
void	imgp_store_set_owner(struct imgp_store *st, const char *account);

/*
 * Allow this process to find out whether the S3 service obeys create-only writes
 * (IMGP_COPY_CREATE), by writing an object of its own (.imgp-probe-…) into ${st}, a
 * temporary place.  If it does, each such write needs one request less.  The first store
 * passed is used until it is closed; a directory is ignored.
 */
void	imgp_store_probe_in(struct imgp_store *st);
/*
 * Find it out now, at ${st}: sets ${*obeyed} nonzero if a create-only write to an
 * existing object is refused.  An object of its own is written and removed again.  A
 * directory always obeys.  Returns 0, or -1 with ${e}.
 */
int	imgp_store_probe(struct imgp_store *st, int *obeyed, struct imgp_err *e);
/* Why the probe failed; NULL when it did not, or was not made yet. */
const char *imgp_store_probe_failed(void);

/* A callback called now and then during a transfer, in the thread that runs it. */
struct imgp_progress {
	void	(*moved)(void *arg, int64_t bytes, int64_t total);
	void	*arg;
};

#define IMGP_COPY_CREATE	1u	/* never replace: if the target has other bytes,
					 * IMGP-STORE-EXISTS; if the same, success */
#define IMGP_COPY_READBACK	2u	/* read the target back and hash it */
#define IMGP_COPY_LOOK_AGAIN	4u	/* with IMGP_COPY_CREATE, if the service is
					 * not known to obey create-only writes:
					 * after a pause, check that nobody else
					 * wrote there (IMGP-STORE-EXISTS) */

/* One object to be copied. */
struct imgp_copy {
	struct imgp_store *src;
	const char	*from;		/* URL, below the base of ${src} */
	struct imgp_store *dst;
	const char	*to;		/* URL, below the base of ${dst} */
	unsigned int	 flags;		/* IMGP_COPY_… */
	/* What the source must hold; for other bytes the copy fails with
	 * IMGP-STORE-INTEGRITY and makes no object.  NULL: not known. */
	const struct imgp_object *expect;
	const struct imgp_progress *progress;	/* or NULL */
	/* Called if ${dst} is a directory, once the size is known and before a byte
	 * is written; -1 with ${e} fails the copy.  May be NULL. */
	int		(*room)(void *arg, int64_t bytes, struct imgp_err *e);
	void		*room_arg;
};

#define IMGP_COPIED_WARNINGS	4

struct imgp_copied {
	struct imgp_object object;	/* the object at the target */
	/* ETag and version id of a download's source in S3, or "". */
	char	source_etag[128];
	char	source_version[128];
	int	existed;		/* it existed before (IMGP_COPY_CREATE) */
	int64_t	retries;		/* requests that were repeated */
	int64_t	resumed;		/* bytes that a killed attempt had sent before */
	int	by_length;		/* only the length was compared, since no
					 * checksum was known */
	/* The copy is made, but somebody should know (IMGP-STORE-METADATA). */
	struct imgp_err warnings[IMGP_COPIED_WARNINGS];
	int	nwarnings;
};

/*
 * Copy one object.  Free space is checked before a byte is moved.  Returns 0 and
 * ${copied}; or -1 with ${e}: then nothing is left at the target, and only ${retries} of
 * ${copied} is set.
 */
int	imgp_store_copy(const struct imgp_copy *copy,
	    struct imgp_copied *copied, struct imgp_err *e);

/* Write ${len} bytes to the object ${url}, replacing it if it exists (for logs). */
int	imgp_store_put(struct imgp_store *st, const char *url, const void *data,
	    size_t len, struct imgp_err *e);

/*
 * Get what is known of the object ${url}.  With ${sum} its SHA-256 is computed by reading
 * all of it if nothing else tells it; without, it may stay unknown.
 */
int	imgp_store_head(struct imgp_store *st, const char *url, int sum,
	    struct imgp_object *object, struct imgp_err *e);

/*
 * Test whether these credentials may read beside ${url} (by looking for a name that does
 * not exist) or, with ${write}, may write there (by a temporary file; in S3 by a byte
 * with a wrong checksum, which is refused).  No object stays.  Returns 0, or -1 with
 * ${e}.
 */
int	imgp_store_ask(struct imgp_store *st, const char *url, int write,
	    struct imgp_err *e);

/* Remove ${url}.  Returns 0, also when it does not exist; or -1 with ${e}. */
int	imgp_store_remove(struct imgp_store *st, const char *url,
	    struct imgp_err *e);

/*
 * Call ${fn} for every object below ${prefix} (a place ending with '/', or the base
 * itself), in no particular order, with its size and time and, in S3, its ETag.  A
 * nonzero result of ${fn} ends the listing with success.  In a directory ${fn} also gets
 * whatever is neither a regular file nor a directory, with -1 bytes; a directory that
 * cannot be read fails the listing after everything else was listed.
 */
typedef int imgp_store_found(void *arg, const char *url,
	    const struct imgp_object *object);
int	imgp_store_list(struct imgp_store *st, const char *prefix,
	    imgp_store_found *fn, void *arg, struct imgp_err *e);

/* What an interrupted write left. */
struct imgp_unfinished {
	const char	*url;		/* in S3 of the object to be made, in a
					 * directory of the temporary file */
	const char	*id;		/* in S3 the UploadId, in a directory "" */
	int64_t		 since;		/* Unix seconds: in S3 when it began, in a
					 * directory its last write; 0: not known */
	int64_t		 bytes;		/* -1: not known */
};
/*
 * Call ${fn} for each open multipart upload below ${prefix}, whether somebody still works
 * on it or not; in a directory, for each of imgpipe's temporary files that no living
 * process has locked.  Otherwise as imgp_store_list().
 */
typedef int imgp_store_left(void *arg, const struct imgp_unfinished *u);
int	imgp_store_list_unfinished(struct imgp_store *st, const char *prefix,
	    imgp_store_left *fn, void *arg, struct imgp_err *e);
/*
 * Abort or remove what imgp_store_list_unfinished() found.  Returns 1 when it is gone; 0
 * when a process on some machine holds a lock on the temporary file, which then stays;
 * -1 with ${e}.
 */
int	imgp_store_abandon(struct imgp_store *st, const char *url,
	    const char *id, struct imgp_err *e);

#endif
