#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/report/notices.h"

#define PAGE	1000		/* notices asked for at once */

int
imgp_notices_of(struct imgp_job *job, int64_t *id, int *known)
{
	const struct imgp_json *n = imgp_job_get(job, "notice");

	if (imgp_json_int(imgp_json_get(n, "id"), id) == -1 || *id <= 0)
		return 0;
	*known = imgp_json_bool(imgp_json_get(n, "known")) == 1;
	return 1;
}

static int
ask(struct imgp_post *p, struct imgp_json *req, const char *run,
    struct imgp_json **data, struct imgp_err *e)
{
	*data = NULL;
	imgp_json_set_str(req, "run", run);
	return imgp_post_notice(p, IMGP_LEDGER_NOTICE_LIST, req, data, e);
}

/* Of a row from before the record kept places: that of the settings. */
static void
set_destination(struct imgp_job *job)
{
	const char *base = imgp_conf(imgp_job_str(job, "pipeline_code"),
	    "destination");
	const char *path = imgp_job_sub_str(job, "edc_pipeline_file",
	    "file_path");
	const char *name = imgp_job_sub_str(job, "edc_pipeline_file",
	    "file_name");
	char *key, *url;

	if (base == NULL || name == NULL ||
	    imgp_job_str(job, "destination") != NULL)
		return;
	key = imgp_asprintf("%s%s", path == NULL ? "" : path, name);
	url = imgp_place_join(base, key);
	imgp_job_set_str(job, "destination", url);
	free(url);
	free(key);
}

static struct imgp_job *
job_of(const struct imgp_json *notice, struct imgp_err *e)
{
	struct imgp_buf b = IMGP_BUF_INIT;
	struct imgp_job *job;

	imgp_json_print(imgp_json_get(notice, "job"), &b);
	job = imgp_job_parse(b.s, b.len, e);
	imgp_buf_release(&b);
	if (job != NULL)
		set_destination(job);
	return job;
}

static int
lacks(const struct imgp_json *notice, const char *what)
{
	return imgp_json_bool(imgp_json_get(notice, what)) == 1;
}

/* Put one notice into the letter and the error logs. */
static int
take(const struct imgp_json *notice, struct imgp_runletter *letter,
    struct imgp_errorlogs *logs, struct imgp_err *e)
{
	struct imgp_job *job = job_of(notice, e);
	struct imgp_json *facts;
	const char *kept;
	int64_t id;
	char *url;
	int known;

	if (job == NULL)
		return -1;
	kept = imgp_json_str(imgp_json_get(imgp_job_get(job, "notice"),
	    "log_key"));
	facts = imgp_report_job(job);
	/* What cannot be written now is left to the next one. */
	if (lacks(notice, "log") && !imgp_errorlogs_is_stuck(logs))
		imgp_errorlogs_queue(logs, job, facts, kept);
	if (lacks(notice, "mail") && imgp_notices_of(job, &id, &known)) {
		url = kept == NULL ? imgp_errorlogs_url(logs, job) :
		    imgp_logs_url(imgp_job_str(job, "pipeline_code"), kept);
		imgp_runletter_fail(letter, facts, imgp_report_outcome(job),
		    url, id);
		free(url);
	}
	imgp_json_free(facts);
	imgp_job_free(job);
	return 0;
}

/* One page of a run's notices, those above ${*after}, which becomes the last one's
 * number; how many there were, or -1. */
static int
one_page(struct imgp_post *p, const char *run, int64_t *after,
    struct imgp_runletter *letter, struct imgp_errorlogs *logs,
    struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object(), *data;
	const struct imgp_json *i;
	int n = 0;

	imgp_json_set_int(req, "after", *after);
	imgp_json_set_int(req, "limit", PAGE);
	if (ask(p, req, run, &data, e) == -1)
		return -1;
	for (i = imgp_json_first(imgp_json_get(data, "notices"));
	    i != NULL && n != -1; i = imgp_json_next(i)) {
		imgp_json_int(imgp_json_get(imgp_json_get(imgp_json_get(i,
		    "job"), "notice"), "id"), after);
		n = take(i, letter, logs, e) == -1 ? -1 : n + 1;
	}
	imgp_json_free(data);
	return n;
}

int
imgp_notices_collect(struct imgp_post *p, const char *run,
    struct imgp_runletter *letter, struct imgp_errorlogs *logs,
    struct imgp_err *e)
{
	int64_t after = 0;
	int n;

	while ((n = one_page(p, run, &after, letter, logs, e)) == PAGE)
		;
	return n == -1 ? -1 : 0;
}

/* Report the open notices of a run that is over. */
static int
tell(struct imgp_post *p, const char *run, struct imgp_errorlogs *logs,
    struct imgp_trouble *t, struct imgp_err *e)
{
	struct imgp_runletter *letter = imgp_runletter_new(run, 1);
	int rc = imgp_notices_collect(p, run, letter, logs, e);

	if (rc == 0)
		imgp_runletter_post(letter, p, t, NULL);
	imgp_runletter_free(letter);
	while (imgp_errorlogs_work(logs))
		;
	imgp_errorlogs_note(logs);
	return rc;
}

void
imgp_notices_left(struct imgp_post *p, const char *run,
    struct imgp_errorlogs *logs, struct imgp_trouble *t)
{
	struct imgp_json *req, *data;
	const struct imgp_json *i;
	struct imgp_err e;

	if (!imgp_post_has_notices(p))
		return;
	req = imgp_json_new_object();
	imgp_json_set_bool(req, "others", 1);
	if (ask(p, req, run, &data, &e) == -1) {
		imgp_trouble_note(t, &e);
		return;
	}
	for (i = imgp_json_first(imgp_json_get(data, "runs")); i != NULL;
	    i = imgp_json_next(i))
		if (tell(p, imgp_json_str(i), logs, t, &e) == -1)
			imgp_trouble_note(t, &e);
	imgp_json_free(data);
}
