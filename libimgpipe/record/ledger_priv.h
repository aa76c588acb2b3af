/*
 * What ledger.c and its HTTP carrier share; nobody else includes it.
 */
#ifndef IMGPIPE_LEDGER_PRIV_H
#define IMGPIPE_LEDGER_PRIV_H

#include "libimgpipe/record/ledger.h"

/*
 * Fill in ${call}'s data, or its err, from ${answer}, which is to be the API's
 * envelope (NULL: it is not).
 */
void	imgp_ledger_take(struct imgp_ledger_call *call,
	    const struct imgp_json *answer);
/* Empty ${call}'s data and err before it is asked again. */
void	imgp_ledger_forget(struct imgp_ledger_call *call);

struct imgp_ledger_http;	/* a pipeline API, in ledger_http.c */

/*
 * The API whose base is ${base}, https:// or on loopback http://; nothing is
 * sent yet.  NULL with IMGP-CONFIG.  Settings: api_token_file, api_ca_file,
 * api_cert_file, api_key_file, api_timeout, api_spelling, api_revisions.
 */
struct imgp_ledger_http *imgp_ledger_http_open(const char *base,
	    struct imgp_err *e);
void	imgp_ledger_http_close(struct imgp_ledger_http *h);

/*
 * Whether the API is there and takes our token, asked by a GET, which changes
 * nothing: 0, or -1 with ${e} as below.
 */
int	imgp_ledger_http_reach(struct imgp_ledger_http *h, struct imgp_err *e);

/*
 * Make ${call}, and its second request where it wants one: 0 when it was
 * answered, be it by a refusal; -1 with IMGP-DB-UNAVAILABLE when it is to be
 * asked again from the beginning, with another code when there is no sense in
 * asking this server anything.
 */
int	imgp_ledger_http_call(struct imgp_ledger_http *h,
	    struct imgp_ledger_call *call, struct imgp_err *e);

#endif
