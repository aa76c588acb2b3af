/*
 * HTTP requests of the whole process over libcurl's multi interface.
 *
 * Every bucket, store and job shares the kept connections: those by TLS are in
 * one multi handle, those of plain http in four.  The thread that wants an
 * answer waits for its own sockets and lets curl go on, which one thread at a
 * time may for each handle; there is no other thread to be woken.  What came is
 * summed and written without holding up the others.  Till it is taken it lies
 * in one chunk, and once more in another while that is worked on; then the
 * connection waits.
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
	int		 last;		/* sent even when a signal asks to stop */
	/* The body of a PUT or POST: ${len} bytes of ${data}, or where that is
	 * NULL of ${fd} from ${offset}. */
	const char	*data;
	int		 fd;
	int64_t		 offset, len;
	/*
	 * Called in the thread that asks: each header line of the last answer,
	 * then its body, piece by piece (-1: break off), which is of ${status}.
	 */
	void		(*header)(void *arg, const char *line, size_t len);
	int		(*body)(void *arg, long status, const char *p,
			    size_t len);
	/* Told now and then how many bytes were sent; may be NULL. */
	void		(*sent)(void *arg, int64_t bytes);
	void		*arg;
};

enum imgp_wire_end {
	IMGP_WIRE_ANSWERED,	/* ${status} and all of the body came */
	IMGP_WIRE_FAULT,	/* the transport failed: ${why} */
	IMGP_WIRE_UNTRUSTED,	/* TLS cannot be had as it should be, or a proxy
				 * refuses: ${why}; no other try helps */
	IMGP_WIRE_REFUSED,	/* body() said -1 */
	IMGP_WIRE_UNREADABLE,	/* what was to be sent: ${why} */
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
