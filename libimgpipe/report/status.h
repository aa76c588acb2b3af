/*
 * The state of files, for people and programs, made from the answers of
 * pipeline.status(), status_files() and status_upload().
 */
#ifndef IMGPIPE_STATUS_H
#define IMGPIPE_STATUS_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/report/post.h"

/* Remove the pipelines that are left out (base/conf.h) from an answer. */
void	imgp_status_leave_out(struct imgp_json *data);

/* The overview: how many files are in which state, which need attention, how the
 * last run and mail went.  ${colour}: for a terminal that shows it. */
void	imgp_status_board(const struct imgp_json *data, int colour,
	    struct imgp_buf *out);

/* The same counts for a scraper (Prometheus' text format). */
void	imgp_status_metrics(const struct imgp_json *data, struct imgp_buf *out);

/* What pipeline.status_upload() is asked for an upload; the caller's. */
struct imgp_json *imgp_status_upload_request(int64_t upload);
/* All that is known of one upload. */
void	imgp_status_upload(const struct imgp_json *data, int64_t upload,
	    int colour, struct imgp_buf *out);

/* The head of the CSV, and one row for each of ${files} whose pipeline is not left
 * out; the number of the last of all in ${*last}. */
void	imgp_status_csv_head(struct imgp_buf *out);
void	imgp_status_csv(const struct imgp_json *files, struct imgp_buf *out,
	    int64_t *last);

#endif
