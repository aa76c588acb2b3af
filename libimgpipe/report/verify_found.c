/*
 * Findings as they are told, and requests about a row.  This file must not know how
 * anything is found.
 */
#include <string.h>

#include "libimgpipe/report/verify_priv.h"

const char *const imgp_verify_kinds[IMGP_VERIFY_KINDS] = {
	[IMGP_NOT_DELIVERED] = "not-delivered",
	[IMGP_MISSING] = "missing",
	[IMGP_RENAMED] = "renamed",
	[IMGP_OTHER_SIZE] = "other-size",
	[IMGP_OTHER_BYTES] = "other-bytes",
	[IMGP_WITHOUT_ID] = "without-id",
	[IMGP_ELSEWHERE] = "elsewhere",
	[IMGP_NOT_COMPLETED] = "not-completed",
	[IMGP_NO_ROW] = "no-row",
	[IMGP_SOURCE_CHANGED] = "source-changed",
};

void
imgp_verify_found(struct check *c, const struct imgp_finding *f)
{
	if (c->v->pipeline != NULL && f->pipeline != NULL &&
	    strcmp(c->v->pipeline, f->pipeline) != 0)
		return;
	c->r->findings++;
	c->v->found(c->v->arg, f);
}

void
imgp_verify_unseen(struct check *c, const struct imgp_err *e)
{
	c->r->unseen++;
	c->v->complain(e);
}

void
imgp_verify_found_of(struct check *c, enum imgp_verify_kind kind,
    const struct imgp_json *o, const char *place, const char *what)
{
	int64_t id = number(o, "edc_pipeline_file_id");

	imgp_verify_found(c, &(struct imgp_finding){ .kind = kind,
	    .file_id = id < 0 ? 0 : id,
	    .upload = number(o, "subject_event_crf_file_id"),
	    .revision = number(o, "revision_number"),
	    .pipeline = text(o, "pipeline_code"), .place = place,
	    .what = what });
}

struct imgp_json *
imgp_verify_new_request(int64_t file_id, int64_t upload, const char *pipeline)
{
	struct imgp_json *req = imgp_json_new_object();

	imgp_json_set_int(req, "edc_pipeline_file_id", file_id);
	imgp_json_set_int(req, "subject_event_crf_file_id", upload);
	imgp_json_set_str(req, "pipeline_code", pipeline);
	return req;
}
