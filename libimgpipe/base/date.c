#include <stdio.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/date.h"

/* "Z", "+01:30" and the like: 0 and the seconds east of UTC, or -1. */
static int
zone(const char *s, int64_t *east)
{
	int h, m, n = 0;
	char sign;

	*east = 0;
	if (strcmp(s, "Z") == 0)
		return 0;
	if (sscanf(s, "%c%2d:%2d%n", &sign, &h, &m, &n) < 3 || s[n] != '\0' ||
	    n != 6 || (sign != '+' && sign != '-'))
		return -1;
	*east = (sign == '-' ? -60 : 60) * (int64_t)(h * 60 + m);
	return 0;
}

int64_t
imgp_date_iso(const char *s)
{
	struct tm tm;
	const char *end;
	int64_t east;
	time_t t;

	memset(&tm, 0, sizeof tm);
	if ((end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm)) == NULL)
		return -1;
	if (*end == '.') {
		if (end[1] < '0' || end[1] > '9')
			return -1;
		end += 1 + strspn(end + 1, "0123456789");
	}
	if (zone(end, &east) == -1 || (t = timegm(&tm)) < 0)
		return -1;
	return (int64_t)t - east;
}

int64_t
imgp_date_http(const char *s)
{
	struct tm tm;
	const char *end;

	memset(&tm, 0, sizeof tm);
	end = strptime(s, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	return end == NULL || *end != '\0' ? -1 : (int64_t)timegm(&tm);
}
