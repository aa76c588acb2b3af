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
 * api_cert_file, api_key_file, api_timeout, api_spelling, which follows
 * api_revisions by default.
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

/* The ledger's word for a status in whichever of the page's spellings (M41); NULL:
 * it is none. */
const char *imgp_ledger_status(const char *s);

/*
 * Send ${request} to ${path} once, and fill in ${call}'s data or err: 0, or -1 and
 * ${e} as imgp_ledger_http_call().  ${*done} is nonzero when the server did what was
 * asked, or may have: no answer to be believed says otherwise.
 */
int	imgp_ledger_http_send(struct imgp_ledger_http *h, const char *path,
	    const struct imgp_json *request, struct imgp_ledger_call *call,
	    int *done, struct imgp_err *e);
/* Nonzero when the API has the page's spellings. */
int	imgp_ledger_http_is_page(const struct imgp_ledger_http *h);

/*
 * An API that knows no more than the design page, with our own account of its rows
 * (account.h): ledger_page.c.  Settings: ledger, api_create.
 */
struct imgp_ledger_page;
/* NULL with IMGP-CONFIG, as where "ledger" names no account. */
struct imgp_ledger_page *imgp_ledger_page_open(const char *base,
	    struct imgp_err *e);
void	imgp_ledger_page_close(struct imgp_ledger_page *p);
int	imgp_ledger_page_reach(struct imgp_ledger_page *p, struct imgp_err *e);
/* Nonzero when the account was begun just now. */
int	imgp_ledger_page_is_new(const struct imgp_ledger_page *p);
/* As imgp_ledger_http_call(). */
int	imgp_ledger_page_call(struct imgp_ledger_page *p,
	    struct imgp_ledger_call *call, struct imgp_err *e);

#endif
