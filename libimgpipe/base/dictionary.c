#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/dictionary.h"
#include "libimgpipe/base/err_priv.h"
#include "libimgpipe/base/text.h"

#define SITE	"IMGP-SITE-"
#define CODE	63		/* bytes of a code */
#define TEXT	200		/* of a meaning, of an action */
#define ROWS	1000

enum { F_CODE, F_CLASS, F_OWNER, F_RETRYABLE, F_MEANING, F_ACTION, FIELDS };

struct reading {
	struct imgp_error *rows;	/* ours, then the site's */
	size_t		 n;
	char		*seen;		/* for each: the file has it */
	const char	*why;		/* what is wrong with a row */
};

static int
is_class(const char *s)
{
	static const char *const classes[] = { "notfound", "denied",
	    "temporary", "integrity", "data", "conflict", "config",
	    "internal" };
	size_t i;

	for (i = 0; i < sizeof classes / sizeof *classes; i++)
		if (strcmp(s, classes[i]) == 0)
			return 1;
	return 0;
}

static int
is_temporary(const char *class)
{
	return strcmp(class, "temporary") == 0;
}

static int
is_text(const char *s)
{
	char clean[4 * TEXT + 1];
	size_t len = strlen(s);

	if (len == 0 || len > TEXT)
		return 0;
	imgp_printable(clean, sizeof clean, s, len);
	return strcmp(clean, s) == 0;
}

/* IMGP-SITE-WHAT: capitals and digits, in parts joined by dashes. */
static int
is_site_code(const char *s)
{
	size_t len = strlen(s), n = strlen(SITE);

	return len > n && len <= CODE && strncmp(s, SITE, n) == 0 &&
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == len &&
	    strstr(s, "--") == NULL && s[len - 1] != '-';
}

/* -1: no such owner. */
static int
owner_of(const char *s)
{
	static const char *const owners[] = { [IMGP_OWNER_NONE] = "-",
	    [IMGP_OWNER_UPLOAD] = "upload", [IMGP_OWNER_OURS] = "ours",
	    [IMGP_OWNER_SERVICE] = "service" };
	size_t i;

	for (i = 0; i < sizeof owners / sizeof *owners; i++)
		if (strcmp(s, owners[i]) == 0)
			return (int)i;
	return -1;
}

/* What the tools go by, of a code of ours. */
static const char *
wrong_of_ours(const struct imgp_error *r, const struct imgp_error *ours)
{
	if (r->owner != ours->owner)
		return "the tools go by its owner, which must stay as it is";
	if (r->retryable != ours->retryable)
		return "the tools go by retryable, which must stay as it is";
	if (ours->owner == IMGP_OWNER_NONE ? strcmp(r->class, "-") != 0 :
	    !is_class(r->class))
		return "it cannot have this class";
	return is_temporary(r->class) == is_temporary(ours->class) ? NULL :
	    "the tools go by the class temporary, which must stay as it is";
}

static const char *
wrong_of_site(const struct imgp_error *r)
{
	if (r->owner == IMGP_OWNER_NONE)
		return "no such owner";
	if (!is_class(r->class))
		return "no such class";
	if (!r->retryable && r->owner != IMGP_OWNER_UPLOAD)
		return "only a fault of the upload may be final";
	return is_temporary(r->class) == (r->owner == IMGP_OWNER_SERVICE) ?
	    NULL : "the class temporary is a service's, and its only one";
}

static size_t
find(const struct reading *d, const char *code)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		if (strcmp(d->rows[i].code, code) == 0)
			break;
	return i;
}

/* One row, its fields in ${f}, which stay; -1: it is not as it may be, and why. */
static int
take_row(struct reading *d, char *f[FIELDS])
{
	int owner = owner_of(f[F_OWNER]);
	struct imgp_error r = { f[F_CODE], f[F_CLASS], IMGP_OWNER_NONE,
	    strcmp(f[F_RETRYABLE], "yes") == 0, f[F_MEANING], f[F_ACTION] };
	size_t at = find(d, r.code);

	if (owner != -1)
		r.owner = (enum imgp_owner)owner;
	if (at < d->n && d->seen[at])
		d->why = "it stands there twice";
	else if (at == d->n && !is_site_code(r.code))
		d->why = "no such code; a site's own begin with " SITE;
	else if (at == d->n && d->n == ROWS)
		d->why = "too many codes";
	else if (owner == -1)
		d->why = "no such owner";
	else if (!r.retryable && strcmp(f[F_RETRYABLE], "no") != 0)
		d->why = "retryable is neither yes nor no";
	else if (!is_text(r.meaning) || !is_text(r.action))
		d->why = "meaning and action are printable text, of at most "
		    "200 bytes each";
	else
		d->why = at < d->n ? wrong_of_ours(&r, &d->rows[at]) :
		    wrong_of_site(&r);
	if (d->why != NULL)
		return -1;
	if (at < d->n)
		r.code = d->rows[at].code;
	d->rows[at] = r;
	d->seen[at] = 1;
	d->n += at == d->n;
	return 0;
}

/* A line; comments and empty lines are no rows. */
static int
take_line(struct reading *d, char *line)
{
	char *f[FIELDS], *field;
	size_t n = 0;

	if (*line == '#' || *line == '\0')
		return 0;
	while ((field = strsep(&line, "\t")) != NULL) {
		if (n < FIELDS)
			f[n] = field;
		n++;
	}
	if (n == FIELDS)
		return take_row(d, f);
	d->why = "not six fields with a tab between them";
	return -1;
}

/* All that the file holds, to be freed; NULL with errno. */
static char *
read_file(const char *path)
{
	FILE *fp = fopen(path, "re");
	size_t size = 0;
	char *text = NULL;
	int saved;

	if (fp == NULL)
		return NULL;
	errno = 0;
	if (getdelim(&text, &size, '\0', fp) == -1 && errno == 0)
		errno = ENODATA;
	else if (!ferror(fp) && !feof(fp))
		errno = EILSEQ;		/* a NUL */
	saved = errno;
	fclose(fp);
	if (saved == 0)
		return text;
	free(text);
	errno = saved;
	return NULL;
}

int
imgp_dictionary_read(const char *path, struct imgp_err *e)
{
	struct reading d = { NULL, 0, NULL, NULL };
	char *text = read_file(path), *rest = text, *line;
	size_t number = 0;

	if (text == NULL)
		return imgp_fail_errno(e, IMGP_E_CONFIG,
		    "IMGP_ERROR_DICTIONARY: %s", path);
	d.rows = imgp_alloc((ROWS + 1) * sizeof *d.rows);
	d.seen = imgp_alloc(ROWS);
	for (; imgp_error_table[d.n].code != NULL; d.n++)
		d.rows[d.n] = imgp_error_table[d.n];
	while (d.why == NULL && (line = strsep(&rest, "\n")) != NULL) {
		number++;
		if (take_line(&d, line) == -1)
			imgp_fail(e, IMGP_E_CONFIG, "IMGP_ERROR_DICTIONARY: "
			    "%s:%zu: %.80s: %s", path, number, line, d.why);
	}
	free(d.seen);
	if (d.why != NULL) {
		free(d.rows);
		free(text);
		return -1;
	}
	imgp_error_use(d.rows);		/* they point into the text */
	return 0;
}
