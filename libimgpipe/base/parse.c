#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/parse.h"

int
imgp_parse_int(const char *s, long long min, long long max, long long *out)
{
	long long n;
	char *end;

	if (!isdigit((unsigned char)s[s[0] == '-']))
		return -1;
	errno = 0;
	n = strtoll(s, &end, 10);
	if (errno != 0 || *end != '\0' || n < min || n > max)
		return -1;
	*out = n;
	return 0;
}

int
imgp_parse_duration(const char *s, long long *seconds)
{
	static const struct { char unit; long long seconds; } units[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }
	};
	long long unit = 1, n;
	char digits[16];
	size_t len = strlen(s), i;

	for (i = 0; len > 1 && i < sizeof units / sizeof *units; i++)
		if (s[len - 1] == units[i].unit) {
			unit = units[i].seconds;
			len--;
			break;
		}
	if (len == 0 || len >= sizeof digits)
		return -1;
	memcpy(digits, s, len);
	digits[len] = '\0';
	if (imgp_parse_int(digits, 0, 1000000000LL, &n) == -1)
		return -1;
	*seconds = n * unit;
	return 0;
}

int
imgp_parse_durations(const char *s, long long max, struct imgp_buf *out)
{
	size_t begin = out->len, len;
	char one[16];
	long long n;

	for (s += strspn(s, " \t"); *s != '\0'; s += len, s += strspn(s,
	    " \t")) {
		len = strcspn(s, " \t");
		snprintf(one, sizeof one, "%.*s", (int)len, s);
		if (len >= sizeof one || imgp_parse_duration(one, &n) == -1 ||
		    n > max)
			return -1;
		imgp_buf_printf(out, "%c%lld", out->len == begin ? '[' : ',',
		    n);
	}
	if (out->len == begin)
		return -1;
	imgp_buf_puts(out, "]");
	return 0;
}
