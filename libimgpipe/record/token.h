/*
 * Bearer tokens (RFC 6750): the API's and its callers' secret.
 *
 * One token a line, empty lines and lines beginning with '#' apart.  A caller
 * uses the first; the API takes any of them, so that a token can be replaced
 * while callers still have the old one.  A token has 16 to 512 characters of
 * RFC 6750's b64token: letters, digits, "-._~+/", then maybe "=".  After it the
 * codes of the pipelines that it is for may follow, with spaces between; without
 * them it is for all.  The first word after a token may be "page": it is a client's
 * that knows the design page and nothing else (api.h).
 */
#ifndef IMGPIPE_TOKEN_H
#define IMGPIPE_TOKEN_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

#define IMGP_TOKEN_MIN		16
#define IMGP_TOKEN_MAX		512

struct imgp_tokens;		/* opaque */

/*
 * Take ${text}, the setting api_token, apart.  NULL with IMGP-CONFIG, which never
 * repeats what it holds; free with imgp_tokens_free().
 */
struct imgp_tokens *imgp_tokens_parse(const char *text, struct imgp_err *e);
void	imgp_tokens_free(struct imgp_tokens *t);	/* wipes; NULL is fine */

/* The first token, borrowed. */
const char *imgp_tokens_first(const struct imgp_tokens *t);

/*
 * The words after the token ${s} (${len} bytes): the codes of its pipelines with
 * spaces between, or "" for all; borrowed.  NULL when it is none of the tokens.  How long this
 * takes depends on ${len} and on how many there are, not on what they are.
 */
const char *imgp_tokens_pipelines(const struct imgp_tokens *t, const char *s,
	    size_t len);

#endif
