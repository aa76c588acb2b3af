/*
 * What the rooms of the S3 store share: store_s3.c (objects whole, create-only,
 * copies, listings), store_parts.c (transfers in parts, uploads in parts) and
 * store_get.c (downloads).
 */
#ifndef IMGPIPE_STORE_PARTS_H
#define IMGPIPE_STORE_PARTS_H

#include <sys/stat.h>

#include <pthread.h>
#include <stdint.h>

#include "libimgpipe/s3.h"
#include "libimgpipe/s3xml.h"
#include "libimgpipe/sha256.h"
#include "libimgpipe/store_priv.h"

/* --- store_s3.c --- */

/* A number that is set; ${min} where it is not, or is less. */
int64_t	imgp_store_s3_setting(const char *name, int64_t min);
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

/* --- store_get.c: imgp_store_kind's download --- */

int	imgp_store_s3_download(struct imgp_store *st, const char *key, int fd,
	    int (*room)(void *arg, int64_t bytes, struct imgp_err *e),
	    void *arg, struct imgp_move *m, struct imgp_object *got,
	    struct imgp_err *e);

/* --- store_parts.c --- */

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
	char		(*etags)[128];	/* of the parts sent */

	pthread_mutex_t	 lock;		/* of all below */
	pthread_cond_t	 moved;		/* a part is done, or one failed */
	int		 next;
	char		*done;		/* of each part */
	int64_t		 bytes;
	int		 failed;
	long		 status;	/* of the answer that failed a copy */
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
 * what the completion was answered with, or "".
 */
int	imgp_parts_send(struct imgp_parts *p, const struct imgp_header *h,
	    size_t n, struct imgp_object *o, const struct stat *before,
	    char etag[128], struct imgp_err *e);
int	imgp_parts_put(struct imgp_parts *p, int i, int64_t offset, int64_t len,
	    int64_t *retries, struct imgp_err *e);
int	imgp_parts_copy(struct imgp_parts *p, int i, int64_t offset,
	    int64_t len, int64_t *retries, struct imgp_err *e);

/* Add ${len} bytes of the file from ${offset} to ${sum}; -1 with errno. */
int	imgp_parts_sum(int fd, int64_t offset, int64_t len,
	    struct imgp_sha256 *sum);

#endif
