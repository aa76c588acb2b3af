#include <string.h>

#include "libimgpipe/base/csv.h"

void
imgp_csv_str(struct imgp_buf *out, const char *s, int last)
{
	imgp_buf_puts(out, "\"");
	if (s[0] != '\0' && strchr("=+-@\t\r", s[0]) != NULL)
		imgp_buf_puts(out, "'");
	for (; *s != '\0'; s++)
		imgp_buf_add(out, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
	imgp_buf_puts(out, last ? "\"\r\n" : "\",");
}

void
imgp_csv_int(struct imgp_buf *out, int64_t n)
{
	if (n >= 0)
		imgp_buf_printf(out, "%lld", (long long)n);
	imgp_buf_puts(out, ",");
}
