#include <string.h>

#include "libimgpipe/mail/carrier_http_priv.h"
#include "libimgpipe/mail/carrier_priv.h"

/* A status refuses the message only if no change at the receiver can help; after any
 * other (rights, address, load) it is sent again later. */
int
imgp_carrier_judge(const char *who, int status, struct imgp_err *e)
{
	if (status / 100 == 2)
		return 0;
	if (status == 400 || status == 410 || status == 413 || status == 422)
		return imgp_fail(e, IMGP_E_MAIL_REFUSED,
		    "%s refused with status %d", who, status);
	return imgp_fail(e, IMGP_E_MAIL_UNAVAILABLE,
	    "%s answered with status %d", who, status);
}

int
imgp_carrier_request(const char *who, const struct imgp_http_request *r,
    struct imgp_http_answer *a, struct imgp_err *e)
{
	struct imgp_http *h = imgp_http_new();
	struct imgp_err why;
	const char *cause;
	int rc;

	if ((rc = imgp_http(h, r, a, &why)) == -1) {
		cause = strrchr(why.msg, ':');
		imgp_fail(e, strcmp(why.code, IMGP_E_CONFIG) == 0 ?
		    IMGP_E_CONFIG : IMGP_E_MAIL_UNAVAILABLE,
		    "%s could not be reached%s", who, cause == NULL ||
		    strchr(cause, '/') != NULL ? "" : cause);
	}
	imgp_http_free(h);
	return rc;
}

int
imgp_carrier_reach(const char *who, const struct imgp_carrier *c,
    const char *url, struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_http_request r = { .method = "HEAD", .url = url,
	    .ca_bundle = c->ca_file, .total_ms = c->timeout * 1000 };
	int rc = imgp_carrier_request(who, &r, &a, e);

	imgp_http_release(&a);
	return rc;
}
