#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "libimgpipe/net/cred_priv.h"

#define EARLY		300	/* s before they expire: renew them */
#define AGAIN		60	/* s between attempts that failed */
#define CHAIN_MAX	8	/* profiles that name one another */

struct imgp_cred {
	unsigned int	 flags;
	int64_t		(*now)(void *arg);
	void		*arg;
	struct imgp_http *http;
	struct imgp_profiles *profiles;
	char		*profile;	/* never NULL */
	/* settings */
	char		*region;	/* NULL: not said anywhere yet */
	char		*endpoint, *ca_bundle;
	/* what there is */
	struct imgp_cred_own own;
	struct imgp_cred_keys keys;	/* own, as it is handed out */
	char		 source[128];
	int		 is_fixed;	/* from the environment */
	int		 is_instance;
	int		 stale;		/* the service refused them */
	int64_t		 again;		/* no attempt before that time */
};

/* --- time ---------------------------------------------------------------- */

static int64_t
system_now(void *arg)
{
	(void)arg;
	return (int64_t)time(NULL);
}

/* --- settings ------------------------------------------------------------- */

static int
is_region(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < 64 && strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == n;
}

static char *
copied(const char *s)
{
	return s == NULL ? NULL : imgp_strdup(s);
}

static int
settle(struct imgp_cred *c, struct imgp_err *e)
{
	const char *s;

	if ((s = imgp_cred_env("AWS_REGION")) == NULL &&
	    (s = imgp_cred_env("AWS_DEFAULT_REGION")) == NULL)
		s = imgp_profiles_get(c->profiles, c->profile, "region");
	if (s != NULL && !is_region(s))
		return imgp_fail(e, IMGP_E_CONFIG, "\"%s\" is no region", s);
	c->region = copied(s);
	c->endpoint = copied(imgp_profiles_endpoint(c->profiles, c->profile,
	    "s3"));
	if ((s = imgp_cred_env("AWS_CA_BUNDLE")) == NULL)
		s = imgp_profiles_get(c->profiles, c->profile, "ca_bundle");
	c->ca_bundle = copied(s);
	return 0;
}

struct imgp_cred *
imgp_cred_new(unsigned int flags, int64_t (*now)(void *arg), void *arg,
    struct imgp_err *e)
{
	struct imgp_cred *c = imgp_alloc(sizeof *c);
	const char *name = imgp_cred_env("AWS_PROFILE");

	c->flags = flags;
	c->now = now != NULL ? now : system_now;
	c->arg = arg;
	snprintf(c->source, sizeof c->source, "none");
	c->profile = imgp_strdup(name != NULL ? name : "default");
	if ((c->profiles = imgp_profiles_read(e)) == NULL)
		goto fail;
	if (name != NULL && !imgp_profiles_has(c->profiles, name)) {
		imgp_fail(e, IMGP_E_CONFIG, "AWS_PROFILE: there is no profile "
		    "\"%s\"", name);
		goto fail;
	}
	if (settle(c, e) == -1)
		goto fail;
	return c;
fail:
	imgp_cred_free(c);
	return NULL;
}

void
imgp_cred_free(struct imgp_cred *c)
{
	if (c == NULL)
		return;
	imgp_cred_own_release(&c->own);
	imgp_http_free(c->http);
	imgp_profiles_free(c->profiles);
	free(c->profile);
	free(c->region);
	free(c->endpoint);
	free(c->ca_bundle);
	free(c);
}

const char *
imgp_cred_region(struct imgp_cred *c)
{
	/* An instance knows its region without a setting. */
	if (c->region == NULL && c->endpoint == NULL && c->own.id == NULL)
		(void)imgp_cred_get(c, NULL);
	return c->region != NULL ? c->region : "us-east-1";
}

const char *
imgp_cred_endpoint(const struct imgp_cred *c)
{
	return c->endpoint;
}

const char *
imgp_cred_ca_bundle(const struct imgp_cred *c)
{
	return c->ca_bundle;
}

const char *
imgp_cred_source(const struct imgp_cred *c)
{
	return c->source;
}

/* --- the sources ---------------------------------------------------------- */

static int
from_environment(struct imgp_cred_own *o, struct imgp_err *e)
{
	const char *id = imgp_cred_env("AWS_ACCESS_KEY_ID");
	const char *secret = imgp_cred_env("AWS_SECRET_ACCESS_KEY");

	if (id == NULL)
		return 0;
	if (secret == NULL)
		return imgp_fail(e, IMGP_E_STORE_CREDENTIALS,
		    "AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not");
	o->id = imgp_strdup(id);
	o->secret = imgp_strdup(secret);
	o->token = copied(imgp_cred_env("AWS_SESSION_TOKEN"));
	return 1;
}

static int
from_web_identity(const struct imgp_cred_net *n, struct imgp_cred_own *o,
    struct imgp_err *e)
{
	const char *file = imgp_cred_env("AWS_WEB_IDENTITY_TOKEN_FILE");
	struct imgp_cred_role role;

	if (file == NULL)
		return 0;
	memset(&role, 0, sizeof role);
	role.arn = imgp_cred_env("AWS_ROLE_ARN");
	role.session = imgp_cred_env("AWS_ROLE_SESSION_NAME");
	if (role.arn == NULL)
		return imgp_fail(e, IMGP_E_STORE_CREDENTIALS,
		    "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
	return imgp_cred_web(n, &role, file, o, e);
}

/* The keys that stand in ${profile} itself. */
static int
from_keys(const struct imgp_profiles *ps, const char *profile,
    struct imgp_cred_own *o, struct imgp_err *e)
{
	const char *id = imgp_profiles_get(ps, profile, "aws_access_key_id");
	const char *secret = imgp_profiles_get(ps, profile,
	    "aws_secret_access_key");

	if (id == NULL && secret == NULL)
		return 0;
	if (id == NULL || secret == NULL)
		return imgp_fail(e, IMGP_E_STORE_CREDENTIALS,
		    "profile %s: half a key", profile);
	o->id = imgp_strdup(id);
	o->secret = imgp_strdup(secret);
	o->token = copied(imgp_profiles_get(ps, profile,
	    "aws_session_token"));
	return 1;
}

static int	from_profile(const struct imgp_cred_net *n, const char *profile,
		    int depth, struct imgp_cred_own *o, struct imgp_err *e);

/* The credentials with which a profile with a role asks STS. */
static int
from_base(const struct imgp_cred_net *n, const char *profile, int depth,
    struct imgp_cred_own *o, struct imgp_err *e)
{
	const char *source = imgp_profiles_get(n->profiles, profile,
	    "source_profile");
	const char *kind = imgp_profiles_get(n->profiles, profile,
	    "credential_source");
	int rc;

	if (source != NULL && strcmp(source, profile) == 0)
		rc = from_keys(n->profiles, profile, o, e);
	else if (source != NULL)
		rc = from_profile(n, source, depth + 1, o, e);
	else if (kind == NULL)
		return imgp_fail(e, IMGP_E_CONFIG, "profile %s: role_arn "
		    "without source_profile, credential_source or "
		    "web_identity_token_file", profile);
	else if (strcasecmp(kind, "Environment") == 0)
		rc = from_environment(o, e);
	else if (strcasecmp(kind, "EcsContainer") == 0)
		rc = imgp_cred_container(n, o, e);
	else if (strcasecmp(kind, "Ec2InstanceMetadata") == 0)
		rc = imgp_cred_instance(n, o, NULL, e);
	else
		return imgp_fail(e, IMGP_E_CONFIG, "profile %s: "
		    "credential_source = %s is not known", profile, kind);
	if (rc == 0)
		return imgp_fail(e, IMGP_E_STORE_CREDENTIALS, "profile %s: "
		    "there are no credentials in %s", profile,
		    source != NULL ? source : kind);
	return rc;
}

static int
from_role(const struct imgp_cred_net *n, const char *profile, int depth,
    struct imgp_cred_own *o, struct imgp_err *e)
{
	struct imgp_cred_own by = IMGP_CRED_OWN_INIT;
	const struct imgp_profiles *ps = n->profiles;
	struct imgp_cred_role role;
	const char *file;
	int rc;

	role.arn = imgp_profiles_get(ps, profile, "role_arn");
	role.session = imgp_profiles_get(ps, profile, "role_session_name");
	role.external_id = imgp_profiles_get(ps, profile, "external_id");
	role.duration = imgp_profiles_get(ps, profile, "duration_seconds");
	if ((file = imgp_profiles_get(ps, profile,
	    "web_identity_token_file")) != NULL)
		return imgp_cred_web(n, &role, file, o, e);
	if (imgp_profiles_get(ps, profile, "mfa_serial") != NULL)
		return imgp_fail(e, IMGP_E_CONFIG, "profile %s: mfa_serial: "
		    "nobody is there to type a code", profile);
	if ((rc = from_base(n, profile, depth, &by, e)) == 1)
		rc = imgp_cred_assume(n, &role, &by, o, e);
	imgp_cred_own_release(&by);
	return rc;
}

static int
from_profile(const struct imgp_cred_net *n, const char *profile, int depth,
    struct imgp_cred_own *o, struct imgp_err *e)
{
	const struct imgp_profiles *ps = n->profiles;
	const char *s;
	int rc;

	if (depth > CHAIN_MAX)
		return imgp_fail(e, IMGP_E_CONFIG, "profile %s: source_profile "
		    "goes round in a circle", profile);
	if (depth > 0 && !imgp_profiles_has(ps, profile))
		return imgp_fail(e, IMGP_E_CONFIG, "source_profile: there is "
		    "no profile \"%s\"", profile);
	if (imgp_profiles_get(ps, profile, "role_arn") != NULL)
		return from_role(n, profile, depth, o, e);
	if ((rc = from_keys(ps, profile, o, e)) != 0)
		return rc;
	if ((s = imgp_profiles_get(ps, profile, "credential_process")) != NULL)
		return imgp_cred_process(s, o, e);
	if (imgp_profiles_get(ps, profile, "sso_session") != NULL ||
	    imgp_profiles_get(ps, profile, "sso_start_url") != NULL)
		return imgp_fail(e, IMGP_E_CONFIG, "profile %s: SSO is not "
		    "supported; use credential_process = aws configure "
		    "export-credentials", profile);
	return 0;
}

/* --- fetching and keeping ------------------------------------------------- */

/* Ask the sources in their order. 1, 0, -1 as a source. */
static int
fetch(struct imgp_cred *c, struct imgp_cred_own *o, struct imgp_err *e)
{
	struct imgp_cred_net n;
	struct imgp_profiles *ps;
	int rc;

	c->is_fixed = c->is_instance = 0;
	if ((rc = from_environment(o, e)) != 0) {
		c->is_fixed = 1;
		snprintf(c->source, sizeof c->source, "environment");
		return rc;
	}
	/* Another program may have written new ones to the files. */
	if ((ps = imgp_profiles_read(e)) == NULL)
		return -1;
	imgp_profiles_free(c->profiles);
	c->profiles = ps;
	if (c->http == NULL)
		c->http = imgp_http_new();
	n.http = c->http;
	n.ca_bundle = c->ca_bundle;
	n.region = c->region != NULL ? c->region : "us-east-1";
	n.now = c->now(c->arg);
	n.profiles = ps;
	n.profile = c->profile;
	if ((rc = from_web_identity(&n, o, e)) != 0) {
		snprintf(c->source, sizeof c->source, "web identity");
		return rc;
	}
	if ((rc = from_profile(&n, c->profile, 0, o, e)) != 0) {
		snprintf(c->source, sizeof c->source, "profile %s",
		    c->profile);
		return rc;
	}
	if ((rc = imgp_cred_container(&n, o, e)) != 0) {
		snprintf(c->source, sizeof c->source, "container");
		return rc;
	}
	c->is_instance = 1;
	snprintf(c->source, sizeof c->source, "instance metadata");
	return imgp_cred_instance(&n, o, c->region == NULL ? &c->region :
	    NULL, e);
}

static void
keep(struct imgp_cred *c, struct imgp_cred_own *o)
{
	imgp_cred_own_release(&c->own);
	c->own = *o;
	c->keys.id = o->id;
	c->keys.secret = o->secret;
	c->keys.token = o->token;
	c->keys.expires = o->expires;
	c->stale = 0;
}

/* Nonzero: what there is can still be used. */
static int
lasts(const struct imgp_cred *c, int64_t now)
{
	if (c->own.id == NULL || c->stale)
		return 0;
	if (c->own.expires == 0 || now < c->own.expires - EARLY)
		return 1;
	return now < c->again && (now < c->own.expires || c->is_instance);
}

const struct imgp_cred_keys *
imgp_cred_get(struct imgp_cred *c, struct imgp_err *e)
{
	static const struct imgp_cred_keys none = { NULL, NULL, NULL, 0 };
	struct imgp_cred_own o = IMGP_CRED_OWN_INIT;
	int64_t now;
	int rc;

	if (c->flags & IMGP_CRED_UNSIGNED)
		return &none;
	now = c->now(c->arg);
	if (lasts(c, now))
		return &c->keys;
	rc = fetch(c, &o, e);
	/* An instance whose metadata service fails keeps returning the last
	 * credentials.  They are still good: AWS extends them. */
	if (rc == 1 && o.expires != 0 && o.expires <= now && !c->is_instance) {
		imgp_cred_own_release(&o);
		rc = imgp_fail(e, IMGP_E_STORE_CREDENTIALS, "%s: credentials "
		    "that have ended", c->source);
	}
	c->again = now + AGAIN;
	if (rc == 1)
		keep(c, &o);
	else if (c->own.id == NULL || c->stale || now >= c->own.expires) {
		if (rc == 0)
			imgp_fail(e, IMGP_E_STORE_CREDENTIALS, "no credentials "
			    "in the environment, the profile \"%s\", a "
			    "container or the instance", c->profile);
		return NULL;
	}
	return &c->keys;
}

int
imgp_cred_expired(struct imgp_cred *c, const char *id)
{
	if (c->flags & IMGP_CRED_UNSIGNED || c->own.id == NULL)
		return 0;
	if (strcmp(c->own.id, id) != 0)
		return 1;
	if (c->is_fixed)
		return 0;
	c->stale = 1;
	return 1;
}
