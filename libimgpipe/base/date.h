/*
 * Dates as protocols write them, as seconds.
 */
#ifndef IMGPIPE_DATE_H
#define IMGPIPE_DATE_H

#include <stdint.h>

/*
 * Unix seconds of an ISO 8601 time, "2026-01-02T03:04:05Z", with or without a
 * fraction, in UTC or with an offset ("+01:00"); -1 when ${s} is none.
 */
int64_t	imgp_date_iso(const char *s);

/*
 * Unix seconds of an HTTP date, "Fri, 02 Jan 2026 03:04:05 GMT"; -1 when ${s}
 * is none.
 */
int64_t	imgp_date_http(const char *s);

#endif
