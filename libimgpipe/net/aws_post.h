/*
 * The endpoint and the signature of AWS services that are called by POST.
 */
#ifndef IMGPIPE_AWS_POST_H
#define IMGPIPE_AWS_POST_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/net/cred.h"

/*
 * Get the URL of ${service} ("sqs") in ${region}, and its host; the caller frees both.
 * It is AWS_ENDPOINT_URL_SQS, else AWS_ENDPOINT_URL, else AWS's own, in the domain
 * amazonaws.com.cn if ${in_china}.  Returns 0, or -1 with IMGP-CONFIG.
 */
int	imgp_aws_service(const char *service, const char *region, int in_china,
	    char **url, char **host, struct imgp_err *e);

struct imgp_aws_post {
	const char	*service, *region, *host;
	const char	*type;		/* Content-Type */
	const char	*target;	/* X-Amz-Target; NULL: none */
	const struct imgp_buf *body;
	const char	*path;		/* NULL: "/" */
};

/* Make the headers of ${p} for struct imgp_http_request, signed with ${k} at the current
 * time.  Release them with imgp_aws_post_release(), which wipes them. */
char	**imgp_aws_post_sign(const struct imgp_aws_post *p,
	    const struct imgp_cred_keys *k);
void	imgp_aws_post_release(char **headers);	/* NULL is fine */

#endif
