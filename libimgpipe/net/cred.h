/*
 * AWS credentials, region and endpoint, found where AWS's own tools look.
 *
 * Credentials, the first source that is there (and no later one when it fails):
 *   1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   2. AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN (STS)
 *   3. the profile (AWS_PROFILE, else "default") of AWS_SHARED_CREDENTIALS_FILE
 *      (~/.aws/credentials) and AWS_CONFIG_FILE (~/.aws/config): role_arn with
 *      web_identity_token_file, source_profile or credential_source (STS); keys;
 *      credential_process, started without a shell
 *   4. AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI: https, or http to
 *      this machine and the containers' own link-local addresses
 *   5. EC2 instance metadata, version 2 only, unless
 *      AWS_EC2_METADATA_DISABLED=true
 * A profile that wants SSO or MFA is refused in words.
 *
 * Region: AWS_REGION, AWS_DEFAULT_REGION, the profile, the instance's own where
 * the credentials are the instance's, us-east-1.
 * Endpoint (path style): AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's
 * services section, its endpoint_url; none of them with
 * AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true.  CA file: AWS_CA_BUNDLE, the
 * profile's ca_bundle.
 *
 * Secrets are wiped before their memory is given back, and stand in no message
 * and no argument vector.  No thread is started and nothing is locked: one
 * thread at a time.
 */
#ifndef IMGPIPE_CRED_H
#define IMGPIPE_CRED_H

#include <stdint.h>

#include "libimgpipe/base/err.h"

struct imgp_cred;

struct imgp_cred_keys {
	const char	*id;		/* access key id; NULL: do not sign */
	const char	*secret;
	const char	*token;		/* session token, or NULL */
	int64_t		 expires;	/* Unix seconds; 0: not known to end */
};

#define IMGP_CRED_UNSIGNED	1u	/* --no-sign-request */

/*
 * Read environment and files; no network is used and no credential is needed
 * yet.  ${now} (NULL: the system's clock) returns the time in Unix seconds, for
 * a client that knows its clock to be wrong; it must be callable until
 * imgp_cred_free().  NULL with IMGP-CONFIG where a file cannot be parsed or a
 * named profile does not exist.
 */
struct imgp_cred *imgp_cred_new(unsigned int flags,
	    int64_t (*now)(void *arg), void *arg, struct imgp_err *e);
void	imgp_cred_free(struct imgp_cred *c);		/* NULL is fine */

/*
 * The credentials to sign with now.  Those that expire within five minutes are
 * renewed first; if that fails, they are used while they last, and the next
 * attempt is made a minute later (R26).  Borrowed: valid until the next call
 * with ${c}.  NULL with IMGP-STORE-CREDENTIALS (there are none, or a source
 * refused) or IMGP-STORE-UNAVAILABLE (a source was not reached: try later).
 */
const struct imgp_cred_keys *imgp_cred_get(struct imgp_cred *c,
	    struct imgp_err *e);

/*
 * Note that the service called the access key ${id} expired, so that the next
 * imgp_cred_get() fetches another.  1: there is another already, or may be; 0:
 * there cannot be (a fixed key, or nothing to sign), so do not repeat the
 * request.
 */
int	imgp_cred_expired(struct imgp_cred *c, const char *id);

/* Where the credentials came from, to be shown: "environment", "profile lab",
 * "instance metadata"; "none" before the first imgp_cred_get(). */
const char *imgp_cred_source(const struct imgp_cred *c);

/* Settings; borrowed for the life of ${c}.  The region is never NULL; where
 * neither it nor an endpoint is set, the credentials are fetched for it. */
const char *imgp_cred_region(struct imgp_cred *c);
const char *imgp_cred_endpoint(const struct imgp_cred *c);	/* or NULL */
const char *imgp_cred_ca_bundle(const struct imgp_cred *c);	/* or NULL */

#endif
