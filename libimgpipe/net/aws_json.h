/*
 * AWS services whose requests and answers are JSON objects, sent by a signed POST: SQS by
 * its JSON protocol, and Batch.
 *
 * Requests go to the endpoint that AWS_ENDPOINT_URL_<SERVICE> or AWS_ENDPOINT_URL
 * names, else to AWS's own.  A handle is used by one thread at a time.
 */
#ifndef IMGPIPE_AWS_JSON_H
#define IMGPIPE_AWS_JSON_H

#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"

struct imgp_aws_json;

/*
 * A handle for the service ${name} ("sqs"), called ${title} ("SQS") in messages, in
 * ${region} (NULL: that of cred.h), with amazonaws.com.cn as its domain if ${in_china}.
 * Nothing is sent yet.  NULL with IMGP-CONFIG, or as imgp_cred_new().
 */
struct imgp_aws_json *imgp_aws_json_open(const char *name, const char *title,
	    const char *region, int in_china, struct imgp_err *e);
void	imgp_aws_json_close(struct imgp_aws_json *c);	/* NULL is fine */
/* The host that requests go to, with its port; borrowed. */
const char *imgp_aws_json_host(const struct imgp_aws_json *c);

struct imgp_aws_call {
	const char	*path;		/* NULL: "/" */
	const char	*target;	/* X-Amz-Target; NULL: none */
	const char	*type;		/* Content-Type */
	int		 seconds;	/* for the answer */
};

/*
 * Send ${request} and return the answer, an object that the caller frees.  Expired
 * credentials are renewed once.  NULL with IMGP-STORE-UNAVAILABLE (throttled, not reached,
 * or the service failed: ask again later), IMGP-STORE-DENIED, IMGP-STORE-CREDENTIALS,
 * IMGP-PLACE-MISSING (no such queue), or IMGP-STORE-IO (any other refusal, in the
 * service's words).
 */
struct imgp_json *imgp_aws_json_ask(struct imgp_aws_json *c,
	    const struct imgp_aws_call *call, const struct imgp_json *request,
	    struct imgp_err *e);

#endif
