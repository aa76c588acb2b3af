/*
 * Bearer tokens (RFC 6750), the secret that the API and its callers share.
 *
 * One token per line; empty lines and lines that begin with '#' are ignored.  A caller
 * uses the first token; the API accepts any of them, so that a token can be replaced
 * while callers still have the old one.  A token has 16 to 512 characters of RFC 6750's
 * b64token: letters, digits, "-._~+/", then "=" or none.  Behind it may stand the codes of
 * the pipelines that it is valid for, separated by blanks; without them it is valid for
 * all.  The first word behind a token may be "page", for a client that knows the design
 * page only (api.h).
 */
#ifndef IMGPIPE_TOKEN_H
#define IMGPIPE_TOKEN_H

#include <stddef.h>

#include "libimgpipe/base/err.h"

#define IMGP_TOKEN_MIN		16
#define IMGP_TOKEN_MAX		512

struct imgp_tokens;		/* opaque */

/*
 * Parse ${text}, the setting api_token.  NULL with IMGP-CONFIG, whose message repeats
 * nothing of it; free with imgp_tokens_free().
 */
struct imgp_tokens *imgp_tokens_parse(const char *text, struct imgp_err *e);
void	imgp_tokens_free(struct imgp_tokens *t);	/* wipes; NULL is fine */

/* The first token, borrowed. */
const char *imgp_tokens_first(const struct imgp_tokens *t);

/*
 * Find the token ${s} of ${len} bytes.  Returns the words behind it, the codes of its
 * pipelines separated by blanks or "" for all, borrowed; NULL when it is none of the
 * tokens.  The time taken depends on ${len} and the number of tokens, not on their
 * content.
 */
const char *imgp_tokens_pipelines(const struct imgp_tokens *t, const char *s,
	    size_t len);

#endif
