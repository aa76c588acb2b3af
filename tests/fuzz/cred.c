/* PKGS: libcjson libcrypto libcurl expat */
/*
 * libFuzzer: what containers, instances and credential programs answer, times,
 * and headers (R26, R36).  Credentials that are taken can stand in a header.
 * make fuzz-cred [FUZZ_SECONDS=60]
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/date.h"
#include "libimgpipe/net/cred_priv.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_be_plain(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imgp_http_answer a = IMGP_HTTP_ANSWER_INIT;
	struct imgp_cred_own o = IMGP_CRED_OWN_INIT;
	struct imgp_err e = { NULL, "" };
	char *text = imgp_strndup((const char *)data, size), value[64];

	if (imgp_cred_json(text, size, "Token", &o, &e) == 0) {
		if (o.id == NULL || o.secret == NULL || *o.id == '\0' ||
		    *o.secret == '\0')
			abort();
		must_be_plain(o.id);
		must_be_plain(o.secret);
		if (o.token != NULL)
			must_be_plain(o.token);
		if (o.expires < -86400)
			abort();
	} else if (e.code == NULL || o.id != NULL)
		abort();
	imgp_cred_own_release(&o);
	(void)imgp_date_iso(text);
	imgp_buf_add(&a.head, text, size);
	if (imgp_http_header(&a, "Date", value, sizeof value) == 0 &&
	    strlen(value) >= sizeof value)
		abort();
	imgp_http_release(&a);
	free(text);
	return 0;
}
