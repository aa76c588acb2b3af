#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/buf.h"
#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/exit.h"
#include "libimgpipe/base/textset.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/report/errorlog.h"
#include "libimgpipe/report/news.h"
#include "libimgpipe/report/manifest.h"
#include "libimgpipe/report/notices.h"
#include "libimgpipe/report/notify.h"
#include "libimgpipe/report/runlog.h"
#include "libimgpipe/report/runletter.h"

#define DELIVERED_MOST	1000	/* manifests that wait; more are written at once */

struct imgp_notify {
	struct imgp_trouble trouble;
	void		 (*show)(const char *);	/* NULL: no dry run */
	char		*run;		/* the first job's */
	struct imgp_textset *seen;	/* all runs that jobs are of: more than one, */
	char		**more;		/* where they are those of a sharded run; these */
	size_t		 nmore;		/* come after the first */
	struct imgp_post *post;
	struct imgp_logs *logs;
	struct imgp_errorlogs *errorlogs;
	struct imgp_runlogs *runlogs;
	struct imgp_news *news;
	struct imgp_json *delivered;	/* files whose manifest is to be written */
	struct imgp_runletter *letter;
	struct imgp_runletter *noted;	/* failures with a notice, for when the
					 * record cannot be asked */
};

/* The run's id: that of the jobs, else of the environment; NULL: none. */
static const char *
run_of(const struct imgp_notify *n)
{
	const char *run = n->run == NULL ? getenv("IMGP_RUN") : n->run;

	return run != NULL && imgp_run_id_is(run) ? run : NULL;
}

int
imgp_notify_is_alone(const struct imgp_notify *n)
{
	return imgp_post_lacks_notices(n->post);
}

/* --- jobs ---------------------------------------------------------------- */

static void
see_failure(struct imgp_notify *n, struct imgp_job *job,
    const struct imgp_json *facts, enum imgp_outcome outcome)
{
	char *url;
	int64_t notice;
	int known;

	if (!imgp_notices_of(job, &notice, &known))
		notice = known = 0;
	if (known) {
		imgp_runletter_known(n->letter, imgp_job_str(job,
		    "pipeline_code"));
		return;
	}
	url = imgp_errorlogs_url(n->errorlogs, job);
	imgp_runletter_fail(notice == 0 ? n->letter : n->noted, facts, outcome,
	    url, notice);
	free(url);
}

static void
write_manifests(struct imgp_notify *n)
{
	int status = imgp_manifest_beside(n->delivered, n->trouble.complain);

	n->trouble.status = imgp_exit_worse(n->trouble.status, status);
	imgp_json_free(n->delivered);
	n->delivered = imgp_json_new_array();
}

/* Remember a delivered file whose manifest goes beside it. */
static void
see_delivered(struct imgp_notify *n, struct imgp_job *job)
{
	if (strcmp(imgp_conf(imgp_job_str(job, "pipeline_code"),
	    "file_manifest"), "yes") != 0)
		return;
	imgp_json_append(n->delivered, imgp_news_file(job));
	if (imgp_json_count(n->delivered) >= DELIVERED_MOST)
		write_manifests(n);
}

static void
name_run(struct imgp_notify *n, const char *run)
{
	if (run == NULL || !imgp_textset_add(n->seen, run))
		return;
	if (n->run != NULL) {
		if (!imgp_run_id_is(run))
			return;
		n->more = imgp_realloc(n->more, n->nmore + 1, sizeof *n->more);
		n->more[n->nmore++] = imgp_strdup(run);
		return;
	}
	n->run = imgp_strdup(run);
	imgp_runletter_name(n->letter, run);
	imgp_runletter_name(n->noted, run);
}

void
imgp_notify_see(struct imgp_notify *n, struct imgp_job *job)
{
	const char *pipeline = imgp_job_str(job, "pipeline_code");
	const char *run = imgp_job_str(job, "run");
	enum imgp_outcome outcome = imgp_report_outcome(job);
	struct imgp_json *facts;
	int64_t notice;
	int known;

	name_run(n, run);
	imgp_runletter_count(n->letter, pipeline, imgp_job_id(job), outcome);
	if (outcome == IMGP_PASSED_OVER)
		return;			/* no log, no mail */
	imgp_news_see(n->news, job);
	if (n->show == NULL && (outcome == IMGP_DELIVERED ||
	    outcome == IMGP_WITH_ERRORS))
		see_delivered(n, job);
	facts = imgp_report_job(job);
	if (n->show == NULL && run != NULL && imgp_run_id_is(run))
		imgp_runlogs_add(n->runlogs, pipeline, run, facts);
	if (n->show == NULL && (imgp_job_has_errors(job) ||
	    imgp_notices_of(job, &notice, &known)))
		imgp_errorlogs_queue(n->errorlogs, job, facts, NULL);
	if (imgp_job_has_errors(job))
		see_failure(n, job, facts, outcome);
	imgp_json_free(facts);
}

int
imgp_notify_work(struct imgp_notify *n)
{
	return imgp_errorlogs_work(n->errorlogs);
}

int
imgp_notify_rest(struct imgp_notify *n, int64_t ms)
{
	return imgp_post_idle(n->post, ms);
}

/* --- the end ------------------------------------------------------------- */

/* Tell the record that the run came to its end. */
static void
report_run(struct imgp_notify *n)
{
	static const char *const key[IMGP_N_OUTCOMES] = { "delivered",
	    "with_errors", "to_retry", "for_good", "unfinished", "skipped" };
	const char *run = run_of(n);
	struct imgp_json *req, *counts, *data = NULL;
	struct imgp_err e;
	int i;

	if (run == NULL)
		return;
	counts = imgp_json_new_object();
	for (i = 0; i < IMGP_N_OUTCOMES; i++)
		imgp_json_set_int(counts, key[i], imgp_runletter_sum(n->letter,
		    (enum imgp_outcome)i));
	req = imgp_json_new_object();
	imgp_json_set_str(req, "run", run);
	imgp_json_set(req, "counts", counts);
	if (imgp_post_ask(n->post, "run_end", req, &data, &e) == -1)
		imgp_trouble_note(&n->trouble, &e);
	imgp_json_free(data);
}

/*
 * Take the failures with a notice from the record, not from the lines: it also has
 * those whose line was lost with a killed stage, and leaves out those that another
 * letter has reported since.
 */
static void
take_noted(struct imgp_notify *n)
{
	const char *run = run_of(n);
	struct imgp_err e;
	size_t i;
	int rc;

	if (n->show == NULL && run != NULL && imgp_post_has_notices(n->post)) {
		imgp_errorlogs_note(n->errorlogs);
		rc = imgp_notices_collect(n->post, run, n->letter,
		    n->errorlogs, &e);
		for (i = 0; i < n->nmore && rc == 0; i++)
			rc = imgp_notices_collect(n->post, n->more[i],
			    n->letter, n->errorlogs, &e);
		if (rc == 0)
			return;
		imgp_trouble_note(&n->trouble, &e);
	}
	imgp_runletter_add(n->letter, n->noted);
}

static void
write_errorlogs(struct imgp_notify *n)
{
	while (imgp_errorlogs_work(n->errorlogs))
		;
}

int
imgp_notify_end(struct imgp_notify *n)
{
	struct imgp_err e;

	write_errorlogs(n);
	imgp_runlogs_write(n->runlogs);
	take_noted(n);
	write_errorlogs(n);
	imgp_runletter_post(n->letter, n->post, &n->trouble, n->show);
	if (n->show != NULL)
		return n->trouble.status;
	imgp_errorlogs_note(n->errorlogs);
	write_manifests(n);
	if (imgp_news_send(n->news, n->post, n->run, &e) == -1)
		imgp_trouble_note(&n->trouble, &e);
	imgp_notices_left(n->post, run_of(n), n->errorlogs, &n->trouble);
	if (imgp_post_has_record(n->post)) {
		report_run(n);
		n->trouble.status = imgp_exit_worse(n->trouble.status,
		    imgp_post_flush(n->post, n->trouble.complain));
	}
	return n->trouble.status;
}

/* --- life ---------------------------------------------------------------- */

struct imgp_notify *
imgp_notify_new(imgp_complaint *complain, int dry_run,
    void (*show)(const char *text), struct imgp_err *e)
{
	struct imgp_notify *n = imgp_alloc(sizeof *n);

	n->trouble.complain = complain;
	n->show = dry_run ? show : NULL;
	if ((n->post = imgp_post_open(e)) == NULL) {
		imgp_notify_free(n);
		return NULL;
	}
	n->logs = imgp_logs_new(&n->trouble);
	n->errorlogs = imgp_errorlogs_new(n->logs, n->post, &n->trouble);
	n->runlogs = imgp_runlogs_new(n->logs, &n->trouble);
	n->news = imgp_news_new();
	n->delivered = imgp_json_new_array();
	n->seen = imgp_textset_new();
	n->letter = imgp_runletter_new(NULL, 0);
	n->noted = imgp_runletter_new(NULL, 0);
	return n;
}

void
imgp_notify_free(struct imgp_notify *n)
{
	if (n == NULL)
		return;
	imgp_runletter_free(n->letter);
	imgp_runletter_free(n->noted);
	imgp_news_free(n->news);
	imgp_json_free(n->delivered);
	imgp_runlogs_free(n->runlogs);
	imgp_errorlogs_free(n->errorlogs);
	imgp_logs_free(n->logs);
	imgp_post_close(n->post);
	imgp_textset_free(n->seen);
	while (n->nmore > 0)
		free(n->more[--n->nmore]);
	free(n->more);
	free(n->run);
	free(n);
}
