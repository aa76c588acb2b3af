#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/dicom/scans.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/steps/record.h"

/* What a subcommand does to a job. */
struct imgp_record_verb {
	const char		*name;
	enum imgp_ledger_op	 op;
	unsigned int		 flags;		/* IMGP_SEES_…: whom it asks for */
	/*
	 * The request for a job; NULL with ${e}, or without when the job needs
	 * none.
	 */
	struct imgp_json	*(*ask)(struct imgp_record *r,
	    struct imgp_job *job, struct imgp_err *e);
	/* Called in the transaction, with the first answer (ledger.h). */
	struct imgp_json	*(*then)(void *job, const struct imgp_json *data,
	    struct imgp_err *e);
	/* Take the answer over into the job. */
	int			(*take)(struct imgp_job *job,
	    const struct imgp_json *data, struct imgp_err *e);
};

/* --- requests and answers ------------------------------------------------- */

/* Copy a member of the job into the request when it is there. */
static void
copy(struct imgp_json *req, struct imgp_job *job, const char *name)
{
	const struct imgp_json *j = imgp_job_get(job, name);

	if (j != NULL)
		imgp_json_set(req, name, imgp_json_copy(j));
}

static void
copy_content(struct imgp_json *req, struct imgp_job *job)
{
	copy(req, job, "sha256");
	copy(req, job, "bytes");
	copy(req, job, "etag");
	copy(req, job, "version_id");
}

/* The request of a job that has a row and its lease. */
static struct imgp_json *
ask_row(struct imgp_job *job, struct imgp_err *e)
{
	struct imgp_json *req;
	int64_t lease, id;

	if ((id = imgp_job_file_id(job)) <= 0 || imgp_job_sub_int(job,
	    "edc_pipeline_file", "lease", &lease) == -1) {
		imgp_fail(e, IMGP_E_JOB_TYPE,
		    "the job has no edc_pipeline_file with id and lease");
		return NULL;
	}
	req = imgp_json_new_object();
	copy(req, job, "pipeline_code");
	copy(req, job, "subject_event_crf_file_id");
	imgp_json_set_int(req, "edc_pipeline_file_id", id);
	imgp_json_set_int(req, "lease", lease);
	return req;
}

static void
take_row(struct imgp_job *job, const struct imgp_json *data)
{
	const struct imgp_json *row = imgp_json_get(data, "edc_pipeline_file");
	int64_t crashes = 0;

	if (!imgp_json_is_object(row))
		return;
	/* The claim's answer alone tells of them. */
	imgp_job_sub_int(job, "edc_pipeline_file", "crashes", &crashes);
	imgp_job_set(job, "edc_pipeline_file", imgp_json_copy(row));
	if (crashes > 0)
		imgp_job_set_sub_int(job, "edc_pipeline_file", "crashes",
		    crashes);
}

/* --- start ---------------------------------------------------------------- */

/* Something that no other request says, to know a claim asked for again. */
static void
set_claim(struct imgp_json *req)
{
	unsigned char b[8];
	char hex[2 * sizeof b + 1];
	size_t i;

	if (getrandom(b, sizeof b, 0) != (ssize_t)sizeof b)
		abort();
	for (i = 0; i < sizeof b; i++)
		snprintf(hex + 2 * i, 3, "%02x", b[i]);
	imgp_json_set_str(req, "claim", hex);
}

static struct imgp_json *
ask_start(struct imgp_record *r, struct imgp_job *job, struct imgp_err *e)
{
	struct imgp_json *req;
	const char *code;
	int64_t n;

	if ((code = imgp_job_need_str(job, "pipeline_code", e)) == NULL ||
	    imgp_job_need_str(job, "run", e) == NULL ||
	    imgp_job_need_int(job, "subject_event_crf_file_id", &n, e) == -1 ||
	    imgp_job_need_int(job, "revision_number", &n, e) == -1 ||
	    imgp_conf_need(code, "temp", e) == NULL ||
	    imgp_conf_need(code, "destination", e) == NULL)
		return NULL;
	req = imgp_json_new_object();
	copy(req, job, "pipeline_code");
	copy(req, job, "subject_event_crf_file_id");
	copy(req, job, "revision_number");
	copy(req, job, "run");
	set_claim(req);
	if (r->again)
		imgp_json_set_bool(req, "again", 1);
	return req;
}

/* Compute the names, unless the row has them already. */
static struct imgp_json *
then_names(void *arg, const struct imgp_json *data, struct imgp_err *e)
{
	struct imgp_job *job = arg;
	const struct imgp_json *row = imgp_json_get(data, "edc_pipeline_file");
	struct imgp_json *req = NULL;
	char *path = NULL, *name = NULL;

	if (imgp_json_is_null(imgp_json_get(row, "lease")) ||
	    imgp_json_str(imgp_json_get(row, "file_name")) != NULL)
		return NULL;
	take_row(job, data);
	if (imgp_names_destination_path(job, &path, e) == 0 &&
	    imgp_names_destination_name(job, &name, e) == 0 &&
	    (req = ask_row(job, e)) != NULL) {
		imgp_json_set_str(req, "file_path", path);
		imgp_json_set_str(req, "file_name", name);
	}
	free(path);
	free(name);
	return req;
}

/* The places, from the names that the row keeps. */
static int
set_places(struct imgp_job *job, const char *path, const char *name,
    struct imgp_err *e)
{
	const char *code = imgp_job_str(job, "pipeline_code");
	const char *temp, *destination;
	char *key = NULL, *whole, *url;
	int rc = -1;

	if ((temp = imgp_conf_need(code, "temp", e)) == NULL ||
	    (destination = imgp_conf_need(code, "destination", e)) == NULL ||
	    imgp_names_temp_key(job, name, &key, e) == -1)
		goto out;
	url = imgp_place_join(temp, key);
	imgp_job_set_str(job, "temp", url);
	free(url);
	whole = imgp_asprintf("%s%s", path, name);
	url = imgp_place_join(destination, whole);
	imgp_job_set_str(job, "destination", url);
	free(url);
	free(whole);
	rc = 0;
out:
	free(key);
	return rc;
}

/*
 * A record keeping without revisions has one row an upload (api_revisions = no):
 * whether it is this revision's is seen from the name alone.
 */
static int
check_revision(struct imgp_job *job, const struct imgp_json *row,
    const char *name, struct imgp_err *e)
{
	char *own = NULL;
	int64_t n;
	int same;

	if (imgp_json_int(imgp_json_get(row, "revision_number"), &n) == 0)
		return 0;
	if (imgp_names_destination_name(job, &own, e) == -1)
		return -1;
	same = name != NULL && strcmp(own, name) == 0;
	free(own);
	return same ? 0 : imgp_fail(e, IMGP_E_API_REVISION,
	    "the API's row is that of another revision of this upload");
}

static int
take_start(struct imgp_job *job, const struct imgp_json *data,
    struct imgp_err *e)
{
	const struct imgp_json *row = imgp_json_get(data, "edc_pipeline_file");
	const char *status = imgp_json_str(imgp_json_get(row, "status"));
	const char *path = imgp_json_str(imgp_json_get(row, "file_path"));
	const char *name = imgp_json_str(imgp_json_get(row, "file_name"));

	take_row(job, data);
	if (status == NULL)
		return imgp_fail(e, IMGP_E_DB_QUERY, "the answer has no status");
	if (check_revision(job, row, name, e) == -1)
		return -1;
	if (strcmp(status, "Completed") == 0)
		imgp_job_skip(job, IMGP_E_SKIP_DONE);
	else if (strcmp(status, "Failed") == 0)
		imgp_job_skip(job, IMGP_E_SKIP_FAILED);
	else if (imgp_json_is_null(imgp_json_get(row, "lease")))
		imgp_job_skip(job, IMGP_E_SKIP_BUSY);
	else if (path == NULL || name == NULL)
		return imgp_fail(e, IMGP_E_DB_QUERY, "the answer has no names");
	else if (imgp_names_check_kept(job, name, e) == -1)
		return -1;
	else
		return set_places(job, path, name, e);
	return 0;
}

/* A dry run asks nobody: what the places would be, if the job gets a row. */
static int
plan_start(struct imgp_job *job, struct imgp_err *e)
{
	char *path = NULL, *name = NULL;
	int rc = -1;

	if (imgp_names_destination_path(job, &path, e) == 0 &&
	    imgp_names_destination_name(job, &name, e) == 0)
		rc = set_places(job, path, name, e);
	free(path);
	free(name);
	return rc;
}

/* --- scans ---------------------------------------------------------------- */

static struct imgp_json *
ask_scans(struct imgp_record *r, struct imgp_job *job, struct imgp_err *e)
{
	struct imgp_scans s;
	struct imgp_json *req;

	(void)r;
	if (imgp_job_get_scans(job, &s, e) == -1)
		return NULL;
	if ((req = ask_row(job, e)) != NULL) {
		imgp_json_set(req, "scans", imgp_scans_json(&s, 1));
		copy_content(req, job);
	}
	imgp_scans_release(&s);
	return req;
}

static int
take_scans(struct imgp_job *job, const struct imgp_json *data,
    struct imgp_err *e)
{
	struct imgp_scans s;
	int rc;

	if (imgp_job_get_scans(job, &s, e) == -1)
		return -1;
	if ((rc = imgp_scans_take_ids(&s, data, e)) == 0) {
		if (imgp_job_get(job, "scans") != NULL)
			imgp_job_set_scans(job, &s);
		take_row(job, data);
	}
	imgp_scans_release(&s);
	return rc;
}

/* --- finish --------------------------------------------------------------- */

static int
is_open(struct imgp_job *job)
{
	int64_t lease;

	return imgp_job_file_id(job) > 0 && imgp_job_sub_int(job,
	    "edc_pipeline_file", "lease", &lease) == 0;
}

/* A job without a row has nothing to finish; that it has none is noted. */
static struct imgp_json *
ask_lookup_failed(struct imgp_record *r, struct imgp_job *job)
{
	struct imgp_json *req;

	if (imgp_job_standing(job) != IMGP_FAILED || imgp_job_id(job) <= 0 ||
	    imgp_job_str(job, "run") == NULL ||
	    imgp_job_get(job, "edc_pipeline_file") != NULL)
		return NULL;
	r->op = IMGP_LEDGER_LOOKUP_FAILED;
	req = imgp_json_new_object();
	copy(req, job, "run");
	copy(req, job, "pipeline_code");
	copy(req, job, "subject_event_crf_file_id");
	copy(req, job, "errors");
	return req;
}

static struct imgp_json *
ask_finish(struct imgp_record *r, struct imgp_job *job, struct imgp_err *e)
{
	int failed = imgp_job_standing(job) == IMGP_FAILED;
	struct imgp_json *req;

	if (!is_open(job))
		return ask_lookup_failed(r, job);
	if (!failed && imgp_job_sub_str(job, "sha256", "destination") == NULL) {
		imgp_fail(e, IMGP_E_JOB_TYPE,
		    "sha256.destination is missing: nothing was delivered");
		return NULL;
	}
	if ((req = ask_row(job, e)) == NULL)
		return NULL;
	imgp_json_set_str(req, "status", failed ? "Failed" : "Completed");
	imgp_json_set_bool(req, "has_error", imgp_job_has_errors(job));
	copy(req, job, "errors");
	copy(req, job, "warnings");
	copy(req, job, "participant_code");
	copy(req, job, "event_code");
	if (!failed)
		copy(req, job, "destination");
	copy_content(req, job);
	return req;
}

static int
take_finish(struct imgp_job *job, const struct imgp_json *data,
    struct imgp_err *e)
{
	const struct imgp_json *notice = imgp_json_get(data, "notice");

	(void)e;
	take_row(job, data);
	if (imgp_json_is_object(notice))
		imgp_job_set(job, "notice", imgp_json_copy(notice));
	return 0;
}

/* --- renew, release ------------------------------------------------------- */

static struct imgp_json *
ask_lease(struct imgp_record *r, struct imgp_job *job, struct imgp_err *e)
{
	struct imgp_json *req;

	if (!is_open(job))
		return NULL;		/* nothing to renew or release */
	if ((req = ask_row(job, e)) != NULL && r->uncounted)
		imgp_json_set_bool(req, "uncounted", 1);
	return req;
}

static const struct imgp_record_verb verbs[] = {
	{ "start", IMGP_LEDGER_START, 0, ask_start, then_names, take_start },
	{ "scans", IMGP_LEDGER_SCANS, 0, ask_scans, NULL, take_scans },
	{ "finish", IMGP_LEDGER_FINISH, IMGP_SEES_FAILED, ask_finish, NULL,
	    take_finish },
	{ "renew", IMGP_LEDGER_RENEW, IMGP_SEES_FAILED, ask_lease, NULL,
	    take_finish },
	{ "release", IMGP_LEDGER_RELEASE, IMGP_SEES_FAILED, ask_lease, NULL,
	    take_finish },
};

const struct imgp_record_verb *
imgp_record_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

const char *
imgp_record_name(const struct imgp_record_verb *v)
{
	return v->name;
}

enum imgp_ledger_op
imgp_record_op(const struct imgp_record_verb *v)
{
	return v->op;
}

/* --- the loop's side ------------------------------------------------------ */

/* Nonzero when the job is none of this subcommand's business. */
static int
passes(const struct imgp_record_verb *v, struct imgp_job *job)
{
	switch (imgp_job_standing(job)) {
	case IMGP_SKIPPED:
		return 1;
	case IMGP_FAILED:
		return (v->flags & IMGP_SEES_FAILED) == 0;
	default:
		return 0;
	}
}

/* The job goes on its way, with the error ${e} if it has a code. */
static void
put(struct imgp_filter *f, struct imgp_record *r, struct imgp_job *job,
    const struct imgp_err *e)
{
	if (e->code != NULL && strcmp(e->code, IMGP_E_CONFIG) == 0)
		r->misconfigured = 1;
	imgp_filter_put(f, job, e->code == NULL ? NULL : e);
}

/* What became of one call goes into its job, and the job on its way. */
static void
settle(struct imgp_filter *f, struct imgp_record *r, struct imgp_job *job,
    struct imgp_ledger_call *c)
{
	/* The job has failed already, and its line says so. */
	if (c->op == IMGP_LEDGER_LOOKUP_FAILED && c->err.code != NULL)
		c->err.code = NULL;
	else if (c->data != NULL && c->err.code != NULL)
		take_row(job, c->data);		/* made, but then it failed */
	else if (c->err.code == NULL)
		r->verb->take(job, c->data, &c->err);
	if (c->err.code != NULL && strncmp(c->err.code, "IMGP-SKIP-", 10) == 0) {
		imgp_job_skip(job, c->err.code);
		c->err.code = NULL;
	} else if (c->err.code != NULL &&
	    strcmp(c->err.code, IMGP_E_DB_FENCED) == 0) {
		imgp_job_skip(job, IMGP_E_SKIP_BUSY);
		c->err.code = NULL;
	}
	put(f, r, job, &c->err);
}

static void
flush(struct imgp_filter *f, struct imgp_record *r)
{
	struct imgp_ledger_call calls[IMGP_RECORD_BATCH];
	struct imgp_err errs[IMGP_RECORD_BATCH];
	struct imgp_ledger_call *of[IMGP_RECORD_BATCH];
	struct imgp_json *req;
	size_t i, n = 0;

	for (i = 0; i < r->n; i++) {
		errs[i].code = NULL;
		of[i] = NULL;
		if (passes(r->verb, r->held[i]))
			continue;
		if (r->dry_run) {
			imgp_job_set_bool(r->held[i], "planned", 1);
			if (r->verb->op == IMGP_LEDGER_START)
				plan_start(r->held[i], &errs[i]);
			continue;
		}
		r->op = r->verb->op;
		if ((req = r->verb->ask(r, r->held[i], &errs[i])) == NULL)
			continue;
		memset(&calls[n], 0, sizeof calls[n]);
		calls[n].op = r->op;
		calls[n].request = req;
		calls[n].then = r->verb->then;
		calls[n].arg = r->held[i];
		of[i] = &calls[n++];
	}
	if (n > 0)
		imgp_ledger_run(r->ledger, calls, n);
	for (i = 0; i < r->n; i++) {
		if (of[i] != NULL)
			settle(f, r, r->held[i], of[i]);
		else
			put(f, r, r->held[i], &errs[i]);
	}
	for (i = 0; i < n; i++) {
		imgp_json_free(calls[i].request);
		imgp_json_free(calls[i].data);
	}
	r->n = 0;
}

int
imgp_record_step(struct imgp_filter *f, struct imgp_job *job, void *arg,
    struct imgp_err *e)
{
	struct imgp_record *r = arg;

	(void)e;
	r->held[r->n++] = job;
	if (r->n == IMGP_RECORD_BATCH)
		flush(f, r);
	return IMGP_STEP_HELD;
}

int64_t
imgp_record_idle(struct imgp_filter *f, void *arg, int eof)
{
	(void)eof;
	flush(f, arg);
	return -1;
}

int
imgp_record_rest(void *arg, int64_t ms)
{
	struct imgp_record *r = arg;

	return imgp_ledger_idle(r->ledger, ms);
}

int
imgp_record_run(struct imgp_record *r, const char *run, struct imgp_err *e)
{
	struct imgp_ledger_call c;
	struct imgp_json *req = imgp_json_new_object();

	imgp_json_set_str(req, "run", run);
	if (r->uncounted)
		imgp_json_set_bool(req, "uncounted", 1);
	memset(&c, 0, sizeof c);
	c.op = r->verb->op;
	c.request = req;
	imgp_ledger_run(r->ledger, &c, 1);
	imgp_json_free(req);
	imgp_json_free(c.data);
	if (c.err.code != NULL)
		*e = c.err;
	return c.err.code != NULL ? -1 : 0;
}

int
imgp_record_ask(struct imgp_job *job, const char *code, void *arg,
    struct imgp_err *e)
{
	const struct imgp_record *r = arg;
	struct imgp_record renew = { .verb = imgp_record_find("renew"),
	    .ledger = r->ledger };
	const char *run = imgp_job_str(job, "run");

	(void)code;
	return run == NULL || r->dry_run ? 0 :
	    imgp_record_run(&renew, run, e);
}
