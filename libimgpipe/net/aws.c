#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/net/aws.h"
#include "libimgpipe/net/cred.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct imgp_cred *cred;		/* lives as long as the program */
static unsigned int flags;

static struct imgp_cred *
ours(struct imgp_err *e)
{
	if (cred == NULL)
		cred = imgp_cred_new(flags, NULL, NULL, e);
	return cred;
}

static char *
copied(const char *s)
{
	return s == NULL ? NULL : imgp_strdup(s);
}

int
imgp_aws_key(struct imgp_aws_key *k, const char *stale, struct imgp_err *e)
{
	const struct imgp_cred_keys *keys;
	struct imgp_cred *c;
	int rc = -1;

	pthread_mutex_lock(&lock);
	if ((c = ours(e)) == NULL)
		goto out;
	if (stale != NULL && !imgp_cred_expired(c, stale)) {
		imgp_fail(e, IMGP_E_STORE_CREDENTIALS,
		    "the credentials of %s cannot be renewed",
		    imgp_cred_source(c));
		goto out;
	}
	if ((keys = imgp_cred_get(c, e)) == NULL)
		goto out;
	k->access = copied(keys->id);
	k->secret = copied(keys->secret);
	k->token = copied(keys->token);
	rc = 0;
out:
	pthread_mutex_unlock(&lock);
	return rc;
}

static void
wipe(char **s)
{
	if (*s != NULL)
		explicit_bzero(*s, strlen(*s));
	free(*s);
	*s = NULL;
}

void
imgp_aws_key_release(struct imgp_aws_key *k)
{
	wipe(&k->access);
	wipe(&k->secret);
	wipe(&k->token);
}

void
imgp_aws_anonymous(void)
{
	flags |= IMGP_CRED_UNSIGNED;
}

int
imgp_aws_settings(struct imgp_aws_settings *s, struct imgp_err *e)
{
	struct imgp_cred *c;

	pthread_mutex_lock(&lock);
	if ((c = ours(e)) != NULL) {
		s->region = copied(imgp_cred_region(c));
		s->endpoint = copied(imgp_cred_endpoint(c));
		s->ca_bundle = copied(imgp_cred_ca_bundle(c));
	}
	pthread_mutex_unlock(&lock);
	return c == NULL ? -1 : 0;
}

void
imgp_aws_settings_release(struct imgp_aws_settings *s)
{
	free(s->region);
	free(s->endpoint);
	free(s->ca_bundle);
	memset(s, 0, sizeof *s);
}
