/*
 * Who we are for AWS and where its S3 is, for the whole program: one
 * struct imgp_cred (cred.h says where it looks) behind a lock.  Every function
 * may be called from many threads.
 */
#ifndef IMGPIPE_AWS_H
#define IMGPIPE_AWS_H

#include "libimgpipe/base/err.h"

struct imgp_aws_key {
	char	*access, *secret;	/* NULL: do not sign */
	char	*token;			/* NULL: none */
};

/*
 * The credentials that are good now, or, with ${stale}, the access key of
 * those that the server just refused as expired, others: -1 when there is no
 * way to have others.  0 and ${k}, to be released with imgp_aws_key_release();
 * or -1 and ${e} as imgp_cred_get().  Nothing in ${k}, with 0, after
 * imgp_aws_anonymous().
 */
int	imgp_aws_key(struct imgp_aws_key *k, const char *stale,
	    struct imgp_err *e);
void	imgp_aws_key_release(struct imgp_aws_key *k);	/* wipes */
/* --no-sign-request: to be called before anything else here. */
void	imgp_aws_anonymous(void);

struct imgp_aws_settings {
	char	*region;
	char	*endpoint;	/* NULL: AWS's own */
	char	*ca_bundle;	/* NULL: the system's */
};

/* 0 and ${s}, to be released; or -1 with IMGP-CONFIG. */
int	imgp_aws_settings(struct imgp_aws_settings *s, struct imgp_err *e);
void	imgp_aws_settings_release(struct imgp_aws_settings *s);

#endif
