/*
 * Rows of CSV (RFC 4180) that no spreadsheet takes for formulas: a cell that begins
 * with = + - @, a tab or a carriage return gets an apostrophe in front.
 */
#ifndef IMGPIPE_CSV_H
#define IMGPIPE_CSV_H

#include <stdint.h>

#include "libimgpipe/base/buf.h"

/* Append a quoted cell, and with ${last} the row's end. */
void	imgp_csv_str(struct imgp_buf *out, const char *s, int last);
/* Append a cell with a number, an empty one for a number below 0; never the last. */
void	imgp_csv_int(struct imgp_buf *out, int64_t n);

#endif
