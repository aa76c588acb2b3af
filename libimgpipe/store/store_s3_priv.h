/*
 * What the files of the S3 store share: store_s3.c (open, head, remove, list),
 * store_s3_check.c (what lies at a key), store_s3_put.c (uploads),
 * store_s3_copy.c (copies), store_s3_meta.c (what a copy has of its source beside
 * the bytes), store_s3_get.c (downloads), store_s3_parts.c (transfers in parts),
 * store_s3_sums.c (the checksums that a service keeps), store_s3_multi.c (multipart
 * uploads left open) and store_s3_relay.c (copies at a service that cannot copy).
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

/* The setting ${name}, a number of bytes; imgp_store_open() has checked it. */
int64_t	imgp_store_s3_setting(const char *name);
/* HEAD; release ${a} in either case. */
int	imgp_store_s3_head(struct imgp_s3 *s3, const char *key,
	    struct imgp_s3_answer *a, struct imgp_err *e);
/* Parse the body of ${a}, which must be of ${kind}.  Release ${x} after 0. */
int	imgp_store_s3_xml(const struct imgp_s3_answer *a,
	    enum imgp_s3xml_kind kind, const char *key, struct imgp_s3xml *x,
	    struct imgp_err *e);
/* A hexadecimal SHA-256 in base64, as x-amz-checksum-sha256 has it. */
void	imgp_store_s3_base64(const char *hex, char out[48]);
/* Fill ${e}: the object changed between two requests (R32).  Returns -1. */
int	imgp_store_s3_changed(const char *key, struct imgp_err *e);
/* Set ETag and version of ${o} from the answer ${a} about it. */
void	imgp_store_s3_name(struct imgp_object *o,
	    const struct imgp_s3_answer *a);

/* --- store_s3_check.c --- */

/* An object that shall be, or is, at a key. */
struct imgp_s3_target {
	struct imgp_s3	*s3;
	const char	*key;
	const struct imgp_object *want;	/* sha256 "": not known */
	const char	*etag;		/* of an object with these bytes; NULL:
					 * none is known */
	struct imgp_store *src;		/* a copy's source, and its key; NULL: */
	const char	*from;		/* it is no copy */
	struct imgp_move *m;
};

/*
 * Is the object ${t->want} at the key already?  1: yes, and ${t->m->copied} is filled in;
 * 0: there is no object; -1 with ${e}, IMGP-STORE-EXISTS when it has other bytes.
 */
int	imgp_store_s3_compare(const struct imgp_s3_target *t,
	    struct imgp_err *e);
/*
 * Verify what was just written by its size, our metadata and ${t->etag}.  If these prove
 * nothing, or with IMGP_COPY_READBACK, all of it is read; and so is the source of a copy
 * whose SHA-256 is not known.
 */
int	imgp_store_s3_verify(const struct imgp_s3_target *t,
	    struct imgp_err *e);
/*
 * Do IMGP_COPY_LOOK_AGAIN after a write that began at ${began} (imgp_clock_ms()) by
 * looking at the key.  Another writer that looked before we wrote may still be writing;
 * so wait a multiple of the time that our write took, and look again.  Returns 0, or -1
 * with ${e} when the object has another's bytes by then.
 */
int	imgp_store_s3_look_again(const struct imgp_s3_target *t, int64_t began,
	    struct imgp_err *e);
/*
 * After imgp_store_s3_verify() failed with ${e}: remove the object if its bytes
 * are wrong and it is ours.  Where preconditions are ignored, somebody else may
 * have written over it, and theirs may be right.
 */
void	imgp_store_s3_drop_if_wrong(const struct imgp_s3_target *t,
	    const struct imgp_err *e);
/* Remove the object if its metadata say that it is ours. */
void	imgp_store_s3_drop(const struct imgp_s3_target *t);
/* GET all of it, and note size and sum in ${o}. */
int	imgp_store_s3_sum(struct imgp_s3 *s3, const char *key,
	    struct imgp_object *o, int64_t *retries, struct imgp_err *e);

/* --- store_s3_meta.c --- */

#define IMGP_S3_ENCRYPTION	"x-amz-server-side-encryption"

/* The source of a copy, as HEAD showed it. */
struct imgp_s3_source {
	struct imgp_s3	*s3;
	const char	*key;
	const struct imgp_s3_answer *a;
	int		 staged;	/* we wrote it ourselves, so its storage
					 * attributes mean nothing */
	struct imgp_copied *copied;	/* gets the warnings */
};

/* What a copy is to have of its source.  Text points into the source's answer. */
struct imgp_s3_meta {
	struct imgp_header h[IMGP_S3_META_MAX]; /* what it is, its tags too */
	size_t		 n;
	struct imgp_buf	 tags;		/* the value of x-amz-tagging, or empty */
	struct imgp_buf	 tag_set;	/* the same as XML */
	size_t		 ntags;
	/* The source's storage attributes, which a copy gets only if asked for. */
	struct imgp_header class;	/* storage class; name NULL: default */
	struct imgp_header sse[3];	/* its encryption */
	size_t		 nsse;		/* 0: none */
};
#define IMGP_S3_META_INIT	{ .tags = IMGP_BUF_INIT, .tag_set = IMGP_BUF_INIT }

/*
 * Fill in ${meta}, which is IMGP_S3_META_INIT and is to be released in either case.
 * ${sha256} (or "") replaces the source's x-amz-meta-sha256.  Returns 0; or -1 with
 * IMGP-STORE-METADATA when something cannot be carried over, or with the error of
 * reading the tags.
 */
int	imgp_store_s3_meta(const struct imgp_s3_source *from,
	    const char *sha256, int in_parts, struct imgp_s3_meta *meta,
	    struct imgp_err *e);

void	imgp_store_s3_meta_release(struct imgp_s3_meta *meta);
/* Make sure that the copy at ${key} has the tags of ${meta}.  rgw accepts and drops the
 * tags in requests that make an object in parts or with other metadata. */
void	imgp_store_s3_tag(struct imgp_s3 *s3, const char *key,
	    const struct imgp_s3_meta *meta, struct imgp_copied *copied);
/* Add the headers for a copy's storage class and, with ${encrypt}, its encryption to
 * ${h}.  Returns how many (at most 4). */
size_t	imgp_store_s3_kept(const struct imgp_s3_meta *meta, int encrypt,
	    struct imgp_header *h);
/* Fill ${e}: the source is encrypted, and a copy at ${key} would not be.  Returns -1. */
int	imgp_store_s3_unencrypted(struct imgp_s3 *s3, const char *key,
	    const struct imgp_s3_meta *meta, struct imgp_err *e);

/* --- imgp_store_kind's upload and put, copy, download --- */

int	imgp_store_s3_upload(struct imgp_store *st, const char *key, int fd,
	    struct imgp_move *m, struct imgp_err *e);
int	imgp_store_s3_put(struct imgp_store *st, const char *key,
	    const void *data, size_t len, struct imgp_err *e);
/* Test writing at ${key}; leave nothing there. */
int	imgp_store_s3_ask(struct imgp_store *st, const char *key,
	    struct imgp_err *e);
int	imgp_store_s3_copy(struct imgp_store *src, const char *from,
	    struct imgp_store *dst, const char *to, struct imgp_move *m,
	    struct imgp_err *e);
int	imgp_store_s3_download(struct imgp_store *st, const char *key,
	    const struct imgp_download *d, struct imgp_move *m,
	    struct imgp_err *e);

/* --- store_s3_multi.c: imgp_store_kind's --- */

int	imgp_store_s3_list_unfinished(struct imgp_store *st,
	    const char *prefix, imgp_store_left *fn, void *arg,
	    struct imgp_err *e);
int	imgp_store_s3_abandon(struct imgp_store *st, const char *key,
	    const char *id, struct imgp_err *e);

/* --- store_s3_parts.c --- */

/* A transfer in parts; several threads work on it. */
struct imgp_parts {
	struct imgp_s3	*s3;
	const char	*key;
	struct imgp_move *m;
	int64_t		 start, total, size;	/* the first part's start */
	int		 count;
	int		(*one)(struct imgp_parts *p, int i, int64_t offset,
			    int64_t len, int64_t *retries, struct imgp_err *e);

	int		 fd;		/* the file on our side */
	const char	*upload;	/* UploadId, percent-encoded */
	/* A copy's source: the value of x-amz-copy-source, its ETag or NULL, its
	 * bucket's owner or NULL, its URL for messages; its bucket and key. */
	const char	*source, *match, *owner, *url;
	struct imgp_s3	*from_s3;
	const char	*from;
	const struct imgp_s3_meta *meta; /* metadata of the object to be made */
	int		 encrypt;	/* ask for encryption, since the bucket does
					 * not encrypt by default */
	int		 encrypted;	/* the last answer said that it is encrypted */
	int		 lacks;		/* the service has no CopyObject */
	char		(*etags)[128];	/* of the parts that are there, or "" */
	int		 anew;		/* resume no open upload */
	int		 replace;	/* replace what lies there */
	int64_t		 looked;	/* when we last looked at the key before it
					 * was written (imgp_clock_ms()) */
	int		 resumed;	/* an open upload was resumed */

	pthread_mutex_t	 lock;		/* of all below */
	pthread_cond_t	 moved;		/* a part is done, or one failed */
	int		 next;
	char		*done;		/* of each part */
	int64_t		 bytes;
	int		 failed;
	int		 lost;		/* the upload is gone, or another writer's */
	long		 status;	/* of the answer that failed a write */
	struct imgp_err	 why;
};

/* The size of the parts of an object of ${total} bytes: as set, or larger if there would
 * be too many parts. */
int64_t	imgp_parts_size(int64_t total);
/*
 * Transfer all parts by ${p->one}, several at once.  Meanwhile ${in_order} (or NULL) is
 * called in this thread for each finished part, in order.
 */
int	imgp_parts_do(struct imgp_parts *p,
	    int (*in_order)(struct imgp_parts *p, int64_t offset, int64_t len,
	    void *arg, struct imgp_err *e), void *arg, struct imgp_err *e);
/*
 * Send ${o} in parts with the headers ${p->meta}, from CreateMultipartUpload to
 * CompleteMultipartUpload, ${p->one} sending each part: imgp_parts_put() of a
 * file, imgp_parts_copy() of another object.  ${before} (or NULL) is what fstat(2)
 * said of the file, which must be unchanged before completion.  ${etag} gets the object's
 * ETag, computed from the parts' or taken from the answer, or "".
 *
 * A multipart upload of the same file that a killed process left open is
 * resumed if each of its parts has the size and the MD5 of ours.  One whose parts have
 * opaque ETags is not resumed, nor is a copy, since nothing tells what their parts hold.
 * Every other multipart upload open at the key is aborted.
 */
int	imgp_parts_send(struct imgp_parts *p, const struct imgp_object *o,
	    const struct stat *before, char etag[128], struct imgp_err *e);
int	imgp_parts_put(struct imgp_parts *p, int i, int64_t offset, int64_t len,
	    int64_t *retries, struct imgp_err *e);
int	imgp_parts_copy(struct imgp_parts *p, int i, int64_t offset,
	    int64_t len, int64_t *retries, struct imgp_err *e);

/* GET the part ${i} of ${p->key} into ${p->fd}, at the offset that it has in the
 * object; ${p->match} as above. */
int	imgp_parts_get(struct imgp_parts *p, int i, int64_t offset, int64_t len,
	    int64_t *retries, struct imgp_err *e);

/* Nonzero when the file is still as ${before} says, so that what was hashed was sent. */
int	imgp_parts_unchanged(int fd, const struct stat *before);
/* Fill ${e} after imgp_parts_read() or imgp_parts_sum() failed.  Returns -1. */
int	imgp_parts_unreadable(const char *key, struct imgp_err *e);
/* Pass ${len} bytes of the file at ${offset} to ${take}.  Returns 0, or -1 with errno,
 * which is 0 when the file has become shorter. */
int	imgp_parts_read(int fd, int64_t offset, int64_t len,
	    void (*take)(void *arg, const char *p, size_t len), void *arg);
/* The same, added to ${sum}. */
int	imgp_parts_sum(int fd, int64_t offset, int64_t len,
	    struct imgp_sha256 *sum);

/* --- store_s3_sums.c --- */

/*
 * Nonzero when the service's own checksum of the object ${key} with ${etag} is that of
 * the ${len} bytes of ${fd}: the ETag, if it is an MD5 of the whole or of parts of known
 * size, or one of x-amz-checksum-*.  ${by} gets the header's name.
 */
int	imgp_store_s3_bears_out(struct imgp_s3 *s3, const char *key,
	    const char *etag, int fd, int64_t len, char by[64]);

/* --- store_s3_relay.c --- */

/* Nonzero when the answer ${a} to a failed copy, of a ${whole} object or of a part, says
 * that the service cannot make such copies; that is remembered. */
int	imgp_relay_is_for(const struct imgp_s3_answer *a, int whole);
/* Nonzero when the service has said so before. */
int	imgp_relay_wanted(int whole);
/* Copy a part by GET and PUT, with one part in memory. */
int	imgp_parts_relay(struct imgp_parts *p, int i, int64_t offset,
	    int64_t len, int64_t *retries, struct imgp_err *e);
/* Copy the whole object ${o} so, create-only if ${create} and if the service supports
 * it.  The answer's status goes to ${p->status}. */
int	imgp_relay_whole(struct imgp_parts *p, const struct imgp_object *o,
	    int create, struct imgp_err *e);

/* --- store_s3_multi.c --- */

/* AbortMultipartUpload: parts left open cost money. */
void	imgp_multi_abort(struct imgp_s3 *s3, const char *key,
	    const char *upload);
/*
 * Abort every multipart upload open at the key (R29): those of killed processes, and
 * those whose UploadId was lost, because libcurl repeats a request itself when a kept
 * connection turns out dead.
 */
void	imgp_multi_abort_all(struct imgp_s3 *s3, const char *key);
/*
 * Find the multipart upload open at ${p->key} with the most parts, cut as those of ${p},
 * whose last part has our bytes.  Returns its UploadId, percent-encoded, which the caller
 * frees, and sets ${p->etags}; NULL when there is none.
 */
char	*imgp_multi_find(struct imgp_parts *p);
/* Nonzero when ${p->etags[i]} is the MD5 of our part ${i}. */
int	imgp_multi_holds(struct imgp_parts *p, int i, int64_t offset,
	    int64_t len);
/* Compute the ETag that S3 gives an object made of the parts of ${p}; "" when their ETags
 * are opaque. */
void	imgp_multi_etag(const struct imgp_parts *p, char etag[128]);

#endif
