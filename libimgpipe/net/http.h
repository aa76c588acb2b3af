/*
 * The wing net: HTTP requests, AWS credentials and signatures, S3's XML.  It must
 * not know what lies in a bucket, or what an answer means to the caller.
 *
 * This file: one HTTP request at a time and its whole answer, by libcurl, for
 * credentials and small interfaces, not for images (wire.h).
 *
 * It follows no redirect, keeps no cookies, reads no netrc, and does no HTTP
 * authentication or content decoding.  It uses a proxy only with IMGP_HTTP_PROXY, and
 * http (rather than https) only to this machine or with IMGP_HTTP_PLAIN.  TLS is 1.2 or
 * newer, and the peer's certificate and name are verified.  A handle keeps its
 * connection for the next request to the same server, and is for one thread at a time.
 * Messages give the URL without user and query, and never a proxy's.
 */
#ifndef IMGPIPE_HTTP_H
#define IMGPIPE_HTTP_H

#include <stddef.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"

struct imgp_http;		/* opaque: a connection, maybe open */

#define IMGP_HTTP_PLAIN		1u	/* http is allowed to any address */
#define IMGP_HTTP_PROXY		2u	/* https goes through the proxy of
					 * https_proxy and no_proxy, if any */
#define IMGP_HTTP_ONCE		4u	/* send at most once: use a new connection,
					 * since libcurl resends a request when a
					 * kept one turns out closed */

struct imgp_http_request {
	const char	*method;	/* NULL: GET, or POST with a body */
	const char	*url;
	/* "Name: value" lines, NULL at the end; NULL: none.  A control
	 * character in one is refused (IMGP-INTERNAL). */
	const char *const *headers;
	const void	*body;		/* NULL: none */
	size_t		 body_len;
	const char	*ca_bundle;	/* PEM file in place of the system's, or
					 * NULL */
	const char	*cert;		/* PEM file of the client's certificate, */
	const char	*key;		/* and of its key; NULL: none */
	long		 connect_ms;	/* 0: 10 s */
	long		 total_ms;	/* 0: 60 s */
	size_t		 max;		/* bytes of answer; 0: 1 MiB */
	unsigned int	 flags;		/* IMGP_HTTP_… */
};

struct imgp_http_answer {
	int		 status;	/* HTTP status, any */
	int		 sent;		/* the request or a part of it was sent;
					 * set on failure, too */
	struct imgp_buf	 body;
	struct imgp_buf	 head;		/* lines of the final header, as sent */
};
#define IMGP_HTTP_ANSWER_INIT	{ 0, 0, IMGP_BUF_INIT, IMGP_BUF_INIT }

struct imgp_http *imgp_http_new(void);		/* never NULL */
void	imgp_http_free(struct imgp_http *h);	/* NULL is fine */

/*
 * Send the request and read the answer.  Returns 0 when a whole answer of at most ${max}
 * bytes came, whatever its status; else -1 with IMGP-STORE-UNAVAILABLE (not reached, cut
 * off, too slow, too long), IMGP-STORE-DENIED (the certificate is not trusted, or a proxy
 * refuses) or IMGP-CONFIG (a URL, or a proxy's URL, is malformed or not allowed; a file
 * of certificates cannot be used).
 * ${a} is cleared first; release it with imgp_http_release().
 */
int	imgp_http(struct imgp_http *h, const struct imgp_http_request *r,
	    struct imgp_http_answer *a, struct imgp_err *e);

/* Wipes what it held: an answer may be a secret. */
void	imgp_http_release(struct imgp_http_answer *a);

/*
 * Copy the value of the answer's first header ${name}, compared without case, to ${dst}
 * of ${size} bytes.  Returns 0, or -1 when there is none or it does not fit.
 */
int	imgp_http_header(const struct imgp_http_answer *a, const char *name,
	    char *dst, size_t size);

#endif
