#include <string.h>

#include "libimgpipe/base/nearest.h"

#define LONGEST	64

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * The optimal string alignment distance, row by row; ${a} and ${b} are not longer
 * than LONGEST.
 */
static size_t
distance(const char *a, const char *b)
{
	size_t rows[3][LONGEST + 1], *before = rows[0], *last = rows[1];
	size_t *row = rows[2], *free_row, i, j, n = strlen(b);

	for (j = 0; j <= n; j++)
		last[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		row[0] = i;
		for (j = 1; j <= n; j++) {
			row[j] = least(least(last[j] + 1, row[j - 1] + 1),
			    last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		free_row = before;
		before = last;
		last = row;
		row = free_row;
	}
	return last[n];
}

void
imgp_nearest_try(struct imgp_nearest *n, const char *name)
{
	size_t len = strlen(n->word), d;

	if (len == 0 || len > LONGEST || strlen(name) > LONGEST)
		return;
	d = distance(n->word, name);
	if (d > (len + 2) / 3 || (n->name != NULL && d >= n->distance))
		return;
	n->name = name;
	n->distance = d;
}
