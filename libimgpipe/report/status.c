#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/csv.h"
#include "libimgpipe/base/date.h"
#include "libimgpipe/base/table.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/job/members.h"
#include "libimgpipe/report/status.h"

#define TEXT_MAX	1024

/* A string member made printable; "" when there is none. */
static const char *
str(const struct imgp_json *o, const char *key, char *dst)
{
	const char *s = imgp_json_str(imgp_json_get(o, key));

	imgp_printable(dst, TEXT_MAX, s == NULL ? "" : s,
	    s == NULL ? 0 : strlen(s));
	return dst;
}

/* "2019-01-18T22:00:00Z" as "2019-01-18 22:00:00". */
static const char *
when(const struct imgp_json *o, const char *key, char *dst)
{
	char *p;

	str(o, key, dst);
	if ((p = strchr(dst, 'T')) != NULL)
		*p = ' ';
	dst[strcspn(dst, "Z")] = '\0';
	return dst;
}

static int64_t
num(const struct imgp_json *o, const char *key)
{
	int64_t n;

	return imgp_json_int(imgp_json_get(o, key), &n) == 0 ? n : 0;
}

static enum imgp_paint
paint_of(const char *state)
{
	static const struct {
		const char	*state;
		enum imgp_paint	 paint;
	} known[] = {
		{ "delivered", IMGP_GREEN }, { "with errors", IMGP_YELLOW },
		{ "with warnings", IMGP_YELLOW },
		{ "failed", IMGP_RED }, { "to retry", IMGP_YELLOW },
		{ "left", IMGP_YELLOW },
	};
	size_t i;

	for (i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].state, state) == 0)
			return known[i].paint;
	return IMGP_PLAIN;
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
	static const char *const lists[] = { "states", "attention", "lookups" };
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
		imgp_table_str(t, s, paint_of(s));
		imgp_table_int(t, num(i, "files"));
		imgp_table_str(t, when(i, "oldest", s), IMGP_DIM);
	}
	imgp_table_print(t, colour, out);
	imgp_table_free(t);
}

static void
attention(const struct imgp_json *data, int colour, struct imgp_buf *out)
{
	static const char *const heads[] = { ">UPLOAD", ">REV", "PIPELINE",
	    "STATE", ">ATTEMPT", "CODE", "SINCE", "FILE" };
	const struct imgp_json *list = imgp_json_get(data, "attention"), *i;
	struct imgp_table *t;
	char s[TEXT_MAX];

	if (imgp_json_count(list) == 0)
		return;
	t = imgp_table_new(heads, 8);
	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i)) {
		imgp_table_int(t, num(i, "subject_event_crf_file_id"));
		imgp_table_int(t, num(i, "revision_number"));
		imgp_table_str(t, str(i, "pipeline_code", s), IMGP_PLAIN);
		str(i, "state", s);
		imgp_table_str(t, s, paint_of(s));
		imgp_table_int(t, num(i, "attempt"));
		imgp_table_str(t, str(i, "error_code", s), IMGP_PLAIN);
		imgp_table_str(t, when(i, imgp_json_str(imgp_json_get(i,
		    "ts_finish")) == NULL ? "ts_create" : "ts_finish", s),
		    IMGP_DIM);
		imgp_table_str(t, str(i, "file_name", s), IMGP_PLAIN);
	}
	imgp_buf_puts(out, "\n");
	imgp_paint(out, "Look at", IMGP_BOLD, colour);
	imgp_buf_puts(out, "\n");
	imgp_table_print(t, colour, out);
	imgp_table_free(t);
	if (num(data, "more") > 0)
		imgp_buf_printf(out, "and %lld more (imgp-status --csv)\n",
		    (long long)num(data, "more"));
}

/* Uploads without a row: no run could look them up. */
static void
lookups(const struct imgp_json *data, int colour, struct imgp_buf *out)
{
	static const char *const heads[] = { ">UPLOAD", "PIPELINE", "CODE",
	    ">RUNS", "SINCE", "LAST" };
	const struct imgp_json *list = imgp_json_get(data, "lookups"), *i;
	struct imgp_table *t;
	char s[TEXT_MAX];

	if (imgp_json_count(list) == 0)
		return;
	t = imgp_table_new(heads, 6);
	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i)) {
		imgp_table_int(t, num(i, "subject_event_crf_file_id"));
		imgp_table_str(t, str(i, "pipeline_code", s), IMGP_PLAIN);
		imgp_table_str(t, str(i, "error_code", s), IMGP_RED);
		imgp_table_int(t, num(i, "failures"));
		imgp_table_str(t, when(i, "since", s), IMGP_DIM);
		imgp_table_str(t, when(i, "ts", s), IMGP_DIM);
	}
	imgp_buf_puts(out, "\n");
	imgp_paint(out, "Could not be looked up", IMGP_BOLD, colour);
	imgp_buf_puts(out, "\n");
	imgp_table_print(t, colour, out);
	imgp_table_free(t);
}

static void
round_up(const struct imgp_json *data, int colour, struct imgp_buf *out)
{
	static const struct {
		const char	*key;
		const char	*name;
	} counts[] = {
		{ "delivered", "delivered" }, { "with_errors", "with errors" },
		{ "to_retry", "to retry" }, { "for_good", "failed" },
		{ "unfinished", "unfinished" }, { "skipped", "skipped" },
	};
	const struct imgp_json *run = imgp_json_get(data, "last_run");
	const struct imgp_json *digest = imgp_json_get(data, "last_digest");
	const struct imgp_json *mail = imgp_json_get(data, "mail");
	char s[TEXT_MAX], *text;
	int64_t c;
	size_t k;
	int n = 0;

	imgp_buf_puts(out, "\n");
	if (imgp_json_is_null(run))
		imgp_paint(out, "no run has come to its end yet\n",
		    IMGP_YELLOW, colour);
	else {
		imgp_buf_printf(out, "last run     %s, ", when(run,
		    "ts_finish", s));
		imgp_buf_printf(out, "%s:", str(run, "run", s));
		for (k = 0; k < sizeof counts / sizeof *counts; k++) {
			c = num(imgp_json_get(run, "counts"), counts[k].key);
			if (c > 0)
				imgp_buf_printf(out, "%s %lld %s",
				    n++ == 0 ? "" : ",", (long long)c,
				    counts[k].name);
		}
		imgp_buf_puts(out, n == 0 ? " nothing\n" : "\n");
	}
	if (!imgp_json_is_null(digest))
		imgp_buf_printf(out, "last digest  %s, number %lld\n",
		    when(digest, "until", s),
		    (long long)num(digest, "digest_id"));
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
	states(data, colour, out);
	attention(data, colour, out);
	lookups(data, colour, out);
	round_up(data, colour, out);
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
		imgp_buf_printf(out, "    %s", when(outcome, "ts", s));
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
			imgp_buf_printf(out, "    %s", when(l, "ts", s));
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
			imgp_buf_printf(out, "    %s", when(o, "ts", s));
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

static void
row_text(const struct imgp_json *row, int64_t upload, int colour,
    struct imgp_buf *out)
{
	char s[TEXT_MAX];

	imgp_buf_printf(out, "upload %lld, revision %lld, pipeline %s: ",
	    (long long)upload, (long long)num(row, "revision_number"),
	    str(row, "pipeline_code", s));
	str(row, "state", s);
	imgp_paint(out, s, paint_of(s), colour);
	imgp_buf_printf(out, "\n  record    %lld, %s",
	    (long long)num(row, "edc_pipeline_file_id"),
	    str(row, "status", s));
	imgp_buf_printf(out, ", made %s", when(row, "ts_create", s));
	if (when(row, "ts_finish", s)[0] != '\0')
		imgp_buf_printf(out, ", ended %s", s);
	imgp_buf_puts(out, "\n");
	if (str(row, "run", s)[0] != '\0')
		imgp_buf_printf(out, "  run       %s\n", s);
	if (when(row, "lease_until", s)[0] != '\0')
		imgp_buf_printf(out, "  leased    until %s\n", s);
	if (str(row, "file_path", s)[0] != '\0')
		imgp_buf_printf(out, "  path      %s\n", s);
	if (str(row, "file_name", s)[0] != '\0')
		imgp_buf_printf(out, "  file      %s\n", s);
	if (num(row, "bytes") > 0)
		imgp_buf_printf(out, "  bytes     %lld\n",
		    (long long)num(row, "bytes"));
	if (str(row, "sha256", s)[0] != '\0')
		imgp_buf_printf(out, "  SHA-256   %s\n", s);
	row_scans(row, out);
	row_attempts(row, colour, out);
}

struct imgp_json *
imgp_status_upload_request(int64_t upload)
{
	struct imgp_json *req = imgp_json_new_object();
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
		    num(i, "failures") == 1 ? "" : "s", when(i, "since", s));
		imgp_buf_printf(out, ", last %s\n", when(i, "ts", s));
	}
}

void
imgp_status_upload(const struct imgp_json *data, int64_t upload, int colour,
    struct imgp_buf *out)
{
	const struct imgp_json *rows = imgp_json_get(data, "rows"), *i;
	const struct imgp_json *failed = imgp_json_get(data, "lookups");

	if (imgp_json_count(rows) == 0)
		imgp_buf_printf(out, "upload %lld: %s\n", (long long)upload,
		    imgp_json_count(failed) > 0 ? "could not be looked up" :
		    imgp_json_bool(imgp_json_get(data, "known")) == 1 ?
		    "waiting, no run has taken it yet" :
		    "not known, neither to the EDC nor to the record");
	upload_lookups(failed, colour, out);
	for (i = imgp_json_first(rows); i != NULL; i = imgp_json_next(i))
		row_text(i, upload, colour, out);
	upload_members(data, out);
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
