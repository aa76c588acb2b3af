#include <string.h>

#include "libimgpipe/record/api_priv.h"

int
imgp_api_has(const struct imgp_json *req, const char *name)
{
	return !imgp_json_is_null(imgp_json_get(req, name));
}

static int
has_any(const struct imgp_json *req, const char *const *names)
{
	for (; *names != NULL; names++)
		if (imgp_api_has(req, *names))
			return 1;
	return 0;
}

int
imgp_api_names_row(const struct imgp_json *req, struct imgp_err *e)
{
	static const char ours[] = "edc_pipeline_file_id";
	static const char pages[] = "edc_pipieline_file_id";
	int64_t m, n;

	if (!imgp_api_has(req, ours) || !imgp_api_has(req, pages))
		return imgp_api_has(req, ours) || imgp_api_has(req, pages);
	if (imgp_json_int(imgp_json_get(req, ours), &m) == 0 &&
	    imgp_json_int(imgp_json_get(req, pages), &n) == 0 && m == n)
		return 1;
	return imgp_fail(e, IMGP_E_API_REQUEST,
	    "the row is named in two spellings that differ");
}

int
imgp_api_is_status(const char *s, const char *words)
{
	for (; *s != '\0' && *words != '\0'; s++, words++)
		if ((*s == '_' ? ' ' : *s | 32) != (*words | 32))
			return 0;
	return *s == *words;
}

static int
update_op(const struct imgp_json *req, enum imgp_ledger_op *op,
    struct imgp_err *e)
{
	static const char *const stored[] = { "file_name", "file_path",
	    "source_etag", "bytes", "sha256", "etag", "version_id",
	    "destination", NULL };
	const struct imgp_json *status = imgp_json_get(req, "status");
	const char *s = imgp_json_str(status);

	if (!imgp_json_is_null(status) && s == NULL)
		return imgp_fail(e, IMGP_E_API_REQUEST,
		    "status is not a string");
	if (s != NULL && imgp_api_is_status(s, "in progress"))
		*op = IMGP_LEDGER_SCANS;
	else if (s != NULL && !imgp_api_is_status(s, "started"))
		*op = IMGP_LEDGER_FINISH;
	else if (s != NULL || has_any(req, stored))
		*op = IMGP_LEDGER_START;
	else
		*op = imgp_json_bool(imgp_json_get(req, "release")) == 1 ?
		    IMGP_LEDGER_RELEASE : IMGP_LEDGER_RENEW;
	return 0;
}

static enum imgp_ledger_op
notice_op(const struct imgp_json *req)
{
	static const char *const done[] = { "told", "logged", NULL };

	return has_any(req, done) ? IMGP_LEDGER_NOTICE_DONE :
	    IMGP_LEDGER_NOTICE_LIST;
}

int
imgp_api_op(const char *path, const struct imgp_json *req,
    enum imgp_ledger_op *op, struct imgp_err *e)
{
	static const char *const upload[] = { "subject_event_crf_file_id",
	    "pipeline_code", NULL };
	const struct imgp_json *release = imgp_json_get(req, "release");
	const char *status = imgp_json_str(imgp_json_get(req, "status"));
	int row;

	if (strcmp(path, IMGP_API_NOTICE) == 0) {
		*op = notice_op(req);
		return 0;
	}
	if ((row = imgp_api_names_row(req, e)) == -1)
		return -1;
	if (!imgp_json_is_null(release) && imgp_json_bool(release) == -1)
		return imgp_fail(e, IMGP_E_API_REQUEST,
		    "release is neither true nor false");
	if (strcmp(path, IMGP_API_SCANS) == 0) {
		*op = IMGP_LEDGER_SCANS;
		return row ? 0 : imgp_fail(e, IMGP_E_API_REQUEST,
		    "edc_pipeline_file_id is missing");
	}
	if (row)
		return update_op(req, op, e);
	if (status != NULL && imgp_api_is_status(status, "failed") &&
	    imgp_api_has(req, "subject_event_crf_file_id") && imgp_api_has(req, "errors")) {
		*op = IMGP_LEDGER_LOOKUP_FAILED;
		return 0;
	}
	if (imgp_api_has(req, "status") &&
	    (status == NULL || !imgp_api_is_status(status, "started")))
		return imgp_fail(e, IMGP_E_API_REQUEST,
		    "an update needs edc_pipeline_file_id");
	if (imgp_api_has(req, "run") && !has_any(req, upload))
		*op = imgp_json_bool(release) == 1 ? IMGP_LEDGER_RELEASE :
		    IMGP_LEDGER_RENEW;
	else
		*op = IMGP_LEDGER_START;
	return 0;
}
