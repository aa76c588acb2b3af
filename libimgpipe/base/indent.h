/*
 * Indent JSON over several lines, for people.  The text may come in pieces.
 */
#ifndef IMGPIPE_INDENT_H
#define IMGPIPE_INDENT_H

#include <stddef.h>

#include "libimgpipe/base/buf.h"

struct imgp_indent {
	int	depth;		/* arrays and objects that are open */
	int	opened;		/* nothing followed the last '{' or '[' */
	int	in_string, escaped;
};

#define IMGP_INDENT_INIT	{ 0, 0, 0, 0 }

/* Append the next ${len} bytes of valid JSON at ${s}, indented.  White space between
 * values is dropped; a newline between two whole texts is kept. */
void	imgp_indent(struct imgp_indent *i, const char *s, size_t len,
	    struct imgp_buf *out);

#endif
