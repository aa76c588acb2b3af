/*
 * The process's AWS credentials and settings: one struct imgp_cred (cred.h says where it
 * looks) behind a lock.  Any thread may call every function.
 */
#ifndef IMGPIPE_AWS_H
#define IMGPIPE_AWS_H

#include "libimgpipe/base/err.h"

struct imgp_aws_key {
	char	*access, *secret;	/* NULL: do not sign */
	char	*token;			/* NULL: none */
};

/*
 * Get the credentials to sign with.  ${stale} is NULL, or the access key id that the
 * server just refused as expired, so that new ones are fetched.  Returns 0 and ${k}, to
 * be released with imgp_aws_key_release(); or -1 with ${e} as imgp_cred_get(), also when
 * there are no new ones.  After imgp_aws_anonymous() ${k} is empty.
 */
int	imgp_aws_key(struct imgp_aws_key *k, const char *stale,
	    struct imgp_err *e);
void	imgp_aws_key_release(struct imgp_aws_key *k);	/* wipes */
/* --no-sign-request: sign nothing.  Call it before any other function here. */
void	imgp_aws_anonymous(void);

struct imgp_aws_settings {
	char	*region;
	char	*endpoint;	/* NULL: AWS's own */
	char	*ca_bundle;	/* NULL: the system's */
};

/* Returns 0 and ${s}, to be released; or -1 with IMGP-CONFIG. */
int	imgp_aws_settings(struct imgp_aws_settings *s, struct imgp_err *e);
void	imgp_aws_settings_release(struct imgp_aws_settings *s);

#endif
