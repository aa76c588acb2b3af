#include <stdlib.h>
#include <string.h>

#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/job.h"
#include "libimgpipe/job/members.h"

struct member {
	char		 *key;
	char		 *text;		/* of the value; in line or in owned */
	size_t		  len;
	char		 *owned;
	struct imgp_json *val;		/* parsed, or NULL until asked for */
};

struct imgp_job {
	char		*line;		/* what was read; text points into it */
	struct member	*m;
	size_t		 n;
	size_t		 size;
	size_t		 number;	/* of its line; 0: none was noted */
	int64_t		 taken;		/* clock_ms; 0: not noted */
};

static struct member *
find(const struct imgp_job *job, const char *name)
{
	size_t i;

	for (i = 0; i < job->n; i++)
		if (strcmp(job->m[i].key, name) == 0)
			return &job->m[i];
	return NULL;
}

static struct member *
append(struct imgp_job *job, const char *name)
{
	struct member *m;

	if (job->n == job->size) {
		job->size = job->size == 0 ? 32 : job->size * 2;
		job->m = imgp_realloc(job->m, job->size, sizeof *job->m);
	}
	m = &job->m[job->n++];
	memset(m, 0, sizeof *m);
	m->key = imgp_strdup(name);
	return m;
}

static void
forget(struct member *m)
{
	free(m->owned);
	imgp_json_free(m->val);
	m->owned = m->text = NULL;
	m->val = NULL;
	m->len = 0;
}

/* The value, parsed once; it was checked when the line was read. */
static const struct imgp_json *
value(struct member *m)
{
	if (m->val == NULL)
		m->val = imgp_json_parse(m->text, m->len, NULL);
	return m->val;
}

struct reading {
	struct imgp_job	*job;
	const char	*line;
};

static void
take_member(void *arg, const char *key, const char *text, size_t len)
{
	struct reading *r = arg;
	struct member *m = append(r->job, key);

	m->text = r->job->line + (text - r->line);
	m->len = len;
}

static int
has_type(struct member *m, unsigned int types)
{
	int64_t n;

	switch (m->text[0]) {
	case '"':
		return (types & IMGP_MEMBER_STR) != 0;
	case '{':
		return (types & IMGP_MEMBER_OBJ) != 0;
	case '[':
		return (types & IMGP_MEMBER_ARR) != 0;
	case 'n':
		return 1;
	case 't': case 'f':
		return (types & IMGP_MEMBER_BOOL) != 0;
	default:
		return (types & IMGP_MEMBER_NUM) != 0 || ((types & IMGP_MEMBER_INT) != 0 &&
		    imgp_json_int(value(m), &n) == 0);
	}
}

/* "errors" decides how a job stands, so its entries are looked at. */
static int
check_errors(struct member *m, struct imgp_err *e)
{
	const struct imgp_json *i;

	for (i = imgp_json_first(value(m)); i != NULL; i = imgp_json_next(i))
		if (imgp_json_str(imgp_json_get(i, "error_code")) == NULL ||
		    imgp_json_bool(imgp_json_get(i, "fatal")) == -1)
			return imgp_fail(e, IMGP_E_JOB_TYPE, "an entry of "
			    "\"errors\" has no error_code or no fatal");
	return 0;
}

static int
check_types(struct imgp_job *job, struct imgp_err *e)
{
	const struct imgp_member *known;
	struct member *m;
	int64_t n;

	for (known = imgp_members; known->name != NULL; known++)
		if ((m = find(job, known->name)) != NULL &&
		    !has_type(m, known->types))
			return imgp_fail(e, IMGP_E_JOB_TYPE,
			    "\"%s\" is of the wrong type", known->name);
	if (imgp_job_int(job, "v", &n) == 0 && n != 1)
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "\"v\" is not 1: written by another version of imgpipe");
	if (imgp_job_int(job, "subject_event_crf_file_id", &n) == 0 && n < 1)
		return imgp_fail(e, IMGP_E_JOB_TYPE,
		    "\"subject_event_crf_file_id\" is not positive");
	if ((m = find(job, "errors")) != NULL)
		return check_errors(m, e);
	return 0;
}

struct imgp_job *
imgp_job_parse(const char *line, size_t len, struct imgp_err *e)
{
	struct imgp_job *job = imgp_alloc(sizeof *job);
	struct reading r = { job, line };

	if (len <= IMGP_JSON_MAX)
		job->line = imgp_strndup(line, len);
	if (imgp_json_check(line, len, take_member, &r, e) == -1 ||
	    check_types(job, e) == -1) {
		imgp_job_free(job);
		return NULL;
	}
	return job;
}

struct imgp_job *
imgp_job_new(void)
{
	struct imgp_job *job = imgp_alloc(sizeof *job);

	imgp_job_set_int(job, "v", 1);
	return job;
}

struct imgp_job *
imgp_job_of_input(const char *line, size_t len)
{
	struct imgp_job *job = imgp_job_new();
	struct imgp_buf b = IMGP_BUF_INIT;
	size_t i;

	for (i = 0; i < len && i < 200; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c >= 0x20 && c < 0x7f)
			imgp_buf_add(&b, line + i, 1);
		else
			imgp_buf_printf(&b, "\\x%02x", (unsigned int)c);
	}
	imgp_job_set_str(job, "input", b.s);
	imgp_buf_release(&b);
	return job;
}

void
imgp_job_note_line(struct imgp_job *job, size_t number)
{
	job->number = number;
}

size_t
imgp_job_line(const struct imgp_job *job)
{
	return job->number;
}

void
imgp_job_note_taken(struct imgp_job *job, int64_t ms)
{
	job->taken = ms;
}

int64_t
imgp_job_taken(const struct imgp_job *job)
{
	return job->taken;
}

void
imgp_job_free(struct imgp_job *job)
{
	size_t i;

	if (job == NULL)
		return;
	for (i = 0; i < job->n; i++) {
		forget(&job->m[i]);
		free(job->m[i].key);
	}
	free(job->m);
	free(job->line);
	free(job);
}

void
imgp_job_print(const struct imgp_job *job, struct imgp_buf *out)
{
	size_t i;

	imgp_buf_puts(out, "{");
	for (i = 0; i < job->n; i++) {
		if (i != 0)
			imgp_buf_puts(out, ",");
		imgp_json_quote(out, job->m[i].key, strlen(job->m[i].key));
		imgp_buf_puts(out, ":");
		imgp_buf_add(out, job->m[i].text, job->m[i].len);
	}
	imgp_buf_puts(out, "}");
}

const struct imgp_json *
imgp_job_get(struct imgp_job *job, const char *name)
{
	struct member *m = find(job, name);

	return m == NULL || imgp_json_is_null(value(m)) ? NULL : value(m);
}

const char *
imgp_job_name(const struct imgp_job *job, size_t i)
{
	return i < job->n ? job->m[i].key : NULL;
}

int
imgp_job_is_same(const struct imgp_job *a, const struct imgp_job *b,
    const char *name)
{
	const struct member *x = find(a, name), *y = find(b, name);

	if (x == NULL || y == NULL)
		return x == y;
	return x->len == y->len && memcmp(x->text, y->text, x->len) == 0;
}

const char *
imgp_job_str(struct imgp_job *job, const char *name)
{
	return imgp_json_str(imgp_job_get(job, name));
}

int
imgp_job_int(struct imgp_job *job, const char *name, int64_t *out)
{
	return imgp_json_int(imgp_job_get(job, name), out);
}

int64_t
imgp_job_id(struct imgp_job *job)
{
	int64_t n;

	return imgp_job_int(job, "subject_event_crf_file_id", &n) == 0 ? n : 0;
}

int64_t
imgp_job_file_id(struct imgp_job *job)
{
	int64_t n;

	return imgp_job_sub_int(job, "edc_pipeline_file", "id", &n) == 0 &&
	    n > 0 ? n : 0;
}

const char *
imgp_job_need_str(struct imgp_job *job, const char *name, struct imgp_err *e)
{
	const char *s = imgp_job_str(job, name);

	if (s == NULL)
		imgp_fail(e, IMGP_E_JOB_TYPE, "the job line has no \"%s\"",
		    name);
	return s;
}

int
imgp_job_need_int(struct imgp_job *job, const char *name, int64_t *out,
    struct imgp_err *e)
{
	if (imgp_job_int(job, name, out) == 0)
		return 0;
	return imgp_fail(e, IMGP_E_JOB_TYPE, "the job line has no \"%s\"", name);
}

const char *
imgp_job_sub_str(struct imgp_job *job, const char *name, const char *key)
{
	return imgp_json_str(imgp_json_get(imgp_job_get(job, name), key));
}

int
imgp_job_sub_int(struct imgp_job *job, const char *name, const char *key,
    int64_t *out)
{
	return imgp_json_int(imgp_json_get(imgp_job_get(job, name), key), out);
}

/* Put ${j}, which is taken over, in the place of the member, or at the end. */
void
imgp_job_set(struct imgp_job *job, const char *name, struct imgp_json *j)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct member *m = find(job, name);

	imgp_json_print(j, &b);
	if (m == NULL)
		m = append(job, name);
	else
		forget(m);
	m->len = b.len;
	m->text = m->owned = imgp_buf_steal(&b);
	m->val = j;
}

void
imgp_job_set_str(struct imgp_job *job, const char *name, const char *s)
{
	imgp_job_set(job, name, imgp_json_new_str(s));
}

void
imgp_job_set_int(struct imgp_job *job, const char *name, int64_t n)
{
	imgp_job_set(job, name, imgp_json_new_int(n));
}

void
imgp_job_set_bool(struct imgp_job *job, const char *name, int b)
{
	imgp_job_set(job, name, imgp_json_new_bool(b));
}

/* A copy of the member, or a new empty one, to be changed and set again. */
static struct imgp_json *
copy_or_new(struct imgp_job *job, const char *name, int array)
{
	const struct imgp_json *j = imgp_job_get(job, name);

	if (j != NULL && (array ? imgp_json_is_array(j) :
	    imgp_json_is_object(j)))
		return imgp_json_copy(j);
	return array ? imgp_json_new_array() : imgp_json_new_object();
}

void
imgp_job_set_sub_str(struct imgp_job *job, const char *name, const char *key,
    const char *s)
{
	struct imgp_json *o = copy_or_new(job, name, 0);

	imgp_json_set_str(o, key, s);
	imgp_job_set(job, name, o);
}

void
imgp_job_set_sub_int(struct imgp_job *job, const char *name, const char *key,
    int64_t n)
{
	struct imgp_json *o = copy_or_new(job, name, 0);

	imgp_json_set_int(o, key, n);
	imgp_job_set(job, name, o);
}

void
imgp_job_remove(struct imgp_job *job, const char *name)
{
	struct member *m = find(job, name);
	size_t i;

	if (m == NULL)
		return;
	forget(m);
	free(m->key);
	i = (size_t)(m - job->m);
	memmove(m, m + 1, (job->n - i - 1) * sizeof *m);
	job->n--;
}

enum imgp_standing
imgp_job_standing(struct imgp_job *job)
{
	const struct imgp_json *i;

	if (imgp_job_get(job, "skip") != NULL)
		return IMGP_SKIPPED;
	for (i = imgp_json_first(imgp_job_get(job, "errors")); i != NULL;
	    i = imgp_json_next(i))
		if (imgp_json_bool(imgp_json_get(i, "fatal")) == 1)
			return IMGP_FAILED;
	return IMGP_GOING_ON;
}

int
imgp_job_has_errors(struct imgp_job *job)
{
	return imgp_json_first(imgp_job_get(job, "errors")) != NULL;
}

void
imgp_job_skip(struct imgp_job *job, const char *code)
{
	imgp_job_set_str(job, "skip", code);
}

static void
add_entry(struct imgp_job *job, const char *list, const char *stage,
    const struct imgp_err *e, int fatal)
{
	const char *code = e->code == NULL ? IMGP_E_INTERNAL : e->code;
	const struct imgp_error *row = imgp_error_find(code);
	struct imgp_json *a = copy_or_new(job, list, 1);
	struct imgp_json *o = imgp_json_new_object();

	imgp_json_set_str(o, "stage", stage);
	imgp_json_set_str(o, "error_code", code);
	imgp_json_set_str(o, "class", row == NULL ? "internal" : row->class);
	imgp_json_set_str(o, "error", e->msg);
	if (fatal != -1)
		imgp_json_set_bool(o, "fatal", fatal);
	imgp_json_set_bool(o, "retryable", row != NULL && row->retryable);
	imgp_json_append(a, o);
	imgp_job_set(job, list, a);
}

void
imgp_job_error(struct imgp_job *job, const char *stage,
    const struct imgp_err *e, int fatal)
{
	add_entry(job, "errors", stage, e, fatal ||
	    imgp_fault_is_fatal(stage, e->code));
}

void
imgp_job_warn(struct imgp_job *job, const char *stage, const struct imgp_err *e)
{
	add_entry(job, "warnings", stage, e, -1);
}

void
imgp_job_retried(struct imgp_job *job, const char *stage, int64_t n)
{
	int64_t before = 0;

	if (n <= 0)
		return;
	imgp_job_sub_int(job, "retries", stage, &before);
	imgp_job_set_sub_int(job, "retries", stage, before + n);
}
