#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/zone.h"

#define DATABASE	"/usr/share/zoneinfo/"

static int is_utc = 1;

static int
is_name(const char *zone)
{
	return zone[0] != '/' && strstr(zone, "..") == NULL &&
	    zone[strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789/_+-")] == '\0';
}

int
imgp_zone_set(const char *zone, struct imgp_err *e)
{
	char *path, *tz;
	int rc;

	if (strcmp(zone, "UTC") == 0) {
		is_utc = 1;
		return 0;
	}
	path = imgp_asprintf("%s%s", DATABASE, zone);
	tz = imgp_asprintf(":%s", zone);
	rc = is_name(zone) && access(path, R_OK) == 0 &&
	    path[strlen(path) - 1] != '/' && setenv("TZ", tz, 1) == 0 ? 0 :
	    imgp_fail(e, IMGP_E_CONFIG, "\"%.40s\" is no zone of %s", zone,
	    DATABASE);
	free(path);
	free(tz);
	if (rc == 0) {
		tzset();
		is_utc = 0;
	}
	return rc;
}

struct tm *
imgp_zone_local(time_t t, struct tm *tm)
{
	return is_utc ? gmtime_r(&t, tm) : localtime_r(&t, tm);
}
