#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libimgpipe/base/conf.h"
#include "libimgpipe/job/run_id.h"
#include "libimgpipe/report/audience.h"
#include "libimgpipe/report/digest.h"
#include "libimgpipe/report/news.h"
#include "libimgpipe/report/report.h"

struct imgp_news {
	struct imgp_audience *audiences;	/* own: files, a JSON array */
};

struct imgp_news *
imgp_news_new(void)
{
	return imgp_alloc(sizeof(struct imgp_news));
}

static void
free_files(void *files)
{
	imgp_json_free(files);
}

void
imgp_news_free(struct imgp_news *n)
{
	if (n == NULL)
		return;
	imgp_audience_free(n->audiences, free_files);
	free(n);
}

/* The ids of its series, as a digest has them. */
static void
set_scans(struct imgp_json *file, struct imgp_job *job)
{
	struct imgp_json *list = imgp_json_new_array(), *o;
	const struct imgp_json *i, *s;
	int64_t n;

	for (i = imgp_json_first(imgp_job_get(job, "scans")); i != NULL;
	    i = imgp_json_next(i))
		for (s = imgp_json_first(imgp_json_get(i, "series"));
		    s != NULL; s = imgp_json_next(s)) {
			o = imgp_json_new_object();
			imgp_json_set_str(o, "atri_uid", imgp_json_str(
			    imgp_json_get(s, "atri_uid")));
			if (imgp_json_int(imgp_json_get(s,
			    "number_of_instances"), &n) == 0)
				imgp_json_set_int(o, "number_of_instances", n);
			imgp_json_append(list, o);
		}
	imgp_json_set(file, "scans", list);
}

struct imgp_json *
imgp_news_file(struct imgp_job *job)
{
	static const char *const str[] = { "pipeline_code", "participant_code",
	    "event_code" };
	static const char *const num[] = { "subject_event_crf_file_id",
	    "revision_number" };
	struct imgp_json *o = imgp_json_new_object(), *facts;
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
	set_scans(o, job);
	facts = imgp_report_job(job);
	if ((first = imgp_json_get(facts, "scans")) != NULL) {
		struct imgp_json *all = imgp_json_new_object();

		imgp_json_int(imgp_json_get(first, "series"), &n);
		imgp_json_set_int(all, "scans", n);
		imgp_json_int(imgp_json_get(first, "instances"), &n);
		imgp_json_set_int(all, "instances", n);
		imgp_json_set(o, "scans_in_all", all);
	}
	imgp_json_free(facts);
	return o;
}

void
imgp_news_see(struct imgp_news *n, struct imgp_job *job)
{
	const char *pipeline = imgp_job_str(job, "pipeline_code");
	enum imgp_outcome o = imgp_report_outcome(job);
	struct imgp_audience *a;
	struct imgp_json *file;

	if (pipeline == NULL || imgp_conf(pipeline, "labs") == NULL ||
	    strcmp(imgp_conf(pipeline, "labs_at_once"), "yes") != 0)
		return;
	if (o == IMGP_DELIVERED || o == IMGP_WITH_ERRORS)
		file = imgp_news_file(job);
	else if (o == IMGP_TO_RETRY || o == IMGP_FOR_GOOD) {
		file = imgp_json_new_object();	/* only counted */
		imgp_json_set_str(file, "status", "Failed");
	} else
		return;
	a = imgp_audience_of(&n->audiences, IMGP_TO_LABS, pipeline);
	if (a->own == NULL)
		a->own = imgp_json_new_array();
	if (imgp_json_count(a->own) < IMGP_NEWS_MOST)
		imgp_json_append(a->own, file);
	else
		imgp_json_free(file);
}

/* "20190118T220000Z-…" as "2019-01-18T22:00:00Z"; "" when it is none. */
static void
start_of(const char *run, char dst[32])
{
	dst[0] = '\0';
	if (run != NULL && imgp_run_id_is(run))
		snprintf(dst, 32, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", run,
		    run + 4, run + 6, run + 9, run + 11, run + 13);
}

/* For imgp_post_fit(). */
static void
make(void *arg, enum imgp_fit fit, size_t most, struct imgp_draft *draft)
{
	struct imgp_digest *d = arg;

	d->brief = fit == IMGP_FIT_BRIEF;
	d->most = most;
	d->where = fit < IMGP_FIT_TEXT ? NULL : "This letter had to be short: "
	    "the nightly digest says where the full list is.\n";
	imgp_digest_text(d, &draft->text);
	if (fit == IMGP_FIT_ALL)
		imgp_digest_html(d, &draft->html);
	if (fit < IMGP_FIT_TEXT)
		imgp_digest_csv(d, &draft->csv);
}

static int
send_one(const struct imgp_audience *a, struct imgp_post *p, const char *run,
    struct imgp_err *e)
{
	struct imgp_json *content = imgp_json_new_object();
	struct imgp_digest d = { .content = content,
	    .title = imgp_conf(a->pipeline, "mail_title") };
	struct imgp_draft draft = IMGP_DRAFT_INIT;
	struct imgp_digest_counts n;
	enum imgp_fit fit;
	time_t now = time(NULL);
	struct imgp_letter l = { .pipeline = a->pipeline, .to = IMGP_TO_LABS,
	    .date = (int64_t)now };
	char when[32], *about, *subject;
	struct tm tm;
	int rc;

	start_of(run, when);
	imgp_json_set_str(content, "since", when);
	if (gmtime_r(&now, &tm) != NULL)
		strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
	imgp_json_set_str(content, "until", when);
	imgp_json_set(content, "files", imgp_json_copy(a->own));
	imgp_digest_count(&d, &n);
	if (n.fresh == 0) {
		imgp_json_free(content);
		return 0;
	}
	subject = imgp_digest_subject(&d);
	about = imgp_asprintf("news %s\n%s", run == NULL ? when : run, a->key);
	l.about = about;
	l.subject = subject;
	rc = imgp_post_fit(&l, (size_t)n.fresh, make, &d, &draft, &fit, e);
	if (rc == 0)
		rc = imgp_post_draft(p, &l, &draft, "files.csv", e);
	free(about);
	free(subject);
	imgp_draft_release(&draft);
	imgp_json_free(content);
	return rc;
}

int
imgp_news_send(struct imgp_news *n, struct imgp_post *p, const char *run,
    struct imgp_err *e)
{
	const struct imgp_audience *a;
	struct imgp_err why;
	int rc = 0;

	for (a = n->audiences; a != NULL; a = a->next)
		if (send_one(a, p, run, &why) == -1 && rc == 0) {
			rc = -1;
			*e = why;
		}
	return rc;
}
