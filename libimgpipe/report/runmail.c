#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/csv.h"
#include "libimgpipe/report/page.h"
#include "libimgpipe/report/runmail.h"

#define ERRORS_MOST	5	/* of one job */
#define LATE	"The run itself did not tell of these failures."

static int64_t
jobs(const struct imgp_runmail *m)
{
	int64_t sum = 0;
	int i;

	for (i = 0; i < IMGP_N_OUTCOMES; i++)
		sum += m->counts[i];
	return sum;
}

char *
imgp_runmail_subject(const struct imgp_runmail *m)
{
	int64_t n = jobs(m);

	if (m->all == 0)
		return imgp_asprintf("%s: %lld file%s, no errors", m->title,
		    (long long)n, n == 1 ? "" : "s");
	if (n == 0)
		return imgp_asprintf("%s: errors with %zu file%s", m->title,
		    m->all, m->all == 1 ? "" : "s");
	return imgp_asprintf("%s: errors with %zu of %lld file%s", m->title,
	    m->all, (long long)n, n == 1 ? "" : "s");
}

/* --- text ---------------------------------------------------------------- */

static void
put_counts(struct imgp_buf *b, const struct imgp_runmail *m)
{
	int i;

	for (i = 0; i < IMGP_N_OUTCOMES; i++)
		if (m->counts[i] != 0)
			imgp_buf_printf(b, "  %8lld  %s\n",
			    (long long)m->counts[i],
			    imgp_outcome_name((enum imgp_outcome)i));
}

static void
put_codes(struct imgp_buf *b, const struct imgp_runmail *m)
{
	const struct imgp_error *row;
	size_t i;

	imgp_buf_puts(b, "\nerrors by code:\n\n");
	for (i = 0; (row = imgp_error_at(i)) != NULL; i++)
		if (m->codes[i] != 0)
			imgp_buf_printf(b, "  %8lld  %s: %s\n",
			    (long long)m->codes[i], row->code, row->meaning);
	if (m->codes[i] != 0)
		imgp_buf_printf(b, "  %8lld  of an unknown code\n",
		    (long long)m->codes[i]);
}

static void
put_failure(struct imgp_buf *b, size_t number, const struct imgp_failure *f)
{
	const struct imgp_json *row = imgp_json_get(f->facts,
	    "edc_pipeline_file");
	const struct imgp_json *i;
	size_t k = 0, all;
	int64_t id;

	if (imgp_json_int(imgp_json_get(f->facts, "subject_event_crf_file_id"),
	    &id) == 0)
		imgp_buf_printf(b, "\n%zu. upload %lld: %s\n\n", number,
		    (long long)id, imgp_outcome_name(f->outcome));
	else
		imgp_buf_printf(b, "\n%zu. an input line that names no upload: "
		    "%s\n\n", number, imgp_outcome_name(f->outcome));
	all = imgp_json_count(imgp_json_get(f->facts, "errors"));
	for (i = imgp_json_first(imgp_json_get(f->facts, "errors"));
	    i != NULL && k < ERRORS_MOST; i = imgp_json_next(i), k++)
		imgp_report_error(b, "   ", i);
	if (k < all)
		imgp_buf_printf(b, "   and %zu more errors\n", all - k);
	imgp_report_line(b, "   record", imgp_json_get(row, "id"));
	imgp_report_line(b, "   file", imgp_json_get(row, "file_name"));
	imgp_report_line(b, "   job", imgp_json_get(f->facts, "job"));
	imgp_report_optional(b, "   ", f->facts);
	if (f->url != NULL)
		imgp_buf_printf(b, "   log       %s\n", f->url);
}

/* In a line, with the code of its last error. */
static void
put_brief(struct imgp_buf *b, size_t number, const struct imgp_failure *f)
{
	const struct imgp_json *i, *last = NULL;
	const struct imgp_error *row;
	int64_t id;

	for (i = imgp_json_first(imgp_json_get(f->facts, "errors")); i != NULL;
	    i = imgp_json_next(i))
		last = i;
	row = imgp_error_find(imgp_json_str(imgp_json_get(last,
	    "error_code")));
	if (number == 1)
		imgp_buf_puts(b, "\n");
	if (imgp_json_int(imgp_json_get(f->facts, "subject_event_crf_file_id"),
	    &id) == 0)
		imgp_buf_printf(b, "%zu. upload %lld", number, (long long)id);
	else
		imgp_buf_printf(b, "%zu. an input line that names no upload",
		    number);
	imgp_buf_printf(b, ": %s, %s\n", imgp_outcome_name(f->outcome),
	    row == NULL ? "an error without a known code" : row->code);
}

void
imgp_runmail_text(const struct imgp_runmail *m, struct imgp_buf *out)
{
	size_t i;

	imgp_buf_printf(out, "Run %s\n\n", m->run == NULL ? "without a name" :
	    m->run);
	if (m->late)
		imgp_buf_puts(out, LATE "\n\n");
	put_counts(out, m);
	if (m->known > 0)
		imgp_buf_printf(out, "  %8lld  of them failed as they did "
		    "before, and were mailed then\n", (long long)m->known);
	if (m->all == 0)
		return;
	put_codes(out, m);
	if (m->brief)
		imgp_buf_puts(out, "\nThis letter had to be short: imgp-status "
		    "ID says all about an upload, and its\nerror log does.\n");
	for (i = 0; i < m->n; i++)
		if (m->brief)
			put_brief(out, i + 1, &m->failures[i]);
		else
			put_failure(out, i + 1, &m->failures[i]);
	if (m->all > m->n)
		imgp_buf_printf(out, "\nand %zu more, in the record and in the "
		    "logs\n", m->all - m->n);
}

/* --- a page -------------------------------------------------------------- */

static const char *
str(const struct imgp_json *o, const char *key)
{
	const char *s = imgp_json_str(imgp_json_get(o, key));

	return s == NULL ? "" : s;
}

static int64_t
upload_of(const struct imgp_failure *f)
{
	int64_t id;

	return imgp_json_int(imgp_json_get(f->facts,
	    "subject_event_crf_file_id"), &id) == 0 ? id : -1;
}

static int
is_lost(enum imgp_outcome o)
{
	return o != IMGP_DELIVERED && o != IMGP_WITH_ERRORS;
}

/* What happened and what to do: two cells. */
static void
html_errors(struct imgp_buf *out, const struct imgp_failure *f)
{
	const struct imgp_json *list = imgp_json_get(f->facts, "errors"), *i;
	const struct imgp_error *row;
	size_t k = 0;

	imgp_buf_puts(out, "<td role=\"cell\">");
	for (i = imgp_json_first(list); i != NULL && k < ERRORS_MOST;
	    i = imgp_json_next(i), k++) {
		row = imgp_error_find(str(i, "error_code"));
		imgp_page_element(out, "<b>", row == NULL ?
		    "an error without a known code" : row->code, "</b>");
		imgp_page_element(out, " at ", str(i, "stage"), "<br>\n");
		if (row == NULL)
			continue;
		imgp_page_element(out, "", row->meaning, "\n");
		imgp_page_element(out, "<div class=\"small\">", str(i,
		    "error"), "</div>\n");
	}
	imgp_buf_puts(out, "</td><td role=\"cell\">");
	for (k = 0, i = imgp_json_first(list); i != NULL && k < ERRORS_MOST;
	    i = imgp_json_next(i), k++)
		if ((row = imgp_error_find(str(i, "error_code"))) != NULL)
			imgp_page_element(out, "<div>", row->action,
			    "</div>\n");
	if (f->url != NULL)
		imgp_page_element(out, "<div class=\"small\">log: ", f->url,
		    "</div>");
	imgp_buf_puts(out, "</td></tr>\n");
}

static void
html_row(struct imgp_buf *out, const struct imgp_failure *f)
{
	const struct imgp_json *row = imgp_json_get(f->facts,
	    "edc_pipeline_file");

	imgp_buf_puts(out, "<tr role=\"row\"><th role=\"rowheader\" "
	    "scope=\"row\" class=\"name\">");
	if (upload_of(f) >= 0)
		imgp_buf_printf(out, "upload %lld\n",
		    (long long)upload_of(f));
	else
		imgp_buf_puts(out, "an input line that names no upload\n");
	imgp_page_element(out, "<div class=\"small\">", str(row, "file_name"),
	    "</div>\n");
	imgp_buf_printf(out, "<div class=\"flag%s\">%s</div></th>",
	    is_lost(f->outcome) ? " fail" : "", imgp_outcome_name(f->outcome));
	html_errors(out, f);
}

void
imgp_runmail_html(const struct imgp_runmail *m, struct imgp_buf *out)
{
	static const char *const columns[] = { "Upload", "What happened",
	    "What to do", NULL };
	char *subject = imgp_runmail_subject(m);
	char *run = imgp_asprintf("run %s", m->run == NULL ? "without a name" :
	    m->run);
	size_t i;
	int o;

	imgp_page_open(out, subject, run);
	imgp_buf_puts(out, "<ul class=\"tiles\">\n");
	for (o = 0; o < IMGP_N_OUTCOMES; o++)
		if (m->counts[o] != 0)
			imgp_page_tile(out, o == IMGP_DELIVERED ||
			    o == IMGP_PASSED_OVER ? NULL :
			    o == IMGP_WITH_ERRORS ? "warn" : "fail",
			    m->counts[o],
			    imgp_outcome_name((enum imgp_outcome)o));
	imgp_buf_puts(out, "</ul>\n");
	if (m->late)
		imgp_buf_puts(out, "<p>" LATE "</p>\n");
	if (m->known > 0)
		imgp_buf_printf(out, "<p>%lld failed as before, and %s mailed "
		    "then</p>\n", (long long)m->known, m->known == 1 ? "was" :
		    "were");
	if (m->n != 0) {
		imgp_page_table(out, "Errors", columns);
		for (i = 0; i < m->n; i++)
			html_row(out, &m->failures[i]);
		imgp_buf_puts(out, "</tbody></table>\n");
	}
	if (m->all > m->n)
		imgp_buf_printf(out, "<p>and %zu more, in the record and in "
		    "the logs</p>\n", m->all - m->n);
	imgp_page_close(out, "Each file's error log lies in the logs' place; "
	    "imgp-status shows what is where.");
	free(run);
	free(subject);
}

/* --- CSV ----------------------------------------------------------------- */

void
imgp_runmail_csv(const struct imgp_runmail *m, struct imgp_buf *out)
{
	const struct imgp_failure *f;
	const struct imgp_json *i, *row;
	const struct imgp_error *code;
	size_t k;

	imgp_buf_puts(out, "subject_event_crf_file_id,pipeline_code,file_name,"
	    "outcome,stage,error_code,fatal,meaning,action,error,log\r\n");
	for (k = 0; k < m->n; k++) {
		f = &m->failures[k];
		row = imgp_json_get(f->facts, "edc_pipeline_file");
		for (i = imgp_json_first(imgp_json_get(f->facts, "errors"));
		    i != NULL; i = imgp_json_next(i)) {
			code = imgp_error_find(str(i, "error_code"));
			imgp_csv_int(out, upload_of(f));
			imgp_csv_str(out, str(f->facts, "pipeline_code"), 0);
			imgp_csv_str(out, str(row, "file_name"), 0);
			imgp_csv_str(out, imgp_outcome_name(f->outcome), 0);
			imgp_csv_str(out, str(i, "stage"), 0);
			imgp_csv_str(out, str(i, "error_code"), 0);
			imgp_csv_str(out, imgp_json_bool(imgp_json_get(i,
			    "fatal")) == 1 ? "true" : "false", 0);
			imgp_csv_str(out, code == NULL ? "" : code->meaning,
			    0);
			imgp_csv_str(out, code == NULL ? "" : code->action, 0);
			imgp_csv_str(out, str(i, "error"), 0);
			imgp_csv_str(out, f->url == NULL ? "" : f->url, 1);
		}
	}
}
