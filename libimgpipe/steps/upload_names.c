#include <stdlib.h>

#include "libimgpipe/job/job.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/steps/upload_names.h"

int
imgp_upload_names(const struct imgp_json *upload, const struct imgp_json *row,
    char **path, char **name, struct imgp_err *e)
{
	struct imgp_job *job = imgp_job_new();
	const struct imgp_json *i;
	const char *code;
	int rc;

	for (i = imgp_json_first(upload); i != NULL; i = imgp_json_next(i))
		imgp_job_set(job, imgp_json_key(i), imgp_json_copy(i));
	imgp_job_set(job, "edc_pipeline_file", imgp_json_copy(row));
	*path = *name = NULL;
	code = imgp_job_str(job, "pipeline_code");
	/* It sets the zone of times, too. */
	if ((rc = imgp_names_check(code, e)) == 0 &&
	    (rc = imgp_names_destination_path(job, path, e)) == 0)
		rc = imgp_names_destination_name(job, name, e);
	if (rc == -1) {
		free(*path);
		*path = NULL;
	}
	imgp_job_free(job);
	return rc;
}
