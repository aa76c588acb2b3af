/*
 * The digest as a page: the counts, the files, a drawing of the last days.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/report/digest.h"
#include "libimgpipe/report/digest_priv.h"
#include "libimgpipe/report/page.h"

/* --- the chart ----------------------------------------------------------- */

#define ROW		24	/* height of a day */
#define LEFT		86	/* where bars begin */
#define ROOM		210	/* for the longest */
#define WIDTH		360
#define TOP		26	/* below the legend */

struct day {
	char	name[24];	/* "Fri 18 Jan" */
	int64_t	n[3];		/* delivered, with errors, failed */
};

static const char *const kind[3] = { "good", "warn", "fail" };

static void
read_day(const struct imgp_json *o, struct day *d)
{
	static const char *const key[3] = { "delivered", "with_error",
	    "failed" };
	char iso[16];
	struct tm tm;
	size_t k;

	for (k = 0; k < 3; k++)
		if (imgp_json_int(imgp_json_get(o, key[k]), &d->n[k]) == -1 ||
		    d->n[k] < 0)
			d->n[k] = 0;
	imgp_digest_str(o, "day", iso, sizeof iso);
	memset(&tm, 0, sizeof tm);
	if (sscanf(iso, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon,
	    &tm.tm_mday) == 3) {
		tm.tm_year -= 1900;
		tm.tm_mon--;
		timegm(&tm);		/* sets the day of the week */
		strftime(d->name, sizeof d->name, "%a %e %b", &tm);
	} else
		snprintf(d->name, sizeof d->name, "?");
}

static int64_t
sum(const struct day *d)
{
	return d->n[0] + d->n[1] + d->n[2];
}

static void
bar(struct imgp_buf *out, const struct day *d, int64_t most, int y)
{
	double x = LEFT, w;
	size_t k;

	imgp_buf_printf(out, "<g><title>%s: %lld delivered, %lld delivered "
	    "with errors, %lld failed</title>\n", d->name, (long long)d->n[0],
	    (long long)d->n[1], (long long)d->n[2]);
	imgp_buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\"%s>"
	    "%s</text>\n", LEFT - 8, y + 14, sum(d) == 0 ? " class=\"dim\"" :
	    "", d->name);
	for (k = 0; k < 3; k++) {
		if (d->n[k] == 0)
			continue;
		w = ROOM * (double)d->n[k] / (double)most;
		if (w < 3)
			w = 3;
		imgp_buf_printf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" "
		    "width=\"%.1f\" height=\"18\"/>\n", kind[k], x, y, w);
		if (w >= 6 + 8 * snprintf(NULL, 0, "%lld", (long long)d->n[k]))
			imgp_buf_printf(out, "<text class=\"in\" x=\"%.1f\" "
			    "y=\"%d\">%lld</text>\n", x + w / 2, y + 13,
			    (long long)d->n[k]);
		x += w + 1;
	}
	imgp_buf_printf(out, "<text x=\"%.1f\" y=\"%d\"%s>%lld</text></g>\n",
	    x + 5, y + 14, sum(d) == 0 ? " class=\"dim\"" : "",
	    (long long)sum(d));
}

static void
legend(struct imgp_buf *out)
{
	static const char *const what[3] = { "delivered", "with errors",
	    "failed" };
	static const int at[3] = { LEFT, LEFT + 86, LEFT + 182 };
	size_t k;

	for (k = 0; k < 3; k++)
		imgp_buf_printf(out, "<rect class=\"%s\" x=\"%d\" y=\"2\" "
		    "width=\"12\" height=\"12\"/><text x=\"%d\" y=\"12\">%s"
		    "</text>\n", kind[k], at[k], at[k] + 17, what[k]);
}

static void
chart(const struct imgp_digest *d, struct imgp_buf *out)
{
	const struct imgp_json *i;
	struct day day;
	int64_t most = 1, all[3] = { 0, 0, 0 };
	size_t n = imgp_json_count(d->days), k;
	int y = TOP;

	if (n == 0)
		return;
	for (i = imgp_json_first(d->days); i != NULL; i = imgp_json_next(i)) {
		read_day(i, &day);
		if (sum(&day) > most)
			most = sum(&day);
		for (k = 0; k < 3; k++)
			all[k] += day.n[k];
	}
	imgp_buf_printf(out, "<h2>The last %zu days</h2>\n<figure>\n<svg "
	    "xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %zu\" "
	    "role=\"img\" aria-labelledby=\"ct cd\">\n<title id=\"ct\">Files "
	    "per day</title>\n<desc id=\"cd\">In %zu days %lld files were "
	    "delivered, %lld delivered with errors, %lld failed.</desc>\n", n,
	    WIDTH, TOP + n * ROW, n, (long long)all[0], (long long)all[1],
	    (long long)all[2]);
	legend(out);
	for (i = imgp_json_first(d->days); i != NULL; i = imgp_json_next(i)) {
		read_day(i, &day);
		bar(out, &day, most, y);
		y += ROW;
	}
	imgp_buf_printf(out, "</svg>\n<figcaption class=\"small\">In all %lld "
	    "delivered, %lld delivered with errors, %lld failed; days in UTC."
	    "</figcaption>\n</figure>\n", (long long)all[0], (long long)all[1],
	    (long long)all[2]);
}

/* --- the tables ---------------------------------------------------------- */

static void
cell(struct imgp_buf *out, const char *of, const char *text)
{
	imgp_buf_printf(out, "<td role=\"cell\" class=\"num\" data-of=\"%s\">",
	    of);
	imgp_page_element(out, "", text[0] == '\0' ? "-" : text, "</td>");
}

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

	imgp_page_element(out, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\" "
	    "class=\"name\">", f->name, "\n");
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
	cell(out, "participant", f->participant);
	cell(out, "event", f->event);
	imgp_digest_human(f->bytes, size, sizeof size);
	cell(out, "size", size);
	snprintf(scans, sizeof scans, "%lld (%lld instances)",
	    (long long)f->scans, (long long)f->instances);
	cell(out, "scans", f->scans == 0 ? "none" : scans);
	imgp_buf_puts(out, "</tr>\n");
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
	chart(d, out);
	imgp_page_close(out, "Quarantine is the labs' delivery area: what lies "
	    "there was delivered, not rejected.");
	free(subject);
}
