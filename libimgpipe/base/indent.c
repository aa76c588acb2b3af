#include <string.h>

#include "libimgpipe/base/indent.h"

static void
new_line(const struct imgp_indent *i, struct imgp_buf *out)
{
	imgp_buf_printf(out, "\n%*s", 2 * i->depth, "");
}

/* A byte that is not within a string. */
static void
between(struct imgp_indent *i, char c, struct imgp_buf *out)
{
	if (strchr(" \t\r\n", c) != NULL) {
		if (c == '\n' && i->depth == 0)
			imgp_buf_add(out, &c, 1);
		return;
	}
	if (strchr("]}", c) != NULL) {
		i->depth--;
		if (!i->opened)
			new_line(i, out);
		i->opened = 0;
	} else if (i->opened) {
		i->opened = 0;
		new_line(i, out);
	}
	imgp_buf_add(out, &c, 1);
	if (strchr("[{", c) != NULL) {
		i->depth++;
		i->opened = 1;
	} else if (c == ',')
		new_line(i, out);
	else if (c == ':')
		imgp_buf_puts(out, " ");
	i->in_string = c == '"';
}

void
imgp_indent(struct imgp_indent *i, const char *s, size_t len,
    struct imgp_buf *out)
{
	for (; len > 0; s++, len--) {
		if (!i->in_string) {
			between(i, *s, out);
			continue;
		}
		imgp_buf_add(out, s, 1);
		if (i->escaped)
			i->escaped = 0;
		else if (*s == '\\')
			i->escaped = 1;
		else
			i->in_string = *s != '"';
	}
}
