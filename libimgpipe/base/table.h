/*
 * Aligned columns and folded lines for a terminal of IMGP_TABLE_WIDTH columns.
 *
 * Cells are gathered row by row; printing finds the widths.  Columns that do not fit
 * stand on a second line of their row, indented.  Text is taken as it is: make it
 * printable first.
 */
#ifndef IMGPIPE_TABLE_H
#define IMGPIPE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "libimgpipe/base/buf.h"

#define IMGP_TABLE_WIDTH	80

enum imgp_paint { IMGP_PLAIN, IMGP_BOLD, IMGP_DIM, IMGP_GREEN, IMGP_YELLOW,
    IMGP_RED };

struct imgp_table;

/* A table of ${n} columns with these heads; a head that begins with '>' is that
 * of a right-aligned column. */
struct imgp_table *imgp_table_new(const char *const *heads, size_t n);
void	imgp_table_free(struct imgp_table *t);	/* NULL is fine */

/* Add the next cell, from left to right and row by row; the text is copied. */
void	imgp_table_str(struct imgp_table *t, const char *s,
	    enum imgp_paint paint);
void	imgp_table_int(struct imgp_table *t, int64_t n);

/* Append it; ${colour}: with ECMA-48 colours. */
void	imgp_table_print(const struct imgp_table *t, int colour,
	    struct imgp_buf *out);

/*
 * Append ${text}, breaking lines wider than IMGP_TABLE_WIDTH at a blank.  The rest of a
 * line is indented to its second column ("  what   said"), or by four columns if it has
 * none.  A word that does not fit stays whole.  ECMA-48 colours take no room.
 */
void	imgp_fold(const char *text, struct imgp_buf *out);

/* Append ${s}, painted when ${colour}. */
void	imgp_paint(struct imgp_buf *out, const char *s, enum imgp_paint paint,
	    int colour);

#endif
