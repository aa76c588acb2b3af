/* What cred.c and its parts share: cred_fetch.c, cred_profile.c, cred_sts.c. */
#ifndef IMGPIPE_CRED_PRIV_H
#define IMGPIPE_CRED_PRIV_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/net/cred.h"
#include "libimgpipe/net/http.h"

#define IMGP_CRED_MAX	((size_t)64 << 10)	/* bytes of any answer */

/* Credentials that own their text. */
struct imgp_cred_own {
	char	*id, *secret, *token;	/* token: NULL when there is none */
	int64_t	 expires;		/* Unix seconds; 0: not known to end */
};
#define IMGP_CRED_OWN_INIT	{ NULL, NULL, NULL, 0 }
void	imgp_cred_own_release(struct imgp_cred_own *o);		/* wipes */
/* Wipe and free; NULL is fine. */
void	imgp_cred_wipe(char *secret);

/* A source returns 1 and ${o}; 0 when it is not configured; -1 with ${e} when it fails. */

/* The variable ${name}; NULL when it is not set or empty. */
const char *imgp_cred_env(const char *name);

/* The shared files (cred_profile.c). */
struct imgp_profiles;
struct imgp_profiles *imgp_profiles_read(struct imgp_err *e);
void	imgp_profiles_free(struct imgp_profiles *ps);	/* NULL is fine; wipes */
int	imgp_profiles_has(const struct imgp_profiles *ps, const char *profile);
/* The setting, borrowed; NULL: not set or empty.  Keys are lower case. */
const char *imgp_profiles_get(const struct imgp_profiles *ps,
	    const char *profile, const char *key);
/* The endpoint of ${service} ("s3", "sts") by environment and ${profile};
 * borrowed, NULL: none. */
const char *imgp_profiles_endpoint(const struct imgp_profiles *ps,
	    const char *profile, const char *service);

/* What the sources need to be asked. */
struct imgp_cred_net {
	struct imgp_http *http;
	const char	*ca_bundle;
	const char	*region;	/* for STS */
	int64_t		 now;
	const struct imgp_profiles *profiles;
	const char	*profile;
};

/* Send ${r}, up to ${tries} times where the fault may pass; any status is
 * success.  An answer is at most IMGP_CRED_MAX bytes. */
int	imgp_cred_http(const struct imgp_cred_net *n,
	    struct imgp_http_request *r, int tries,
	    struct imgp_http_answer *a, struct imgp_err *e);
/* Read a file of at most IMGP_CRED_MAX bytes, without the white space at its end.  Wipe
 * the result with imgp_cred_wipe().  NULL with ${e}. */
char	*imgp_cred_file(const char *path, struct imgp_err *e);

/* cred_fetch.c */
int	imgp_cred_container(const struct imgp_cred_net *n,
	    struct imgp_cred_own *o, struct imgp_err *e);
/* ${*region} (NULL: not wanted): the instance's, the caller's to free. */
int	imgp_cred_instance(const struct imgp_cred_net *n,
	    struct imgp_cred_own *o, char **region, struct imgp_err *e);
int	imgp_cred_process(const char *command, struct imgp_cred_own *o,
	    struct imgp_err *e);
/* Parse credentials in ${len} bytes of JSON, whose session token is called ${token}. */
int	imgp_cred_json(const char *s, size_t len, const char *token,
	    struct imgp_cred_own *o, struct imgp_err *e);

/* cred_sts.c */
struct imgp_cred_role {
	const char	*arn;
	const char	*session;	/* NULL: "imgpipe" */
	const char	*external_id;	/* or NULL */
	const char	*duration;	/* seconds in decimal, or NULL */
};
int	imgp_cred_assume(const struct imgp_cred_net *n,
	    const struct imgp_cred_role *role,
	    const struct imgp_cred_own *by, struct imgp_cred_own *o,
	    struct imgp_err *e);
int	imgp_cred_web(const struct imgp_cred_net *n,
	    const struct imgp_cred_role *role, const char *token_file,
	    struct imgp_cred_own *o, struct imgp_err *e);

#endif
