#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/job/names_form.h"
#include "libimgpipe/report/prune.h"
#include "libimgpipe/store/store.h"

#define BATCH	500		/* objects that the record is asked of at once */

const char *const imgp_prune_kinds[IMGP_PRUNE_KINDS] = {
	[IMGP_PRUNE_LETTERS] = "letters",
	[IMGP_PRUNE_RUN_LOGS] = "run-logs",
	[IMGP_PRUNE_ERROR_LOGS] = "error-logs",
	[IMGP_PRUNE_TEMP] = "temp",
	[IMGP_PRUNE_MULTIPART] = "multipart",
	[IMGP_PRUNE_PROVENANCE] = "provenance",
};

/* How the owner of an object is found in the record. */
enum by {
	BY_RUN,			/* its key names a run */
	BY_LOG,			/* a notice, or the row of its name */
	BY_INPUT,		/* the same, but without either it is one all the same */
	BY_NAME,		/* the row of its name */
	BY_NAME_AND_ID,		/* which must have the key's id, too */
	BY_KEY			/* the row whose path and name it is */
};

/* Keys that lie in one place. */
struct shelf {
	enum imgp_prune_kind kind;
	enum by		 by;
	char		*base;		/* the place */
	char		*owner;		/* of its bucket; NULL: any */
	struct imgp_names_form *form;	/* NULL: any key */
	struct shelf	*next;
};

/* An object or unfinished write that is old enough. */
struct thing {
	char		*url;
	const char	*key;		/* in url: below the base */
	char		*id;		/* of an unfinished write; else NULL */
	int64_t		 bytes, since;
	struct imgp_names_parts parts;
};

struct house {
	struct imgp_post *post;
	const struct imgp_prune *w;
	struct imgp_pruned *r;
	int64_t		 before;	/* the time from which on things stay */
	struct shelf	*shelves, **last;
	/* The shelf that is looked through: */
	const struct shelf *at;
	struct imgp_store *store;
	struct thing	 things[BATCH];
	size_t		 n, most;
	int		 gone;		/* the record cannot be asked: why */
	struct imgp_err	 why;
};

/* --- what the record says ------------------------------------------------------- */

static int
is_true(const struct imgp_json *o, const char *key)
{
	return imgp_json_bool(imgp_json_get(o, key)) == 1;
}

static int
has_text(const struct imgp_json *o, const char *key, const char *s)
{
	return s != NULL && imgp_same_text(imgp_json_str(imgp_json_get(o,
	    key)), s);
}

enum verdict { REMOVE, KEEP, UNKNOWN };

/* What is said of the thing by its entries in ${list}: those whose ${member} is
 * ${s}. */
static enum verdict
said(const struct imgp_json *list, const char *member, const char *s,
    int64_t id, int undelivered)
{
	enum verdict v = UNKNOWN;
	const struct imgp_json *i;
	int64_t n;

	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i)) {
		if (!has_text(i, member, s))
			continue;
		if (id != 0 && (imgp_json_int(imgp_json_get(i,
		    "edc_pipeline_file_id"), &n) == -1 || n != id))
			continue;
		if (is_true(i, "held") ||
		    (undelivered && is_true(i, "undelivered")))
			return KEEP;
		v = REMOVE;
	}
	return v;
}

static enum verdict
judge(const struct shelf *s, const struct thing *t,
    const struct imgp_json *data)
{
	const struct imgp_json *files = imgp_json_get(data, "files"), *i;
	enum verdict v;

	switch (s->by) {
	case BY_RUN:
		for (i = imgp_json_first(imgp_json_get(data, "runs"));
		    i != NULL; i = imgp_json_next(i))
			if (imgp_same_text(imgp_json_str(i), t->parts.run))
				return KEEP;
		return REMOVE;
	case BY_LOG:
	case BY_INPUT:
		v = said(imgp_json_get(data, "logs"), "log_key", t->key, 0, 1);
		if (v == UNKNOWN && s->by == BY_INPUT)
			return REMOVE;
		if (v != UNKNOWN)
			return v;
		/* FALLTHROUGH */
	case BY_NAME:
		return said(files, "file_name", t->parts.file_name, 0, 1);
	case BY_NAME_AND_ID:
		return said(files, "file_name", t->parts.file_name,
		    t->parts.file_id, 0);
	case BY_KEY:
		break;
	}
	return said(files, "key", t->key, 0, 0);
}

/* The file's name that the record is asked for; NULL: none. */
static const char *
name_of(const struct shelf *s, const struct thing *t)
{
	const char *slash;

	if (s->by != BY_KEY)
		return t->parts.file_name;
	slash = strrchr(t->key, '/');
	return slash == NULL ? t->key : slash + 1;
}

static struct imgp_json *
question(const struct house *h)
{
	struct imgp_json *req = imgp_json_new_object();
	struct imgp_json *names = imgp_json_new_array();
	struct imgp_json *keys = imgp_json_new_array();
	struct imgp_json *runs = imgp_json_new_array();
	const struct thing *t;

	for (t = h->things; t < h->things + h->n; t++) {
		if (name_of(h->at, t) != NULL)
			imgp_json_append_str(names, name_of(h->at, t));
		if (h->at->by == BY_LOG || h->at->by == BY_INPUT)
			imgp_json_append_str(keys, t->key);
		if (t->parts.run != NULL)
			imgp_json_append_str(runs, t->parts.run);
	}
	imgp_json_set(req, "file_names", names);
	imgp_json_set(req, "log_keys", keys);
	imgp_json_set(req, "runs", runs);
	return req;
}

/* --- one thing -------------------------------------------------------------------- */

static void
note(struct house *h, enum imgp_prune_kind kind, const char *what,
    int64_t bytes, int64_t since)
{
	h->r->of[kind].removed++;
	h->r->of[kind].bytes += bytes > 0 ? bytes : 0;
	h->w->removed(h->w->arg, &(struct imgp_prune_item){ kind, what, bytes,
	    since });
}

static void
fail(struct house *h, enum imgp_prune_kind kind, const struct imgp_err *e)
{
	h->r->of[kind].failed++;
	h->w->complain(e);
}

/* 1: removed; 0: somebody is at work on it; -1 and ${e}. */
static int
remove_it(struct house *h, const struct thing *t, struct imgp_err *e)
{
	if (h->w->dry_run)
		return 1;
	if (t->id != NULL)
		return imgp_store_abandon(h->store, t->url, t->id, e);
	return imgp_store_remove(h->store, t->url, e) == 0 ? 1 : -1;
}

static void
settle(struct house *h, const struct thing *t, enum verdict v)
{
	enum imgp_prune_kind kind = h->at->kind;
	struct imgp_err e;
	int rc;

	if (v == UNKNOWN) {
		h->r->of[kind].unknown++;
		return;
	}
	if (v == KEEP || (rc = remove_it(h, t, &e)) == 0)
		h->r->of[kind].kept++;
	else if (rc == -1)
		fail(h, kind, &e);
	else
		note(h, kind, t->url, t->bytes, t->since);
}

/* Ask the record of the things that were gathered, and do what it says. */
static void
settle_all(struct house *h)
{
	struct imgp_json *data = NULL;
	struct thing *t;

	if (h->n > 0 && !h->gone && imgp_post_ask(h->post, "prune_files",
	    question(h), &data, &h->why) == -1)
		h->gone = 1;
	for (t = h->things; t < h->things + h->n; t++) {
		if (!h->gone)
			settle(h, t, judge(h->at, t, data));
		imgp_names_parts_release(&t->parts);
		free(t->url);
		free(t->id);
	}
	h->n = 0;
	imgp_json_free(data);
}

/* --- listings ---------------------------------------------------------------------- */

/* Take what was listed, if it is old and of the shelf's form; nonzero: no more. */
static int
take(struct house *h, const char *url, const char *id, int64_t bytes,
    int64_t since)
{
	struct thing *t = &h->things[h->n];
	size_t n = strlen(h->at->base);

	if (since <= 0 || since > h->before)
		return h->gone;
	memset(t, 0, sizeof *t);
	t->url = imgp_strdup(url);
	while (n > 0 && h->at->base[n - 1] == '/')
		n--;
	t->key = t->url + n + strspn(t->url + n, "/");
	if (h->at->form != NULL &&
	    !imgp_names_form_fits(h->at->form, t->key, &t->parts)) {
		free(t->url);
		return h->gone;
	}
	t->id = id == NULL ? NULL : imgp_strdup(id);
	t->bytes = bytes;
	t->since = since;
	if (++h->n == h->most)
		settle_all(h);
	return h->gone;
}

static int
found(void *arg, const char *url, const struct imgp_object *o)
{
	/* Neither file nor directory is nothing of ours. */
	return o->bytes < 0 ? 0 : take(arg, url, NULL, o->bytes, o->modified);
}

static int
left(void *arg, const struct imgp_unfinished *u)
{
	return take(arg, u->url, u->id, u->bytes, u->since);
}

/* A temporary file tells nothing of its row, and needs not: its lock tells whether
 * somebody is at work on it. */
static int
left_file(void *arg, const struct imgp_unfinished *u)
{
	struct house *h = arg;
	struct thing t = { .url = imgp_strdup(u->url), .id = imgp_strdup(""),
	    .bytes = u->bytes, .since = u->since };

	if (u->since <= h->before)
		settle(h, &t, REMOVE);
	free(t.url);
	free(t.id);
	return 0;
}

static int
is_directory(const char *base)
{
	return strncmp(base, "file:", 5) == 0;
}

static int
list(struct house *h, struct imgp_err *e)
{
	const struct shelf *s = h->at;
	char *dir;
	int rc;

	if (s->kind == IMGP_PRUNE_MULTIPART)
		return imgp_store_list_unfinished(h->store, s->base,
		    is_directory(s->base) ? left_file : left, h, e);
	if (s->form == NULL || *imgp_names_form_dir(s->form) == '\0')
		return imgp_store_list(h->store, s->base, found, h, e);
	dir = imgp_place_join(s->base, imgp_names_form_dir(s->form));
	rc = imgp_store_list(h->store, dir, found, h, e);
	free(dir);
	return rc;
}

static void
look_through(struct house *h, const struct shelf *s)
{
	struct imgp_err e;

	h->at = s;
	/* A run may begin between question and removal: no longer than one
	 * removal takes, where it could matter. */
	h->most = s->by == BY_NAME_AND_ID || s->by == BY_KEY ? 1 : BATCH;
	if ((h->store = imgp_store_open(s->base, 0, &e)) == NULL) {
		fail(h, s->kind, &e);
		return;
	}
	imgp_store_set_owner(h->store, s->owner);
	if (list(h, &e) == -1)
		fail(h, s->kind, &e);
	settle_all(h);
	imgp_store_close(h->store);
}

/* --- which places there are ---------------------------------------------------------- */

static int
is_same_shelf(const struct shelf *a, const struct shelf *b)
{
	if (a->kind != b->kind || a->by != b->by ||
	    strcmp(a->base, b->base) != 0 || !imgp_same_text(a->owner,
	    b->owner) || (a->form == NULL) != (b->form == NULL))
		return 0;
	return a->form == NULL || strcmp(imgp_names_form_text(a->form),
	    imgp_names_form_text(b->form)) == 0;
}

static void
free_shelf(struct shelf *s)
{
	imgp_names_form_free(s->form);
	free(s->base);
	free(s->owner);
	free(s);
}

/* Keys of one setting in one place of a pipeline. */
struct want {
	enum imgp_prune_kind kind;
	const char	*place, *setting;	/* setting NULL: any key */
	enum by		 by;
};

/* Why keys of this form cannot be told from other objects; NULL: they can. */
static const char *
is_vague(const struct want *w, const struct imgp_names_form *f)
{
	/* Uploads may lie in the same place. */
	if (strcmp(w->place, "logs") == 0 && *imgp_names_form_dir(f) == '\0')
		return "its keys have no directory of their own";
	if (w->by == BY_RUN && !imgp_names_form_has(f, "run"))
		return "its keys lack {run}";
	if ((w->by == BY_NAME || w->by == BY_NAME_AND_ID) &&
	    !imgp_names_form_has(f, "file_name"))
		return "its keys lack {file_name}";
	return NULL;
}

/* The form of the keys; -1 and ${e} where they cannot be told from others. */
static int
form_of(const char *pipeline, const struct want *w,
    struct imgp_names_form **form, struct imgp_err *e)
{
	const char *vague;

	*form = NULL;
	if (w->setting == NULL)
		return 0;
	if ((*form = imgp_names_form_new(pipeline, "_unmatched", w->setting,
	    e)) == NULL)
		return -1;
	if ((vague = is_vague(w, *form)) == NULL)
		return 0;
	imgp_names_form_free(*form);
	return imgp_fail(e, IMGP_E_CONFIG, "%s: %s, so nothing is removed: name "
	    "the kinds, without %s", w->setting, vague,
	    imgp_prune_kinds[w->kind]);
}

/* 0, or -1 and ${e} when it cannot be told what is ours there. */
static int
add_shelf(struct house *h, const char *pipeline, const struct want *w,
    struct imgp_err *e)
{
	const char *place = strcmp(w->place, "logs") == 0 &&
	    imgp_conf(pipeline, "logs") == NULL ? "source" : w->place;
	const char *base = imgp_conf(pipeline, place);
	const char *owner = imgp_conf_owner(pipeline, place);
	struct imgp_names_form *form;
	struct shelf *s, *o;

	if (!(h->w->kinds & 1u << w->kind) || base == NULL)
		return 0;
	/* Such logs are of no pipeline's but its own. */
	if (pipeline == NULL && (w->by == BY_LOG || w->by == BY_NAME))
		return 0;
	if (form_of(pipeline, w, &form, e) == -1)
		return -1;
	s = imgp_alloc(sizeof *s);
	*s = (struct shelf){ w->kind, w->by == BY_INPUT &&
	    !imgp_names_form_has(form, "input_sha256") ? BY_LOG : w->by,
	    imgp_strdup(base),
	    owner == NULL ? NULL : imgp_strdup(owner), form, NULL };
	for (o = h->shelves; o != NULL; o = o->next)
		if (is_same_shelf(o, s)) {
			free_shelf(s);
			return 0;
		}
	*h->last = s;
	h->last = &s->next;
	return 0;
}

static int
add_pipeline(struct house *h, const char *pipeline, struct imgp_err *e)
{
	static const struct want wants[] = {
		{ IMGP_PRUNE_RUN_LOGS, "logs", "run_log_key", BY_RUN },
		{ IMGP_PRUNE_ERROR_LOGS, "logs", "unmatched_log_key", BY_INPUT },
		{ IMGP_PRUNE_ERROR_LOGS, "logs", "error_log_key", BY_LOG },
		{ IMGP_PRUNE_PROVENANCE, "logs", "provenance_key", BY_NAME },
		{ IMGP_PRUNE_TEMP, "temp", "temp_key", BY_NAME_AND_ID },
		{ IMGP_PRUNE_MULTIPART, "temp", "temp_key", BY_NAME_AND_ID },
		{ IMGP_PRUNE_MULTIPART, "destination", NULL, BY_KEY },
	};
	size_t i;

	for (i = 0; i < sizeof wants / sizeof *wants; i++)
		if (add_shelf(h, pipeline, &wants[i], e) == -1)
			return -1;
	return 0;
}

/* Ask for the time and the pipelines, and find all places. */
static int
begin(struct house *h, struct imgp_err *e)
{
	struct imgp_json *data = NULL;
	const struct imgp_json *i;
	int64_t now;
	int rc = -1;

	if (imgp_post_ask(h->post, "prune_files", imgp_json_new_object(),
	    &data, e) == -1)
		return -1;
	if (imgp_json_int(imgp_json_get(data, "now"), &now) == -1)
		imgp_fail(e, IMGP_E_DB_QUERY, "the record tells no time");
	else {
		h->before = now - h->w->seconds;
		rc = add_pipeline(h, NULL, e);
		for (i = imgp_json_first(imgp_json_get(data, "pipelines"));
		    rc == 0 && i != NULL; i = imgp_json_next(i))
			if (imgp_json_str(i) != NULL)
				rc = add_pipeline(h, imgp_json_str(i), e);
	}
	imgp_json_free(data);
	return rc;
}

/* --- letters --------------------------------------------------------------------------- */

static int64_t
number(const struct imgp_json *o, const char *key)
{
	int64_t n;

	return imgp_json_int(imgp_json_get(o, key), &n) == 0 ? n : 0;
}

static int
letters(struct house *h, struct imgp_err *e)
{
	struct imgp_json *req, *data;
	const struct imgp_json *i;
	const char *id;
	int64_t after = 0;

	do {
		data = NULL;
		req = imgp_json_new_object();
		imgp_json_set_int(req, "seconds", h->w->seconds);
		imgp_json_set_int(req, "after", after);
		imgp_json_set_int(req, "limit", BATCH);
		imgp_json_set_bool(req, "dry_run", h->w->dry_run);
		if (imgp_post_ask(h->post, "prune_letters", req, &data,
		    e) == -1)
			return -1;
		for (i = imgp_json_first(imgp_json_get(data, "letters"));
		    i != NULL; i = imgp_json_next(i)) {
			id = imgp_json_str(imgp_json_get(i, "message_id"));
			note(h, IMGP_PRUNE_LETTERS, id == NULL ? "" : id,
			    number(i, "bytes"), number(i, "ts"));
		}
		after = number(data, "next");
		imgp_json_free(data);
	} while (after > 0);
	return 0;
}

/* --- the whole -------------------------------------------------------------------------- */

int
imgp_prune(struct imgp_post *p, const struct imgp_prune *w,
    struct imgp_pruned *r, struct imgp_err *e)
{
	struct house *h = imgp_alloc(sizeof *h);
	const struct shelf *s;
	struct shelf *next;
	int rc;

	memset(r, 0, sizeof *r);
	h->post = p;
	h->w = w;
	h->r = r;
	h->last = &h->shelves;
	rc = begin(h, e);
	if (rc == 0 && w->kinds & 1u << IMGP_PRUNE_LETTERS)
		rc = letters(h, e);
	for (s = h->shelves; rc == 0 && s != NULL && !h->gone; s = s->next)
		look_through(h, s);
	if (h->gone) {
		*e = h->why;
		rc = -1;
	}
	for (; h->shelves != NULL; h->shelves = next) {
		next = h->shelves->next;
		free_shelf(h->shelves);
	}
	free(h);
	return rc;
}
