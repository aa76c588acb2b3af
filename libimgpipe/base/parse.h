/*
 * Values that people write: in options, settings and files.
 */
#ifndef IMGPIPE_PARSE_H
#define IMGPIPE_PARSE_H

#include "libimgpipe/base/buf.h"

/* Parse all of ${s} as a decimal integer from ${min} to ${max}.  Returns 0, or -1. */
int	imgp_parse_int(const char *s, long long min, long long max,
	    long long *out);
/* Parse a duration, 30s, 15m, 24h, 7d or plain seconds, to seconds.  Returns 0 or -1. */
int	imgp_parse_duration(const char *s, long long *seconds);
/* Parse durations separated by blanks, each at most ${max} seconds, and append them as a
 * JSON array of seconds.  Returns 0, or -1 with a part of the array in ${out}. */
int	imgp_parse_durations(const char *s, long long max,
	    struct imgp_buf *out);

#endif
