/*
 * What ledger.c, ledger_http.c and ledger_page.c share.
 */
#ifndef IMGPIPE_LEDGER_PRIV_H
#define IMGPIPE_LEDGER_PRIV_H

#include "libimgpipe/record/ledger.h"

/*
 * Set ${call}'s data, or its err, from ${answer}, which should be the API's envelope;
 * NULL: it is no JSON.
 */
void	imgp_ledger_take(struct imgp_ledger_call *call,
	    const struct imgp_json *answer);
/* Empty ${call}'s data and err before it is asked again. */
void	imgp_ledger_forget(struct imgp_ledger_call *call);

struct imgp_ledger_http;	/* a pipeline API, in ledger_http.c */

/*
 * A handle for the API with the base URL ${base}, https:// or on loopback http://.
 * Nothing is sent yet.  NULL with IMGP-CONFIG.  Settings: api_token_file, api_ca_file,
 * api_cert_file, api_key_file, api_timeout, api_spelling (its default depends on
 * api_revisions).
 */
struct imgp_ledger_http *imgp_ledger_http_open(const char *base,
	    struct imgp_err *e);
void	imgp_ledger_http_close(struct imgp_ledger_http *h);

/*
 * Find out by a GET, which changes nothing, whether the API is reachable and accepts our
 * token: 0, or -1 with ${e} as below.
 */
int	imgp_ledger_http_reach(struct imgp_ledger_http *h, struct imgp_err *e);

/*
 * Make ${call} and, if it has one, its second request.  Returns 0 when it was answered,
 * even by a refusal; -1 with IMGP-DB-UNAVAILABLE when the caller shall make it again from
 * the beginning, with another code when nothing more should be asked of this server.
 */
int	imgp_ledger_http_call(struct imgp_ledger_http *h,
	    struct imgp_ledger_call *call, struct imgp_err *e);

/* The ledger's spelling of a status in any of the design page's spellings (M41); NULL
 * when it is no status. */
const char *imgp_ledger_status(const char *s);

/*
 * Send ${request} to ${path} once, and set ${call}'s data or err.  Returns 0, or -1 with
 * ${e} as imgp_ledger_http_call().  ${*done} is nonzero when the server did what was asked
 * or may have done it, because no trustworthy answer says otherwise.
 */
int	imgp_ledger_http_send(struct imgp_ledger_http *h, const char *path,
	    const struct imgp_json *request, struct imgp_ledger_call *call,
	    int *done, struct imgp_err *e);
/* Nonzero when the API has the page's spellings. */
int	imgp_ledger_http_is_page(const struct imgp_ledger_http *h);

/*
 * ledger_page.c: an API that knows no more than the design page, with an account of its
 * rows (account.h).  Settings: ledger, api_create.
 */
struct imgp_ledger_page;
/* NULL with IMGP-CONFIG, for example when "ledger" names no account. */
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
