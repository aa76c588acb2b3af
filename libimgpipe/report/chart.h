/*
 * The number of files that ended each day, as a drawing and as a table for a page
 * (page.h).
 */
#ifndef IMGPIPE_CHART_H
#define IMGPIPE_CHART_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/json.h"

/* Append a drawing (SVG) of ${days}, the array of pipeline.digest_days(), with a
 * description in words for screen readers. */
void	imgp_chart_days(const struct imgp_json *days, struct imgp_buf *out);
/* The same as a table, a row for each day. */
void	imgp_chart_table(const struct imgp_json *days, struct imgp_buf *out);

#endif
