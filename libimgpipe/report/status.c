#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/csv.h"
#include "libimgpipe/base/date.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/table.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/job/members.h"
#include "libimgpipe/report/states_priv.h"
#include "libimgpipe/report/status.h"

#define WAIT_MOST	(366 * 86400)	/* as imgp-lookup takes it */

static enum imgp_paint
paint_of(const struct imgp_json *o)
{
	const struct imgp_state *s = imgp_state_of(o);

	return s == NULL ? IMGP_PLAIN : s->paint;
}

struct imgp_json *
imgp_status_request(void)
{
	struct imgp_json *req = imgp_json_new_object();
	struct imgp_buf waits = IMGP_BUF_INIT;
	struct imgp_err e;

	if (imgp_parse_durations(imgp_conf(NULL, "backoff"), WAIT_MOST,
	    &waits) == 0)
		imgp_json_set(req, "backoff", imgp_json_parse(waits.s,
		    waits.len, &e));
	imgp_buf_release(&waits);
	return req;
}

static int
is_left_out(const struct imgp_json *o)
{
	return imgp_conf_is_left_out(imgp_json_str(imgp_json_get(o,
	    "pipeline_code")));
}

void
imgp_status_leave_out(struct imgp_json *data)
{
	static const char *const lists[] = { "states", "attention", "lookups",
	    "paused", "groups", "files" };
	const struct imgp_json *i;
	struct imgp_json *kept;
	size_t k;

	for (k = 0; k < sizeof lists / sizeof *lists; k++) {
		if (!imgp_json_is_array(imgp_json_get(data, lists[k])))
			continue;
		kept = imgp_json_new_array();
		for (i = imgp_json_first(imgp_json_get(data, lists[k]));
		    i != NULL; i = imgp_json_next(i))
			if (!is_left_out(i))
				imgp_json_append(kept, imgp_json_copy(i));
		imgp_json_set(data, lists[k], kept);
	}
}

/* --- the board ----------------------------------------------------------- */

static void
states(const struct imgp_json *data, int colour, struct imgp_buf *out)
{
	static const char *const heads[] = { "PIPELINE", "STATE", ">FILES",
	    "OLDEST" };
	struct imgp_table *t = imgp_table_new(heads, 4);
	const struct imgp_json *i;
	char s[TEXT_MAX];

	for (i = imgp_json_first(imgp_json_get(data, "states")); i != NULL;
	    i = imgp_json_next(i)) {
		imgp_table_str(t, str(i, "pipeline_code", s), IMGP_PLAIN);
		str(i, "state", s);
		imgp_table_str(t, s, paint_of(i));
		imgp_table_int(t, num(i, "files"));
		imgp_table_str(t, str(i, "oldest", s), IMGP_DIM);
	}
	imgp_table_print(t, colour, out);
	imgp_table_free(t);
}

/* The rows in ${state}; TEXT is their code, where they have one. */
static void
failures(const struct imgp_json *list, const struct imgp_state *state,
    int colour, struct imgp_buf *out)
{
	static const char *const heads[] = { ">UPLOAD", ">REV", "PIPELINE",
	    ">TRY", "SINCE", "CODE" };
	static const char *const due_heads[] = { ">UPLOAD", ">REV", "PIPELINE",
	    ">TRY", "DUE", "CODE" };
	int waits = strcmp(state->name, "backing off") == 0;
	struct imgp_table *t = imgp_table_new(waits ? due_heads : heads, 6);
	const struct imgp_json *i;
	char s[TEXT_MAX];

	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i)) {
		if (imgp_state_of(i) != state)
			continue;
		imgp_table_int(t, num(i, "subject_event_crf_file_id"));
		imgp_table_int(t, num(i, "revision_number"));
		imgp_table_str(t, str(i, "pipeline_code", s), IMGP_PLAIN);
		imgp_table_int(t, num(i, "attempt"));
		imgp_table_str(t, str(i, waits ? "due" : imgp_json_str(
		    imgp_json_get(i, "ts_finish")) == NULL ? "ts_create" :
		    "ts_finish", s), IMGP_DIM);
		imgp_table_str(t, str(i, "error_code", s), state->paint);
	}
	imgp_table_print(t, colour, out);
	imgp_table_free(t);
}

/* What is held up by people: whose word it is. */
static void
holds(const struct imgp_json *list, const struct imgp_state *state, int colour,
    struct imgp_buf *out)
{
	static const char *const heads[3][4] = {
	    { ">UPLOAD", ">REV", "PIPELINE", "STATUS" },
	    { ">UPLOAD", "PIPELINE", "UNTIL", "REASON" },
	    { ">UPLOAD", ">REV", "FORM", "FIELD" } };
	int which = strcmp(state->name, "paused") == 0 ? 0 :
	    strcmp(state->name, "waived") == 0 ? 1 : 2;
	struct imgp_table *t = imgp_table_new(heads[which], 4);
	const struct imgp_json *i, *waiver;
	char s[TEXT_MAX];

	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i)) {
		if (imgp_state_of(i) != state)
			continue;
		waiver = imgp_json_get(i, "waiver");
		imgp_table_int(t, num(i, "subject_event_crf_file_id"));
		if (which != 1)
			imgp_table_int(t, num(i, "revision_number"));
		imgp_table_str(t, str(i, which == 2 ? "ddcrf_name" :
		    "pipeline_code", s), IMGP_PLAIN);
		if (which == 1)
			imgp_table_str(t, str(waiver, "expires", s)[0] == '\0' ?
			    "taken back" : s, IMGP_DIM);
		imgp_table_str(t, which == 0 ? str(i, "status", s) :
		    which == 1 ? str(waiver, "reason", s) :
		    str(i, "ddfile_name", s), IMGP_PLAIN);
	}
	imgp_table_print(t, colour, out);
	imgp_table_free(t);
}

/* Why the pipelines stand still. */
static void
pauses(const struct imgp_json *data, struct imgp_buf *out)
{
	const struct imgp_json *i;
	char code[TEXT_MAX], why[TEXT_MAX];

	for (i = imgp_json_first(imgp_json_get(data, "paused")); i != NULL;
	    i = imgp_json_next(i))
		imgp_buf_printf(out, "%s: %s\n", str(i, "pipeline_code", code),
		    str(i, "paused_reason", why)[0] == '\0' ?
		    "no reason is given" : why);
}

/* How many files of all pipelines are in ${state}. */
static int64_t
files_in(const struct imgp_json *data, const struct imgp_state *state)
{
	const struct imgp_json *i;
	int64_t n = 0;

	for (i = imgp_json_first(imgp_json_get(data, "states")); i != NULL;
	    i = imgp_json_next(i))
		if (imgp_state_of(i) == state)
			n += num(i, "files");
	return n;
}

static void
attention(const struct imgp_json *data, const struct imgp_state *state,
    int colour, struct imgp_buf *out)
{
	const struct imgp_json *list = imgp_json_get(data, "attention"), *i;
	int64_t n = files_in(data, state), shown = 0;
	struct imgp_json *advice;
	char s[TEXT_MAX];

	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i))
		shown += imgp_state_of(i) == state;
	if (n == 0)
		return;
	advice = imgp_json_new_object();
	imgp_state_advise(advice, state);
	imgp_buf_puts(out, "\n");
	imgp_paint(out, state->name, IMGP_BOLD, colour);
	imgp_buf_printf(out, ", %lld: %s\n", (long long)n, str(advice, "means",
	    s));
	imgp_buf_printf(out, "  do:  %s\n", str(advice, "action", s));
	if (strcmp(state->name, "paused") == 0)
		pauses(data, out);
	if (strcmp(state->name, "paused") == 0 ||
	    strcmp(state->name, "waived") == 0 ||
	    strcmp(state->name, "no pipeline") == 0)
		holds(list, state, colour, out);
	else
		failures(list, state, colour, out);
	if (n > shown)
		imgp_buf_printf(out, "and %lld more: imgp-status --json\n",
		    (long long)(n - shown));
	imgp_json_free(advice);
}

/* Uploads without a row: no run could look them up. */
static void
lookups(const struct imgp_json *data, int colour, struct imgp_buf *out)
{
	static const char *const heads[] = { ">UPLOAD", "PIPELINE", "CODE",
	    ">RUNS", "SINCE" };
	const struct imgp_json *list = imgp_json_get(data, "lookups"), *i;
	struct imgp_table *t;
	char s[TEXT_MAX];

	if (imgp_json_count(list) == 0)
		return;
	t = imgp_table_new(heads, 5);
	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i)) {
		imgp_table_int(t, num(i, "subject_event_crf_file_id"));
		imgp_table_str(t, str(i, "pipeline_code", s), IMGP_PLAIN);
		imgp_table_str(t, str(i, "error_code", s), IMGP_RED);
		imgp_table_int(t, num(i, "failures"));
		imgp_table_str(t, str(i, "since", s), IMGP_DIM);
	}
	imgp_buf_puts(out, "\n");
	imgp_paint(out, "could not be looked up", IMGP_BOLD, colour);
	imgp_buf_puts(out, ": no run got as far as to a row\n"
	    "  do:  imgp-status ID says what to do\n");
	imgp_table_print(t, colour, out);
	imgp_table_free(t);
}

static void
round_up(const struct imgp_json *data, int colour, struct imgp_buf *out)
{
	const struct imgp_json *run = imgp_json_get(data, "last_run");
	const struct imgp_json *digest = imgp_json_get(data, "last_digest");
	const struct imgp_json *mail = imgp_json_get(data, "mail");
	char s[TEXT_MAX], *text;

	imgp_buf_puts(out, "\n");
	if (imgp_json_is_null(run))
		imgp_paint(out, "no run has come to its end yet\n",
		    IMGP_YELLOW, colour);
	else {
		imgp_buf_printf(out, "last run     %s: ", str(run, "ts_finish",
		    s));
		imgp_state_counts(run, out);
		imgp_buf_printf(out, "\n             %s\n", str(run, "run", s));
	}
	if (!imgp_json_is_null(digest))
		imgp_buf_printf(out, "last digest  %s, number %lld\n",
		    str(digest, "until", s),
		    (long long)num(digest, "digest_id"));
	if (str(data, "swept", s)[0] != '\0')
		imgp_buf_printf(out, "compared     %s, all uploads with the "
		    "record\n", s);
	if (num(mail, "waiting") + num(mail, "refused") > 0) {
		text = imgp_asprintf("mail         %lld waiting, %lld refused "
		    "in the last week\n", (long long)num(mail, "waiting"),
		    (long long)num(mail, "refused"));
		imgp_paint(out, text, IMGP_YELLOW, colour);
		free(text);
	}
}

void
imgp_status_board(const struct imgp_json *data, int colour,
    struct imgp_buf *out)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	const struct imgp_state *s;

	states(data, colour, &b);
	for (s = imgp_states; s->name != NULL; s++)
		if (!s->calm)
			attention(data, s, colour, &b);
	lookups(data, colour, &b);
	round_up(data, colour, &b);
	imgp_fold(b.s, out);
	imgp_buf_release(&b);
}

/* --- metrics ------------------------------------------------------------- */

/* A label's value: printable, with '\\' and '"' escaped. */
static void
label(struct imgp_buf *out, const char *name, const char *value)
{
	imgp_buf_printf(out, "%s=\"", name);
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			imgp_buf_puts(out, "\\");
		imgp_buf_add(out, value, 1);
	}
	imgp_buf_puts(out, "\"");
}

static void
gauge(struct imgp_buf *out, const char *name, const char *help, int64_t n)
{
	imgp_buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %lld\n", name,
	    help, name, name, (long long)n);
}

/* Unix seconds of the record's times; 0 when there is none. */
static int64_t
seconds(const struct imgp_json *o, const char *key)
{
	const char *text = imgp_json_str(imgp_json_get(o, key));
	int64_t t = text == NULL ? -1 : imgp_date_iso(text);

	return t < 0 ? 0 : t;
}

void
imgp_status_metrics(const struct imgp_json *data, struct imgp_buf *out)
{
	const struct imgp_json *mail = imgp_json_get(data, "mail"), *i;
	char s[TEXT_MAX];

	imgp_buf_puts(out, "# HELP imgp_files Files in each state.\n"
	    "# TYPE imgp_files gauge\n");
	for (i = imgp_json_first(imgp_json_get(data, "states")); i != NULL;
	    i = imgp_json_next(i)) {
		imgp_buf_puts(out, "imgp_files{");
		label(out, "pipeline", str(i, "pipeline_code", s));
		imgp_buf_puts(out, ",");
		label(out, "state", str(i, "state", s));
		imgp_buf_printf(out, "} %lld\n", (long long)num(i, "files"));
	}
	gauge(out, "imgp_last_run_timestamp_seconds",
	    "When the last run came to its end.",
	    seconds(imgp_json_get(data, "last_run"), "ts_finish"));
	gauge(out, "imgp_last_digest_timestamp_seconds",
	    "Up to when the last digest went.",
	    seconds(imgp_json_get(data, "last_digest"), "until"));
	gauge(out, "imgp_mail_waiting", "Recipients whose mail waits.",
	    num(mail, "waiting"));
	gauge(out, "imgp_mail_refused",
	    "Recipients refused in the last week.", num(mail, "refused"));
}

/* --- one upload ---------------------------------------------------------- */

static void
row_scans(const struct imgp_json *row, struct imgp_buf *out)
{
	const struct imgp_json *list = imgp_json_get(row, "scans"), *i;
	int64_t instances = 0;
	char s[TEXT_MAX];

	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i))
		instances += num(i, "number_of_instances");
	if (imgp_json_count(list) == 0)
		return;
	imgp_buf_printf(out, "  scans     %zu, %lld instances:",
	    imgp_json_count(list), (long long)instances);
	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i))
		imgp_buf_printf(out, " %s", str(i, "atri_uid", s));
	imgp_buf_puts(out, "\n");
}

static void
row_warnings(const struct imgp_json *outcome, int colour, struct imgp_buf *out)
{
	const struct imgp_json *i;
	char s[TEXT_MAX];

	for (i = imgp_json_first(imgp_json_get(outcome, "warnings"));
	    i != NULL; i = imgp_json_next(i)) {
		imgp_buf_printf(out, "    %s", str(outcome, "ts", s));
		imgp_buf_printf(out, "  %-7s ", str(i, "stage", s));
		imgp_paint(out, str(i, "error_code", s), IMGP_YELLOW, colour);
		imgp_buf_printf(out, ": warning: %s\n", str(i, "error", s));
	}
}

/* Attempts in order: what went wrong in each, then its end. */
static void
row_attempts(const struct imgp_json *row, int colour, struct imgp_buf *out)
{
	const struct imgp_json *o, *l;
	char s[TEXT_MAX];
	int64_t n, last = num(row, "attempt");

	/* An attempt that failed by a fault of ours is not counted. */
	for (o = imgp_json_first(imgp_json_get(row, "outcomes")); o != NULL;
	    o = imgp_json_next(o))
		if (num(o, "attempt") > last)
			last = num(o, "attempt");
	for (n = 1; n <= last; n++) {
		imgp_buf_printf(out, "  attempt %lld\n", (long long)n);
		for (l = imgp_json_first(imgp_json_get(row, "errors"));
		    l != NULL; l = imgp_json_next(l)) {
			if (num(l, "attempt") != n)
				continue;
			imgp_buf_printf(out, "    %s", str(l, "ts", s));
			imgp_buf_printf(out, "  %-7s ", str(l, "stage", s));
			imgp_paint(out, str(l, "error_code", s),
			    imgp_json_bool(imgp_json_get(l, "fatal")) == 1 ?
			    IMGP_RED : IMGP_YELLOW, colour);
			imgp_buf_printf(out, ": %s\n", str(l, "error", s));
		}
		for (o = imgp_json_first(imgp_json_get(row, "outcomes"));
		    o != NULL; o = imgp_json_next(o)) {
			if (num(o, "attempt") != n)
				continue;
			row_warnings(o, colour, out);
			imgp_buf_printf(out, "    %s", str(o, "ts", s));
			imgp_buf_printf(out, "  %s%s", str(o, "status", s),
			    imgp_json_bool(imgp_json_get(o, "has_error")) ==
			    1 ? ", has_error" : "");
			if (num(o, "digest_id") == 0)
				imgp_buf_puts(out, ", in no digest yet\n");
			else
				imgp_buf_printf(out, ", in digest %lld%s\n",
				    (long long)num(o, "digest_id"),
				    imgp_json_is_null(imgp_json_get(o,
				    "ts_sent")) ? ", not yet sent" : "");
		}
	}
}

/* A name or a place: alone on its line where it does not fit behind ${what}. */
static void
whole(struct imgp_buf *out, const char *what, const struct imgp_json *o,
    const char *key)
{
	char s[TEXT_MAX];

	if (str(o, key, s)[0] == '\0')
		return;
	imgp_buf_printf(out, strlen(s) + 12 <= IMGP_TABLE_WIDTH ?
	    "  %-9s %s\n" : "  %s\n    %s\n", what, s);
}

/* What holds it up: of a row, or of an upload without one. */
static void
row_holds(const struct imgp_json *row, int64_t upload, struct imgp_buf *out)
{
	const struct imgp_json *waiver = imgp_json_get(row, "waiver");
	char s[TEXT_MAX];

	if (str(row, "due", s)[0] != '\0')
		imgp_buf_printf(out, "  due       %s by imgp-run --pending, "
		    "at once by imgp-run %lld\n", s, (long long)upload);
	if (imgp_json_get(row, "paused_reason") != NULL)
		imgp_buf_printf(out, "  paused    %s\n", str(row,
		    "paused_reason", s)[0] == '\0' ? "no reason is given" : s);
	if (!imgp_json_is_object(waiver))
		return;
	imgp_buf_printf(out, "  waived    %s", str(waiver, "ts_create", s));
	imgp_buf_printf(out, " by %s", str(waiver, "waived_by", s));
	imgp_buf_printf(out, ", until %s", str(waiver, "expires", s)[0] ==
	    '\0' ? "it is taken back" : s);
	imgp_buf_printf(out, ": %s\n", str(waiver, "reason", s));
}

static void
row_todo(const struct imgp_json *row, struct imgp_buf *out)
{
	const struct imgp_json *list = imgp_json_get(row, "what_to_do"), *i;
	char s[TEXT_MAX];

	if (imgp_json_count(list) > 0)
		imgp_buf_puts(out, "  what to do\n");
	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i)) {
		if (str(i, "error_code", s)[0] == '\0')
			str(i, "state", s);
		imgp_buf_printf(out, "    %s: ", s);
		imgp_buf_printf(out, "%s\n", str(i, "means", s));
		imgp_buf_printf(out, "      do:  %s\n", str(i, "action", s));
	}
}

/* The place below which path and name lie, as the row keeps it. */
static void
row_base(const struct imgp_json *row, struct imgp_buf *out)
{
	const char *place = imgp_json_str(imgp_json_get(row, "place"));
	char path[TEXT_MAX], name[TEXT_MAX], *key;
	struct imgp_json *o;
	size_t len;

	if (place == NULL)
		return;
	str(row, "file_path", path);
	key = imgp_asprintf("%s%s", path, str(row, "file_name", name));
	len = strlen(key);
	o = imgp_json_new_object();
	imgp_json_set_str(o, "place", place);
	if (strlen(place) > len &&
	    strcmp(place + strlen(place) - len, key) == 0) {
		free(key);
		key = imgp_strndup(place, strlen(place) - len);
		imgp_json_set_str(o, "place", key);
	}
	whole(out, "place", o, "place");
	imgp_json_free(o);
	free(key);
}

static void
row_text(const struct imgp_json *row, int64_t upload, int colour,
    struct imgp_buf *out)
{
	char s[TEXT_MAX];

	imgp_buf_printf(out, "upload %lld, revision %lld, pipeline %s: ",
	    (long long)upload, (long long)num(row, "revision_number"),
	    str(row, "pipeline_code", s));
	str(row, "state", s);
	imgp_paint(out, s, paint_of(row), colour);
	imgp_buf_printf(out, "\n  record    %lld, %s",
	    (long long)num(row, "edc_pipeline_file_id"),
	    str(row, "status", s));
	imgp_buf_printf(out, ", made %s", str(row, "ts_create", s));
	if (str(row, "ts_finish", s)[0] != '\0')
		imgp_buf_printf(out, ", ended %s", s);
	imgp_buf_puts(out, "\n");
	if (str(row, "run", s)[0] != '\0')
		imgp_buf_printf(out, "  run       %s\n", s);
	if (str(row, "lease_until", s)[0] != '\0')
		imgp_buf_printf(out, "  leased    until %s\n", s);
	row_holds(row, upload, out);
	row_base(row, out);
	whole(out, "path", row, "file_path");
	whole(out, "file", row, "file_name");
	if (num(row, "bytes") > 0)
		imgp_buf_printf(out, "  bytes     %lld\n",
		    (long long)num(row, "bytes"));
	whole(out, "SHA-256", row, "sha256");
	row_scans(row, out);
	row_attempts(row, colour, out);
	row_todo(row, out);
}

/* How it stands in a pipeline that has no row of it. */
static void
without_row(const struct imgp_json *o, int64_t upload, int colour,
    struct imgp_buf *out)
{
	char s[TEXT_MAX];

	imgp_buf_printf(out, "upload %lld, revision %lld", (long long)upload,
	    (long long)num(o, "revision_number"));
	if (str(o, "pipeline_code", s)[0] != '\0')
		imgp_buf_printf(out, ", pipeline %s", s);
	imgp_buf_puts(out, ": ");
	str(o, "state", s);
	imgp_paint(out, s, paint_of(o), colour);
	imgp_buf_puts(out, "\n");
	if (str(o, "ddcrf_name", s)[0] != '\0') {
		imgp_buf_printf(out, "  field     %s", s);
		imgp_buf_printf(out, " %s\n", str(o, "ddfile_name", s));
	}
	row_holds(o, upload, out);
	row_todo(o, out);
}

struct imgp_json *
imgp_status_upload_request(int64_t upload)
{
	struct imgp_json *req = imgp_status_request();
	struct imgp_json *names = imgp_json_new_array();
	const struct imgp_member *m;

	for (m = imgp_members; m->name != NULL; m++)
		if ((m->flags & IMGP_MEMBER_OPTIONAL) != 0 &&
		    (m->flags & IMGP_MEMBER_TOLD) != 0)
			imgp_json_append_str(names, m->name);
	imgp_json_set_int(req, "subject_event_crf_file_id", upload);
	imgp_json_set(req, "members", names);
	return req;
}

/* The optional members of the site's view. */
static void
upload_members(const struct imgp_json *data, struct imgp_buf *out)
{
	const struct imgp_json *i;
	char s[TEXT_MAX];

	for (i = imgp_json_first(imgp_json_get(data, "members")); i != NULL;
	    i = imgp_json_next(i))
		if (imgp_json_str(i) != NULL)
			imgp_buf_printf(out, "  %-9s %s\n", imgp_json_key(i),
			    str(imgp_json_get(data, "members"),
			    imgp_json_key(i), s));
		else
			imgp_buf_printf(out, "  %-9s %lld\n", imgp_json_key(i),
			    (long long)num(imgp_json_get(data, "members"),
			    imgp_json_key(i)));
}

static void
upload_lookups(const struct imgp_json *list, int colour, struct imgp_buf *out)
{
	const struct imgp_json *i;
	char s[TEXT_MAX];

	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i)) {
		imgp_buf_puts(out, "  look-up   ");
		imgp_paint(out, str(i, "error_code", s), IMGP_RED, colour);
		imgp_buf_printf(out, ": %s\n", str(i, "error", s));
		imgp_buf_printf(out, "            in %lld run%s since %s",
		    (long long)num(i, "failures"),
		    num(i, "failures") == 1 ? "" : "s", str(i, "since", s));
		imgp_buf_printf(out, ", last %s\n", str(i, "ts", s));
		if (str(i, "means", s)[0] == '\0')
			continue;
		imgp_buf_printf(out, "  means     %s\n", s);
		imgp_buf_printf(out, "  do        %s\n", str(i, "action", s));
	}
}

void
imgp_status_upload(const struct imgp_json *data, int64_t upload, int colour,
    struct imgp_buf *out)
{
	const struct imgp_json *rows = imgp_json_get(data, "rows"), *i;
	const struct imgp_json *failed = imgp_json_get(data, "lookups");

	const struct imgp_json *lone = imgp_json_get(data, "without_row");
	struct imgp_buf b = IMGP_BUF_INIT;

	if (imgp_json_count(failed) > 0 && imgp_json_count(rows) == 0)
		imgp_buf_printf(&b, "upload %lld: could not be looked up\n",
		    (long long)upload);
	else if (imgp_json_count(rows) + imgp_json_count(lone) == 0)
		imgp_buf_printf(&b, "upload %lld: not known, neither to the "
		    "EDC nor to the record\n", (long long)upload);
	upload_lookups(failed, colour, &b);
	for (i = imgp_json_first(lone); i != NULL; i = imgp_json_next(i))
		without_row(i, upload, colour, &b);
	for (i = imgp_json_first(rows); i != NULL; i = imgp_json_next(i))
		row_text(i, upload, colour, &b);
	upload_members(data, &b);
	imgp_fold(b.s, out);
	imgp_buf_release(&b);
}

/* --- CSV ----------------------------------------------------------------- */

void
imgp_status_csv_head(struct imgp_buf *out)
{
	imgp_buf_puts(out, "edc_pipeline_file_id,subject_event_crf_file_id,"
	    "revision_number,pipeline_code,state,status,has_error,error_code,"
	    "attempt,run,file_name,bytes,sha256,ts_create,ts_finish\r\n");
}

void
imgp_status_csv(const struct imgp_json *files, struct imgp_buf *out,
    int64_t *last)
{
	static const char *const after[] = { "run", "file_name" };
	const struct imgp_json *i;
	char s[TEXT_MAX];
	size_t k;

	for (i = imgp_json_first(files); i != NULL; i = imgp_json_next(i)) {
		*last = num(i, "edc_pipeline_file_id");
		if (is_left_out(i))
			continue;
		imgp_csv_int(out, *last);
		imgp_csv_int(out, num(i, "subject_event_crf_file_id"));
		imgp_csv_int(out, num(i, "revision_number"));
		imgp_csv_str(out, str(i, "pipeline_code", s), 0);
		imgp_csv_str(out, str(i, "state", s), 0);
		imgp_csv_str(out, str(i, "status", s), 0);
		imgp_csv_str(out, imgp_json_bool(imgp_json_get(i,
		    "has_error")) == 1 ? "true" : "false", 0);
		imgp_csv_str(out, str(i, "error_code", s), 0);
		imgp_csv_int(out, num(i, "attempt"));
		for (k = 0; k < sizeof after / sizeof *after; k++)
			imgp_csv_str(out, str(i, after[k], s), 0);
		imgp_csv_int(out, imgp_json_is_null(imgp_json_get(i,
		    "bytes")) ? -1 : num(i, "bytes"));
		imgp_csv_str(out, str(i, "sha256", s), 0);
		imgp_csv_str(out, str(i, "ts_create", s), 0);
		imgp_csv_str(out, str(i, "ts_finish", s), 1);
	}
}
