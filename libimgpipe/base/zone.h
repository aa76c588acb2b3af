/* The time zone of the times in file names (M15). */
#ifndef IMGPIPE_ZONE_H
#define IMGPIPE_ZONE_H

#include <time.h>

#include "libimgpipe/base/err.h"

/*
 * Make imgp_zone_local() use ${zone}, a name of the system's zone database such as
 * "America/Los_Angeles"; until then it uses UTC.  Returns 0, or -1 with IMGP-CONFIG when
 * there is no such zone.  Sets TZ: call it while there is one thread.
 */
int	imgp_zone_set(const char *zone, struct imgp_err *e);
/* As localtime_r(3). */
struct tm *imgp_zone_local(time_t t, struct tm *tm);

#endif
