/*
 * A bucket's service: where it is, its region, its clock, and the quota of repetitions;
 * the requests of all threads share it.  This file must not know what is asked of the
 * service, nor what its answers mean.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/store/s3_priv.h"

#define QUOTA		500
#define SKEW_MAX	86400		/* s */

struct imgp_s3 {
	char	*bucket;
	char	*scheme_host;		/* "https://host:port" */
	char	*host;			/* what stands in Host */
	int	 path_style;
	int	 custom;		/* the endpoint was given */
	int	 trusts_date;		/* TLS, or this machine */
	char	*owner;
	char	*ca_bundle;		/* PEM file, or NULL: the system's */
	int64_t	 patience;		/* ms for one request with repetitions */

	pthread_mutex_t lock;		/* of all below */
	char	*region;
	long	 skew;			/* seconds to add to our clock */
	int	 quota;
};

static atomic_long seen_skew;

long
imgp_s3_skew(void)
{
	return atomic_load(&seen_skew);
}

const char *
imgp_s3_version(void)
{
	return imgp_wire_version();
}

/* --- the endpoint ------------------------------------------------------------------ */

static int
is_loopback(const char *host)
{
	size_t n = strcspn(host, ":");

	return (n == 9 && strncasecmp(host, "localhost", 9) == 0) ||
	    (strncmp(host, "127.", 4) == 0 &&
	    strspn(host, "0123456789.") == n) ||
	    strncmp(host, "[::1]", 5) == 0;
}

static int
set_endpoint(struct imgp_s3 *s3, const char *endpoint, struct imgp_err *e)
{
	const char *p = strstr(endpoint, "://");
	int https = strncmp(endpoint, "https://", 8) == 0;
	size_t len;

	if (p == NULL || (!https && strncmp(endpoint, "http://", 7) != 0))
		return imgp_fail(e, IMGP_E_CONFIG,
		    "the S3 endpoint is neither https:// nor http://");
	p += 3;
	len = strcspn(p, "/?#@");
	if (len == 0 || (p[len] != '\0' && strcmp(p + len, "/") != 0))
		return imgp_fail(e, IMGP_E_CONFIG,
		    "the S3 endpoint is not a host and a port alone");
	s3->host = imgp_strndup(p, len);
	s3->scheme_host = imgp_strndup(endpoint,
	    (size_t)(p - endpoint) + len);
	if (!https && !is_loopback(s3->host))
		return imgp_fail(e, IMGP_E_CONFIG,
		    "the S3 endpoint must be https:// (http:// only here)");
	/* The Host header has no port where it is the scheme's own. */
	if (https && len > 4 && strcmp(s3->host + len - 4, ":443") == 0)
		s3->host[len - 4] = '\0';
	else if (!https && len > 3 && strcmp(s3->host + len - 3, ":80") == 0)
		s3->host[len - 3] = '\0';
	s3->path_style = s3->custom = 1;
	s3->trusts_date = 1;
	return 0;
}

static int
is_region(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n < 33 && s[n] == '\0';
}

static void
set_aws(struct imgp_s3 *s3)
{
	const char *suffix = strncmp(s3->region, "cn-", 3) == 0 ?
	    "amazonaws.com.cn" : "amazonaws.com";

	free(s3->host);
	free(s3->scheme_host);
	/* A bucket's name with a dot does not match the certificate. */
	s3->path_style = strchr(s3->bucket, '.') != NULL;
	s3->host = s3->path_style ? imgp_asprintf("s3.%s.%s", s3->region,
	    suffix) : imgp_asprintf("%s.s3.%s.%s", s3->bucket, s3->region,
	    suffix);
	s3->scheme_host = imgp_asprintf("https://%s", s3->host);
	s3->trusts_date = 1;
}

struct imgp_s3 *
imgp_s3_new(const char *bucket, struct imgp_err *e)
{
	struct imgp_s3 *s3 = imgp_alloc(sizeof *s3);
	struct imgp_aws_settings aws = { NULL, NULL, NULL };
	long long patience;

	imgp_wire_open();
	pthread_mutex_init(&s3->lock, NULL);
	s3->bucket = imgp_strdup(bucket);
	s3->quota = QUOTA;
	if (imgp_aws_settings(&aws, e) == -1 ||
	    imgp_conf_duration(NULL, "s3_patience", &patience, e) == -1)
		goto fail;
	s3->region = imgp_strdup(aws.region);
	s3->ca_bundle = aws.ca_bundle != NULL ? imgp_strdup(aws.ca_bundle) :
	    NULL;
	s3->patience = patience * 1000;
	if (s3->ca_bundle != NULL && access(s3->ca_bundle, R_OK) == -1) {
		imgp_fail_errno(e, IMGP_E_CONFIG, "AWS_CA_BUNDLE: %s",
		    s3->ca_bundle);
		goto fail;
	}
	if (!is_region(s3->region)) {
		imgp_fail(e, IMGP_E_CONFIG, "not a region: %.40s", s3->region);
		goto fail;
	}
	if (aws.endpoint == NULL)
		set_aws(s3);
	else if (set_endpoint(s3, aws.endpoint, e) == -1)
		goto fail;
	imgp_aws_settings_release(&aws);
	return s3;
fail:
	imgp_aws_settings_release(&aws);
	imgp_s3_free(s3);
	return NULL;
}

void
imgp_s3_free(struct imgp_s3 *s3)
{
	if (s3 == NULL)
		return;
	imgp_wire_close();
	free(s3->bucket);
	free(s3->scheme_host);
	free(s3->host);
	free(s3->owner);
	free(s3->ca_bundle);
	free(s3->region);
	pthread_mutex_destroy(&s3->lock);
	free(s3);
}

const char *
imgp_s3_bucket(const struct imgp_s3 *s3)
{
	return s3->bucket;
}

const char *
imgp_s3_owner(const struct imgp_s3 *s3)
{
	return s3->owner;
}

void
imgp_s3_set_owner(struct imgp_s3 *s3, const char *account)
{
	free(s3->owner);
	s3->owner = account == NULL ? NULL : imgp_strdup(account);
}

const char *
imgp_s3_ca_bundle(const struct imgp_s3 *s3)
{
	return s3->ca_bundle;
}

int64_t
imgp_s3_patience(const struct imgp_s3 *s3)
{
	return s3->patience;
}

/* --- where a request goes -------------------------------------------------------- */

void
imgp_s3_route_make(struct route *to, struct imgp_s3 *s3,
    const struct imgp_s3_request *r)
{
	imgp_buf_init(&to->path);
	imgp_buf_init(&to->url);
	imgp_buf_puts(&to->path, "/");
	pthread_mutex_lock(&s3->lock);
	to->region = imgp_strdup(s3->region);
	to->skew = s3->skew;
	if (s3->path_style)
		imgp_buf_puts(&to->path, s3->bucket);
	if (s3->path_style && r->key != NULL)
		imgp_buf_puts(&to->path, "/");
	if (r->key != NULL)
		imgp_sigv4_encode(&to->path, r->key, 1);
	to->host = imgp_strdup(s3->host);
	imgp_buf_puts(&to->url, s3->scheme_host);
	pthread_mutex_unlock(&s3->lock);
	imgp_buf_puts(&to->url, to->path.s);
	if (r->query != NULL) {
		imgp_buf_puts(&to->url, "?");
		imgp_buf_puts(&to->url, r->query);
	}
}

void
imgp_s3_route_release(struct route *to)
{
	free(to->region);
	free(to->host);
	imgp_buf_release(&to->path);
	imgp_buf_release(&to->url);
}

/* --- what requests learn and share ------------------------------------------------ */

int
imgp_s3_take_region(struct imgp_s3 *s3, const char *named)
{
	int rc = 0;

	pthread_mutex_lock(&s3->lock);
	if (is_region(named) && strcmp(named, s3->region) != 0) {
		free(s3->region);
		s3->region = imgp_strdup(named);
		if (!s3->custom)
			set_aws(s3);	/* still below amazonaws.com */
		rc = 1;
	}
	pthread_mutex_unlock(&s3->lock);
	return rc;
}

int
imgp_s3_take_date(struct imgp_s3 *s3, int64_t date)
{
	long skew;
	int rc = 0;

	if (date <= 0 || !s3->trusts_date)
		return 0;
	skew = (long)(date - time(NULL));
	pthread_mutex_lock(&s3->lock);
	if (labs(skew) <= SKEW_MAX && labs(skew - s3->skew) > 60) {
		s3->skew = skew;
		atomic_store(&seen_skew, skew);
		rc = 1;
	}
	pthread_mutex_unlock(&s3->lock);
	return rc;
}

int
imgp_s3_take_quota(struct imgp_s3 *s3, int cost)
{
	int rc = -1;

	pthread_mutex_lock(&s3->lock);
	if (s3->quota >= cost) {
		s3->quota -= cost;
		rc = 0;
	}
	pthread_mutex_unlock(&s3->lock);
	return rc;
}

void
imgp_s3_give_quota(struct imgp_s3 *s3, int cost)
{
	pthread_mutex_lock(&s3->lock);
	s3->quota = s3->quota + cost > QUOTA ? QUOTA : s3->quota + cost;
	pthread_mutex_unlock(&s3->lock);
}
