/*
 * imgp-api: serve the pipeline API from the database, as a CGI program
 * (imgp-api(8)).
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/record/api.h"
#include "libimgpipe/record/db.h"
#include "libimgpipe/steps/upload_names.h"

static const char *const synopsis[] = { "[-nq]", NULL };
static const char *(*const libs[])(void) = { imgp_db_version, NULL };
static const struct imgp_tool tool = {
	"imgp-api", synopsis,
	"Serve one request of the pipeline API (CGI/1.1); -n: check the setup.",
	NULL, libs,
	IMGP_USES_DRY_RUN | IMGP_USES_QUIET
};

int
main(int argc, char *argv[])
{
	struct imgp_api_answer a = IMGP_API_ANSWER_INIT;
	struct imgp_err e = { NULL, "" };
	const char *query = getenv("QUERY_STRING");
	int rc = IMGP_EX_OK;

	/* Where a query has no "=", its words are operands (RFC 3875, 4.4). */
	if (query != NULL && *query != '\0')
		argc = 1;
	imgp_conf_system_only();
	imgp_conf_want(IMGP_SECRETS_RECORD);
	while (imgp_opt(&tool, argc, argv) != -1)
		;
	if (optind != argc)
		imgp_usage(&tool, "imgp-api takes no operands");
	if (imgp_common.dry_run) {
		if (imgp_conf_load(&e) == -1 || imgp_api_check(&e) == -1)
			imgp_die(&e);
		return IMGP_EX_OK;
	}
	if (getenv("REQUEST_METHOD") == NULL)
		imgp_usage(&tool, "imgp-api is started by a web server (CGI)");

	imgp_api_serve(STDIN_FILENO, imgp_upload_names, &a);
	/* A GET only probes: not logged. */
	if (a.err.code != NULL && a.status != 405 &&
	    (a.status >= 500 || !imgp_common.quiet))
		imgp_complain(&a.err);
	if (imgp_api_write(STDOUT_FILENO, &a) == -1) {
		warn("standard output");
		rc = IMGP_EX_TEMPFAIL;
	}
	imgp_buf_release(&a.body);
	return rc;
}
