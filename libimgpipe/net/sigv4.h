/*
 * AWS Signature Version 4: the header and the query that prove who asks.
 *
 * It signs a request as it goes over the wire: send what was signed, byte for
 * byte.  S3 signs the path as it is sent; other services encode it once more and
 * normalise it.
 */
#ifndef IMGPIPE_SIGV4_H
#define IMGPIPE_SIGV4_H

#include <stddef.h>
#include <time.h>

#include "libimgpipe/base/buf.h"

#define IMGP_SIGV4_ENCODE	1u	/* encode the path again: not for S3 */
#define IMGP_SIGV4_NORMALIZE	2u	/* resolve ".", ".." and "//": not for S3 */
#define IMGP_SIGV4_TOKEN_LATE	4u	/* query: add the token unsigned */

#define IMGP_SHA256_EMPTY \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct imgp_header {
	const char	*name;
	const char	*value;
};

struct imgp_sigv4 {
	const char	*access_key, *secret_key;
	const char	*token;		/* session token; NULL: none */
	const char	*region, *service;
	time_t		 now;
	unsigned int	 flags;
	const char	*method;
	const char	*path;		/* as sent: begins with '/' */
	const char	*query;		/* as sent, without '?'; NULL: none */
	const struct imgp_header *headers; /* all that are to be signed */
	size_t		 nheaders;
	const char	*payload;	/* hex SHA-256, or UNSIGNED-PAYLOAD */
};

/*
 * Append to ${out} the value of the Authorization header.  Among the headers
 * must be host, x-amz-date with imgp_sigv4_date() and, with a token,
 * x-amz-security-token.
 */
void	imgp_sigv4_authorize(const struct imgp_sigv4 *r, struct imgp_buf *out);

/*
 * Append to ${out} the query, without '?', of a presigned URL that is good for
 * ${seconds}.  Among the headers must be host.
 */
void	imgp_sigv4_presign(const struct imgp_sigv4 *r, unsigned int seconds,
	    struct imgp_buf *out);

/* The value of x-amz-date: YYYYMMDDTHHMMSSZ. */
void	imgp_sigv4_date(time_t now, char date[17]);

/* Append ${s} as AWS encodes URIs: all but A-Z a-z 0-9 - . _ ~ and, with
 * ${slash}, '/', as %XX in upper case. */
void	imgp_sigv4_encode(struct imgp_buf *out, const char *s, int slash);

/* What is signed, for tests: the canonical request and the string to sign. */
void	imgp_sigv4_canonical(const struct imgp_sigv4 *r, struct imgp_buf *out);
void	imgp_sigv4_to_sign(const struct imgp_sigv4 *r, const char *canonical,
	    struct imgp_buf *out);

#endif
