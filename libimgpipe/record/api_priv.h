/*
 * What api.c, api_ask.c and api_page.c share.
 */
#ifndef IMGPIPE_API_PRIV_H
#define IMGPIPE_API_PRIV_H

#include "libimgpipe/record/api.h"

/* --- what a request asks for (api_ask.c) ------------------------------------------ */

/* Nonzero when ${req} has the member ${name}, other than null. */
int	imgp_api_has(const struct imgp_json *req, const char *name);
/* Whether ${req} names a row: 1, or 0 for none; -1 with ${e} when the two spellings of
 * its id differ. */
int	imgp_api_names_row(const struct imgp_json *req, struct imgp_err *e);
/* Nonzero when ${s} is ${words}, lower case with blanks, in any of the page's spellings:
 * "In Progress", "in_progress", ... */
int	imgp_api_is_status(const char *s, const char *words);

/* --- clients of the design page (api_page.c) --------------------------------------- */

/* Such a client's request is done in two steps: the row first, then what changes it. */
struct imgp_api_page {
	const struct imgp_json	*req;	/* after imgp_api_page_take() */
	imgp_api_namer		*namer;
	char			*path, *name;	/* for a row without; the caller frees
						 * both, NULL at first */
};

/* Put the request ${req} to ${path} into our words, and say in ${*op} what it asks for.
 * Returns 0, or -1 with ${e}. */
int	imgp_api_page_take(const char *path, struct imgp_json *req,
	    enum imgp_ledger_op *op, struct imgp_err *e);
/* The first step's request, which asks for the row alone; the caller frees it. */
struct imgp_json *imgp_api_page_first(const struct imgp_json *req);
/* The ${then} of struct imgp_ledger_call: the second step's request, with the row's id
 * and a name; ${page} is a struct imgp_api_page.  NULL when there is nothing to change,
 * or with ${e}. */
struct imgp_json *imgp_api_page_change(void *page, const struct imgp_json *data,
	    struct imgp_err *e);
/* Show in ${data} the name that a row without one will get, and leave out the upload
 * that it is made of. */
void	imgp_api_page_finish(struct imgp_json *data, const struct imgp_api_page *p);

#endif
