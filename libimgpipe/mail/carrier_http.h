/* Webhooks and SNS by HTTP; carrier.h is the way in. */
#ifndef IMGPIPE_CARRIER_HTTP_H
#define IMGPIPE_CARRIER_HTTP_H

#include "libimgpipe/mail/carrier.h"

/* 0 when ${arn} is a topic's, else -1 with IMGP-CONFIG. */
int	imgp_sns_check(const char *arn, struct imgp_err *e);

/*
 * Publish to the topic ${arn}, or post to ${url}, with ${timeout} seconds for
 * it.  0, or -1 as imgp_carrier_send(); ${url} may be a secret and stands in no
 * message.
 */
int	imgp_sns_send(const char *arn, long timeout,
	    const struct imgp_parcel *m, struct imgp_err *e);
int	imgp_webhook_send(const char *url, const char *ca_file, long timeout,
	    const struct imgp_parcel *m, struct imgp_err *e);
/* Ask for ${url} and want a good answer: 0 or -1. */
int	imgp_webhook_ping(const char *url, const char *ca_file,
	    struct imgp_err *e);

#endif
