/*
 * Who we are for AWS: credentials and region, looked for where AWS's own tools
 * look, in their order.
 */
#ifndef IMGPIPE_AWS_H
#define IMGPIPE_AWS_H

#include "libimgpipe/err.h"

struct imgp_aws_key {
	char	*access, *secret;
	char	*token;		/* NULL: none */
};

/*
 * The credentials that are good now: from the environment, a web identity, the
 * shared files (profile, role, credential_process), a container's or an
 * instance's endpoint; kept, and fetched again 5 minutes before they end, or
 * at once when they are ${stale}: those the server just refused as expired.
 * May be called from many threads.  0 and ${k}, to be released with
 * imgp_aws_key_release(); or -1 and ${e}.  Nothing at all in ${k}, with 0,
 * after imgp_aws_anonymous().
 */
int	imgp_aws_key(struct imgp_aws_key *k, const char *stale,
	    struct imgp_err *e);
void	imgp_aws_key_release(struct imgp_aws_key *k);
/* --no-sign-request. */
void	imgp_aws_anonymous(void);

/* The region: AWS_REGION, AWS_DEFAULT_REGION, the profile's, or us-east-1.
 * The caller's to free. */
char	*imgp_aws_region(void);
/* AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's endpoint_url, or NULL.
 * The caller's to free. */
char	*imgp_aws_endpoint(void);

#endif
