#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/sha256.h"
#include "libimgpipe/net/aws_post.h"
#include "libimgpipe/net/sigv4.h"

static const char *
own_endpoint(const char *service, char name[64])
{
	const char *own;
	size_t n;

	strcpy(name, "AWS_ENDPOINT_URL_");
	for (n = strlen(name); *service != '\0' && n < 63; service++)
		name[n++] = (char)toupper((unsigned char)*service);
	name[n] = '\0';
	own = getenv(name);
	return own == NULL || own[0] == '\0' ? getenv("AWS_ENDPOINT_URL") : own;
}

int
imgp_aws_service(const char *service, const char *region, int in_china,
    char **url, char **host, struct imgp_err *e)
{
	char name[64];
	const char *own = own_endpoint(service, name), *p;

	if (own == NULL || own[0] == '\0') {
		*host = imgp_asprintf("%s.%s.amazonaws.com%s", service, region,
		    in_china ? ".cn" : "");
		*url = imgp_asprintf("https://%s/", *host);
		return 0;
	}
	if ((p = strstr(own, "://")) == NULL || p[3] == '\0' ||
	    strpbrk(p + 3, "?#@") != NULL)
		return imgp_fail(e, IMGP_E_CONFIG,
		    "%s: not a server's address", name);
	*host = imgp_strndup(p + 3, strcspn(p + 3, "/"));
	*url = imgp_asprintf("%.*s%s/", (int)(p + 3 - own), own, *host);
	return 0;
}

char **
imgp_aws_post_sign(const struct imgp_aws_post *p,
    const struct imgp_cred_keys *k)
{
	char date[17], sum[IMGP_SHA256_HEX];
	struct imgp_header sign[5] = { { "host", p->host },
	    { "content-type", p->type }, { "x-amz-date", date } };
	struct imgp_sigv4 s = { .access_key = k->id, .secret_key = k->secret,
	    .token = k->token, .region = p->region, .service = p->service,
	    .now = time(NULL), .method = "POST",
	    .path = p->path == NULL ? "/" : p->path, .headers = sign,
	    .nheaders = 3, .payload = sum };
	char **lines = imgp_alloc(6 * sizeof *lines);
	struct imgp_buf auth = IMGP_BUF_INIT;
	size_t n = 0;

	imgp_sigv4_date(s.now, date);
	imgp_sha256_hex(p->body->s, p->body->len, sum);
	if (k->token != NULL) {
		sign[s.nheaders++] = (struct imgp_header){
		    "x-amz-security-token", k->token };
		lines[n++] = imgp_asprintf("X-Amz-Security-Token: %s",
		    k->token);
	}
	if (p->target != NULL) {
		sign[s.nheaders++] = (struct imgp_header){
		    "x-amz-target", p->target };
		lines[n++] = imgp_asprintf("X-Amz-Target: %s", p->target);
	}
	imgp_sigv4_authorize(&s, &auth);
	lines[n++] = imgp_asprintf("Authorization: %s", auth.s);
	lines[n++] = imgp_asprintf("Content-Type: %s", p->type);
	lines[n++] = imgp_asprintf("X-Amz-Date: %s", date);
	imgp_buf_release(&auth);
	return lines;
}

void
imgp_aws_post_release(char **headers)
{
	char **h;

	for (h = headers; h != NULL && *h != NULL; h++) {
		explicit_bzero(*h, strlen(*h));
		free(*h);
	}
	free(headers);
}
