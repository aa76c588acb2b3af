/*
 * The state of files, for people and programs, made from the answers of
 * pipeline.status(), status_page(), status_files() and status_upload().
 */
#ifndef IMGPIPE_STATUS_H
#define IMGPIPE_STATUS_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/report/post.h"

/*
 * What pipeline.status(), status_page() and status_files() are asked, with the setting backoff, by
 * which what failed is due again; the caller's.
 */
struct imgp_json *imgp_status_request(void);
/*
 * Add to an answer of status() or status_upload() what its states and error codes
 * mean and what to do about them: "means" and "action" to states and errors,
 * "what_to_do" to each row.
 */
void	imgp_status_advise(struct imgp_json *data);

/* Remove the pipelines that are left out (base/conf.h) from an answer of status() or
 * status_page(). */
void	imgp_status_leave_out(struct imgp_json *data);

/* The overview: how many files are in which state, which need attention and why, how
 * the last run and mail went; ${data} with imgp_status_advise().  ${colour}: for a
 * terminal that shows it.  No line is wider than IMGP_TABLE_WIDTH, unless one word
 * is. */
void	imgp_status_board(const struct imgp_json *data, int colour,
	    struct imgp_buf *out);

/* The same, and all of each participant, as a page that needs nothing but itself. */
struct imgp_status_page {
	const char	*title;
	const struct imgp_json *board;	/* of status(), left out and advised */
	const struct imgp_json *files;	/* of status_page(), left out */
	const struct imgp_json *days;	/* the array of digest_days() */
};
void	imgp_status_html(const struct imgp_status_page *p, struct imgp_buf *out);

/* The same counts for a scraper (Prometheus' text format). */
void	imgp_status_metrics(const struct imgp_json *data, struct imgp_buf *out);

/* What pipeline.status_upload() is asked for an upload; the caller's. */
struct imgp_json *imgp_status_upload_request(int64_t upload);
/* All that is known of one upload, as above. */
void	imgp_status_upload(const struct imgp_json *data, int64_t upload,
	    int colour, struct imgp_buf *out);

/* The head of the CSV, and one row for each of ${files} whose pipeline is not left
 * out; the number of the last of all in ${*last}. */
void	imgp_status_csv_head(struct imgp_buf *out);
void	imgp_status_csv(const struct imgp_json *files, struct imgp_buf *out,
	    int64_t *last);

#endif
