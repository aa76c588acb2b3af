#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/table.h"

struct cell {
	char		*s;
	enum imgp_paint	 paint;
};

struct imgp_table {
	const char *const *heads;
	size_t		 ncolumns;
	struct cell	*cells;
	size_t		 ncells;
};

struct imgp_table *
imgp_table_new(const char *const *heads, size_t n)
{
	struct imgp_table *t = imgp_alloc(sizeof *t);

	t->heads = heads;
	t->ncolumns = n;
	return t;
}

void
imgp_table_free(struct imgp_table *t)
{
	size_t i;

	if (t == NULL)
		return;
	for (i = 0; i < t->ncells; i++)
		free(t->cells[i].s);
	free(t->cells);
	free(t);
}

void
imgp_table_str(struct imgp_table *t, const char *s, enum imgp_paint paint)
{
	t->cells = imgp_realloc(t->cells, t->ncells + 1, sizeof *t->cells);
	t->cells[t->ncells].s = imgp_strdup(s[0] == '\0' ? "-" : s);
	t->cells[t->ncells++].paint = paint;
}

void
imgp_table_int(struct imgp_table *t, int64_t n)
{
	char *s = imgp_asprintf("%lld", (long long)n);

	imgp_table_str(t, s, IMGP_PLAIN);
	free(s);
}

/* How many columns of the terminal: a code point each. */
static size_t
width(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		if (((unsigned char)*s & 0xc0) != 0x80)
			n++;
	return n;
}

void
imgp_paint(struct imgp_buf *out, const char *s, enum imgp_paint paint,
    int colour)
{
	static const char *const code[] = { "", "\033[1m", "\033[2m",
	    "\033[32m", "\033[33m", "\033[31m" };

	if (!colour || paint == IMGP_PLAIN)
		imgp_buf_puts(out, s);
	else
		imgp_buf_printf(out, "%s%s\033[0m", code[paint], s);
}

static void
pad(struct imgp_buf *out, size_t n)
{
	while (n-- > 0)
		imgp_buf_puts(out, " ");
}

/* One row: ${s} gives a column's text. */
static void
row(const struct imgp_table *t, const size_t *wide, const char *const *s,
    const struct cell *cells, int colour, struct imgp_buf *out)
{
	size_t k, gap;
	int right;

	for (k = 0; k < t->ncolumns; k++) {
		right = t->heads[k][0] == '>';
		gap = wide[k] - width(s[k]);
		pad(out, (k == 0 ? 0 : 2) + (right ? gap : 0));
		imgp_paint(out, s[k], cells == NULL ? IMGP_BOLD :
		    cells[k].paint, colour);
		if (!right && k + 1 < t->ncolumns)
			pad(out, gap);
	}
	imgp_buf_puts(out, "\n");
}

void
imgp_table_print(const struct imgp_table *t, int colour, struct imgp_buf *out)
{
	size_t *wide = imgp_alloc(t->ncolumns * sizeof *wide);
	const char **s = imgp_alloc(t->ncolumns * sizeof *s);
	size_t i, k;

	for (k = 0; k < t->ncolumns; k++) {
		s[k] = t->heads[k] + (t->heads[k][0] == '>');
		wide[k] = width(s[k]);
	}
	for (i = 0; i < t->ncells; i++)
		if (width(t->cells[i].s) > wide[i % t->ncolumns])
			wide[i % t->ncolumns] = width(t->cells[i].s);
	row(t, wide, s, NULL, colour, out);
	for (i = 0; i + t->ncolumns <= t->ncells; i += t->ncolumns) {
		for (k = 0; k < t->ncolumns; k++)
			s[k] = t->cells[i + k].s;
		row(t, wide, s, &t->cells[i], colour, out);
	}
	free(s);
	free(wide);
}
