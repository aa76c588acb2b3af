#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/job/budget.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/net/aws.h"
#include "libimgpipe/steps/transfer.h"
#include "libimgpipe/store/store.h"

enum hop { FETCH, STAGE, DELIVER };

static const struct {
	const char	*from, *to;	/* members of a job line */
	const char	*from_base, *to_base; /* settings */
	const char	*stage;
} hops[] = {
	[FETCH] = { "source", "local", "source", "spool", "fetch" },
	[STAGE] = { "local", "temp", "spool", "temp", "stage" },
	[DELIVER] = { "temp", "destination", "temp", "destination", "deliver" },
};

/* A store that is open, by its base and the owner of its bucket. */
struct base {
	char		*name;		/* the owner, a space, the URL */
	struct imgp_store *store;
	struct base	*next;
};

struct imgp_transfer {
	enum hop	 hop;
	unsigned int	 flags;
	pthread_mutex_t	 lock;		/* of all below */
	struct base	*bases;
	/* FETCH: */
	struct imgp_budget budget;
	int		 has_budget;
	int		 pressed;	/* once there was no room */
	int64_t		 last;		/* bytes of the last upload */
};

static int
look_for_key(const char *pipeline, struct imgp_err *e)
{
	static const char *const places[] = { "source", "temp", "destination",
	    "logs" };
	struct imgp_aws_key key;
	const char *place;
	size_t i;

	for (i = 0; i < sizeof places / sizeof *places; i++) {
		place = imgp_conf(pipeline, places[i]);
		if (place == NULL || strncmp(place, "s3://", 5) != 0)
			continue;
		if (imgp_aws_key(&key, NULL, e) == -1)
			return strcmp(e->code, IMGP_E_STORE_UNAVAILABLE) == 0 ?
			    0 : -1;
		imgp_aws_key_release(&key);
		break;
	}
	return 0;
}

int
imgp_transfer_credentials(struct imgp_err *e)
{
	return imgp_conf_check(look_for_key, e);
}

/* No process of this run works any more on what an earlier pass fetched. */
static void
begin_pass(void)
{
	const char *run = getenv("IMGP_RUN");
	const char *spool = imgp_conf(NULL, "spool");

	if (run != NULL && imgp_run_id_is(run) && spool != NULL)
		imgp_budget_clear(spool, run);
}

struct imgp_transfer *
imgp_transfer_new(const char *from, const char *to, unsigned int flags,
    struct imgp_err *e)
{
	struct imgp_transfer *t;
	size_t i;

	for (i = 0; i < sizeof hops / sizeof hops[0]; i++)
		if (strcmp(from, hops[i].from) == 0 &&
		    strcmp(to, hops[i].to) == 0)
			break;
	if (i == sizeof hops / sizeof hops[0]) {
		imgp_fail(e, IMGP_E_CONFIG, "no way from \"%.40s\" to \"%.40s\": "
		    "there are source local, local temp, temp destination; "
		    "places begin with file:// or s3://, or are paths with a "
		    "slash", from, to);
		return NULL;
	}
	/* Each pipeline may have its own places. */
	if (imgp_conf_need_any(hops[i].from_base, e) == -1 ||
	    imgp_conf_need_any(hops[i].to_base, e) == -1)
		return NULL;
	t = imgp_alloc(sizeof *t);
	t->hop = (enum hop)i;
	t->flags = flags;
	if (t->hop == FETCH && !(flags & IMGP_TRANSFER_DRY))
		begin_pass();
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void
imgp_transfer_free(struct imgp_transfer *t)
{
	struct base *b;

	if (t == NULL)
		return;
	while ((b = t->bases) != NULL) {
		t->bases = b->next;
		imgp_store_close(b->store);
		free(b->name);
		free(b);
	}
	pthread_mutex_destroy(&t->lock);
	free(t);
}

const char *
imgp_transfer_stage(const struct imgp_transfer *t)
{
	return hops[t->hop].stage;
}

int
imgp_transfer_sees_failed(const struct imgp_transfer *t)
{
	return t->hop == DELIVER;
}

/* The store below the setting ${setting} for ${job}, opened once. */
static struct imgp_store *
store_of(struct imgp_transfer *t, struct imgp_job *job, const char *setting,
    struct imgp_err *e)
{
	int is_spool = strcmp(setting, "spool") == 0;
	const char *pipeline = imgp_job_str(job, "pipeline_code");
	const char *value = imgp_conf_need(pipeline, setting, e);
	const char *owner = is_spool ? NULL : imgp_conf_owner(pipeline,
	    setting);
	struct imgp_store *st = NULL;
	struct imgp_err why;
	struct base *b;
	char *name, *url;

	if (value == NULL)
		return NULL;
	url = is_spool ? imgp_asprintf("file://%s", value) :
	    imgp_strdup(value);
	name = imgp_asprintf("%s %s", owner == NULL ? "" : owner, url);
	pthread_mutex_lock(&t->lock);
	for (b = t->bases; b != NULL && strcmp(b->name, name) != 0; b = b->next)
		;
	if (b == NULL && (st = imgp_store_open(url,
	    is_spool ? IMGP_STORE_PRIVATE : 0, e)) != NULL) {
		if (!is_spool)
			imgp_store_set_owner(st, owner);
		if (strcmp(setting, "temp") == 0)
			imgp_store_probe_in(st);
		b = imgp_alloc(sizeof *b);
		b->name = name;
		name = NULL;
		b->store = st;
		b->next = t->bases;
		t->bases = b;
	} else if (b != NULL)
		st = b->store;
	pthread_mutex_unlock(&t->lock);
	free(name);
	free(url);
	if (st == NULL && strcmp(e->code, IMGP_E_PLACE_INVALID) == 0) {
		why = *e;
		imgp_fail(e, IMGP_E_CONFIG, "%s: %s", setting, why.msg);
	}
	return st;
}

/* Copy, and note in ${job} what somebody should know of it. */
static int
copy_noted(struct imgp_transfer *t, struct imgp_job *job,
    const struct imgp_copy *copy, struct imgp_copied *copied,
    struct imgp_err *e)
{
	const char *stage = hops[t->hop].stage;
	int i, rc = imgp_store_copy(copy, copied, e);

	if (copied->retries > 0)
		imgp_job_retried(job, stage, copied->retries);
	for (i = 0; rc == 0 && i < copied->nwarnings; i++)
		imgp_job_warn(job, stage, &copied->warnings[i]);
	return rc;
}

/* What ${job} says its object at the place ${at} holds.  -1 where that cannot be
 * read: then it could not be checked either. */
static int
promised(struct imgp_job *job, const char *at, struct imgp_object *o,
    struct imgp_err *e)
{
	const struct imgp_json *bytes = imgp_json_get(imgp_job_get(job,
	    "bytes"), at);
	const struct imgp_json *sha256 = imgp_json_get(imgp_job_get(job,
	    "sha256"), at);
	const char *sum = imgp_json_str(sha256);
	const char *etag = imgp_job_sub_str(job, "etag", at);
	const char *version = imgp_job_sub_str(job, "version_id", at);

	memset(o, 0, sizeof *o);
	if (imgp_json_is_null(bytes))
		o->bytes = -1;
	else if (imgp_json_int(bytes, &o->bytes) == -1 || o->bytes < 0)
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "bytes.%s is no number of bytes", at);
	if (!imgp_json_is_null(sha256) && (sum == NULL ||
	    (*sum != '\0' && !imgp_hex_is_sha256(sum))))
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "sha256.%s is not 64 lower-case hexadecimal digits", at);
	if (sum != NULL && *sum != '\0')
		memcpy(o->sha256, sum, sizeof o->sha256);
	if (etag != NULL && strlen(etag) < sizeof o->etag)
		snprintf(o->etag, sizeof o->etag, "%s", etag);
	if (version != NULL && strlen(version) < sizeof o->version)
		snprintf(o->version, sizeof o->version, "%s", version);
	return 0;
}

/* Note ${s}; an empty text only in place of an older one. */
static void
note_text(struct imgp_job *job, const char *name, const char *at,
    const char *s)
{
	if (*s != '\0' || imgp_job_sub_str(job, name, at) != NULL)
		imgp_job_set_sub_str(job, name, at, s);
}

static void
note(struct imgp_job *job, const char *at, const struct imgp_object *o)
{
	imgp_job_set_sub_str(job, "sha256", at, o->sha256);
	imgp_job_set_sub_int(job, "bytes", at, o->bytes);
}

/* Remove the object at ${job}'s place ${at}, if it names one. */
static int
drop(struct imgp_transfer *t, struct imgp_job *job, const char *at,
    const char *setting, struct imgp_err *e)
{
	const char *url = imgp_job_str(job, at);
	struct imgp_store *st;

	if (url == NULL)
		return 0;
	if ((st = store_of(t, job, setting, e)) == NULL)
		return -1;
	return imgp_store_remove(st, url, e);
}

/* The work copy is gone: others may use its room. */
static void
give_room(struct imgp_job *job)
{
	const char *spool = imgp_conf(imgp_job_str(job, "pipeline_code"),
	    "spool");
	const char *run = imgp_job_str(job, "run");

	if (spool != NULL && run != NULL && imgp_run_id_is(run) &&
	    imgp_job_file_id(job) > 0)
		imgp_budget_give(spool, run, imgp_job_file_id(job));
}

/* Mark the job as one that a dry run passed. */
static void
plan(struct imgp_job *job)
{
	imgp_job_set_bool(job, "planned", 1);
}

/* --- source to local -------------------------------------------------------- */

/*
 * The sum of the upload's bytes was recorded when this revision was first
 * fetched: the same revision must have the same bytes (M44).
 */
static int
is_as_recorded(struct imgp_job *job, const char *recorded,
    const struct imgp_object *got, struct imgp_err *e)
{
	const char *of_row = imgp_job_sub_str(job, "edc_pipeline_file",
	    "sha256_source");

	if (recorded[0] == '\0' && of_row != NULL)
		recorded = of_row;
	if (recorded[0] == '\0' || strcmp(recorded, got->sha256) == 0)
		return 0;
	return imgp_fail(e, IMGP_E_SOURCE_CHANGED, "the upload has SHA-256 "
	    "%.12s..., %.12s... was recorded for this revision", got->sha256,
	    recorded);
}

/* What an upload needs of the spool, and whether it had to go without. */
struct need {
	struct imgp_transfer *t;
	const char	*spool, *run;
	int64_t		 id;
	int64_t		 bytes;		/* known when there was no room */
	int		 refused;
};

static int
is_pressed(struct imgp_transfer *t, int64_t *last)
{
	int pressed;

	pthread_mutex_lock(&t->lock);
	pressed = t->pressed;
	*last = t->last;
	pthread_mutex_unlock(&t->lock);
	return pressed;
}

/* Called once the size is known: there is room, or the copy ends. */
static int
take_room(void *arg, int64_t bytes, struct imgp_err *e)
{
	struct need *n = arg;

	n->refused = !imgp_budget_take(&n->t->budget, n->spool, n->run, n->id,
	    bytes);
	n->bytes = bytes;
	pthread_mutex_lock(&n->t->lock);
	n->t->last = bytes;
	n->t->pressed |= n->refused;
	pthread_mutex_unlock(&n->t->lock);
	return !n->refused ? 0 : imgp_fail(e, IMGP_E_STORE_FULL,
	    "no room in the spool for %lld bytes", (long long)bytes);
}

static int
wait_for_room(const struct need *n, int64_t bytes, struct imgp_err *e)
{
	return imgp_budget_wait(&n->t->budget, n->spool, n->run, n->id,
	    bytes) != -1 ? 0 : imgp_fail(e, IMGP_E_STORE_FULL,
	    "it waited for room in the spool, and the run ends");
}

/*
 * Copy when the spool has room.  How much is needed is seen from the answer; once
 * one had to be broken off for want of room, as much as the last one needed is
 * waited for before the next is asked for.
 */
static int
copy_with_room(struct imgp_transfer *t, struct imgp_job *job,
    const char *spool, const struct imgp_copy *copy,
    struct imgp_copied *copied, struct imgp_err *e)
{
	struct imgp_copy with = *copy;
	struct need n = { .t = t, .spool = spool,
	    .run = imgp_job_str(job, "run"), .id = imgp_job_file_id(job) };
	int64_t last;
	int rc = 0;

	pthread_mutex_lock(&t->lock);
	if (!t->has_budget)
		imgp_budget_init(&t->budget, spool);
	t->has_budget = 1;
	pthread_mutex_unlock(&t->lock);
	with.room = take_room;
	with.room_arg = &n;
	if (is_pressed(t, &last))
		rc = wait_for_room(&n, last, e);
	while (rc == 0) {
		n.refused = 0;
		if ((rc = copy_noted(t, job, &with, copied, e)) == 0 ||
		    !n.refused)
			break;
		rc = wait_for_room(&n, n.bytes, e);
	}
	if (rc == -1)
		imgp_budget_give(spool, n.run, n.id);
	return rc;
}

static int
fetch(struct imgp_transfer *t, struct imgp_job *job, struct imgp_store *src,
    struct imgp_store *dst, struct imgp_err *e)
{
	const char *code = imgp_job_str(job, "pipeline_code");
	const char *spool = imgp_conf_need(code, "spool", e);
	const char *source = imgp_job_need_str(job, "source", e);
	struct imgp_copy copy = { .src = src, .from = source, .dst = dst };
	struct imgp_copied copied = { .existed = 0 };
	struct imgp_object recorded, told = IMGP_OBJECT_UNKNOWN;
	char *local = NULL;
	int rc = -1;

	if (spool == NULL || source == NULL ||
	    promised(job, "source", &recorded, e) == -1 ||
	    imgp_names_local(job, spool, &local, e) == -1)
		return -1;
	if (t->flags & IMGP_TRANSFER_DRY) {
		if ((rc = imgp_store_head(src, source, 0, &copied.object,
		    e)) == 0)
			plan(job);
		goto out;
	}
	/* Not fetched before: what an event told of is pinned (event.h). */
	if (recorded.sha256[0] == '\0') {
		memcpy(told.etag, recorded.etag, sizeof told.etag);
		memcpy(told.version, recorded.version, sizeof told.version);
		copy.expect = &told;
	}
	copy.to = local;
	if ((rc = copy_with_room(t, job, spool, &copy, &copied, e)) == -1)
		goto out;
	if ((rc = is_as_recorded(job, recorded.sha256, &copied.object,
	    e)) == -1) {
		(void)imgp_store_remove(dst, local, NULL);
		give_room(job);
		goto out;
	}
	note(job, "source", &copied.object);
	note_text(job, "etag", "source", copied.source_etag);
	note_text(job, "version_id", "source", copied.source_version);
	note(job, "local", &copied.object);
	imgp_job_set_str(job, "local", local);
out:
	free(local);
	return rc;
}

/* --- local to temp, temp to destination -------------------------------------- */

/*
 * The object to be moved is gone: a run that was killed may have removed it
 * after it made ${to}.  Nonzero when ${to} holds what the job promises.
 */
static int
is_done(struct imgp_store *dst, const char *to, const struct imgp_object *want,
    struct imgp_object *got)
{
	return want->sha256[0] != '\0' &&
	    imgp_store_head(dst, to, 1, got, NULL) == 0 &&
	    strcmp(got->sha256, want->sha256) == 0;
}

/* Where imgp-stamp writes what it changed (F40); NULL: nowhere. */
static char *
provenance(struct imgp_job *job)
{
	const char *local = imgp_job_str(job, "local");

	return local == NULL ? NULL : imgp_asprintf("%s.prov", local);
}

static const char *
logs_base(struct imgp_job *job)
{
	return imgp_conf(imgp_job_str(job, "pipeline_code"), "logs") != NULL ?
	    "logs" : "source";
}

/*
 * Store the record of the stamp before the stamped file is delivered, so that
 * whatever the labs have can be undone (F40).
 */
static int
store_provenance(struct imgp_transfer *t, struct imgp_job *job,
    struct imgp_err *e)
{
	const char *base = logs_base(job);
	char *prov = provenance(job), *key = NULL, *to = NULL;
	struct imgp_copied copied = { .existed = 0 };
	struct imgp_store *spool, *logs;
	struct imgp_object there;
	int rc = -1;

	if (prov == NULL)
		return 0;
	if ((spool = store_of(t, job, "spool", e)) == NULL)
		goto out;
	if (imgp_store_head(spool, prov, 0, &there, e) == -1) {
		/* No record: nothing was stamped. */
		rc = strcmp(e->code, IMGP_E_STORE_NOT_FOUND) == 0 ? 0 : -1;
		goto out;
	}
	if ((logs = store_of(t, job, base, e)) == NULL ||
	    imgp_names_provenance_key(job, &key, e) == -1)
		goto out;
	to = imgp_place_join(imgp_conf(imgp_job_str(job, "pipeline_code"),
	    base), key);
	rc = copy_noted(t, job, &(struct imgp_copy){ .src = spool,
	    .from = prov, .dst = logs, .to = to }, &copied, e);
out:
	free(prov);
	free(key);
	free(to);
	return rc;
}

/* Remove the copies in the spool: the upload, and the record of its stamp. */
static int
drop_local(struct imgp_transfer *t, struct imgp_job *job, struct imgp_err *e)
{
	char *prov = provenance(job);
	struct imgp_store *st;
	int rc = 0;

	if (prov != NULL)
		rc = (st = store_of(t, job, "spool", e)) == NULL ? -1 :
		    imgp_store_remove(st, prov, e);
	free(prov);
	if (rc == -1 || drop(t, job, "local", "spool", e) == -1)
		return -1;
	if (imgp_job_str(job, "local") != NULL)
		give_room(job);
	return 0;
}

/* A file whose object was gone is delivered once more with the bytes that it had
 * (imgp-verify(1)). */
static int
is_as_delivered(struct imgp_job *job, const struct imgp_object *want,
    struct imgp_err *e)
{
	const char *before = imgp_job_sub_str(job, "edc_pipeline_file",
	    "sha256_destination");

	if (before == NULL || strcmp(before, want->sha256) == 0)
		return 0;
	return imgp_fail(e, IMGP_E_DELIVERED_OTHER, "the file has SHA-256 "
	    "%.12s..., %.12s... was delivered before", want->sha256, before);
}

static int
move(struct imgp_transfer *t, struct imgp_job *job, struct imgp_store *src,
    struct imgp_store *dst, struct imgp_err *e)
{
	const char *from = imgp_job_need_str(job, hops[t->hop].from, e);
	const char *to = imgp_job_need_str(job, hops[t->hop].to, e);
	struct imgp_copied copied = { .existed = 0 };
	struct imgp_object want;
	struct imgp_copy copy = { .src = src, .from = from, .dst = dst,
	    .to = to, .flags = t->hop == DELIVER ? IMGP_COPY_CREATE : 0,
	    .expect = &want };
	int rc;

	if (from == NULL || to == NULL ||
	    promised(job, hops[t->hop].from, &want, e) == -1)
		return -1;
	/* S3 has summed what it took; a disk must be read again. */
	if ((t->flags & IMGP_TRANSFER_READBACK) ||
	    strncmp(to, "file://", 7) == 0)
		copy.flags |= IMGP_COPY_READBACK;
	if (t->hop == DELIVER && (is_as_delivered(job, &want, e) == -1 ||
	    store_provenance(t, job, e) == -1))
		return -1;
	rc = copy_noted(t, job, &copy, &copied, e);
	if (rc == -1 && strcmp(e->code, IMGP_E_STORE_NOT_FOUND) == 0 &&
	    is_done(dst, to, &want, &copied.object))
		rc = 0;
	/* What we made ourselves is gone: that is not the upload's fault. */
	if (rc == -1 && strcmp(e->code, IMGP_E_STORE_NOT_FOUND) == 0)
		e->code = IMGP_E_STORE_IO;
	if (rc == -1)
		return -1;
	note(job, hops[t->hop].to, &copied.object);
	note_text(job, "etag", hops[t->hop].to, copied.object.etag);
	note_text(job, "version_id", hops[t->hop].to, copied.object.version);
	if (t->flags & IMGP_TRANSFER_KEEP)
		return 0;
	/* Remove what was moved, and what an earlier hop kept. */
	if (imgp_store_remove(src, from, e) == -1)
		return -1;
	if (t->hop == DELIVER)
		return drop_local(t, job, e);
	give_room(job);
	return 0;
}

/* Remove a failed job's copies: nobody needs them. */
static void
clear_up(struct imgp_transfer *t, struct imgp_job *job)
{
	struct imgp_err e = { NULL, "" };

	if (t->flags & (IMGP_TRANSFER_KEEP | IMGP_TRANSFER_DRY))
		return;
	if (drop_local(t, job, &e) == -1)
		imgp_job_warn(job, "deliver", &e);
	if (drop(t, job, "temp", "temp", &e) == -1)
		imgp_job_warn(job, "deliver", &e);
}

static int
is_final(const struct imgp_err *e)
{
	const struct imgp_error *row = imgp_error_find(e->code);

	return row != NULL && !row->retryable;
}

int
imgp_transfer_job(struct imgp_transfer *t, struct imgp_job *job,
    struct imgp_err *e)
{
	struct imgp_store *src, *dst;

	if (imgp_job_standing(job) != IMGP_GOING_ON) {
		clear_up(t, job);
		return 0;
	}
	if ((src = store_of(t, job, hops[t->hop].from_base, e)) == NULL ||
	    (dst = store_of(t, job, hops[t->hop].to_base, e)) == NULL)
		return -1;
	if (t->hop == FETCH)
		return fetch(t, job, src, dst, e);
	if (t->flags & IMGP_TRANSFER_DRY) {
		plan(job);
		return 0;
	}
	if (move(t, job, src, dst, e) == 0)
		return 0;
	/* No later stage sees a job that fails here. */
	if (t->hop == DELIVER && is_final(e))
		clear_up(t, job);
	return -1;
}

/* Ask the store below ${setting} beside ${url}, which is where ${job} has or wants
 * its object. */
static int
ask_beside(struct imgp_transfer *t, struct imgp_job *job, const char *setting,
    const char *url, int write, struct imgp_err *e)
{
	struct imgp_store *st = store_of(t, job, setting, e);

	return st == NULL ? -1 : imgp_store_ask(st, url, write &&
	    !(t->flags & IMGP_TRANSFER_DRY), e);
}

static int
ask_logs(struct imgp_transfer *t, struct imgp_job *job, struct imgp_err *e)
{
	const char *base = logs_base(job);
	char *key, *url;
	int rc;

	if (imgp_names_provenance_key(job, &key, e) == -1)
		return 0;		/* this job's trouble */
	url = imgp_place_join(imgp_conf(imgp_job_str(job, "pipeline_code"),
	    base), key);
	rc = ask_beside(t, job, base, url, 1, e);
	free(key);
	free(url);
	return rc;
}

int
imgp_transfer_ask(struct imgp_transfer *t, struct imgp_job *job,
    struct imgp_err *e)
{
	const char *from = imgp_job_str(job, hops[t->hop].from);
	const char *to = imgp_job_str(job, hops[t->hop].to);
	const char *spool = imgp_conf(imgp_job_str(job, "pipeline_code"),
	    "spool");
	char *local = NULL;
	int rc = 0;

	if (t->hop == FETCH)
		to = spool != NULL && imgp_names_local(job, spool, &local,
		    e) == 0 ? local : NULL;
	if (from == NULL || to == NULL)
		goto out;		/* this job's trouble */
	rc = ask_beside(t, job, hops[t->hop].from_base, from, 0, e);
	if (rc == 0)
		rc = ask_beside(t, job, hops[t->hop].to_base, to, 1, e);
	if (rc == 0 && t->hop == DELIVER)
		rc = ask_logs(t, job, e);
out:
	free(local);
	return rc;
}
