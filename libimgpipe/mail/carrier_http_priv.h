/* What webhook, SNS and the ping share, which speak HTTP. */
#ifndef IMGPIPE_CARRIER_HTTP_PRIV_H
#define IMGPIPE_CARRIER_HTTP_PRIV_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/mail/carrier.h"
#include "libimgpipe/net/http.h"

/* Send ${r}: 0 with the answer in ${a}, or -1 with ${e}, whose message names ${who} and
 * never the URL, which may be a secret. */
int	imgp_carrier_request(const char *who, const struct imgp_http_request *r,
	    struct imgp_http_answer *a, struct imgp_err *e);
/* Send a HEAD to ${url}: 0 for any answer, else -1 with ${e}. */
int	imgp_carrier_reach(const char *who, const struct imgp_carrier *c,
	    const char *url, struct imgp_err *e);
/* What the HTTP status means for the message: 0, or -1 with
 * IMGP-MAIL-REFUSED or IMGP-MAIL-UNAVAILABLE. */
int	imgp_carrier_judge(const char *who, int status, struct imgp_err *e);

#endif
