/*
 * What is left when all rows are read: rows whose objects were not listed, and
 * objects that no row names.  This file must not know how rows and listings are had.
 */
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/report/verify_priv.h"

/* A row that is Completed and whose object is not there. */
struct gone {
	int64_t		 file_id, upload, revision, bytes;
	char		*pipeline, *place, *sha256, *etag;
	int		 found;		/* under another name */
};

void
imgp_verify_remember(struct check *c, const struct imgp_json *o,
    const char *place)
{
	struct gone *g;

	if ((c->ngone & (c->ngone + 1)) == 0)	/* full: 0, 1, 3, 7, … */
		c->gone = imgp_realloc(c->gone, 2 * c->ngone + 1,
		    sizeof *c->gone);
	g = &c->gone[c->ngone++];
	memset(g, 0, sizeof *g);
	g->file_id = number(o, "edc_pipeline_file_id");
	g->upload = number(o, "subject_event_crf_file_id");
	g->revision = number(o, "revision_number");
	g->bytes = number(o, "bytes");
	g->pipeline = imgp_strdup(text(o, "pipeline_code"));
	g->place = imgp_strdup(place);
	g->sha256 = text(o, "sha256") == NULL ? NULL :
	    imgp_strdup(text(o, "sha256"));
	g->etag = text(o, "destination_etag") == NULL ? NULL :
	    imgp_strdup(text(o, "destination_etag"));
}

static int
by_size(const void *a, const void *b)
{
	int64_t x = ((const struct gone *)a)->bytes;
	int64_t y = ((const struct gone *)b)->bytes;

	return (x > y) - (x < y);
}

/* The row that the object at ${url}, which no row names, may be of: the same
 * size, and the same ETag or, where there is none, the same sum. */
static struct gone *
owner_of(struct check *c, struct base *b, const char *url,
    const struct imgp_held *h)
{
	struct gone *g, *end = c->gone + c->ngone;
	size_t from = 0, to = c->ngone, mid;

	while (from < to) {
		mid = (from + to) / 2;
		if (c->gone[mid].bytes < h->bytes)
			from = mid + 1;
		else
			to = mid;
	}
	for (g = c->gone + from; g < end && g->bytes == h->bytes; g++) {
		if (g->found)
			continue;
		if (h->etag != 0 && g->etag != NULL) {
			if (imgp_held_may_be(h, g->etag))
				return g;
		} else if (c->v->level >= IMGP_VERIFY_SUM &&
		    g->sha256 != NULL &&
		    !imgp_verify_has_other_sum(c, b, url, g->sha256, 1))
			return g;
	}
	return NULL;
}

static void
found_gone(struct check *c, const struct gone *g, enum imgp_verify_kind kind,
    const char *what)
{
	imgp_verify_found(c, &(struct imgp_finding){ .kind = kind,
	    .file_id = g->file_id, .upload = g->upload, .revision = g->revision,
	    .pipeline = g->pipeline, .place = g->place, .what = what });
}

/* Is it the manifest beside a file that has a row (manifest.h)? */
static int
is_manifest(const struct check *c, const char *url)
{
	static const char tail[] = ".manifest.json";
	size_t len = strlen(url);
	const struct imgp_held *of;
	char *file;

	if (len < sizeof tail ||
	    strcmp(url + len - (sizeof tail - 1), tail) != 0)
		return 0;
	file = imgp_strndup(url, len - (sizeof tail - 1));
	of = imgp_inventory_find(c->held, file);
	free(file);
	return of != NULL && of->mark != UNKNOWN;
}

/* An object of the second listing: does it have a row? */
struct stray {
	struct check	*c;
	struct base	*b;
};
static int
is_stray(void *arg, const char *url, const struct imgp_object *object)
{
	struct check *c = ((struct stray *)arg)->c;
	struct imgp_held *h = imgp_inventory_find(c->held, url);
	struct gone *g;
	char *what;

	(void)object;
	/* What was delivered since the first listing was not in it. */
	if (h == NULL || h->mark != UNKNOWN || is_manifest(c, url) ||
	    imgp_verify_is_aside(c, url))
		return 0;
	h->mark = MOVED;
	if ((g = owner_of(c, ((struct stray *)arg)->b, url, h)) == NULL) {
		imgp_verify_found(c, &(struct imgp_finding){ .kind = IMGP_NO_ROW,
		    .place = url, .what = h->bytes == -1 ?
		    "neither file nor directory" : "no row names it" });
		return 0;
	}
	what = imgp_asprintf("its bytes lie at %s", url);
	found_gone(c, g, IMGP_RENAMED, what);
	free(what);
	g->found = 1;
	return 0;
}

void
imgp_verify_find_strays(struct check *c)
{
	struct imgp_err e;
	struct base *b;

	if (c->ngone > 0)
		qsort(c->gone, c->ngone, sizeof *c->gone, by_size);
	for (b = c->bases; b != NULL; b = b->next)
		if (b->listed && !b->is_source && imgp_store_list(b->store,
		    b->url, is_stray, &(struct stray){ c, b }, &e) == -1)
			imgp_verify_unseen(c, &e);
}

/* Open the row, where that is wanted: what there is to say of it. */
static const char *
repair(struct check *c, const struct gone *g)
{
	struct imgp_json *req, *data = NULL;
	struct imgp_err e;

	if (c->v->repair == NULL || (c->v->pipeline != NULL &&
	    strcmp(c->v->pipeline, g->pipeline) != 0))
		return "there is no such object";
	req = imgp_verify_new_request(g->file_id, g->upload, g->pipeline);
	imgp_json_set_str(req, "reason", c->v->repair);
	if (imgp_post_ask(c->post, "repair", req, &data, &e) == -1) {
		c->r->refused++;
		c->v->complain(&e);
		return "there is no such object; its row is not opened";
	}
	imgp_json_free(data);
	return "there is no such object; its row is open for the next run";
}

void
imgp_verify_find_missing(struct check *c)
{
	struct imgp_object got;
	struct imgp_err e;
	struct base *b;
	struct gone *g;

	for (g = c->gone; g < c->gone + c->ngone; g++) {
		if (g->found)
			continue;
		for (b = c->bases; !b->listed || !is_within(g->place, b->url);
		    b = b->next)
			;
		if (imgp_store_head(b->store, g->place, 0, &got, &e) == 0)
			continue;
		if (strcmp(e.code, IMGP_E_STORE_NOT_FOUND) == 0)
			found_gone(c, g, IMGP_MISSING, repair(c, g));
		else
			imgp_verify_unseen(c, &e);
	}
}

static void
release(struct gone *g)
{
	free(g->pipeline);
	free(g->place);
	free(g->sha256);
	free(g->etag);
}

void
imgp_verify_forget(struct check *c)
{
	while (c->ngone > 0)
		release(&c->gone[--c->ngone]);
	free(c->gone);
}
