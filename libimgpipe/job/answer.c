#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/hex.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/job/answer.h"
#include "libimgpipe/job/job_dicom.h"
#include "libimgpipe/job/members.h"

#define ENTRIES		128	/* new ones, of "errors" or "warnings" */
#define REPLACED	64
#define KINDS		64
#define WORD		32	/* characters */
#define NOTE		1024	/* bytes */
#define COUNT		UINT32_MAX	/* limit_members is no more */

/* What is being taken: checked first (${job} NULL), then done. */
struct taking {
	struct imgp_job	*job;
	const char	*stage;
	size_t		 before;	/* entries that the list had */
};

/* 0: ${v} is as it may be, and set; -1: it is not. */
typedef int take(struct taking *t, const struct imgp_json *v);

static int
is_word(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_");

	return n > 0 && n <= WORD && s[n] == '\0';
}

/* As many as the scan may find.  Asked before they are compared with each other. */
static int
has_few_series(const struct imgp_json *v)
{
	const struct imgp_json *i;
	long long most;
	size_t n = 0;

	if (imgp_parse_int(imgp_conf(NULL, "limit_series"), 1, UINT32_MAX,
	    &most) == -1 || imgp_json_count(v) > (size_t)most)
		return 0;
	for (i = imgp_json_first(v); i != NULL; i = imgp_json_next(i))
		n += imgp_json_count(imgp_json_get(i, "series"));
	return n <= (size_t)most;
}

/* What a scan can find: numbers that an IS has, and sums that can be added up. */
static int
is_found(const struct imgp_series *s, int64_t *instances)
{
	/* The ids are the record's to give. */
	if (s->atri_uid != NULL || (s->has_number &&
	    (s->series_number < INT32_MIN || s->series_number > INT32_MAX)) ||
	    s->number_of_instances > COUNT - *instances)
		return 0;
	*instances += s->number_of_instances;
	return 1;
}

static int
take_scans(struct taking *t, const struct imgp_json *v)
{
	struct imgp_scans scans = IMGP_SCANS_INIT;
	int64_t instances = 0;
	size_t i, k;
	int rc;

	if (!imgp_json_is_array(v) || !has_few_series(v) ||
	    (rc = imgp_scans_parse(v, &scans, NULL)) == -1)
		return -1;
	for (i = 0; i < scans.n; i++)
		for (k = 0; k < scans.scan[i].n; k++)
			if (!is_found(&scans.scan[i].series[k], &instances))
				rc = -1;
	if (rc == 0 && t->job != NULL)
		imgp_job_set_scans(t->job, &scans);
	imgp_scans_release(&scans);
	return rc;
}

static int
take_listing(struct taking *t, const struct imgp_json *v)
{
	const struct imgp_json *i;
	int64_t n;

	if (!imgp_json_is_object(v) || imgp_json_count(v) > KINDS)
		return -1;
	for (i = imgp_json_first(v); i != NULL; i = imgp_json_next(i))
		if (!is_word(imgp_json_key(i)) || imgp_json_int(i, &n) == -1 ||
		    n < 0 || n > COUNT)
			return -1;
	if (t->job != NULL)
		imgp_job_set(t->job, "listing", imgp_json_copy(v));
	return 0;
}

static int
take_replaced(struct taking *t, const struct imgp_json *v)
{
	const struct imgp_json *i;
	const char *s;
	size_t n;

	if (!imgp_json_is_array(v) || imgp_json_count(v) > REPLACED)
		return -1;
	for (i = imgp_json_first(v); i != NULL; i = imgp_json_next(i)) {
		if ((s = imgp_json_str(i)) == NULL)
			return -1;
		n = strspn(s, "0123456789.");
		if (n == 0 || n > IMGP_SCANS_ATRI_MAX || s[n] != '\0')
			return -1;
	}
	if (t->job != NULL)
		imgp_job_set(t->job, "replaced", imgp_json_copy(v));
	return 0;
}

static int
take_sum(struct taking *t, const struct imgp_json *v)
{
	const char *hex = imgp_json_str(imgp_json_get(v, "local"));

	if (hex == NULL)
		return imgp_json_is_object(v) ? 0 : -1;
	if (!imgp_hex_is_sha256(hex))
		return -1;
	if (t->job != NULL)
		imgp_job_set_sub_str(t->job, "sha256", "local", hex);
	return 0;
}

static int
take_size(struct taking *t, const struct imgp_json *v)
{
	const struct imgp_json *local = imgp_json_get(v, "local");
	int64_t n;

	if (local == NULL)
		return imgp_json_is_object(v) ? 0 : -1;
	if (imgp_json_int(local, &n) == -1 || n < 0)
		return -1;
	if (t->job != NULL)
		imgp_job_set_sub_int(t->job, "bytes", "local", n);
	return 0;
}

/* One entry of "errors" or "warnings" as ${e}; -1: it is not as it may be. */
static int
read_entry(const struct taking *t, const struct imgp_json *entry,
    struct imgp_err *e)
{
	const char *stage = imgp_json_str(imgp_json_get(entry, "stage"));
	const char *msg = imgp_json_str(imgp_json_get(entry, "error"));
	const struct imgp_error *row = imgp_error_find(imgp_json_str(
	    imgp_json_get(entry, "error_code")));

	if (stage == NULL || strcmp(stage, t->stage) != 0 || row == NULL ||
	    row->owner == IMGP_OWNER_NONE || msg == NULL ||
	    strlen(msg) >= sizeof e->msg)
		return -1;
	imgp_fail(e, row->code, "%s", msg);
	return strcmp(e->msg, msg) == 0 ? 0 : -1;	/* it is printable */
}

/* The entries after those that were there. */
static const struct imgp_json *
first_new(const struct taking *t, const struct imgp_json *list)
{
	const struct imgp_json *i = imgp_json_first(list);
	size_t n;

	for (n = t->before; n > 0 && i != NULL; n--)
		i = imgp_json_next(i);
	return i;
}

static int
take_entries(struct taking *t, const struct imgp_json *v,
    void (*add)(struct taking *, const struct imgp_json *,
    const struct imgp_err *))
{
	const struct imgp_json *i;
	struct imgp_err e;

	if (!imgp_json_is_array(v) || imgp_json_count(v) < t->before ||
	    imgp_json_count(v) - t->before > ENTRIES)
		return -1;
	for (i = first_new(t, v); i != NULL; i = imgp_json_next(i)) {
		if (read_entry(t, i, &e) == -1)
			return -1;
		if (t->job != NULL)
			add(t, i, &e);
	}
	return 0;
}

static void
add_warning(struct taking *t, const struct imgp_json *entry,
    const struct imgp_err *e)
{
	(void)entry;
	imgp_job_warn(t->job, t->stage, e);
}

static void
add_error(struct taking *t, const struct imgp_json *entry,
    const struct imgp_err *e)
{
	const struct imgp_error *row = imgp_error_find(e->code);

	imgp_job_error(t->job, t->stage, e, row->retryable || row->owner !=
	    IMGP_OWNER_UPLOAD || imgp_json_bool(imgp_json_get(entry, "fatal")) == 1);
}

static int
take_warnings(struct taking *t, const struct imgp_json *v)
{
	return take_entries(t, v, add_warning);
}

static int
take_errors(struct taking *t, const struct imgp_json *v)
{
	return take_entries(t, v, add_error);
}

/* Ours to say, by the errors: a program that is a filter of ours says it, too. */
static int
take_ok(struct taking *t, const struct imgp_json *v)
{
	(void)t;
	return imgp_json_bool(v) == -1 ? -1 : 0;
}

/* What a site's program notes for itself: words and numbers. */
static int
take_extra(struct taking *t, const struct imgp_json *v)
{
	const struct imgp_json *i;
	const char *s;
	int64_t n;

	if (!imgp_json_is_object(v) || imgp_json_count(v) > KINDS)
		return -1;
	for (i = imgp_json_first(v); i != NULL; i = imgp_json_next(i)) {
		s = imgp_json_str(i);
		if (!is_word(imgp_json_key(i)) ||
		    (s == NULL && imgp_json_int(i, &n) == -1) ||
		    (s != NULL && strlen(s) > NOTE))
			return -1;
	}
	if (t->job != NULL)
		imgp_job_set(t->job, "extra", imgp_json_copy(v));
	return 0;
}

/* What the process of a stage may add. */
static const struct {
	const char	*stage, *member;
	take		*take;
} may_add[] = {
	{ "scan", "scans", take_scans },
	{ "scan", "listing", take_listing },
	{ "scan", "warnings", take_warnings },
	{ "scan", "errors", take_errors },
	{ "stamp", "replaced", take_replaced },
	{ "stamp", "sha256", take_sum },
	{ "stamp", "bytes", take_size },
	{ "stamp", "warnings", take_warnings },
	{ "stamp", "errors", take_errors },
	{ "extra", "extra", take_extra },
	{ "extra", "warnings", take_warnings },
	{ "extra", "errors", take_errors },
	{ "extra", "ok", take_ok },
	/* imgp-stamp -o: no line comes of it */
	{ "stamp-file", "listing", take_listing },
	{ "stamp-file", "warnings", take_warnings },
	{ "stamp-file", "errors", take_errors },
};

static take *
taker(const char *stage, const char *member)
{
	size_t i;

	for (i = 0; i < sizeof may_add / sizeof *may_add; i++)
		if (strcmp(may_add[i].stage, stage) == 0 &&
		    strcmp(may_add[i].member, member) == 0)
			return may_add[i].take;
	return NULL;
}

/* Is every member of ${answer} our own, or one to be taken? */
static int
check(struct imgp_job *job, struct imgp_job *answer, const char *stage,
    const char *died, struct imgp_err *e)
{
	struct taking t = { NULL, stage, 0 };
	const char *name;
	take *fn;
	size_t i;

	for (i = 0; (name = imgp_job_name(answer, i)) != NULL; i++) {
		if (imgp_job_is_same(job, answer, name))
			continue;
		if ((fn = taker(stage, name)) == NULL)
			return imgp_fail(e, died, "the process answered for "
			    "another job: it has another \"%s\"",
			    imgp_member_find(name) == NULL ? "?" : name);
		t.before = imgp_json_count(imgp_job_get(job, name));
		if (fn(&t, imgp_job_get(answer, name)) == -1)
			return imgp_fail(e, died,
			    "the process answered a \"%s\" that may not be",
			    name);
	}
	return 0;
}

int
imgp_answer_take(struct imgp_job *job, const char *stage, const char *line, size_t len,
    const char *died, struct imgp_err *e)
{
	struct taking t = { job, stage, 0 };
	struct imgp_job *answer;
	struct imgp_err why;
	const char *name;
	size_t i;

	if (memchr(line, '\n', len) != NULL)
		return imgp_fail(e, died, "the process answered by more lines "
		    "than it was given");
	if ((answer = imgp_job_parse(line, len, &why)) == NULL)
		return imgp_fail(e, died, "the process answered no job: %.200s",
		    why.msg);
	if (check(job, answer, stage, died, e) == -1) {
		imgp_job_free(answer);
		return -1;
	}
	for (i = 0; (name = imgp_job_name(answer, i)) != NULL; i++)
		if (!imgp_job_is_same(job, answer, name)) {
			t.before = imgp_json_count(imgp_job_get(job, name));
			taker(stage, name)(&t, imgp_job_get(answer, name));
		}
	imgp_job_free(answer);
	return 0;
}
