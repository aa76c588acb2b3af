#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/record/account.h"
#include "libimgpipe/record/api.h"
#include "libimgpipe/record/ledger_priv.h"

struct imgp_ledger_page {
	struct imgp_ledger_http	*http;
	struct imgp_account	*account;
	int			 repeatable;	/* api_create = same */
};

struct imgp_ledger_page *
imgp_ledger_page_open(const char *base, struct imgp_err *e)
{
	const char *path = imgp_conf(NULL, "ledger");
	struct imgp_ledger_page *p;

	if (!imgp_account_is_path(path)) {
		imgp_fail(e, IMGP_E_CONFIG, "a pipeline API without revisions "
		    "(api_revisions = no) needs our own account of its ids, or "
		    "an upload is delivered twice: IMGP_LEDGER is to be a "
		    "directory");
		return NULL;
	}
	p = imgp_alloc(sizeof *p);
	p->repeatable = strcmp(imgp_conf(NULL, "api_create"), "same") == 0;
	if ((p->http = imgp_ledger_http_open(base, e)) == NULL ||
	    (p->account = imgp_account_open(path, e)) == NULL) {
		imgp_ledger_page_close(p);
		return NULL;
	}
	return p;
}

void
imgp_ledger_page_close(struct imgp_ledger_page *p)
{
	if (p == NULL)
		return;
	imgp_ledger_http_close(p->http);
	imgp_account_close(p->account);
	free(p);
}

int
imgp_ledger_page_reach(struct imgp_ledger_page *p, struct imgp_err *e)
{
	return imgp_ledger_http_reach(p->http, e);
}

int
imgp_ledger_page_is_new(const struct imgp_ledger_page *p)
{
	return imgp_account_is_new(p->account);
}

/* --- what the API says ---------------------------------------------------- */

/* A whole number, as itself or as text: the page writes "xxx".  0, or -1. */
static int
take_int(const struct imgp_json *j, int64_t *n)
{
	const char *s = imgp_json_str(j);
	long long m;

	if (s == NULL)
		return imgp_json_int(j, n);
	if (imgp_parse_int(s, 0, INT64_MAX, &m) == -1)
		return -1;
	*n = m;
	return 0;
}

/* The member that the page means by ID: 0, 1 when there is none, -1 when it is no
 * number. */
static int
find_id(const struct imgp_json *o, int64_t *id)
{
	static const char *const names[] = { "id", "ID",
	    "edc_pipeline_file_id", "edc_pipieline_file_id", NULL };
	const struct imgp_json *j;
	size_t i;

	for (i = 0; names[i] != NULL; i++) {
		j = imgp_json_get(o, names[i]);
		if (!imgp_json_is_null(j))
			return take_int(j, id);
	}
	return 1;
}

/* ${o} of an answer is about the upload of ${request}, and about the row ${id} unless
 * that is 0. */
static int
is_about(const struct imgp_json *o, const struct imgp_json *request, int64_t id)
{
	static const char upload[] = "subject_event_crf_file_id";
	int64_t n, own;
	int rc = find_id(o, &n);

	if (rc == -1 || (rc == 0 && id != 0 && n != id))
		return 0;
	if (imgp_json_is_null(imgp_json_get(o, upload)))
		return 1;
	return take_int(imgp_json_get(o, upload), &n) == 0 &&
	    imgp_json_int(imgp_json_get(request, upload), &own) == 0 && n == own;
}

static int
check_about(const struct imgp_json *data, const struct imgp_json *request,
    int64_t id, struct imgp_err *e)
{
	if (is_about(imgp_json_get(data, "edc_pipeline_file"), request, id) &&
	    is_about(data, request, id))
		return 0;
	return imgp_fail(e, IMGP_E_DB_QUERY,
	    "the pipeline API's answer is about another file");
}

/* A row that was just made is at its beginning. */
static int
check_fresh(const struct imgp_json *row, struct imgp_err *e)
{
	const char *s = imgp_json_str(imgp_json_get(row, "status"));

	if (s == NULL)
		s = imgp_json_str(imgp_json_get(row, "Status"));
	if (s == NULL)
		return 0;
	if ((s = imgp_ledger_status(s)) == NULL)
		return imgp_fail(e, IMGP_E_DB_QUERY,
		    "the pipeline API's answer has no such status");
	if (strcmp(s, "Completed") != 0 && strcmp(s, "Failed") != 0)
		return 0;
	return imgp_fail(e, IMGP_E_API_REVISION, "the API's row is %s, and our "
	    "account does not know it: it is of another delivery", s);
}

/* --- start ---------------------------------------------------------------- */

/* What names an upload, and the row ${id} unless that is 0. */
static struct imgp_json *
new_request(const struct imgp_json *request, int64_t id)
{
	static const char *const names[] = { "pipeline_code",
	    "subject_event_crf_file_id", NULL };
	struct imgp_json *wire = imgp_json_new_object();
	size_t i;

	for (i = 0; names[i] != NULL; i++)
		imgp_json_set(wire, names[i], imgp_json_copy(
		    imgp_json_get(request, names[i])));
	if (id != 0)
		imgp_json_set_int(wire, "edc_pipeline_file_id", id);
	return wire;
}

/* The row that the API made for ${request}, from ${call}->data, into the account. */
static void
take_made(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const struct imgp_json *request)
{
	const struct imgp_json *row = imgp_json_get(call->data,
	    "edc_pipeline_file");
	struct imgp_json *data = NULL;
	struct imgp_err *e = &call->err;
	int64_t id = 0;

	if (find_id(row, &id) != 0 && find_id(call->data, &id) != 0)
		id = 0;
	if (id <= 0)
		imgp_fail(e, IMGP_E_DB_QUERY,
		    "the pipeline API's answer has no row with id");
	else if (check_about(call->data, request, 0, e) == 0 &&
	    check_fresh(row, e) == 0)
		imgp_account_made(p->account, request, id, imgp_json_str(
		    imgp_json_get(row, "ts_create")), &data, e);
	if (e->code != NULL && strcmp(e->code, IMGP_E_API_REVISION) == 0)
		imgp_account_not_made(p->account, request, 0, NULL);
	imgp_json_free(call->data);
	call->data = data;
}

/* Have the API make the row of ${request}, which the account has noted. */
static int
create(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const struct imgp_json *request, struct imgp_err *e)
{
	struct imgp_json *wire = new_request(request, 0);
	struct imgp_err why = { NULL, "" };
	int done = 0, rc;

	rc = imgp_ledger_http_send(p->http, IMGP_API_FILE, wire, call, &done,
	    &why);
	imgp_json_free(wire);
	if (rc == 0 && call->err.code == NULL) {
		take_made(p, call, request);
		return 0;
	}
	if (rc == 0)
		why = call->err;
	if (imgp_account_not_made(p->account, request, done, &call->err) == -1)
		return 0;
	if (!done || p->repeatable)
		return rc == 0 ? 0 : imgp_fail(e, why.code, "%s", why.msg);
	imgp_fail(&call->err, IMGP_E_API_LOST, "the API was asked for a row, "
	    "and nobody knows whether it has one: %.400s", why.msg);
	return 0;
}

static int
claim(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const struct imgp_json *request, struct imgp_err *e)
{
	int make;

	if (imgp_account_claim(p->account, request, p->repeatable, &make,
	    &call->data, &call->err) == -1 || !make)
		return 0;
	return create(p, call, request, e);
}

/* The names, once for the row's life. */
static void
name(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const struct imgp_json *request)
{
	struct imgp_json *changes = imgp_json_new_object(), *data = NULL;

	imgp_json_set_str(changes, "file_name",
	    imgp_json_str(imgp_json_get(request, "file_name")));
	imgp_json_set_str(changes, "file_path",
	    imgp_json_str(imgp_json_get(request, "file_path")));
	if (imgp_account_change(p->account, request, changes, &data,
	    &call->err) == 0) {
		imgp_json_free(call->data);
		call->data = data;
	}
	imgp_json_free(changes);
}

static int
start(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    struct imgp_err *e)
{
	struct imgp_json *second;

	if (!imgp_json_is_null(imgp_json_get(call->request,
	    "edc_pipeline_file_id"))) {
		name(p, call, call->request);
		return 0;
	}
	if (claim(p, call, call->request, e) == -1)
		return -1;
	if (call->err.code != NULL || call->then == NULL)
		return 0;
	if ((second = call->then(call->arg, call->data, &call->err)) != NULL)
		name(p, call, second);
	imgp_json_free(second);
	return 0;
}

/* --- statuses ------------------------------------------------------------- */

/* A status in the API's word: the page's table has others than its calls. */
static const char *
word(const struct imgp_ledger_page *p, const char *status)
{
	if (!imgp_ledger_http_is_page(p->http))
		return status;
	return strcmp(status, "Completed") == 0 ? "done" :
	    strcmp(status, "Failed") == 0 ? "error" : "in progress";
}

/* Send ${wire}, taken over, about the row ${id}: 0 with ${call}->data, 1 when
 * ${call}->err says why not, -1 as imgp_ledger_page_call(). */
static int
send_about(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const char *path, struct imgp_json *wire, int64_t id, struct imgp_err *e)
{
	int done, rc;

	rc = imgp_ledger_http_send(p->http, path, wire, call, &done, e);
	imgp_json_free(wire);
	if (rc == 0 && call->err.code == NULL)
		check_about(call->data, call->request, id, &call->err);
	return rc == -1 ? -1 : call->err.code != NULL;
}

static void
drop_data(struct imgp_ledger_call *call)
{
	imgp_json_free(call->data);
	call->data = NULL;
}

/* Tell the API the status of ${row}; as send_about(), without data. */
static int
tell(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const struct imgp_json *row, const char *status, struct imgp_err *e)
{
	static const char *const more[] = { "has_error", "errors", NULL };
	const struct imgp_json *name = imgp_json_get(row, "file_name");
	struct imgp_json *wire;
	int64_t id = 0;
	size_t i;
	int rc;

	imgp_json_int(imgp_json_get(row, "id"), &id);
	wire = new_request(call->request, id);
	if (name != NULL)
		imgp_json_set(wire, "file_name", imgp_json_copy(name));
	imgp_json_set_str(wire, "status", word(p, status));
	for (i = 0; more[i] != NULL; i++)
		if (!imgp_json_is_null(imgp_json_get(call->request, more[i])))
			imgp_json_set(wire, more[i], imgp_json_copy(
			    imgp_json_get(call->request, more[i])));
	rc = send_about(p, call, IMGP_API_FILE, wire, id, e);
	drop_data(call);
	return rc;
}

/* The sums that a later attempt is held against. */
static void
note_source(struct imgp_json *changes, const struct imgp_json *row,
    const struct imgp_json *request)
{
	const char *sum = imgp_json_str(imgp_json_get(imgp_json_get(request,
	    "sha256"), "source"));

	if (sum != NULL && imgp_json_get(row, "sha256_source") == NULL)
		imgp_json_set_str(changes, "sha256_source", sum);
}

/* --- scans ---------------------------------------------------------------- */

static const char *
uid(const struct imgp_json *o, const char *name)
{
	const char *s = imgp_json_str(imgp_json_get(o, name));

	if (s == NULL && strcmp(name, "study_uid") == 0)
		s = imgp_json_str(imgp_json_get(o, "studyuid"));
	return s;
}

/* The entry of ${list} whose ${name} is ${value}, or NULL. */
static const struct imgp_json *
find(const struct imgp_json *list, const char *name, const char *value)
{
	const struct imgp_json *i;
	const char *s;

	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i))
		if ((s = uid(i, name)) != NULL && value != NULL &&
		    strcmp(s, value) == 0)
			return i;
	return NULL;
}

/* The series of ${scans} that ${known} has no ATRIUID of, or all where ${known} is
 * NULL; NULL when it is none. */
static struct imgp_json *
lacking(const struct imgp_json *scans, const struct imgp_json *known)
{
	struct imgp_json *out = imgp_json_new_array(), *series, *study;
	const struct imgp_json *s, *i, *there;

	for (s = imgp_json_first(scans); s != NULL; s = imgp_json_next(s)) {
		there = imgp_json_get(find(known, "study_uid",
		    uid(s, "study_uid")), "series");
		series = imgp_json_new_array();
		for (i = imgp_json_first(imgp_json_get(s, "series"));
		    i != NULL; i = imgp_json_next(i))
			if (find(there, "series_uid", uid(i, "series_uid")) ==
			    NULL)
				imgp_json_append(series, imgp_json_copy(i));
		if (imgp_json_count(series) == 0) {
			imgp_json_free(series);
			continue;
		}
		study = imgp_json_copy(s);
		imgp_json_set(study, "series", series);
		imgp_json_append(out, study);
	}
	if (imgp_json_count(out) > 0)
		return out;
	imgp_json_free(out);
	return NULL;
}

/* ${known} with what ${told}, an answer's scans, has besides. */
static struct imgp_json *
merged(const struct imgp_json *known, const struct imgp_json *told)
{
	struct imgp_json *out = imgp_json_new_array(), *all, *study;
	const struct imgp_json *s, *i, *more;

	for (s = imgp_json_first(known); s != NULL; s = imgp_json_next(s)) {
		more = imgp_json_get(find(told, "study_uid",
		    uid(s, "study_uid")), "series");
		all = imgp_json_copy(imgp_json_get(s, "series"));
		for (i = imgp_json_first(more); i != NULL;
		    i = imgp_json_next(i))
			if (find(all, "series_uid", uid(i, "series_uid")) ==
			    NULL)
				imgp_json_append(all, imgp_json_copy(i));
		study = imgp_json_copy(s);
		imgp_json_set(study, "series", all);
		imgp_json_append(out, study);
	}
	for (s = imgp_json_first(told); s != NULL; s = imgp_json_next(s))
		if (find(known, "study_uid", uid(s, "study_uid")) == NULL)
			imgp_json_append(out, imgp_json_copy(s));
	return out;
}

/* Have the API number the series that the account does not know: ${*scans}, the
 * caller's, has all.  As tell(). */
static int
number(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const struct imgp_json *row, struct imgp_json **scans, struct imgp_err *e)
{
	const struct imgp_json *known = imgp_json_get(row, "scans");
	struct imgp_json *wire, *list = lacking(imgp_json_get(call->request,
	    "scans"), known);
	int64_t id = 0;
	int rc;

	if (list == NULL) {
		*scans = merged(known, NULL);
		return 0;
	}
	imgp_json_int(imgp_json_get(row, "id"), &id);
	wire = new_request(call->request, id);
	imgp_json_set(wire, "scans", list);
	rc = send_about(p, call, IMGP_API_SCANS, wire, id, e);
	*scans = merged(known, imgp_json_get(call->data, "scans"));
	drop_data(call);
	return rc;
}

static int
scans(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const struct imgp_json *row, struct imgp_err *e)
{
	struct imgp_json *all = NULL, *changes;
	int rc;

	if ((rc = tell(p, call, row, "In Progress", e)) != 0 ||
	    (rc = number(p, call, row, &all, e)) != 0) {
		imgp_json_free(all);
		return rc == -1 ? -1 : 0;
	}
	changes = imgp_json_new_object();
	imgp_json_set_str(changes, "status", "In Progress");
	imgp_json_set(changes, "scans", imgp_json_copy(all));
	note_source(changes, row, call->request);
	if (imgp_account_change(p->account, call->request, changes,
	    &call->data, &call->err) == 0)
		imgp_json_set(call->data, "scans", all);
	else
		imgp_json_free(all);
	imgp_json_free(changes);
	return 0;
}

/* --- the end -------------------------------------------------------------- */

/* The code of the upload's own fault that makes ${errors} final, as in the
 * database; NULL: they are not. */
static const char *
final_code(const struct imgp_json *errors)
{
	const struct imgp_json *i;
	const char *code, *final = NULL;

	for (i = imgp_json_first(errors); i != NULL; i = imgp_json_next(i)) {
		if (imgp_json_bool(imgp_json_get(i, "fatal")) != 1)
			continue;
		code = imgp_json_str(imgp_json_get(i, "error_code"));
		if (code == NULL || imgp_error_owner(code) !=
		    IMGP_OWNER_UPLOAD)
			return NULL;
		if (imgp_json_bool(imgp_json_get(i, "retryable")) == 0)
			final = code;
	}
	return final;
}

/* The API is told first: where we die between the two, the next run tells it again. */
static int
finish(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const struct imgp_json *row, struct imgp_err *e)
{
	const char *status = imgp_json_str(imgp_json_get(call->request,
	    "status"));
	const char *now = imgp_json_str(imgp_json_get(row, "status"));
	const char *final = strcmp(status, "Failed") != 0 ? NULL :
	    final_code(imgp_json_get(call->request, "errors"));
	struct imgp_json *changes;
	int rc;

	/* Asked again, or too late: the account says which. */
	if (strcmp(now, "Completed") != 0 && strcmp(now, "Failed") != 0 &&
	    (rc = tell(p, call, row, status, e)) != 0)
		return rc == -1 ? -1 : 0;
	changes = imgp_json_new_object();
	imgp_json_set_str(changes, "status", status);
	imgp_json_set_bool(changes, "has_error", imgp_json_bool(imgp_json_get(
	    call->request, "has_error")) == 1 || strcmp(status, "Failed") == 0);
	imgp_json_set_bool(changes, "failed_for_good", final != NULL);
	imgp_json_set_str(changes, "error_code", final);
	imgp_json_set_null(changes, "run");
	note_source(changes, row, call->request);
	imgp_account_change(p->account, call->request, changes, &call->data,
	    &call->err);
	imgp_json_free(changes);
	return 0;
}

/* --- leases --------------------------------------------------------------- */

static void
set_count(struct imgp_ledger_call *call, int64_t n)
{
	if (call->err.code != NULL)
		return;
	if (call->data == NULL)
		call->data = imgp_json_new_object();
	imgp_json_set_int(call->data, "count", n);
}

static void
release_row(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const struct imgp_json *row)
{
	struct imgp_json *changes = imgp_json_new_object();
	int64_t attempt = 0;

	imgp_json_set_null(changes, "run");
	imgp_json_int(imgp_json_get(row, "attempt"), &attempt);
	if (attempt > 0 && imgp_json_bool(imgp_json_get(call->request,
	    "uncounted")) == 1)
		imgp_json_set_int(changes, "attempt", attempt - 1);
	imgp_account_change(p->account, call->request, changes, &call->data,
	    &call->err);
	imgp_json_free(changes);
	set_count(call, 1);
}

static void
renew_row(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    const struct imgp_json *row)
{
	struct imgp_json *none = imgp_json_new_object();

	if (imgp_account_change(p->account, call->request, none, &call->data,
	    &call->err) == 0)
		imgp_account_renew(p->account, imgp_json_str(imgp_json_get(row,
		    "run")), &call->err);
	imgp_json_free(none);
	set_count(call, 1);
}

/* The leases of a run, which names no row. */
static void
lease_of_run(struct imgp_ledger_page *p, struct imgp_ledger_call *call)
{
	const char *run = imgp_json_str(imgp_json_get(call->request, "run"));

	if (call->op == IMGP_LEDGER_RENEW)
		imgp_account_renew(p->account, run, &call->err);
	else
		imgp_account_release(p->account, run, &call->err);
	set_count(call, 1);
}

static int
of_row(struct imgp_ledger_page *p, struct imgp_ledger_call *call,
    struct imgp_err *e)
{
	struct imgp_json *row = NULL;
	int rc = 0;

	if (imgp_account_row(p->account, call->request, &row, &call->err) == -1)
		return 0;
	if (call->op == IMGP_LEDGER_RELEASE && imgp_json_get(row, "run") ==
	    NULL)
		set_count(call, 0);	/* asked again */
	else if (call->op == IMGP_LEDGER_SCANS)
		rc = scans(p, call, row, e);
	else if (call->op == IMGP_LEDGER_FINISH)
		rc = finish(p, call, row, e);
	else if (call->op == IMGP_LEDGER_RELEASE)
		release_row(p, call, row);
	else
		renew_row(p, call, row);
	imgp_json_free(row);
	return rc;
}

int
imgp_ledger_page_call(struct imgp_ledger_page *p,
    struct imgp_ledger_call *call, struct imgp_err *e)
{
	imgp_ledger_forget(call);
	switch (call->op) {
	case IMGP_LEDGER_START:
		return start(p, call, e);
	case IMGP_LEDGER_LOOKUP_FAILED:
	case IMGP_LEDGER_NOTICE_LIST:
	case IMGP_LEDGER_NOTICE_DONE:
	case IMGP_LEDGER_PAGE_FILE:
	case IMGP_LEDGER_PAGE_SCANS:
		call->data = imgp_json_new_object();
		return 0;
	default:
		if (!imgp_json_is_null(imgp_json_get(call->request,
		    "edc_pipeline_file_id")))
			return of_row(p, call, e);
		lease_of_run(p, call);
		return 0;
	}
}
