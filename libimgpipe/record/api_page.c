#include <string.h>

#include "libimgpipe/base/parse.h"
#include "libimgpipe/record/api_priv.h"

/* A number that came as text is one. */
static void
make_int(struct imgp_json *o, const char *name)
{
	const char *s = imgp_json_str(imgp_json_get(o, name));
	long long n;

	if (s != NULL && imgp_parse_int(s, 0, INT64_MAX, &n) == 0)
		imgp_json_set_int(o, name, n);
}

/* ${list} with the numbers of its entries as numbers, and those of ${inner} in each of
 * them; NULL when it is no array. */
static struct imgp_json *
with_ints(const struct imgp_json *list, const char *inner)
{
	static const char *const numbers[] = { "series_number",
	    "number_of_instance", "number_of_instances", NULL };
	struct imgp_json *out, *o, *within;
	const struct imgp_json *i;
	size_t k;

	if (!imgp_json_is_array(list))
		return NULL;
	out = imgp_json_new_array();
	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i)) {
		o = imgp_json_copy(i);
		for (k = 0; imgp_json_is_object(o) && numbers[k] != NULL; k++)
			make_int(o, numbers[k]);
		if (inner != NULL && imgp_json_is_object(o) && (within =
		    with_ints(imgp_json_get(o, inner), NULL)) != NULL)
			imgp_json_set(o, inner, within);
		imgp_json_append(out, o);
	}
	return out;
}

int
imgp_api_page_take(const char *path, struct imgp_json *req, enum imgp_ledger_op *op,
    struct imgp_err *e)
{
	static const char *const numbers[] = { "subject_event_crf_file_id",
	    "edc_pipeline_file_id", "edc_pipieline_file_id", NULL };
	struct imgp_json *scans;
	size_t i;
	int row;

	for (i = 0; numbers[i] != NULL; i++)
		make_int(req, numbers[i]);
	if ((scans = with_ints(imgp_json_get(req, "scans"), "series")) != NULL)
		imgp_json_set(req, "scans", scans);
	if ((row = imgp_api_names_row(req, e)) == -1)
		return -1;
	if (strcmp(path, IMGP_API_NOTICE) == 0)
		return imgp_fail(e, IMGP_E_API_DENIED,
		    "the bearer token is for the page's calls alone");
	*op = IMGP_LEDGER_PAGE_FILE;
	if (strcmp(path, IMGP_API_SCANS) != 0)
		return 0;
	*op = IMGP_LEDGER_PAGE_SCANS;
	return row ? 0 : imgp_fail(e, IMGP_E_API_REQUEST,
	    "edc_pipeline_file_id is missing");
}

struct imgp_json *
imgp_api_page_change(void *arg, const struct imgp_json *data, struct imgp_err *e)
{
	struct imgp_api_page *p = arg;
	const struct imgp_json *row = imgp_json_get(data, "edc_pipeline_file");
	const struct imgp_json *upload = imgp_json_get(data, "upload");
	const char *status = imgp_json_str(imgp_json_get(p->req, "status"));
	struct imgp_json *second;

	if (upload != NULL && p->name == NULL &&
	    p->namer(upload, row, &p->path, &p->name, e) == -1)
		return NULL;
	if (status == NULL && !imgp_api_has(p->req, "file_name"))
		return NULL;
	second = imgp_json_copy(p->req);
	imgp_json_remove(second, "first");
	imgp_json_remove(second, "edc_pipieline_file_id");
	imgp_json_set(second, "edc_pipeline_file_id",
	    imgp_json_copy(imgp_json_get(row, "id")));
	if (p->name != NULL && !imgp_api_is_status(status == NULL ? "" : status,
	    "started") && !imgp_api_has(p->req, "file_name"))
		imgp_json_set_str(second, "file_name", p->name);
	if (p->name != NULL && !imgp_api_has(p->req, "file_path"))
		imgp_json_set_str(second, "file_path", p->path);
	return second;
}

struct imgp_json *
imgp_api_page_first(const struct imgp_json *req)
{
	struct imgp_json *first = imgp_json_copy(req);

	imgp_json_set_bool(first, "first", 1);
	return first;
}

void
imgp_api_page_finish(struct imgp_json *data, const struct imgp_api_page *p)
{
	struct imgp_json *row = imgp_json_copy(imgp_json_get(data,
	    "edc_pipeline_file"));

	if (imgp_json_is_object(row) && p->name != NULL &&
	    !imgp_api_has(row, "file_name")) {
		imgp_json_set_str(row, "file_name", p->name);
		imgp_json_set_str(row, "file_path", p->path);
	}
	imgp_json_set(data, "edc_pipeline_file", row);
	imgp_json_remove(data, "upload");
}
