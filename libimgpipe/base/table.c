#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/table.h"

#define INDENT		8	/* of a row's second line */
#define HANG_MOST	24	/* columns: a label is no wider */

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

/* One row: ${s} gives a column's text.  Columns from a break on stand on the next
 * line. */
static void
row(const struct imgp_table *t, const size_t *wide, const char *const *s,
    const struct cell *cells, int colour, struct imgp_buf *out)
{
	size_t k, gap, at = 0;
	int right;

	for (k = 0; k < t->ncolumns; k++) {
		right = t->heads[k][0] == '>';
		gap = wide[k] - width(s[k]);
		if (k > 0 && at + 2 + wide[k] > IMGP_TABLE_WIDTH) {
			imgp_buf_puts(out, "\n");
			pad(out, INDENT);
			at = INDENT;
		} else if (k > 0) {
			pad(out, 2);
			at += 2;
		}
		at += wide[k];
		pad(out, right ? gap : 0);
		imgp_paint(out, s[k], cells == NULL ? IMGP_BOLD :
		    cells[k].paint, colour);
		if (!right && k + 1 < t->ncolumns &&
		    at + 2 + wide[k + 1] <= IMGP_TABLE_WIDTH)
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

/* --- folding ------------------------------------------------------------- */

/* The bytes of the colour at ${s}; 0: there is none. */
static size_t
colour_at(const char *s)
{
	size_t n;

	if (s[0] != '\033' || s[1] != '[')
		return 0;
	n = 2 + strspn(s + 2, "0123456789;");
	return s[n] == 'm' ? n + 1 : 0;
}

/* How many columns the first ${len} bytes of ${s} take. */
static size_t
columns(const char *s, size_t len)
{
	size_t i, n = 0, skip;

	for (i = 0; i < len; i += skip == 0 ? 1 : skip)
		if ((skip = colour_at(s + i)) == 0 &&
		    ((unsigned char)s[i] & 0xc0) != 0x80)
			n++;
	return n;
}

/* Where the rest of a line stands: below its second column. */
static size_t
hang(const char *line, size_t len)
{
	size_t lead = strspn(line, " "), i;

	for (i = lead; i + 2 < len && columns(line, i) < HANG_MOST; i++)
		if (line[i] == ' ' && line[i + 1] == ' ') {
			i += strspn(line + i, " ");
			return i < len ? columns(line, i) : lead + 4;
		}
	return lead + 4;
}

/* The bytes of ${s} that fit into ${room} columns, up to a blank; at least a word. */
static size_t
fitting(const char *s, size_t len, size_t room)
{
	size_t lead = strspn(s, " "), best = 0, i;

	for (i = lead; i <= len; i++) {
		if (i < len && s[i] != ' ')
			continue;
		if (best != 0 && columns(s, i) > room)
			break;
		best = i;
		if (columns(s, i) > room)
			break;
	}
	return best;
}

static void
add_trimmed(struct imgp_buf *out, const char *s, size_t len)
{
	while (len > 0 && s[len - 1] == ' ')
		len--;
	imgp_buf_add(out, s, len);
}

static void
fold_line(const char *line, size_t len, struct imgp_buf *out)
{
	size_t in = hang(line, len), n = fitting(line, len, IMGP_TABLE_WIDTH);

	add_trimmed(out, line, n);
	while (n < len) {
		line += n + 1;
		len -= n + 1;
		imgp_buf_puts(out, "\n");
		pad(out, in);
		n = fitting(line, len, IMGP_TABLE_WIDTH - in);
		add_trimmed(out, line, n);
	}
	imgp_buf_puts(out, "\n");
}

void
imgp_fold(const char *text, struct imgp_buf *out)
{
	size_t len;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		fold_line(text, len, out);
	}
}
