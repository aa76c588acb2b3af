/*
 * The pipeline API as a server: serves one CGI/1.1 request (RFC 3875), passes its JSON
 * to the ledger, and answers in the envelope {"success", "error_code", "error", "data"}
 * (sql/openapi.json).
 *
 *	POST {base}/pipeline/edcpipeline/file
 *	POST {base}/pipeline/edcpipeline/file/dicom/add_scan_info
 *
 * The members of a request to the first one tell what it asks for:
 *
 *	id	status			others			asks for
 *	-	none, Started		upload, pipeline	start
 *	-	-			run alone		renew of a run
 *	-	-			run, release true	release of a run
 *	-	Failed			upload, errors		a failed look-up
 *	given	none, Started		names or content	start: store them
 *	given	In Progress		-			scans, of none
 *	given	Completed, Failed	-			finish
 *	given	-			lease alone		renew
 *	given	-			lease, release true	release
 *
 * The id is edc_pipeline_file_id, or edc_pipieline_file_id as the design page spells it;
 * statuses are accepted in all of the page's spellings.
 *
 * A caller whose token is marked "page" is served by the design page's rules instead
 * (sql/113_page.sql): it has no lease, its numbers may be text, and its row gets a file
 * name from us if it brings none.
 */
#ifndef IMGPIPE_API_H
#define IMGPIPE_API_H

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/err.h"
#include "libimgpipe/base/json.h"
#include "libimgpipe/record/ledger.h"

#define IMGP_API_FILE	"/pipeline/edcpipeline/file"
#define IMGP_API_NOTICE	"/pipeline/edcpipeline/notice"
#define IMGP_API_SCANS	"/pipeline/edcpipeline/file/dicom/add_scan_info"

struct imgp_api_answer {
	int		 status;	/* 200, 400, … */
	const char	*header;	/* one more header line, or NULL */
	struct imgp_buf	 body;		/* the envelope, with a newline */
	/* Why the request was refused, fit for a log; code NULL: it was not. */
	struct imgp_err	 err;
};
#define IMGP_API_ANSWER_INIT	{ 0, NULL, IMGP_BUF_INIT, { NULL, "" } }

/*
 * Makes the destination's path and name for ${upload} (the columns of pipeline.upload)
 * and its ${row}; imgp_api_serve() frees both.  Returns 0, or -1 with ${e}.
 */
typedef int imgp_api_namer(const struct imgp_json *upload,
	    const struct imgp_json *row, char **path, char **name,
	    struct imgp_err *e);

/*
 * Answer the request that the environment describes and whose body is read from ${fd}.
 * ${namer} names the rows of page clients.  Settings: database, api_auth, api_tls,
 * api_token_file.  It never fails: errors are answers, too.  Release ${a}->body.
 */
void	imgp_api_serve(int fd, imgp_api_namer *namer,
	    struct imgp_api_answer *a);

/* 0 when the settings allow serving and the database has our schema's version; else -1
 * with ${e}. */
int	imgp_api_check(struct imgp_err *e);

/* Write ${a} to ${fd} as a CGI program does; -1 with errno when it fails. */
int	imgp_api_write(int fd, const struct imgp_api_answer *a);

/*
 * Find out by the table above what the request ${req} to ${path} asks for: 0, or -1 with
 * IMGP-API-REQUEST.
 */
int	imgp_api_op(const char *path, const struct imgp_json *req,
	    enum imgp_ledger_op *op, struct imgp_err *e);

#endif
