/*
 * How far a run is: a line for a terminal, JSON, and numbers for a scraper, made of
 * the board's counts (board.h).
 */
#ifndef IMGPIPE_SHOW_H
#define IMGPIPE_SHOW_H

#include "libimgpipe/base/buf.h"

struct imgp_show;

/* ${inputs}: the file that gets a line for each job of the run, in time.  The clock
 * starts. */
struct imgp_show *imgp_show_new(const char *run, const char *inputs);
void	imgp_show_free(struct imgp_show *s);	/* NULL is fine */

/* "3/12 done, 1 failed; fetch 2, scan 1; 12.3 MB/s; 1:23 left", at most 79 columns,
 * without a newline.  Of a stage it says how many jobs it has in hand. */
void	imgp_show_line(struct imgp_show *s, struct imgp_buf *out);
/* A line of JSON, imgp-run(1). */
void	imgp_show_json(struct imgp_show *s, struct imgp_buf *out);
/* All of it for Prometheus, with the run's exit status. */
void	imgp_show_metrics(struct imgp_show *s, int status, struct imgp_buf *out);

#endif
