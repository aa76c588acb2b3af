#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/text.h"
#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/members.h"
#include "libimgpipe/report/report.h"

#define TEXT_MAX	1000

const char *
imgp_outcome_name(enum imgp_outcome o)
{
	static const char *const name[IMGP_N_OUTCOMES] = { "delivered",
	    "delivered with errors", "failed, to be tried again",
	    "failed for good", "unfinished", "skipped" };

	return name[o];
}

enum imgp_outcome
imgp_report_outcome(struct imgp_job *job)
{
	const char *status = imgp_job_sub_str(job, "edc_pipeline_file",
	    "status");
	const struct imgp_json *i;
	const char *stage;

	if (imgp_job_standing(job) == IMGP_SKIPPED)
		return IMGP_PASSED_OVER;
	for (i = imgp_json_first(imgp_job_get(job, "errors")); i != NULL;
	    i = imgp_json_next(i)) {
		stage = imgp_json_str(imgp_json_get(i, "stage"));
		if (stage != NULL && strcmp(stage, "finish") == 0)
			return IMGP_UNFINISHED;
	}
	if (imgp_job_standing(job) == IMGP_FAILED)
		return imgp_job_is_final(job) ? IMGP_FOR_GOOD : IMGP_TO_RETRY;
	if (status == NULL || strcmp(status, "Completed") != 0)
		return IMGP_UNFINISHED;
	return imgp_job_has_errors(job) ? IMGP_WITH_ERRORS : IMGP_DELIVERED;
}

/* --- the allow-list ------------------------------------------------------ */

static void
tell_str(struct imgp_json *to, const char *key, const struct imgp_json *v)
{
	char clean[TEXT_MAX];
	const char *s = imgp_json_str(v);

	if (s == NULL)
		return;
	imgp_printable(clean, sizeof clean, s, strlen(s));
	imgp_json_set_str(to, key, clean);
}

static void
tell_int(struct imgp_json *to, const char *key, const struct imgp_json *v)
{
	int64_t n;

	if (imgp_json_int(v, &n) == 0)
		imgp_json_set_int(to, key, n);
}

static void
tell_bool(struct imgp_json *to, const char *key, const struct imgp_json *v)
{
	int b = imgp_json_bool(v);

	if (b != -1)
		imgp_json_set_bool(to, key, b);
}

static void
tell_hex(struct imgp_json *to, const char *key, const struct imgp_json *v)
{
	const char *s = imgp_json_str(v);

	if (s != NULL && strlen(s) == 64 &&
	    s[strspn(s, "0123456789abcdef")] == '\0')
		imgp_json_set_str(to, key, s);
}

/* A key made of letters and such, as stages, places and kinds are. */
static int
is_word(const char *s)
{
	return s[0] != '\0' && strlen(s) <= 32 &&
	    s[strspn(s, "abcdefghijklmnopqrstuvwxyz_0123456789")] == '\0';
}

typedef void tell(struct imgp_json *to, const char *key,
    const struct imgp_json *v);

/* An object whose keys are words. */
static void
tell_map(struct imgp_json *to, const char *key, const struct imgp_json *v,
    tell *one)
{
	struct imgp_json *o;
	const struct imgp_json *i;

	if (!imgp_json_is_object(v))
		return;
	o = imgp_json_new_object();
	for (i = imgp_json_first(v); i != NULL; i = imgp_json_next(i))
		if (is_word(imgp_json_key(i)))
			one(o, imgp_json_key(i), i);
	imgp_json_set(to, key, o);
}

static void
tell_ints(struct imgp_json *to, const char *key, const struct imgp_json *v)
{
	tell_map(to, key, v, tell_int);
}

static void
tell_hexes(struct imgp_json *to, const char *key, const struct imgp_json *v)
{
	tell_map(to, key, v, tell_hex);
}

static void
tell_row(struct imgp_json *to, const char *key, const struct imgp_json *v)
{
	static const char *const str[] = { "status", "file_name", "ts_create" };
	static const char *const num[] = { "id", "revision_number", "attempt" };
	struct imgp_json *o;
	size_t i;

	if (!imgp_json_is_object(v))
		return;
	o = imgp_json_new_object();
	for (i = 0; i < sizeof num / sizeof *num; i++)
		tell_int(o, num[i], imgp_json_get(v, num[i]));
	for (i = 0; i < sizeof str / sizeof *str; i++)
		tell_str(o, str[i], imgp_json_get(v, str[i]));
	tell_bool(o, "has_error", imgp_json_get(v, "has_error"));
	imgp_json_set(to, key, o);
}

static void
tell_errors(struct imgp_json *to, const char *key, const struct imgp_json *v)
{
	struct imgp_json *list, *o;
	const struct imgp_json *i;
	const char *code, *stage;

	if (!imgp_json_is_array(v))
		return;
	list = imgp_json_new_array();
	for (i = imgp_json_first(v); i != NULL; i = imgp_json_next(i)) {
		code = imgp_json_str(imgp_json_get(i, "error_code"));
		stage = imgp_json_str(imgp_json_get(i, "stage"));
		o = imgp_json_new_object();
		if (stage != NULL && is_word(stage))
			imgp_json_set_str(o, "stage", stage);
		if (imgp_error_find(code) != NULL) {
			imgp_json_set_str(o, "error_code", code);
			tell_str(o, "error", imgp_json_get(i, "error"));
		} else
			imgp_json_set_str(o, "error_code", "unknown");
		tell_bool(o, "fatal", imgp_json_get(i, "fatal"));
		tell_bool(o, "retryable", imgp_json_get(i, "retryable"));
		tell_int(o, "attempt", imgp_json_get(i, "attempt"));
		imgp_json_append(list, o);
	}
	imgp_json_set(to, key, list);
}

/* The number of series and instances; UIDs stay in the record. */
static void
tell_scans(struct imgp_json *to, const char *key, const struct imgp_json *v)
{
	const struct imgp_json *i, *s;
	int64_t series = 0, instances = 0, n;
	struct imgp_json *o;

	if (!imgp_json_is_array(v))
		return;
	for (i = imgp_json_first(v); i != NULL; i = imgp_json_next(i))
		for (s = imgp_json_first(imgp_json_get(i, "series"));
		    s != NULL; s = imgp_json_next(s)) {
			series++;
			if (imgp_json_int(imgp_json_get(s,
			    "number_of_instances"), &n) == 0 && n > 0 &&
			    n < INT64_MAX - instances)
				instances += n;
		}
	o = imgp_json_new_object();
	imgp_json_set_int(o, "studies", (int64_t)imgp_json_count(v));
	imgp_json_set_int(o, "series", series);
	imgp_json_set_int(o, "instances", instances);
	imgp_json_set(to, key, o);
}

static int
is_atriuid(const char *s)
{
	size_t a = strspn(s, "0123456789"), b;

	if (a == 0 || a > 19 || s[a] != '.')
		return 0;
	b = strspn(s + a + 1, "0123456789");
	return b > 0 && b <= 19 && s[a + 1 + b] == '\0';
}

/* Collect the strings of ${v}, at any depth, that are ATRIUIDs; count the others. */
static void
collect(const struct imgp_json *v, struct imgp_json *ids, int64_t *others)
{
	const struct imgp_json *i;
	const char *s = imgp_json_str(v);

	if (s != NULL && is_atriuid(s))
		imgp_json_append_str(ids, s);
	else if (s != NULL)
		++*others;
	if (imgp_json_is_array(v) || imgp_json_is_object(v))
		for (i = imgp_json_first(v); i != NULL; i = imgp_json_next(i))
			collect(i, ids, others);
}

static void
tell_replaced(struct imgp_json *to, const char *key, const struct imgp_json *v)
{
	struct imgp_json *o = imgp_json_new_object();
	struct imgp_json *ids = imgp_json_new_array();
	int64_t others = 0;

	collect(v, ids, &others);
	imgp_json_set(o, "atri_uids", ids);
	imgp_json_set_int(o, "others", others);
	imgp_json_set(to, key, o);
}

/* How each object or array is copied; one that is not listed is left out. */
static const struct {
	const char	*name;
	tell		*how;
} compounds[] = {
	{ "edc_pipeline_file", tell_row }, { "sha256", tell_hexes },
	{ "bytes", tell_ints }, { "scans", tell_scans },
	{ "listing", tell_ints }, { "retries", tell_ints },
	{ "stage_ms", tell_ints },
	{ "replaced", tell_replaced }, { "warnings", tell_errors },
	{ "errors", tell_errors },
};

static void
tell_member(struct imgp_json *to, const struct imgp_member *m,
    const struct imgp_json *v)
{
	size_t i;

	for (i = 0; i < sizeof compounds / sizeof *compounds; i++)
		if (strcmp(compounds[i].name, m->name) == 0) {
			compounds[i].how(to, m->name, v);
			return;
		}
	if (m->types & IMGP_MEMBER_INT)
		tell_int(to, m->name, v);
	else if (m->types & IMGP_MEMBER_BOOL)
		tell_bool(to, m->name, v);
	else if (m->types & IMGP_MEMBER_STR)
		tell_str(to, m->name, v);
}

struct imgp_json *
imgp_report_job(struct imgp_job *job)
{
	struct imgp_json *told = imgp_json_new_object();
	const struct imgp_member *m;
	const struct imgp_json *v;

	for (m = imgp_members; m->name != NULL; m++)
		if ((m->flags & IMGP_MEMBER_TOLD) != 0 &&
		    (v = imgp_job_get(job, m->name)) != NULL)
			tell_member(told, m, v);
	return told;
}

/* --- for people ---------------------------------------------------------- */

void
imgp_report_line(struct imgp_buf *b, const char *what, const struct imgp_json *v)
{
	const char *s = imgp_json_str(v);
	int64_t i;

	if (s != NULL)
		imgp_buf_printf(b, "%-13s%s\n", what, s);
	else if (imgp_json_int(v, &i) == 0)
		imgp_buf_printf(b, "%-13s%lld\n", what, (long long)i);
}

void
imgp_report_optional(struct imgp_buf *b, const char *indent,
    const struct imgp_json *told)
{
	const struct imgp_member *m;
	char *what;

	for (m = imgp_members; m->name != NULL; m++) {
		if ((m->flags & IMGP_MEMBER_OPTIONAL) == 0)
			continue;
		what = imgp_asprintf("%s%s", indent, m->name);
		imgp_report_line(b, what, imgp_json_get(told, m->name));
		free(what);
	}
}

void
imgp_report_error(struct imgp_buf *out, const char *indent,
    const struct imgp_json *error)
{
	const char *code = imgp_json_str(imgp_json_get(error, "error_code"));
	const char *stage = imgp_json_str(imgp_json_get(error, "stage"));
	const char *said = imgp_json_str(imgp_json_get(error, "error"));
	const struct imgp_error *row = imgp_error_find(code);
	char clean[TEXT_MAX];

	imgp_buf_printf(out, "%s%s at %s%s\n", indent,
	    row == NULL ? "an error without a known code" : row->code,
	    stage == NULL || !is_word(stage) ? "an unknown stage" : stage,
	    imgp_json_bool(imgp_json_get(error, "fatal")) == 1 ? "" :
	    ", not fatal");
	if (row == NULL)
		return;
	imgp_buf_printf(out, "%s  means   %s\n", indent, row->meaning);
	imgp_buf_printf(out, "%s  do      %s\n", indent, row->action);
	if (said == NULL || said[0] == '\0')
		return;
	imgp_printable(clean, sizeof clean, said, strlen(said));
	imgp_buf_printf(out, "%s  said    %s\n", indent, clean);
}
