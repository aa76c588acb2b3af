/*
 * What the rooms of the S3 store share: store_s3.c (objects whole, create-only,
 * copies, listings), store_s3_parts.c (transfers in parts), store_s3_multi.c
 * (uploads in parts that lie open) and store_s3_get.c (downloads).
 */
#ifndef IMGPIPE_STORE_S3_PRIV_H
#define IMGPIPE_STORE_S3_PRIV_H

#include <sys/stat.h>

#include <pthread.h>
#include <stdint.h>

#include "libimgpipe/base/sha256.h"
#include "libimgpipe/net/s3xml.h"
#include "libimgpipe/store/s3.h"
#include "libimgpipe/store/store_priv.h"

/* --- store_s3.c --- */

/* A number of bytes that is set, as imgp_store_open() has checked. */
int64_t	imgp_store_s3_setting(const char *name);
/* HEAD; ${a} to be released. */
int	imgp_store_s3_head(struct imgp_s3 *s3, const char *key,
	    struct imgp_s3_answer *a, struct imgp_err *e);
/* The body of ${a}, which is to be of ${kind}; ${x} to be released. */
int	imgp_store_s3_xml(const struct imgp_s3_answer *a,
	    enum imgp_s3xml_kind kind, const char *key, struct imgp_s3xml *x,
	    struct imgp_err *e);
/* A hexadecimal SHA-256 in base64, as x-amz-checksum-sha256 wants it. */
void	imgp_store_s3_base64(const char *hex, char out[48]);
/* -1: the object changed between two requests, start over (R32). */
int	imgp_store_s3_changed(const char *key, struct imgp_err *e);

/* --- store_s3_get.c: imgp_store_kind's download --- */

int	imgp_store_s3_download(struct imgp_store *st, const char *key, int fd,
	    int (*room)(void *arg, int64_t bytes, struct imgp_err *e),
	    void *arg, struct imgp_move *m, struct imgp_object *got,
	    struct imgp_err *e);

/* --- store_s3_parts.c --- */

/* A transfer in parts; threads take one after the other. */
struct imgp_parts {
	struct imgp_s3	*s3;
	const char	*key;
	struct imgp_move *m;
	int64_t		 start, total, size;	/* the first part's start */
	int		 count;
	int		(*one)(struct imgp_parts *p, int i, int64_t offset,
			    int64_t len, int64_t *retries, struct imgp_err *e);

	int		 fd;		/* the file on our side */
	const char	*upload;	/* the upload's id, encoded */
	const char	*source, *match, *owner; /* copy: of the source */
	const struct imgp_header *meta;	/* copy: what the target has to have */
	size_t		 nmeta;
	char		(*etags)[128];	/* of the parts sent, or there */
	int		 anew;		/* do not go on with an open upload */
	int		 replace;	/* what lies there, even so */
	int		 resumed;	/* it went on with one */

	pthread_mutex_t	 lock;		/* of all below */
	pthread_cond_t	 moved;		/* a part is done, or one failed */
	int		 next;
	char		*done;		/* of each part */
	int64_t		 bytes;
	int		 failed;
	int		 lost;		/* the upload went away, or is another's */
	long		 status;	/* of the answer that failed a write */
	struct imgp_err	 why;
};

/* The size of a part of ${total} bytes: as set, or what keeps their number. */
int64_t	imgp_parts_size(int64_t total);
/*
 * Do all parts by ${p->one}, several at once; meanwhile ${in_order} (or NULL)
 * is called in this thread for each part in order once it is done.
 */
int	imgp_parts_do(struct imgp_parts *p,
	    int (*in_order)(struct imgp_parts *p, int64_t offset, int64_t len,
	    void *arg, struct imgp_err *e), void *arg, struct imgp_err *e);
/*
 * An object in parts, from begin (with ${h}) to complete, ${p->one} sending
 * each: imgp_parts_put() of a file, imgp_parts_copy() of another object.
 * ${before} (or NULL) is what the file must still be before completion; ${etag}
 * what the object's is, by the parts' or by the answer, or "".
 *
 * An upload of the same file that a killed process left open is gone on with
 * where each of its parts has the size and the MD5 of ours; one whose parts
 * have opaque ETags is not, and no copy is: nothing tells what its parts hold.
 * What else lies open at the key is aborted.
 */
int	imgp_parts_send(struct imgp_parts *p, const struct imgp_header *h,
	    size_t n, struct imgp_object *o, const struct stat *before,
	    char etag[128], struct imgp_err *e);
int	imgp_parts_put(struct imgp_parts *p, int i, int64_t offset, int64_t len,
	    int64_t *retries, struct imgp_err *e);
int	imgp_parts_copy(struct imgp_parts *p, int i, int64_t offset,
	    int64_t len, int64_t *retries, struct imgp_err *e);

/* The file is as ${before} says: what was summed is what was sent. */
int	imgp_parts_unchanged(int fd, const struct stat *before);
/* -1 and ${e}, after one of the next two, for the object ${key}. */
int	imgp_parts_unreadable(const char *key, struct imgp_err *e);
/* Hand ${len} bytes of the file from ${offset} to ${take}; -1 with errno, 0
 * where it became shorter. */
int	imgp_parts_read(int fd, int64_t offset, int64_t len,
	    void (*take)(void *arg, const char *p, size_t len), void *arg);
/* Add them to ${sum}. */
int	imgp_parts_sum(int fd, int64_t offset, int64_t len,
	    struct imgp_sha256 *sum);

/* --- store_s3_multi.c --- */

/* DELETE the upload: its parts cost money and are of no use. */
void	imgp_multi_abort(struct imgp_s3 *s3, const char *key,
	    const char *upload);
/*
 * Abort what attempts at the same key have left (R29): killed ones, and those
 * whose id was lost with its answer, which curl repeats by itself when it finds
 * a kept connection dead.
 */
void	imgp_multi_abort_all(struct imgp_s3 *s3, const char *key);
/*
 * The fullest upload open at ${p->key} that is cut as ${p} is and has our bytes
 * in its last part: its id, encoded, the caller's, and in ${p->etags} what it
 * holds; NULL: none.
 */
char	*imgp_multi_find(struct imgp_parts *p);
/* Nonzero when ${p->etags[i]} is the MD5 of part ${i}, ours. */
int	imgp_multi_holds(struct imgp_parts *p, int i, int64_t offset,
	    int64_t len);
/* The ETag of an object of ${p}'s parts, as S3 makes it of theirs; "": they
 * are opaque. */
void	imgp_multi_etag(const struct imgp_parts *p, char etag[128]);

#endif
