#include <stdlib.h>
#include <string.h>

#include "libimgpipe/buf.h"
#include "libimgpipe/census.h"
#include "libimgpipe/sha256.h"

/*
 * A set of 128-bit digests with a number to each; SHA-256, so that nobody can
 * make two UIDs meet.  An empty slot's value is 0, else it is one more.
 */
struct slot {
	unsigned char	key[16];
	size_t		value;
};

struct set {
	struct slot	*slot;
	size_t		 n, size;	/* size: a power of two, or 0 */
};

struct series {
	char	*study, *uid;
	size_t	 instances;
};

struct vote {
	uint32_t	series;
	int32_t		number;
};

struct imgp_census {
	struct imgp_sha256 *hash;
	struct set	 series, instances;
	struct series	*s;
	size_t		 n, size;
	struct vote	*vote;
	size_t		 nvote, votes;
};

static size_t
slot_of(const struct set *t, const unsigned char *key)
{
	size_t i;

	memcpy(&i, key, sizeof i);
	for (i &= t->size - 1; ; i = (i + 1) & (t->size - 1))
		if (t->slot[i].value == 0 ||
		    memcmp(t->slot[i].key, key, 16) == 0)
			return i;
}

/* The value kept with ${key}; when it is new (${*isnew}), ${value} is. */
static size_t
put(struct set *t, const unsigned char *key, size_t value, int *isnew)
{
	struct slot *old = t->slot;
	size_t i, n = t->size;

	if ((t->n + 1) * 3 > t->size * 2) {
		t->size = n == 0 ? 64 : n * 2;
		t->slot = imgp_alloc(t->size * sizeof *t->slot);
		for (i = 0; i < n; i++)
			if (old[i].value != 0)
				t->slot[slot_of(t, old[i].key)] = old[i];
		free(old);
	}
	i = slot_of(t, key);
	*isnew = t->slot[i].value == 0;
	if (*isnew) {
		memcpy(t->slot[i].key, key, 16);
		t->slot[i].value = value + 1;
		t->n++;
	}
	return t->slot[i].value - 1;
}

struct imgp_census *
imgp_census_new(void)
{
	struct imgp_census *c = imgp_alloc(sizeof *c);

	c->hash = imgp_sha256_new();
	return c;
}

void
imgp_census_free(struct imgp_census *c)
{
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < c->n; i++) {
		free(c->s[i].study);
		free(c->s[i].uid);
	}
	imgp_sha256_free(c->hash);
	free(c->series.slot);
	free(c->instances.slot);
	free(c->s);
	free(c->vote);
	free(c);
}

static size_t
find_series(struct imgp_census *c, const char *study, const char *series)
{
	unsigned char key[IMGP_SHA256_LEN];
	size_t i;
	int isnew;

	imgp_sha256_add(c->hash, study, strlen(study) + 1);
	imgp_sha256_add(c->hash, series, strlen(series) + 1);
	imgp_sha256_end(c->hash, key);
	i = put(&c->series, key, c->n, &isnew);
	if (!isnew)
		return i;
	if (c->n == c->size) {
		c->size = c->size == 0 ? 16 : c->size * 2;
		c->s = imgp_realloc(c->s, c->size, sizeof *c->s);
	}
	c->s[c->n].study = imgp_strdup(study);
	c->s[c->n].uid = imgp_strdup(series);
	c->s[c->n++].instances = 0;
	return i;
}

size_t
imgp_census_add(struct imgp_census *c, const char *study, const char *series,
    const char *instance, const int32_t *number)
{
	unsigned char key[IMGP_SHA256_LEN];
	size_t i = find_series(c, study, series);
	int isnew;

	imgp_sha256_add(c->hash, &i, sizeof i);
	imgp_sha256_add(c->hash, instance, strlen(instance));
	imgp_sha256_end(c->hash, key);
	put(&c->instances, key, 0, &isnew);
	if (!isnew)
		return i;
	c->s[i].instances++;
	if (number != NULL) {
		if (c->nvote == c->votes) {
			c->votes = c->votes == 0 ? 256 : c->votes * 2;
			c->vote = imgp_realloc(c->vote, c->votes,
			    sizeof *c->vote);
		}
		c->vote[c->nvote].series = (uint32_t)i;
		c->vote[c->nvote++].number = *number;
	}
	return i;
}

size_t
imgp_census_instances(const struct imgp_census *c)
{
	return c->instances.n;
}

size_t
imgp_census_series(const struct imgp_census *c)
{
	return c->n;
}

/* --- the result ------------------------------------------------------------ */

struct entry {
	const struct series *s;
	int		 has_number;
	int32_t		 number;
};

static int
by_vote(const void *a, const void *b)
{
	const struct vote *x = a, *y = b;

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int
by_entry(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int rc = strcmp(x->s->study, y->s->study);

	if (rc != 0)
		return rc;
	if (x->has_number != y->has_number)
		return x->has_number ? -1 : 1;
	if (x->has_number && x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return strcmp(x->s->uid, y->s->uid);
}

/* Votes lie sorted: the longest run of one number wins, the first on a tie. */
static void
elect(struct imgp_census *c, struct entry *entry)
{
	size_t i, j, best = 0;
	struct entry *en;

	if (c->nvote > 0)
		qsort(c->vote, c->nvote, sizeof *c->vote, by_vote);
	for (i = 0; i < c->nvote; i = j) {
		for (j = i; j < c->nvote && by_vote(&c->vote[i],
		    &c->vote[j]) == 0; j++)
			;
		en = &entry[c->vote[i].series];
		if (en->has_number && j - i <= best)
			continue;
		best = j - i;
		en->has_number = 1;
		en->number = c->vote[i].number;
	}
}

static void
fill_series(struct imgp_series *to, const struct entry *en)
{
	memset(to, 0, sizeof *to);
	to->series_uid = imgp_strdup(en->s->uid);
	to->has_number = en->has_number;
	to->series_number = en->number;
	to->number_of_instances = (int64_t)en->s->instances;
}

void
imgp_census_scans(struct imgp_census *c, struct imgp_scans *s)
{
	struct entry *entry = imgp_alloc((c->n + 1) * sizeof *entry);
	struct imgp_scan *scan = NULL;
	size_t i, j;

	for (i = 0; i < c->n; i++)
		entry[i].s = &c->s[i];
	elect(c, entry);
	if (c->n > 0)
		qsort(entry, c->n, sizeof *entry, by_entry);
	for (i = 0; i < c->n; i = j) {
		for (j = i; j < c->n &&
		    strcmp(entry[j].s->study, entry[i].s->study) == 0; j++)
			;
		if ((s->n & (s->n - 1)) == 0)
			s->scan = imgp_realloc(s->scan,
			    s->n == 0 ? 1 : s->n * 2, sizeof *s->scan);
		scan = &s->scan[s->n++];
		scan->study_uid = imgp_strdup(entry[i].s->study);
		scan->n = j - i;
		scan->series = imgp_alloc(scan->n * sizeof *scan->series);
		for (j = 0; j < scan->n; j++)
			fill_series(&scan->series[j], &entry[i + j]);
		j += i;
	}
	free(entry);
}

int
imgp_census_equal(struct imgp_census *c, const struct imgp_scans *s)
{
	const struct imgp_series *sr;
	size_t i, k, n = 0, before = c->n, at;

	for (i = 0; i < s->n; i++)
		for (k = 0; k < s->scan[i].n; k++, n++) {
			sr = &s->scan[i].series[k];
			at = find_series(c, s->scan[i].study_uid,
			    sr->series_uid);
			if (at >= before || sr->number_of_instances !=
			    (int64_t)c->s[at].instances)
				return 0;
		}
	return n == before;
}
