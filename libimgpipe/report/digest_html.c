/*
 * The digest as a page: the counts, the files, a chart of the last days.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/report/chart.h"
#include "libimgpipe/report/digest.h"
#include "libimgpipe/report/digest_priv.h"
#include "libimgpipe/report/page.h"

/* --- the tables ---------------------------------------------------------- */

static void
warnings(struct imgp_buf *out, const struct imgp_digest_file *f)
{
	const struct imgp_json *i = NULL;
	const struct imgp_error *code;
	char said[IMGP_DIGEST_LINE];

	while ((i = imgp_digest_warning(f, i, &code, said,
	    sizeof said)) != NULL) {
		imgp_page_element(out, "<div class=\"flag\">warning ",
		    code->code, ": ");
		imgp_page_element(out, "", code->meaning, "</div>\n");
		imgp_page_element(out, "<div class=\"small\">", said,
		    "</div>\n");
	}
}

static void
new_row(struct imgp_buf *out, const struct imgp_digest_file *f)
{
	char size[32], scans[64];

	imgp_page_row(out, NULL, f->name, "\n");
	imgp_page_element(out, "<div class=\"small\">", f->place, "</div>\n");
	if (f->sha256[0] != '\0')
		imgp_page_element(out, "<div class=\"small mono\">SHA-256 ", f->sha256,
		    "</div>\n");
	if (f->has_error) {
		imgp_page_element(out, "<div class=\"flag\">with error ",
		    f->code == NULL ? "of an unknown code" : f->code->code, "");
		if (f->code != NULL)
			imgp_page_element(out, ": ", f->code->meaning, "");
		imgp_buf_puts(out, "</div>\n");
	}
	warnings(out, f);
	imgp_buf_puts(out, "</th>");
	imgp_page_cell(out, "participant", f->participant);
	imgp_page_cell(out, "event", f->event);
	imgp_digest_human(f->bytes, size, sizeof size);
	imgp_page_cell(out, "size", size);
	snprintf(scans, sizeof scans, "%lld (%lld instances)",
	    (long long)f->scans, (long long)f->instances);
	imgp_buf_puts(out, "<td role=\"cell\" data-of=\"scans\">");
	imgp_page_element(out, "<span class=\"num\">", f->scans == 0 ?
	    "none" : scans, "</span>");
	if (f->ids.len > 0)
		imgp_page_element(out, "<div class=\"small\">ATRIUIDs ",
		    f->ids.s, "</div>");
	imgp_buf_puts(out, "</td></tr>\n");
}

static void
failed_row(struct imgp_buf *out, const struct imgp_digest_file *f)
{
	imgp_buf_printf(out, "<tr role=\"row\"><th role=\"rowheader\" "
	    "scope=\"row\" class=\"name\">upload %lld, ",
	    (long long)f->upload);
	if (f->row == 0)
		imgp_buf_puts(out, "not taken yet\n");
	else
		imgp_buf_printf(out, "revision %lld\n", (long long)f->revision);
	imgp_page_element(out, "<div class=\"small\">", f->name, "</div>\n");
	imgp_buf_printf(out, "<div class=\"flag fail\">%s</div></th>"
	    "<td role=\"cell\">", f->for_good ? "failed for good" :
	    "to be tried again");
	if (f->code == NULL)
		imgp_buf_puts(out, "an error of an unknown code</td>"
		    "<td role=\"cell\"></td></tr>\n");
	else {
		imgp_page_element(out, "<b>", f->code->code, "</b><br>");
		imgp_page_element(out, "", f->code->meaning, "\n");
		imgp_page_element(out, "<div class=\"small\">", f->error, "</div></td>");
		imgp_page_element(out, "<td role=\"cell\">", f->code->action,
		    "</td></tr>\n");
	}
}

static void
table(const struct imgp_digest *d, struct imgp_buf *out, int delivered)
{
	static const char *const of_new[] = { "File", "Participant", "Event",
	    "Size", "Scans", NULL };
	static const char *const of_failed[] = { "Upload", "What happened",
	    "What to do", NULL };
	const struct imgp_json *i = NULL;
	struct imgp_digest_file *f = imgp_alloc(sizeof *f);
	int64_t n = 0;

	imgp_buf_init(&f->ids);
	while ((i = imgp_digest_next(d, i)) != NULL) {
		if (imgp_digest_is_delivered(i) != delivered)
			continue;
		if (++n > IMGP_DIGEST_MOST)
			continue;
		if (n == 1)
			imgp_page_table(out, delivered ? "New files" : "Failed",
			    delivered ? of_new : of_failed);
		imgp_digest_read(i, f);
		if (delivered)
			new_row(out, f);
		else
			failed_row(out, f);
	}
	if (n > 0)
		imgp_buf_puts(out, "</tbody></table>\n");
	if (n > IMGP_DIGEST_MOST)
		imgp_buf_printf(out, "<p>and %lld more; all of them are in "
		    "the CSV file.</p>\n", (long long)(n - IMGP_DIGEST_MOST));
	imgp_buf_release(&f->ids);
	free(f);
}

static void
still(const struct imgp_digest *d, struct imgp_buf *out)
{
	const struct imgp_json *i = NULL;
	char what[IMGP_DIGEST_LINE];

	while ((i = imgp_digest_still(d, i, what, sizeof what)) != NULL)
		imgp_page_element(out, "<p>Still failing: ", what, "</p>\n");
}

void
imgp_digest_html(const struct imgp_digest *d, struct imgp_buf *out)
{
	struct imgp_digest_counts n;
	char *subject = imgp_digest_subject(d), when[80];

	imgp_digest_count(d, &n);
	imgp_digest_window(d, when, sizeof when);
	imgp_page_open(out, subject, when);
	imgp_buf_puts(out, "<ul class=\"tiles\">\n");
	imgp_page_tile(out, NULL, n.fresh, n.fresh == 1 ? "new file in quarantine" :
	    "new files in quarantine");
	imgp_page_tile(out, "warn", n.with_error, "of them with errors");
	imgp_page_tile(out, "fail", n.failed, "failed");
	if (n.waiting != 0)
		imgp_page_tile(out, NULL, n.waiting, n.waiting == 1 ?
		    "upload not taken yet" : "uploads not taken yet");
	imgp_buf_puts(out, "</ul>\n");
	if (n.fresh == 0 && n.failed == 0 && n.still == 0)
		imgp_buf_puts(out, "<p>Nothing came and nothing failed; this "
		    "message says that the nightly round is well.</p>\n");
	table(d, out, 1);
	if (d->admins)
		table(d, out, 0);
	still(d, out);
	if (imgp_json_count(d->days) > 0) {
		imgp_buf_printf(out, "<h2>The last %zu days</h2>\n",
		    imgp_json_count(d->days));
		imgp_chart_days(d->days, out);
	}
	imgp_page_close(out, "Quarantine is the labs' delivery area: what lies "
	    "there was delivered, not rejected.");
	free(subject);
}
