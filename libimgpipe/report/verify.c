/*
 * The uploads and rows, as the record tells them, page after page, and what comes of
 * each.  This file must not know how bytes are compared, nor how places are listed.
 */
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/report/verify_priv.h"

#define PAGE	1000		/* rows asked for at once */

/* --- rows ------------------------------------------------------------------------ */

/* Is the EDC's object still what was taken?  Its listing tells its size and ETag;
 * a file is read where all is. */
static void
check_source(struct check *c, const struct imgp_json *o)
{
	const char *key = text(o, "source_key"), *sum = text(o,
	    "sha256_source");
	const char *pipeline = text(o, "pipeline_code");
	int64_t bytes = number(o, "bytes_source");
	const char *source = imgp_conf(pipeline, "source");
	struct imgp_held *h;
	struct base *b;
	int other;
	char *url;

	if (c->v->level < IMGP_VERIFY_SIZE || key == NULL || source == NULL ||
	    !(b = imgp_verify_base(c, source, pipeline, "source"))->listed)
		return;
	url = imgp_place_join(b->url, key);
	if ((h = imgp_inventory_find(c->held, url)) != NULL) {
		h->mark = OF_A_ROW;
		other = (bytes >= 0 && h->bytes != bytes) ||
		    !imgp_held_may_be(h, text(o, "source_etag"));
		if (!other && c->v->level >= IMGP_VERIFY_FETCH)
			other = imgp_verify_has_other_sum(c, b, url, sum, 1);
		if (other)
			imgp_verify_found_of(c, IMGP_SOURCE_CHANGED, o, url,
			    "its bytes are not those of this revision's "
			    "delivery");
	}
	free(url);
}

/* Note that the object of a delivery without a sum is there: now the labs are told
 * of it. */
static void
note_seen(struct check *c, const struct imgp_json *o)
{
	struct imgp_json *req = imgp_verify_new_request(
	    number(o, "edc_pipeline_file_id"),
	    number(o, "subject_event_crf_file_id"), text(o, "pipeline_code"));
	struct imgp_json *data = NULL;
	struct imgp_err e;

	if (imgp_post_ask(c->post, "verify_seen", req, &data, &e) == -1)
		imgp_verify_unseen(c, &e);
	imgp_json_free(data);
}

static void
check_completed(struct check *c, const struct imgp_json *o, struct base *b,
    struct imgp_held *h, const char *url)
{
	const char *now = imgp_conf(text(o, "pipeline_code"), "destination");

	c->r->rows++;
	if (now == NULL || !is_within(url, now))
		imgp_verify_found_of(c, IMGP_ELSEWHERE, o, url,
		    "the setting destination names another place");
	if (h == NULL)
		imgp_verify_remember(c, o, url);
	else {
		imgp_verify_compare(c, o, b, h, url);
		if (!c->v->dry_run && is_true(o, "unseen"))
			note_seen(c, o);
	}
	check_source(c, o);
}

static void
check_row(struct check *c, const struct imgp_json *o)
{
	const char *status = text(o, "status");
	struct imgp_held *h = NULL;
	struct base *b;
	char *url = imgp_verify_place_of(c, o, &b);

	if (url == NULL && text(o, "destination") != NULL)
		imgp_verify_found_of(c, IMGP_ELSEWHERE, o,
		    text(o, "destination"), "the row has another name than the file");
	if (url == NULL || !b->listed)
		goto out;
	if ((h = imgp_inventory_find(c->held, url)) != NULL)
		h->mark = OF_A_ROW;
	if (!is_true(o, "asked"))
		goto out;
	if (status != NULL && strcmp(status, "Completed") == 0)
		check_completed(c, o, b, h, url);
	else if (h != NULL && !is_true(o, "busy"))
		imgp_verify_found_of(c, IMGP_NOT_COMPLETED, o, url,
		    status == NULL ? "" : status);
out:
	free(url);
}

/* --- the whole ------------------------------------------------------------------- */

/* Ask ${function} for page after page of ${list}; ${each} gets its entries. */
static int
pages(struct check *c, const char *function, const char *list,
    const char *key, const char *since,
    void (*each)(struct check *, const struct imgp_json *),
    struct imgp_err *e)
{
	struct imgp_json *req, *data;
	const struct imgp_json *i;
	char *code = NULL;
	int64_t after = 0;
	size_t n;

	do {
		data = NULL;
		req = imgp_json_new_object();
		imgp_json_set_int(req, "after", after);
		imgp_json_set_int(req, "limit", PAGE);
		imgp_json_set_str(req, "after_pipeline_code", code);
		imgp_json_set_str(req, "since", since);
		imgp_json_set_bool(req, "ids", c->v->level >= IMGP_VERIFY_IDS);
		free(code);
		code = NULL;
		if (imgp_post_ask(c->post, function, req, &data, e) == -1)
			return -1;
		n = imgp_json_count(imgp_json_get(data, list));
		for (i = imgp_json_first(imgp_json_get(data, list)); i != NULL;
		    i = imgp_json_next(i)) {
			after = number(i, key);
			free(code);
			code = imgp_strdup(text(i, "pipeline_code"));
			each(c, i);
		}
		imgp_json_free(data);
	} while (n >= PAGE);
	free(code);
	return 0;
}

static void
not_delivered(struct check *c, const struct imgp_json *o)
{
	const char *code = text(o, "error_code");
	char *what = imgp_asprintf("%s%s%s%s", text(o, "state"), code == NULL ?
	    "" : ", ", code == NULL ? "" : code, is_true(o, "paused") ?
	    ", the pipeline is paused" : "");

	imgp_verify_found_of(c, IMGP_NOT_DELIVERED, o, NULL, what);
	free(what);
}

static void
clear(struct check *c)
{
	imgp_verify_close_places(c);
	imgp_verify_forget(c);
	imgp_inventory_free(c->held);
	imgp_verify_remove_dir(c);
}

int
imgp_verify(struct imgp_post *p, const struct imgp_verify *v,
    struct imgp_verified *r, struct imgp_err *e)
{
	struct check c = { .post = p, .v = v, .r = r,
	    .held = imgp_inventory_new() };
	int rc;

	memset(r, 0, sizeof *r);
	if (v->level >= IMGP_VERIFY_IDS && imgp_verify_make_dir(&c, e) == -1) {
		clear(&c);
		return -1;
	}
	rc = pages(&c, "verify_uploads", "uploads",
	    "subject_event_crf_file_id", NULL, not_delivered, e);
	if (rc == 0 && v->level > IMGP_VERIFY_ROW &&
	    (rc = imgp_verify_list_places(&c, e)) == 0) {
		r->objects = (int64_t)imgp_inventory_count(c.held);
		if ((rc = pages(&c, "verify_files", "files",
		    "edc_pipeline_file_id", v->since, check_row, e)) == 0) {
			imgp_verify_find_strays(&c);
			imgp_verify_find_missing(&c);
		}
	}
	clear(&c);
	return rc;
}
