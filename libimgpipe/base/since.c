#include <stdio.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/since.h"

/* ${sign}: 1 for a time to come, -1 for one that has passed. */
static char *
from_now(const char *s, int sign)
{
	long long seconds;
	char iso[32];
	struct tm tm;
	time_t t;

	if (strchr(s, '-') == NULL && imgp_parse_duration(s, &seconds) == 0) {
		t = time(NULL) + sign * (time_t)seconds;
		if (gmtime_r(&t, &tm) == NULL ||
		    strftime(iso, sizeof iso, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
			return NULL;
		return imgp_strdup(iso);
	}
	if (strlen(s) < 10 || strlen(s) > 25 ||
	    s[strspn(s, "0123456789-:+TZ. ")] != '\0')
		return NULL;
	return imgp_asprintf("%s%s", s, strlen(s) == 10 ? "T00:00:00Z" :
	    strpbrk(s + 10, "Z+-") == NULL ? "Z" : "");
}

char *
imgp_since(const char *s)
{
	return from_now(s, -1);
}

char *
imgp_until(const char *s)
{
	return from_now(s, 1);
}
