/*
 * HTTP requests of the whole process, over libcurl's multi interface.
 *
 * All requests share the kept connections: those by TLS in one multi handle,
 * those of plain http in four.  The thread that sends a request waits for its
 * sockets and drives curl, one thread per handle at a time; no further thread
 * exists.  Callbacks run without a lock, so that summing and writing does not
 * hold up other requests.  At most two chunks of an answer are in memory: one
 * that is being filled, one that is being worked on; then the connection waits.
 */
#ifndef IMGPIPE_WIRE_H
#define IMGPIPE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define IMGP_WIRE_HEADERS_MAX	72

struct imgp_wire_request {
	const char	*method;
	const char	*url;		/* as it stands: nothing is normalized */
	const char	*ca_bundle;	/* a PEM file; NULL: the system's */
	char *const	*headers;	/* "Name: value", or "Name:" for none */
	size_t		 nheaders;
	int		 last;		/* send it even when a signal asks to stop */
	/* The body of a PUT or POST: ${len} bytes of ${data}, or where that is
	 * NULL of ${fd} from ${offset}. */
	const char	*data;
	int		 fd;
	int64_t		 offset, len;
	/*
	 * Called in the thread that sends: for each header line of the final
	 * answer, then for each piece of its body (-1: break off).
	 */
	void		(*header)(void *arg, const char *line, size_t len);
	int		(*body)(void *arg, long status, const char *p,
			    size_t len);
	/* Called now and then with the bytes sent so far; may be NULL. */
	void		(*sent)(void *arg, int64_t bytes);
	void		*arg;
};

enum imgp_wire_end {
	IMGP_WIRE_ANSWERED,	/* ${status} and all of the body came */
	IMGP_WIRE_FAULT,	/* the transport failed: ${why} */
	IMGP_WIRE_UNTRUSTED,	/* the certificate is not trusted, or a proxy
				 * refuses: ${why}; repeating does not help */
	IMGP_WIRE_REFUSED,	/* body() said -1 */
	IMGP_WIRE_UNREADABLE,	/* the body cannot be read: ${why} */
	IMGP_WIRE_STOPPED	/* a signal asked to */
};

struct imgp_wire_result {
	long		 status;	/* HTTP; 0: none */
	const char	*why;		/* static text */
};

/* Connections are kept between the first open and the last close. */
void	imgp_wire_open(void);
void	imgp_wire_close(void);

/* Send ${r} and wait for its end.  Any number of threads may. */
enum imgp_wire_end imgp_wire_do(const struct imgp_wire_request *r,
	    struct imgp_wire_result *result);

/* "libcurl 7.88.1, OpenSSL/3.0.19" */
const char *imgp_wire_version(void);

#endif
