/*
 * The digest as a page: for a browser, a phone, a mail reader, light or dark.
 *
 * It holds no script and refers to nothing outside itself.  Colours are plain
 * values, repeated for the dark, since mail readers do not know variables; a
 * mail reader that drops the style or the drawing still shows a table and a
 * list.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/digest.h"
#include "libimgpipe/digest_priv.h"

/* --- the frame ----------------------------------------------------------- */

static const char style[] =
"body{margin:0;background:#fff;color:#1a1d21;font:16px/1.5 system-ui,"
"-apple-system,\"Segoe UI\",Roboto,\"Liberation Sans\",Arial,sans-serif}\n"
"main{max-width:64rem;margin:0 auto;padding:1.5rem 1rem}\n"
"h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem}\n"
"h2{font-size:1.15rem;margin:2rem 0 .5rem}\n"
"p{margin:.25rem 0}\n"
".dim{color:#555d66}\n"
".tiles{display:flex;flex-wrap:wrap;gap:.5rem;margin:1.25rem 0;padding:0;"
"list-style:none}\n"
".tiles li{flex:1 1 5rem;padding:.6rem .75rem;border-radius:.5rem;"
"background:#f2f4f7;border-left:.35rem solid #0a66b0}\n"
".tiles .warn{border-color:#b35900}\n"
".tiles .fail{border-color:#c0302b}\n"
".tiles b{display:block;font-size:1.75rem;line-height:1.2;"
"font-variant-numeric:tabular-nums}\n"
"figure{margin:0;max-width:32rem}\n"
"svg{width:100%;height:auto;font:12px system-ui,\"Liberation Sans\",Arial,"
"sans-serif}\n"
"svg text{fill:#1a1d21}svg .dim{fill:#555d66}\n"
"svg .good{fill:#0a66b0}svg .warn{fill:#b35900}svg .fail{fill:#c0302b}\n"
"svg .in{fill:#fff;text-anchor:middle}\n"
"table{border-collapse:collapse;width:100%}\n"
"th,td{text-align:left;vertical-align:top;padding:.55rem .75rem .55rem 0;"
"border-bottom:1px solid #d5dae0}\n"
"thead th{font-size:.85rem;color:#555d66}\n"
"tbody th{font-weight:600}\n"
".name{overflow-wrap:anywhere}\n"
".num{white-space:nowrap;font-variant-numeric:tabular-nums}\n"
".small{font-size:.8rem;font-weight:400;overflow-wrap:anywhere;"
"color:#555d66}\n"
".mono{font-family:ui-monospace,\"Liberation Mono\",Menlo,monospace}\n"
".flag{display:inline-block;margin-top:.25rem;padding:0 .45rem;"
"border-radius:.25rem;font-size:.85rem;font-weight:400;"
"border:1px solid #b35900;color:#8a4500}\n"
".flag.fail{border-color:#c0302b;color:#a32620}\n"
"footer{margin-top:2.5rem;padding-top:.75rem;border-top:1px solid #d5dae0;"
"font-size:.85rem}\n"
"@media (max-width:40rem){\n"
".tiles li{font-size:.85rem;padding:.5rem}\n"
"thead{position:absolute;width:1px;height:1px;overflow:hidden;"
"clip-path:inset(50%)}\n"
"table,tbody,tr,th,td{display:block}\n"
"tr{padding:.75rem 0;border-bottom:1px solid #d5dae0}\n"
"th,td{padding:.15rem 0;border:0}\n"
"td[data-of]::before{content:attr(data-of) \" \";color:#555d66}\n"
"}\n"
"@media (prefers-color-scheme:dark){\n"
"body{background:#14171a;color:#e8eaed}\n"
".dim,thead th,.small,td[data-of]::before{color:#a9b1ba}\n"
".tiles li{background:#1f2428;border-color:#5aa9e6}\n"
".tiles .warn{border-color:#f0a840}.tiles .fail{border-color:#ff8078}\n"
"th,td,tr,footer{border-color:#3a4149}\n"
"svg text{fill:#e8eaed}svg .dim{fill:#a9b1ba}\n"
"svg .good{fill:#5aa9e6}svg .warn{fill:#f0a840}svg .fail{fill:#ff8078}\n"
"svg .in{fill:#101214}\n"
".flag{border-color:#f0a840;color:#f0b860}\n"
".flag.fail{border-color:#ff8078;color:#ff9b94}\n"
"}\n"
"@media print{body{background:#fff;color:#000}tr{break-inside:avoid}}\n";

/* Text between tags and in attributes. */
static void
esc(struct imgp_buf *out, const char *s)
{
	for (; *s != '\0'; s++)
		switch (*s) {
		case '&':
			imgp_buf_puts(out, "&amp;");
			break;
		case '<':
			imgp_buf_puts(out, "&lt;");
			break;
		case '>':
			imgp_buf_puts(out, "&gt;");
			break;
		case '"':
			imgp_buf_puts(out, "&quot;");
			break;
		default:
			imgp_buf_add(out, s, 1);
		}
}

static void
element(struct imgp_buf *out, const char *open, const char *text,
    const char *close)
{
	imgp_buf_puts(out, open);
	esc(out, text);
	imgp_buf_puts(out, close);
}

static void
tile(struct imgp_buf *out, const char *class, int64_t n, const char *what)
{
	imgp_buf_printf(out, "<li%s><b>%lld</b> %s</li>\n", class,
	    (long long)n, what);
}

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

/* Roles are said although they are implied: as blocks, on a phone, rows and
 * cells would lose them. */
static void
table_head(struct imgp_buf *out, const char *title, const char *const *column)
{
	imgp_buf_printf(out, "<h2>%s</h2>\n<table role=\"table\" "
	    "aria-label=\"%s\">\n<thead role=\"rowgroup\"><tr role=\"row\">",
	    title, title);
	for (; *column != NULL; column++)
		imgp_buf_printf(out, "<th role=\"columnheader\" "
		    "scope=\"col\">%s</th>", *column);
	imgp_buf_puts(out, "</tr></thead>\n<tbody role=\"rowgroup\">\n");
}

static void
cell(struct imgp_buf *out, const char *of, const char *text)
{
	imgp_buf_printf(out, "<td role=\"cell\" class=\"num\" data-of=\"%s\">",
	    of);
	element(out, "", text[0] == '\0' ? "-" : text, "</td>");
}

static void
new_row(struct imgp_buf *out, const struct imgp_digest_file *f)
{
	char size[32], scans[64];

	element(out, "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\" "
	    "class=\"name\">", f->name, "\n");
	element(out, "<div class=\"small\">", f->place, "</div>\n");
	if (f->sha256[0] != '\0')
		element(out, "<div class=\"small mono\">SHA-256 ", f->sha256,
		    "</div>\n");
	if (f->has_error) {
		element(out, "<div class=\"flag\">with error ",
		    f->code == NULL ? "of an unknown code" : f->code->code, "");
		if (f->code != NULL)
			element(out, ": ", f->code->meaning, "");
		imgp_buf_puts(out, "</div>\n");
	}
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
	    "scope=\"row\" class=\"name\">upload %lld, revision %lld\n",
	    (long long)f->upload, (long long)f->revision);
	element(out, "<div class=\"small\">", f->name, "</div>\n");
	imgp_buf_printf(out, "<div class=\"flag fail\">%s</div></th>"
	    "<td role=\"cell\">", f->for_good ? "failed for good" :
	    "to be tried again");
	if (f->code == NULL)
		imgp_buf_puts(out, "an error of an unknown code</td>"
		    "<td role=\"cell\"></td></tr>\n");
	else {
		element(out, "<b>", f->code->code, "</b><br>");
		element(out, "", f->code->meaning, "\n");
		element(out, "<div class=\"small\">", f->error, "</div></td>");
		element(out, "<td role=\"cell\">", f->code->action,
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

	while ((i = imgp_digest_next(d, i)) != NULL) {
		if (imgp_digest_is_delivered(i) != delivered)
			continue;
		if (++n > IMGP_DIGEST_MOST)
			continue;
		if (n == 1)
			table_head(out, delivered ? "New files" : "Failed",
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

void
imgp_digest_html(const struct imgp_digest *d, struct imgp_buf *out)
{
	struct imgp_digest_counts n;
	char *subject = imgp_digest_subject(d), when[80];

	imgp_digest_count(d, &n);
	imgp_digest_window(d, when, sizeof when);
	imgp_buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
	    "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
	    "content=\"width=device-width, initial-scale=1\">\n"
	    "<meta name=\"color-scheme\" content=\"light dark\">\n");
	element(out, "<title>", subject, "</title>\n");
	imgp_buf_printf(out, "<style>\n%s</style>\n</head>\n<body>\n<main>\n",
	    style);
	element(out, "<h1>", subject, "</h1>\n");
	element(out, "<p class=\"dim\">", when, "</p>\n");
	imgp_buf_puts(out, "<ul class=\"tiles\">\n");
	tile(out, "", n.fresh, n.fresh == 1 ? "new file in quarantine" :
	    "new files in quarantine");
	tile(out, " class=\"warn\"", n.with_error, "of them with errors");
	tile(out, " class=\"fail\"", n.failed, "failed");
	imgp_buf_puts(out, "</ul>\n");
	if (n.fresh == 0 && n.failed == 0)
		imgp_buf_puts(out, "<p>Nothing came and nothing failed; this "
		    "message says that the nightly round is well.</p>\n");
	table(d, out, 1);
	if (d->admins)
		table(d, out, 0);
	chart(d, out);
	imgp_buf_puts(out, "<footer class=\"dim\"><p>Quarantine is the "
	    "labs&#39; delivery area: what lies there was delivered, not "
	    "rejected.</p></footer>\n</main>\n</body>\n</html>\n");
	free(subject);
}
