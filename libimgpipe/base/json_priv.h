/*
 * What the files of json.c share.  Private to json*.c.
 *
 *	json.c		values: read, built and printed, by cJSON
 *	json_scan.c	checks a text before cJSON sees it
 */
#ifndef IMGPIPE_JSON_PRIV_H
#define IMGPIPE_JSON_PRIV_H

#include <stddef.h>

#include "libimgpipe/base/json.h"

/* A part of a text. */
struct imgp_json_span {
	size_t	off;
	size_t	len;
};

/*
 * Check a text as imgp_json_check() does.  Returns 0 with the place of each of its
 * numbers, in order, in ${*numbers}, which the caller frees; or -1 with ${e}.
 */
int	imgp_json_scan_numbers(const char *s, size_t len,
	    struct imgp_json_span **numbers, struct imgp_err *e);

/* How many of ${len} bytes at ${s} are ASCII that a string may hold unescaped. */
size_t	imgp_json_plain(const char *s, size_t len);

#endif
