/*
 * HTTP requests of the whole process, over libcurl's multi interface.
 *
 * All requests share the kept connections, those with TLS in one multi handle, those of
 * plain http in four.  No extra thread exists: the threads that wait for their requests
 * drive libcurl, one thread per handle at a time.  Callbacks run without a lock, so that
 * hashing and writing do not delay other requests.  At most two chunks of an answer are
 * in memory, one being filled and one being processed; then its connection is paused.
 */
#ifndef IMGPIPE_WIRE_H
#define IMGPIPE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define IMGP_WIRE_HEADERS_MAX	72

struct imgp_wire_request {
	const char	*method;
	const char	*url;		/* sent as it is, not normalized */
	const char	*ca_bundle;	/* a PEM file; NULL: the system's */
	char *const	*headers;	/* "Name: value", or "Name:" to omit libcurl's */
	size_t		 nheaders;
	int		 last;		/* send it even when a signal asks to stop */
	/* The body of a PUT or POST: ${len} bytes at ${data}, or if that is NULL
	 * of the file ${fd} at ${offset}. */
	const char	*data;
	int		 fd;
	int64_t		 offset, len;
	/*
	 * Called in the thread that sends, for each header line of the final
	 * answer, then for each piece of its body; -1 cancels the request.
	 */
	void		(*header)(void *arg, const char *line, size_t len);
	int		(*body)(void *arg, long status, const char *p,
			    size_t len);
	/* Called now and then with the bytes sent so far; may be NULL. */
	void		(*sent)(void *arg, int64_t bytes);
	void		*arg;
};

enum imgp_wire_end {
	IMGP_WIRE_ANSWERED,	/* the whole answer came; see status */
	IMGP_WIRE_FAULT,	/* the transport failed, as why says */
	IMGP_WIRE_UNTRUSTED,	/* the certificate is not trusted, or a proxy
				 * refuses, as why says; do not repeat */
	IMGP_WIRE_REFUSED,	/* body() returned -1 */
	IMGP_WIRE_UNREADABLE,	/* the request's body cannot be read */
	IMGP_WIRE_STOPPED	/* a signal asks to stop (base/stop.h) */
};

struct imgp_wire_result {
	long		 status;	/* HTTP; 0: none */
	const char	*why;		/* static text */
};

/* Connections are kept between the first open and the last close; calls nest. */
void	imgp_wire_open(void);
void	imgp_wire_close(void);

/* Send ${r} and wait for its end.  Any number of threads may call it at once. */
enum imgp_wire_end imgp_wire_do(const struct imgp_wire_request *r,
	    struct imgp_wire_result *result);

/* "libcurl 7.88.1, OpenSSL/3.0.19" */
const char *imgp_wire_version(void);

#endif
