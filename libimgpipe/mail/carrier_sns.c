/*
 * sns:ARN: Amazon SNS, Publish to a topic.  Requests are signed with the
 * credentials that cred.h finds; AWS_ENDPOINT_URL_SNS or AWS_ENDPOINT_URL names
 * another server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/mail/carrier_http_priv.h"
#include "libimgpipe/mail/carrier_priv.h"
#include "libimgpipe/net/aws_post.h"
#include "libimgpipe/net/cred.h"
#include "libimgpipe/net/sigv4.h"

#define SNS_TEXT_MAX	250000	/* bytes; SNS takes 262144 for the request */
#define SNS_SUBJECT_MAX	99	/* characters, ASCII */

/* Copy part ${number} (from 0) of the ARN to ${dst}. */
static int
arn_part(const char *arn, int number, char *dst, size_t size)
{
	size_t n;

	for (; number > 0; number--) {
		if ((arn = strchr(arn, ':')) == NULL)
			return -1;
		arn++;
	}
	n = strcspn(arn, ":");
	if (n == 0 || n >= size)
		return -1;
	memcpy(dst, arn, n);
	dst[n] = '\0';
	return 0;
}

static int
check_arn(const char *arn, struct imgp_err *e)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";
	char part[300];
	int i, colons = 0;
	const char *p;

	for (p = arn; *p != '\0'; p++)
		colons += *p == ':';
	for (i = 0; i < 6; i++)
		if (arn_part(arn, i, part, sizeof part) == -1 ||
		    (i == 0 && strcmp(part, "arn") != 0) ||
		    (i == 1 && strncmp(part, "aws", 3) != 0) ||
		    (i == 2 && strcmp(part, "sns") != 0))
			break;
	if (i < 6 || colons != 5 || arn[strspn(arn, ok)] != '\0')
		return imgp_fail(e, IMGP_E_CONFIG,
		    "mail: sns: is followed by a topic's ARN");
	return 0;
}

static int
open_url(struct imgp_carrier *c, const char *url, struct imgp_err *e)
{
	c->target = imgp_strdup(url + strlen("sns:"));
	return check_arn(c->target, e);
}

static void
field(struct imgp_buf *b, const char *name, const char *value)
{
	if (b->len != 0)
		imgp_buf_puts(b, "&");
	imgp_sigv4_encode(b, name, 1);
	imgp_buf_puts(b, "=");
	imgp_sigv4_encode(b, value, 1);
}

/* SNS allows printable ASCII and less than 100 characters. */
static void
sns_subject(const char *s, char *dst)
{
	size_t n = 0;

	for (; *s != '\0' && n < SNS_SUBJECT_MAX; s++)
		if (((unsigned char)*s & 0xc0) != 0x80)
			dst[n++] = *s >= 32 && *s <= 126 ? *s : '?';
	dst[n] = '\0';
}

static char *
sns_text(const char *s)
{
	size_t len = strlen(s);

	if (len <= SNS_TEXT_MAX)
		return imgp_strdup(s);
	for (len = SNS_TEXT_MAX; ((unsigned char)s[len] & 0xc0) == 0x80; len--)
		;
	return imgp_asprintf("%.*s\n(cut)\n", (int)len, s);
}

static void
sns_body(const char *arn, const struct imgp_parcel *m, struct imgp_buf *b)
{
	char subject[SNS_SUBJECT_MAX + 1], *text = sns_text(m->text);
	size_t len = strlen(arn);

	sns_subject(m->subject, subject);
	field(b, "Action", "Publish");
	field(b, "Version", "2010-03-31");
	field(b, "TopicArn", arn);
	field(b, "Subject", subject);
	field(b, "Message", text);
	field(b, "MessageAttributes.entry.1.Name", "message_id");
	field(b, "MessageAttributes.entry.1.Value.DataType", "String");
	field(b, "MessageAttributes.entry.1.Value.StringValue", m->id);
	if (len > 5 && strcmp(arn + len - 5, ".fifo") == 0) {
		field(b, "MessageGroupId", "imgpipe");
		field(b, "MessageDeduplicationId", m->id);
	}
	free(text);
}

/* The service's URL for the ARN, and its host; both the caller's to free. */
static int
sns_address(const char *arn, const char *region, char **url, char **host,
    struct imgp_err *e)
{
	char partition[32];

	arn_part(arn, 1, partition, sizeof partition);
	return imgp_aws_service("sns", region,
	    strcmp(partition, "aws-cn") == 0, url, host, e);
}

/* One signed request. */
static int
sns_try(const char *url, const struct imgp_aws_post *p, long timeout,
    const struct imgp_cred_keys *k, const char *ca_file,
    struct imgp_http_answer *a, struct imgp_err *e)
{
	char **headers = imgp_aws_post_sign(p, k);
	struct imgp_http_request r = { .url = url,
	    .headers = (const char *const *)headers, .body = p->body->s,
	    .body_len = p->body->len, .ca_bundle = ca_file,
	    .total_ms = timeout * 1000 };
	int rc = imgp_carrier_request("SNS", &r, a, e);

	imgp_aws_post_release(headers);
	return rc;
}

static int
send_parcel(const struct imgp_carrier *c, const struct imgp_parcel *m,
    struct imgp_carried *res, struct imgp_err *e)
{
	const char *arn = c->target;
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_buf body = IMGP_BUF_INIT;
	const struct imgp_cred_keys *k;
	struct imgp_cred *cred;
	char region[64], *url = NULL, *host = NULL, *id = NULL;
	int tries, rc = -1;

	(void)res;
	if ((cred = imgp_cred_new(0, NULL, NULL, e)) == NULL)
		return -1;
	arn_part(arn, 3, region, sizeof region);
	if (sns_address(arn, region, &url, &host, e) == -1)
		goto out;
	sns_body(arn, m, &body);
	for (tries = 0; tries < 2; tries++) {
		free(id);
		id = NULL;
		if ((k = imgp_cred_get(cred, e)) == NULL || k->id == NULL) {
			imgp_fail(e, IMGP_E_MAIL_UNAVAILABLE,
			    "there are no credentials for SNS");
			goto out;
		}
		id = imgp_strdup(k->id);
		if (sns_try(url, &(struct imgp_aws_post){ "sns", region, host,
		    "application/x-www-form-urlencoded; charset=utf-8", NULL,
		    &body, NULL }, c->timeout, k, imgp_cred_ca_bundle(cred), &a,
		    e) == -1)
			goto out;
		if (a.status != 403 ||
		    strstr(a.body.s, "<Code>ExpiredToken") == NULL ||
		    !imgp_cred_expired(cred, id))
			break;
	}
	/* SNS answers 400 for throttling, too, which may pass. */
	rc = a.status == 400 &&
	    strstr(a.body.s, "<Code>Throttl") != NULL ?
	    imgp_carrier_judge("SNS", 429, e) :
	    imgp_carrier_judge("SNS", a.status, e);
out:
	imgp_http_release(&a);
	imgp_buf_release(&body);
	imgp_cred_free(cred);
	free(url);
	free(host);
	free(id);
	return rc;
}

/* The server answers, and there are credentials for it. */
static int
ask(const struct imgp_carrier *c, struct imgp_err *e)
{
	const struct imgp_cred_keys *k;
	char region[64], *url = NULL, *host = NULL;
	struct imgp_cred *cred;
	int rc = -1;

	if ((cred = imgp_cred_new(0, NULL, NULL, e)) == NULL)
		return -1;
	arn_part(c->target, 3, region, sizeof region);
	if ((k = imgp_cred_get(cred, e)) == NULL || k->id == NULL)
		imgp_fail(e, IMGP_E_MAIL_UNAVAILABLE,
		    "there are no credentials for SNS");
	else if (sns_address(c->target, region, &url, &host, e) == 0)
		rc = imgp_carrier_reach("SNS", c, url, e);
	imgp_cred_free(cred);
	free(url);
	free(host);
	return rc;
}

const struct imgp_carrier_kind imgp_carrier_sns = {
	.urls = { "sns:" }, .open = open_url, .send = send_parcel, .ask = ask
};
