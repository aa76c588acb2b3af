/*
 * The states of uploads, what each means and what to do about it: shared by what
 * imgp-status writes (status.h).
 */
#ifndef IMGPIPE_STATES_PRIV_H
#define IMGPIPE_STATES_PRIV_H

#include <stdint.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/base/table.h"
#include "libimgpipe/base/text.h"

#define TEXT_MAX	1024		/* bytes; longer text is cut */

struct imgp_state {
	const char	*name;
	enum imgp_paint	 paint;
	int		 calm;		/* nothing to look at */
	const char	*code;		/* of the error dictionary; NULL: none */
	const char	*means;		/* NULL: what the dictionary says */
	const char	*action;
};

/* In the order of the overview; ended by a name of NULL. */
extern const struct imgp_state imgp_states[];

/* The state named by the member "state" of ${o}; NULL: none, or an unknown one. */
const struct imgp_state *imgp_state_of(const struct imgp_json *o);
/* Set "means" and "action" of ${o} to those of ${s}; NULL: do nothing. */
void	imgp_state_advise(struct imgp_json *o, const struct imgp_state *s);

/* Append how the files of ${run}, an object in the answer of pipeline.status(), ended:
 * "3 delivered, 1 failed", or "nothing". */
void	imgp_state_counts(const struct imgp_json *run, struct imgp_buf *out);

/* A string member made printable in ${dst} of TEXT_MAX bytes, which is returned; ""
 * when there is none. */
static inline const char *
str(const struct imgp_json *o, const char *key, char *dst)
{
	const char *s = imgp_json_str(imgp_json_get(o, key));

	imgp_printable(dst, TEXT_MAX, s == NULL ? "" : s,
	    s == NULL ? 0 : strlen(s));
	return dst;
}

/* An integer member; 0 when there is none. */
static inline int64_t
num(const struct imgp_json *o, const char *key)
{
	int64_t n;

	return imgp_json_int(imgp_json_get(o, key), &n) == 0 ? n : 0;
}

#endif
