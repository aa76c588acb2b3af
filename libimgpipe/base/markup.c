#include "libimgpipe/base/markup.h"

void
imgp_markup_text(struct imgp_buf *out, const char *s)
{
	for (; *s != '\0'; s++)
		switch (*s) {
		case '&':
			imgp_buf_puts(out, "&amp;");
			break;
		case '<':
			imgp_buf_puts(out, "&lt;");
			break;
		case '>':
			imgp_buf_puts(out, "&gt;");
			break;
		case '"':
			imgp_buf_puts(out, "&quot;");
			break;
		default:
			imgp_buf_add(out, s, 1);
		}
}
