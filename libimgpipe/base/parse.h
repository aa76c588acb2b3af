/*
 * Values that people write: in options, settings and files.
 */
#ifndef IMGPIPE_PARSE_H
#define IMGPIPE_PARSE_H

#include "libimgpipe/base/buf.h"

/* A decimal integer within ${min} and ${max}, all of ${s}; 0 or -1. */
int	imgp_parse_int(const char *s, long long min, long long max,
	    long long *out);
/* A duration such as 30s, 15m, 24h, 7d or plain seconds, in seconds; 0 or -1. */
int	imgp_parse_duration(const char *s, long long *seconds);
/* Append such durations, separated by blanks, each at most ${max} seconds, as a JSON
 * array of seconds; 0, or -1 with ${out} in part. */
int	imgp_parse_durations(const char *s, long long max,
	    struct imgp_buf *out);

#endif
