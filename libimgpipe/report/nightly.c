#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/job/filter.h"
#include "libimgpipe/mail/ping.h"
#include "libimgpipe/report/audience.h"
#include "libimgpipe/report/digest.h"
#include "libimgpipe/report/manifest.h"
#include "libimgpipe/report/nightly.h"
#include "libimgpipe/report/notices.h"

#define CHART_DAYS	14

/* What the record knows for one digest. */
struct material {
	struct imgp_json *content;
	struct imgp_json *post;
};

static void
release(struct material *m)
{
	imgp_json_free(m->content);
	imgp_json_free(m->post);
}

/* The daily counts before the digest, of ${pipelines} (NULL: of all), which is
 * taken over. */
static int
ask_days(struct imgp_post *p, const struct imgp_json *content,
    struct imgp_json *pipelines, struct imgp_json **days, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object();

	imgp_json_set_str(req, "until", imgp_json_str(imgp_json_get(content,
	    "until")));
	imgp_json_set_int(req, "days", CHART_DAYS);
	if (pipelines != NULL)
		imgp_json_set(req, "pipelines", pipelines);
	return imgp_post_ask(p, "digest_days", req, days, e);
}

static int
ask_post(struct imgp_post *p, struct imgp_json **post, struct imgp_err *e)
{
	return imgp_post_ask(p, "outbox_state", imgp_json_new_object(), post,
	    e);
}

/* --- readers ------------------------------------------------------------- */

static const char *
or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

/* A pipeline whose settings are wrong is left out (imgp_conf_load_but()). */
static int
is_shown(void *unused, const char *pipeline)
{
	(void)unused;
	return !imgp_conf_is_left_out(pipeline);
}

/* The pipelines whose files the audience may see. */
static struct imgp_json *
pipelines_of(const struct imgp_json *content, struct imgp_audience *a)
{
	struct imgp_json *list = imgp_json_new_array();
	const struct imgp_json *i;

	for (i = imgp_json_first(imgp_json_get(content, "pipelines"));
	    i != NULL; i = imgp_json_next(i))
		if (imgp_audience_has(a, imgp_json_str(i)))
			imgp_json_append_str(list, imgp_json_str(i));
	return list;
}

/*
 * Nonzero when these readers of this pipeline get a digest.  Without labs the admins
 * get the labs' digest, but only if they get none of their own.
 */
static int
is_served(enum imgp_readers who, const char *pipeline)
{
	int digest = strcmp(imgp_conf(pipeline, "success"), "digest") == 0;

	if (imgp_conf_is_left_out(pipeline))
		return 0;
	return who == IMGP_TO_ADMINS ? digest :
	    !digest || imgp_conf(pipeline, "labs") != NULL;
}

/* --- letters ------------------------------------------------------------- */

/* What makes it this letter: its digest, or its window and when that was asked for. */
static char *
about_of(const struct imgp_json *content, int64_t id, int64_t now,
    const struct imgp_audience *a)
{
	const char *until = or_empty(imgp_json_str(imgp_json_get(content,
	    "until")));
	int64_t after = 0;

	if (id != 0)
		return imgp_asprintf("digest %lld %s %s", (long long)id, until,
		    a->key);
	imgp_json_int(imgp_json_get(content, "after"), &after);
	return imgp_asprintf("window %s %s %lld %lld %s", or_empty(
	    imgp_json_str(imgp_json_get(content, "since"))), until,
	    (long long)after, (long long)now, a->key);
}

/* A letter's digest, as imgp_post_fit() has it written. */
struct writing {
	struct imgp_digest d;
	struct imgp_audience *a;
	int	 unlisted;	/* the full list could not be written */
};

/* Where the whole list is, for a letter that does not hold it. */
static void
put_where(const struct writing *w, enum imgp_fit fit, struct imgp_buf *out)
{
	const struct imgp_json *content = w->d.content, *i;
	const char *since = or_empty(imgp_json_str(imgp_json_get(content,
	    "since")));
	char *place;
	int n = 0;

	imgp_buf_printf(out, "This letter had to be short.  %s:\n",
	    fit == IMGP_FIT_BRIEF ? "The full list, with places, sizes and sums"
	    : "The same as a table");
	for (i = imgp_json_first(imgp_json_get(content, "pipelines"));
	    i != NULL && !w->unlisted; i = imgp_json_next(i)) {
		if (!imgp_audience_has(w->a, imgp_json_str(i)) ||
		    (place = imgp_manifest_place(content, imgp_json_str(i))) ==
		    NULL)
			continue;
		imgp_buf_printf(out, "  %s\n", place);
		free(place);
		n++;
	}
	if (n == 0 || w->d.admins)
		imgp_buf_printf(out, "  %simgp-digest --since %s --until %s "
		    "--format csv\n", w->d.admins ? "" : "from the admins: ",
		    since[0] == '\0' ? "2000-01-01" : since,
		    or_empty(imgp_json_str(imgp_json_get(content, "until"))));
}

/* For imgp_post_fit(). */
static void
make(void *arg, enum imgp_fit fit, size_t most, struct imgp_draft *draft)
{
	struct writing *w = arg;
	struct imgp_buf where = IMGP_BUF_INIT;

	if (fit >= IMGP_FIT_TEXT)
		put_where(w, fit, &where);
	w->d.brief = fit == IMGP_FIT_BRIEF;
	w->d.most = most;
	w->d.where = where.len == 0 ? NULL : where.s;
	imgp_digest_text(&w->d, &draft->text);
	if (fit == IMGP_FIT_ALL)
		imgp_digest_html(&w->d, &draft->html);
	if (fit < IMGP_FIT_TEXT)
		imgp_digest_csv(&w->d, &draft->csv);
	imgp_buf_release(&where);
}

/* Write the lists that a short letter refers to, unless they are written anyway. */
static int
write_lists(const struct writing *w, imgp_complaint *complain)
{
	const struct imgp_json *i;
	struct imgp_err e;
	int rc = 0;

	for (i = imgp_json_first(imgp_json_get(w->d.content, "pipelines"));
	    i != NULL; i = imgp_json_next(i)) {
		if (!imgp_audience_has(w->a, imgp_json_str(i)) ||
		    strcmp(imgp_conf(imgp_json_str(i), "manifest"), "no") == 0
		    || imgp_conf(imgp_json_str(i), "destination") == NULL)
			continue;
		if (imgp_manifest_list(w->d.content, imgp_json_str(i), &e) ==
		    -1) {
			complain(&e);
			rc = -1;
		}
	}
	return rc;
}

/* Write the letter so that it fits, and the lists that it then refers to. */
static int
write_letter(struct writing *w, const struct imgp_letter *l, size_t entries,
    struct imgp_draft *draft, imgp_complaint *complain, int *status,
    struct imgp_err *e)
{
	enum imgp_fit fit;
	int rc = imgp_post_fit(l, entries, make, w, draft, &fit, e);

	if (rc == -1 || fit < IMGP_FIT_TEXT || write_lists(w, complain) == 0)
		return rc;
	*status = imgp_exit_worse(*status, IMGP_EX_TEMPFAIL);
	w->unlisted = 1;
	return imgp_post_fit(l, entries, make, w, draft, &fit, e);
}

static int
post_digest(struct imgp_post *p, const struct material *m, int64_t id,
    struct imgp_audience *a, imgp_complaint *complain, int *status,
    struct imgp_err *e)
{
	struct writing w = { .d = { .content = m->content,
	    .wants = imgp_audience_has, .arg = a,
	    .title = imgp_conf(a->pipeline, "mail_title"),
	    .admins = a->who == IMGP_TO_ADMINS }, .a = a };
	struct imgp_draft draft = IMGP_DRAFT_INIT;
	struct imgp_letter l = { .pipeline = a->pipeline, .to = a->who,
	    .digest_id = id, .date = (int64_t)time(NULL) };
	struct imgp_digest_counts n;
	struct imgp_json *days = NULL;
	char *about, *subject;
	int rc;

	imgp_digest_count(&w.d, &n);
	if (n.fresh == 0 && n.failed == 0 && n.still == 0 &&
	    strcmp(imgp_conf(a->pipeline, "digest_empty"), "no") == 0)
		return 0;
	if (ask_days(p, m->content, pipelines_of(m->content, a), &days, e) ==
	    -1)
		return -1;
	w.d.days = imgp_json_get(days, "days");
	if (w.d.admins)
		w.d.post = m->post;
	about = about_of(m->content, id, l.date, a);
	subject = imgp_digest_subject(&w.d);
	l.about = about;
	l.subject = subject;
	rc = write_letter(&w, &l, (size_t)(n.fresh + n.failed), &draft,
	    complain, status, e);
	if (n.fresh == 0 && (!w.d.admins || n.failed == 0))
		imgp_buf_clear(&draft.csv);
	if (rc == 0)
		rc = imgp_post_draft(p, &l, &draft, "files.csv", e);
	free(about);
	free(subject);
	imgp_json_free(days);
	imgp_draft_release(&draft);
	return rc;
}

static int
names_no_pipeline(const struct imgp_json *list)
{
	const struct imgp_json *i;

	for (i = imgp_json_first(list); i != NULL; i = imgp_json_next(i))
		if (imgp_json_is_null(imgp_json_get(i, "pipeline_code")))
			return 1;
	return 0;
}

/* Nonzero when the digest tells of an upload without a pipeline: a failed look-up,
 * which the admins of no section are told of. */
static int
has_homeless(const struct imgp_json *content)
{
	return names_no_pipeline(imgp_json_get(content, "files")) ||
	    names_no_pipeline(imgp_json_get(content, "still"));
}

/* A letter for each audience; the pipelines as the digest lists them. */
static int
post_all(struct imgp_post *p, const struct material *m, int64_t id,
    enum imgp_readers who, imgp_complaint *complain, int *status,
    struct imgp_err *e)
{
	struct imgp_audience *list = NULL, *a;
	const struct imgp_json *i;
	int rc = 0;

	for (i = imgp_json_first(imgp_json_get(m->content, "pipelines"));
	    i != NULL; i = imgp_json_next(i))
		if (is_served(who, imgp_json_str(i)))
			imgp_audience_of(&list, who, imgp_json_str(i));
	if (who == IMGP_TO_ADMINS && is_served(who, NULL) &&
	    has_homeless(m->content))
		imgp_audience_of(&list, who, NULL);
	for (a = list; a != NULL && rc == 0; a = a->next)
		rc = post_digest(p, m, id, a, complain, status, e);
	imgp_audience_free(list, NULL);
	return rc;
}

/* Mark the digest sent: its letters are in the outbox. */
static int
close_digest(struct imgp_post *p, int64_t id, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object(), *data = NULL;
	int rc;

	imgp_json_set_int(req, "digest_id", id);
	rc = imgp_post_ask(p, "digest_sent", req, &data, e);
	imgp_json_free(data);
	return rc;
}

/* Tell an outside monitor that the round is done.  It raises the alarm when it hears
 * nothing, so a failure is only reported. */
static void
ping(imgp_complaint *complain)
{
	const char *url = imgp_conf(NULL, "ping");
	struct imgp_err e;

	if (url != NULL && imgp_ping(url, imgp_conf(NULL,
	    "mail_ca_file"), &e) == -1)
		complain(&e);
}

/* A request for a digest, the caller's, that counts what no run has taken by the last
 * full difference.  With ${make} that is made first where it is due; where it cannot be,
 * the digest compares all uploads. */
static int
by_difference(struct imgp_post *p, int make, struct imgp_json **req,
    struct imgp_err *e)
{
	struct imgp_json *data = NULL;
	struct imgp_err ignored;
	long long every;

	if (imgp_conf_duration(NULL, "sweep_every", &every, e) == -1)
		return -1;
	if (every > 0 && make) {
		*req = imgp_json_new_object();
		imgp_json_set_int(*req, "every", every);
		(void)imgp_post_ask(p, "sweep_make", *req, &data, &ignored);
		imgp_json_free(data);
	}
	*req = imgp_json_new_object();
	imgp_json_set_int(*req, "every", every);
	return 0;
}

/* Ask for the news of the pipelines that are not left out. */
static void
leave_out(struct imgp_json *req)
{
	struct imgp_json *codes = imgp_json_new_array();
	const char *code;
	size_t i;

	for (i = 0; (code = imgp_conf_section(i)) != NULL; i++)
		if (imgp_conf_is_left_out(code))
			imgp_json_append_str(codes, code);
	imgp_json_set(req, "without", codes);
}

/* One digest, from opening it to marking it sent, the ${first} of a round or a later
 * one; ${*another} when the next one is to be opened at once. */
static int
one_digest(struct imgp_post *p, int first, imgp_complaint *complain,
    int *another, int *status, struct imgp_err *e)
{
	struct material m = { NULL, NULL };
	struct imgp_json *req;
	int64_t id;
	int rc = -1;

	if (by_difference(p, first, &req, e) == -1)
		return -1;
	leave_out(req);
	if (imgp_post_ask(p, "digest_open", req, &m.content, e) == -1 ||
	    ask_post(p, &m.post, e) == -1)
		goto out;
	if (imgp_json_int(imgp_json_get(m.content, "digest_id"), &id) == -1) {
		imgp_fail(e, IMGP_E_DB_QUERY, "the digest has no id");
		goto out;
	}
	*another = imgp_json_bool(imgp_json_get(m.content, "another")) == 1;
	/* The sums are of all that is delivered: once a round will do. */
	*status = imgp_exit_worse(*status, imgp_manifest_write(p, m.content,
	    !*another, complain));
	/* Those that a killed run did not write. */
	*status = imgp_exit_worse(*status, imgp_manifest_beside(
	    imgp_json_get(m.content, "files"), complain));
	if (post_all(p, &m, id, IMGP_TO_LABS, complain, status, e) == 0 &&
	    post_all(p, &m, id, IMGP_TO_ADMINS, complain, status, e) == 0 &&
	    close_digest(p, id, e) == 0)
		rc = 0;
out:
	release(&m);
	return rc;
}

int
imgp_nightly_send(struct imgp_post *p, imgp_complaint *complain,
    struct imgp_err *e)
{
	struct imgp_trouble t = { complain, IMGP_EX_OK };
	struct imgp_logs *logs = imgp_logs_new(&t);
	struct imgp_errorlogs *errors = imgp_errorlogs_new(logs, p, &t);
	int another = 1, first = 1, status;

	/* First the failures that killed runs did not report. */
	imgp_notices_left(p, NULL, errors, &t);
	imgp_errorlogs_free(errors);
	imgp_logs_free(logs);
	status = t.status;
	for (; another; first = 0)
		if (one_digest(p, first, complain, &another, &status, e) == -1)
			return -1;
	status = imgp_exit_worse(status, imgp_post_flush(p, complain));
	if (status == IMGP_EX_OK)
		ping(complain);
	return status;
}

/* Letters about one part of a window, those ends behind ${*after}, which becomes the
 * last of them; ${*until} is set by the first part.  1 when there are more. */
static int
one_part(struct imgp_post *p, const char *since, char **until, int64_t *after,
    imgp_complaint *complain, int *status, struct imgp_err *e)
{
	struct imgp_json *req;
	struct material m = { NULL, NULL };
	int64_t more = 0;
	int rc = -1;

	if (by_difference(p, 0, &req, e) == -1)
		return -1;
	imgp_json_set_str(req, "since", since);
	imgp_json_set_str(req, "until", *until);
	if (*after != 0)
		imgp_json_set_int(req, "after", *after);
	if (imgp_post_ask(p, "digest_preview", req, &m.content, e) == -1 ||
	    ask_post(p, &m.post, e) == -1)
		goto out;
	if (*until == NULL)
		*until = imgp_strdup(or_empty(imgp_json_str(imgp_json_get(
		    m.content, "until"))));
	imgp_json_int(imgp_json_get(m.content, "more"), &more);
	imgp_json_int(imgp_json_get(m.content, "last"), after);
	imgp_json_set_int(m.content, "more", 0);	/* in the next letter */
	if (post_all(p, &m, 0, IMGP_TO_LABS, complain, status, e) == 0 &&
	    post_all(p, &m, 0, IMGP_TO_ADMINS, complain, status, e) == 0)
		rc = more > 0;
out:
	release(&m);
	return rc;
}

int
imgp_nightly_window(struct imgp_post *p, const char *since, const char *until,
    imgp_complaint *complain, struct imgp_err *e)
{
	char *end = until == NULL ? NULL : imgp_strdup(until);
	int64_t after = 0;
	int status = IMGP_EX_OK, rc;

	while ((rc = one_part(p, since, &end, &after, complain, &status,
	    e)) == 1)
		;
	free(end);
	if (rc == -1)
		return -1;
	return imgp_exit_worse(status, imgp_post_flush(p, complain));
}

int
imgp_nightly_resend(struct imgp_post *p, int64_t digest_id,
    imgp_complaint *complain, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object(), *data = NULL;

	imgp_json_set_int(req, "digest_id", digest_id);
	if (imgp_post_ask(p, "digest_resend", req, &data, e) == -1)
		return -1;
	imgp_json_free(data);
	return imgp_post_flush(p, complain);
}

int
imgp_nightly_preview(struct imgp_post *p, const char *since, const char *until,
    enum imgp_format as, struct imgp_buf *out, struct imgp_err *e)
{
	struct imgp_json *req;
	struct material m = { NULL, NULL };
	struct imgp_digest d = { .title = imgp_conf(NULL, "mail_title"),
	    .admins = 1, .wants = is_shown };
	struct imgp_json *days = NULL;
	int rc = -1;

	if (by_difference(p, 0, &req, e) == -1)
		return -1;
	imgp_json_set_str(req, "since", since);
	imgp_json_set_str(req, "until", until);
	if (imgp_post_ask(p, "digest_preview", req, &m.content, e) == -1 ||
	    ask_days(p, m.content, NULL, &days, e) == -1 ||
	    ask_post(p, &m.post, e) == -1)
		goto out;
	d.content = m.content;
	d.days = imgp_json_get(days, "days");
	d.post = m.post;
	switch (as) {
	case IMGP_AS_TEXT:
		imgp_digest_text(&d, out);
		break;
	case IMGP_AS_HTML:
		imgp_digest_html(&d, out);
		break;
	case IMGP_AS_CSV:
		imgp_digest_csv(&d, out);
		break;
	case IMGP_AS_JSON:
		imgp_digest_json(&d, out);
		break;
	}
	rc = 0;
out:
	imgp_json_free(days);
	release(&m);
	return rc;
}

/* --- the watch ----------------------------------------------------------- */

int
imgp_nightly_watch(struct imgp_post *p, long long seconds, char **said,
    imgp_complaint *complain, struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object(), *data = NULL;
	struct imgp_letter l = { .to = IMGP_TO_ADMINS };
	const char *last, *now;
	char *about, *text, *subject;
	int rc;

	imgp_json_set_int(req, "seconds", seconds);
	if (imgp_post_ask(p, "run_watch", req, &data, e) == -1)
		return -1;
	last = imgp_json_str(imgp_json_get(data, "last_run"));
	now = or_empty(imgp_json_str(imgp_json_get(data, "now")));
	*said = last == NULL ?
	    imgp_strdup("no run has ever come to its end") :
	    imgp_asprintf("the last run came to its end at %s", last);
	if (imgp_json_bool(imgp_json_get(data, "stale")) != 1) {
		imgp_json_free(data);
		return 0;
	}
	subject = imgp_asprintf("%s: no run for %lld hours",
	    imgp_conf(NULL, "mail_title"), seconds / 3600);
	about = imgp_asprintf("stale %s %.10s", or_empty(last), now);
	text = imgp_asprintf("It is %s, and %s.\n\nNo image goes anywhere "
	    "while nothing runs: look at the scheduler (cron, systemd) and\n"
	    "the machine that starts imgp-run, then run it by hand:\n\n"
	    "    imgp-run --pending\n", now, *said);
	l.about = about;
	l.subject = subject;
	l.text = text;
	l.date = (int64_t)time(NULL);
	if ((rc = imgp_post_letter(p, &l, e)) == 0)
		imgp_post_flush(p, complain);
	free(about);
	free(subject);
	free(text);
	imgp_json_free(data);
	if (rc == -1) {
		free(*said);
		return -1;
	}
	return 1;
}
