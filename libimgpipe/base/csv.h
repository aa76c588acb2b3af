/*
 * Rows of CSV (RFC 4180) that a spreadsheet computes nothing of: a cell that
 * begins with = + - @ or a tab gets an apostrophe in front.
 */
#ifndef IMGPIPE_CSV_H
#define IMGPIPE_CSV_H

#include <stdint.h>

#include "libimgpipe/base/buf.h"

/* A cell of text, quoted; ${last}: and the row's end. */
void	imgp_csv_str(struct imgp_buf *out, const char *s, int last);
/* A cell that is a number; nothing for one below 0. */
void	imgp_csv_int(struct imgp_buf *out, int64_t n);

#endif
