/* SMTP by libcurl; carrier.h is the way in. */
#ifndef IMGPIPE_CARRIER_SMTP_H
#define IMGPIPE_CARRIER_SMTP_H

#include "libimgpipe/mail/carrier.h"

struct imgp_smtp {
	const char	*url;		/* without user */
	const char	*user;		/* NULL: no login */
	const char	*password_file;
	const char	*ca_file;	/* NULL: the system's */
	enum imgp_tls	 tls;
	long		 timeout;	/* seconds without progress */
};

/* Take ${url} apart: the URL without user, and the user (NULL: none), both the
 * caller's to free.  0, or -1 with IMGP-CONFIG (not an SMTP URL, a password in
 * it). */
int	imgp_smtp_url(const char *url, char **bare, char **user,
	    struct imgp_err *e);

/* As imgp_carrier_send(). */
int	imgp_smtp_send(const struct imgp_smtp *s, const struct imgp_parcel *m,
	    struct imgp_carried *res, struct imgp_err *e);

/* "libcurl 7.88.1" */
const char *imgp_curl_version(void);

#endif
