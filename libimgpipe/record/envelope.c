#include <string.h>

#include "libimgpipe/record/envelope.h"

int
imgp_envelope_open(const struct imgp_json *answer, struct imgp_json **data,
    struct imgp_err *e)
{
	const struct imgp_json *j = imgp_json_get(answer, "data");
	const struct imgp_error *row;
	const char *why;

	switch (imgp_json_bool(imgp_json_get(answer, "success"))) {
	case 1:
		if (!imgp_json_is_object(j))
			break;
		*data = imgp_json_copy(j);
		return 0;
	case 0:
		row = imgp_error_find(imgp_json_str(imgp_json_get(answer,
		    "error_code")));
		why = imgp_json_str(imgp_json_get(answer, "error"));
		return imgp_fail(e, row == NULL ? IMGP_E_DB_REQUEST : row->code,
		    "%s", why == NULL ? "refused" : why);
	}
	return imgp_fail(e, IMGP_E_DB_QUERY,
	    "the answer is not in the API's envelope");
}

int
imgp_envelope_read(const struct imgp_rows *rows, struct imgp_json **data,
    struct imgp_err *e)
{
	const char *s = imgp_rows_count(rows) == 1 ?
	    imgp_rows_get(rows, 0, 0) : NULL;
	struct imgp_json *j = s == NULL ? NULL :
	    imgp_json_parse(s, strlen(s), NULL);
	int rc = imgp_envelope_open(j, data, e);

	imgp_json_free(j);
	return rc;
}
