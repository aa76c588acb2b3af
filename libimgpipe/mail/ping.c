#include "libimgpipe/mail/carrier_http_priv.h"
#include "libimgpipe/mail/ping.h"

int
imgp_ping(const char *url, const char *ca_file, struct imgp_err *e)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_http_request r = { .url = url, .ca_bundle = ca_file,
	    .total_ms = 20000 };
	int rc;

	if ((rc = imgp_carrier_request("ping", &r, &a, e)) == 0)
		rc = imgp_carrier_judge("ping", a.status, e);
	imgp_http_release(&a);
	return rc;
}
