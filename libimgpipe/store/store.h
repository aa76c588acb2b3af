/*
 * The wing store: objects in a directory or in an S3 bucket, behind one
 * contract.
 *
 * It knows places and bytes.  It must not know what an object means: no job
 * line, no pipeline, no archive and no image.  What a setting is called it
 * knows only where the setting is about S3 itself (s3_part_bytes and others).
 *
 * An object appears whole or not at all.  Every transfer sums the bytes that
 * pass (SHA-256) and is verified before it counts as done.  A killed process
 * may leave files named .imgp-…; they are never taken for objects, and the next
 * attempt at the same object removes them.
 *
 * Errors: IMGP-STORE-NOT-FOUND, -ARCHIVED, -UNAVAILABLE, -DENIED, -CREDENTIALS,
 * -UNSUPPORTED, -EXISTS, -FULL, -IO, -INTEGRITY, -METADATA, IMGP-PLACE-INVALID,
 * -OUTSIDE and -MISSING, IMGP-NAME-TOO-LONG, IMGP-CONFIG; messages name the place and the cause.
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
	int64_t	modified;			/* Unix seconds; told by
						 * imgp_store_list() alone, else 0 */
};
#define IMGP_OBJECT_UNKNOWN	{ -1, "", "", "", 0 }

/*
 * Open the store below ${base}: only what lies below it can be reached, and in
 * a file store no symbolic link below it is followed.  A file store's directory
 * must exist.  NULL and ${e} on failure; close with imgp_store_close().  Many
 * threads may use one store at once.
 */
#define IMGP_STORE_PRIVATE	1u	/* spool: owned by us, nobody else may
					 * read; made where it does not exist;
					 * not durable: no fsync */
#define IMGP_STORE_CLOSED	2u	/* files are made for their owner alone,
					 * with mode 0600 */
struct imgp_store *imgp_store_open(const char *base, unsigned int flags,
	    struct imgp_err *e);
void	imgp_store_close(struct imgp_store *st);	/* NULL is fine */
/* The account that must own an S3 store's bucket (M18); NULL: any. */
void	imgp_store_set_owner(struct imgp_store *st, const char *account);

/*
 * Let this process find out, by writing an object of its own (.imgp-probe-…)
 * into ${st}, a temporary place in S3, whether the service has create-only
 * writes (IMGP_COPY_CREATE); where it has, each such write needs one request
 * less.  The first store passed counts until it is closed; one that is not in
 * S3 is ignored.
 */
void	imgp_store_probe_in(struct imgp_store *st);
/*
 * Find it out now, at ${st}: nonzero in ${*obeyed} where a create-only write of an
 * object that is there is refused.  An object of its own is written and removed
 * again; a directory always obeys.  0, or -1 and ${e}.
 */
int	imgp_store_probe(struct imgp_store *st, int *obeyed, struct imgp_err *e);
/* Why the probe failed; NULL: it did not, or was not made. */
const char *imgp_store_probe_failed(void);

/* Called now and then during a transfer, from the thread that runs it. */
struct imgp_progress {
	void	(*moved)(void *arg, int64_t bytes, int64_t total);
	void	*arg;
};

#define IMGP_COPY_CREATE	1u	/* never replace: other bytes there are
					 * IMGP-STORE-EXISTS, the same are fine */
#define IMGP_COPY_READBACK	2u	/* read all of it again and sum it */
#define IMGP_COPY_LOOK_AGAIN	4u	/* with IMGP_COPY_CREATE, where the service
					 * is not known to create only: after a
					 * pause look whether another wrote there
					 * meanwhile, IMGP-STORE-EXISTS */

/* One object to be copied. */
struct imgp_copy {
	struct imgp_store *src;
	const char	*from;		/* URL, below the base of ${src} */
	struct imgp_store *dst;
	const char	*to;		/* URL, below the base of ${dst} */
	unsigned int	 flags;		/* IMGP_COPY_… */
	/* What the source must hold: other bytes are IMGP-STORE-INTEGRITY, and
	 * nothing is published.  NULL: nothing is known. */
	const struct imgp_object *expect;
	const struct imgp_progress *progress;	/* NULL: nobody asks */
	/* Where ${dst} is a directory: called once the size is known, before a
	 * byte is written; -1 and ${e} ends the copy.  NULL: nobody asks. */
	int		(*room)(void *arg, int64_t bytes, struct imgp_err *e);
	void		*room_arg;
};

#define IMGP_COPIED_WARNINGS	4

struct imgp_copied {
	struct imgp_object object;	/* what now lies at the target */
	/* What S3 called the source of a download, or "". */
	char	source_etag[128];
	char	source_version[128];
	int	existed;		/* it lay there before (IMGP_COPY_CREATE) */
	int64_t	retries;		/* requests that had to be repeated */
	int64_t	resumed;		/* bytes that a killed attempt had sent */
	int	by_length;		/* only its length was compared: no sum
					 * was known */
	/* The copy is made, but somebody should know (IMGP-STORE-METADATA). */
	struct imgp_err warnings[IMGP_COPIED_WARNINGS];
	int	nwarnings;
};

/*
 * Copy one object.  Free space is checked before a byte is moved.  0 and
 * ${copied}; -1 and ${e}, then nothing is left at the target, and of ${copied}
 * only ${retries} counts.
 */
int	imgp_store_copy(const struct imgp_copy *copy,
	    struct imgp_copied *copied, struct imgp_err *e);

/* Put ${len} bytes at ${url}, replacing what lies there (logs). */
int	imgp_store_put(struct imgp_store *st, const char *url, const void *data,
	    size_t len, struct imgp_err *e);

/*
 * Look at the object ${url}.  With ${sum} its SHA-256 is found out whatever it
 * costs (all of it is read); without, it may stay unknown.
 */
int	imgp_store_head(struct imgp_store *st, const char *url, int sum,
	    struct imgp_object *object, struct imgp_err *e);

/*
 * Ask the store itself, not for an object: whether this login may read beside
 * ${url} (a name that is not there is looked for) or, with ${write}, may write
 * there (a temporary file; in S3 a byte with a wrong sum, which is refused).  No
 * object stays.  0, or -1 and ${e}.
 */
int	imgp_store_ask(struct imgp_store *st, const char *url, int write,
	    struct imgp_err *e);

/* Remove ${url}.  0 also when nothing lay there. */
int	imgp_store_remove(struct imgp_store *st, const char *url,
	    struct imgp_err *e);

/*
 * Call ${fn} for every object below ${prefix} (a place ending with '/' or the
 * base itself), in no particular order, with its size and time and in S3 its ETag; a nonzero
 * answer ends the listing with success.  In a directory ${fn} also gets what is neither regular file nor
 * directory, with -1 bytes; a directory that cannot be read fails the listing
 * once everything else has been listed.
 */
typedef int imgp_store_found(void *arg, const char *url,
	    const struct imgp_object *object);
int	imgp_store_list(struct imgp_store *st, const char *prefix,
	    imgp_store_found *fn, void *arg, struct imgp_err *e);

/* What a write left that did not come to its end. */
struct imgp_unfinished {
	const char	*url;		/* S3: of the object that was to be; in a
					 * directory: of the temporary file */
	const char	*id;		/* S3: the UploadId; in a directory "" */
	int64_t		 since;		/* Unix seconds: begun; in a directory:
					 * written to last; 0: not known */
	int64_t		 bytes;		/* -1: not known */
};
/*
 * Call ${fn} for each open multipart upload below ${prefix}, be somebody at work on it
 * or not; in a directory, for each temporary file of ours that no living process has
 * locked.  As imgp_store_list() else.
 */
typedef int imgp_store_left(void *arg, const struct imgp_unfinished *u);
int	imgp_store_list_unfinished(struct imgp_store *st, const char *prefix,
	    imgp_store_left *fn, void *arg, struct imgp_err *e);
/*
 * Give up what imgp_store_list_unfinished() found.  1: done, or it is gone; 0: a
 * process on some machine has the temporary file open and locked, and keeps it; -1 and
 * ${e}.
 */
int	imgp_store_abandon(struct imgp_store *st, const char *url,
	    const char *id, struct imgp_err *e);

#endif
