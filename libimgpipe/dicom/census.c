#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/dicom/census.h"

/*
 * Instances are collected in order and sorted for the result.  UIDs are compared,
 * never hashed: nobody can choose UIDs that collide, or an order that is slow.
 */
struct series {
	char	*study, *uid;
	size_t	 instances;
	uint32_t at;		/* in order of appearance */
};

struct instance {
	const char	*uid;		/* in a block of text */
	uint32_t	 series;
	int32_t		 number;
	uint32_t	 member;
	int		 has_number;
};

struct text {
	struct text	*next;
	char		 s[16384];
};

struct imgp_census {
	void		 *tree;		/* of series, by study and UID */
	struct series	**s;		/* the same, by order of appearance */
	struct series	 *last;		/* the one counted last, or NULL */
	size_t		  n, size;
	struct instance	 *instance;	/* each copy of it */
	size_t		  ninstance, room;
	size_t		  distinct;	/* once it is sorted */
	int		  is_sorted;
	struct text	 *text;
	size_t		  left;		/* of the first block of it */
};

struct imgp_census *
imgp_census_new(void)
{
	return imgp_alloc(sizeof(struct imgp_census));
}

static void
keep(void *series)
{
	(void)series;		/* freed by the list */
}

void
imgp_census_free(struct imgp_census *c)
{
	struct text *t;
	size_t i;

	if (c == NULL)
		return;
	tdestroy(c->tree, keep);
	for (i = 0; i < c->n; i++) {
		free(c->s[i]->study);
		free(c->s[i]->uid);
		free(c->s[i]);
	}
	while ((t = c->text) != NULL) {
		c->text = t->next;
		free(t);
	}
	free(c->s);
	free(c->instance);
	free(c);
}

static int
by_uids(const void *a, const void *b)
{
	const struct series *x = a, *y = b;
	int rc = strcmp(x->study, y->study);

	return rc != 0 ? rc : strcmp(x->uid, y->uid);
}

/* The series of these UIDs, or NULL. */
static struct series *
find_series(struct imgp_census *c, const char *study, const char *uid)
{
	struct series key, **at;

	key.study = (char *)(uintptr_t)study;
	key.uid = (char *)(uintptr_t)uid;
	if (c->last != NULL && by_uids(c->last, &key) == 0)
		return c->last;
	at = tfind(&key, &c->tree, by_uids);
	return at == NULL ? NULL : *at;
}

static struct series *
need_series(struct imgp_census *c, const char *study, const char *uid)
{
	struct series *s = find_series(c, study, uid);

	if (s != NULL)
		return c->last = s;
	s = imgp_alloc(sizeof *s);
	s->study = imgp_strdup(study);
	s->uid = imgp_strdup(uid);
	s->at = (uint32_t)c->n;
	if (tsearch(s, &c->tree, by_uids) == NULL)
		imgp_oom();
	if (c->n == c->size) {
		c->size = c->size == 0 ? 16 : c->size * 2;
		c->s = imgp_realloc(c->s, c->size, sizeof *c->s);
	}
	c->s[c->n++] = s;
	return c->last = s;
}

static const char *
keep_text(struct imgp_census *c, const char *s)
{
	size_t n = strlen(s) + 1;
	struct text *t = c->text;

	if (n > c->left) {
		t = imgp_realloc(NULL, 1, sizeof *t +
		    (n > sizeof t->s ? n - sizeof t->s : 0));
		t->next = c->text;
		c->text = t;
		c->left = n > sizeof t->s ? n : sizeof t->s;
	}
	c->left -= n;
	return memcpy(t->s + c->left, s, n);
}

size_t
imgp_census_add(struct imgp_census *c, const char *study, const char *series,
    const char *instance, const int32_t *number, size_t member)
{
	struct series *s = need_series(c, study, series);
	struct instance *i;

	if (c->ninstance == c->room) {
		c->room = c->room == 0 ? 256 : c->room * 2;
		c->instance = imgp_realloc(c->instance, c->room,
		    sizeof *c->instance);
	}
	i = &c->instance[c->ninstance++];
	i->uid = keep_text(c, instance);
	i->series = s->at;
	i->has_number = number != NULL;
	i->number = number != NULL ? *number : 0;
	i->member = (uint32_t)member;
	c->is_sorted = 0;
	return s->at;
}

static int
is_copy(const struct instance *a, const struct instance *b)
{
	return a->series == b->series && strcmp(a->uid, b->uid) == 0;
}

/* Copies stand together, by their series, then their numbers, those without one
 * last. */
static int
by_uid(const void *a, const void *b)
{
	const struct instance *x = a, *y = b;
	int rc;

	if ((rc = strcmp(x->uid, y->uid)) != 0)
		return rc;
	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	if (x->has_number != y->has_number)
		return x->has_number ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static void
sort(struct imgp_census *c)
{
	struct instance *v = c->instance;
	size_t i;

	if (c->is_sorted)
		return;
	c->is_sorted = 1;
	if (c->ninstance > 0)
		qsort(v, c->ninstance, sizeof *v, by_uid);
	for (i = 0; i < c->n; i++)
		c->s[i]->instances = 0;
	c->distinct = 0;
	for (i = 0; i < c->ninstance; i++)
		if (i == 0 || !is_copy(&v[i - 1], &v[i])) {
			c->s[v[i].series]->instances++;
			c->distinct++;
		}
}

size_t
imgp_census_instances(struct imgp_census *c)
{
	sort(c);
	return c->distinct;
}

size_t
imgp_census_copies(struct imgp_census *c, struct imgp_census_copy **copies)
{
	const struct instance *v = c->instance;
	size_t i, j, k, n = 0;

	*copies = NULL;
	sort(c);
	for (i = 0; i < c->ninstance; i = j) {
		for (j = i + 1; j < c->ninstance &&
		    strcmp(v[i].uid, v[j].uid) == 0; j++)
			;
		if (j - i == 1)
			continue;
		if (*copies == NULL)
			*copies = imgp_realloc(NULL, c->ninstance,
			    sizeof **copies);
		for (k = i; k < j; k++) {
			(*copies)[n].member = v[k].member;
			(*copies)[n++].uid = i;
		}
	}
	return n;
}

size_t
imgp_census_series(const struct imgp_census *c)
{
	return c->n;
}

/* --- the result ------------------------------------------------------------ */

struct row {
	const struct series *s;
	int		 has_number;
	int32_t		 number;
};

static int
by_number(const void *a, const void *b)
{
	const struct instance *x = a, *y = b;

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int
by_row(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int rc = strcmp(x->s->study, y->s->study);

	if (rc != 0)
		return rc;
	if (x->has_number != y->has_number)
		return x->has_number ? -1 : 1;
	if (x->has_number && x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return strcmp(x->s->uid, y->s->uid);
}

/*
 * Among the ${n} instances from ${v} on, which are sorted by their numbers, the copies
 * of the first: how many there are in ${*copies}, and one with the number that most of
 * them give, the lowest on a tie.
 */
static const struct instance *
elect_copy(const struct instance *v, size_t n, size_t *copies)
{
	const struct instance *chosen = v;
	size_t i, run = 0, best = 0;

	for (i = 0; i < n && is_copy(v, &v[i]); i++) {
		run = i > 0 && v[i].number == v[i - 1].number &&
		    v[i].has_number == v[i - 1].has_number ? run + 1 : 1;
		if (v[i].has_number && run > best) {
			best = run;
			chosen = &v[i];
		}
	}
	*copies = i;
	return chosen;
}

/*
 * Each instance that gives a number votes for it in its series: the longest run
 * wins, the first on a tie.
 */
static void
elect(struct imgp_census *c, struct row *row)
{
	struct instance *vote = imgp_realloc(NULL, c->distinct + 1,
	    sizeof *vote);
	const struct instance *v;
	size_t i, j, n = 0, best = 0;
	struct row *r;

	for (i = 0; i < c->ninstance; i += j) {
		v = elect_copy(&c->instance[i], c->ninstance - i, &j);
		if (v->has_number)
			vote[n++] = *v;
	}
	qsort(vote, n, sizeof *vote, by_number);
	for (i = 0; i < n; i = j) {
		for (j = i; j < n && by_number(&vote[i], &vote[j]) == 0; j++)
			;
		r = &row[vote[i].series];
		if (r->has_number && j - i <= best)
			continue;
		best = j - i;
		r->has_number = 1;
		r->number = vote[i].number;
	}
	free(vote);
}

static void
fill_series(struct imgp_series *to, const struct row *r)
{
	memset(to, 0, sizeof *to);
	to->series_uid = imgp_strdup(r->s->uid);
	to->has_number = r->has_number;
	to->series_number = r->number;
	to->number_of_instances = (int64_t)r->s->instances;
}

void
imgp_census_scans(struct imgp_census *c, struct imgp_scans *s)
{
	struct row *row = imgp_alloc((c->n + 1) * sizeof *row);
	struct imgp_scan *scan = NULL;
	size_t i, j;

	sort(c);
	for (i = 0; i < c->n; i++)
		row[i].s = c->s[i];
	elect(c, row);
	if (c->n > 0)
		qsort(row, c->n, sizeof *row, by_row);
	for (i = 0; i < c->n; i = j) {
		for (j = i; j < c->n &&
		    strcmp(row[j].s->study, row[i].s->study) == 0; j++)
			;
		if ((s->n & (s->n - 1)) == 0)
			s->scan = imgp_realloc(s->scan,
			    s->n == 0 ? 1 : s->n * 2, sizeof *s->scan);
		scan = &s->scan[s->n++];
		scan->study_uid = imgp_strdup(row[i].s->study);
		scan->n = j - i;
		scan->series = imgp_alloc(scan->n * sizeof *scan->series);
		for (j = 0; j < scan->n; j++)
			fill_series(&scan->series[j], &row[i + j]);
		j += i;
	}
	free(row);
}

int
imgp_census_equal(struct imgp_census *c, const struct imgp_scans *s)
{
	const struct imgp_series *sr;
	const struct series *mine;
	size_t i, k, n = 0;

	sort(c);
	for (i = 0; i < s->n; i++)
		for (k = 0; k < s->scan[i].n; k++, n++) {
			sr = &s->scan[i].series[k];
			mine = find_series(c, s->scan[i].study_uid,
			    sr->series_uid);
			if (mine == NULL || sr->number_of_instances !=
			    (int64_t)mine->instances)
				return 0;
		}
	return n == c->n;
}
