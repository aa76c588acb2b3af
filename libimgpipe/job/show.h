/*
 * A run's progress, made from the board's counts (board.h): a line for a terminal, JSON,
 * and metrics for Prometheus.
 */
#ifndef IMGPIPE_SHOW_H
#define IMGPIPE_SHOW_H

#include "libimgpipe/base/buf.h"

struct imgp_show;

/* Start the clock.  ${inputs} is the path of the file to which the run's inputs are
 * written, a line each. */
struct imgp_show *imgp_show_new(const char *run, const char *inputs);
void	imgp_show_free(struct imgp_show *s);	/* NULL is fine */

/* "3/12 done, 1 failed; fetch 2, scan 1; 12.3 MB/s; 1:23 left", at most 79 columns,
 * without a newline.  For each stage it gives the number of jobs in
 * progress. */
void	imgp_show_line(struct imgp_show *s, struct imgp_buf *out);
/* Append a line of JSON, as described in imgp-run(1). */
void	imgp_show_json(struct imgp_show *s, struct imgp_buf *out);
/* Append metrics in Prometheus' text format, with the run's exit status. */
void	imgp_show_metrics(struct imgp_show *s, int status, struct imgp_buf *out);

#endif
