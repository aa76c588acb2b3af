#include <stdlib.h>
#include <string.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/base/place.h"
#include "libimgpipe/report/notices.h"

#define PAGE	1000		/* notices asked for at once */
#define PAGES	100		/* of them, at most: the rest is the next one's */

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
list(struct imgp_post *p, const char *run, int others, struct imgp_json **data,
    struct imgp_err *e)
{
	struct imgp_json *req = imgp_json_new_object();

	*data = NULL;
	imgp_json_set_str(req, "run", run);
	imgp_json_set_bool(req, "others", others);
	imgp_json_set_int(req, "limit", PAGE);
	return imgp_post_notice(p, IMGP_LEDGER_NOTICE_LIST, req, data, e);
}

/* The record keeps path and name; the place is the settings'. */
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

	if (base == NULL || name == NULL)
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
	int64_t id;
	char *url;
	int known;

	if (job == NULL)
		return -1;
	facts = imgp_report_job(job);
	if (lacks(notice, "log"))
		imgp_errorlogs_queue(logs, job, facts);
	if (lacks(notice, "mail") && imgp_notices_of(job, &id, &known)) {
		url = imgp_errorlogs_url(logs, job);
		imgp_runletter_fail(letter, facts, imgp_report_outcome(job),
		    url, id);
		free(url);
	}
	imgp_json_free(facts);
	imgp_job_free(job);
	return 0;
}

int
imgp_notices_collect(struct imgp_post *p, const char *run,
    struct imgp_runletter *letter, struct imgp_errorlogs *logs,
    struct imgp_err *e)
{
	const struct imgp_json *i;
	struct imgp_json *data;
	int rc = 0;

	if (list(p, run, 0, &data, e) == -1)
		return -1;
	for (i = imgp_json_first(imgp_json_get(data, "notices"));
	    i != NULL && rc == 0; i = imgp_json_next(i))
		rc = take(i, letter, logs, e);
	imgp_json_free(data);
	return rc;
}

/* One page of other runs' notices; how many there were, or -1. */
static int
one_page(struct imgp_post *p, const char *run, struct imgp_errorlogs *logs,
    struct imgp_trouble *t, struct imgp_err *e)
{
	struct imgp_runletter *letter = NULL;
	const char *of, *last = NULL;
	const struct imgp_json *i;
	struct imgp_json *data;
	int n = 0;

	if (list(p, run, 1, &data, e) == -1)
		return -1;
	for (i = imgp_json_first(imgp_json_get(data, "notices"));
	    i != NULL && n != -1; i = imgp_json_next(i)) {
		of = imgp_json_str(imgp_json_get(i, "run"));
		if (letter == NULL || of == NULL || last == NULL ||
		    strcmp(of, last) != 0) {
			if (letter != NULL)
				imgp_runletter_post(letter, p, t, NULL);
			imgp_runletter_free(letter);
			letter = imgp_runletter_new(of, 1);
		}
		last = of;
		n = take(i, letter, logs, e) == -1 ? -1 : n + 1;
	}
	if (letter != NULL)
		imgp_runletter_post(letter, p, t, NULL);
	imgp_runletter_free(letter);
	while (imgp_errorlogs_work(logs))
		;
	imgp_errorlogs_note(logs);
	imgp_json_free(data);
	return n;
}

void
imgp_notices_left(struct imgp_post *p, const char *run,
    struct imgp_errorlogs *logs, struct imgp_trouble *t)
{
	struct imgp_err e;
	int n = PAGE, pages;

	if (!imgp_post_has_notices(p))
		return;
	for (pages = 0; n == PAGE && pages < PAGES; pages++)
		n = one_page(p, run, logs, t, &e);
	if (n == -1)
		imgp_trouble_note(t, &e);
}
