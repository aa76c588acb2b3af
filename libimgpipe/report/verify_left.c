/*
 * What is left when all rows are read: rows whose objects were not listed, and
 * objects that no row names.  This file must not know how rows and listings are had.
 */
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/textset.h"
#include "libimgpipe/report/verify_priv.h"

/* So many rows in a row, the newest first, whose objects are not there by a request of
 * their own either: then the listings are right about the older ones. */
#define ASK_AGAIN	100u

/* A row that is Completed and whose object is not there. */
struct gone {
	int64_t		 file_id, upload, revision, bytes;
	char		*pipeline, *place, *sha256, *etag;
	int		 found;		/* under another name, or there after all */
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
	struct imgp_textset *late;	/* what the first listing did not have */
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
	if (h == NULL)
		imgp_textset_add(((struct stray *)arg)->late, url);
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
	struct imgp_textset *late = imgp_textset_new();
	struct imgp_err e;
	struct base *b;
	size_t i;

	if (c->ngone > 0)
		qsort(c->gone, c->ngone, sizeof *c->gone, by_size);
	for (b = c->bases; b != NULL; b = b->next) {
		if (!b->listed || b->is_source)
			continue;
		if (imgp_store_list(b->store, b->url, is_stray,
		    &(struct stray){ c, b, late }, &e) == 0)
			b->listed_twice = 1;
		else
			imgp_verify_unseen(c, &e);
	}
	for (i = 0; i < c->ngone; i++)
		c->gone[i].found |= imgp_textset_has(late, c->gone[i].place);
	imgp_textset_free(late);
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

static int
newest_first(const void *a, const void *b)
{
	int64_t x = ((const struct gone *)a)->file_id;
	int64_t y = ((const struct gone *)b)->file_id;

	return (x < y) - (x > y);
}

/* A place that the row's object is below, rather one that was listed twice. */
static const struct base *
base_of(const struct check *c, const struct gone *g)
{
	const struct base *b, *found = NULL;

	for (b = c->bases; b != NULL; b = b->next)
		if (b->listed && is_within(g->place, b->url) &&
		    (found == NULL || b->listed_twice))
			found = b;
	return found;
}

/* Ask for the row's object by itself, and note where it is there, or not to be asked
 * for.  Nonzero: there is none. */
static int
is_gone(struct check *c, const struct base *b, struct gone *g)
{
	struct imgp_object got;
	struct imgp_err e;

	if (imgp_store_head(b->store, g->place, 0, &got, &e) == -1) {
		if (strcmp(e.code, IMGP_E_STORE_NOT_FOUND) == 0)
			return 1;
		imgp_verify_unseen(c, &e);
	}
	g->found = 1;
	return 0;
}

/*
 * What a listing lacks for a while, as some services' do, is new.  So the newest rows
 * are asked for first, and where many of them are gone indeed, no further.
 */
void
imgp_verify_find_missing(struct check *c)
{
	const struct base *b;
	struct gone *g;
	size_t in_a_row = 0, i;

	if (c->ngone > 0)
		qsort(c->gone, c->ngone, sizeof *c->gone, newest_first);
	for (i = 0; i < c->ngone; i++) {
		g = &c->gone[i];
		if (g->found)
			continue;
		b = base_of(c, g);
		if (!b->listed_twice || in_a_row < ASK_AGAIN)
			in_a_row = is_gone(c, b, g) ? in_a_row + 1 : 0;
	}
	for (i = c->ngone; i-- > 0; )
		if (!c->gone[i].found)
			found_gone(c, &c->gone[i], IMGP_MISSING, repair(c,
			    &c->gone[i]));
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
