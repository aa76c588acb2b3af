/*
 * The output of imgp-status, made from the answers of the SQL functions
 * pipeline.status(), status_page(), status_files() and status_upload().
 */
#ifndef IMGPIPE_STATUS_H
#define IMGPIPE_STATUS_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/report/post.h"

/*
 * The request for pipeline.status(), status_page() and status_files(), which the caller
 * frees.  It has the setting backoff, which decides when a failed upload is due again.
 */
struct imgp_json *imgp_status_request(void);
/*
 * Add to an answer of status() or status_upload() what its states and error codes mean
 * and what to do about them: "means" and "action" in states and errors, "what_to_do" in
 * each row.
 */
void	imgp_status_advise(struct imgp_json *data);

/* Remove the pipelines that are left out (base/conf.h) from an answer of status() or
 * status_page(). */
void	imgp_status_leave_out(struct imgp_json *data);

/* Append the overview: how many files are in which state, which need attention and why,
 * and how the last run and mail went.  imgp_status_advise() must have been called for
 * ${data}.  ${colour}: with ECMA-48 colours.  No line is wider than IMGP_TABLE_WIDTH
 * unless a single word is. */
void	imgp_status_board(const struct imgp_json *data, int colour,
	    struct imgp_buf *out);

/* The overview and all files of each participant as a self-contained HTML page. */
struct imgp_status_page {
	const char	*title;
	const struct imgp_json *board;	/* of status(), after _leave_out, _advise */
	const struct imgp_json *files;	/* of status_page(), after _leave_out */
	const struct imgp_json *days;	/* the array of digest_days() */
};
void	imgp_status_html(const struct imgp_status_page *p, struct imgp_buf *out);

/* Append the same counts in Prometheus' text format. */
void	imgp_status_metrics(const struct imgp_json *data, struct imgp_buf *out);

/* The request for pipeline.status_upload() about an upload, which the caller frees. */
struct imgp_json *imgp_status_upload_request(int64_t upload);
/* Append all that is known of one upload; ${data} and ${colour} as above. */
void	imgp_status_upload(const struct imgp_json *data, int64_t upload,
	    int colour, struct imgp_buf *out);

/* Append the head of the CSV; and a row for each of ${files} whose pipeline is not left
 * out.  ${*last} gets the number of the last file, left out or not. */
void	imgp_status_csv_head(struct imgp_buf *out);
void	imgp_status_csv(const struct imgp_json *files, struct imgp_buf *out,
	    int64_t *last);

#endif
