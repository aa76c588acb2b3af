#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/report/audience.h"
#include "libimgpipe/report/runletter.h"
#include "libimgpipe/report/runmail.h"

struct letter {			/* of one audience */
	int64_t		 counts[IMGP_N_OUTCOMES];
	struct imgp_failure failures[IMGP_NOTIFY_MOST];
	size_t		 all;		/* failures, listed or not */
	int64_t		 known;		/* failures that an earlier letter reported */
	int64_t		*codes;		/* errors, by index of imgp_error_at() */
	int64_t		*notices;	/* of the failures that have one */
	size_t		 n_notices;
	struct imgp_buf	 sum;		/* stands for the id of a run without one */
};

struct imgp_runletter {
	char		*run;
	int		 late;
	struct imgp_audience *audiences;
};

struct imgp_runletter *
imgp_runletter_new(const char *run, int late)
{
	struct imgp_runletter *r = imgp_alloc(sizeof *r);

	r->run = run == NULL ? NULL : imgp_strdup(run);
	r->late = late;
	return r;
}

static void
free_letter(void *arg)
{
	struct letter *l = arg;
	size_t i;

	for (i = 0; i < l->all && i < IMGP_NOTIFY_MOST; i++) {
		imgp_json_free(l->failures[i].facts);
		free(l->failures[i].url);
	}
	imgp_buf_release(&l->sum);
	free(l->codes);
	free(l->notices);
	free(l);
}

void
imgp_runletter_free(struct imgp_runletter *r)
{
	if (r == NULL)
		return;
	imgp_audience_free(r->audiences, free_letter);
	free(r->run);
	free(r);
}

void
imgp_runletter_name(struct imgp_runletter *r, const char *run)
{
	if (r->run == NULL)
		r->run = imgp_strdup(run);
}

static struct letter *
letter_of(struct imgp_runletter *r, const char *pipeline)
{
	struct imgp_audience *a = imgp_audience_of(&r->audiences,
	    IMGP_TO_ADMINS, pipeline);
	struct letter *l = a->own;
	size_t n;

	if (l == NULL) {
		for (n = 0; imgp_error_at(n) != NULL; n++)
			;
		a->own = l = imgp_alloc(sizeof *l);
		imgp_buf_init(&l->sum);
		l->codes = imgp_alloc((n + 1) * sizeof *l->codes);
	}
	return l;
}

/* --- what is told -------------------------------------------------------- */

void
imgp_runletter_count(struct imgp_runletter *r, const char *pipeline,
    int64_t upload, enum imgp_outcome outcome)
{
	struct letter *l = letter_of(r, pipeline);

	l->counts[outcome]++;
	if (r->run == NULL && outcome != IMGP_PASSED_OVER)
		imgp_buf_printf(&l->sum, "%lld %d\n", (long long)upload,
		    (int)outcome);
}

static void
count_codes(struct letter *l, const struct imgp_json *facts)
{
	const struct imgp_error *row;
	const struct imgp_json *i;
	const char *code;
	size_t k;

	for (i = imgp_json_first(imgp_json_get(facts, "errors")); i != NULL;
	    i = imgp_json_next(i)) {
		code = imgp_json_str(imgp_json_get(i, "error_code"));
		for (k = 0; (row = imgp_error_at(k)) != NULL; k++)
			if (strcmp(row->code, code) == 0)
				break;
		l->codes[k]++;		/* the last one: unknown */
	}
}

void
imgp_runletter_fail(struct imgp_runletter *r, const struct imgp_json *facts,
    enum imgp_outcome outcome, const char *url, int64_t notice)
{
	struct letter *l = letter_of(r, imgp_json_str(imgp_json_get(facts,
	    "pipeline_code")));
	struct imgp_failure *f;

	count_codes(l, facts);
	if (l->all < IMGP_NOTIFY_MOST) {
		f = &l->failures[l->all];
		f->facts = imgp_json_copy(facts);
		f->url = url == NULL ? NULL : imgp_strdup(url);
		f->outcome = outcome;
	}
	l->all++;
	if (notice == 0)
		return;
	l->notices = imgp_realloc(l->notices, l->n_notices + 1,
	    sizeof *l->notices);
	l->notices[l->n_notices++] = notice;
}

void
imgp_runletter_known(struct imgp_runletter *r, const char *pipeline)
{
	letter_of(r, pipeline)->known++;
}

void
imgp_runletter_add(struct imgp_runletter *r, const struct imgp_runletter *from)
{
	const struct imgp_audience *a;
	const struct imgp_failure *f;
	const struct letter *l;
	size_t i;

	for (a = from->audiences; a != NULL; a = a->next) {
		l = a->own;
		for (i = 0; i < l->all && i < IMGP_NOTIFY_MOST; i++) {
			f = &l->failures[i];
			imgp_runletter_fail(r, f->facts, f->outcome, f->url,
			    l->notices[i]);
		}
		letter_of(r, a->pipeline)->all += l->all - i;
	}
}

int64_t
imgp_runletter_sum(const struct imgp_runletter *r, enum imgp_outcome outcome)
{
	const struct imgp_audience *a;
	int64_t sum = 0;

	for (a = r->audiences; a != NULL; a = a->next)
		sum += ((const struct letter *)a->own)->counts[outcome];
	return sum;
}

/* --- the letter ---------------------------------------------------------- */

/*
 * What the Message-ID is made of: the first notice, if there is one, so that a
 * process that sends the letter again after a crash gives it the same id.
 */
static char *
about(const struct imgp_runletter *r, const struct imgp_audience *a)
{
	const struct letter *l = a->own;
	const char *run = r->run == NULL ? "" : r->run;
	int64_t first;
	size_t i;

	if (l->n_notices == 0)
		return imgp_asprintf("run %s\n%s\n%s", run, a->key,
		    l->sum.s);
	for (first = l->notices[0], i = 1; i < l->n_notices; i++)
		if (l->notices[i] < first)
			first = l->notices[i];
	return imgp_asprintf("run %s\nnotice %lld", run, (long long)first);
}

/* For imgp_post_fit(). */
static void
make(void *arg, enum imgp_fit fit, size_t most, struct imgp_draft *d)
{
	struct imgp_runmail m = *(const struct imgp_runmail *)arg;

	m.brief = fit == IMGP_FIT_BRIEF;
	if (most < m.n)
		m.n = most;
	imgp_runmail_text(&m, &d->text);
	if (fit == IMGP_FIT_ALL)
		imgp_runmail_html(&m, &d->html);
	if (fit < IMGP_FIT_TEXT && m.n > 0)
		imgp_runmail_csv(&m, &d->csv);
}

static void
post_letter(struct imgp_runletter *r, const struct imgp_audience *a,
    struct imgp_post *p, struct imgp_trouble *t, void (*show)(const char *))
{
	const struct letter *own = a->own;
	struct imgp_runmail m = { .title = imgp_conf(a->pipeline, "mail_title"),
	    .run = r->run, .late = r->late, .counts = own->counts,
	    .codes = own->codes, .failures = own->failures,
	    .n = own->all < IMGP_NOTIFY_MOST ? own->all : IMGP_NOTIFY_MOST,
	    .all = own->all, .known = own->known };
	struct imgp_letter l = { .pipeline = a->pipeline, .to = IMGP_TO_ADMINS,
	    .date = (int64_t)time(NULL), .notices = own->notices,
	    .n_notices = own->n_notices };
	struct imgp_draft d = IMGP_DRAFT_INIT;
	char *id = about(r, a), *subject = imgp_runmail_subject(&m);
	enum imgp_fit fit;
	struct imgp_err e;

	l.about = id;
	l.subject = subject;
	if (show != NULL) {
		make(&m, IMGP_FIT_ALL, m.n, &d);
		show(subject);
		show(d.text.s);
	} else if ((imgp_post_fit(&l, m.n, make, &m, &d, &fit, &e) == -1 ||
	    imgp_post_draft(p, &l, &d, "errors.csv", &e) == -1) &&
	    strcmp(e.code, IMGP_E_DB_FENCED) != 0)
		imgp_trouble_note(t, &e);
	imgp_draft_release(&d);
	free(id);
	free(subject);
}

static int
is_wanted(const struct imgp_audience *a)
{
	const struct letter *l = a->own;
	int i;

	if (l->all > 0)
		return 1;
	if (strcmp(imgp_conf(a->pipeline, "success"), "immediate") != 0)
		return 0;
	for (i = 0; i < IMGP_N_OUTCOMES; i++)
		if (i != IMGP_PASSED_OVER && l->counts[i] > 0)
			return 1;
	return 0;
}

void
imgp_runletter_post(struct imgp_runletter *r, struct imgp_post *p,
    struct imgp_trouble *t, void (*show)(const char *text))
{
	const struct imgp_audience *a;

	for (a = r->audiences; a != NULL; a = a->next)
		if (is_wanted(a))
			post_letter(r, a, p, t, show);
}
