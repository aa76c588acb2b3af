#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/job/names.h"
#include "libimgpipe/report/digest.h"
#include "libimgpipe/report/news.h"
#include "libimgpipe/report/report.h"

/* The labs that get one letter. */
struct audience {
	struct audience	 *next;
	char		 *key;		/* labs, sender, carrier */
	char		 *pipeline;	/* one of theirs, for its settings */
	struct imgp_json *files;
};

struct imgp_news {
	struct audience	*audiences;
};

struct imgp_news *
imgp_news_new(void)
{
	return imgp_alloc(sizeof(struct imgp_news));
}

void
imgp_news_free(struct imgp_news *n)
{
	struct audience *a;

	if (n == NULL)
		return;
	while ((a = n->audiences) != NULL) {
		n->audiences = a->next;
		imgp_json_free(a->files);
		free(a->key);
		free(a->pipeline);
		free(a);
	}
	free(n);
}

static const char *
or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

static struct audience *
audience_of(struct imgp_news *n, const char *pipeline)
{
	char *key = imgp_asprintf("%s\n%s\n%s",
	    or_empty(imgp_conf(pipeline, "labs")),
	    or_empty(imgp_conf(pipeline, "mail_from")),
	    or_empty(imgp_conf(pipeline, "mail")));
	struct audience *a;

	for (a = n->audiences; a != NULL; a = a->next)
		if (strcmp(a->key, key) == 0) {
			free(key);
			return a;
		}
	a = imgp_alloc(sizeof *a);
	a->key = key;
	a->pipeline = imgp_strdup(pipeline);
	a->files = imgp_json_new_array();
	a->next = n->audiences;
	n->audiences = a;
	return a;
}

/* What a digest would say of the job (digest.h). */
static struct imgp_json *
file_of(struct imgp_job *job)
{
	static const char *const str[] = { "pipeline_code", "participant_code",
	    "event_code" };
	static const char *const num[] = { "subject_event_crf_file_id",
	    "revision_number" };
	struct imgp_json *o = imgp_json_new_object(), *told;
	const struct imgp_json *first;
	int64_t n;
	size_t i;

	for (i = 0; i < sizeof str / sizeof *str; i++)
		if (imgp_job_str(job, str[i]) != NULL)
			imgp_json_set_str(o, str[i],
			    imgp_job_str(job, str[i]));
	for (i = 0; i < sizeof num / sizeof *num; i++)
		if (imgp_job_int(job, num[i], &n) == 0)
			imgp_json_set_int(o, num[i], n);
	imgp_json_set_int(o, "edc_pipeline_file_id", imgp_job_file_id(job));
	imgp_json_set_str(o, "file_name", imgp_job_sub_str(job,
	    "edc_pipeline_file", "file_name"));
	imgp_json_set_str(o, "place", imgp_job_str(job, "destination"));
	imgp_json_set_str(o, "status", "Completed");
	imgp_json_set_bool(o, "has_error", imgp_job_has_errors(job));
	imgp_json_set_str(o, "sha256", imgp_job_sub_str(job, "sha256",
	    "destination"));
	if (imgp_job_sub_int(job, "bytes", "destination", &n) == 0)
		imgp_json_set_int(o, "bytes", n);
	first = imgp_json_first(imgp_job_get(job, "errors"));
	imgp_json_set_str(o, "error_code", imgp_json_str(imgp_json_get(first,
	    "error_code")));
	told = imgp_report_job(job);
	if ((first = imgp_json_get(told, "scans")) != NULL) {
		struct imgp_json *all = imgp_json_new_object();

		imgp_json_int(imgp_json_get(first, "series"), &n);
		imgp_json_set_int(all, "scans", n);
		imgp_json_int(imgp_json_get(first, "instances"), &n);
		imgp_json_set_int(all, "instances", n);
		imgp_json_set(o, "scans_in_all", all);
	}
	imgp_json_free(told);
	return o;
}

void
imgp_news_see(struct imgp_news *n, struct imgp_job *job)
{
	const char *pipeline = imgp_job_str(job, "pipeline_code");
	enum imgp_outcome o = imgp_report_outcome(job);
	struct imgp_json *file;
	struct audience *a;

	if (pipeline == NULL || imgp_conf(pipeline, "labs") == NULL ||
	    strcmp(imgp_conf(pipeline, "labs_at_once"), "yes") != 0)
		return;
	if (o == IMGP_DELIVERED || o == IMGP_WITH_ERRORS)
		file = file_of(job);
	else if (o == IMGP_TO_RETRY || o == IMGP_FOR_GOOD) {
		file = imgp_json_new_object();	/* counted, not named */
		imgp_json_set_str(file, "status", "Failed");
	} else
		return;
	a = audience_of(n, pipeline);
	if (imgp_json_count(a->files) < IMGP_NEWS_MOST)
		imgp_json_append(a->files, file);
	else
		imgp_json_free(file);
}

/* "20190118T220000Z-…" as "2019-01-18T22:00:00Z"; "" when it is none. */
static void
start_of(const char *run, char dst[32])
{
	dst[0] = '\0';
	if (run != NULL && imgp_names_is_run(run))
		snprintf(dst, 32, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", run,
		    run + 4, run + 6, run + 9, run + 11, run + 13);
}

static int
send_one(const struct audience *a, struct imgp_post *p, const char *run,
    struct imgp_err *e)
{
	struct imgp_json *content = imgp_json_new_object();
	struct imgp_digest d = { .content = content,
	    .title = imgp_conf(a->pipeline, "mail_title") };
	struct imgp_mail_file csv = { .name = "files.csv",
	    .type = "text/csv; charset=utf-8; header=present" };
	struct imgp_buf text = IMGP_BUF_INIT, html = IMGP_BUF_INIT,
	    table = IMGP_BUF_INIT;
	struct imgp_digest_counts n;
	time_t now = time(NULL);
	struct imgp_letter l = { .pipeline = a->pipeline, .to = IMGP_TO_LABS,
	    .files = &csv, .n_files = 1, .date = (int64_t)now };
	char when[32], *about, *subject;
	struct tm tm;
	int rc;

	start_of(run, when);
	imgp_json_set_str(content, "since", when);
	if (gmtime_r(&now, &tm) != NULL)
		strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
	imgp_json_set_str(content, "until", when);
	imgp_json_set(content, "files", imgp_json_copy(a->files));
	imgp_digest_count(&d, &n);
	if (n.fresh == 0) {
		imgp_json_free(content);
		return 0;
	}
	imgp_digest_text(&d, &text);
	imgp_digest_html(&d, &html);
	imgp_digest_csv(&d, &table);
	subject = imgp_digest_subject(&d);
	about = imgp_asprintf("news %s\n%s", run == NULL ? when : run, a->key);
	csv.data = table.s;
	csv.len = table.len;
	l.about = about;
	l.subject = subject;
	l.text = text.s;
	l.html = html.s;
	rc = imgp_post_letter(p, &l, e);
	free(about);
	free(subject);
	imgp_buf_release(&text);
	imgp_buf_release(&html);
	imgp_buf_release(&table);
	imgp_json_free(content);
	return rc;
}

int
imgp_news_send(struct imgp_news *n, struct imgp_post *p, const char *run,
    struct imgp_err *e)
{
	const struct audience *a;
	struct imgp_err why;
	int rc = 0;

	for (a = n->audiences; a != NULL; a = a->next)
		if (send_one(a, p, run, &why) == -1 && rc == 0) {
			rc = -1;
			*e = why;
		}
	return rc;
}
