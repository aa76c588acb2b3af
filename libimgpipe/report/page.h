/*
 * Self-contained pages: no script, no outside reference.
 */
#ifndef IMGPIPE_PAGE_H
#define IMGPIPE_PAGE_H

#include <stdint.h>

#include "libimgpipe/base/buf.h"

/* Append ${open}, ${text} escaped, ${close}. */
void	imgp_page_element(struct imgp_buf *out, const char *open,
	    const char *text, const char *close);

/* Append the page's beginning, with the heading ${title} and the line ${below} under it;
 * and its end, with the line ${foot}. */
void	imgp_page_open(struct imgp_buf *out, const char *title,
	    const char *below);
void	imgp_page_close(struct imgp_buf *out, const char *foot);

/* Append a big number, an item of a list of class "tiles"; ${class} is NULL, "warn" or
 * "fail". */
void	imgp_page_tile(struct imgp_buf *out, const char *class, int64_t n,
	    const char *what);
/* Append a table's head; the caller adds rows and closes tbody and table.  ${label}, its
 * name for screen readers, is escaped; ${column} (ended by NULL) are constants. */
void	imgp_page_rows(struct imgp_buf *out, const char *label,
	    const char *const *column);
/* imgp_page_rows() under the heading ${title}, a constant. */
void	imgp_page_table(struct imgp_buf *out, const char *title,
	    const char *const *column);
/* Begin a row with the head cell ${text}, escaped, and ${close}; ${id} (NULL: none) is its
 * anchor, of letters, digits, '-', '.' and '_'. */
void	imgp_page_row(struct imgp_buf *out, const char *id, const char *text,
	    const char *close);
/* Append a cell with ${text} ("": a dash).  On a phone it is labelled with ${of}, a
 * constant. */
void	imgp_page_cell(struct imgp_buf *out, const char *of, const char *text);

#endif
