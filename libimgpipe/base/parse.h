/*
 * Values that people write: in options, settings and files.
 */
#ifndef IMGPIPE_PARSE_H
#define IMGPIPE_PARSE_H

/* A decimal integer within ${min} and ${max}, all of ${s}; 0 or -1. */
int	imgp_parse_int(const char *s, long long min, long long max,
	    long long *out);
/* A duration such as 30s, 15m, 24h, 7d or plain seconds, in seconds; 0 or -1. */
int	imgp_parse_duration(const char *s, long long *seconds);

#endif
