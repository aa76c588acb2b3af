#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/opt.h"
#include "libimgpipe/base/parse.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/base/text.h"
#include "libimgpipe/job/fault.h"
#include "libimgpipe/job/tally.h"

#define MAX_REASONS	16

struct reason {
	char	code[48];
	size_t	n;
};

struct imgp_tally {
	size_t	jobs;
	size_t	delivered;
	size_t	with_errors;
	size_t	failed;		/* all of them */
	size_t	retryable;	/* of which a later run may deliver */
	size_t	unfinished;	/* neither delivered nor failed */
	size_t	skipped;
	struct reason reasons[MAX_REASONS];
	size_t	nreasons;
	int	status;
};

struct imgp_tally *
imgp_tally_new(void)
{
	return imgp_alloc(sizeof(struct imgp_tally));
}

void
imgp_tally_free(struct imgp_tally *t)
{
	free(t);
}

static void
count_reason(struct imgp_tally *t, const char *code)
{
	size_t i;

	t->skipped++;
	for (i = 0; i < t->nreasons; i++)
		if (strcmp(t->reasons[i].code, code) == 0)
			break;
	if (i == t->nreasons) {
		if (i == MAX_REASONS)
			return;
		snprintf(t->reasons[i].code, sizeof t->reasons[i].code, "%s",
		    code);
		t->nreasons++;
	}
	t->reasons[i].n++;
}

void
imgp_tally_add(struct imgp_tally *t, const char *line, size_t len)
{
	struct imgp_job *job = imgp_job_parse(line, len, NULL);
	const char *status;

	t->jobs++;
	if (job == NULL) {
		t->failed++;
		t->status = imgp_exit_worse(t->status, IMGP_EX_ERRORS);
		return;
	}
	t->status = imgp_exit_worse(t->status, imgp_job_exit(job));
	status = imgp_job_sub_str(job, "edc_pipeline_file", "status");
	switch (imgp_job_standing(job)) {
	case IMGP_SKIPPED:
		count_reason(t, imgp_job_str(job, "skip"));
		break;
	case IMGP_FAILED:
		t->failed++;
		t->retryable += !imgp_job_is_final(job);
		break;
	case IMGP_GOING_ON:
		if (status == NULL || strcmp(status, "Completed") != 0)
			t->unfinished++;
		else if (imgp_job_has_errors(job))
			t->with_errors++;
		else
			t->delivered++;
	}
	imgp_job_free(job);
}

int
imgp_tally_exit(const struct imgp_tally *t)
{
	return t->status;
}

/* Append to ${dst}, cut to fit. */
static void __attribute__((__format__(printf, 3, 4)))
add(char *dst, size_t size, const char *fmt, ...)
{
	size_t len = strlen(dst);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(dst + len, size - len, fmt, ap);
	va_end(ap);
}

/* IMGP-SKIP-NO-PIPELINE as "no pipeline". */
static void
add_reason(char *dst, size_t size, const struct reason *r)
{
	static const char prefix[] = "IMGP-SKIP-";
	const char *name = r->code;
	char word[sizeof r->code], clean[sizeof r->code * 4];
	size_t i;

	if (strncmp(name, prefix, sizeof prefix - 1) == 0)
		name += sizeof prefix - 1;
	for (i = 0; name[i] != '\0'; i++)
		word[i] = name[i] == '-' ? ' ' :
		    (char)tolower((unsigned char)name[i]);
	word[i] = '\0';
	imgp_printable(clean, sizeof clean, word, i);
	add(dst, size, "%zu %s", r->n, clean);
}

void
imgp_tally_summary(const struct imgp_tally *t, char *dst, size_t size)
{
	size_t i;

	dst[0] = '\0';
	add(dst, size, "%zu job%s: %zu delivered", t->jobs,
	    t->jobs == 1 ? "" : "s", t->delivered);
	if (t->with_errors > 0)
		add(dst, size, ", %zu delivered with errors", t->with_errors);
	if (t->failed > 0)
		add(dst, size, ", %zu failed", t->failed);
	if (t->retryable > 0)
		add(dst, size, " (%zu to be tried again)", t->retryable);
	if (t->unfinished > 0)
		add(dst, size, ", %zu not finished", t->unfinished);
	if (t->skipped > 0) {
		add(dst, size, ", %zu skipped (", t->skipped);
		for (i = 0; i < t->nreasons; i++) {
			if (i > 0)
				add(dst, size, ", ");
			add_reason(dst, size, &t->reasons[i]);
		}
		add(dst, size, ")");
	}
}

/* --- inputs and the lines that answer them ----------------------------- */

/* What a finished line can be found by: "i1201", "sfile:///…", "t…". */
struct key {
	char	*text;
	size_t	 line;		/* number of the finished line */
};

struct imgp_match {
	const char	*source;
	struct key	*keys;
	size_t		 nkeys;
	size_t		 size;
	size_t		 nlines;
	int		*taken;		/* by line; NULL until sorted */
	size_t		*next;		/* by key: where to go on looking */
};

struct imgp_match *
imgp_match_new(const char *source)
{
	struct imgp_match *m = imgp_alloc(sizeof *m);

	m->source = source;
	return m;
}

void
imgp_match_free(struct imgp_match *m)
{
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->nkeys; i++)
		free(m->keys[i].text);
	free(m->keys);
	free(m->taken);
	free(m->next);
	free(m);
}

size_t
imgp_tally_keys(struct imgp_job *job, char *keys[3])
{
	const char *source = imgp_job_str(job, "source");
	const char *input = imgp_job_str(job, "input");
	int64_t id = imgp_job_id(job);
	size_t n = 0;

	if (id != 0)
		keys[n++] = imgp_asprintf("i%lld", (long long)id);
	if (source != NULL)
		keys[n++] = imgp_asprintf("s%s", source);
	if (input != NULL)
		keys[n++] = imgp_asprintf("t%s", input);
	return n;
}

void
imgp_match_finished(struct imgp_match *m, const char *line, size_t len)
{
	struct imgp_job *job = imgp_job_parse(line, len, NULL);
	char *keys[3];
	size_t i, n;

	if (job == NULL)	/* cut short by a crash: answers nothing */
		return;
	n = imgp_tally_keys(job, keys);
	for (i = 0; i < n; i++) {
		if (m->nkeys == m->size) {
			m->size = m->size * 2 + 64;
			m->keys = imgp_realloc(m->keys, m->size,
			    sizeof *m->keys);
		}
		m->keys[m->nkeys].text = keys[i];
		m->keys[m->nkeys++].line = m->nlines;
	}
	m->nlines++;
	imgp_job_free(job);
}

static int
by_text(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int rc = strcmp(x->text, y->text);

	return rc != 0 ? rc : (x->line > y->line) - (x->line < y->line);
}

static void
sort_keys(struct imgp_match *m)
{
	size_t i;

	if (m->nkeys > 0)
		qsort(m->keys, m->nkeys, sizeof *m->keys, by_text);
	m->taken = imgp_alloc((m->nlines + 1) * sizeof *m->taken);
	m->next = imgp_alloc((m->nkeys + 1) * sizeof *m->next);
	for (i = 0; i < m->nkeys; i++)
		m->next[i] = i;
}

/* The first key with this text, or nkeys. */
static size_t
find_key(const struct imgp_match *m, const char *text)
{
	size_t lo = 0, hi = m->nkeys, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (strcmp(m->keys[mid].text, text) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->nkeys && strcmp(m->keys[lo].text, text) == 0 ? lo :
	    m->nkeys;
}

/* Take the first line under ${text} that nobody took. */
static int
take_key(struct imgp_match *m, const char *text)
{
	size_t first = find_key(m, text), i;

	if (first == m->nkeys)
		return 0;
	for (i = m->next[first]; i < m->nkeys &&
	    strcmp(m->keys[i].text, text) == 0; i++)
		if (!m->taken[m->keys[i].line]) {
			m->taken[m->keys[i].line] = 1;
			m->next[first] = i + 1;
			return 1;
		}
	m->next[first] = i;
	return 0;
}

size_t
imgp_tally_input_keys(const char *line, size_t len, const char *source,
    char *keys[5])
{
	struct imgp_job *job = imgp_tally_job(line, len, source);
	struct imgp_job *input = imgp_job_of_input(line, len);
	size_t n = imgp_tally_keys(job, keys);

	/* What imgp-lookup could not make out is answered as "input". */
	keys[n++] = imgp_asprintf("t%s", imgp_job_str(input, "input"));
	/* And a key or place that it did not find, as it stood there. */
	while (len > 0 && line[len - 1] == '\r')
		len--;
	keys[n++] = imgp_asprintf("s%.*s", (int)len, line);
	imgp_job_free(job);
	imgp_job_free(input);
	return n;
}

int
imgp_match_take(struct imgp_match *m, const char *line, size_t len)
{
	char *keys[5];
	size_t i, n;
	int found = 0;

	if (m->taken == NULL)
		sort_keys(m);
	n = imgp_tally_input_keys(line, len, m->source, keys);
	for (i = 0; i < n; i++) {
		found = found || take_key(m, keys[i]);
		free(keys[i]);
	}
	return found;
}

/* ${len} bytes as an id; 0 when they are none. */
static int64_t
id_of(const char *s, size_t len)
{
	char digits[24];
	long long id;

	if (len == 0 || len >= sizeof digits || s[0] == '0' ||
	    memchr(s, '\0', len) != NULL)
		return 0;
	memcpy(digits, s, len);
	digits[len] = '\0';
	return imgp_parse_int(digits, 1, INT64_MAX, &id) == 0 ? id : 0;
}

struct imgp_job *
imgp_tally_job(const char *line, size_t len, const char *source)
{
	struct imgp_job *job;
	char *text, *place = NULL;
	struct imgp_place p;
	int64_t id;

	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len > 0 && line[0] == '{' &&
	    (job = imgp_job_parse(line, len, NULL)) != NULL)
		return job;
	job = imgp_job_new();
	if ((id = id_of(line, len)) != 0) {
		imgp_job_set_int(job, "subject_event_crf_file_id", id);
		return job;
	}
	imgp_job_free(job);
	text = imgp_strndup(line, len);
	if (strncmp(text, "s3://", 5) == 0 || strncmp(text, "file://", 7) == 0)
		place = imgp_strdup(text);
	else if (source != NULL && strchr(text, '/') != NULL)
		place = imgp_place_join(source, text);
	if (place != NULL && strlen(text) == len &&
	    imgp_place_parse(place, &p, NULL) == 0) {
		imgp_place_release(&p);
		job = imgp_job_new();
		imgp_job_set_str(job, "source", place);
	} else
		job = imgp_job_of_input(line, len);
	free(text);
	free(place);
	return job;
}

/* --- halting ---------------------------------------------------------------- */

#define HALT_LEAST	3	/* failed jobs before a percentage counts */

int
imgp_halt_parse(const char *s, struct imgp_halt *h)
{
	struct imgp_halt got = { IMGP_HALT_NEVER, 0, 0 };
	char number[24];
	long long n;
	size_t len;

	if (strcmp(s, "never") == 0) {
		*h = got;
		return 0;
	}
	if (strncmp(s, "now,fail=", 9) == 0)
		got.when = IMGP_HALT_NOW;
	else if (strncmp(s, "soon,fail=", 10) == 0)
		got.when = IMGP_HALT_SOON;
	else
		return -1;
	s = strchr(s, '=') + 1;
	len = strlen(s);
	if (len == 0 || len >= sizeof number)
		return -1;
	memcpy(number, s, len + 1);
	if (number[len - 1] == '%') {
		number[len - 1] = '\0';
		if (imgp_parse_int(number, 1, 100, &n) == -1)
			return -1;
		got.percent = n;
	} else if (imgp_parse_int(number, 1, INT32_MAX, &n) == 0)
		got.fails = n;
	else
		return -1;
	*h = got;
	return 0;
}

int
imgp_halt_is_due(const struct imgp_halt *h, const struct imgp_tally *t)
{
	int64_t failed = (int64_t)t->failed, jobs = (int64_t)t->jobs;

	if (h->when == IMGP_HALT_NEVER)
		return 0;
	return h->fails > 0 ? failed >= h->fails :
	    failed >= HALT_LEAST && failed * 100 >= h->percent * jobs;
}

/* --- GNU parallel's joblog ---------------------------------------------------- */

const char imgp_joblog_head[] =
    "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

static int64_t
sum_of(const struct imgp_json *times)
{
	const struct imgp_json *i;
	int64_t n, sum = 0;

	for (i = imgp_json_first(times); i != NULL; i = imgp_json_next(i))
		if (imgp_json_int(i, &n) == 0)
			sum += n;
	return sum;
}

void
imgp_joblog_line(const char *line, size_t len, size_t seq,
    struct imgp_buf *out)
{
	struct imgp_job *job = imgp_job_parse(line, len, NULL);
	int64_t start = 0, took = 0, sent = 0, got = 0;
	const char *source = NULL;
	char clean[1100];

	if (job != NULL) {
		imgp_json_int(imgp_job_get(job, "started_ms"), &start);
		took = sum_of(imgp_job_get(job, "stage_ms"));
		imgp_job_sub_int(job, "bytes", "source", &sent);
		imgp_job_sub_int(job, "bytes", "destination", &got);
		source = imgp_job_str(job, "source");
	}
	imgp_buf_printf(out, "%zu\t:\t%lld.%03d\t%lld.%03d\t%lld\t%lld\t%d\t0\t",
	    seq, (long long)(start / 1000), (int)(start % 1000),
	    (long long)(took / 1000), (int)(took % 1000), (long long)sent,
	    (long long)got, job == NULL ? IMGP_EX_ERRORS : imgp_job_exit(job));
	if (job != NULL && imgp_job_id(job) > 0)
		imgp_buf_printf(out, "imgp-run %lld\n",
		    (long long)imgp_job_id(job));
	else {
		imgp_printable(clean, sizeof clean, source == NULL ? "-" :
		    source, source == NULL ? 1 : strlen(source));
		imgp_buf_printf(out, "imgp-run %s\n", clean);
	}
	imgp_job_free(job);
}
