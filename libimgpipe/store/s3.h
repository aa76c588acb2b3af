/*
 * One bucket of an S3 service: requests are signed, sent, and repeated where that is
 * right.
 *
 * Nothing else in imgpipe repeats an S3 request.  Transport faults, 5xx and throttling
 * are repeated with full jitter, within a quota, eight tries and the setting s3_patience;
 * an expired token, a wrong region and a skewed clock once each.  Redirects are never
 * followed.  Every request carries x-amz-expected-bucket-owner if an owner is set.
 */
#ifndef IMGPIPE_S3_H
#define IMGPIPE_S3_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/base/sha256.h"
#include "libimgpipe/net/s3xml.h"
#include "libimgpipe/net/sigv4.h"

struct imgp_s3;

/* A handle for ${bucket} at the service that AWS's environment names (net/cred.h).  NULL
 * with ${e} on failure.  Many threads may use it at once. */
struct imgp_s3 *imgp_s3_new(const char *bucket, struct imgp_err *e);
void	imgp_s3_free(struct imgp_s3 *s3);	/* NULL is fine */
const char *imgp_s3_bucket(const struct imgp_s3 *s3);
/* The account that must own the bucket; NULL: any. */
void	imgp_s3_set_owner(struct imgp_s3 *s3, const char *account);
const char *imgp_s3_owner(const struct imgp_s3 *s3);
/* The seconds by which the service's clock is ahead of ours, if requests are signed by
 * its clock; 0 if they are signed by ours. */
long	imgp_s3_skew(void);
/* "libcurl 7.88.1, OpenSSL/3.0.19" */
const char *imgp_s3_version(void);

#define IMGP_S3_META_MAX	48	/* at most, headers of metadata in a request */

/* The server's answer. */
struct imgp_s3_answer {
	long	status;			/* HTTP; 0: none */
	char	code[64];		/* <Code> of an error, or "" */
	int64_t	length;			/* Content-Length; -1: none */
	int64_t	total;			/* Content-Range's, else length */
	int64_t	first;			/* Content-Range's first byte, else 0 */
	char	etag[128];		/* as it was sent, or "" */
	char	sha256[IMGP_SHA256_HEX]; /* x-amz-meta-sha256, or "" */
	char	version[128];		/* x-amz-version-id, or "" */
	int64_t	date;			/* the server's Date, Unix seconds; -1: none */
	/* Headers with the object's metadata and storage attributes, as sent except
	 * that aws-chunked is dropped from Content-Encoding: ${nmeta} names and
	 * values in turn, each with a NUL. */
	struct imgp_buf meta;
	size_t	nmeta;
	struct imgp_buf body;		/* empty if a sink took it */
	int64_t	retries;		/* how often the request was repeated */
};
/* Make an empty answer, and free one. */
void	imgp_s3_answer_init(struct imgp_s3_answer *a);
void	imgp_s3_answer_release(struct imgp_s3_answer *a);
/* The value of the header ${name} of ${a->meta}; NULL: it has none.  Valid as long
 * as ${a} is. */
const char *imgp_s3_answer_meta(const struct imgp_s3_answer *a,
	    const char *name);

#define IMGP_S3_AGAIN		(-2)	/* returned by begin(): repeat the request */
#define IMGP_S3_MAY_BE_ERROR	1u	/* a 200 is good only if its body is a
					 * result and not <Error> (R24) */
#define IMGP_S3_LAST		2u	/* send even when a signal asks to stop */
#define IMGP_S3_WRONG_SUM	4u	/* the body's checksum is wrong on purpose;
					 * its refusal is not an error */

struct imgp_s3_request {
	const char	*method;
	const char	*key;		/* NULL: the bucket itself */
	const char	*query;		/* as it is signed; NULL: none */
	const struct imgp_header *headers; /* beside the usual; signed */
	size_t		 nheaders;
	unsigned int	 flags;
	/* A copy's source, as messages name it when it is missing or archived.
	 * NULL: the request is no copy. */
	const char	*source;
	/* The body: its SHA-256 in hex (NULL: no body), and ${len} bytes at ${data},
	 * or if that is NULL of the file ${fd} at ${offset}. */
	const char	*payload;
	const char	*data;
	int		 fd;
	int64_t		 offset, len;
	/*
	 * Callbacks; each may be NULL.  ${sink} takes a 2xx answer's body, which
	 * otherwise goes to answer->body (at most IMGP_S3XML_MAX); it returns 0,
	 * or -1 with errno, which ends the request, or repeats it for EPROTO.
	 * ${begin} is called with the headers before that; -1 with ${e} ends the
	 * request for good, IMGP_S3_AGAIN with ${e} repeats it.  ${again} is
	 * called before a repetition and may change the headers' text in place.
	 */
	int		(*begin)(void *arg, const struct imgp_s3_answer *a,
			    struct imgp_err *e);
	int		(*sink)(void *arg, const char *p, size_t len);
	void		(*again)(void *arg);
	/* Called with the bytes of the body sent so far. */
	void		(*sent)(void *arg, int64_t bytes);
	void		*arg;
};

/*
 * Send ${r}, and repeat it as above.  Returns 0 with a 2xx answer in ${a}; else -1 with
 * ${e} (IMGP-STORE-…) and the server's last answer in ${a}.  ${a} is initialised here and
 * must be released in either case.
 */
int	imgp_s3_do(struct imgp_s3 *s3, const struct imgp_s3_request *r,
	    struct imgp_s3_answer *a, struct imgp_err *e);

#endif
