#include <stddef.h>
#include <string.h>

#include "libimgpipe/job/members.h"

#define STR		IMGP_MEMBER_STR
#define INT		IMGP_MEMBER_INT
#define NUM		IMGP_MEMBER_NUM
#define BOOL		IMGP_MEMBER_BOOL
#define OBJ		IMGP_MEMBER_OBJ
#define ARR		IMGP_MEMBER_ARR
#define COLUMN		IMGP_MEMBER_COLUMN
#define OPTIONAL	IMGP_MEMBER_OPTIONAL
#define EMPTY		IMGP_MEMBER_EMPTY
#define NAMES		IMGP_MEMBER_NAMES
#define TOLD		IMGP_MEMBER_TOLD

const struct imgp_member imgp_members[] = {
	/* who it is */
	{ "v", INT, TOLD },
	{ "run", STR, TOLD },
	{ "subject_event_crf_file_id", INT, NAMES | TOLD },
	{ "job", STR, TOLD },
	{ "pipeline_code", STR, COLUMN | NAMES | TOLD },
	{ "subject_id", STR | INT, COLUMN | NAMES },
	{ "participant_code", STR, COLUMN | NAMES },
	{ "event_code", STR, COLUMN | NAMES },
	{ "ddcrf_name", STR, COLUMN | NAMES },
	{ "ddfile_name", STR, COLUMN | NAMES },
	{ "subject_event_crf_id", STR | INT, COLUMN | NAMES | TOLD },
	{ "revision_number", INT, COLUMN | NAMES | TOLD },
	{ "file_version_code", STR, COLUMN | NAMES },
	{ "extension", STR, COLUMN | NAMES | EMPTY },
	{ "site_code", STR, OPTIONAL | TOLD },
	{ "event_date", STR, OPTIONAL },
	{ "replica_lag_s", INT | NUM, TOLD },
	/* where it is */
	{ "source", STR, 0 },
	{ "sequencer", STR, 0 },
	{ "queue", OBJ, 0 },
	{ "edc_pipeline_file", OBJ, TOLD },
	{ "temp", STR, 0 },
	{ "destination", STR, TOLD },
	{ "local", STR, 0 },
	{ "sha256", OBJ, TOLD },
	{ "bytes", OBJ, TOLD },
	{ "etag", OBJ, 0 },
	{ "version_id", OBJ, 0 },
	/* what is in it */
	{ "scans", ARR, TOLD },
	{ "listing", OBJ, TOLD },
	{ "extra", OBJ, 0 },
	/* how it stands */
	{ "errors", ARR, TOLD },
	{ "warnings", ARR, TOLD },
	{ "ok", BOOL, TOLD },
	{ "skip", STR, TOLD },
	{ "retries", OBJ, TOLD },
	{ "started_ms", INT, TOLD },
	{ "stage_ms", OBJ, TOLD },
	{ "notice", OBJ, 0 },
	{ "replaced", ARR | OBJ, TOLD },
	{ "planned", BOOL, 0 },
	{ "input", STR, 0 },
	{ "caught", OBJ, 0 },
	{ NULL, 0, 0 }
};

const struct imgp_member *
imgp_member_find(const char *name)
{
	const struct imgp_member *m;

	for (m = imgp_members; m->name != NULL; m++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}
