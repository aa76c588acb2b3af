#include <stdlib.h>
#include <string.h>

#include "libimgpipe/dicom/scans.h"

static struct imgp_scan *
find_study(const struct imgp_scans *s, const char *study_uid)
{
	size_t i;

	/* Most often it is the last one used. */
	for (i = s->n; i-- > 0;)
		if (strcmp(s->scan[i].study_uid, study_uid) == 0)
			return &s->scan[i];
	return NULL;
}

static struct imgp_series *
find_series(const struct imgp_scan *c, const char *series_uid)
{
	size_t i;

	for (i = c->n; i-- > 0;)
		if (strcmp(c->series[i].series_uid, series_uid) == 0)
			return &c->series[i];
	return NULL;
}

static struct imgp_series *
find(const struct imgp_scans *s, const char *study_uid,
    const char *series_uid)
{
	struct imgp_scan *c = find_study(s, study_uid);

	return c == NULL ? NULL : find_series(c, series_uid);
}

static struct imgp_series *
add(struct imgp_scans *s, const char *study_uid,
    const char *series_uid)
{
	struct imgp_scan *c;
	struct imgp_series *r;

	if ((c = find_study(s, study_uid)) == NULL) {
		s->scan = imgp_realloc(s->scan, s->n + 1, sizeof *s->scan);
		c = &s->scan[s->n++];
		memset(c, 0, sizeof *c);
		c->study_uid = imgp_strdup(study_uid);
	}
	if ((r = find_series(c, series_uid)) == NULL) {
		c->series = imgp_realloc(c->series, c->n + 1,
		    sizeof *c->series);
		r = &c->series[c->n++];
		memset(r, 0, sizeof *r);
		r->series_uid = imgp_strdup(series_uid);
	}
	return r;
}

size_t
imgp_scans_series(const struct imgp_scans *s)
{
	size_t i, n = 0;

	for (i = 0; i < s->n; i++)
		n += s->scan[i].n;
	return n;
}

void
imgp_scans_release(struct imgp_scans *s)
{
	size_t i, k;

	for (i = 0; i < s->n; i++) {
		for (k = 0; k < s->scan[i].n; k++) {
			free(s->scan[i].series[k].series_uid);
			free(s->scan[i].series[k].atri_uid);
		}
		free(s->scan[i].series);
		free(s->scan[i].study_uid);
	}
	free(s->scan);
	s->scan = NULL;
	s->n = 0;
}

/* 1 to ${max} printable ASCII characters, none of them a blank. */
static int
is_plain(const char *s, size_t max)
{
	size_t n;

	for (n = 0; s[n] != '\0'; n++)
		if (n == max || s[n] <= ' ' || s[n] > '~')
			return 0;
	return n > 0;
}

static int
compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* An id that two series have (R61), or NULL. */
static const char *
twin(const struct imgp_scans *s)
{
	const char **ids = imgp_alloc((imgp_scans_series(s) + 1) *
	    sizeof *ids), *id = NULL;
	size_t i, k, n = 0;

	for (i = 0; i < s->n; i++)
		for (k = 0; k < s->scan[i].n; k++)
			if (s->scan[i].series[k].atri_uid != NULL)
				ids[n++] = s->scan[i].series[k].atri_uid;
	qsort(ids, n, sizeof *ids, compare_text);
	for (i = 1; i < n && id == NULL; i++)
		if (strcmp(ids[i - 1], ids[i]) == 0)
			id = ids[i];
	free(ids);
	return id;
}

static int
take_series(struct imgp_scans *s, const char *study,
    const struct imgp_json *j, struct imgp_err *e)
{
	const struct imgp_json *number = imgp_json_get(j, "series_number");
	const char *uid = imgp_json_str(imgp_json_get(j, "series_uid"));
	const struct imgp_json *given = imgp_json_get(j, "atri_uid");
	const char *id = imgp_json_str(given);
	struct imgp_series *r;
	int64_t n, count;

	if (uid == NULL || !is_plain(uid, IMGP_SCANS_UID_MAX))
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "scans: a series_uid is not a UID");
	if (find(s, study, uid) != NULL)
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "scans: a series stands twice in its study");
	if (!imgp_json_is_null(number) && imgp_json_int(number, &n) == -1)
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "scans: a series_number is not an integer");
	if (imgp_json_int(imgp_json_get(j, "number_of_instances"),
	    &count) == -1 || count <= 0)
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "scans: a number_of_instances is not positive");
	/* An id that is no string would count as absent. */
	if (id == NULL && !imgp_json_is_null(given))
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "scans: an atri_uid is not a string");
	if (id != NULL && !is_plain(id, IMGP_SCANS_ATRI_MAX))
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "scans: an atri_uid is not usable");
	r = add(s, study, uid);
	r->number_of_instances = count;
	if (!imgp_json_is_null(number)) {
		r->has_number = 1;
		r->series_number = n;
	}
	if (id != NULL)
		r->atri_uid = imgp_strdup(id);
	return 0;
}

int
imgp_scans_parse(const struct imgp_json *scans, struct imgp_scans *s,
    struct imgp_err *e)
{
	const struct imgp_json *scan, *j;
	const char *study, *id;

	s->scan = NULL;
	s->n = 0;
	for (scan = imgp_json_first(scans); scan != NULL;
	    scan = imgp_json_next(scan)) {
		study = imgp_json_str(imgp_json_get(scan, "study_uid"));
		if (study == NULL || !is_plain(study, IMGP_SCANS_UID_MAX)) {
			imgp_fail(e, IMGP_E_JOB_TYPE,
			    "scans: a study_uid is not a UID");
			goto bad;
		}
		j = imgp_json_get(scan, "series");
		if (!imgp_json_is_array(j)) {
			imgp_fail(e, IMGP_E_JOB_TYPE,
			    "scans: series is not an array");
			goto bad;
		}
		for (j = imgp_json_first(j); j != NULL; j = imgp_json_next(j))
			if (take_series(s, study, j, e) == -1)
				goto bad;
	}
	if ((id = twin(s)) != NULL) {
		imgp_fail(e, IMGP_E_JOB_TYPE,
		    "scans: two series have the atri_uid %s", id);
		goto bad;
	}
	return 0;
bad:
	imgp_scans_release(s);
	return -1;
}

static struct imgp_json *
series_json(const struct imgp_series *r, int wire)
{
	struct imgp_json *j = imgp_json_new_object();

	imgp_json_set_str(j, "series_uid", r->series_uid);
	if (r->has_number)
		imgp_json_set_int(j, "series_number", r->series_number);
	else
		imgp_json_set_null(j, "series_number");
	imgp_json_set_int(j, wire ? "number_of_instance" :
	    "number_of_instances", r->number_of_instances);
	if (!wire && r->atri_uid != NULL)
		imgp_json_set_str(j, "atri_uid", r->atri_uid);
	return j;
}

struct imgp_json *
imgp_scans_json(const struct imgp_scans *s, int wire)
{
	struct imgp_json *all = imgp_json_new_array(), *one, *list;
	size_t i, k;

	for (i = 0; i < s->n; i++) {
		one = imgp_json_new_object();
		imgp_json_set_str(one, "study_uid", s->scan[i].study_uid);
		list = imgp_json_new_array();
		for (k = 0; k < s->scan[i].n; k++)
			imgp_json_append(list,
			    series_json(&s->scan[i].series[k], wire));
		imgp_json_set(one, "series", list);
		imgp_json_append(all, one);
	}
	return all;
}

/* Every series has an id, and no two have the same. */
static int
check_ids(const struct imgp_scans *s, struct imgp_err *e)
{
	size_t i, k;

	for (i = 0; i < s->n; i++)
		for (k = 0; k < s->scan[i].n; k++)
			if (s->scan[i].series[k].atri_uid == NULL)
				return imgp_fail(e, IMGP_E_DB_REQUEST,
				    "the answer has no atri_uid for a series");
	return twin(s) == NULL ? 0 : imgp_fail(e, IMGP_E_DB_REQUEST,
	    "the answer gives one atri_uid to two series");
}

int
imgp_scans_take_ids(struct imgp_scans *s, const struct imgp_json *answer,
    struct imgp_err *e)
{
	const struct imgp_json *scan, *j;
	const char *study, *uid, *id;
	struct imgp_series *r;
	size_t i, k;

	for (i = 0; i < s->n; i++)
		for (k = 0; k < s->scan[i].n; k++) {
			free(s->scan[i].series[k].atri_uid);
			s->scan[i].series[k].atri_uid = NULL;
		}
	for (scan = imgp_json_first(imgp_json_get(answer, "scans"));
	    scan != NULL; scan = imgp_json_next(scan)) {
		study = imgp_json_str(imgp_json_get(scan, "study_uid"));
		if (study == NULL)
			study = imgp_json_str(imgp_json_get(scan, "studyuid"));
		for (j = imgp_json_first(imgp_json_get(scan, "series"));
		    j != NULL; j = imgp_json_next(j)) {
			uid = imgp_json_str(imgp_json_get(j, "series_uid"));
			id = imgp_json_str(imgp_json_get(j, "atri_uid"));
			if (study == NULL || uid == NULL || id == NULL ||
			    (r = find(s, study, uid)) == NULL)
				continue;	/* not one of ours */
			if (!is_plain(id, IMGP_SCANS_ATRI_MAX))
				return imgp_fail(e, IMGP_E_DB_REQUEST,
				    "the answer has an atri_uid that is not "
				    "usable");
			free(r->atri_uid);
			r->atri_uid = imgp_strdup(id);
		}
	}
	return check_ids(s, e);
}
