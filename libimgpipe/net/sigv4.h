/*
 * AWS Signature Version 4: the Authorization header, and the query of presigned URLs.
 *
 * It signs a request as it is sent: send exactly these bytes.  For S3 the path is signed
 * as it is; other services normalize it and encode it once more.
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
	const struct imgp_header *headers; /* all headers to be signed */
	size_t		 nheaders;
	const char	*payload;	/* hex SHA-256, or UNSIGNED-PAYLOAD */
};

/*
 * Append the value of the Authorization header to ${out}.  The headers must include
 * host, x-amz-date by imgp_sigv4_date() and, with a token, x-amz-security-token.
 */
void	imgp_sigv4_authorize(const struct imgp_sigv4 *r, struct imgp_buf *out);

/*
 * Append to ${out} the query, without '?', of a presigned URL that is valid for
 * ${seconds}.  The headers must include host.
 */
void	imgp_sigv4_presign(const struct imgp_sigv4 *r, unsigned int seconds,
	    struct imgp_buf *out);

/* The value of x-amz-date: YYYYMMDDTHHMMSSZ. */
void	imgp_sigv4_date(time_t now, char date[17]);

/* Append ${s} with AWS's URI encoding: every byte becomes %XX, in upper case, except
 * A-Z a-z 0-9 - . _ ~ and, with ${slash}, '/'. */
void	imgp_sigv4_encode(struct imgp_buf *out, const char *s, int slash);

/* What is signed, for tests: the canonical request and the string to sign. */
void	imgp_sigv4_canonical(const struct imgp_sigv4 *r, struct imgp_buf *out);
void	imgp_sigv4_to_sign(const struct imgp_sigv4 *r, const char *canonical,
	    struct imgp_buf *out);

#endif
