#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/date.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/job/members.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/record/envelope.h"
#include "libimgpipe/report/explain.h"
#include "libimgpipe/report/logs.h"
#include "libimgpipe/report/report.h"
#include "libimgpipe/report/status.h"
#include "libimgpipe/steps/lookup.h"
#include "libimgpipe/steps/upload.h"

#define TEXT_MAX	1024

static int64_t
num(const struct imgp_json *o, const char *key)
{
	int64_t n;

	return imgp_json_int(imgp_json_get(o, key), &n) == 0 ? n : 0;
}

static const char *
str(const struct imgp_json *o, const char *key)
{
	return imgp_json_str(imgp_json_get(o, key));
}

static int
is_true(const struct imgp_json *o, const char *key)
{
	return imgp_json_bool(imgp_json_get(o, key)) == 1;
}

static int
is(const char *s, const char *t)
{
	return s != NULL && strcmp(s, t) == 0;
}

/* --- asking --------------------------------------------------------------- */

static int
ask(struct imgp_db *db, const char *sql, struct imgp_json *request,
    struct imgp_json **data, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_rows *r;
	const char *param;
	int rc = -1;

	imgp_json_print(request, &b);
	imgp_json_free(request);
	param = b.s;
	if ((r = imgp_db_query(db, sql, 1, &param, e)) != NULL)
		rc = imgp_envelope_read(r, data, e);
	imgp_rows_free(r);
	imgp_buf_release(&b);
	return rc;
}

/* What the EDC says, into the job: 0, and ${why} has a code where a look-up would
 * end with it. */
static int
ask_edc(const struct imgp_explain_of *of, struct imgp_job *job,
    struct imgp_err *why, struct imgp_err *e)
{
	const char *source = imgp_job_str(job, "source"), *code;
	const char *want = of->pipeline != NULL ? of->pipeline :
	    imgp_job_str(job, "pipeline_code");
	struct imgp_upload_ask a = { imgp_job_id(job), NULL };
	struct imgp_uploads *u;
	int64_t id = 0;
	char *key = NULL;
	size_t at;
	int rc = 1;

	if (a.id == 0) {
		if (imgp_lookup_key(of->source, source, &a.key, e) == -1)
			return -1;
		a.key = key = imgp_strdup(a.key);
	}
	if ((u = imgp_uploads_get(of->edc, &a, 1, e)) == NULL) {
		free(key);
		return -1;
	}
	if ((at = imgp_uploads_find(u, &a)) == IMGP_UPLOADS_NONE)
		imgp_fail(why, IMGP_E_LOOKUP_NOT_FOUND,
		    "the EDC does not know this upload (yet)");
	else {
		rc = imgp_uploads_choose(u, want, &at, &id, &code, why);
		if (id > 0)
			imgp_job_set_int(job, "subject_event_crf_file_id", id);
		if (rc == 1)
			imgp_fail(why, IMGP_E_SKIP_NO_PIPELINE,
			    "no pipeline lists this upload field");
		else if (rc == 0)
			imgp_uploads_take(u, at, job, of->source, why);
	}
	imgp_uploads_free(u);
	free(key);
	return 0;
}

static struct imgp_json *
request(int64_t upload, const char *pipeline)
{
	struct imgp_json *req = imgp_json_new_object();

	imgp_json_set_int(req, "subject_event_crf_file_id", upload);
	if (pipeline != NULL)
		imgp_json_set_str(req, "pipeline_code", pipeline);
	return req;
}

/* The row of the revision and pipeline that the EDC has now; NULL: there is none. */
static const struct imgp_json *
row_of(struct imgp_job *job, const struct imgp_json *record)
{
	const char *code = imgp_job_str(job, "pipeline_code");
	const struct imgp_json *i;
	int64_t revision;

	if (code == NULL ||
	    imgp_job_int(job, "revision_number", &revision) == -1)
		return NULL;
	for (i = imgp_json_first(imgp_json_get(record, "rows")); i != NULL;
	    i = imgp_json_next(i))
		if (is(str(i, "pipeline_code"), code) &&
		    num(i, "revision_number") == revision)
			return i;
	return NULL;
}

/* --- what a run would do -------------------------------------------------- */

/* "" or, in UTC, ${seconds} after ${ts}. */
static void
later(const char *ts, long long seconds, char out[32])
{
	int64_t t = ts == NULL ? -1 : imgp_date_iso(ts);
	time_t at = (time_t)(t + seconds);
	struct tm tm;

	out[0] = '\0';
	if (t != -1 && gmtime_r(&at, &tm) != NULL)
		strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* The ${n}th duration of the setting backoff, or its last; 0: there is none. */
static long long
backoff(int64_t n)
{
	const char *s = imgp_conf(NULL, "backoff");
	long long seconds = 0;
	char word[32];
	size_t len;

	for (; s != NULL && n > 0; n--) {
		s += strspn(s, " \t");
		if ((len = strcspn(s, " \t")) == 0 || len >= sizeof word)
			break;
		memcpy(word, s, len);
		word[len] = '\0';
		imgp_parse_duration(word, &seconds);
		s += len;
	}
	return seconds;
}

/* It failed by a fault of its own: --pending leaves it alone for a while. */
static void
wait_for_turn(struct imgp_json *facts, const struct imgp_json *holds)
{
	long long seconds = backoff(num(holds, "failures"));
	char at[32];

	later(str(holds, "failed"), seconds, at);
	if (seconds == 0 || at[0] == '\0' || str(holds, "now") == NULL ||
	    strcmp(at, str(holds, "now")) <= 0)
		return;
	imgp_json_set_str(facts, "pending_from", at);
}

/* As pipeline.file_claim() decides; ${why}: the look-up's own end. */
static void
decide(struct imgp_json *facts, const struct imgp_err *why,
    const struct imgp_json *row, const struct imgp_json *holds)
{
	const char *code = NULL, *now = str(holds, "now");
	const char *lease = str(row, "lease_until");

	if (why->code != NULL)
		code = why->code;
	else if (is(str(row, "status"), "Completed"))
		code = IMGP_E_SKIP_DONE;
	else if (is_true(row, "failed_for_good"))
		code = IMGP_E_SKIP_FAILED;
	else if (is_true(holds, "paused"))
		code = IMGP_E_SKIP_PAUSED;
	else if (imgp_json_is_object(imgp_json_get(holds, "waiver")))
		code = IMGP_E_SKIP_WAIVED;
	else if (lease != NULL && now != NULL && strcmp(lease, now) > 0)
		code = IMGP_E_SKIP_BUSY;
	if (code != NULL) {
		imgp_json_set_str(facts, "starts_at", NULL);
		imgp_json_set_str(facts, "ends_with", code);
		return;
	}
	/* Every attempt begins anew, behind the claim. */
	imgp_json_set_str(facts, "starts_at", "fetch");
	imgp_json_set_str(facts, "ends_with", NULL);
	imgp_json_set_int(facts, "attempt", num(row, "attempt") + 1);
	wait_for_turn(facts, holds);
}

/* --- names ---------------------------------------------------------------- */

static void
set_place(struct imgp_json *facts, const char *what, const char *pipeline,
    const char *setting, const char *key)
{
	const char *base = imgp_conf(pipeline, setting);
	char *url = base == NULL ? NULL : imgp_place_join(base, key);

	if (url != NULL)
		imgp_json_set_str(facts, what, url);
	free(url);
}

static void
set_log(struct imgp_json *facts, const char *what, const char *pipeline,
    char *key)
{
	char *url = imgp_logs_url(pipeline, key);

	if (url != NULL)
		imgp_json_set_str(facts, what, url);
	free(url);
	free(key);
}

/* The row as imgp-record start gives it to the job: names are made of it. */
static void
take_row(struct imgp_job *job, const struct imgp_json *row)
{
	static const char *const text[] = { "file_name", "file_path",
	    "ts_create", "status" };
	size_t i;

	if (row == NULL) {
		imgp_job_set_bool(job, "planned", 1);
		return;
	}
	imgp_job_set_sub_int(job, "edc_pipeline_file", "id",
	    num(row, "edc_pipeline_file_id"));
	for (i = 0; i < sizeof text / sizeof *text; i++)
		if (str(row, text[i]) != NULL)
			imgp_job_set_sub_str(job, "edc_pipeline_file", text[i],
			    str(row, text[i]));
	if (str(row, "run") != NULL)
		imgp_job_set_str(job, "run", str(row, "run"));
}

/* What the row keeps, else what it would get; -1 with ${e}. */
static int
set_names(struct imgp_json *facts, struct imgp_job *job,
    const struct imgp_json *row, struct imgp_err *e)
{
	const char *code = imgp_job_str(job, "pipeline_code");
	char *path = NULL, *name = NULL, *key = NULL, *whole;
	int kept = str(row, "file_name") != NULL, rc = -1;

	if (kept) {
		name = imgp_strdup(str(row, "file_name"));
		path = imgp_strdup(str(row, "file_path") == NULL ? "" :
		    str(row, "file_path"));
	} else if (imgp_names_destination_path(job, &path, e) == -1 ||
	    imgp_names_destination_name(job, &name, e) == -1)
		goto out;
	if (imgp_names_temp_key(job, name, &key, e) == -1)
		goto out;
	imgp_json_set_str(facts, "file_name", name);
	imgp_json_set_str(facts, "file_path", path);
	imgp_json_set_bool(facts, "name_kept", kept);
	whole = imgp_asprintf("%s%s", path, name);
	set_place(facts, "destination", code, "destination", whole);
	set_place(facts, "temp", code, "temp", key);
	free(whole);
	rc = kept ? imgp_names_check_kept(job, name, e) : 0;
out:
	free(path);
	free(name);
	free(key);
	return rc;
}

static void
set_logs(struct imgp_json *facts, struct imgp_job *job,
    const struct imgp_json *row)
{
	const char *code = imgp_job_str(job, "pipeline_code");
	struct imgp_err e;
	char *key;

	if (str(row, "log_key") != NULL)
		set_log(facts, "error_log", code, imgp_strdup(str(row,
		    "log_key")));
	else if (imgp_json_count(imgp_json_get(row, "errors")) > 0 &&
	    imgp_names_error_log_key(job, &key, &e) == 0)
		set_log(facts, "error_log", code, key);
	if (str(row, "ts_finish") != NULL && str(row, "run") != NULL &&
	    imgp_names_run_log_key(code, str(row, "run"), &key, &e) == 0)
		set_log(facts, "run_log", code, key);
}

/* --- the facts ------------------------------------------------------------ */

/* What the EDC gives; of the optional columns those that may be told. */
static void
set_members(struct imgp_json *facts, struct imgp_job *job)
{
	struct imgp_json *o = imgp_json_new_object();
	const struct imgp_member *m;
	const struct imgp_json *v;

	for (m = imgp_members; m->name != NULL; m++)
		if (((m->flags & IMGP_MEMBER_COLUMN) != 0 ||
		    ((m->flags & IMGP_MEMBER_OPTIONAL) != 0 &&
		    (m->flags & IMGP_MEMBER_TOLD) != 0)) &&
		    (v = imgp_job_get(job, m->name)) != NULL)
			imgp_json_set(o, m->name, imgp_json_copy(v));
	imgp_json_set(facts, "edc", o);
	if (imgp_job_str(job, "source") != NULL)
		imgp_json_set_str(facts, "source", imgp_job_str(job, "source"));
}

/* A look-up's end, an error that the names meet, or the record's last one. */
static void
set_last_error(struct imgp_json *facts, const struct imgp_json *row,
    const struct imgp_err *why)
{
	const struct imgp_json *i, *last = NULL;
	struct imgp_json *o;

	for (i = imgp_json_first(imgp_json_get(row, "errors")); i != NULL;
	    i = imgp_json_next(i))
		last = i;
	if (last != NULL)
		imgp_json_set(facts, "last_error", imgp_json_copy(last));
	if (why->code == NULL || strncmp(why->code, "IMGP-SKIP-", 10) == 0)
		return;
	o = imgp_json_new_object();
	imgp_json_set_str(o, "stage",
	    strncmp(why->code, "IMGP-LOOKUP-", 12) == 0 ? "lookup" : "start");
	imgp_json_set_str(o, "error_code", why->code);
	imgp_json_set_str(o, "error", why->msg);
	imgp_json_set_bool(o, "fatal", 1);
	imgp_json_set(facts, "next_error", o);
}

static void
fill(struct imgp_json *facts, struct imgp_job *job, struct imgp_err *why,
    struct imgp_json *record, const struct imgp_json *holds)
{
	const struct imgp_json *row = row_of(job, record);

	set_members(facts, job);
	imgp_json_set_bool(facts, "known_to_edc",
	    !is(why->code, IMGP_E_LOOKUP_NOT_FOUND));
	if (why->code == NULL) {
		take_row(job, row);
		set_names(facts, job, row, why);
		set_logs(facts, job, row);
	}
	decide(facts, why, row, holds);
	set_last_error(facts, row, why);
	if (imgp_json_is_object(imgp_json_get(holds, "waiver")))
		imgp_json_set(facts, "waiver",
		    imgp_json_copy(imgp_json_get(holds, "waiver")));
	if (is_true(holds, "paused"))
		imgp_json_set(facts, "paused", imgp_json_copy(imgp_json_get(
		    holds, "paused_reason")));
	if (is_true(holds, "paused") && str(holds, "paused_until") != NULL)
		imgp_json_set_str(facts, "paused_until",
		    str(holds, "paused_until"));
	if (row != NULL)
		imgp_json_set(facts, "row", imgp_json_copy(row));
	imgp_json_set(facts, "lookups", record == NULL ?
	    imgp_json_new_array() :
	    imgp_json_copy(imgp_json_get(record, "lookups")));
	imgp_json_set(facts, "rows", record == NULL ? imgp_json_new_array() :
	    imgp_json_copy(imgp_json_get(record, "rows")));
}

struct imgp_json *
imgp_explain(const struct imgp_explain_of *of, struct imgp_job *job,
    struct imgp_err *e)
{
	struct imgp_json *facts = NULL, *record = NULL, *holds = NULL;
	struct imgp_err why = { NULL, "" };
	int64_t upload;

	if (ask_edc(of, job, &why, e) == -1)
		return NULL;
	upload = imgp_job_id(job);
	if (of->record != NULL && upload > 0 && (ask(of->record,
	    "select pipeline.status_upload($1::jsonb)",
	    imgp_status_upload_request(upload), &record, e) == -1 ||
	    ask(of->record, "select pipeline.explain($1::jsonb)",
	    request(upload, imgp_job_str(job, "pipeline_code")), &holds,
	    e) == -1))
		goto out;
	facts = imgp_json_new_object();
	if (upload > 0)
		imgp_json_set_int(facts, "subject_event_crf_file_id", upload);
	imgp_json_set_bool(facts, "record_asked", of->record != NULL);
	fill(facts, job, &why, record, holds);
out:
	imgp_json_free(record);
	imgp_json_free(holds);
	return facts;
}

int
imgp_explain_is_unknown(const struct imgp_json *facts)
{
	return !is_true(facts, "known_to_edc") &&
	    imgp_json_count(imgp_json_get(facts, "rows")) == 0;
}

/* --- for people ----------------------------------------------------------- */

static void
line(struct imgp_buf *out, const char *what, const char *text)
{
	char clean[TEXT_MAX];

	if (text == NULL)
		return;
	imgp_printable(clean, sizeof clean, text, strlen(text));
	imgp_buf_printf(out, "  %-13s%s\n", what, clean);
}

static void
text_edc(const struct imgp_json *facts, struct imgp_buf *out)
{
	const struct imgp_json *i;
	char clean[TEXT_MAX];
	int64_t n;

	for (i = imgp_json_first(imgp_json_get(facts, "edc")); i != NULL;
	    i = imgp_json_next(i)) {
		if (imgp_json_int(i, &n) == 0)
			snprintf(clean, sizeof clean, "%lld", (long long)n);
		else
			imgp_printable(clean, sizeof clean, imgp_json_str(i),
			    strlen(imgp_json_str(i)));
		imgp_buf_printf(out, "  %-22s%s\n", imgp_json_key(i), clean);
	}
}

static void
text_row(const struct imgp_json *row, struct imgp_buf *out)
{
	const struct imgp_json *i;
	int64_t instances = 0;

	if (row == NULL) {
		line(out, "record", "none yet");
		return;
	}
	imgp_buf_printf(out, "  %-13snumber %lld, %s, attempt %lld, made %s\n",
	    "record", (long long)num(row, "edc_pipeline_file_id"),
	    str(row, "status"), (long long)num(row, "attempt"),
	    str(row, "ts_create"));
	if (str(row, "ts_finish") != NULL)
		line(out, "ended", str(row, "ts_finish"));
	for (i = imgp_json_first(imgp_json_get(row, "scans")); i != NULL;
	    i = imgp_json_next(i))
		instances += num(i, "number_of_instances");
	i = imgp_json_first(imgp_json_get(row, "scans"));
	if (i == NULL)
		return;
	imgp_buf_printf(out, "  %-13s%lld instances:", "ids",
	    (long long)instances);
	for (; i != NULL; i = imgp_json_next(i))
		imgp_buf_printf(out, " %s", str(i, "atri_uid"));
	imgp_buf_puts(out, "\n");
}

static void
text_names(const struct imgp_json *facts, struct imgp_buf *out)
{
	line(out, "source", str(facts, "source"));
	line(out, is_true(facts, "name_kept") ? "file" : "file to be",
	    str(facts, "file_name"));
	line(out, "temp", str(facts, "temp"));
	line(out, "destination", str(facts, "destination"));
}

static void
text_holds(const struct imgp_json *facts, struct imgp_buf *out)
{
	const struct imgp_json *waiver = imgp_json_get(facts, "waiver");
	const struct imgp_json *row = imgp_json_get(facts, "row");
	char *text;

	if (waiver != NULL) {
		text = imgp_asprintf("by %s, %s, until %s: %s",
		    str(waiver, "waived_by"), str(waiver, "ts_create"),
		    str(waiver, "expires") == NULL ? "it is taken back" :
		    str(waiver, "expires"), str(waiver, "reason"));
		line(out, "waived", text);
		free(text);
	}
	if (imgp_json_get(facts, "paused") != NULL)
		line(out, "paused", str(facts, "paused") == NULL ?
		    "no reason is given" : str(facts, "paused"));
	line(out, "until", str(facts, "paused_until"));
	if (is(str(facts, "ends_with"), IMGP_E_SKIP_BUSY)) {
		text = imgp_asprintf("by run %s, until %s unless it renews",
		    str(row, "run"), str(row, "lease_until"));
		line(out, "leased", text);
		free(text);
	}
	if (str(facts, "pending_from") != NULL) {
		text = imgp_asprintf("--pending takes it from %s on, its id "
		    "given at once", str(facts, "pending_from"));
		line(out, "waits", text);
		free(text);
	}
}

static void
text_verdict(const struct imgp_json *facts, struct imgp_buf *out)
{
	const struct imgp_error *end = imgp_error_find(str(facts, "ends_with"));
	char *text;

	if (end != NULL) {
		text = imgp_asprintf("nothing: %s, %s", end->code,
		    end->meaning);
		line(out, "a run does", text);
		free(text);
		line(out, "do", end->action);
		return;
	}
	text = imgp_asprintf("attempt %lld, from %s on: every attempt begins "
	    "anew", (long long)num(facts, "attempt"), str(facts, "starts_at"));
	line(out, "a run does", text);
	free(text);
}

static void
text_error(const struct imgp_json *facts, const char *which, const char *what,
    struct imgp_buf *out)
{
	const struct imgp_json *error = imgp_json_get(facts, which);
	char *text;

	if (error == NULL)
		return;
	if (str(error, "ts") == NULL)
		line(out, what, "");
	else {
		text = imgp_asprintf("of attempt %lld, %s",
		    (long long)num(error, "attempt"), str(error, "ts"));
		line(out, what, text);
		free(text);
	}
	imgp_report_error(out, "    ", error);
}

/* Look-ups that failed, and rows of other revisions and pipelines. */
static void
text_others(const struct imgp_json *facts, struct imgp_buf *out)
{
	int64_t mine = num(imgp_json_get(facts, "row"), "edc_pipeline_file_id");
	const struct imgp_json *i;
	char *text;

	for (i = imgp_json_first(imgp_json_get(facts, "lookups")); i != NULL;
	    i = imgp_json_next(i)) {
		text = imgp_asprintf("%s in %lld runs since %s",
		    str(i, "error_code"), (long long)num(i, "failures"),
		    str(i, "since"));
		line(out, "look-ups", text);
		free(text);
	}
	for (i = imgp_json_first(imgp_json_get(facts, "rows")); i != NULL;
	    i = imgp_json_next(i)) {
		if (num(i, "edc_pipeline_file_id") == mine)
			continue;
		text = imgp_asprintf("revision %lld in %s: %s, %s",
		    (long long)num(i, "revision_number"),
		    str(i, "pipeline_code"), str(i, "state"),
		    str(i, "file_name") == NULL ? "without a name" :
		    str(i, "file_name"));
		line(out, "also", text);
		free(text);
	}
}

void
imgp_explain_text(const struct imgp_json *facts, struct imgp_buf *out)
{
	const struct imgp_json *row = imgp_json_get(facts, "row");

	imgp_buf_printf(out, "upload %lld: %s\n",
	    (long long)num(facts, "subject_event_crf_file_id"),
	    imgp_explain_is_unknown(facts) ?
	    "neither the EDC nor the record knows it" :
	    !is_true(facts, "known_to_edc") ? "the EDC does not know it" :
	    row == NULL ? "waiting, no run has taken it" : str(row, "state"));
	text_edc(facts, out);
	text_names(facts, out);
	if (is_true(facts, "record_asked"))
		text_row(row, out);
	else
		line(out, "record", "not asked: it is not reached by libpq");
	text_others(facts, out);
	text_holds(facts, out);
	text_verdict(facts, out);
	text_error(facts, "next_error", "it ends with", out);
	text_error(facts, "last_error", "last error", out);
	line(out, "error log", str(facts, "error_log"));
	line(out, "run log", str(facts, "run_log"));
}

/* --- a code --------------------------------------------------------------- */

int
imgp_explain_code(const char *code, struct imgp_buf *out)
{
	static const char *const owner[] = {
		[IMGP_OWNER_NONE] = "nobody's fault: a reason to pass over",
		[IMGP_OWNER_UPLOAD] = "the upload's",
		[IMGP_OWNER_OURS] = "ours: settings, rights, machine",
		[IMGP_OWNER_SERVICE] = "a service's",
	};
	const struct imgp_error *row = imgp_error_named(code);
	const char *then;

	if (row == NULL)
		return -1;
	if (row->owner == IMGP_OWNER_NONE)
		then = "the upload is passed over";
	else if (row->owner != IMGP_OWNER_UPLOAD)
		then = "not delivered, not counted as its failure; a later run "
		    "tries again";
	else if (row->retryable)
		then = "not delivered; a later run tries again";
	else
		then = "in scan, stamp and extra delivered with has_error, "
		    "unless it is required; else failed for good";
	imgp_buf_printf(out, "%s\n", row->code);
	line(out, "means", row->meaning);
	line(out, "do", row->action);
	line(out, "fault", owner[row->owner]);
	line(out, "then", then);
	if (row->owner != IMGP_OWNER_NONE)
		line(out, "class", row->class);
	return 0;
}
