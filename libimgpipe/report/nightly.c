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

static int
post_digest(struct imgp_post *p, const struct material *m, int64_t id,
    struct imgp_audience *a, struct imgp_err *e)
{
	struct imgp_digest d = { .content = m->content, .wants = imgp_audience_has,
	    .arg = a, .title = imgp_conf(a->pipeline, "mail_title"),
	    .admins = a->who == IMGP_TO_ADMINS };
	struct imgp_draft draft = IMGP_DRAFT_INIT;
	struct imgp_letter l = { .pipeline = a->pipeline, .to = a->who,
	    .digest_id = id, .date = (int64_t)time(NULL) };
	struct imgp_digest_counts n;
	struct imgp_json *days = NULL;
	char *about, *subject;
	int rc;

	imgp_digest_count(&d, &n);
	if (n.fresh == 0 && n.failed == 0 && n.still == 0 &&
	    strcmp(imgp_conf(a->pipeline, "digest_empty"), "no") == 0)
		return 0;
	if (ask_days(p, m->content, pipelines_of(m->content, a), &days, e) ==
	    -1)
		return -1;
	d.days = imgp_json_get(days, "days");
	if (d.admins)
		d.post = m->post;
	imgp_digest_text(&d, &draft.text);
	imgp_digest_html(&d, &draft.html);
	imgp_digest_csv(&d, &draft.csv);
	about = imgp_asprintf("digest %lld %s %s", (long long)id,
	    or_empty(imgp_json_str(imgp_json_get(m->content, "until"))),
	    a->key);
	subject = imgp_digest_subject(&d);
	l.about = about;
	l.subject = subject;
	rc = imgp_post_draft(p, &l, &draft, n.fresh != 0 ||
	    (d.admins && n.failed != 0) ? "files.csv" : NULL, e);
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
    enum imgp_readers who, struct imgp_err *e)
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
		rc = post_digest(p, m, id, a, e);
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

/* What is asked for: the news of the pipelines that are not left out. */
static struct imgp_json *
without(void)
{
	struct imgp_json *req = imgp_json_new_object();
	struct imgp_json *codes = imgp_json_new_array();
	const char *code;
	size_t i;

	for (i = 0; (code = imgp_conf_section(i)) != NULL; i++)
		if (imgp_conf_is_left_out(code))
			imgp_json_append_str(codes, code);
	imgp_json_set(req, "without", codes);
	return req;
}

/* One digest, from opening it to marking it sent; ${*another} when the next one is
 * to be opened at once. */
static int
one_digest(struct imgp_post *p, imgp_complaint *complain, int *another,
    int *status, struct imgp_err *e)
{
	struct material m = { NULL, NULL };
	int64_t id;
	int rc = -1;

	if (imgp_post_ask(p, "digest_open", without(), &m.content, e) == -1 ||
	    ask_post(p, &m.post, e) == -1)
		goto out;
	if (imgp_json_int(imgp_json_get(m.content, "digest_id"), &id) == -1) {
		imgp_fail(e, IMGP_E_DB_QUERY, "the digest has no id");
		goto out;
	}
	*another = imgp_json_bool(imgp_json_get(m.content, "another")) == 1;
	*status = imgp_exit_worse(*status, imgp_manifest_write(p, m.content,
	    complain));
	if (post_all(p, &m, id, IMGP_TO_LABS, e) == 0 &&
	    post_all(p, &m, id, IMGP_TO_ADMINS, e) == 0 &&
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
	int another = 1, status;

	/* First the failures that killed runs did not report. */
	imgp_notices_left(p, NULL, errors, &t);
	imgp_errorlogs_free(errors);
	imgp_logs_free(logs);
	status = t.status;
	while (another)
		if (one_digest(p, complain, &another, &status, e) == -1)
			return -1;
	status = imgp_exit_worse(status, imgp_post_flush(p, complain));
	if (status == IMGP_EX_OK)
		ping(complain);
	return status;
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
	struct imgp_json *req = imgp_json_new_object();
	struct material m = { NULL, NULL };
	struct imgp_digest d = { .title = imgp_conf(NULL, "mail_title"),
	    .admins = 1, .wants = is_shown };
	struct imgp_json *days = NULL;
	int rc = -1;

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
