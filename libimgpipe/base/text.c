#include <string.h>

#include "libimgpipe/base/text.h"

size_t
imgp_utf8(const char *s, size_t len, unsigned int *cp)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned int c, min;
	size_t i, n;

	if (len == 0)
		return 0;
	if (p[0] < 0x80) {
		if (cp != NULL)
			*cp = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
		c = p[0] & 0x1fu;
		min = 0x80;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
		c = p[0] & 0x0fu;
		min = 0x800;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		c = p[0] & 0x07u;
		min = 0x10000;
	} else
		return 0;
	if (len < n)
		return 0;
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (cp != NULL)
		*cp = c;
	return n;
}

/* What may stand on a terminal, in a log and in a mail as it is. */
static int
is_harmless(unsigned int c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return 0;		/* C0, DEL, C1 */
	if (c == 0x61c || (c >= 0x200e && c <= 0x200f) ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
		return 0;		/* bidi controls, line separators */
	return c != 0xfeff && !(c >= 0xfff9 && c <= 0xfffb);
}

size_t
imgp_printable(char *dst, size_t size, const char *s, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	unsigned int c;
	size_t i, k, n, out = 0;

	for (i = 0; i < len; i += n) {
		n = imgp_utf8(s + i, len - i, &c);
		if (n != 0 && is_harmless(c)) {
			if (out + n >= size)
				break;
			memcpy(dst + out, s + i, n);
			out += n;
			continue;
		}
		if (n == 0)
			n = 1;
		if (out + 4 * n >= size)
			break;
		for (k = 0; k < n; k++) {
			unsigned char b = (unsigned char)s[i + k];

			dst[out++] = '\\';
			dst[out++] = 'x';
			dst[out++] = hex[b >> 4];
			dst[out++] = hex[b & 15];
		}
	}
	dst[out] = '\0';
	return out;
}

int
imgp_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

int
imgp_is_blank(const char *s, size_t len)
{
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t' ||
	    s[len - 1] == '\r'))
		len--;
	return len == 0;
}
