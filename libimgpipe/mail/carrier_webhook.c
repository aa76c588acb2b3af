/*
 * https://host/path: a webhook.  It gets {"text", "subject", "body",
 * "message_id"} by POST; text is subject and body together, which chat services
 * display.  http:// is for loopback only.
 */
#include <stdlib.h>

#include "libimgpipe/base/json.h"
#include "libimgpipe/mail/carrier_http_priv.h"
#include "libimgpipe/mail/carrier_priv.h"

static int
open_url(struct imgp_carrier *c, const char *url, struct imgp_err *e)
{
	(void)e;
	c->target = imgp_strdup(url);
	return 0;
}

static int
send_parcel(const struct imgp_carrier *c, const struct imgp_parcel *m,
    struct imgp_carried *res, struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_json *o = imgp_json_new_object();
	struct imgp_buf body = IMGP_BUF_INIT;
	char *both = imgp_asprintf("%s\n\n%s", m->subject, m->text);
	char *key = imgp_asprintf("Idempotency-Key: %s", m->id);
	const char *headers[] = { "Content-Type: application/json", key, NULL };
	struct imgp_http_request r = { .url = c->target, .headers = headers,
	    .ca_bundle = c->ca_file, .total_ms = c->timeout * 1000 };
	int rc;

	(void)res;
	imgp_json_set_str(o, "text", both);
	imgp_json_set_str(o, "subject", m->subject);
	imgp_json_set_str(o, "body", m->text);
	imgp_json_set_str(o, "message_id", m->id);
	imgp_json_print(o, &body);
	r.body = body.s;
	r.body_len = body.len;
	if ((rc = imgp_carrier_request("the webhook", &r, &a, e)) == 0)
		rc = imgp_carrier_judge("the webhook", a.status, e);
	imgp_http_release(&a);
	imgp_buf_release(&body);
	imgp_json_free(o);
	free(both);
	free(key);
	return rc;
}

static int
ask(const struct imgp_carrier *c, struct imgp_err *e)
{
	return imgp_carrier_reach("the webhook", c, c->target, e);
}

const struct imgp_carrier_kind imgp_carrier_webhook = {
	.urls = { "https://", "http://" }, .open = open_url,
	.send = send_parcel, .ask = ask
};
