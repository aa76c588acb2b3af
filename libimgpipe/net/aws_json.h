/*
 * A service of AWS that takes a JSON object by a signed POST and answers with one:
 * SQS by its JSON protocol, Batch.
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
 * The service ${name} ("sqs"), which messages call ${title} ("SQS"), in ${region}
 * (NULL: that of cred.h), in China's domain where ${in_china}; nothing is sent yet.
 * NULL with IMGP-CONFIG, or as imgp_cred_new().
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
 * Ask it, once more where the credentials had expired: its answer, an object, the
 * caller's to free.  NULL and ${e} with IMGP-STORE-UNAVAILABLE (ask again later:
 * throttled, not reached, its own failure), IMGP-STORE-DENIED, IMGP-STORE-CREDENTIALS,
 * IMGP-PLACE-MISSING (no such queue), IMGP-STORE-IO (any other refusal, with the
 * words of the service).
 */
struct imgp_json *imgp_aws_json_ask(struct imgp_aws_json *c,
	    const struct imgp_aws_call *call, const struct imgp_json *request,
	    struct imgp_err *e);

#endif
