#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/job/spool.h"
#include "libimgpipe/report/verify.h"
#include "libimgpipe/steps/ids_check.h"
#include "libimgpipe/store/inventory.h"
#include "libimgpipe/store/store.h"

#define PAGE	1000		/* rows asked for at once */

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

/* What an object of the inventory was found to be. */
enum mark { UNKNOWN, OF_A_ROW, MOVED };

/* A place that is open, and listed where it could be. */
struct base {
	char		*url;
	struct imgp_store *store;	/* NULL: it cannot be opened */
	int		 listed;
	int		 is_source;
	struct base	*next;
};

/* A row that is Completed and whose object is not there. */
struct gone {
	int64_t		 file_id, upload, revision, bytes;
	char		*pipeline, *place, *sha256, *etag;
	int		 found;		/* under another name */
};

struct check {
	struct imgp_post *post;
	const struct imgp_verify *v;
	struct imgp_verified *r;
	struct imgp_inventory *held;
	struct base	*bases;
	struct gone	*gone;
	size_t		 ngone;
	char		*dir;		/* for one object at a time; NULL: not made */
	int		 lock;		/* its lock */
	struct imgp_store *here;	/* it, as a place */
	char		**others;	/* places within which nothing has a row */
	size_t		 nothers;
};

/* --- findings ------------------------------------------------------------------ */

static void
found(struct check *c, const struct imgp_finding *f)
{
	if (c->v->pipeline != NULL && f->pipeline != NULL &&
	    strcmp(c->v->pipeline, f->pipeline) != 0)
		return;
	c->r->findings++;
	c->v->found(c->v->arg, f);
}

static void
unseen(struct check *c, const struct imgp_err *e)
{
	c->r->unseen++;
	c->v->complain(e);
}

static const char *
text(const struct imgp_json *o, const char *key)
{
	return imgp_json_str(imgp_json_get(o, key));
}

static int64_t
number(const struct imgp_json *o, const char *key)
{
	int64_t n;

	return imgp_json_int(imgp_json_get(o, key), &n) == 0 ? n : -1;
}

static int
is_true(const struct imgp_json *o, const char *key)
{
	return imgp_json_bool(imgp_json_get(o, key)) == 1;
}

/* A finding about the row or upload ${o}. */
static void
found_of(struct check *c, enum imgp_verify_kind kind,
    const struct imgp_json *o, const char *place, const char *what)
{
	int64_t id = number(o, "edc_pipeline_file_id");

	found(c, &(struct imgp_finding){ .kind = kind,
	    .file_id = id < 0 ? 0 : id,
	    .upload = number(o, "subject_event_crf_file_id"),
	    .revision = number(o, "revision_number"),
	    .pipeline = text(o, "pipeline_code"), .place = place,
	    .what = what });
}

/* A request about a row. */
static struct imgp_json *
new_request(int64_t file_id, int64_t upload, const char *pipeline)
{
	struct imgp_json *req = imgp_json_new_object();

	imgp_json_set_int(req, "edc_pipeline_file_id", file_id);
	imgp_json_set_int(req, "subject_event_crf_file_id", upload);
	imgp_json_set_str(req, "pipeline_code", pipeline);
	return req;
}

/* --- places ---------------------------------------------------------------------- */

static int
is_within(const char *url, const char *base)
{
	return imgp_place_within(url, base, NULL) == 0;
}

/* Has another listing what lies below ${url}? */
static int
is_listed(const struct check *c, const char *url)
{
	const struct base *b;

	for (b = c->bases; b != NULL; b = b->next)
		if (b->listed && is_within(url, b->url))
			return 1;
	return 0;
}

/* The place ${url}, which the setting ${setting} of ${pipeline} names, opened and
 * listed once. */
static struct base *
base_of(struct check *c, const char *url, const char *pipeline,
    const char *setting)
{
	struct imgp_err e;
	struct base *b;
	char owner[32];

	for (b = c->bases; b != NULL; b = b->next)
		if (strcmp(b->url, url) == 0)
			return b;
	b = imgp_alloc(sizeof *b);
	b->url = imgp_strdup(url);
	b->is_source = strcmp(setting, "source") == 0;
	if ((b->store = imgp_store_open(url, 0, &e)) == NULL)
		unseen(c, &e);
	else {
		snprintf(owner, sizeof owner, "%s_owner", setting);
		imgp_store_set_owner(b->store, imgp_conf(pipeline, owner));
		b->listed = is_listed(c, url);
		if (!b->listed && imgp_inventory_add(c->held, b->store, url,
		    &e) == -1)
			unseen(c, &e);
		else
			b->listed = 1;
	}
	b->next = c->bases;
	c->bases = b;
	return b;
}

/* What lies below ${url} has no row, and needs none. */
static void
set_aside(struct check *c, const char *url, const char *below)
{
	if (url == NULL)
		return;
	c->others = imgp_realloc(c->others, c->nothers + 1, sizeof *c->others);
	c->others[c->nothers++] = imgp_place_join(url, below);
}

/* The places of a pipeline: the destination is listed before its rows are read,
 * so that whatever is listed has its name in a row by then. */
static void
take_pipeline(struct check *c, const char *pipeline)
{
	static const char *const beside[] = { "source", "temp", "logs", NULL };
	struct imgp_err e;
	const char *destination = imgp_conf_need(pipeline, "destination", &e);
	size_t i;

	if (destination == NULL)
		unseen(c, &e);
	for (i = 0; beside[i] != NULL; i++)
		if (imgp_conf(pipeline, beside[i]) != NULL && (destination ==
		    NULL || strcmp(imgp_conf(pipeline, beside[i]),
		    destination) != 0))
			set_aside(c, imgp_conf(pipeline, beside[i]), "");
	set_aside(c, destination, "manifests/");
	if (destination != NULL)
		(void)base_of(c, destination, pipeline, "destination");
}

/* --- bytes ----------------------------------------------------------------------- */

/* Read or ask for the sum of ${url}.  Nonzero: it is not ${sha256}. */
static int
has_other_sum(struct check *c, struct base *b, const char *url,
    const char *sha256, int read_it)
{
	struct imgp_object got;
	struct imgp_err e;

	if (sha256 == NULL)
		return 0;
	if (imgp_store_head(b->store, url, read_it, &got, &e) == -1 ||
	    (got.sha256[0] == '\0' &&
	    imgp_store_head(b->store, url, 1, &got, &e) == -1)) {
		unseen(c, &e);
		return 0;
	}
	return strcmp(got.sha256, sha256) != 0;
}

/*
 * The directory that objects are fetched to: 0, or -1 and ${e}.  It lies in the spool as
 * a run's does, so that the next run clears up after us if we are killed.
 */
static int
make_dir(struct check *c, struct imgp_err *e)
{
	const char *spool = imgp_conf_need(NULL, "spool", e);
	char *run, *url;

	if (spool == NULL)
		return -1;
	run = imgp_run_id_new();
	if ((c->lock = imgp_spool_open(spool, run, e)) != -1) {
		c->dir = imgp_asprintf("%s/%s", spool, run);
		url = imgp_asprintf("file://%s", c->dir);
		c->here = imgp_store_open(url, 0, e);
		free(url);
	}
	free(run);
	return c->here == NULL ? -1 : 0;
}

static void
remove_dir(struct check *c)
{
	char *lock;

	imgp_store_close(c->here);
	if (c->dir == NULL)
		return;
	lock = imgp_asprintf("%s/lock", c->dir);
	unlink(lock);
	rmdir(c->dir);
	close(c->lock);
	free(lock);
	free(c->dir);
}

/* Find the instances of ${file}, a copy of the object at ${url}, that lack their
 * ids. */
static void
check_ids(struct check *c, const struct imgp_json *o, const char *file,
    const struct imgp_scans *scans, const char *url)
{
	struct imgp_ids ids = { 0, 0, 0, 0 };
	struct imgp_err e;
	char what[160];

	if (imgp_ids_check(file, text(o, "pipeline_code"), scans, &ids,
	    &e) == -1) {
		unseen(c, &e);
		return;
	}
	if (ids.without + ids.other + ids.unknown == 0)
		return;
	snprintf(what, sizeof what, "%llu of its instances have no id, %llu "
	    "another one, %llu are of a series that has none",
	    (unsigned long long)ids.without, (unsigned long long)ids.other,
	    (unsigned long long)ids.unknown);
	found_of(c, IMGP_WITHOUT_ID, o, url, what);
}

/* Fetch the object, sum it up on its way, and look at its ids.  Nonzero: its sum is
 * not ${sha256}. */
static int
has_other_bytes(struct check *c, const struct imgp_json *o, struct base *b,
    const char *url, const char *sha256)
{
	struct imgp_scans scans = IMGP_SCANS_INIT;
	struct imgp_copied got;
	struct imgp_err e;
	char *file = NULL, *to = NULL;
	int other = 0;

	if (imgp_scans_parse(imgp_json_get(o, "scans"), &scans, &e) == -1) {
		unseen(c, &e);
		goto out;
	}
	if (scans.n == 0) {	/* no images: no ids */
		other = has_other_sum(c, b, url, sha256, 1);
		goto out;
	}
	file = imgp_asprintf("%s/object", c->dir);
	to = imgp_asprintf("file://%s", file);
	if (imgp_store_copy(&(struct imgp_copy){ .src = b->store, .from = url,
	    .dst = c->here, .to = to }, &got, &e) == -1) {
		unseen(c, &e);
		goto out;
	}
	other = sha256 != NULL && strcmp(got.object.sha256, sha256) != 0;
	if (!other)
		check_ids(c, o, file, &scans, url);
	unlink(file);
out:
	imgp_scans_release(&scans);
	free(file);
	free(to);
	return other;
}

/* Compare the object ${h} at ${url} with what the row ${o} says of it. */
static void
compare(struct check *c, const struct imgp_json *o, struct base *b,
    const struct imgp_held *h, const char *url)
{
	const char *etag = text(o, "destination_etag");
	int64_t bytes = number(o, "bytes");
	int other, known = h->etag != 0 && etag != NULL;
	char what[96];

	if (c->v->level >= IMGP_VERIFY_SIZE && bytes >= 0 && h->bytes != bytes) {
		snprintf(what, sizeof what, "%lld bytes, delivered were %lld",
		    (long long)h->bytes, (long long)bytes);
		found_of(c, IMGP_OTHER_SIZE, o, url, what);
		return;
	}
	if (c->v->level < IMGP_VERIFY_SUM)
		return;
	other = !imgp_held_may_be(h, etag);
	if (c->v->level >= IMGP_VERIFY_IDS)
		other = has_other_bytes(c, o, b, url, text(o, "sha256"));
	else if (c->v->level == IMGP_VERIFY_FETCH || other || !known)
		other = has_other_sum(c, b, url, text(o, "sha256"),
		    c->v->level == IMGP_VERIFY_FETCH || other);
	if (other)
		found_of(c, IMGP_OTHER_BYTES, o, url,
		    "its SHA-256 is not the delivered one");
}

/* --- rows ------------------------------------------------------------------------ */

static void
remember(struct check *c, const struct imgp_json *o, const char *place)
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

/* Where the row's file is, or would be, the caller's to free, and the place that
 * it is below; NULL: that is not known. */
static char *
place_of(struct check *c, const struct imgp_json *o, struct base **b)
{
	const char *pipeline = text(o, "pipeline_code");
	const char *now = imgp_conf(pipeline, "destination");
	const char *then = text(o, "destination");
	char *name = imgp_asprintf("%s%s", text(o, "file_path") == NULL ? "" :
	    text(o, "file_path"), text(o, "file_name"));
	size_t n = strlen(name), len = then == NULL ? 0 : strlen(then);
	char *url = NULL, *base;

	*b = NULL;
	if (now != NULL && (then == NULL || is_within(then, now))) {
		*b = base_of(c, now, pipeline, "destination");
		url = then != NULL ? imgp_strdup(then) :
		    imgp_place_join(now, name);
	} else if (len > n + 1 && strcmp(then + len - n, name) == 0) {
		base = imgp_strndup(then, len - n - 1);
		*b = base_of(c, base, pipeline, "destination");
		url = imgp_strdup(then);
		free(base);
	}
	free(name);
	return url;
}

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
	    !(b = base_of(c, source, pipeline, "source"))->listed)
		return;
	url = imgp_place_join(b->url, key);
	if ((h = imgp_inventory_find(c->held, url)) != NULL) {
		h->mark = OF_A_ROW;
		other = (bytes >= 0 && h->bytes != bytes) ||
		    !imgp_held_may_be(h, text(o, "source_etag"));
		if (!other && c->v->level >= IMGP_VERIFY_FETCH)
			other = has_other_sum(c, b, url, sum, 1);
		if (other)
			found_of(c, IMGP_SOURCE_CHANGED, o, url, "its bytes "
			    "are not those of this revision's delivery");
	}
	free(url);
}

/* Note that the object of a delivery without a sum is there: now the labs are told
 * of it. */
static void
note_seen(struct check *c, const struct imgp_json *o)
{
	struct imgp_json *req = new_request(number(o, "edc_pipeline_file_id"),
	    number(o, "subject_event_crf_file_id"), text(o, "pipeline_code"));
	struct imgp_json *data = NULL;
	struct imgp_err e;

	if (imgp_post_ask(c->post, "verify_seen", req, &data, &e) == -1)
		unseen(c, &e);
	imgp_json_free(data);
}

static void
check_completed(struct check *c, const struct imgp_json *o, struct base *b,
    struct imgp_held *h, const char *url)
{
	const char *now = imgp_conf(text(o, "pipeline_code"), "destination");

	c->r->rows++;
	if (now == NULL || !is_within(url, now))
		found_of(c, IMGP_ELSEWHERE, o, url, "the setting destination "
		    "names another place");
	if (h == NULL)
		remember(c, o, url);
	else {
		compare(c, o, b, h, url);
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
	char *url = place_of(c, o, &b);

	if (url == NULL && text(o, "destination") != NULL)
		found_of(c, IMGP_ELSEWHERE, o, text(o, "destination"),
		    "the row has another name than the file");
	if (url == NULL || !b->listed)
		goto out;
	if ((h = imgp_inventory_find(c->held, url)) != NULL)
		h->mark = OF_A_ROW;
	if (!is_true(o, "asked"))
		goto out;
	if (status != NULL && strcmp(status, "Completed") == 0)
		check_completed(c, o, b, h, url);
	else if (h != NULL && !is_true(o, "busy"))
		found_of(c, IMGP_NOT_COMPLETED, o, url,
		    status == NULL ? "" : status);
out:
	free(url);
}

/* --- what is left ------------------------------------------------------------------ */

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
		    !has_other_sum(c, b, url, g->sha256, 1))
			return g;
	}
	return NULL;
}

static void
found_gone(struct check *c, const struct gone *g, enum imgp_verify_kind kind,
    const char *what)
{
	found(c, &(struct imgp_finding){ .kind = kind, .file_id = g->file_id,
	    .upload = g->upload, .revision = g->revision,
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
	size_t i;

	(void)object;
	/* What was delivered since the first listing was not in it. */
	if (h == NULL || h->mark != UNKNOWN || is_manifest(c, url))
		return 0;
	for (i = 0; i < c->nothers; i++)
		if (is_within(url, c->others[i]))
			return 0;
	h->mark = MOVED;
	if ((g = owner_of(c, ((struct stray *)arg)->b, url, h)) == NULL) {
		found(c, &(struct imgp_finding){ .kind = IMGP_NO_ROW,
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

/* The objects of the destinations that no row named, by their names: the places
 * are listed once more for that. */
static void
find_strays(struct check *c)
{
	struct imgp_err e;
	struct base *b;

	if (c->ngone > 0)
		qsort(c->gone, c->ngone, sizeof *c->gone, by_size);
	for (b = c->bases; b != NULL; b = b->next)
		if (b->listed && !b->is_source && imgp_store_list(b->store,
		    b->url, is_stray, &(struct stray){ c, b }, &e) == -1)
			unseen(c, &e);
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
	req = new_request(g->file_id, g->upload, g->pipeline);
	imgp_json_set_str(req, "reason", c->v->repair);
	if (imgp_post_ask(c->post, "repair", req, &data, &e) == -1) {
		c->r->refused++;
		c->v->complain(&e);
		return "there is no such object; its row is not opened";
	}
	imgp_json_free(data);
	return "there is no such object; its row is open for the next run";
}

/* Ask once more for what the listing did not have: it may have come since. */
static void
find_missing(struct check *c)
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
			unseen(c, &e);
	}
}

/* --- the whole ----------------------------------------------------------------------- */

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

	found_of(c, IMGP_NOT_DELIVERED, o, NULL, what);
	free(what);
}

/* List the destinations of all pipelines. */
static int
list_places(struct check *c, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object(), *data = NULL;
	const struct imgp_json *i;

	imgp_json_set_int(req, "limit", 0);
	if (imgp_post_ask(c->post, "verify_files", req, &data, e) == -1)
		return -1;
	for (i = imgp_json_first(imgp_json_get(data, "pipelines")); i != NULL;
	    i = imgp_json_next(i))
		if (imgp_json_str(i) != NULL)
			take_pipeline(c, imgp_json_str(i));
	imgp_json_free(data);
	return 0;
}

static void
release(struct gone *g)
{
	free(g->pipeline);
	free(g->place);
	free(g->sha256);
	free(g->etag);
}

static void
clear(struct check *c)
{
	struct base *b;

	while ((b = c->bases) != NULL) {
		c->bases = b->next;
		imgp_store_close(b->store);
		free(b->url);
		free(b);
	}
	while (c->nothers > 0)
		free(c->others[--c->nothers]);
	while (c->ngone > 0)
		release(&c->gone[--c->ngone]);
	free(c->gone);
	free(c->others);
	imgp_inventory_free(c->held);
	remove_dir(c);
}

int
imgp_verify(struct imgp_post *p, const struct imgp_verify *v,
    struct imgp_verified *r, struct imgp_err *e)
{
	struct check c = { .post = p, .v = v, .r = r,
	    .held = imgp_inventory_new() };
	int rc;

	memset(r, 0, sizeof *r);
	if (v->level >= IMGP_VERIFY_IDS && make_dir(&c, e) == -1) {
		clear(&c);
		return -1;
	}
	rc = pages(&c, "verify_uploads", "uploads",
	    "subject_event_crf_file_id", NULL, not_delivered, e);
	if (rc == 0 && v->level > IMGP_VERIFY_ROW &&
	    (rc = list_places(&c, e)) == 0) {
		r->objects = (int64_t)imgp_inventory_count(c.held);
		if ((rc = pages(&c, "verify_files", "files",
		    "edc_pipeline_file_id", v->since, check_row, e)) == 0) {
			find_strays(&c);
			find_missing(&c);
		}
	}
	clear(&c);
	return rc;
}
