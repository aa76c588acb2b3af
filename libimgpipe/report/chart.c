#include <stdio.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/report/chart.h"
#include "libimgpipe/report/page.h"

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
	const char *iso = imgp_json_str(imgp_json_get(o, "day"));
	struct tm tm;
	size_t k;

	for (k = 0; k < 3; k++)
		if (imgp_json_int(imgp_json_get(o, key[k]), &d->n[k]) == -1 ||
		    d->n[k] < 0)
			d->n[k] = 0;
	memset(&tm, 0, sizeof tm);
	if (iso != NULL && sscanf(iso, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon,
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

/* Read all days: their number's maximum (at least 1), and the sums by kind. */
static int64_t
add_up(const struct imgp_json *days, int64_t all[3])
{
	const struct imgp_json *i;
	struct day day;
	int64_t most = 1;
	size_t k;

	for (i = imgp_json_first(days); i != NULL; i = imgp_json_next(i)) {
		read_day(i, &day);
		if (sum(&day) > most)
			most = sum(&day);
		for (k = 0; k < 3; k++)
			all[k] += day.n[k];
	}
	return most;
}

void
imgp_chart_days(const struct imgp_json *days, struct imgp_buf *out)
{
	const struct imgp_json *i;
	int64_t all[3] = { 0, 0, 0 }, most = add_up(days, all);
	size_t n = imgp_json_count(days);
	struct day day;
	int y = TOP;

	imgp_buf_printf(out, "<figure>\n<svg "
	    "xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %zu\" "
	    "role=\"img\" aria-labelledby=\"ct cd\">\n<title id=\"ct\">Files "
	    "per day</title>\n<desc id=\"cd\">In %zu days %lld files were "
	    "delivered, %lld delivered with errors, %lld failed.</desc>\n",
	    WIDTH, TOP + n * ROW, n, (long long)all[0], (long long)all[1],
	    (long long)all[2]);
	legend(out);
	for (i = imgp_json_first(days); i != NULL; i = imgp_json_next(i)) {
		read_day(i, &day);
		bar(out, &day, most, y);
		y += ROW;
	}
	imgp_buf_printf(out, "</svg>\n<figcaption class=\"small\">In all %lld "
	    "delivered, %lld delivered with errors, %lld failed; days in UTC."
	    "</figcaption>\n</figure>\n", (long long)all[0], (long long)all[1],
	    (long long)all[2]);
}

void
imgp_chart_table(const struct imgp_json *days, struct imgp_buf *out)
{
	static const char *const columns[] = { "Day (UTC)", "Delivered",
	    "With errors", "Failed", NULL };
	static const char *const of[3] = { "delivered", "with errors",
	    "failed" };
	const struct imgp_json *i;
	struct day day;
	char n[24];
	size_t k;

	imgp_page_rows(out, "Files per day", columns);
	for (i = imgp_json_first(days); i != NULL; i = imgp_json_next(i)) {
		read_day(i, &day);
		imgp_page_row(out, NULL, day.name, "</th>");
		for (k = 0; k < 3; k++) {
			snprintf(n, sizeof n, "%lld", (long long)day.n[k]);
			imgp_page_cell(out, of[k], n);
		}
		imgp_buf_puts(out, "</tr>\n");
	}
	imgp_buf_puts(out, "</tbody></table>\n");
}
